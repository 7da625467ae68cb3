"""Things of the domain with every part filled in, so that a test names only what it is about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from regcred.domain.access import Caller, Principal, Role
from regcred.domain.credential import Delivery
from regcred.domain.ports import Candidate, WrappedSeed
from regcred.domain.registry import ImagePattern
from regcred.domain.verdict import Standing, VerdictKind

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOME = UUID("01890000-0000-7000-8000-000000000001")
ELSEWHERE = UUID("01890000-0000-7000-8000-000000000002")

WITHHELD = Standing(VerdictKind.REJECTED, NOON, NOON - timedelta(hours=1), NOON)


def caller(role: Role = Role.ADMIN, *patterns: str, operator: bool = False) -> Caller:
    """Return a caller at HOME, narrowed to `patterns` if there are any."""
    return Caller(
        Principal("key", "K0"),
        HOME,
        role,
        operator=operator,
        image_patterns=tuple(map(ImagePattern.parse, patterns)),
    )


def candidate(
    name: str, scope: str, *, age: int = 0, standing: Standing | None = None
) -> Candidate:
    """Return a login that matched by `scope`, `age` hours old."""
    return Candidate(
        f"id-{name}",
        name,
        NOON - timedelta(hours=age),
        None,
        scope,
        Delivery("generic", scope, (scope,), f"{name}-user", {}),
        standing or Standing(),
        1,
        WrappedSeed("k", 1, b"seed"),
        b"sealed",
    )


def names(candidates: list[Candidate] | tuple[Candidate, ...]) -> list[str]:
    return [candidate.name for candidate in candidates]
