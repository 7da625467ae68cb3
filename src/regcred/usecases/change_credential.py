"""What a write of a login asks for, what the login is after it, and its audit row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from regcred.domain.access import Caller, Permission
from regcred.domain.audit import Action, AuditEvent, AuditValue
from regcred.domain.credential import Delivery, Draft, RegistryCredential
from regcred.domain.errors import InvalidInput, VersionMismatch
from regcred.domain.secret import Secret

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Change:
    """What a patch gives; `given` names the fields, because None is a value of some of them."""

    given: frozenset[str]
    name: str = ""
    username: str = ""
    password: Secret | None = None
    registry_url: str | None = None
    provider: str = ""
    settings: dict[str, str | None] | None = None
    """Merged by RFC 7396: a member of None is removed, None as a whole removes them all."""

    description: str = ""
    labels: dict[str, str | None] | None = None
    expires_at: datetime | None = None

    def __call__(self, _old: RegistryCredential) -> Change:
        """Return itself: an `Amendment` that does not look at what it changes."""
        return self


CHECKED = frozenset({"username", "password", "registry_url", "provider", "settings", "expires_at"})
"""The fields of a change that the rules of a login's provider are about."""

Amendment = Callable[[RegistryCredential], Change]
"""Says what to change of a login by what stands there, each time anew if that moves on."""


class Created(NamedTuple):
    """A stored login, and whether a repeated request found it stored already."""

    credential: RegistryCredential
    replayed: bool


def drafted(
    credential_id: UUID, project_id: UUID, draft: Draft, now: datetime
) -> RegistryCredential:
    """Return `draft` as a new login of the project; the store gives it its number."""
    return RegistryCredential(
        credential_id, 0, project_id, created_at=now, updated_at=now, **_written(draft)
    )


def rewritten(old: RegistryCredential, draft: Draft, now: datetime) -> RegistryCredential:
    """Return `old` with everything a person writes taken from `draft`, under a new secret."""
    return replace(old, updated_at=now, secret_version=old.secret_version + 1, **_written(draft))


def _written(draft: Draft) -> dict[str, Any]:
    return {
        "name": draft.name,
        "provider": draft.provider,
        "username": draft.username,
        "registry_url": draft.registry_url,
        "scopes": draft.scopes,
        "settings": draft.settings,
        "description": draft.description,
        "labels": draft.labels,
        "expires_at": draft.expires_at,
    }


def merged(old: RegistryCredential, change: Change, password: Secret) -> Draft:
    """Return `old` with what `change` gives. Raise InvalidInput."""

    def kept(field: str, new: _T, present: _T) -> _T:
        return new if field in change.given else present

    return Draft(
        name=kept("name", change.name, old.name),
        username=kept("username", change.username, old.username),
        password=password,
        registry_url=kept("registry_url", change.registry_url, old.registry_url),
        provider=kept("provider", change.provider, old.provider),
        settings=_merge(old.settings, kept("settings", change.settings, {})),
        description=kept("description", change.description, old.description),
        labels=_merge(old.labels, kept("labels", change.labels, {})),
        expires_at=kept("expires_at", change.expires_at, old.expires_at),
    )


def refuse_moved(present: RegistryCredential, expected_version: int | None) -> None:
    """Raise VersionMismatch if the login is not as the caller read it."""
    if expected_version is not None and expected_version != present.version:
        raise VersionMismatch


def refuse_redirection(
    caller: Caller,
    old: RegistryCredential,
    draft: Draft,
    change: Change,
    exchanged: Callable[[Delivery], bool],
) -> None:
    """Refuse to send a stored password elsewhere for someone who may not see it.

    Whoever names the registry that a login is checked against receives its password; and where a
    secret is `exchanged`, the user name says that it is, and pullers would receive it. Raise
    InvalidInput.
    """
    renamed = draft.username != old.username and (
        exchanged(old.delivery) or exchanged(draft.delivery)
    )
    moved = renamed or (draft.provider, draft.registry_url, draft.scopes, draft.settings) != (
        old.provider,
        old.registry_url,
        old.scopes,
        old.settings,
    )
    if moved and change.password is None and not caller.may(Permission.REVEAL):
        raise InvalidInput("password", "must be given again when the registry or settings change")


def audited(
    caller: Caller, action: Action, of: RegistryCredential, at: datetime, **details: AuditValue
) -> AuditEvent:
    """Return the audit row of what was done to a login."""
    project, target, version = of.project_id, str(of.id), of.secret_version
    details = {"name": of.name, **details}
    return AuditEvent.by(caller, action, project, at, target, secret_version=version, **details)


def _merge(present: Mapping[str, str], patch: dict[str, str | None] | None) -> dict[str, str]:
    """Apply a JSON merge patch to a flat object: None, as a whole or a member, removes."""
    if patch is None:
        return {}
    return {key: value for key, value in {**present, **patch}.items() if value is not None}
