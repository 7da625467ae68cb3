"""What a registry wants of a login, found out without one: ping, and read the challenge.

The token server is judged and never asked: even a question without a login tells it who asks.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from regcred.adapters.registries.demand import Unusable, read_demand
from regcred.adapters.registries.judgement import Answer, Row, Step, judge
from regcred.adapters.registries.messages import (
    Finding,
    Handshake,
    Reply,
    Request,
    Unanswered,
    Unreadable,
    observed,
)
from regcred.adapters.registries.origins import Origin
from regcred.adapters.registries.realm import RealmRule
from regcred.domain.ports import Clock
from regcred.domain.verdict import EvidenceValue, VerdictKind

_UNAUTHORIZED = 401
_OPEN = "It asks nobody to log in, at least not at its door."


def probe(
    registry: Origin, realms: RealmRule, clock: Clock, own: tuple[Row, ...] = ()
) -> Handshake:
    """Find out what the registry asks for. `ok`: a login can be tried there.

    `own` are its family's rows.
    """
    evidence: dict[str, EvidenceValue] = {"encrypted": registry.encrypted}
    asked_at = clock()
    try:
        reply = yield Request("GET", registry, "/v2/", ("application/json",))
    except Unanswered as failure:
        return Finding(VerdictKind.UNREACHABLE, {**evidence, "cause": failure.cause})
    except Unreadable as failure:
        return Finding(VerdictKind.NOT_A_REGISTRY, {**evidence, "note": failure.note})
    evidence |= {"ping_status": reply.status, **observed(reply), **_skew(reply, asked_at, clock())}
    found = _read(reply, realms, own)
    return Finding(found.kind, {**evidence, **found.evidence})


def _read(reply: Reply, realms: RealmRule, own: tuple[Row, ...]) -> Finding:
    judgement = judge(Step.PING, Answer(reply), own)
    if judgement.kind is not None:
        return Finding(judgement.kind, judgement.evidence)
    if reply.status != _UNAUTHORIZED:
        return Finding(VerdictKind.PUBLIC, {"scheme": "none", "note": _OPEN})
    try:
        return Finding(VerdictKind.OK, read_demand(reply, realms).evidence)
    except Unusable as refusal:
        return refusal.finding


def _skew(reply: Reply, asked_at: datetime, read_at: datetime) -> dict[str, EvidenceValue]:
    """Say how far the registry's clock is ahead of this one: tokens are bound to times.

    Its time is in whole seconds, and may be any moment between the question and the last byte.
    """
    with suppress(ValueError, OverflowError):
        said = parsedate_to_datetime(reply.header("date") or "")
        said = said if said.tzinfo else said.replace(tzinfo=UTC)
        behind = min((said + timedelta(seconds=1) - asked_at).total_seconds(), 0)
        ahead = max((said - read_at).total_seconds(), 0)
        return {"clock_skew_s": round(ahead or behind)}
    return {}
