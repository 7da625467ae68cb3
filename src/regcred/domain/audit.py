"""What happened, to what, by whom. Ids, counts and words alone: never a secret or a header."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from regcred.domain.access import Caller


class Action(StrEnum):
    """Every kind of audit row."""

    PROJECT_CREATED = "project.created"
    PROJECT_UPDATED = "project.updated"
    PROJECT_DELETED = "project.deleted"
    KEY_CREATED = "key.created"
    KEY_UPDATED = "key.updated"
    KEY_DELETED = "key.deleted"
    CREDENTIAL_CREATED = "credential.created"
    CREDENTIAL_REPLACED = "credential.replaced"
    CREDENTIAL_UPDATED = "credential.updated"
    CREDENTIAL_DELETED = "credential.deleted"
    CREDENTIAL_VERIFIED = "credential.verified"
    CREDENTIAL_EXCHANGED = "credential.exchanged"
    CREDENTIAL_REVEALED = "credential.revealed"
    LOGIN_VERIFIED = "login.verified"
    REGISTRY_PROBED = "registry.probed"
    USE_PUT = "use.put"
    USE_DELETED = "use.deleted"
    WEBHOOK_CREATED = "webhook.created"
    WEBHOOK_UPDATED = "webhook.updated"
    WEBHOOK_DELETED = "webhook.deleted"
    WEBHOOK_TESTED = "webhook.tested"
    CLUSTER_CREATED = "cluster.created"
    CLUSTER_UPDATED = "cluster.updated"
    CLUSTER_DELETED = "cluster.deleted"
    WORKLOAD_ALLOWED = "workload.allowed"
    WORKLOAD_DELETED = "workload.deleted"
    ROLLBACK_ACCEPTED = "store.rollback_accepted"
    KEYS_REWRAPPED = "keys.rewrapped"
    SEED_ADDED = "seed.added"
    SEEDS_DESTROYED = "seeds.destroyed"
    AUDIT_PRUNED = "audit.pruned"


NO_PROJECT = UUID(int=0)
"""The project of an event that concerns the whole store."""

AuditValue = str | int | bool | None | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One fact, before it is stored. `target` is the id of what it happened to."""

    action: Action
    project_id: UUID
    principal: str
    at: datetime
    target: str = ""
    secret_version: int | None = None
    """The version of the secret, or of the key, after the event: how an older row is noticed."""

    request_id: str = ""
    peer: str = ""
    details: Mapping[str, AuditValue] = field(default_factory=dict)

    @classmethod
    def by(
        cls,
        caller: Caller,
        action: Action,
        project_id: UUID,
        at: datetime,
        target: str = "",
        *,
        secret_version: int | None = None,
        **details: AuditValue,
    ) -> AuditEvent:
        """Say what `caller` did."""
        return cls(
            action,
            project_id,
            str(caller.principal),
            at,
            target,
            secret_version,
            caller.request_id,
            caller.peer,
            details,
        )


class Reveal(NamedTuple):
    """One answer that hands out logins; reveals of one commit that are alike become one row."""

    project_id: str
    """As text, as the read that found the logins gave it."""

    principal: str
    image: str
    client: str
    peer: str
    logins: tuple[tuple[str, int], ...]
    """(credential id, secret version) of every login handed out, in order."""

    node: str
    namespace: str
    """Where the logins go, as the client says; "" if it does not."""

    at: datetime
    request_id: str

    @property
    def way(self) -> tuple[object, ...]:
        """Return what reveals that are alike have in common: everything but when."""
        return self[:-2]

    @property
    def details(self) -> dict[str, AuditValue]:
        """Return what its audit row says besides who and when."""
        return {
            "image": self.image,
            "client": self.client,
            "logins": tuple(f"{id_}:{version}" for id_, version in self.logins),
            **({"node": self.node} if self.node else {}),
            **({"namespace": self.namespace} if self.namespace else {}),
        }


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A stored event: `number` grows in commit order; a coalesced row counts its requests."""

    number: int
    event: AuditEvent
    count: int = 1
    last_request_id: str = ""
