"""Which events follow from what is known of a login: a verdict, an allowance, an end that nears."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from regcred.domain.event import Event, EventKind
from regcred.domain.verdict import EvidenceValue, Standing, Verdict, VerdictKind

NOTICE_DAYS = (30, 14, 7, 1, 0)
"""How many days before its end a login's people hear of it; 0: once it has ended."""

_LOW = 0.1
_DAY = timedelta(days=1)

_NEAR = "Renew the login at the registry and replace the password before it ends."
_ENDED = "The login has ended: renew it at the registry and replace the password."
_ALLOWANCE = (
    "The registry lets this login pull only a few more times for now: pull less, wait, or use a "
    "login with a larger allowance."
)


class Subject(NamedTuple):
    """The login that an event is about."""

    project_id: UUID
    credential_id: UUID
    name: str


def news_of(
    subject: Subject,
    verdict: Verdict,
    before: Standing,
    *,
    earlier: VerdictKind | None,
    was_low: bool,
) -> Sequence[Event]:
    """Return what there is to tell once `verdict` follows the standing `before`.

    `earlier` is what the check before said, None before the first; `was_low` whether the
    allowance was low when it was last seen. A first verdict that is `ok` is no news.
    """
    told: list[Event] = []
    after = before.after(verdict)
    if verdict.kind is not (earlier or VerdictKind.OK):
        details: dict[str, EvidenceValue] = {
            "from": None if earlier is None else str(earlier),
            "to": str(verdict.kind),
            "image": verdict.image,
            "withheld": after.withheld,
            "next_step": verdict.next_step,
        }
        told.append(_event(subject, verdict.checked_at, EventKind.VERDICT_CHANGED, details))
    if after.withheld and not before.withheld:
        kept_back: dict[str, EvidenceValue] = {
            "verdict": str(verdict.kind),
            "image": verdict.image,
            "next_step": verdict.next_step,
        }
        told.append(_event(subject, verdict.checked_at, EventKind.LOGIN_WITHHELD, kept_back))
    if not was_low and allowance_low(verdict.evidence):
        allowance: dict[str, EvidenceValue] = {
            "remaining": _count(verdict.evidence.get("ratelimit_remaining")),
            "limit": _count(verdict.evidence.get("ratelimit_limit")),
            "next_step": _ALLOWANCE,
        }
        told.append(_event(subject, verdict.checked_at, EventKind.ALLOWANCE_LOW, allowance))
    return told


def allowance_low(evidence: Mapping[str, EvidenceValue]) -> bool:
    """Whether at most a tenth is left of what the registry lets the login pull for now."""
    left, limit = (
        _count(evidence.get(name)) for name in ("ratelimit_remaining", "ratelimit_limit")
    )
    return left is not None and limit is not None and limit > 0 and left <= limit * _LOW


def next_notice(expires_at: datetime | None, after: datetime) -> datetime | None:
    """Return when people next hear of this end, later than `after`; None: no more."""
    if expires_at is None:
        return None
    coming = (expires_at - days * _DAY for days in NOTICE_DAYS)
    return next((at for at in coming if at > after), None)


def expiry_notice(subject: Subject, expires_at: datetime, now: datetime) -> Event:
    """Return the event that says how near the end is."""
    left = max(0, math.ceil((expires_at - now) / _DAY))
    details: dict[str, EvidenceValue] = {
        "expires_at": expires_at.isoformat().replace("+00:00", "Z"),
        "days_left": left,
        "ended": expires_at <= now,
        "next_step": _ENDED if expires_at <= now else _NEAR,
    }
    return _event(subject, now, EventKind.EXPIRY_NEAR, details)


def _event(
    subject: Subject, at: datetime, kind: EventKind, details: Mapping[str, EvidenceValue]
) -> Event:
    return Event(subject.project_id, at, kind, subject.credential_id, subject.name, details)


def _count(value: EvidenceValue) -> int | None:
    """Read `100;w=21600` (a count in a window of seconds), as Docker Hub says it."""
    digits = value.partition(";")[0] if isinstance(value, str) else ""
    return int(digits) if digits.isascii() and digits.isdigit() else None
