"""When an exchanged login is handed out, renewed, and asked for again after a failure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regcred.domain.errors import InvalidInput
from regcred.domain.fresh_login import FreshLogin, retry_at
from regcred.domain.secret import Secret
from regcred.domain.verdict import EvidenceValue, Verdict, VerdictKind

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def login(life: timedelta = 12 * HOUR, **more: str) -> FreshLogin:
    password = Secret(more.pop("password", "token"))
    return FreshLogin(more.pop("username", "AWS"), password, NOW, NOW + life)


def failed(
    kind: VerdictKind,
    times: int,
    spread: float = 0.0,
    *,
    earlier: VerdictKind | None = None,
    **evidence: EvidenceValue,
) -> timedelta | None:
    again = retry_at(Verdict(kind, NOW, None, evidence), earlier, times, spread)
    return None if again is None else again - NOW


def test_a_login_is_handed_out_until_a_minute_before_its_end() -> None:
    assert login().usable(NOW)
    assert login().usable(NOW + 12 * HOUR - MINUTE - timedelta(seconds=1))
    assert not login().usable(NOW + 12 * HOUR - MINUTE)


@pytest.mark.parametrize("life", [HOUR, 3 * HOUR, 12 * HOUR])
def test_a_login_is_renewed_at_half_of_its_life_and_not_with_all_others(life: timedelta) -> None:
    assert login(life).renew_at(0.0) == NOW + life / 2
    assert NOW + life / 2 < login(life).renew_at(0.999) < NOW + life * 0.6001


@given(
    st.text(st.characters(exclude_categories=["C"]), max_size=50).filter(str.isprintable),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1),
)
def test_a_packed_login_is_unpacked_as_it_was(username: str, password: str) -> None:
    packed = FreshLogin(username, Secret(password), NOW, NOW + HOUR).packed()

    assert FreshLogin.unpacked(packed) == FreshLogin(username, Secret(password), NOW, NOW + HOUR)


def test_a_user_name_that_would_break_the_form_is_refused() -> None:
    with pytest.raises(InvalidInput, match="printable"):
        login(username="AWS\n2030-01-01")


def test_a_login_shows_no_secret() -> None:
    assert "s3cret" not in repr(login(password="s3cret"))


def test_a_refused_secret_is_tried_once_more_and_then_rests() -> None:
    refused = VerdictKind.REJECTED
    for kind in (refused, VerdictKind.EXPIRED):
        assert failed(kind, 1) == 20 * MINUTE
        assert failed(kind, 2, earlier=refused) is None


def test_a_first_refusal_is_one_however_often_the_cloud_was_away_before() -> None:
    assert failed(VerdictKind.REJECTED, 5, earlier=VerdictKind.UNREACHABLE) == 20 * MINUTE


def test_no_try_comes_before_the_time_that_the_cloud_names() -> None:
    assert failed(VerdictKind.RATE_LIMITED, 1, retry_after=3600) == HOUR
    assert failed(VerdictKind.RATE_LIMITED, 1, retry_after=1) == timedelta(seconds=5)


def test_a_cloud_that_is_away_is_asked_again_soon_and_then_less_often() -> None:
    waits = [failed(VerdictKind.UNREACHABLE, n) for n in range(1, 12)]

    assert waits[:4] == [timedelta(seconds=5 * 2**n) for n in range(4)]
    assert waits[-1] == 15 * MINUTE
    assert failed(VerdictKind.RATE_LIMITED, 400) == 15 * MINUTE


def test_what_a_person_must_mend_is_asked_again_seldom() -> None:
    assert failed(VerdictKind.DENIED, 1) == 5 * MINUTE
    assert failed(VerdictKind.UNSUPPORTED, 99) == 6 * HOUR


def test_tries_are_spread() -> None:
    assert failed(VerdictKind.DENIED, 1, 0.5) == 5 * MINUTE * 1.125
