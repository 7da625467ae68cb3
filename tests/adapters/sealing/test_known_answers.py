"""The known answers, read by the product and by two readers written from the document."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from regcred.adapters.sealing.audit_chain import GENESIS
from regcred.adapters.sealing.box import Root
from regcred.adapters.sealing.envelope import bind, digest_of, open_record, seal_record
from regcred.adapters.sealing.file_keyring import FileKeyring
from regcred.adapters.sealing.framing import frame
from regcred.adapters.sealing.key_encryption import WrapContext
from regcred.adapters.sealing.key_file import check_value, decode_key_ring, encode_key_ring
from regcred.adapters.sealing.service_keys import ServiceKeys
from regcred.domain.access import ApiKey, Role
from regcred.domain.credential import Delivery
from regcred.domain.ports import SealContext
from regcred.domain.registry import ImagePattern
from tests.adapters.sealing import second_reader
from tests.adapters.sealing.samples import NOW, root

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HERE = Path(__file__).parent
DOCUMENT = HERE.parents[2] / "docs" / "sealing.md"
KNOWN: dict[str, Any] = json.loads((HERE / "vectors.json").read_text())
SERVICE = KNOWN["service"]

Case = dict[str, Any]


def delivery(case: Case) -> Delivery:
    fields = {name: case[name] for name in Delivery._fields}
    return Delivery(**{**fields, "scopes": tuple(case["scopes"])})


def context(case: Case) -> SealContext:
    fields = {name: case[name] for name in SealContext._fields}
    return SealContext(**{**fields, "delivery": delivery(case["delivery"])})


def fresh(case: Case) -> bytes:
    return bytes.fromhex(case["info"] + case["nonce"])


def test_the_document_shows_the_same_answers() -> None:
    shown = re.search(r"## Known answers.*?```json\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)

    assert shown is not None
    assert json.loads(shown[1]) == KNOWN


@pytest.mark.parametrize("case", KNOWN["frames"])
def test_frames(case: Case) -> None:
    parts = [bytes.fromhex(part) for part in case["parts"]]

    assert frame(*parts).hex() == case["frame"] == second_reader.frame(*parts).hex()


@pytest.mark.parametrize("case", KNOWN["deliveries"])
def test_deliveries(case: Case) -> None:
    assert digest_of(delivery(case)).hex() == case["digest"]
    assert second_reader.delivery_digest(case).hex() == case["digest"]


@pytest.mark.parametrize("case", KNOWN["records"])
def test_records(case: Case) -> None:
    seed, generation = bytes.fromhex(case["seed"]), case["generation"]
    plaintext, record = bytes.fromhex(case["plaintext"]), bytes.fromhex(case["record"])
    key, commitment = root(seed).expand(bytes.fromhex(case["info"]))

    assert key.hex() == case["key"]
    assert commitment[:16].hex() == case["commitment"]
    assert bind(1, generation, context(case)).hex() == case["associated_data"]
    assert seal_record(root(seed), generation, context(case), fresh(case), plaintext) == record
    assert open_record(root(seed), generation, context(case), record) == plaintext


@pytest.mark.parametrize("case", KNOWN["records"])
def test_records_by_the_second_reader(case: Case) -> None:
    assert second_reader.record_binding(case).hex() == case["associated_data"]
    assert second_reader.open_record(case).hex() == case["plaintext"]


@pytest.mark.parametrize("case", KNOWN["wrapped_keys"])
async def test_wrapped_keys(case: Case) -> None:
    ring = decode_key_ring(encode_key_ring(case["kid"], bytes.fromhex(case["key"]), NOW))
    keys = FileKeyring(ring, lambda _: fresh(case))
    place = WrapContext(case["purpose"], case["subject"], case["generation"])
    plaintext, wrapped = bytes.fromhex(case["plaintext"]), bytes.fromhex(case["wrapped"])

    assert await keys.wrap(place, plaintext) == (case["kid"], wrapped)
    assert await keys.unwrap(case["kid"], place, wrapped) == plaintext
    assert second_reader.unwrap(case) == plaintext


@pytest.mark.parametrize("case", KNOWN["key_checks"])
def test_key_checks(case: Case) -> None:
    key = bytes.fromhex(case["key"])

    assert check_value(key, case["kid"]).hex() == case["check"]
    assert second_reader.key_check(key, case["kid"]).hex() == case["check"]


@pytest.mark.parametrize("purpose", SERVICE["purposes"])
def test_purpose_keys(purpose: str) -> None:
    key = bytes.fromhex(SERVICE["service_key"])
    expected = SERVICE["purposes"][purpose]

    assert Root(key, b"regcred-service-v1").expand(purpose.encode())[0].hex() == expected
    assert second_reader.purpose_key(key, purpose).hex() == expected


def test_what_the_purpose_keys_make() -> None:
    cursor, audit = SERVICE["cursor"], SERVICE["audit"]
    keys = ServiceKeys.derive(bytes.fromhex(SERVICE["service_key"]), lambda _: fresh(cursor))
    row, mac = bytes.fromhex(audit["row"]), bytes.fromhex(audit["mac"])
    request = [bytes.fromhex(part) for part in SERVICE["request"]["parts"]]
    place = (cursor["project_id"], cursor["listing"])

    assert (
        keys.key_digests.digest(SERVICE["api_key"]["secret"]).hex()
        == (SERVICE["api_key"]["digest"])
    )
    assert keys.request_digests.digest(*request).hex() == SERVICE["request"]["digest"]
    assert keys.cursors.seal(*place, cursor["position"]) == cursor["cursor"]
    assert keys.cursors.open(*place, cursor["cursor"]) == cursor["position"]
    assert keys.audit_signer.sign(row) == mac
    assert keys.audit_chain.link(GENESIS, [mac]).hex() == audit["head"]


def test_what_the_purpose_keys_make_by_the_second_reader() -> None:
    assert second_reader.service_answers(SERVICE) == {
        "api_key": SERVICE["api_key"]["digest"],
        "request": SERVICE["request"]["digest"],
        "cursor": SERVICE["cursor"]["position"],
        "mac": SERVICE["audit"]["mac"],
        "head": SERVICE["audit"]["head"],
    }


@pytest.mark.parametrize("case", SERVICE["key_rows"])
def test_stamps_of_key_rows(case: Case) -> None:
    service_key, digest = bytes.fromhex(SERVICE["service_key"]), bytes.fromhex(case["digest"])
    digests = ServiceKeys.derive(service_key, bytes).key_digests
    expires = case["expires_at"]
    key = ApiKey(
        case["id"],
        UUID(case["project_id"]),
        "any name",
        Role(case["role"]),
        NOW,
        operator=case["operator"],
        image_patterns=tuple(map(ImagePattern.parse, case["image_patterns"])),
        expires_at=None if expires is None else EPOCH + timedelta(microseconds=expires),
        disabled=case["disabled"],
        version=case["version"],
    )

    assert digests.stamp(key, digest).hex() == case["stamp"]
    assert second_reader.key_row_stamp(service_key, case).hex() == case["stamp"]


def test_a_reader_in_another_language_opens_them() -> None:
    node = shutil.which("node")
    if node is None and not os.environ.get("CI"):
        pytest.skip("node is not installed")
    assert node is not None

    run = subprocess.run(
        [node, HERE / "second_reader.mjs"],
        input=json.dumps(KNOWN).encode(),
        capture_output=True,
        timeout=60,
        check=True,
    )

    assert json.loads(run.stdout) == {
        "records": [case["plaintext"] for case in KNOWN["records"]],
        "wrapped_keys": [case["plaintext"] for case in KNOWN["wrapped_keys"]],
        "key_rows": [case["stamp"] for case in SERVICE["key_rows"]],
    }
