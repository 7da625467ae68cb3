"""Places, keys and randomness for these tests; nothing here is fit for use."""

from __future__ import annotations

from datetime import UTC, datetime

from regcred.adapters.sealing.box import FRESH_SIZE, Root
from regcred.adapters.sealing.envelope import LABEL
from regcred.adapters.sealing.file_keyring import FileKeyring
from regcred.adapters.sealing.key_file import decode_key_ring, encode_key_ring
from regcred.domain.credential import Delivery
from regcred.domain.ports import SealContext

NOW = datetime(2026, 11, 21, 10, 0, 0, 123456, tzinfo=UTC)
PROJECT = "0192f0c4-5a00-7000-8000-000000000001"
OTHER_PROJECT = "0192f0c4-5a00-7000-8000-000000000002"
CREDENTIAL = "0192f0c4-5a00-7000-8000-0000000000c1"
SEED = bytes(range(32))
FRESH = bytes(range(100, 100 + FRESH_SIZE))
DELIVERY = Delivery(
    provider="generic",
    registry_url="https://registry.example.com/team",
    scopes=("registry.example.com/team", "mirror.example.com/team"),
    username="robot$ci",
    settings={"realm": "https://auth.example.com/token", "ca": "-----BEGIN"},
)
CONTEXT = SealContext(PROJECT, CREDENTIAL, "password", 1, DELIVERY)


def root(seed: bytes = SEED) -> Root:
    return Root(seed, LABEL)


class Predictable:
    """Stands in for randomness: never the same bytes twice, always the same sequence."""

    def __init__(self) -> None:
        self.drawn: list[bytes] = []

    def __call__(self, size: int) -> bytes:
        drawn = bytes((len(self.drawn) * 37 + at * 11 + size) % 256 for at in range(size))
        self.drawn.append(drawn)
        return drawn


def keyring(key: bytes = bytes(range(64, 96)), kid: str = "kek-1") -> FileKeyring:
    """Return a ring of one key that never touched a disk."""
    return FileKeyring(decode_key_ring(encode_key_ring(kid, key, NOW)), Predictable())
