"""How a key is presented, as far as more than one dialect does it the same way."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import Scope

from regcred.domain.errors import MalformedRequest, NotAuthenticated

PresentedKey = Callable[[Scope], str | None]
"""Finds the key in a request as it was sent; None if there is none. Raise RegcredError."""


def bearer(scope: Scope) -> str | None:
    """Return the token of `Authorization: Bearer TOKEN` (RFC 6750), None without the header.

    The scheme is compared without case and followed by one space. Raise MalformedRequest for
    two Authorization headers, NotAuthenticated for any other form.
    """
    return authorization(scope, "bearer")


def authorization(scope: Scope, wanted: str) -> str | None:
    """Return what follows the scheme `wanted` and its one space, None without the header.

    Raise MalformedRequest for two Authorization headers, NotAuthenticated for any other form.
    """
    value = only_header(scope, b"authorization")
    return None if value is None else token_of(value, wanted)


def token_of(authorization: str, wanted: str) -> str:
    """Return what follows the scheme `wanted` and its one space. Raise NotAuthenticated."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != wanted or not token:
        raise NotAuthenticated("malformed")
    return token


def only_header(scope: Scope, name: bytes) -> str | None:
    """Return a header that must not be repeated, or None. Raise MalformedRequest."""
    values = [value for key, value in scope["headers"] if key == name]
    if len(values) > 1:
        raise MalformedRequest(name.decode().title(), "must be sent once")
    return values[0].decode("latin-1") if values else None
