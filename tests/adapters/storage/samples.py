"""Things to store: small builders whose defaults never matter to the claim."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from regcred.domain.access import ApiKey, Role
from regcred.domain.audit import NO_PROJECT, Action, AuditEvent, Reveal
from regcred.domain.credential import RegistryCredential, derive_scopes
from regcred.domain.event import Event, EventKind
from regcred.domain.ports import (
    AuditFilter,
    CredentialFilter,
    SealedSecret,
    Store,
    StoredCluster,
    StoredKey,
    StoredWorkload,
    WrappedSeed,
)
from regcred.domain.project import Project
from regcred.domain.registry import ImagePattern, RegistryAddress, Scope
from regcred.domain.use import Use
from regcred.domain.verdict import EvidenceValue, Verdict, VerdictKind
from regcred.domain.workload import Cluster, Workload

START = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
EVERYTHING = CredentialFilter()
ALL_AUDIT = AuditFilter()
DIGEST = b"d" * 32
STAMP = b"s" * 32
HOST = RegistryAddress("r.example")

_ids = itertools.count(1)


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **span: float) -> datetime:
        """Move on by so many seconds, minutes, hours …; return the new time."""
        self.now += timedelta(**span)
        return self.now


def number_from_one() -> None:
    """Give the same ids again, to a store that has none of them yet."""
    global _ids  # noqa: PLW0603  one source for all builders
    _ids = itertools.count(1)


def new_id() -> UUID:
    return UUID(int=next(_ids) + (7 << 76))


def new_key_id() -> str:
    return f"key{next(_ids):09d}"


def seed(text: str = "seed") -> WrappedSeed:
    return WrappedSeed("kid-1", 1, text.encode())


def sealed(version: int = 1, text: str = "sealed") -> SealedSecret:
    """Return a secret under the seed of the world's own project."""
    return SealedSecret(version, seed("alpha"), text.encode())


def event(
    action: Action, project_id: UUID, target: object = "", at: datetime = START, **more: Any
) -> AuditEvent:
    fields = {"request_id": "req-1", "peer": "192.0.2.1", **more}
    return AuditEvent(action, project_id, "key:tester", at, str(target), **fields)


def a_project(name: str = "alpha", **more: Any) -> Project:
    return Project(new_id(), 0, name, START, START, **more)


def a_key(project_id: UUID, **more: Any) -> ApiKey:
    fields = {"name": "ci", "role": Role.EDITOR, "created_at": START, **more}
    return ApiKey(new_key_id(), project_id, **fields)


def stored(key: ApiKey, stamp: bytes = STAMP) -> StoredKey:
    return StoredKey(key, DIGEST, stamp)


def a_credential(
    project_id: UUID, name: str = "login", url: str | None = "r.example", **more: Any
) -> RegistryCredential:
    scopes = more.pop("scopes", None)
    return RegistryCredential(
        new_id(),
        0,
        project_id,
        name,
        more.pop("provider", "generic"),
        more.pop("username", "robot"),
        START,
        START,
        registry_url=url,
        scopes=derive_scopes(url) if scopes is None else tuple(map(Scope.parse, scopes)),
        **more,
    )


def a_verdict(kind: VerdictKind, at: datetime = START, **more: Any) -> Verdict:
    return Verdict(kind, at, **more)


def an_event(
    project_id: UUID,
    credential_id: UUID | None = None,
    kind: EventKind = EventKind.VERDICT_CHANGED,
    at: datetime = START,
    **details: EvidenceValue,
) -> Event:
    return Event(project_id, at, kind, credential_id or new_id(), "login", details)


def a_use(name: str = "web", expires_at: datetime | None = None, at: datetime = START) -> Use:
    return Use("deployment", name, at, expires_at)


def a_reveal(project_id: UUID, *logins: UUID, at: datetime = START, **more: Any) -> Reveal:
    fields = {
        "principal": "key:puller",
        "image": "r.example/team/app",
        "client": "docker",
        "request_id": "req-1",
        "peer": "192.0.2.1",
        "node": "",
        "namespace": "",
        **more,
    }
    return Reveal(
        project_id=str(project_id), at=at, logins=tuple((str(i), 1) for i in logins), **fields
    )


def a_cluster(name: str = "prod-1", **more: Any) -> Cluster:
    fields = {"issuer": "https://issuer.example", "audience": name, "jwks": "{}", **more}
    return Cluster(new_id(), name, created_at=START, updated_at=START, **fields)


def a_workload(project_id: UUID, cluster: Cluster, **more: Any) -> Workload:
    fields = {"namespace": "shop", "service_account": "web", "images": ("r.example/shop",), **more}
    patterns = tuple(map(ImagePattern.parse, fields.pop("images")))
    return Workload(
        new_id(),
        project_id,
        cluster.id,
        cluster.name,
        image_patterns=patterns,
        created_at=START,
        **fields,
    )


@dataclass
class World:
    """A store with one project, and short ways to fill it."""

    store: Store
    clock: Clock
    project: Project = field(init=False)

    async def begin(self) -> World:
        self.project = await self.add_project("alpha")
        return self

    @property
    def id(self) -> UUID:
        return self.project.id

    async def add_project(self, name: str) -> Project:
        project = a_project(name)
        return await self.store.create_project(
            project, seed(name), event(Action.PROJECT_CREATED, project.id, project.id)
        )

    async def add_key(self, project_id: UUID | None = None, **more: Any) -> ApiKey:
        key = a_key(project_id or self.id, **more)
        return await self.store.create_key(
            stored(key), event(Action.KEY_CREATED, key.project_id, key.id)
        )

    async def add(
        self,
        name: str = "login",
        url: str | None = "r.example",
        project_id: UUID | None = None,
        **more: Any,
    ) -> RegistryCredential:
        credential = a_credential(project_id or self.id, name, url, **more)
        return await self.store.create_credential(
            credential, sealed(text=name), self.created(credential)
        )

    async def add_cluster(self, name: str = "prod-1", **more: Any) -> Cluster:
        cluster = a_cluster(name, **more)
        done = event(Action.CLUSTER_CREATED, NO_PROJECT, cluster.id, secret_version=1)
        return await self.store.create_cluster(StoredCluster(cluster, STAMP), done)

    async def add_workload(
        self, cluster: Cluster, project_id: UUID | None = None, **more: Any
    ) -> Workload:
        workload = a_workload(project_id or self.id, cluster, **more)
        done = event(Action.WORKLOAD_ALLOWED, workload.project_id, workload.id)
        return await self.store.create_workload(StoredWorkload(workload, STAMP), done)

    def created(self, credential: RegistryCredential) -> AuditEvent:
        return event(
            Action.CREDENTIAL_CREATED, credential.project_id, credential.id, secret_version=1
        )

    async def actions(self, project_id: UUID | None = None) -> list[Action]:
        """Return what the audit tells of a project, oldest first."""
        rows = await self.store.list_audit(project_id or self.id, ALL_AUDIT, 0, 1000)
        return [row.event.action for row in reversed(rows)]

    async def names(self, narrowed: CredentialFilter = EVERYTHING) -> list[str]:
        found = await self.store.list_credentials(self.id, narrowed, 0, 100)
        return [credential.name for credential in found]

    async def matched(
        self, repository: str | None, address: RegistryAddress = HOST, **more: Any
    ) -> list[str]:
        """Return `name scope` of every login a new key of this project finds."""
        key = more.pop("key", None) or await self.add_key()
        read = await self.store.read_for_resolve(key.id, None, address, repository)
        return [f"{candidate.name} {candidate.matched}" for candidate in read.candidates]
