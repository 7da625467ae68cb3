"""Between the domain's values and SQLite's.

Everything here is pure, so what the hot read turns into objects again and again is remembered:
the same columns always give the same value, and a changed column is another question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache, wraps
from types import MappingProxyType
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

import orjson

from regcred.domain.access import ApiKey, Role
from regcred.domain.audit import AuditValue
from regcred.domain.credential import Delivery, RegistryCredential
from regcred.domain.errors import InvalidInput, SealBroken
from regcred.domain.event import Event, EventKind
from regcred.domain.ports import StoredKey
from regcred.domain.project import Project
from regcred.domain.registry import ImagePattern, RegistryAddress, Scope
from regcred.domain.use import Use
from regcred.domain.verdict import Standing, VerdictKind

Row = tuple[Any, ...]

_P = ParamSpec("_P")
_T = TypeVar("_T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

MAX_INTEGER = 2**63 - 1


def as_written(what: str) -> Callable[[Callable[_P, _T]], Callable[_P, _T]]:
    """Have what reads a row raise SealBroken(`what`) for values that no write of ours leaves.

    A damaged or edited row is a fact that callers are told, and no error of this program.
    """

    def reading(read: Callable[_P, _T]) -> Callable[_P, _T]:
        @wraps(read)
        def checked(*args: _P.args, **kwargs: _P.kwargs) -> _T:
            try:
                return read(*args, **kwargs)
            except (InvalidInput, ValueError, OverflowError, TypeError, AttributeError) as error:
                raise SealBroken(what) from error

        return checked

    return reading


def micros(at: datetime) -> int:
    """Return microseconds since 1970 UTC, exactly."""
    return (at - _EPOCH) // MICROSECOND


def micros_or_none(at: datetime | None) -> int | None:
    """Return `micros`, or None for None."""
    return None if at is None else (at - _EPOCH) // MICROSECOND


@lru_cache(maxsize=16384)
def instant(at: int) -> datetime:
    """Return what `micros` was given."""
    return _EPOCH + at * MICROSECOND


def instant_or_none(at: int | None) -> datetime | None:
    """Return `instant`, or None for None."""
    return None if at is None else instant(at)


def json_text(value: Mapping[str, Any]) -> str:
    """Return JSON with sorted keys and no spaces: one text for one value."""
    return orjson.dumps(dict(value), option=orjson.OPT_SORT_KEYS).decode()


def json_list(values: Sequence[Any]) -> str:
    """Return JSON for json_each."""
    return orjson.dumps(values).decode()


@as_written("a row's details")
def details(text: str) -> dict[str, AuditValue]:
    """Return an audit row's or a verdict's details; JSON's lists are tuples again."""
    loaded: dict[str, Any] = orjson.loads(text)
    return {key: tuple(v) if isinstance(v, list) else v for key, v in loaded.items()}


# --- scopes

parse_scope = lru_cache(maxsize=16384)(Scope.parse)


def joined(scopes: tuple[Scope, ...]) -> str:
    """Return scopes as one text, as the credential's own column holds them."""
    return "\n".join(map(str, scopes))


@lru_cache(maxsize=2048)
def split(scopes: str) -> tuple[str, ...]:
    """Return the texts that `joined` joined."""
    return tuple(scopes.split("\n")) if scopes else ()


def lookup_of(host: str, port: int | None) -> str:
    """Return under what a scope is looked up: host[:port], or its bucket for a pattern."""
    return bucket_of(host, port) if "*" in host else _with_port(host, port)


def bucket_of(host: str, port: int | None) -> str:
    """Return where every pattern stands that could match a host of as many labels."""
    return _with_port(f"*{host.count('.') + 1}", port)


def lookups(address: RegistryAddress) -> tuple[str, str]:
    """Return the two lookups under which scopes for `address` stand."""
    return _with_port(address.host, address.port), bucket_of(address.host, address.port)


def _with_port(host: str, port: int | None) -> str:
    return host if port is None else f"{host}:{port}"


# --- projects

PROJECT = "number, id, name, require_if_match, created_at, updated_at, version, recheck_every"


@lru_cache(maxsize=2048)
@as_written("a project")
def project(row: Row) -> Project:
    """Return the project that PROJECT's columns are; one row gives one object while it is kept."""
    number, id_, name, require_if_match, created_at, updated_at, version, recheck_every = row
    return Project(
        UUID(id_),
        number,
        name,
        instant(created_at),
        instant(updated_at),
        version,
        bool(require_if_match),
        recheck_every,
    )


# --- keys

KEY = (
    "k.id, k.project_id, k.name, k.role, k.operator, k.image_patterns, k.expires_at, k.disabled, "
    "k.created_at, k.last_used_at, k.version, k.digest, k.stamp"
)
KEY_WIDTH = 13


@lru_cache(maxsize=2048)
@as_written("an API key")
def stored_key(row: Row) -> StoredKey:
    """Return the key that KEY's columns are; one row gives one object while it is kept."""
    (
        id_, project_id, name, role, operator, patterns, expires_at, disabled, created_at,
        last_used_at, version, digest, stamp,
    ) = row  # fmt: skip
    key = ApiKey(
        id_,
        UUID(project_id),
        name,
        Role(role),
        instant(created_at),
        operator=bool(operator),
        image_patterns=tuple(map(ImagePattern.parse, split(patterns))),
        expires_at=instant_or_none(expires_at),
        disabled=bool(disabled),
        last_used_at=instant_or_none(last_used_at),
        version=version,
    )
    return StoredKey(key, digest, stamp)


# --- credentials

CREDENTIAL = (
    "c.id, c.number, c.project_id, c.name, c.provider, c.username, c.created_at, c.updated_at, "
    "c.registry_url, c.scopes, c.settings, c.description, c.labels, c.expires_at, c.version, "
    "c.secret_version, c.verdict, c.verdict_at, c.dead_since, c.dead_last, c.last_used_at, "
    "c.last_used_by"
)


@as_written("a credential")
def credential(row: Row) -> RegistryCredential:
    """Return the credential that CREDENTIAL's columns are."""
    (
        id_, number, project_id, name, provider, username, created_at, updated_at, registry_url,
        scopes, settings, description, labels, expires_at, version, secret_version, verdict,
        verdict_at, dead_since, dead_last, last_used_at, last_used_by,
    ) = row  # fmt: skip
    return RegistryCredential(
        UUID(id_),
        number,
        UUID(project_id),
        name,
        provider,
        username,
        instant(created_at),
        instant(updated_at),
        registry_url=registry_url,
        scopes=tuple(map(parse_scope, split(scopes))),
        settings=orjson.loads(settings),
        description=description,
        labels=orjson.loads(labels),
        expires_at=instant_or_none(expires_at),
        version=version,
        secret_version=secret_version,
        standing=standing(verdict, verdict_at, dead_since, dead_last),
        last_used_at=instant_or_none(last_used_at),
        last_used_by=last_used_by,
    )


@lru_cache(maxsize=2048)
@as_written("a credential")
def delivery(
    provider: str, registry_url: str | None, scopes: str, username: str, settings: str
) -> Delivery:
    """Return what a secret is bound to. Its settings are read-only, being shared."""
    loaded: Mapping[str, str] = MappingProxyType(orjson.loads(settings))
    return Delivery(provider, registry_url, split(scopes), username, loaded)


_NO_VERDICT = Standing()


def standing(
    verdict: str | None, verdict_at: int | None, dead_since: int | None, dead_last: int | None
) -> Standing:
    """Return what the verdicts so far say."""
    if verdict is None:
        return _NO_VERDICT
    return Standing(
        VerdictKind(verdict),
        instant_or_none(verdict_at),
        instant_or_none(dead_since),
        instant_or_none(dead_last),
    )


@as_written("a use")
def use(row: Row) -> Use:
    """Return the use that (kind, name, created_at, expires_at) are."""
    kind, name, created_at, expires_at = row
    return Use(kind, name, instant(created_at), instant_or_none(expires_at))


# --- events

EVENT = "e.number, e.project_id, e.at, e.kind, e.credential_id, e.credential_name, e.details"
EVENT_WIDTH = 7


@as_written("an event")
def event(row: Row) -> Event:
    """Return the event that EVENT's columns are."""
    number, project_id, at, kind, credential_id, credential_name, told = row
    return Event(
        UUID(project_id),
        instant(at),
        EventKind(kind),
        UUID(credential_id),
        credential_name,
        details(told),
        number,
    )
