"""How one secret of one credential is sealed: docs/sealing.md, as pure functions over bytes.

A record is `suite(1) | seed generation(4) | box`. The one thing you would get wrong: what the
associated data binds. It holds the whole place of the secret and everything that decides where
the secret is sent, so a record that was moved, or whose row was edited, does not open.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from struct import Struct, error

from regcred.adapters.sealing.box import OVERHEAD, SUITE, Root, close_box, open_box
from regcred.adapters.sealing.framing import frame
from regcred.domain.credential import Delivery
from regcred.domain.errors import SealBroken
from regcred.domain.ports import SealContext
from regcred.domain.secret import MAX_BYTES

LABEL = b"regcred-record-v1"
"""Of a seed's root, and of the associated data."""

DELIVERY_LABEL = b"regcred-delivery-v1"
WHAT = "the stored secret"

_HEAD = Struct(">BI")
_HEAD_SIZE = _HEAD.size
_NUMBERS = Struct(">BIQ")

MIN_RECORD = _HEAD_SIZE + OVERHEAD
MAX_RECORD = MIN_RECORD + MAX_BYTES


def seal_record(
    root: Root, generation: int, context: SealContext, fresh: bytes, plaintext: bytes
) -> bytes:
    """Seal up to 16 KiB, an empty value too, under the seed `root` of that generation.

    Raise SealBroken when the value or its context has no place in the format.
    """
    if len(plaintext) > MAX_BYTES:
        raise SealBroken(WHAT)
    associated_data = bind(SUITE, generation, context)
    box = close_box(SUITE, root, fresh, associated_data, plaintext)
    return _HEAD.pack(SUITE, generation) + box


def open_record(root: Root, generation: int, context: SealContext, record: bytes) -> bytes:
    """Open a record. Raise SealBroken, for every reason alike."""
    if not MIN_RECORD <= len(record) <= MAX_RECORD:
        raise SealBroken(WHAT)
    suite, sealed_under = _HEAD.unpack_from(record)
    # The key is picked by number, never by trial.
    if sealed_under != generation:
        raise SealBroken(WHAT)
    associated_data = bind(suite, generation, context)
    return open_box(suite, root, associated_data, record[_HEAD_SIZE:], WHAT)


def bind(suite: int, generation: int, context: SealContext) -> bytes:
    """Return the associated data of a secret: its suite, its seed, its place and its delivery."""
    project_id, credential_id, field, secret_version, delivery = context
    try:
        return frame(
            LABEL,
            _NUMBERS.pack(suite, generation, secret_version),
            project_id.encode(),
            credential_id.encode(),
            field.encode(),
            delivery.username.encode(),
            digest_of(delivery),
        )
    except (UnicodeEncodeError, error):
        # Only an edited row holds lone surrogates or a version outside 64 bits.
        pass
    raise SealBroken(WHAT)


def digest_of(delivery: Delivery) -> bytes:
    """Return the SHA-256 that stands for where and how a secret may be used.

    Scopes and settings have no order of their own: they are sorted by their UTF-8 bytes, so a
    store may return them in any order. An absent registry differs from an empty one.
    """
    provider, registry_url, scopes, username, settings = delivery
    if not settings:
        return _digest_without_settings(provider, registry_url, scopes, username)
    return _digest(provider, registry_url, scopes, username, settings)


def _digest(
    provider: str,
    registry_url: str | None,
    scopes: tuple[str, ...],
    username: str,
    settings: Mapping[str, str],
) -> bytes:
    registry = () if registry_url is None else (registry_url.encode(),)
    pairs = sorted((name.encode(), value.encode()) for name, value in settings.items())
    return sha256(
        frame(
            DELIVERY_LABEL,
            provider.encode(),
            frame(*registry),
            frame(*sorted(scope.encode() for scope in scopes)),
            username.encode(),
            frame(*(part for pair in pairs for part in pair)),
        )
    ).digest()


# Most logins have no settings, and one is opened far more often than it changes: remembering the
# digest saves a third of the time of opening a secret. Nothing in it is secret, and a function of
# nothing but its arguments cannot go stale.
@lru_cache(maxsize=4096)
def _digest_without_settings(
    provider: str, registry_url: str | None, scopes: tuple[str, ...], username: str
) -> bytes:
    return _digest(provider, registry_url, scopes, username, {})
