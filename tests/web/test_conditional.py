"""If-Match as RFC 9110 has it, and the form of an Idempotency-Key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regcred.domain.errors import InvalidInput
from regcred.web.conditional import NEVER, etag, expected_version, idempotency_key


async def _three() -> int:
    return 3


async def _unread() -> int:
    raise AssertionError("the present version was read without need")


@given(st.integers(1, 2**53))
async def test_an_etag_that_was_given_out_is_understood(version: int) -> None:
    assert await expected_version(etag(version), _unread) == version


async def test_no_header_expects_nothing() -> None:
    assert await expected_version(None, _unread) is None


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("*", 3),
        (" * ", 3),
        ('"2", "3"', 3),
        ('"2","3" , "4"', 3),
        ('"1", "2"', NEVER),
        ('"3", W/"2"', 3),
        ('"3", "3"', 3),
        ('"other", "3"', 3),
        ('W/"3"', NEVER),
        ('W/"3", W/"2"', NEVER),
        ('"not_a_number"', NEVER),
        ('"03"', NEVER),
        ('"0"', NEVER),
        ('"-3"', NEVER),
        ('""', NEVER),
        ('"' + "9" * 40 + '"', NEVER),
    ],
)
async def test_a_list_matches_by_its_strong_tags(sent: str, expected: int) -> None:
    assert await expected_version(sent, _three) == expected


@pytest.mark.parametrize(
    "sent",
    [
        "",
        " ",
        "3",
        "abc",
        '"3',
        '3"',
        '"a"b',
        '"3" "4"',
        ',"3"',
        '"3",,"4"',
        'w/"3"',
        '*, "3"',
        '"a b"',
        '"\x7f"',
        ", ".join(f'"{n}"' for n in range(1, 40)),
    ],
)
async def test_what_is_no_list_of_tags_is_refused(sent: str) -> None:
    with pytest.raises(InvalidInput, match="If-Match"):
        await expected_version(sent, _three)


@pytest.mark.parametrize("sent", ["a", "x" * 255, "8e03978e-40d5-43e8-bc93-6894a57f9324", "~!"])
def test_an_idempotency_key_is_visible_ascii(sent: str) -> None:
    assert idempotency_key(sent) == sent


@pytest.mark.parametrize("sent", ["", " ", "a b", "x" * 256, "\x00", "é", "a\n"])
def test_other_idempotency_keys_are_refused(sent: str) -> None:
    with pytest.raises(InvalidInput, match="Idempotency-Key"):
        idempotency_key(sent)


def test_no_idempotency_key_is_no_error() -> None:
    assert idempotency_key(None) is None
