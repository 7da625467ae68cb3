from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from regcred.adapters.sealing.framing import frame
from tests.adapters.sealing import second_reader

PARTS = st.lists(st.binary(max_size=6), max_size=20)

# Every pair collides under some way of joining: a separator, none at all, a missing count.
ALIKE = [
    (b"t1", b"2|x"),
    (b"t1|2", b"x"),
    (b"t1|2|x",),
    (b"t1", b"2", b"x"),
    (),
    (b"",),
    (b"", b""),
    (b"a", b""),
    (b"", b"a"),
    (b"a",),
    (b"\0\0\0\1a",),
    (frame(b"a"),),
    (frame(), b"a"),
]


@pytest.mark.parametrize(("one", "other"), list(combinations(ALIKE, 2)))
def test_different_lists_never_give_the_same_frame(
    one: tuple[bytes, ...], other: tuple[bytes, ...]
) -> None:
    assert frame(*one) != frame(*other)


@given(PARTS, PARTS)
@example([b"\0"], [b"", b""])
def test_a_frame_says_exactly_which_list_it_is(one: list[bytes], other: list[bytes]) -> None:
    assert (frame(*one) == frame(*other)) == (one == other)


@given(PARTS)
@example([b"x"] * 15)
@example([b"x"] * 16)
def test_frames_are_as_the_document_says(parts: list[bytes]) -> None:
    assert frame(*parts) == second_reader.frame(*parts)
