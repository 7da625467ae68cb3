"""What is told of a backup, signed, so that neither it nor its file can be exchanged unnoticed.

The signature is the service's own: it says that the manifest belongs to the store in the file.
It hides nothing, and the service's key is in it only wrapped: whoever has the key ring checks the
signature before anything of the file is opened or run. What must be known for that, the ids of
the keys above all, is read before, and believed only after.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from hmac import compare_digest
from typing import NamedTuple

from regcred.adapters.sealing.framing import frame
from regcred.adapters.sealing.mac import Mac
from regcred.domain.ports import WrappedSeed

FORMAT = 2
MAX_MANIFEST = 1024 * 1024
_LABEL = b"regcred-backup-v1"
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_MOST = 2**63 - 1


class Mark(NamedTuple):
    """A place in the audit chain: the head after row `number`."""

    number: int
    head: str
    """64 hex digits."""


class Manifest(NamedTuple):
    """What a backup's file must be, and what must be in it."""

    file: str
    """The file's name, beside the manifest."""

    engine: str
    size: int
    sha256: str
    product: str
    """The version that made it."""

    schema: str
    created_at: datetime
    kids: tuple[str, ...]
    """Key-encryption keys without which nothing in it opens."""

    audit: Mark
    """The end of the audit in the file."""

    anchor: Mark | None
    """What was anchored when the copy began; None: nothing was."""

    counts: Mapping[str, int]
    """Rows by table."""

    service_key: WrappedSeed
    """The service's own key, wrapped as it is in the file: the one that signs this."""


class ManifestDamaged(Exception):
    """The text is no manifest; the message says why."""


class ManifestSigner:
    """HMAC-SHA-256 over a manifest's canonical text."""

    __slots__ = ("__key",)

    def __init__(self, key: bytes) -> None:
        self.__key = Mac(key)

    def encode(self, manifest: Manifest) -> bytes:
        """Return the manifest's text, signed."""
        written = _written(manifest)
        signed = {**written, "mac": self._sign(written).hex()}
        return json.dumps(signed, indent=1).encode() + b"\n"

    def signed_here(self, manifest: Manifest, mac: bytes) -> bool:
        """Whether the manifest is as it was signed under this service's key. Constant time."""
        return compare_digest(self._sign(_written(manifest)), mac)

    def _sign(self, written: Mapping[str, object]) -> bytes:
        canonical = json.dumps(written, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return self.__key.of(frame(_LABEL, canonical.encode()))

    def __repr__(self) -> str:
        return "<manifest signer>"


def decode(data: bytes) -> tuple[Manifest, bytes]:
    """Return a manifest and its signature, not yet checked. Raise ManifestDamaged."""
    try:
        read = json.loads(data)
        found = _read(read) if isinstance(read, dict) else None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        found = None
    if found is None:
        raise ManifestDamaged("it is not what regcred wrote")
    return found


def _written(manifest: Manifest) -> dict[str, object]:
    at = manifest.created_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return {
        "format": FORMAT,
        **manifest._asdict(),
        "created_at": at,
        "kids": list(manifest.kids),
        "audit": manifest.audit._asdict(),
        "anchor": manifest.anchor and manifest.anchor._asdict(),
        "counts": dict(manifest.counts),
        "service_key": {
            **manifest.service_key._asdict(),
            "wrapped": manifest.service_key.wrapped.hex(),
        },
    }


def _read(read: dict[str, object]) -> tuple[Manifest, bytes] | None:
    if read.keys() != {"format", "mac", *Manifest._fields}:
        return None
    if type(read["format"]) is not int or read["format"] != FORMAT:
        raise ManifestDamaged("it is of a format that this release cannot read")
    texts = [read[name] for name in ("file", "engine", "sha256", "product", "schema", "mac")]
    kids, counts = read["kids"], read["counts"]
    if not (isinstance(kids, list) and isinstance(counts, dict) and _number(read["size"])):
        return None
    if not all(isinstance(text, str) for text in (*texts, *kids, *counts)):
        return None
    if not all(map(_number, counts.values())) or not _DIGEST.match(str(read["sha256"])):
        return None
    manifest = Manifest(
        file=str(read["file"]),
        engine=str(read["engine"]),
        size=int(str(read["size"])),
        sha256=str(read["sha256"]),
        product=str(read["product"]),
        schema=str(read["schema"]),
        created_at=datetime.fromisoformat(str(read["created_at"])).astimezone(UTC),
        kids=tuple(kids),
        audit=_mark(read["audit"]),
        anchor=None if read["anchor"] is None else _mark(read["anchor"]),
        counts=counts,
        service_key=_wrapped(read["service_key"]),
    )
    return manifest, bytes.fromhex(str(read["mac"]))


def _mark(read: object) -> Mark:
    if not isinstance(read, dict) or read.keys() != set(Mark._fields):
        raise TypeError
    number, head = read["number"], read["head"]
    if not (_number(number) and isinstance(head, str) and _DIGEST.match(head)):
        raise TypeError
    return Mark(number, head)


def _wrapped(read: object) -> WrappedSeed:
    if not isinstance(read, dict) or read.keys() != set(WrappedSeed._fields):
        raise TypeError
    kid, generation, wrapped = (read[name] for name in WrappedSeed._fields)
    if not (isinstance(kid, str) and _number(generation) and isinstance(wrapped, str)):
        raise TypeError
    return WrappedSeed(kid, generation, bytes.fromhex(wrapped))


def _number(read: object) -> bool:
    return type(read) is int and 0 <= read <= _MOST
