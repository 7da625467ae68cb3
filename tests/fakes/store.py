"""A store in memory. Insecure and for tests alone: nothing is durable, nothing is private.

It passes the conformance suite that the real stores pass, so a test that uses it speaks of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from regcred.domain import schedule
from regcred.domain.access import ApiKey
from regcred.domain.audit import Action, AuditEvent, AuditRow, Reveal
from regcred.domain.credential import RegistryCredential
from regcred.domain.errors import (
    CredentialInUse,
    CredentialNotFound,
    KeyNotFound,
    NameTaken,
    NotFound,
    ProjectNotEmpty,
    ProjectNotFound,
    RegcredError,
    StoreUnavailable,
    UseNotFound,
    VersionMismatch,
)
from regcred.domain.event import Event
from regcred.domain.fetch import KEPT, MOST, Fetch, FetchPosition
from regcred.domain.fresh_login import wanted_of
from regcred.domain.notices import Subject, allowance_low, expiry_notice, news_of, next_notice
from regcred.domain.ports import (
    AlreadyDone,
    AuditFilter,
    Candidate,
    Clock,
    Creation,
    CredentialFilter,
    CredentialRef,
    DueCheck,
    EventFilter,
    IdempotentRequest,
    KeptLogin,
    LoginPlace,
    Planned,
    ProjectRef,
    ResolveQuestion,
    ResolveRead,
    SealedLogin,
    SealedSecret,
    StoredKey,
    Waiting,
    WrappedSeed,
)
from regcred.domain.project import Project
from regcred.domain.registry import RegistryAddress, Scope
from regcred.domain.schedule import RESTS, Plan
from regcred.domain.use import Use
from regcred.domain.verdict import DEAD, Standing, Verdict
from tests.fakes.pods import MemoryPods
from tests.fakes.webhooks import MemoryWebhooks
from tests.fakes.wrong_keys import MemoryWrongKeys

_T = TypeVar("_T")

_DAY = timedelta(hours=24)
_MINUTE = timedelta(seconds=60)
_KEPT_VERDICTS = 100
_MAX_PLACES = 32
_KEPT_EVENTS = 10_000
_LOOK_EVERY = 50

_Way = tuple[str, str, str, str, str]


@dataclass
class _Held:
    """A credential with everything that dies with it."""

    credential: RegistryCredential
    secret: SealedSecret
    verdicts: list[tuple[int, Verdict]] = field(default_factory=list)
    uses: dict[tuple[str, str], Use] = field(default_factory=dict)
    plan: Plan = RESTS
    image: str | None = None
    notice_at: datetime | None = None
    logins: dict[str, _Exchanged] = field(default_factory=dict)
    fetches: dict[_Way, Fetch] = field(default_factory=dict)
    fetches_lost_at: datetime | None = None


@dataclass
class _Exchanged:
    """An exchanged login of one place, and who is exchanging."""

    kept: KeptLogin
    claim: str | None = None


def _keep_newest(held: _Held) -> None:
    """Drop what is older than the newest, but of each principal its newest, within MOST."""
    newest_first = sorted(held.fetches, key=lambda way: held.fetches[way].position, reverse=True)
    newest_of = {way[0]: way for way in reversed(newest_first)}
    lost = [way for way in newest_first[KEPT:] if newest_of[way[0]] != way]
    left = [way for way in newest_first if way not in lost]
    for way in [*lost, *left[MOST:]]:
        lost_at = held.fetches.pop(way).last_at
        held.fetches_lost_at = max(held.fetches_lost_at or lost_at, lost_at)


class MemoryStore(MemoryPods, MemoryWrongKeys, MemoryWebhooks):
    """Implements `regcred.domain.ports.Store` for tests.

    Every method does its work without suspending, so each is atomic. `broken` makes every call
    fail, as a disk that went away would.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.broken = False
        self._clock = clock
        self._projects: dict[UUID, Project] = {}
        self._seeds: dict[UUID, WrappedSeed] = {}
        self._keys: dict[str, StoredKey] = {}
        self._held: dict[UUID, dict[UUID, _Held]] = {}
        self._numbers: dict[UUID, int] = {}
        self._last_project = 0
        self._last_verdict = 0
        self._audit: list[AuditRow] = []
        self._events: dict[UUID, list[Event]] = {}
        self._last_event = 0
        self._replan: dict[UUID, int] = {}
        self._done: dict[tuple[str, str], tuple[AlreadyDone, datetime]] = {}
        self._moved: dict[Hashable, datetime] = {}
        self._last_fetch = 0

    # Projects

    async def create_project(
        self,
        project: Project,
        seed: WrappedSeed,
        event: AuditEvent,
        idempotent: IdempotentRequest | None = None,
    ) -> Project:
        self._awake()
        self._refuse_repeated(idempotent)
        self._refuse_name(project, self._projects.values())
        self._last_project += 1
        stored = replace(project, number=self._last_project, version=1)
        self._projects[project.id] = stored
        self._seeds[project.id] = seed
        self._held[project.id] = {}
        self._remember(idempotent, str(project.id))
        self._append(event)
        return stored

    async def find_project(self, ref: ProjectRef) -> Project:
        self._awake()
        for project in self._projects.values():
            if ref in (project.id, project.number):
                return project
        raise ProjectNotFound

    async def list_projects(self, after: int, limit: int) -> Sequence[Project]:
        self._awake()
        ordered = sorted(self._projects.values(), key=lambda p: p.number)
        return [p for p in ordered if p.number > after][:limit]

    async def update_project(
        self, project: Project, expected_version: int | None, event: AuditEvent
    ) -> Project:
        old = self._project(project.id, expected_version)
        self._refuse_name(project, self._projects.values())
        stored = replace(
            old,
            name=project.name,
            require_if_match=project.require_if_match,
            recheck_every=project.recheck_every,
            updated_at=project.updated_at,
            version=old.version + 1,
        )
        self._projects[project.id] = stored
        if old.recheck_every != stored.recheck_every:
            self._replan[project.id] = 0
        self._append(event)
        return stored

    async def delete_project(
        self, project_id: UUID, expected_version: int | None, event: AuditEvent
    ) -> None:
        self._project(project_id, expected_version)
        if self._held[project_id]:
            raise ProjectNotEmpty
        del self._projects[project_id], self._seeds[project_id], self._held[project_id]
        self._events.pop(project_id, None)
        self._replan.pop(project_id, None)
        self._drop_webhooks(project_id)
        self._drop_workloads(project_id)
        self._keys = {i: s for i, s in self._keys.items() if s.key.project_id != project_id}
        self._append(event)

    async def project_seed(self, project_id: UUID) -> WrappedSeed:
        self._project(project_id, None)
        return self._seeds[project_id]

    # Keys

    async def create_key(
        self,
        stored: StoredKey,
        event: AuditEvent,
        idempotent: IdempotentRequest | None = None,
    ) -> ApiKey:
        self._refuse_repeated(idempotent)
        self._project(stored.key.project_id, None)
        key = replace(stored.key, version=1, last_used_at=None)
        self._keys[key.id] = stored._replace(key=key)
        self._remember(idempotent, key.id)
        self._append(event)
        return key

    async def find_key(self, project_id: UUID, key_id: str) -> StoredKey:
        return self._key(project_id, key_id, None)

    async def list_keys(self, project_id: UUID, after: str, limit: int) -> Sequence[ApiKey]:
        self._awake()
        keys = sorted((s.key for s in self._keys.values()), key=lambda k: k.id)
        return [k for k in keys if k.project_id == project_id and k.id > after][:limit]

    async def update_key(
        self, stored: StoredKey, expected_version: int | None, event: AuditEvent
    ) -> ApiKey:
        key = stored.key
        old = self._key(key.project_id, key.id, expected_version)
        updated = replace(
            old.key,
            name=key.name,
            image_patterns=key.image_patterns,
            expires_at=key.expires_at,
            disabled=key.disabled,
            version=old.key.version + 1,
        )
        self._keys[key.id] = StoredKey(updated, old.digest, stored.stamp)
        self._append(event)
        return updated

    async def delete_key(
        self, project_id: UUID, key_id: str, expected_version: int | None, event: AuditEvent
    ) -> None:
        self._key(project_id, key_id, expected_version)
        del self._keys[key_id]
        self._append(event)

    async def key_for_authentication(self, key_id: str) -> StoredKey | None:
        self._awake()
        return self._keys.get(key_id)

    # Credentials

    async def create_credential(
        self,
        credential: RegistryCredential,
        secret: SealedSecret,
        event: AuditEvent,
        idempotent: IdempotentRequest | None = None,
    ) -> RegistryCredential:
        self._refuse_repeated(idempotent)
        self._project(credential.project_id, None)
        held = self._held[credential.project_id]
        self._refuse_name(credential, (h.credential for h in held.values()))
        number = self._numbers.get(credential.project_id, 0) + 1
        self._numbers[credential.project_id] = number
        stored = replace(
            credential,
            number=number,
            version=1,
            secret_version=secret.secret_version,
            standing=Standing(),
            last_used_at=None,
            last_used_by=None,
        )
        held[credential.id] = _Held(
            stored,
            secret,
            plan=self._after_new_secret(stored, stored.created_at),
            notice_at=next_notice(stored.expires_at, stored.created_at),
        )
        self._remember(idempotent, str(credential.id))
        self._append(event)
        return stored

    async def create_credentials(
        self, wave: Sequence[Waiting[Creation, RegistryCredential]]
    ) -> None:
        for waiting in wave:
            try:
                waiting.done(await self.create_credential(*waiting.asked))
            except Exception as error:  # noqa: BLE001  it is the outcome of this one
                waiting.failed(error)

    async def find_credential(self, project_id: UUID, ref: CredentialRef) -> RegistryCredential:
        self._awake()
        held = self._held.get(project_id, {})
        if isinstance(ref, int):
            numbered = [h.credential for h in held.values() if h.credential.number == ref]
            if not numbered:
                raise CredentialNotFound
            return numbered[0]
        by_id = {str(id_): h for id_, h in held.items()}
        found = by_id.get(str(ref).lower())
        if found is not None:
            return found.credential
        for candidate in held.values():
            if isinstance(ref, str) and candidate.credential.name == ref:
                return candidate.credential
        raise CredentialNotFound

    async def list_credentials(
        self, project_id: UUID, narrowed: CredentialFilter, after: int, limit: int
    ) -> Sequence[RegistryCredential]:
        self._awake()
        return [
            credential
            for credential in self._by_number(project_id)
            if credential.number > after and _passes(credential, narrowed)
        ][:limit]

    async def credentials_of(
        self, project_id: UUID, ids: Collection[UUID]
    ) -> Sequence[RegistryCredential]:
        self._awake()
        return [c for c in self._by_number(project_id) if c.id in ids]

    async def credentials_at(
        self, project_id: UUID, offset: int, limit: int
    ) -> Sequence[RegistryCredential]:
        self._awake()
        return self._by_number(project_id)[offset : offset + limit]

    async def count_credentials(self, project_id: UUID) -> int:
        self._project(project_id, None)
        return len(self._held[project_id])

    async def update_credential(
        self,
        credential: RegistryCredential,
        expected_version: int | None,
        secret: SealedSecret | None,
        event: AuditEvent,
    ) -> RegistryCredential:
        held = self._credential(credential.project_id, credential.id, expected_version)
        old = held.credential
        others = self._held[credential.project_id].values()
        self._refuse_name(credential, (h.credential for h in others))
        renewed = secret is not None and secret.secret_version != old.secret_version
        held.credential = replace(
            credential,
            number=old.number,
            created_at=old.created_at,
            version=old.version + 1,
            secret_version=secret.secret_version if secret else old.secret_version,
            standing=Standing() if renewed else old.standing,
            last_used_at=old.last_used_at,
            last_used_by=old.last_used_by,
        )
        if secret is not None:
            held.secret = secret
            held.logins.clear()
        if renewed:
            held.plan = self._after_new_secret(old, credential.updated_at)
        if credential.expires_at != old.expires_at:
            held.notice_at = next_notice(credential.expires_at, credential.updated_at)
        self._append(event)
        return held.credential

    async def delete_credential(
        self,
        project_id: UUID,
        credential_id: UUID,
        expected_version: int | None,
        event: AuditEvent,
        *,
        with_uses: bool = False,
    ) -> None:
        held = self._credential(project_id, credential_id, expected_version)
        uses = _live(held, event.at)
        if uses and not with_uses:
            raise CredentialInUse(uses)
        del self._held[project_id][credential_id]
        self._append(event)

    async def sealed_secret(self, project_id: UUID, credential_id: UUID) -> SealedSecret:
        return self._credential(project_id, credential_id, None).secret

    async def record_verdict(
        self,
        project_id: UUID,
        credential_id: UUID,
        secret_version: int,
        verdict: Verdict,
        event: AuditEvent,
        *,
        automatic: bool = False,
    ) -> Sequence[Event]:
        held = self._credential(project_id, credential_id, None)
        news: Sequence[Event] = []
        if secret_version == held.credential.secret_version:
            news = self._move(held, verdict, automatic=automatic)
            if verdict.wakes:
                for found in held.logins.values():
                    if found.kept.failure is not None or found.kept.refresh_at is None:
                        found.kept = found.kept._replace(
                            refresh_at=verdict.checked_at, failures=0, failure=None, failure_note=""
                        )
        self._last_verdict += 1
        held.verdicts = [*held.verdicts, (self._last_verdict, verdict)][-_KEPT_VERDICTS:]
        self._append(event)
        return news

    async def list_verdicts(
        self, project_id: UUID, credential_id: UUID, before: int, limit: int
    ) -> Sequence[tuple[int, Verdict]]:
        self._awake()
        held = self._held.get(project_id, {}).get(credential_id)
        newest_first = reversed(held.verdicts if held else [])
        return [(n, v) for n, v in newest_first if not before or n < before][:limit]

    # Uses

    async def put_use(
        self, project_id: UUID, credential_id: UUID, use: Use, event: AuditEvent
    ) -> None:
        held = self._credential(project_id, credential_id, None)
        old = held.uses.get((use.kind, use.name))
        if old is not None and not old.expired(use.created_at):
            use = replace(use, created_at=old.created_at)
        held.uses[use.kind, use.name] = use
        self._append(event)

    async def delete_use(
        self, project_id: UUID, credential_id: UUID, kind: str, name: str, event: AuditEvent
    ) -> None:
        held = self._credential(project_id, credential_id, None)
        use = held.uses.get((kind, name))
        if use is None or use.expired(event.at):
            raise UseNotFound
        del held.uses[kind, name]
        self._append(event)

    async def list_uses(
        self, project_id: UUID, credential_id: UUID, now: datetime
    ) -> Sequence[Use]:
        return _live(self._credential(project_id, credential_id, None), now)

    # Pulling

    async def read_for_resolve(
        self,
        key_id: str | None,
        project: ProjectRef | None,
        address: RegistryAddress,
        repository: str | None,
    ) -> ResolveRead:
        self._awake()
        key = None if key_id is None else self._keys.get(key_id)
        if key is None and key_id is not None:
            return ResolveRead(None, None, ())
        home = None if key is None else key.key.project_id
        where = home if project is None else project
        try:
            found = await self.find_project(0 if where is None else where)
        except ProjectNotFound:
            return ResolveRead(key, None, ())
        if key is not None and found.id != home and not key.key.operator:
            return ResolveRead(key, None, ())
        limit = 256 if repository is None else 64
        matches = sorted(
            (
                (scope, held)
                for held in self._held[found.id].values()
                for scope in held.credential.scopes
                if _matches(scope, address, repository)
            ),
            key=lambda match: (*_closeness(match[0], repository), match[1].credential.number),
            reverse=True,
        )
        candidates = [_candidate(held, scope) for scope, held in matches[:limit]]
        return ResolveRead(key, str(found.id), candidates)

    async def read_for_resolves(
        self, questions: Sequence[ResolveQuestion]
    ) -> Sequence[ResolveRead | RegcredError]:
        return [await self.read_for_resolve(*question) for question in questions]

    async def read_logins(self, project_id: UUID, ids: Collection[UUID]) -> Sequence[Candidate]:
        self._awake()
        return [
            _candidate(held, scope)
            for id_, held in self._held.get(project_id, {}).items()
            if id_ in ids
            for scope in held.credential.scopes or (None,)
        ]

    async def record_reveal(self, reveal: Reveal) -> None:
        self._awake()
        target, secret_version = reveal.logins[0] if reveal.logins else ("", None)
        self._append(
            AuditEvent(
                Action.CREDENTIAL_REVEALED,
                UUID(reveal.project_id),
                reveal.principal,
                reveal.at,
                target,
                secret_version,
                reveal.request_id,
                reveal.peer,
                reveal.details,
            )
        )
        self._use(reveal)

    async def record_reveals(self, reveals: Sequence[Reveal]) -> Sequence[Exception | None]:
        for reveal in reveals:
            await self.record_reveal(reveal)
        return [None] * len(reveals)

    async def record_use(self, reveal: Reveal) -> None:
        with suppress(StoreUnavailable):
            self._awake()
            self._use(reveal)

    def _use(self, reveal: Reveal) -> None:
        held = self._held.get(UUID(reveal.project_id), {})
        for id_, _ in reveal.logins:
            used = held.get(UUID(id_))
            if used is not None and self._stale(id_, reveal.at):
                used.credential = replace(
                    used.credential, last_used_at=reveal.at, last_used_by=reveal.principal
                )
        kind, _, key_id = reveal.principal.partition(":")
        key = self._keys.get(key_id)
        if kind == "key" and key is not None and self._stale(reveal.principal, reveal.at):
            self._keys[key_id] = key._replace(key=replace(key.key, last_used_at=reveal.at))
        way = (reveal.principal, reveal.client, reveal.image, reveal.node, reveal.namespace)
        ids = tuple(id_ for id_, _ in reveal.logins)
        if self._stale((ids, way), reveal.at):
            for id_ in ids:
                if UUID(id_) in held:
                    self._fetch(held[UUID(id_)], way, reveal.at)

    def _fetch(self, held: _Held, way: _Way, at: datetime) -> None:
        if way in held.fetches:
            known = held.fetches[way]
            held.fetches[way] = replace(known, last_at=max(known.last_at, at))
            return
        self._last_fetch += 1
        held.fetches[way] = Fetch(*way, at, at, self._last_fetch)
        many = len(held.fetches) - KEPT
        if many == 1 or (many > 0 and self._last_fetch % _LOOK_EVERY == 0):
            _keep_newest(held)

    async def list_fetches(
        self,
        project_id: UUID,
        credential_id: UUID,
        after: datetime | None,
        before: FetchPosition | None,
        limit: int,
    ) -> Sequence[Fetch]:
        self._awake()
        held = self._held.get(project_id, {}).get(credential_id)
        found = [
            fetch
            for fetch in (held.fetches.values() if held else ())
            if (after is None or fetch.last_at > after)
            and (before is None or fetch.position < before)
        ]
        return sorted(found, key=lambda fetch: fetch.position, reverse=True)[:limit]

    async def fetches_lost_at(self, project_id: UUID, credential_id: UUID) -> datetime | None:
        self._awake()
        try:
            return self._held[project_id][credential_id].fetches_lost_at
        except KeyError:
            raise CredentialNotFound from None

    # Audit and requests

    # Exchanged logins

    async def find_login(self, place: LoginPlace) -> KeptLogin | None:
        self._awake()
        found = self._logins(place).get(place.place)
        return None if found is None else found.kept

    async def plan_login(self, place: LoginPlace, secret_version: int, at: datetime) -> bool:
        self._awake()
        all_places = self._logins(place)
        if len(all_places) >= _MAX_PLACES:
            for name, other in list(all_places.items()):
                again = other.kept.refresh_at
                forgettable = other.kept.sealed is None and other.kept.failure is not None
                free = not _claimed(other, at)
                past = again is not None and again <= at
                if name != place.place and forgettable and free and past:
                    del all_places[name]
        found = self._login_row(place, secret_version)
        if found is None:
            return False
        if found.kept.refresh_at is None and found.kept.failure is None:
            found.kept = found.kept._replace(refresh_at=at)
        return True

    async def claim_due_logins(
        self, claim: str, now: datetime, until: datetime, limit: int
    ) -> Sequence[LoginPlace]:
        self._awake()
        due = [
            (
                found.kept.sealed is not None,
                found.kept.refresh_at,
                LoginPlace(str(project_id), str(id_), name),
                found,
            )
            for project_id, all_held in self._held.items()
            for id_, held in all_held.items()
            for name, found in held.logins.items()
            if found.kept.refresh_at is not None
            and found.kept.refresh_at <= now
            and not _claimed(found, now)
        ]
        due.sort(key=lambda one: one[:3])
        wanted = [one for one in due if not one[0]]
        first = wanted[: wanted_of(limit)]
        rest = sorted(
            (one for one in due if one not in first), key=lambda one: (one[1], one[0], one[2])
        )
        taken = [*first, *rest][:limit]
        for *_, found in taken:
            found.claim, found.kept = claim, found.kept._replace(claimed_until=until)
        return [place for *_, place, _ in taken]

    async def put_off_login(self, place: LoginPlace, claim: str, at: datetime | None) -> None:
        self._awake()
        found = self._logins(place).get(place.place)
        if found is not None and found.claim == claim:
            found.claim = None
            found.kept = found.kept._replace(refresh_at=at, claimed_until=None)

    async def keep_login(
        self, place: LoginPlace, claim: str, login: SealedLogin, event: AuditEvent
    ) -> bool:
        self._awake()
        found = self._logins(place).get(place.place)
        if found is None or (found.claim, found.kept.secret_version) != (
            claim,
            login.secret_version,
        ):
            return False
        found.claim = None
        held = self._held[event.project_id][UUID(event.target)]
        if found.kept.failure in DEAD:
            standing = replace(held.credential.standing, dead_since=None, dead_last=None)
            held.credential = replace(held.credential, standing=standing)
        kept = (login.secret_version, login.seed, login.sealed, login.refresh_at)
        found.kept = KeptLogin(*kept, 0, None, "", None, login.expires_at)
        self._append(event)
        return True

    async def fail_login(
        self,
        place: LoginPlace,
        claim: str,
        failure: Verdict,
        refresh_at: datetime | None,
        event: AuditEvent,
        news: Event | None = None,
    ) -> bool:
        self._awake()
        found = self._logins(place).get(place.place)
        if found is None or found.claim != claim:
            return False
        found.claim = None
        found.kept = found.kept._replace(
            refresh_at=refresh_at,
            failures=found.kept.failures + 1,
            failure=failure.kind,
            failure_note=failure.reason,
            claimed_until=None,
        )
        self._append(event)
        if news is not None:
            self._put_event(news)
        return True

    def _logins(self, place: LoginPlace) -> dict[str, _Exchanged]:
        held = self._held.get(UUID(place.project_id), {}).get(UUID(place.credential_id))
        return {} if held is None else held.logins

    def _login_row(self, place: LoginPlace, secret_version: int) -> _Exchanged | None:
        """Return a place of the present secret, made if there is room for it."""
        held = self._held.get(UUID(place.project_id), {}).get(UUID(place.credential_id))
        if held is None or held.credential.secret_version != secret_version:
            return None
        others = held.logins.keys() - {place.place}
        if len(others) >= _MAX_PLACES:
            return None
        fresh = _Exchanged(KeptLogin(secret_version, None, None, None, 0, None, "", None))
        return held.logins.setdefault(place.place, fresh)

    # Audit

    async def record(self, event: AuditEvent) -> None:
        self._awake()
        self._append(event)

    async def list_audit(
        self, project_id: UUID, narrowed: AuditFilter, before: int, limit: int
    ) -> Sequence[AuditRow]:
        self._awake()
        return [
            row
            for row in reversed(self._audit)
            if row.event.project_id == project_id
            and (not before or row.number < before)
            and _told(row.event, narrowed)
        ][:limit]

    async def find_idempotent(self, principal: str, key: str) -> AlreadyDone | None:
        self._awake()
        done, at = self._done.get((principal, key), (None, None))
        return done if at is not None and self._clock() - at < _DAY else None

    async def check(self) -> None:
        self._awake()

    # Events

    async def list_events(
        self, project_id: UUID, narrowed: EventFilter, before: int, limit: int
    ) -> Sequence[Event]:
        self._awake()
        return [
            event
            for event in reversed(self._events.get(project_id, []))
            if (not before or event.number < before)
            and narrowed.kind in (None, event.kind)
            and narrowed.credential_id in (None, event.credential_id)
        ][:limit]

    def _put_event(self, event: Event) -> int:
        """Add an event and drop the oldest. Raise ProjectNotFound."""
        self._project(event.project_id, None)
        self._last_event += 1
        kept = self._events.setdefault(event.project_id, [])
        kept.append(replace(event, number=self._last_event))
        self._fan_out(kept[-1])
        del kept[:-_KEPT_EVENTS]
        self._drop_deliveries(event.project_id, kept[0].number)
        return self._last_event

    # What is due

    async def claim_checks(self, now: datetime, lease: timedelta, limit: int) -> Sequence[DueCheck]:
        self._awake()
        claimed: list[DueCheck] = []
        for project, held in sorted(self._due(now), key=lambda found: found[1].plan)[:limit]:
            every = timedelta(seconds=project.recheck_every)
            held.plan = held.plan._replace(due_at=now + lease if every else None)
            if every:
                id_, failures = held.credential.id, held.plan.failures
                claimed.append(DueCheck(project.id, id_, held.image, every, failures, now + lease))
        return claimed

    async def postpone_check(self, check: DueCheck, plan: Plan) -> None:
        self._awake()
        held = self._held.get(check.project_id, {}).get(check.credential_id)
        if held is not None and held.plan.due_at == check.until:
            held.plan = plan

    async def plan_checks(self, now: datetime, limit: int, after: int = 0) -> Planned | None:
        self._awake()
        if not self._replan:
            return None
        projects = (self._projects[id_] for id_ in self._replan)
        project = min(projects, key=lambda p: (p.number <= after, p.number))
        reached = self._replan.pop(project.id)
        coming = [c for c in self._by_number(project.id) if c.number > reached][:limit]
        for credential in coming:
            held = self._held[project.id][credential.id]
            held.plan = schedule.replanned(
                held.plan,
                dead=credential.standing.dead_since is not None,
                now=now,
                every=timedelta(seconds=project.recheck_every),
                spread=schedule.spread_of(credential.id, now),
            )
        if len(coming) == limit:
            self._replan[project.id] = coming[-1].number
        return Planned(project.number, len(coming))

    async def checks_due(self, now: datetime) -> int:
        self._awake()
        return len(self._due(now))

    async def claim_expiry_notices(self, now: datetime, limit: int) -> Sequence[Event]:
        self._awake()
        due = sorted(
            (held.notice_at, held.credential.number, held)
            for all_of in self._held.values()
            for held in all_of.values()
            if held.notice_at is not None and held.notice_at <= now
        )
        told: list[Event] = []
        for _, _, held in due[:limit]:
            expires_at = held.credential.expires_at
            assert expires_at is not None
            event = expiry_notice(_subject(held), expires_at, now)
            told.append(replace(event, number=self._put_event(event)))
            held.notice_at = next_notice(expires_at, now)
        return told

    def _due(self, now: datetime) -> list[tuple[Project, _Held]]:
        return [
            (self._projects[project_id], held)
            for project_id, all_of in self._held.items()
            for held in all_of.values()
            if held.plan.due_at is not None and held.plan.due_at <= now
        ]

    def _after_new_secret(self, credential: RegistryCredential, at: datetime) -> Plan:
        every = timedelta(seconds=self._projects[credential.project_id].recheck_every)
        return schedule.after_new_secret(at, every, schedule.spread_of(credential.id, at))

    def _move(self, held: _Held, verdict: Verdict, *, automatic: bool) -> Sequence[Event]:
        credential = held.credential
        before, after = credential.standing, credential.standing.after(verdict)
        held.plan = schedule.next_check(
            before,
            verdict,
            automatic=automatic,
            every=timedelta(seconds=self._projects[credential.project_id].recheck_every),
            failures=held.plan.failures,
            spread=schedule.spread_of(credential.id, verdict.checked_at),
        )
        held.image = schedule.image_to_check(verdict, automatic=automatic) or held.image
        held.credential = replace(credential, standing=after)
        news = news_of(
            _subject(held),
            verdict,
            before,
            earlier=before.last or (held.verdicts[-1][1].kind if held.verdicts else None),
            was_low=any(
                allowance_low(v.evidence)
                for v in [v for _, v in held.verdicts if "ratelimit_remaining" in v.evidence][-1:]
            ),
        )
        return [replace(event, number=self._put_event(event)) for event in news]

    # Inside

    def _awake(self) -> None:
        if self.broken:
            raise StoreUnavailable("this test broke it")

    def _append(self, event: AuditEvent) -> None:
        self._audit.append(AuditRow(len(self._audit) + 1, event, 1, event.request_id))

    def _project(self, project_id: UUID, expected_version: int | None) -> Project:
        self._awake()
        project = self._projects.get(project_id)
        return _current(project, expected_version, ProjectNotFound(), lambda p: p.version)

    def _key(self, project_id: UUID, key_id: str, expected_version: int | None) -> StoredKey:
        self._awake()
        stored = self._keys.get(key_id)
        if stored is not None and stored.key.project_id != project_id:
            stored = None
        return _current(stored, expected_version, KeyNotFound(), lambda s: s.key.version)

    def _credential(
        self, project_id: UUID, credential_id: UUID, expected_version: int | None
    ) -> _Held:
        self._awake()
        held = self._held.get(project_id, {}).get(credential_id)
        return _current(
            held, expected_version, CredentialNotFound(), lambda h: h.credential.version
        )

    def _by_number(self, project_id: UUID) -> list[RegistryCredential]:
        credentials = (held.credential for held in self._held.get(project_id, {}).values())
        return sorted(credentials, key=lambda c: c.number)

    def _refuse_name(
        self,
        new: Project | RegistryCredential,
        present: Iterable[Project | RegistryCredential],
    ) -> None:
        if any(old.name == new.name and old.id != new.id for old in present):
            raise NameTaken("project" if isinstance(new, Project) else "credential")

    def _refuse_repeated(self, request: IdempotentRequest | None) -> None:
        self._awake()
        if request is None:
            return
        done, at = self._done.get((request.principal, request.key), (None, None))
        if done is not None and at is not None and self._clock() - at < _DAY:
            raise AlreadyDone(done.digest, done.resource_id)

    def _remember(self, request: IdempotentRequest | None, resource_id: str) -> None:
        if request is not None:
            done = AlreadyDone(request.digest, resource_id)
            self._done[request.principal, request.key] = (done, self._clock())

    def _stale(self, whose: Hashable, now: datetime) -> bool:
        if whose in self._moved and now - self._moved[whose] < _MINUTE:
            return False
        self._moved[whose] = now
        return True


def _current(
    found: _T | None, expected: int | None, missing: NotFound, version: Callable[[_T], int]
) -> _T:
    """Return what was found at the expected version. Raise `missing`, VersionMismatch."""
    if found is None:
        raise missing
    if expected is not None and version(found) != expected:
        raise VersionMismatch
    return found


def _claimed(found: _Exchanged, now: datetime) -> bool:
    until = found.kept.claimed_until
    return until is not None and until > now


def _subject(held: _Held) -> Subject:
    credential = held.credential
    return Subject(credential.project_id, credential.id, credential.name)


def _live(held: _Held, now: datetime) -> list[Use]:
    uses = (use for use in held.uses.values() if not use.expired(now))
    return sorted(uses, key=lambda use: (use.kind, use.name))


def _matches(scope: Scope, address: RegistryAddress, repository: str | None) -> bool:
    if repository is None:
        return scope.covers_registry(address)
    return scope.covers(address, repository)


def _closeness(scope: Scope, repository: str | None) -> tuple[bool, int]:
    """Rank for the limit: exact hosts first; then longer paths, or whole registries for a host."""
    if repository is None:
        return (not scope.pattern, int(not scope.path))
    return (not scope.pattern, len(scope.path))


def _candidate(held: _Held, scope: Scope | None) -> Candidate:
    credential = held.credential
    return Candidate(
        str(credential.id),
        credential.name,
        credential.created_at,
        credential.expires_at,
        str(scope or ""),
        credential.delivery,
        credential.standing,
        credential.secret_version,
        held.secret.seed,
        held.secret.sealed,
    )


def _passes(credential: RegistryCredential, narrowed: CredentialFilter) -> bool:
    label, value = narrowed.label or (None, None)
    registry = narrowed.registry
    used, expires = credential.last_used_at, credential.expires_at
    return (
        narrowed.name in (None, credential.name)
        and narrowed.provider in (None, credential.provider)
        and narrowed.username in (None, credential.username)
        and narrowed.verdict in (None, credential.standing.last)
        and (
            registry is None
            or any((s.host, s.port) == (registry.host, registry.port) for s in credential.scopes)
        )
        and (label is None or label in credential.labels)
        and (value is None or credential.labels.get(label or "") == value)
        and (
            narrowed.expiring_before is None
            or (expires is not None and expires < narrowed.expiring_before)
        )
        and (narrowed.unused_since is None or used is None or used < narrowed.unused_since)
    )


def _told(event: AuditEvent, narrowed: AuditFilter) -> bool:
    logins = event.details.get("logins")
    revealed = {text.rpartition(":")[0] for text in logins} if isinstance(logins, tuple) else set()
    return (
        narrowed.action in (None, str(event.action))
        and narrowed.principal in (None, event.principal)
        and (narrowed.target in (None, event.target) or narrowed.target in revealed)
        and (narrowed.since is None or event.at >= narrowed.since)
        and (narrowed.until is None or event.at < narrowed.until)
    )
