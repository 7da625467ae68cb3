"""A whole service in memory: the real use cases and the real web over fakes, without a network."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

import httpx2

from regcred.adapters.identity.pod_tokens import PodTokenVerifier
from regcred.adapters.registries.limits import ProjectRate
from regcred.adapters.registries.registries import RealRegistries
from regcred.adapters.sealing.service_keys import ServiceKeys
from regcred.bootstrap.bell import TaskBell
from regcred.bootstrap.renewals import Renewals
from regcred.bootstrap.waves import Wave
from regcred.domain.access import ApiKey, Role
from regcred.domain.audit import Action, AuditEvent
from regcred.domain.ports import Clock, LoginPlace, Store, StoredKey
from regcred.domain.project import Project
from regcred.domain.token import RANDOM_BYTES, ApiToken
from regcred.usecases.authenticate import Authenticate
from regcred.usecases.authenticate_pod import AuthenticatePod
from regcred.usecases.exchange_logins import ExchangeLogins
from regcred.usecases.explain_image import ExplainImage
from regcred.usecases.hand_out_logins import HandOutLogins
from regcred.usecases.lock_out import LockOut
from regcred.usecases.manage_clusters import ManageClusters
from regcred.usecases.manage_credentials import ManageCredentials
from regcred.usecases.manage_keys import ManageKeys
from regcred.usecases.manage_projects import ManageProjects
from regcred.usecases.manage_uses import ManageUses
from regcred.usecases.manage_webhooks import ManageWebhooks
from regcred.usecases.manage_workloads import ManageWorkloads
from regcred.usecases.probe_registry import ProbeRegistry
from regcred.usecases.prove_login import ProveLogin
from regcred.usecases.read_audit import ReadAudit
from regcred.usecases.read_events import ReadEvents
from regcred.usecases.read_fetches import ReadFetches
from regcred.usecases.resolve_image import ResolveImage
from regcred.usecases.serve_docker_helper import ServeDockerHelper
from regcred.usecases.serve_kubelet import ServeKubelet
from regcred.usecases.verify_credential import VerifyCredential
from regcred.web.admission import Admission
from regcred.web.app import build_app
from regcred.web.budget import Budget
from regcred.web.delivery.docker_credential import DockerCredential
from regcred.web.delivery.exchange import Endpoint, HotPath
from regcred.web.delivery.fast_path import FastPath
from regcred.web.delivery.kubelet import KubeletCredential, token_in
from regcred.web.delivery.resolve import Resolve
from regcred.web.dialects.native import DIALECT
from regcred.web.forwarded import TrustedProxies
from regcred.web.services import Services
from tests.fakes.registries import ScriptedRegistries
from tests.fakes.sealer import PlainSealer
from tests.fakes.sender import ScriptedSender
from tests.fakes.store import MemoryStore
from tests.tools.issuer import AUDIENCE, Issuer
from tests.web.served import served

START = datetime(2030, 1, 1, tzinfo=UTC)

Reply = httpx2.Response
Headers = Mapping[str, str] | Sequence[tuple[str, str] | tuple[bytes, bytes]]


class TickingClock:
    """Time moves by a millisecond whenever someone looks."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def monotonic(self) -> float:
        """Return seconds that pass as the time does."""
        return self.now.timestamp()


class World:
    """Two projects with a key for every role; everything is reached through `send`."""

    def __init__(
        self,
        make_store: Callable[[Clock], Store] = MemoryStore,
        budgets: Mapping[str, Budget] = MappingProxyType({}),
        most_at_once: int = 100,
        rates: Mapping[str, int] = MappingProxyType({}),
        trusted_proxies: Sequence[str] = (),
        make_registries: Callable[[Clock], RealRegistries] = ScriptedRegistries,
        checks_a_minute: int = 1_000,
        answered: Callable[[str, str, str, int, float], None] | None = None,
    ) -> None:
        self.answered = answered
        self.budgets = budgets
        self.checks_a_minute = checks_a_minute
        self.clock = TickingClock()
        self.proxies = TrustedProxies(trusted_proxies)
        self.admission = Admission(most_at_once, self.clock.monotonic, **rates)
        self.store = make_store(self.clock)
        self.sealer = PlainSealer()
        self.registries: Any = make_registries(self.clock)
        self.sender = ScriptedSender()
        self.service_keys = ServiceKeys.derive(bytes(32), os.urandom)
        self.checks: dict[str, str] = {"store": "ok", "keyring": "ok", "migrations": "ok"}
        self.watched: dict[str, str] = {"audit chain": "ok"}
        self.issuer = Issuer(START)
        self.keys: dict[str, str] = {}
        """Name -> key text: viewer, puller, editor, admin, operator, and foreign ones."""

        self._ids = itertools.count(1)
        self._requests = itertools.count(1)
        self.allowance = ProjectRate(checks_a_minute, self.clock.monotonic)
        self.exchanges = ExchangeLogins(
            self.store,
            self.sealer,
            self.registries,
            self.clock,
            os.urandom,
            self.allowance,
            TaskBell(),
            self,
        )
        self.lock_out = LockOut(self.store, self.clock)
        self.services = self._services()
        resolve = ResolveImage(
            self.store,
            self.sealer,
            self.service_keys.key_digests,
            self.clock,
            self.registries,
            self.exchanges,
            self.services.authenticate_pod,
            self.lock_out,
            Wave,
        )
        logins = Resolve(resolve)
        endpoints: dict[str, Endpoint] = {
            "resolve": logins,
            "docker-credential/get": DockerCredential(resolve),
            "kubelet-credential": KubeletCredential(ServeKubelet(resolve, self.store, self.clock)),
        }
        hot = HotPath(
            endpoints, self.services, DIALECT.render_error, {"kubelet-credential": token_in}
        )
        self.app: Any = build_app(
            self.services, hot, FastPath(hot, {"resolve": logins}, self.services)
        )

    def ring(self, place: LoginPlace) -> None:
        """Be the bells of ended exchanges: who waits exchanges by itself."""

    async def wait(self, place: LoginPlace, seconds: float) -> None:
        """Exchange what is due."""
        del place, seconds
        await Renewals(self.exchanges, TaskBell()).turn()

    async def populate(self) -> World:
        """Make the projects and keys. The home is project 1, the foreign one project 2."""
        self.home = await self.make_project("home")
        self.foreign = await self.make_project("foreign")
        for role in Role:
            self.keys[role] = await self.make_key(self.home, role)
            self.keys[f"foreign {role}"] = await self.make_key(self.foreign, role)
        self.keys["operator"] = await self.make_key(self.home, Role.ADMIN, operator=True)
        return self

    async def make_project(self, name: str) -> Project:
        """Store a project."""
        project = Project(self.new_id(), 0, name, self.clock(), self.clock())
        seed = await self.sealer.new_seed(str(project.id))
        event = AuditEvent(Action.PROJECT_CREATED, project.id, "test", self.clock())
        return await self.store.create_project(project, seed, event)

    async def make_key(self, project: Project, role: Role, **more: Any) -> str:
        """Store a key and return its text."""
        token = ApiToken.mint(os.urandom(RANDOM_BYTES))
        key = ApiKey(token.id, project.id, str(role), role, self.clock(), **more)
        event = AuditEvent(Action.KEY_CREATED, project.id, "test", self.clock(), key.id)
        digests = self.service_keys.key_digests
        digest = digests.digest(token.secret)
        await self.store.create_key(StoredKey(key, digest, digests.stamp(key, digest)), event)
        return token.reveal()

    async def send(
        self,
        method: str,
        path: str,
        json: object = None,
        *,
        key: str | None = "admin",
        headers: Headers = (),
        content: bytes | str | None = None,
    ) -> Reply:
        """Send one request with the key of that name (or that text); None sends none."""
        sent = [] if key is None else [("Authorization", f"Bearer {self.keys.get(key, key)}")]
        pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
        transport = httpx2.ASGITransport(app=served(self.app), client=("192.0.2.7", 5000))
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://regcred.test", trust_env=False
        ) as client:
            options = {"content": content} if content is not None else {"json": json}
            if json is None and content is None:
                options = {}
            return await client.request(method, path, headers=[*sent, *pairs], **options)

    async def add(self, name: str = "ci-pull", *, key: str = "admin", **more: Any) -> Any:
        """Store a credential in the key's home and return it as shown."""
        reply = await self.send(
            "POST", "/v1/projects/-/credentials", credential(name=name, **more), key=key
        )
        assert reply.status_code == 201, reply.text
        return reply.json()

    async def set_up_cluster(self, name: str = "prod-1", audience: str = AUDIENCE) -> None:
        """Have the tokens of `issuer` believed."""
        body = {"issuer": self.issuer.name, "audience": audience, "jwks": self.issuer.jwks()}
        reply = await self.send("PUT", f"/v1/clusters/{name}", body, key="operator")
        assert reply.status_code in {200, 201}, reply.text

    def new_id(self) -> UUID:
        """Return ids in order."""
        return UUID(int=(0x019A9C1E << 96) | (7 << 76) | (2 << 62) | next(self._ids))

    async def _readiness(self) -> dict[str, str]:
        return self.checks

    async def _watched(self) -> dict[str, str]:
        return self.watched

    def _services(self) -> Services:
        store, clock = self.store, self.clock
        registries = self.registries
        allowance = self.allowance
        prove = ProveLogin(store, registries, allowance, self.exchanges)
        credentials = ManageCredentials(store, self.sealer, prove, clock, self.new_id, Wave)
        digests, stamps = self.service_keys.key_digests, self.service_keys.pod_stamps
        tokens = PodTokenVerifier(clock.monotonic)
        return Services(
            authenticate=Authenticate(store, digests, clock, self.lock_out, Wave),
            authenticate_pod=AuthenticatePod(store, tokens, stamps, clock),
            projects=ManageProjects(store, self.sealer, clock, self.new_id),
            keys=ManageKeys(store, digests, clock, os.urandom),
            credentials=credentials,
            verify=VerifyCredential(
                store, self.sealer, registries, clock, allowance, self.exchanges
            ),
            probe=ProbeRegistry(store, registries, allowance),
            explain=ExplainImage(store, registries, clock),
            uses=ManageUses(store, clock),
            audit=ReadAudit(store),
            events=ReadEvents(store),
            fetches=ReadFetches(store),
            docker_helper=ServeDockerHelper(credentials),
            hand_out=HandOutLogins(store, self.sealer, clock, registries, self.exchanges, digests),
            webhooks=ManageWebhooks(
                store, self.sealer, self.sender, clock, self.new_id, os.urandom, allowance
            ),
            clusters=ManageClusters(store, tokens, stamps, clock, self.new_id),
            workloads=ManageWorkloads(store, stamps, clock, self.new_id),
            families=self.registries,
            cursors=self.service_keys.cursors,
            request_digest=self.service_keys.request_digests.digest,
            clock=clock,
            monotonic=self.clock.monotonic,
            budgets=self.budgets,
            admission=self.admission,
            proxies=self.proxies,
            new_request_id=lambda: f"made-{next(self._requests):05}",
            readiness=self._readiness,
            watched=self._watched,
            answered=self.answered,
        )


def credential(**fields: Any) -> dict[str, Any]:
    """Return a body that stores a credential."""
    return {
        "name": "ci-pull",
        "registry_url": "https://registry.example.com/team",
        "username": "robot",
        "password": "a-token-with-pull-rights",
        **fields,
    }


def problem(reply: Reply) -> str:
    """Return which problem an answer is, and check that it is one in every respect."""
    assert reply.headers["content-type"] == "application/problem+json"
    said = reply.json()
    assert said["status"] == reply.status_code
    assert said["request_id"] == reply.headers["x-request-id"]
    kind: str = said["type"].removeprefix("urn:regcred:problem:")
    return kind
