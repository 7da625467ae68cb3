from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regcred.adapters.sealing.key_encryption import WrapContext
from regcred.adapters.sealing.key_services.crc32c import crc32c
from regcred.adapters.sealing.key_services.google import GoogleKey
from regcred.domain.errors import KeyringUnavailable, SealBroken, StartRefused
from tests.adapters.sealing.key_services.test_aws import lacking
from tests.adapters.sealing.samples import PROJECT, SEED
from tests.tools.google_kms import KEY, GoogleKms

PLACE = WrapContext("seed", PROJECT, 1)


@pytest.mark.parametrize(
    "name", ["", "regcred", KEY + "/cryptoKeyVersions/1", KEY + "\n", "../" + KEY, KEY + ":x"]
)
def test_only_a_keys_resource_name_is_taken(name: str) -> None:
    with pytest.raises(StartRefused, match="resource name"):
        GoogleKey(name)


def test_the_id_is_the_keys_name(google_key: GoogleKey) -> None:
    assert google_key.kid == f"gcpkms:{KEY}"


# What is damaged on its way


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ciphertext", None),
        ("ciphertext", "AAAA"),
        ("ciphertext", 7),
        ("ciphertextCrc32c", None),
        ("ciphertextCrc32c", "0"),
        ("ciphertextCrc32c", "x"),
        ("verifiedPlaintextCrc32c", None),
        ("verifiedPlaintextCrc32c", False),
        ("verifiedAdditionalAuthenticatedDataCrc32c", "true"),
    ],
)
def test_an_answer_that_was_damaged_is_no_answer(
    google: GoogleKms, google_key: GoogleKey, name: str, value: object
) -> None:
    google.spoil = {name: value}

    with pytest.raises(KeyringUnavailable, match="damaged"):
        google_key.wrap(PLACE, SEED)


def test_a_damaged_plaintext_is_never_taken_for_a_seed(
    google: GoogleKms, google_key: GoogleKey
) -> None:
    wrapped = google_key.wrap(PLACE, SEED)
    google.spoil = {"plaintext": "QUFBQQ=="}

    with pytest.raises(KeyringUnavailable, match="damaged"):
        google_key.unwrap(PLACE, wrapped)


# Refusals


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "FAILED_PRECONDITION"),
        (403, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
        (429, "RESOURCE_EXHAUSTED"),
        (500, "INTERNAL"),
        (503, "UNAVAILABLE"),
    ],
)
def test_a_refusal_is_no_broken_seal(
    google: GoogleKms, google_key: GoogleKey, status: int, reason: str
) -> None:
    wrapped = google_key.wrap(PLACE, SEED)
    google.refuse = (status, {"error": {"status": reason}})

    for ask, data in ((google_key.wrap, SEED), (google_key.unwrap, wrapped)):
        with pytest.raises(KeyringUnavailable, match=f"HTTP {status}"):
            ask(PLACE, data)


def test_an_invalid_argument_of_wrapping_is_no_broken_seal(
    google: GoogleKms, google_key: GoogleKey
) -> None:
    wrapped = google_key.wrap(PLACE, SEED)
    google.refuse = (400, {"error": {"status": "INVALID_ARGUMENT"}})

    with pytest.raises(KeyringUnavailable):
        google_key.wrap(PLACE, SEED)
    with pytest.raises(SealBroken):
        google_key.unwrap(PLACE, wrapped)


@pytest.mark.parametrize("said", [{"error": "text"}, {}, {"error": {"status": 5}}])
def test_a_refusal_of_no_known_form_is_one_too(
    google: GoogleKms, google_key: GoogleKey, said: dict[str, Any]
) -> None:
    google.refuse = (400, said)

    with pytest.raises(KeyringUnavailable):
        google_key.unwrap(PLACE, b"x")


def test_redirects_are_not_followed(google: GoogleKms, google_key: GoogleKey) -> None:
    google.refuse = (307, {"Location": google.url})

    with pytest.raises(KeyringUnavailable, match="HTTP 307"):
        google_key.wrap(PLACE, SEED)
    assert google.asked == ["encrypt"]


@pytest.mark.usefixtures("google")
def test_a_service_that_cannot_be_reached_is_away() -> None:
    key = GoogleKey(KEY, endpoint="http://127.0.0.1:9")

    with pytest.raises(KeyringUnavailable, match="cannot be asked") as caught:
        key.wrap(PLACE, SEED)

    assert caught.value.__context__ is None


# Who we are


@pytest.mark.parametrize("text", [None, "", "[]", '{"type": "x"}', '{"private_key": "Hunter2'])
def test_without_an_identity_it_says_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str | None
) -> None:
    file = tmp_path / "account.json"
    if text is not None:
        file.write_text(text)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))

    with pytest.raises(StartRefused, match="GOOGLE_APPLICATION_CREDENTIALS") as caught:
        GoogleKey(KEY)

    assert "Hunter2" not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_folder_in_the_place_of_an_identity_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path))

    with pytest.raises(StartRefused, match="IsADirectoryError"):
        GoogleKey(KEY)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking(monkeypatch, "google")

    with pytest.raises(StartRefused, match=r"pip install 'regcred\[server,gcp\]'"):
        GoogleKey(KEY)


# CRC-32C


@pytest.mark.parametrize(
    ("data", "checksum"),
    [
        # RFC 3720, B.4, and the check value of the CRC catalogue.
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
        (b"123456789", 0xE3069283),
        (b"", 0),
    ],
)
def test_checksums_are_those_of_the_standard(data: bytes, checksum: int) -> None:
    assert crc32c(data) == checksum


@given(st.binary(min_size=1, max_size=64), st.data())
def test_one_flipped_bit_is_always_noticed(data: bytes, choice: st.DataObject) -> None:
    at = choice.draw(st.integers(0, len(data) * 8 - 1))
    flipped = bytearray(data)
    flipped[at // 8] ^= 1 << at % 8

    assert crc32c(bytes(flipped)) != crc32c(data)
