"""The registry credential: a login's name, its place, and everything but its secret.

The one thing you would get wrong: what binds a ciphertext. `Delivery` is the part of a
credential that decides where its secret may go; a stored secret opens only under the Delivery it
was sealed with, so changing any part of it means sealing again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from regcred.domain import text
from regcred.domain.errors import InvalidInput
from regcred.domain.registry import Scope
from regcred.domain.secret import Secret
from regcred.domain.verdict import Standing

MAX_LABELS = 64
MAX_DESCRIPTION = 1024
MAX_SETTING = 16 * 1024

# Kubernetes' label grammar, without the optional DNS prefix's length rules.
_LABEL_KEY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,251}[A-Za-z0-9])?\Z")
_SLUG = re.compile(r"[a-z][a-z0-9_]{0,31}\Z")


class Delivery(NamedTuple):
    """Where and how a secret may be used; sealed secrets are bound to all of it.

    A tuple of plain text, because the hot path makes one for every login it opens.
    """

    provider: str
    registry_url: str | None
    scopes: tuple[str, ...]
    username: str
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RegistryCredential:
    """A stored login without its secret."""

    id: UUID
    number: int
    """Counted per project, so that it tells nothing about others."""

    project_id: UUID
    name: str
    provider: str
    username: str
    created_at: datetime
    updated_at: datetime
    registry_url: str | None = None
    """As the client wrote it, echoed unchanged."""

    scopes: tuple[Scope, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    expires_at: datetime | None = None
    version: int = 1
    """Moved by people's writes, never by verdicts or use: the ETag."""

    secret_version: int = 1
    standing: Standing = field(default_factory=Standing)
    last_used_at: datetime | None = None
    last_used_by: str | None = None

    @property
    def delivery(self) -> Delivery:
        """Return the part of the credential that its sealed secret is bound to."""
        return _delivery(self)


@dataclass(frozen=True, slots=True)
class Draft:
    """A login as someone typed it in, checked: what create and replace take."""

    name: str
    username: str
    password: Secret
    registry_url: str | None = None
    provider: str = "generic"
    settings: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    expires_at: datetime | None = None
    scopes: tuple[Scope, ...] = ()
    """The images it is for: where its registry is, or what its provider stands for."""

    def __post_init__(self) -> None:
        """Check and normalise every field. Raise InvalidInput."""
        _set(self, "name", text.name(self.name))
        _set(self, "username", text.username(self.username))
        _set(self, "registry_url", registry_url(self.registry_url))
        _set(self, "scopes", self.scopes or derive_scopes(self.registry_url))
        _set(self, "provider", provider(self.provider))
        _set(self, "settings", settings(self.settings))
        _set(self, "description", description(self.description))
        _set(self, "labels", labels(self.labels))

    @property
    def delivery(self) -> Delivery:
        """Return the part of the draft that its secret will be bound to."""
        return _delivery(self)


def derive_scopes(url: str | None) -> tuple[Scope, ...]:
    """Return the scopes of a registry URL: none for no registry, and none for free text.

    A dialect may store a registry that is no address (the vendors take any text); such a login
    is used only by name.
    """
    if url is None:
        return ()
    try:
        return (parse_scope(url),)
    except InvalidInput:
        return ()


# A pure function of what is stored and shown in clear; what it refuses is not remembered.
parse_scope = lru_cache(maxsize=1024)(Scope.parse)


def texts(scopes: tuple[Scope, ...]) -> tuple[str, ...]:
    """Return scopes as they are bound to a secret."""
    return tuple([str(scope) for scope in scopes])


def registry_url(url: str | None) -> str | None:
    """Return a registry URL as it was written: 1-2048 printable characters, or None.

    User information is refused: a password in it would be stored and shown in clear. It ends at
    an @, and a password pasted as it is may hold slashes and colons before that.
    """
    if url is None:
        return None
    if "@" in url:
        raise InvalidInput("registry_url", "must not hold an @: no user name or password")
    if text.printable(url, field="registry_url", maximum=2048) != url:
        raise InvalidInput("registry_url", "must be in Unicode NFC")
    return url


def provider(slug: str) -> str:
    """Return a provider's slug. Whether the provider exists is the registries' to say."""
    if not _SLUG.match(slug):
        raise InvalidInput("provider", "must be a provider's short name: a-z 0-9 _")
    return slug


def description(value: str) -> str:
    """Return a description: up to 1024 characters; line feeds are allowed."""
    if not value:
        return value
    lines = value.split("\n")
    joined = "\n".join(
        text.printable(line, field="description", maximum=MAX_DESCRIPTION, minimum=0)
        for line in lines
    )
    if len(joined) > MAX_DESCRIPTION:
        raise InvalidInput("description", f"must be at most {MAX_DESCRIPTION} characters")
    return joined


def labels(value: Mapping[str, str]) -> Mapping[str, str]:
    """Return labels: at most 64, keys as Kubernetes has them, values up to 255 characters."""
    if len(value) > MAX_LABELS:
        raise InvalidInput("labels", f"must be at most {MAX_LABELS}")
    for key in value:
        if not _LABEL_KEY.match(key):
            raise InvalidInput("labels", "keys must be A-Z a-z 0-9 . _ - /, up to 253 characters")
    return {
        key: text.printable(v, field=f"labels.{key}", maximum=255, minimum=0)
        for key, v in value.items()
    }


def settings(value: Mapping[str, str]) -> Mapping[str, str]:
    """Return provider settings as text; which of them exist is the provider's to say."""
    for key, setting in value.items():
        if not _SLUG.match(key):
            raise InvalidInput("settings", "names must be a-z 0-9 _")
        if "\0" in setting:
            raise InvalidInput(f"settings.{key}", "must not contain NUL")
        if len(setting) > MAX_SETTING:
            raise InvalidInput(f"settings.{key}", f"must be at most {MAX_SETTING} characters")
        try:
            setting.encode()
        except UnicodeEncodeError:
            raise InvalidInput(
                f"settings.{key}", "must be Unicode text without lone surrogates"
            ) from None
    return dict(value)


def _delivery(of: RegistryCredential | Draft) -> Delivery:
    return Delivery(of.provider, of.registry_url, texts(of.scopes), of.username, of.settings)


def _set(draft: Draft, name: str, value: object) -> None:
    object.__setattr__(draft, name, value)
