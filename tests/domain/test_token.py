"""A key's text tells itself from a typo without a look-up."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regcred.domain.errors import NotAuthenticated
from regcred.domain.token import RANDOM_BYTES, ApiToken

BASE62 = string.digits + string.ascii_letters
randomness = st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES)
KEY = ApiToken.mint(bytes(range(RANDOM_BYTES))).reveal()


def refused(text: str) -> None:
    with pytest.raises(NotAuthenticated) as error:
        ApiToken.parse(text)
    assert error.value.reason == "malformed"
    assert len(text) < 4 or text not in str(error.value)


@given(randomness)
def test_what_is_minted_reads_back(random: bytes) -> None:
    token = ApiToken.mint(random)
    text = token.reveal()

    assert ApiToken.parse(text) == token
    assert len(text) == 4 + 12 + 1 + 43 + 6
    assert text.startswith(f"rgc_{token.id}_{token.secret}")
    assert set(token.id + token.secret) <= set(BASE62)


@given(randomness, randomness)
def test_the_secret_holds_all_its_randomness(one: bytes, two: bytes) -> None:
    same = ApiToken.mint(one).secret == ApiToken.mint(two).secret

    assert same is (one[16:] == two[16:])


@pytest.mark.parametrize("at", range(len(KEY)))
def test_any_one_changed_character_is_noticed(at: int) -> None:
    for other in BASE62 + "_-":
        if other != KEY[at]:
            refused(KEY[:at] + other + KEY[at + 1 :])


@pytest.mark.parametrize("at", range(len(KEY) - 1))
def test_two_swapped_neighbours_are_noticed(at: int) -> None:
    if KEY[at] != KEY[at + 1]:
        refused(KEY[:at] + KEY[at + 1] + KEY[at] + KEY[at + 2 :])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rgc_",
        KEY[:-1],
        KEY + "0",
        KEY + "\n",
        " " + KEY,
        KEY.upper(),
        KEY.removeprefix("rgc_"),
        KEY.replace("rgc_", "RGC_"),
        KEY.replace("_", "-"),
        "rgc_" + "\N{FULLWIDTH DIGIT ONE}" * 12 + KEY[16:],
        KEY[:-1] + "\ud800",
        "x" * 10_000,
    ],
    ids=range(13),
)
def test_every_other_text_is_malformed(text: str) -> None:
    refused(text)


@given(st.text(max_size=80))
def test_no_text_raises_anything_else(text: str) -> None:
    refused(text)


@pytest.mark.parametrize("size", [0, RANDOM_BYTES - 1, RANDOM_BYTES + 1])
def test_minting_takes_exactly_its_randomness(size: int) -> None:
    with pytest.raises(ValueError, match="random bytes"):
        ApiToken.mint(bytes(size))


def test_a_token_shows_its_id_alone() -> None:
    token = ApiToken.parse(KEY)

    assert token.id in repr(token)
    assert token.secret not in f"{token}{token!r}{[token]}"
