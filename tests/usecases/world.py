"""Every use case over fakes: a store in memory, a sealer that hides nothing, told registries."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from regcred.adapters.identity.pod_tokens import PodTokenVerifier
from regcred.adapters.registries.limits import ProjectRate
from regcred.adapters.sealing.pod_stamps import KeyedPodStamps
from regcred.bootstrap.bell import TaskBell
from regcred.bootstrap.waves import Wave
from regcred.domain.access import ApiKey, Caller, Principal, Role
from regcred.domain.audit import Action, AuditEvent, Reveal
from regcred.domain.credential import Delivery, Draft, RegistryCredential
from regcred.domain.errors import InvalidInput
from regcred.domain.event import Event, EventKind
from regcred.domain.ports import (
    AuditFilter,
    Bell,
    LoginPlace,
    PlaceBells,
    SealedSecret,
    StoredCluster,
    StoredKey,
)
from regcred.domain.project import Project
from regcred.domain.registry import ImagePattern, ImageReference
from regcred.domain.secret import Secret
from regcred.domain.verdict import Verdict, VerdictKind
from regcred.domain.webhook import Webhook
from regcred.domain.workload import Cluster, Workload
from regcred.usecases.authenticate import Authenticate
from regcred.usecases.authenticate_pod import AuthenticatePod
from regcred.usecases.deliver_events import DeliverEvents
from regcred.usecases.exchange_logins import ExchangeLogins
from regcred.usecases.explain_image import ExplainImage
from regcred.usecases.hand_out_logins import HandOutLogins
from regcred.usecases.lock_out import LockOut
from regcred.usecases.manage_clusters import ManageClusters
from regcred.usecases.manage_credentials import ManageCredentials
from regcred.usecases.manage_keys import KeyDraft, ManageKeys
from regcred.usecases.manage_projects import ManageProjects
from regcred.usecases.manage_uses import ManageUses
from regcred.usecases.manage_webhooks import ManageWebhooks, WebhookDraft
from regcred.usecases.manage_workloads import ManageWorkloads
from regcred.usecases.probe_registry import ProbeRegistry
from regcred.usecases.prove_login import ProveLogin
from regcred.usecases.pull import Presented, Resolution, question_for_image
from regcred.usecases.read_audit import ReadAudit
from regcred.usecases.read_events import ReadEvents
from regcred.usecases.read_fetches import ReadFetches
from regcred.usecases.recheck_credentials import RecheckCredentials
from regcred.usecases.resolve_image import ResolveImage
from regcred.usecases.seal_secret import open_current
from regcred.usecases.serve_docker_helper import ServeDockerHelper
from regcred.usecases.verify_credential import VerifyCredential
from tests.fakes.registries import ScriptedRegistries
from tests.fakes.sealer import PlainSealer
from tests.fakes.sender import ScriptedSender
from tests.fakes.store import MemoryStore
from tests.tools.events import record_event

START = datetime(2030, 1, 1, tzinfo=UTC)
REGISTRY = "reg.example.com"
PASSWORD = "the password"
CHECKS = 30
"""What a project may have checked in a minute."""
HOOK = "https://hooks.example.com/in?from=regcred"


class HandClock:
    """Time stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        """Return seconds that pass as the time does."""
        return self.now.timestamp()

    def forward(self, **step: float) -> None:
        self.now += timedelta(**step)


class CountingDigests:
    """Insecure: no pepper. Counts its work, so that tests can compare it."""

    def __init__(self) -> None:
        self.compared = 0

    def digest(self, secret: str) -> bytes:
        return hashlib.sha256(secret.encode()).digest()

    def matches(self, secret: str, digest: bytes | None) -> bool:
        self.compared += 1
        return self.digest(secret) == digest

    def stamp(self, key: ApiKey, digest: bytes) -> bytes:
        same = replace(key, name="", created_at=START, last_used_at=None)
        return hashlib.sha256(repr((same, digest)).encode()).digest()

    def genuine(self, stored: StoredKey) -> bool:
        return self.stamp(stored.key, stored.digest) == stored.stamp


class SayingRegistries(ScriptedRegistries):
    """Scripted registries that can be told what to say about every login."""

    says: VerdictKind | None = None
    needs: Callable[[ImageReference | None], bool] = staticmethod(lambda _image: True)
    """Which image, or none, can be asked about."""

    async def verify(
        self, delivery: Delivery, secret: Secret, image: ImageReference | None
    ) -> Verdict:
        if not self.needs(image):
            raise InvalidInput("image", "must be another")
        if self.meanwhile is not None:
            happening, self.meanwhile = self.meanwhile, None
            await happening()
        verdict = await super().verify(delivery, secret, image)
        return verdict if self.says is None else replace(verdict, kind=self.says)


class WatchedStore(MemoryStore):
    """A store in which something happens just before a chosen method does its work."""

    def __init__(self, clock: HandClock) -> None:
        super().__init__(clock)
        self.before: dict[str, list[Callable[[], Awaitable[object]]]] = {}
        self.reveals: list[Reveal] = []

    async def _happens(self, method: str) -> None:
        waiting = self.before.get(method, [])
        if waiting:
            await waiting.pop(0)()

    def edit_key(self, edited: StoredKey) -> None:
        """Put a row in place as it stands, as a writer without the key ring can."""
        self._keys[edited.key.id] = edited

    async def update_credential(
        self,
        credential: RegistryCredential,
        expected_version: int | None,
        secret: SealedSecret | None,
        event: AuditEvent,
    ) -> RegistryCredential:
        await self._happens("update_credential")
        return await super().update_credential(credential, expected_version, secret, event)

    async def sealed_secret(self, project_id: UUID, credential_id: UUID) -> SealedSecret:
        await self._happens("sealed_secret")
        return await super().sealed_secret(project_id, credential_id)

    async def create_credential(self, *arguments: Any) -> RegistryCredential:
        await self._happens("create_credential")
        return await super().create_credential(*arguments)

    async def update_key(
        self, stored: StoredKey, expected_version: int | None, event: AuditEvent
    ) -> ApiKey:
        await self._happens("update_key")
        return await super().update_key(stored, expected_version, event)

    async def update_project(
        self, project: Project, expected_version: int | None, event: AuditEvent
    ) -> Project:
        await self._happens("update_project")
        return await super().update_project(project, expected_version, event)

    async def update_webhook(
        self,
        webhook: Webhook,
        expected_version: int | None,
        secret: SealedSecret | None,
        event: AuditEvent,
    ) -> Webhook:
        await self._happens("update_webhook")
        return await super().update_webhook(webhook, expected_version, secret, event)

    async def create_cluster(self, stored: StoredCluster, event: AuditEvent) -> Cluster:
        await self._happens("create_cluster")
        return await super().create_cluster(stored, event)

    async def update_cluster(
        self, stored: StoredCluster, expected_version: int | None, event: AuditEvent
    ) -> Cluster:
        await self._happens("update_cluster")
        return await super().update_cluster(stored, expected_version, event)

    async def create_workload(self, *arguments: Any) -> Workload:
        await self._happens("create_workload")
        return await super().create_workload(*arguments)

    async def webhook_secret(self, project_id: UUID, webhook_id: UUID) -> SealedSecret:
        await self._happens("webhook_secret")
        return await super().webhook_secret(project_id, webhook_id)

    def edit_webhook(self, edited: Webhook) -> None:
        """Put a row in place as it stands, as a writer without the key ring can."""
        self._webhooks[edited.project_id, edited.id].webhook = edited

    async def record_reveal(self, reveal: Reveal) -> None:
        await self._happens("record_reveal")
        await super().record_reveal(reveal)
        self.reveals.append(reveal)


class TurningBells:
    """While someone waits, what is due is exchanged, and the time passes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.hangs = False
        """Whether nobody exchanges anything."""

        self.waiting = self.most = 0
        """How many wait now, and waited at once at most."""

    def ring(self, place: LoginPlace) -> None:
        """Wake nobody: who waits goes on by itself."""

    async def wait(self, place: LoginPlace, seconds: float) -> None:
        del place
        if not self.hangs:
            for place, claim in await self._world.exchanges.claim_due(16):
                await self._world.exchanges.renew(place, claim)
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        await asyncio.sleep(0)
        self.waiting -= 1
        self._world.clock.forward(seconds=seconds)


class World:
    """One service with an operator; projects and keys are made as tests need them."""

    def __init__(self, bells: tuple[Bell, PlaceBells] | None = None) -> None:
        """Take the bells for what is due and what is done, in place of the turning ones."""
        self.clock = HandClock()
        self.store = WatchedStore(self.clock)
        self.sealer = PlainSealer()
        self.registries = SayingRegistries(self.clock)
        self.digests = CountingDigests()
        numbers, seeds = itertools.count(1), itertools.count(1)

        def new_id() -> UUID:
            return UUID(int=(7 << 76) | (2 << 62) | next(numbers))

        def random(size: int) -> bytes:
            return hashlib.shake_256(str(next(seeds)).encode()).digest(size)

        store, clock, sealer = self.store, self.clock, self.sealer
        self.allowance = ProjectRate(CHECKS, clock.monotonic)
        self.projects = ManageProjects(store, sealer, clock, new_id)
        self.keys = ManageKeys(store, self.digests, clock, random)
        self.bell = TurningBells(self)
        due, done = bells or (TaskBell(), self.bell)
        self.exchanges = ExchangeLogins(
            store, sealer, self.registries, clock, random, self.allowance, due, done
        )
        prove = ProveLogin(store, self.registries, self.allowance, self.exchanges)
        self.credentials = ManageCredentials(store, sealer, prove, clock, new_id, Wave)
        self.verification = VerifyCredential(
            store, sealer, self.registries, clock, self.allowance, self.exchanges
        )
        self.probe = ProbeRegistry(store, self.registries, self.allowance)
        self.uses = ManageUses(store, clock)
        self.audit = ReadAudit(store)
        self.hear = ReadEvents(store)
        self.fetches = ReadFetches(store)
        self.recheck = RecheckCredentials(store, sealer, self.registries, clock)
        self.explain = ExplainImage(store, self.registries, clock)
        tokens, self.stamps = PodTokenVerifier(clock.monotonic), KeyedPodStamps(bytes(32))
        self.clusters = ManageClusters(store, tokens, self.stamps, clock, new_id)
        self.workloads = ManageWorkloads(store, self.stamps, clock, new_id)
        self.pods = AuthenticatePod(store, tokens, self.stamps, clock)
        self.lock_out = LockOut(store, clock)
        self.resolve = ResolveImage(
            store,
            sealer,
            self.digests,
            clock,
            self.registries,
            self.exchanges,
            self.pods,
            self.lock_out,
            Wave,
        )
        self.docker = ServeDockerHelper(self.credentials)
        self.hand_out = HandOutLogins(
            store, sealer, clock, self.registries, self.exchanges, self.digests
        )
        self.sender = ScriptedSender()
        self.webhooks = ManageWebhooks(
            store, sealer, self.sender, clock, new_id, random, self.allowance
        )
        self.deliveries = DeliverEvents(store, sealer, self.sender, clock, random)
        self.authenticate = Authenticate(store, self.digests, clock, self.lock_out, Wave)

    async def open(self) -> World:
        """Make the first project, with the operator's key in it."""
        self.operator = Caller(Principal("key", "first"), UUID(int=0), Role.ADMIN, operator=True)
        self.home = await self.project("home")
        self.operator = await self.caller(Role.ADMIN, operator=True)
        return self

    async def project(self, name: str = "second") -> Project:
        """Make a project."""
        return (await self.projects.create(self.operator, name)).project

    async def key(
        self,
        role: Role,
        *patterns: str,
        project: Project | None = None,
        expires_at: datetime | None = None,
        operator: bool = False,
    ) -> str:
        """Return the text of a new key."""
        ref = (project or self.home).id
        draft = KeyDraft(f"a {role}", role, patterns, expires_at, operator=operator)
        created = await self.keys.create(self.operator._replace(project_id=ref), ref, draft)
        assert created.text is not None
        return created.text.reveal()

    async def caller(self, role: Role, *patterns: str, **more: Any) -> Caller:
        """Return an authenticated caller with a key of its own."""
        text = await self.key(role, *patterns, **more)
        return await self.authenticate(text, request_id="r-test", peer="192.0.2.1")

    async def login(
        self, name: str = "hub", registry: str | None = REGISTRY, **fields: Any
    ) -> RegistryCredential:
        """Store a login in the home project."""
        return await self.credentials.create(self.operator, None, draft(name, registry, **fields))

    async def webhook(self, url: str = HOOK, **fields: Any) -> Webhook:
        """Make a webhook in the home project."""
        made = await self.webhooks.create(self.operator, None, WebhookDraft(url, **fields))
        return made.webhook

    async def happen(
        self,
        kind: EventKind = EventKind.VERDICT_CHANGED,
        project_id: UUID | None = None,
        **details: Any,
    ) -> int:
        """Store an event, of the home project unless another is named."""
        about = project_id or self.home.id
        event = Event(about, self.clock(), kind, UUID(int=5), "hub", details)
        return await record_event(self.store, event)

    async def password(self, credential: RegistryCredential) -> str:
        """Open what is stored, from what is stored, as the hot path would."""
        _, secret = await open_current(
            self.store, self.sealer, credential.project_id, credential.id
        )
        return secret.reveal()

    async def pull(self, key: str | None, image: str, **more: Any) -> Resolution:
        _, question = question_for_image(image)
        around = {name: more.pop(name) for name in ("project", "node", "namespace") if name in more}
        return await self.resolve(presented(key, **around), question, **more)

    async def events(self, action: Action | None = None) -> list[AuditEvent]:
        """Return the home project's audit, oldest first."""
        rows = await self.store.list_audit(self.home.id, AuditFilter(action), 0, 1000)
        return [row.event for row in reversed(rows)]


def presented(
    key: str | None, project: UUID | int | None = None, node: str = "", namespace: str = ""
) -> Presented:
    return Presented(key, project, "test", "r-pull", "192.0.2.9", node, namespace)


def draft(name: str = "hub", registry: str | None = REGISTRY, **fields: Any) -> Draft:
    password = fields.pop("password", PASSWORD)
    return Draft(
        name=name,
        username=fields.pop("username", "ada"),
        password=Secret(password),
        registry_url=registry,
        **fields,
    )


def patterns(*texts: str) -> tuple[ImagePattern, ...]:
    return tuple(map(ImagePattern.parse, texts))
