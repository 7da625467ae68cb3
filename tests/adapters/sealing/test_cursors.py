from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regcred.adapters.sealing.cursors import MAX_CURSOR, MAX_POSITION, SealedCursors
from regcred.domain.errors import InvalidInput
from tests.adapters.sealing.samples import OTHER_PROJECT, PROJECT, SEED, Predictable

CURSORS = SealedCursors(SEED, Predictable())
CURSOR = CURSORS.seal(PROJECT, "credentials", "42")


def refused(cursor: str, project: str = PROJECT, listing: str = "credentials") -> bool:
    try:
        CURSORS.open(project, listing, cursor)
    except InvalidInput as invalid:
        (violation,) = invalid.violations
        return violation.field == "cursor" and (not cursor or cursor not in str(invalid))
    return False


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=100),
    st.text("ab|", max_size=9),
)
def test_a_position_comes_back(position: str, listing: str) -> None:
    cursor = CURSORS.seal(PROJECT, listing, position)

    assert CURSORS.open(PROJECT, listing, cursor) == position
    assert re.fullmatch(r"[A-Za-z0-9_-]+", cursor)


def test_a_cursor_tells_nothing_and_differs_every_time() -> None:
    assert CURSORS.seal(PROJECT, "credentials", "42") != CURSOR


def test_a_cursor_works_in_its_own_project_and_list_alone() -> None:
    assert refused(CURSOR, project=OTHER_PROJECT)
    assert refused(CURSOR, listing="keys")
    assert refused(CURSOR, project=PROJECT + "cred", listing="entials")


@pytest.mark.parametrize("position", ["4", "42", "421"])
def test_every_changed_character_is_noticed(position: str) -> None:
    """Three lengths, because the last character of two of them holds bits that mean nothing."""
    cursor = CURSORS.seal(PROJECT, "credentials", position)
    alphabet = string.ascii_letters + string.digits + "-_"

    for at, right in enumerate(cursor):
        for wrong in alphabet.replace(right, ""):
            assert refused(cursor[:at] + wrong + cursor[at + 1 :])


@pytest.mark.parametrize("size", range(len(CURSOR)))
def test_every_truncation_is_noticed(size: int) -> None:
    assert refused(CURSOR[:size])


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "=",
        CURSOR + "=",
        CURSOR + "==",
        CURSOR + "\n",
        " " + CURSOR,
        CURSOR + "A",
        CURSOR + "AAAA",
        CURSOR[:20] + "%2b" + CURSOR[20:],
        CURSOR[:20] + "\0" + CURSOR[20:],
        CURSOR + "é",
        "\ud800",
        "A" * 10_000,
        "42",
    ],
    ids=ascii,
)
def test_anything_else_is_invalid_input(cursor: str) -> None:
    assert refused(cursor)


def test_the_length_is_bounded_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    longest = CURSORS.seal(PROJECT, "credentials", "x" * MAX_POSITION)
    monkeypatch.setattr(
        "regcred.adapters.sealing.cursors.urlsafe_b64decode",
        lambda _: pytest.fail("it was decoded"),
    )

    assert len(longest) == MAX_CURSOR
    assert refused(longest + "A")


def test_the_longest_position_comes_back_and_a_longer_one_is_not_sealed() -> None:
    longest = "x" * MAX_POSITION

    assert CURSORS.open("p", "l", CURSORS.seal("p", "l", longest)) == longest
    with pytest.raises(ValueError, match="at most 1024"):
        CURSORS.seal("p", "l", longest + "x")


def test_another_services_cursor_is_invalid() -> None:
    other = SealedCursors(SEED[::-1], Predictable())

    assert refused(other.seal(PROJECT, "credentials", "42"))
