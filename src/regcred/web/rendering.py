"""What all dialects have in common when they tell an error: everything but the shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from regcred.domain import errors
from regcred.domain.errors import RegcredError, Violation
from regcred.web import refusals
from regcred.web.dialect import Headers

_Row = TypeVar("_Row")

_RETRY_AFTER = 5
"""Seconds, where nothing better is known."""

# Their messages speak to the operator (causes, paths).
_KEPT_INSIDE = (
    errors.SealBroken,
    errors.KeyringUnavailable,
    errors.StoreUnavailable,
    errors.StartRefused,
)


def known(table: Mapping[type[RegcredError], _Row], error: RegcredError) -> type[RegcredError]:
    """Return the nearest class that has a row; a test keeps every table complete anyway."""
    return next(ancestor for ancestor in type(error).__mro__ if ancestor in table)


def spoken(error: RegcredError, otherwise: str) -> str:
    """Return what a client may read of an error; `otherwise` where its text is not for clients."""
    return otherwise if isinstance(error, _KEPT_INSIDE) else str(error)


def broken_rules(error: RegcredError) -> tuple[Violation, ...]:
    """Return which fields broke which rules."""
    match error:
        case errors.InvalidInput():
            return error.violations
        case errors.MalformedRequest():
            return (Violation(error.field, error.rule),)
        case _:
            return ()


def sentence(error: RegcredError, otherwise: str, names: Mapping[str, str]) -> str:
    """Return an error in words: each field with its rule, or what `spoken` says.

    `names` has the domain's fields by the dialect's names, where they differ.
    """
    rules = broken_rules(error)
    if not rules:
        return spoken(error, otherwise)
    return "; ".join(f"{names.get(broken.field, broken.field)}: {broken.rule}" for broken in rules)


def usual_headers(error: RegcredError, challenge: str) -> Headers:
    """Return the headers that HTTP ties to an error, whatever the dialect.

    `challenge` is how a key is to be presented (RFC 9110, section 11.6.1).
    """
    match error:
        case errors.NotAuthenticated():
            return ((b"www-authenticate", challenge.encode()),)
        case refusals.MethodNotAllowed():
            return ((b"allow", ", ".join(error.allowed).encode()),)
        case errors.QuotaExceeded():
            return ((b"retry-after", b"%d" % error.retry_after),)
        case (
            errors.KeyringUnavailable()
            | errors.StoreUnavailable()
            | errors.LoginUnavailable()
            | refusals.Overloaded()
        ):
            return ((b"retry-after", b"%d" % _RETRY_AFTER),)
        case _:
            return ()
