"""Which login, and in which order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regcred.domain.access import Role
from regcred.domain.ports import Candidate
from regcred.domain.selection import choose_for_host, matched_scope, rank
from tests.domain.examples import WITHHELD, caller, candidate, names


def test_exact_hosts_go_before_patterns() -> None:
    found = [candidate("glob", "*.example.com/team"), candidate("exact", "reg.example.com", age=9)]

    assert names(rank(found)) == ["exact", "glob"]


def test_longer_paths_go_before_shorter() -> None:
    found = [
        candidate("all", "reg.example.com"),
        candidate("app", "reg.example.com/team/app", age=9),
        candidate("team", "reg.example.com/long-name-of-a-team", age=5),
    ]

    assert names(rank(found)) == ["app", "team", "all"]


def test_newer_logins_go_before_older() -> None:
    found = [candidate("old", "reg.example.com", age=2), candidate("new", "reg.example.com", age=1)]

    assert names(rank(found)) == ["new", "old"]


def test_ids_break_ties_so_that_all_servers_agree() -> None:
    found = [candidate(name, "reg.example.com") for name in "bca"]

    assert names(rank(found)) == ["c", "b", "a"]


def test_a_login_with_two_scopes_stands_once_at_its_best() -> None:
    found = [
        candidate("two", "reg.example.com"),
        candidate("mid", "reg.example.com/team"),
        candidate("two", "reg.example.com/team/app"),
    ]

    ranked = rank(found)

    assert names(ranked) == ["two", "mid"]
    assert str(matched_scope(ranked[0])) == "reg.example.com/team/app"


some = st.lists(
    st.builds(
        candidate,
        st.sampled_from("abcd"),
        st.sampled_from(
            ["reg.example.com", "reg.example.com/a", "*.example.com", "*.example.com/a/b"]
        ),
        age=st.integers(0, 2),
    ),
    max_size=6,
)


@given(some, st.randoms())
def test_the_order_does_not_depend_on_how_they_were_read(
    found: list[Candidate], random: object
) -> None:
    ranked = rank(found)
    random.shuffle(found)  # type: ignore[attr-defined]  # hypothesis' own Random

    assert [c.id for c in rank(found)] == [c.id for c in ranked]
    assert sorted({c.id for c in found}) == sorted(c.id for c in ranked)
    assert sorted(ranked, key=lambda c: matched_scope(c).specificity, reverse=True) == ranked


def test_by_host_logins_for_the_whole_registry_come_first() -> None:
    found = [candidate("scoped", "reg.example.com/team"), candidate("whole", "reg.example.com")]

    choice = choose_for_host(caller(), found)

    assert names(choice.logins) == ["whole"]
    assert names(choice.passed_over) == ["scoped"]
    assert choice.rule == "covers the whole registry"


def test_by_host_all_whole_logins_are_tried_in_rank_order() -> None:
    found = [candidate("glob", "*.example.com"), candidate("exact", "reg.example.com", age=9)]

    assert names(choose_for_host(caller(), found).logins) == ["exact", "glob"]


def test_by_host_the_only_scoped_login_is_taken() -> None:
    choice = choose_for_host(caller(), [candidate("scoped", "reg.example.com/team")])

    assert names(choice.logins) == ["scoped"]
    assert choice.passed_over == ()
    assert choice.rule == "the only login at this registry"


def test_by_host_several_scoped_logins_are_none() -> None:
    found = [candidate("a", "reg.example.com/a"), candidate("b", "reg.example.com/b")]

    choice = choose_for_host(caller(), found)

    assert choice.logins == ()
    assert names(choice.passed_over) == ["b", "a"]
    assert "names no repository" in choice.rule


def test_by_host_nothing_is_nothing() -> None:
    choice = choose_for_host(caller(), [])

    assert (choice.logins, choice.passed_over, choice.rule) == ((), (), "none")


@pytest.mark.parametrize(
    ("patterns", "chosen"),
    [
        (["reg.example.com"], ["whole"]),
        (["*.example.com"], ["whole"]),
        (["reg.example.com/a"], ["a"]),
        (["reg.example.com/a", "reg.example.com/b"], []),
        (["reg.example.com/a/deeper"], []),
        (["other.example.com"], []),
    ],
)
def test_by_host_a_narrowed_key_gets_only_what_it_covers_whole(
    patterns: list[str], chosen: list[str]
) -> None:
    found = [
        candidate("whole", "reg.example.com"),
        candidate("a", "reg.example.com/a"),
        candidate("b", "reg.example.com/b"),
    ]

    choice = choose_for_host(caller(Role.PULLER, *patterns), found)

    assert names(choice.logins) == chosen
    assert sorted(names(choice.logins + choice.passed_over)) == ["a", "b", "whole"]


def test_by_host_a_withheld_login_still_makes_the_question_ambiguous() -> None:
    found = [
        candidate("dead", "reg.example.com/a", standing=WITHHELD),
        candidate("live", "reg.example.com/b"),
    ]

    assert choose_for_host(caller(), found).logins == ()
