"""What a wire language is: its paths, its sub-application, and how it tells errors.

A new dialect is one folder under `dialects/` that makes one of these, and one line in the tuple
there. Everything a dialect does not say about itself is shared and knows no dialect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from starlette.types import ASGIApp

from regcred.domain.errors import RegcredError
from regcred.web.budget import Budget, Left
from regcred.web.services import Services

Headers = tuple[tuple[bytes, bytes], ...]


class Answer(NamedTuple):
    """A whole answer, rendered. Shared headers (request id, no-store …) are added later."""

    status: int
    headers: Headers
    body: bytes


RenderError = Callable[[RegcredError, str], Answer]
"""(error, request id) -> the error in the dialect's own shape; total over every RegcredError."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One wire language."""

    name: str
    prefixes: tuple[str, ...]
    """Paths it answers, each with everything below; never stripped before its app sees them."""

    make_app: Callable[[Services], ASGIApp]
    statuses: Mapping[type[RegcredError], int]
    """The status for every fact; a test keeps it complete."""

    render_error: RenderError

    budget: Budget | None = None
    """What a project has unless the operator says otherwise; None: as much as it likes."""

    presets: Mapping[str, Budget] = field(default_factory=dict)
    """Budgets that the operator may choose by name."""

    tell_budget: Callable[[Left], Headers] | None = None
    """How every answer says what is left, on a wire that does; it needs a budget, then."""

    def answers(self, path: str) -> bool:
        """Whether `path` lies in this dialect."""
        for prefix in self.prefixes:
            if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/"):
                return True
        return False
