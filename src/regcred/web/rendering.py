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


def usual_headers(error: RegcredError) -> Headers:
    """Return the headers that HTTP ties to an error, whatever the dialect."""
    match error:
        case refusals.MethodNotAllowed():
            return ((b"allow", ", ".join(error.allowed).encode()),)
        case errors.QuotaExceeded():
            return ((b"retry-after", b"%d" % error.retry_after),)
        case errors.KeyringUnavailable() | errors.StoreUnavailable():
            return ((b"retry-after", b"%d" % _RETRY_AFTER),)
        case _:
            return ()
