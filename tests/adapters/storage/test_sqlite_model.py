"""SQLite and the fake are one store: any sequence of calls has the same outcomes on both."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from regcred.adapters.storage.sqlite import SqliteStore, schema
from regcred.domain.audit import Action, AuditEvent
from regcred.domain.errors import CredentialInUse, RegcredError
from regcred.domain.ports import (
    AlreadyDone,
    CredentialFilter,
    EventFilter,
    IdempotentRequest,
    SealedSecret,
    Store,
)
from regcred.domain.registry import ImagePattern, RegistryAddress, Scope
from regcred.domain.use import Use
from regcred.domain.verdict import Verdict, VerdictKind
from tests.adapters.storage import samples
from tests.adapters.storage.samples import (
    ALL_AUDIT,
    EVERYTHING,
    Clock,
    a_credential,
    a_key,
    a_project,
    a_reveal,
    event,
    seed,
    stored,
)
from tests.fakes.store import MemoryStore

# Few of everything, so that calls meet each other.
NAMES = st.sampled_from(["a", "b", "c"])
WHICH = st.integers(0, 3)
VERSIONS = st.sampled_from([None, None, 1, 2, 3])
SCOPES = st.lists(
    st.sampled_from(["r.example", "r.example/x", "r.example/x/y", "*.example", "*.example/x"]),
    max_size=3,
    unique=True,
)
LABELS = st.dictionaries(st.sampled_from(["env", "team"]), st.sampled_from(["", "1"]), max_size=2)
FILTERS = st.builds(
    CredentialFilter,
    name=st.none() | NAMES,
    registry=st.none() | st.sampled_from([RegistryAddress("r.example")]),
    label=st.none() | st.sampled_from([("env", None), ("env", "1")]),
    verdict=st.none() | st.sampled_from([VerdictKind.OK]),
)
ASKED = st.sampled_from([None, "x", "x/y", "x/y/z", "xy"])
KINDS = st.sampled_from([VerdictKind.OK, VerdictKind.REJECTED, VerdictKind.UNREACHABLE])
Call = Callable[[Store], Awaitable[Any]]


@cache
def template() -> Path:
    directory = Path(tempfile.mkdtemp())
    schema.migrate(directory)
    return directory


async def outcome(call: Call, store: Store) -> object:
    """Return what a call came to, in a form that can be compared."""
    try:
        return await call(store)
    except AlreadyDone as done:
        return ("already done", done.digest, done.resource_id)
    except CredentialInUse as refused:
        return ("in use", refused.uses)
    except RegcredError as refused:
        return (type(refused).__name__, str(refused))


class TwoStores(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        # Plans are spread by ids: an example that runs again must meet the same.
        samples.number_from_one()
        self.runner = asyncio.Runner()
        self.clock = Clock()
        self.directory = Path(tempfile.mkdtemp())
        shutil.copy(template() / "regcred.db", self.directory)
        self.memory = MemoryStore(self.clock)
        self.sqlite = SqliteStore.open(self.directory, clock=self.clock)
        self.projects: list[Any] = []
        self.credentials: list[Any] = []
        self.keys: list[Any] = []

    def teardown(self) -> None:
        self.sqlite.close()
        self.runner.close()
        shutil.rmtree(self.directory)

    def both(self, call: Call) -> Any:
        """Make the call on both stores, demand one outcome, and return it."""
        expected = self.runner.run(outcome(call, self.memory))
        found = self.runner.run(outcome(call, self.sqlite))

        assert _plain(found) == _plain(expected)
        return expected

    def event(
        self, action: Action, project: Any, target: object = "", version: int | None = None
    ) -> AuditEvent:
        return event(action, project.id, target, self.clock(), secret_version=version)

    @initialize()
    def begin(self) -> None:
        for name in ("alpha", "beta"):
            self.create_project(name)
        self.create_key(0)

    @rule(name=NAMES)
    def create_project(self, name: str) -> None:
        project = a_project(name)
        done = self.event(Action.PROJECT_CREATED, project)
        self.both(lambda s: s.create_project(project, seed("alpha"), done))
        self.projects.append(project)

    @rule(which=WHICH, name=NAMES, version=VERSIONS, every=st.sampled_from([86400, 86400, 900, 0]))
    def update_project(self, which: int, name: str, version: int | None, every: int) -> None:
        project = replace(
            _pick(self.projects, which), name=name, updated_at=self.clock(), recheck_every=every
        )
        done = self.event(Action.PROJECT_UPDATED, project)
        self.both(lambda s: s.update_project(project, version, done))

    @rule(which=st.integers(2, 5), version=VERSIONS)
    def delete_project(self, which: int, version: int | None) -> None:
        project = _pick(self.projects, which)
        done = self.event(Action.PROJECT_DELETED, project)
        self.both(lambda s: s.delete_project(project.id, version, done))

    @rule(which=WHICH)
    def create_key(self, which: int) -> None:
        key = a_key(_pick(self.projects, which).id)
        done = event(Action.KEY_CREATED, key.project_id, key.id, self.clock())
        self.both(lambda s: s.create_key(stored(key), done))
        self.keys.append(key)

    @rule(which=WHICH, version=VERSIONS, disabled=st.booleans())
    def update_key(self, which: int, version: int | None, disabled: bool) -> None:
        patterns = (ImagePattern.parse("r.example/x"),) if disabled else ()
        key = replace(_pick(self.keys, which), disabled=disabled, image_patterns=patterns)
        done = event(Action.KEY_UPDATED, key.project_id, key.id, self.clock())
        self.both(lambda s: s.update_key(stored(key, b"t" * 32), version, done))

    @rule(which=st.integers(1, 4), version=VERSIONS)
    def delete_key(self, which: int, version: int | None) -> None:
        key = _pick(self.keys, which)
        done = event(Action.KEY_DELETED, key.project_id, key.id, self.clock())
        self.both(lambda s: s.delete_key(key.project_id, key.id, version, done))

    @rule(
        which=WHICH,
        name=NAMES,
        scopes=SCOPES,
        labels=LABELS,
        once=st.none() | st.sampled_from(["k1", "k2"]),
    )
    def create_credential(
        self, which: int, name: str, scopes: list[str], labels: dict[str, str], once: str | None
    ) -> None:
        project = _pick(self.projects, which)
        end = self.clock() + timedelta(days=35)
        login = a_credential(project.id, name, None, scopes=scopes, labels=labels, expires_at=end)
        secret = SealedSecret(1, seed("alpha"), name.encode())
        done = self.event(Action.CREDENTIAL_CREATED, project, login.id, 1)
        request = IdempotentRequest("key:tester", once, b"d" * 32) if once else None
        self.both(lambda s: s.create_credential(login, secret, done, request))
        self.credentials.append(login)

    @precondition(lambda self: self.credentials)
    @rule(
        which=WHICH,
        name=NAMES,
        scopes=SCOPES,
        labels=LABELS,
        version=VERSIONS,
        secret_version=st.sampled_from([None, 1, 2, 3]),
    )
    def update_credential(
        self,
        which: int,
        name: str,
        scopes: list[str],
        labels: dict[str, str],
        version: int | None,
        secret_version: int | None,
    ) -> None:
        login = replace(
            _pick(self.credentials, which),
            name=name,
            scopes=tuple(map(Scope.parse, scopes)),
            labels=labels,
            updated_at=self.clock(),
        )
        secret = None
        if secret_version is not None:
            secret = SealedSecret(secret_version, seed("alpha"), b"new")
        done = event(Action.CREDENTIAL_UPDATED, login.project_id, login.id, self.clock())
        self.both(lambda s: s.update_credential(login, version, secret, done))

    @precondition(lambda self: self.credentials)
    @rule(which=WHICH, version=VERSIONS, force=st.booleans())
    def delete_credential(self, which: int, version: int | None, force: bool) -> None:
        login = _pick(self.credentials, which)
        done = event(Action.CREDENTIAL_DELETED, login.project_id, login.id, self.clock())
        self.both(
            lambda s: s.delete_credential(
                login.project_id, login.id, version, done, with_uses=force
            )
        )

    @precondition(lambda self: self.credentials)
    @rule(
        which=WHICH,
        kind=KINDS,
        version=st.integers(1, 2),
        image=st.sampled_from([None, "r.example/app"]),
        left=st.sampled_from([None, "5", "50"]),
        automatic=st.booleans(),
    )
    def record_verdict(
        self,
        which: int,
        kind: VerdictKind,
        version: int,
        image: str | None,
        left: str | None,
        automatic: bool,
    ) -> None:
        login = _pick(self.credentials, which)
        evidence = {} if left is None else {"ratelimit_limit": "100", "ratelimit_remaining": left}
        verdict = Verdict(kind, self.clock(), image, evidence)
        done = event(Action.CREDENTIAL_VERIFIED, login.project_id, login.id, self.clock())
        place = (login.project_id, login.id)
        self.both(lambda s: s.record_verdict(*place, version, verdict, done, automatic=automatic))
        self.both(lambda s: s.list_verdicts(*place, 0, 5))

    @rule(ahead=st.sampled_from([0, 1, 30, 1500]))
    def claim_checks(self, ahead: int) -> None:
        now = self.clock() + timedelta(minutes=ahead)
        self.both(lambda s: s.checks_due(now))
        self.both(lambda s: _in_order(s.claim_checks(now, timedelta(minutes=5), 100)))

    @rule(limit=st.integers(1, 3), after=st.integers(0, 3))
    def plan_checks(self, limit: int, after: int) -> None:
        now = self.clock()
        self.both(lambda s: s.plan_checks(now, limit, after))

    @rule(ahead=st.integers(0, 40))
    def give_notices(self, ahead: int) -> None:
        now = self.clock() + timedelta(days=ahead)
        self.both(lambda s: _without_numbers(s.claim_expiry_notices(now, 100)))

    @rule(which=WHICH)
    def list_events(self, which: int) -> None:
        project = _pick(self.projects, which)
        self.both(lambda s: _without_numbers(s.list_events(project.id, EventFilter(), 0, 100)))

    @rule(which=WHICH)
    def credentials_of(self, which: int) -> None:
        project = _pick(self.projects, which)
        ids = [login.id for login in self.credentials[::2]]
        self.both(lambda s: _by_number(s.credentials_of(project.id, ids)))

    @precondition(lambda self: self.credentials)
    @rule(which=WHICH, name=NAMES, lease=st.none() | st.integers(1, 90))
    def put_use(self, which: int, name: str, lease: int | None) -> None:
        login = _pick(self.credentials, which)
        now = self.clock()
        until = None if lease is None else now + timedelta(seconds=lease)
        use = Use("pod", name, now, until)
        done = event(Action.USE_PUT, login.project_id, login.id, now)
        self.both(lambda s: s.put_use(login.project_id, login.id, use, done))

    @precondition(lambda self: self.credentials)
    @rule(which=WHICH, name=NAMES)
    def delete_use(self, which: int, name: str) -> None:
        login = _pick(self.credentials, which)
        done = event(Action.USE_DELETED, login.project_id, login.id, self.clock())
        self.both(lambda s: s.delete_use(login.project_id, login.id, "pod", name, done))

    @precondition(lambda self: self.credentials)
    @rule(which=WHICH)
    def look_at_uses(self, which: int) -> None:
        login = _pick(self.credentials, which)
        self.both(lambda s: s.list_uses(login.project_id, login.id, self.clock()))

    @precondition(lambda self: self.credentials)
    @rule(which=WHICH, whose=WHICH, node=st.sampled_from(["", "n1"]))
    def reveal(self, which: int, whose: int, node: str) -> None:
        login = _pick(self.credentials, which)
        principal = f"key:{_pick(self.keys, whose).id}"
        at, place = self.clock(), (login.project_id, login.id)
        told = a_reveal(login.project_id, login.id, at=at, principal=principal, node=node)
        self.both(lambda s: s.record_reveal(told))
        self.both(lambda s: _unnumbered(s.list_fetches(*place, None, None, 10)))
        self.both(lambda s: s.fetches_lost_at(*place))

    @rule(whose=WHICH, asked=ASKED, number=st.sampled_from([None, 1, 2, 3]))
    def resolve(self, whose: int, asked: str | None, number: int | None) -> None:
        key = _pick(self.keys, whose).id
        address = RegistryAddress("r.example")
        self.both(lambda s: s.read_for_resolve(key, number, address, asked))

    @rule(which=WHICH, narrowed=FILTERS, after=st.integers(0, 3), limit=st.integers(1, 4))
    def list_credentials(
        self, which: int, narrowed: CredentialFilter, after: int, limit: int
    ) -> None:
        project = _pick(self.projects, which)
        self.both(lambda s: s.list_credentials(project.id, narrowed, after, limit))

    @rule(which=WHICH, offset=st.integers(0, 3), limit=st.integers(1, 4))
    def page_by_offset(self, which: int, offset: int, limit: int) -> None:
        project = _pick(self.projects, which)
        self.both(lambda s: s.credentials_at(project.id, offset, limit))
        self.both(lambda s: s.count_credentials(project.id))

    @rule(which=WHICH, ref=st.one_of(NAMES, st.integers(0, 4)))
    def find_by_name_or_number(self, which: int, ref: str | int) -> None:
        project = _pick(self.projects, which)
        self.both(lambda s: s.find_credential(project.id, ref))

    @rule(seconds=st.sampled_from([1, 30, 61, 86_400]))
    def time_passes(self, seconds: int) -> None:
        self.clock.pass_(seconds=seconds)

    @rule()
    def restart(self) -> None:
        self.sqlite.close()
        self.sqlite = SqliteStore.open(self.directory, clock=self.clock)
        # A new process has forgotten whose last use is fresh; the fake must forget with it.
        self.memory._moved.clear()

    @invariant()
    def everything_is_told_alike(self) -> None:
        self.both(lambda s: s.list_projects(0, 50))
        for project in self.projects[:3]:
            self.project_is_told_alike(project.id)

    def project_is_told_alike(self, project_id: UUID) -> None:
        self.both(lambda s: s.list_credentials(project_id, EVERYTHING, 0, 50))
        self.both(lambda s: s.list_keys(project_id, "", 50))
        self.both(lambda s: s.list_audit(project_id, ALL_AUDIT, 0, 200))


def _pick(things: list[Any], which: int) -> Any:
    return things[which % len(things)]


async def _in_order(claiming: Awaitable[Any]) -> Any:
    """Return claims sorted: which of two that are due at once comes first is nobody's promise."""
    return sorted(await claiming)


async def _unnumbered(fetching: Awaitable[Any]) -> Any:
    return [replace(fetch, number=0) for fetch in await fetching]


async def _by_number(finding: Awaitable[Any]) -> Any:
    return sorted(await finding, key=lambda login: login.number)


async def _without_numbers(telling: Awaitable[Any]) -> Any:
    """Return events in the order of their times: notices due at once come in any order."""
    told = [replace(e, number=0, details=dict(e.details)) for e in await telling]
    return sorted(told, key=lambda e: (e.at, e.kind, e.credential_id))


def _plain(value: object) -> object:
    """Return sequences as lists, all the way down: which kind they are is nobody's promise."""
    return [_plain(part) for part in value] if isinstance(value, tuple | list) else value


TestTwoStores = TwoStores.TestCase
