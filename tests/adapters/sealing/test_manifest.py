"""A manifest says what it was told, to the service that signed it, and to nobody else."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regcred.adapters.sealing.manifest import (
    Manifest,
    ManifestDamaged,
    ManifestSigner,
    Mark,
    decode,
)
from regcred.domain.ports import WrappedSeed

SIGNER = ManifestSigner(bytes(32))
WRITTEN = Manifest(
    file="regcred-1.db",
    engine="sqlite",
    size=4096,
    sha256="ab" * 32,
    product="1.0",
    schema="0004",
    created_at=datetime(2026, 11, 29, 12, tzinfo=UTC),
    kids=("kek-1", "kek-2"),
    audit=Mark(7, "cd" * 32),
    anchor=Mark(6, "ef" * 32),
    counts={"projects": 1, "credentials": 2},
    service_key=WrappedSeed("kek-1", 1, b"wrapped"),
)
NUMBERS = st.integers(0, 2**63 - 1)
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)
MARKS = st.builds(Mark, NUMBERS, DIGESTS)
MANIFESTS = st.builds(
    Manifest,
    file=st.text(),
    engine=st.text(),
    size=NUMBERS,
    sha256=DIGESTS,
    product=st.text(),
    schema=st.text(),
    created_at=st.datetimes(timezones=st.just(UTC)),
    kids=st.lists(st.text()).map(tuple),
    audit=MARKS,
    anchor=st.none() | MARKS,
    counts=st.dictionaries(st.text(), NUMBERS),
    service_key=st.builds(WrappedSeed, st.text(), NUMBERS, st.binary()),
)


@given(MANIFESTS)
def test_what_was_written_is_read_and_believed(manifest: Manifest) -> None:
    read, mac = decode(SIGNER.encode(manifest))

    assert read == manifest
    assert SIGNER.signed_here(read, mac)
    assert not ManifestSigner(bytes(31) + b"x").signed_here(read, mac)


EDITS: dict[str, Any] = {
    "file": "other",
    "engine": "other",
    "size": 1,
    "sha256": "00" * 32,
    "product": "2",
    "schema": "0003",
    "created_at": "2026-11-29T12:00:01Z",
    "kids": ["kek-1"],
    "audit": {"number": 6, "head": "cd" * 32},
    "anchor": None,
    "counts": {"projects": 2},
    "service_key": {"kid": "kek-2", "generation": 1, "wrapped": "00"},
}


def test_every_field_can_be_edited_here() -> None:
    assert EDITS.keys() == set(Manifest._fields)


@pytest.mark.parametrize("field", EDITS)
def test_an_edited_field_is_not_believed(field: str) -> None:
    written = json.loads(SIGNER.encode(WRITTEN))

    read, mac = decode(json.dumps({**written, field: EDITS[field]}).encode())

    assert read != WRITTEN
    assert not SIGNER.signed_here(read, mac)


DAMAGED: dict[str, Any] = {
    "an older format": {"format": 1},
    "a newer format": {"format": 3},
    "a format that is no number": {"format": True},
    "a size below none": {"size": -1},
    "a size that is no number": {"size": True},
    "a key that is no text": {"kids": [1]},
    "keys that are no list": {"kids": "kek-1"},
    "counts that are no object": {"counts": []},
    "a count that is no number": {"counts": {"projects": "1"}},
    "a schema that is no text": {"schema": 4},
    "a digest that is none": {"sha256": "ab"},
    "a mark without a head": {"audit": {"number": 1}},
    "a mark before the first": {"audit": {"number": -1, "head": "00" * 32}},
    "a mark that is none": {"anchor": "00" * 32},
    "a head that is none": {"anchor": {"number": 1, "head": 1}},
    "a service key that is none": {"service_key": "00"},
    "a service key that is no hex": {
        "service_key": {"kid": "kek-1", "generation": 1, "wrapped": "zz"}
    },
    "a service key of no generation": {
        "service_key": {"kid": "kek-1", "generation": "1", "wrapped": "00"}
    },
    "a time that is none": {"created_at": "today"},
    "a signature that is none": {"mac": "zz"},
    "a field too many": {"more": 1},
}


@pytest.mark.parametrize("edit", DAMAGED.values(), ids=DAMAGED)
def test_what_no_service_wrote_is_refused(edit: dict[str, Any]) -> None:
    written = json.loads(SIGNER.encode(WRITTEN))

    with pytest.raises(ManifestDamaged):
        decode(json.dumps({**written, **edit}).encode())


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b"\xff", b"[" * 100_000])
def test_what_is_no_manifest_at_all_is_refused(text: bytes) -> None:
    with pytest.raises(ManifestDamaged):
        decode(text)
