"""What is news of a login, and what is not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from regcred.domain.event import Event, EventKind
from regcred.domain.notices import (
    NOTICE_DAYS,
    Subject,
    allowance_low,
    expiry_notice,
    news_of,
    next_notice,
)
from regcred.domain.verdict import EvidenceValue, Standing, Verdict, VerdictKind

AT = datetime(2030, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
LOGIN = Subject(UUID(int=1), UUID(int=2), "hub")


def news(
    kind: VerdictKind,
    earlier: VerdictKind | None,
    *,
    was_low: bool = False,
    before: Standing | None = None,
    **evidence: EvidenceValue,
) -> Sequence[Event]:
    verdict = Verdict(kind, AT, "r.example/app", evidence)
    return news_of(LOGIN, verdict, before or Standing(), earlier=earlier, was_low=was_low)


@pytest.mark.parametrize(
    ("earlier", "kind"),
    [(None, VerdictKind.OK), *((kind, kind) for kind in VerdictKind)],
)
def test_no_news(earlier: VerdictKind | None, kind: VerdictKind) -> None:
    assert news(kind, earlier) == []


@pytest.mark.parametrize(
    ("earlier", "kind"),
    [
        (None, VerdictKind.REJECTED),
        (VerdictKind.OK, VerdictKind.REJECTED),
        (VerdictKind.REJECTED, VerdictKind.OK),
        (VerdictKind.UNREACHABLE, VerdictKind.OK),
    ],
)
def test_another_verdict_is_news(earlier: VerdictKind | None, kind: VerdictKind) -> None:
    (told,) = news(kind, earlier)

    assert (told.kind, told.at) == (EventKind.VERDICT_CHANGED, AT)
    assert (told.project_id, told.credential_id, told.credential_name) == LOGIN
    assert told.details == {
        "from": earlier,
        "to": kind,
        "image": "r.example/app",
        "withheld": False,
        "next_step": Verdict(kind, AT, "r.example/app").next_step,
    }


def test_news_says_whether_the_login_is_withheld_now() -> None:
    before = Standing(VerdictKind.REJECTED, AT - DAY, AT - DAY, AT - DAY)
    told, _ = news(VerdictKind.EXPIRED, VerdictKind.REJECTED, before=before)

    assert told.details["withheld"] is True


@pytest.mark.parametrize(
    ("remaining", "limit", "low"),
    [
        ("10;w=21600", "100;w=21600", True),
        ("10", "100", True),
        ("0", "100", True),
        ("11", "100", False),
        ("1", "5", False),
        ("0", "0", False),
        (None, "100", False),
        ("1", None, False),
        (1, 100, False),
        ("", "100", False),
        ("x", "100", False),
    ],
)
def test_an_allowance_is_low_at_a_tenth(
    remaining: EvidenceValue, limit: EvidenceValue, low: bool
) -> None:
    evidence = {"ratelimit_remaining": remaining, "ratelimit_limit": limit}

    assert allowance_low(evidence) is low


def test_a_low_allowance_is_news_until_it_was_told() -> None:
    evidence: dict[str, Any] = {
        "ratelimit_remaining": "3;w=21600",
        "ratelimit_limit": "100;w=21600",
    }
    (told,) = news(VerdictKind.OK, VerdictKind.OK, **evidence)

    assert told.kind is EventKind.ALLOWANCE_LOW
    assert (told.details["remaining"], told.details["limit"]) == (3, 100)
    assert "pull" in str(told.details["next_step"])
    assert news(VerdictKind.OK, VerdictKind.OK, was_low=True, **evidence) == []


def test_an_end_is_announced_at_its_days_and_once_it_is_there() -> None:
    end, at, told = AT + 90 * DAY, AT, []
    while (due := next_notice(end, at)) is not None:
        told.append((end - due) / DAY)
        at = due

    assert tuple(told) == NOTICE_DAYS == (30, 14, 7, 1, 0)


def test_what_is_typed_in_late_begins_with_the_next_day_that_comes() -> None:
    assert next_notice(AT + 10 * DAY, AT) == AT + 3 * DAY
    assert next_notice(AT + timedelta(hours=1), AT) == AT + timedelta(hours=1)
    assert next_notice(AT, AT) is None
    assert next_notice(None, AT) is None


@pytest.mark.parametrize(
    ("left", "days", "ended"),
    [
        (30 * DAY, 30, False), (6.5 * DAY, 7, False), (timedelta(minutes=1), 1, False),
        (timedelta(0), 0, True), (-5 * DAY, 0, True),
    ],
)  # fmt: skip
def test_a_notice_says_how_near_the_end_is(left: timedelta, days: int, ended: bool) -> None:
    told = expiry_notice(LOGIN, AT + left, AT)

    assert (told.kind, told.at) == (EventKind.EXPIRY_NEAR, AT)
    assert (told.details["days_left"], told.details["ended"]) == (days, ended)
    assert told.details["expires_at"] == (AT + left).isoformat().replace("+00:00", "Z")
    assert ("has ended" in str(told.details["next_step"])) is ended


def test_the_refusal_that_withholds_a_login_is_news_although_it_is_the_same_word() -> None:
    refused = Standing(
        VerdictKind.REJECTED,
        AT - timedelta(hours=1),
        AT - timedelta(hours=1),
        AT - timedelta(hours=1),
    )

    rejected = VerdictKind.REJECTED

    (told,) = news(rejected, rejected, before=refused)
    again = news(rejected, rejected, before=refused.after(Verdict(rejected, AT)))

    assert told.kind is EventKind.LOGIN_WITHHELD
    assert told.details["verdict"] == "rejected"
    assert again == []
