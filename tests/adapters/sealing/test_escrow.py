"""A key ring in shares: enough of them give it back, fewer do not, and none says what it holds."""

from __future__ import annotations

import itertools
import json
import os
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shamir_mnemonic import combine_mnemonics

from regcred.adapters.sealing.escrow import MAX_SHARE, join_shares, split_ring
from regcred.adapters.sealing.key_file import RingKey
from regcred.domain.errors import StartRefused
from tests.adapters.sealing.samples import SEED

KEYS = [RingKey("kek-1", SEED, "2026-11-21T00:00:00Z"), RingKey("kek-2", SEED[::-1], "later")]


def split(keys: Sequence[RingKey] = KEYS, shares: int = 5, needed: int = 3) -> list[bytes]:
    return split_ring("kek-2", keys, shares=shares, needed=needed, random=os.urandom)


def named(texts: Sequence[bytes]) -> Mapping[str, bytes]:
    return {f"share-{number}": text for number, text in enumerate(texts)}


@pytest.fixture(scope="module")
def texts() -> list[bytes]:
    return split()


def test_the_library_agrees_with_the_standards_own_vector() -> None:
    """SLIP-0039's test vectors: 2 shares of 3, 256 bits, the passphrase TREZOR."""
    words = [
        (
            "humidity disease academic always aluminum jewelry energy woman receiver strategy amuse"
            " duckling lying evidence network walnut tactics forget hairy rebound impulse brother"
            " survive clothes stadium mailman rival ocean reward venture always armed unwrap"
        ),
        (
            "humidity disease academic agency actress jacket gross physics cylinder solution fake"
            " mortgage benefit public busy prepare sharp friar change work slow purchase ruler"
            " again tricycle involve viral wireless mixture anatomy desert cargo upgrade"
        ),
    ]

    assert combine_mnemonics(words, b"TREZOR").hex() == (
        "c938b319067687e990e05e0da0ecce1278f75ff58d9853f19dcaeed5de104aae"
    )


def test_any_three_of_five_give_the_ring_back(texts: list[bytes]) -> None:
    for chosen in itertools.permutations(texts, 3):
        assert join_shares(named(chosen)) == ("kek-2", KEYS)


def test_more_than_are_needed_do_no_harm(texts: list[bytes]) -> None:
    assert join_shares(named(texts)) == ("kek-2", KEYS)


def test_fewer_than_are_needed_give_nothing(texts: list[bytes]) -> None:
    for count in (0, 1, 2):
        for chosen in itertools.combinations(texts, count):
            with pytest.raises(StartRefused, match="share"):
                join_shares(named(chosen))


def test_a_file_that_claims_fewer_are_needed_gives_nothing(texts: list[bytes]) -> None:
    with pytest.raises(StartRefused, match="do not give kek-1 back"):
        join_shares(named([edited(text, needed=2) for text in texts[:2]]))


@settings(max_examples=25)
@given(
    st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=2),
    st.integers(2, 5).flatmap(lambda n: st.tuples(st.integers(n, 7), st.just(n))),
    st.randoms(use_true_random=False),
)
def test_every_key_comes_back_from_any_of_its_shares(
    keys: list[bytes], sizes: tuple[int, int], chance: Any
) -> None:
    ring = [RingKey(f"k{number}", key, "t") for number, key in enumerate(keys)]
    shares, needed = sizes
    made = split_ring("k0", ring, shares=shares, needed=needed, random=os.urandom)

    assert join_shares(named(chance.sample(made, needed))) == ("k0", ring)


def test_a_share_alone_is_as_random_for_one_key_as_for_another() -> None:
    """Each byte of a share takes many values over splits of one key: none is tied to the key's."""
    for key in (SEED, bytes(32)):
        made = [split([RingKey("k", key, "t")]) for _ in range(60)]
        for number in range(2):
            columns = zip(*(_words(texts[number])[4:-3] for texts in made), strict=True)
            assert min(len(set(column)) for column in columns) > 30


def _words(text: bytes) -> list[str]:
    [key] = json.loads(text)["keys"]
    return str(key["words"]).split()


def test_two_escrows_of_one_ring_do_not_mix(texts: list[bytes]) -> None:
    with pytest.raises(StartRefused, match="share-2 is of another set than share-0"):
        join_shares(named([*texts[:2], split()[2]]))


def test_one_share_twice_is_not_two(texts: list[bytes]) -> None:
    with pytest.raises(StartRefused, match="share-2 and share-1 are the same share"):
        join_shares(named([texts[0], texts[1], texts[1]]))


@pytest.mark.parametrize("sizes", [(5, 1), (5, 6), (17, 3), (0, 0), (1, 1)])
def test_shares_are_made_in_sensible_numbers(sizes: tuple[int, int]) -> None:
    with pytest.raises(StartRefused, match="cannot be needed"):
        split(shares=sizes[0], needed=sizes[1])


def test_a_share_says_what_it_is_a_part_of_and_nothing_of_the_key(texts: list[bytes]) -> None:
    share = json.loads(texts[0])

    assert (share["share"], share["shares"], share["needed"]) == (1, 5, 3)
    assert len({json.loads(text)["set"] for text in texts}) == 1
    assert [key["kid"] for key in share["keys"]] == ["kek-1", "kek-2"]
    for text in texts:
        assert SEED.hex().encode() not in text
        assert len(text) < MAX_SHARE


# Shares that were changed


def edited(text: bytes, **fields: object) -> bytes:
    """Return a share with other fields, and a checksum that agrees with them."""
    from regcred.adapters.sealing.escrow import _checksum  # noqa: PLC0415  for forging alone

    share = json.loads(text) | fields
    share.pop("checksum")
    return json.dumps(share | {"checksum": _checksum(share)}).encode()


def _without_a_word(text: bytes) -> bytes:
    share = json.loads(text)
    words = share["keys"][0]["words"].split()
    share["keys"][0]["words"] = " ".join(words[:-1])
    return edited(text, keys=share["keys"])


def _of_another_key(text: bytes) -> bytes:
    share = json.loads(text)
    share["keys"][0]["words"] = share["keys"][1]["words"]
    return edited(text, keys=share["keys"])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda text: text[:-30], "no share"),
        (lambda _: b"[]", "no share"),
        (lambda _: b"[" * 60_000, "no share"),
        (lambda _: b"\xff", "no share"),
        (lambda text: text.replace(b'"share": 1', b'"share": 4'), "checksum"),
        (lambda text: text.replace(b"academic", b"acid", 1), "checksum"),
        (lambda text: edited(text, version=2), "no share"),
        (lambda text: edited(text, more=1), "no share"),
        (lambda text: edited(text, share=0), "no share"),
        (lambda text: edited(text, share=True), "no share"),
        (lambda text: edited(text, shares=17), "no share"),
        (lambda text: edited(text, set=7), "no share"),
        (lambda text: edited(text, primary=None), "no share"),
        (lambda text: edited(text, keys=[]), "no share"),
        (lambda text: edited(text, keys=[{}]), "no share"),
        (lambda text: edited(text, primary="kek-1"), "another set"),
        (_without_a_word, "do not give kek-1 back"),
        (_of_another_key, "do not give kek-1 back"),
    ],
    ids=range(18),
)
def test_a_share_that_was_changed_is_told_and_never_shown(
    texts: list[bytes], change: Callable[[bytes], bytes], why: str
) -> None:
    given_ = named([change(texts[0]), *texts[1:3]])

    with pytest.raises(StartRefused, match=why) as caught:
        join_shares(given_)

    said = "".join(traceback.format_exception(caught.value, chain=True))
    assert caught.value.__context__ is None
    for text in texts[:3]:
        for key in json.loads(text)["keys"]:
            # Any three words in a row would be a part of the key.
            words = key["words"].split()
            rows = (" ".join(words[at : at + 3]) for at in range(4, len(words) - 2))
            assert not any(row in said for row in rows)
