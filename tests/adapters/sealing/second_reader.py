"""A reader of sealed things written from docs/sealing.md alone.

It imports nothing of the product: where it and the product disagree, the document is unclear.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand


def number(value: int, size: int) -> bytes:
    return value.to_bytes(size, "big")


def frame(*parts: bytes) -> bytes:
    out = number(len(parts), 4)
    for part in parts:
        out += number(len(part), 4)
    for part in parts:
        out += part
    return out


def expand(key: bytes, info: bytes, length: int) -> bytes:
    return HKDFExpand(SHA256(), length, info).derive(key)


def open_box(root: bytes, label: str, associated_data: bytes, box: bytes) -> bytes:
    info, commitment, nonce, rest = box[:32], box[32:48], box[48:60], box[60:]
    okm = expand(root, label.encode() + info, 48)
    assert hmac.compare_digest(okm[32:48], commitment)
    return AESGCM(okm[:32]).decrypt(nonce, rest, associated_data)


def delivery_digest(delivery: dict[str, Any]) -> bytes:
    url = delivery["registry_url"]
    pairs = sorted((k.encode(), v.encode()) for k, v in delivery["settings"].items())
    flat: list[bytes] = []
    for key, value in pairs:
        flat += [key, value]
    framed = frame(
        b"regcred-delivery-v1",
        delivery["provider"].encode(),
        frame() if url is None else frame(url.encode()),
        frame(*sorted(scope.encode() for scope in delivery["scopes"])),
        delivery["username"].encode(),
        frame(*flat),
    )
    return hashlib.sha256(framed).digest()


def record_binding(case: dict[str, Any]) -> bytes:
    return frame(
        b"regcred-record-v1",
        b"\x01" + number(case["generation"], 4) + number(case["secret_version"], 8),
        case["project_id"].encode(),
        case["credential_id"].encode(),
        case["field"].encode(),
        case["delivery"]["username"].encode(),
        delivery_digest(case["delivery"]),
    )


def open_record(case: dict[str, Any]) -> bytes:
    record = bytes.fromhex(case["record"])
    assert 81 <= len(record) <= 16465
    assert record[0] == 1
    assert record[1:5] == number(case["generation"], 4)
    seed = bytes.fromhex(case["seed"])
    return open_box(seed, "regcred-record-v1", record_binding(case), record[5:])


def unwrap(case: dict[str, Any]) -> bytes:
    wrapped = bytes.fromhex(case["wrapped"])
    assert len(wrapped) == 109
    assert wrapped[0] == 1
    bound = frame(
        b"regcred-" + case["purpose"].encode(),
        case["subject"].encode(),
        number(case["generation"], 4),
        case["kid"].encode(),
        b"\x01",
    )
    return open_box(bytes.fromhex(case["key"]), "regcred-wrap-v1", bound, wrapped[1:])


def key_check(key: bytes, kid: str) -> bytes:
    return expand(key, b"regcred-key-check-v1" + kid.encode(), 16)


def purpose_key(service_key: bytes, purpose: str) -> bytes:
    return expand(service_key, b"regcred-service-v1" + purpose.encode(), 32)


def key_row_stamp(service_key: bytes, row: dict[str, Any]) -> bytes:
    expires = row["expires_at"]
    framed = frame(
        b"regcred-api-key-v1",
        row["id"].encode(),
        bytes.fromhex(row["digest"]),
        row["project_id"].encode(),
        row["role"].encode(),
        number(row["operator"], 1),
        frame(*(pattern.encode() for pattern in row["image_patterns"])),
        frame() if expires is None else frame(str(expires).encode()),
        number(row["disabled"], 1),
        str(row["version"]).encode(),
    )
    return hmac.new(purpose_key(service_key, "api-key-row"), framed, "sha256").digest()


def service_answers(case: dict[str, Any]) -> dict[str, str]:
    key = bytes.fromhex(case["service_key"])

    def mac(purpose: str, data: bytes) -> bytes:
        return hmac.new(purpose_key(key, purpose), data, "sha256").digest()

    cursor, row = case["cursor"], bytes.fromhex(case["audit"]["row"])
    padded = cursor["cursor"] + "=" * (-len(cursor["cursor"]) % 4)
    place = frame(b"regcred-cursor-v1", cursor["project_id"].encode(), cursor["listing"].encode())
    position = open_box(
        purpose_key(key, "cursor"), "regcred-cursor-v1", place, base64.urlsafe_b64decode(padded)
    )
    row_mac = mac("audit-row", row)
    parts = [bytes.fromhex(part) for part in case["request"]["parts"]]
    return {
        "api_key": mac("api-key-pepper", case["api_key"]["secret"].encode()).hex(),
        "request": mac("idempotency", frame(*parts)).hex(),
        "cursor": position.decode(),
        "mac": row_mac.hex(),
        "head": mac("audit-chain", bytes(32) + row_mac).hex(),
    }
