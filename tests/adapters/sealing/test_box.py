from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import given
from hypothesis import strategies as st

from regcred.adapters.sealing import box
from regcred.adapters.sealing.box import FRESH_SIZE, OVERHEAD, SUITE, Root, close_box, open_box
from regcred.domain.errors import SealBroken
from tests.adapters.sealing.samples import FRESH, SEED


def test_expansion_is_that_of_rfc_5869() -> None:
    """Test case 1 of RFC 5869, appendix A.1, from its PRK on."""
    prk = bytes.fromhex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5")
    info = bytes.fromhex("f0f1f2f3f4f5f6f7f8f9")

    first, second = Root(prk, info[:4]).expand(info[4:])

    assert (first + second)[:42].hex() == (
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    )


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=40), st.binary(max_size=40))
def test_expansion_agrees_with_the_library(key: bytes, label: bytes, info: bytes) -> None:
    first, second = Root(key, label).expand(info)

    assert HKDFExpand(SHA256(), 64, label + info).derive(key) == first + second


@pytest.mark.parametrize("size", [0, 16, 31, 33, 64])
def test_a_root_has_32_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Root(bytes(size), b"label")


@pytest.mark.parametrize("size", [0, 12, 32, FRESH_SIZE - 1, FRESH_SIZE + 1])
def test_a_box_is_not_made_with_too_little_or_too_much_randomness(size: int) -> None:
    with pytest.raises(ValueError, match="44 fresh bytes"):
        close_box(SUITE, Root(SEED, b"label"), bytes(size), b"", b"x")


def test_a_box_opens_under_its_own_label_alone() -> None:
    closed = close_box(SUITE, Root(SEED, b"one"), FRESH, b"", b"x")

    assert open_box(SUITE, Root(SEED, b"one"), b"", closed, "it") == b"x"
    with pytest.raises(SealBroken):
        open_box(SUITE, Root(SEED, b"two"), b"", closed, "it")


def test_a_box_that_is_too_short_is_broken_and_not_a_crash() -> None:
    closed = close_box(SUITE, Root(SEED, b"label"), FRESH, b"", b"")

    assert len(closed) == OVERHEAD
    for size in range(OVERHEAD):
        with pytest.raises(SealBroken, match="it does not open"):
            open_box(SUITE, Root(SEED, b"label"), b"", closed[:size], "it")


def test_the_commitment_refuses_a_key_that_the_tag_would_accept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A cipher that accepts everything stands for a ciphertext crafted for two keys."""

    class AcceptsEverything:
        def __init__(self, key: bytes) -> None: ...

        def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes:
            return b"accepted"

    closed = close_box(SUITE, Root(SEED, b"label"), FRESH, b"", b"x")
    monkeypatch.setitem(box.SUITES, SUITE, AcceptsEverything)

    assert open_box(SUITE, Root(SEED, b"label"), b"", closed, "it") == b"accepted"
    with pytest.raises(SealBroken):
        open_box(SUITE, Root(bytes(32), b"label"), b"", closed, "it")


def test_the_commitment_is_no_part_of_the_key() -> None:
    first, second = Root(SEED, b"label").expand(FRESH[:32])
    closed = close_box(SUITE, Root(SEED, b"label"), FRESH, b"", b"x")

    assert closed[32:48] == second[:16]
    assert first[:16] not in closed
    assert first[16:] not in closed


def test_there_is_one_suite_and_it_encrypts() -> None:
    assert list(box.SUITES) == [SUITE] == [1]
    assert box.SUITES[SUITE].__name__ == "AESGCM"
