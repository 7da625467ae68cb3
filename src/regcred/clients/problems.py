"""Why a call did not work: the service's own problem, or that no service was to be had.

Only known fields of a problem are kept, and no request's content is ever among them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_SECONDS = re.compile(r"[0-9]{1,6}\Z")


class ApiError(Exception):
    """A call that did not return what was asked for."""


class ServiceUnreachable(ApiError):
    """Nothing answered, or nothing that could be trusted."""

    def __init__(self, host: str, why: str) -> None:
        self.host = host
        self.why = why
        super().__init__(f"regcred at {host} cannot be reached: {why}")


class NotRegcred(ApiError):
    """Something answered, and it was not regcred."""

    def __init__(self, host: str, seen: str) -> None:
        super().__init__(f"{host} is not regcred: {seen}")


class InvalidName(ApiError):
    """A name that cannot stand in a path."""


@dataclass(eq=False)  # Not frozen: what passes an exception on sets its traceback.
class ApiProblem(ApiError):
    """What the service refused (RFC 9457)."""

    status: int
    type: str
    title: str
    detail: str
    errors: tuple[tuple[str, str], ...] = ()
    """(field, rule) for each part of the input that is not valid."""

    request_id: str = ""
    uses: tuple[Mapping[str, Any], ...] = ()
    """What still uses the credential."""

    verdict: Mapping[str, Any] = field(default_factory=dict)
    """What the registry said, when saving was tied to it."""

    retry_after: int = 0
    """In how many seconds the service may be asked again, if it says so."""

    def __str__(self) -> str:
        return self.detail or self.title

    @property
    def slug(self) -> str:
        """Return the kind of problem, such as `credential-not-found`."""
        return self.type.rpartition(":")[2]


def read_problem(status: int, body: Mapping[str, Any], retry_after: str = "") -> ApiProblem:
    """Return a problem from its JSON; what is missing or of a wrong type is left empty."""
    errors = tuple(
        (str(one.get("field", "")), str(one.get("rule", ""))) for one in _objects(body, "errors")
    )
    verdict = body.get("verdict")
    return ApiProblem(
        status,
        str(body.get("type") or ""),
        str(body.get("title") or f"status {status}"),
        str(body.get("detail") or ""),
        errors,
        str(body.get("request_id") or ""),
        tuple(_objects(body, "uses")),
        verdict if isinstance(verdict, dict) else {},
        int(retry_after) if _SECONDS.match(retry_after) else 0,
    )


def _objects(body: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    listed = body.get(name)
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
