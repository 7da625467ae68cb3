"""A login is withheld after two refusals a minute apart, until something says otherwise."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regcred.domain.verdict import ACCEPTED, DEAD, PROVEN, Standing, Verdict, VerdictKind
from tests.domain.examples import NOON

SILENT = frozenset(VerdictKind) - DEAD - ACCEPTED


def said(kind: VerdictKind, after_seconds: float = 0) -> Verdict:
    return Verdict(kind, NOON + timedelta(seconds=after_seconds))


def standing(*verdicts: Verdict) -> Standing:
    result = Standing()
    for verdict in verdicts:
        result = result.after(verdict)
    return result


@pytest.mark.parametrize("kind", sorted(DEAD))
def test_one_refusal_withholds_nothing(kind: VerdictKind) -> None:
    assert not standing(said(kind)).withheld


@pytest.mark.parametrize(
    ("seconds", "withheld"), [(0, False), (59.999999, False), (60, True), (3600, True)]
)
def test_two_refusals_count_from_a_minute_apart(seconds: float, *, withheld: bool) -> None:
    present = standing(said(VerdictKind.REJECTED), said(VerdictKind.EXPIRED, seconds))

    assert present.withheld is withheld


def test_many_refusals_within_a_minute_are_one_bad_moment() -> None:
    assert not standing(*(said(VerdictKind.REJECTED, n) for n in range(60))).withheld


@pytest.mark.parametrize("kind", sorted(ACCEPTED))
def test_an_accepted_login_starts_over(kind: VerdictKind) -> None:
    dead = [said(VerdictKind.REJECTED), said(VerdictKind.REJECTED, 60)]

    assert standing(*dead).withheld
    assert not standing(*dead, said(kind, 61)).withheld
    assert not standing(*dead, said(kind, 61), said(VerdictKind.REJECTED, 600)).withheld


@pytest.mark.parametrize("kind", sorted(SILENT))
def test_what_says_nothing_of_the_login_moves_nothing(kind: VerdictKind) -> None:
    before = standing(said(VerdictKind.REJECTED))
    dead = standing(said(VerdictKind.REJECTED), said(VerdictKind.REJECTED, 60))

    assert not before.after(said(kind, 120)).withheld
    assert before.after(said(kind, 30)).after(said(VerdictKind.REJECTED, 60)).withheld
    assert dead.after(said(kind, 120)).withheld


def test_the_last_verdict_is_kept_whatever_it_was() -> None:
    for kind in VerdictKind:
        present = standing(said(VerdictKind.OK), said(kind, 9))
        assert (present.last, present.last_at) == (kind, NOON + timedelta(seconds=9))


def test_a_new_secret_has_no_standing() -> None:
    assert Standing() == Standing(None, None, None, None)
    assert not Standing().withheld


moments = st.lists(
    st.tuples(st.sampled_from(VerdictKind), st.sampled_from([0, 1, 29, 30, 59, 60, 61, 300])),
    max_size=12,
)


@given(moments)
def test_withholding_is_what_the_history_says(steps: list[tuple[VerdictKind, int]]) -> None:
    """Against the naive reading: look back through all refusals since the last acceptance."""
    present, now, refusals = Standing(), 0, list[int]()
    for kind, pause in steps:
        now += pause
        present = present.after(said(kind, now))
        if kind in DEAD:
            refusals.append(now)
        elif kind in ACCEPTED:
            refusals = []

        assert present.withheld is any(
            later - earlier >= 60 for earlier in refusals for later in refusals
        )


def test_every_kind_has_a_next_step_and_they_differ() -> None:
    steps = {kind: said(kind).next_step for kind in VerdictKind}
    with_image = Verdict(VerdictKind.OK, NOON, "reg.example.com/app").next_step

    assert all(step.endswith((".", "`.")) for step in steps.values())
    assert len(set(steps.values())) == len(VerdictKind)
    assert with_image != steps[VerdictKind.OK]


def test_without_an_image_ok_promises_no_pull() -> None:
    assert "does not prove a pull" in said(VerdictKind.OK).next_step
    assert "Nothing" in Verdict(VerdictKind.OK, NOON, "app").next_step


def test_every_kind_is_an_answer_about_the_login_or_none() -> None:
    assert not DEAD & ACCEPTED
    assert PROVEN < ACCEPTED
    assert VerdictKind.DENIED not in PROVEN
    assert VerdictKind.PUBLIC not in PROVEN
    assert {str(kind) for kind in SILENT} == {
        "not_a_registry",
        "public",
        "rate_limited",
        "unreachable",
        "unsupported",
        "untrusted_realm",
    }


def test_a_login_that_could_push_should_be_replaced() -> None:
    image = "reg.example/app"
    pushes = Verdict(VerdictKind.OK, NOON, image, {"could_push": True})
    pulls = Verdict(VerdictKind.OK, NOON, image, {"could_push": False})

    assert "may only pull" in pushes.next_step
    assert pulls.next_step.startswith("Nothing")
    assert Verdict(VerdictKind.DENIED, NOON, image, {"could_push": True}).next_step != (
        pushes.next_step
    )
