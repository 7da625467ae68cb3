"""A key ring taken apart into shares, of which some few together give it back (SLIP-0039).

Each share is a text of its own: which set it is of, how many are needed, and for every key of the
ring the words of one Shamir share, which carry their own checksum. The one thing you would get
wrong: what an error says. A word of a share is a part of a key, so none is ever named.
https://github.com/satoshilabs/slips/blob/master/slip-0039.md
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from hmac import compare_digest
from typing import NamedTuple

from regcred.adapters.sealing.box import ROOT_SIZE
from regcred.adapters.sealing.key_file import RingKey, check_value
from regcred.domain.errors import StartRefused
from regcred.domain.ports import RandomBytes

VERSION = 1
MAX_SHARE = 256 * 1024
"""Bytes of one share's text: a ring of some hundred keys."""

FEWEST, MOST = 2, 16
"""Shares that are needed, and that SLIP-0039 can number."""

_FIELDS = {"version", "set", "share", "shares", "needed", "primary", "keys", "checksum"}
_KEY_FIELDS = {"kid", "created_at", "check", "words"}


class _Key(NamedTuple):
    kid: str
    created_at: str
    check: str
    words: str

    def __repr__(self) -> str:
        return f"<a share of {self.kid}>"


class Share(NamedTuple):
    """One share as read."""

    set: str
    share: int
    shares: int
    needed: int
    primary: str
    keys: tuple[_Key, ...]

    @property
    def of_set(self) -> tuple[object, ...]:
        """What all shares of one set have in common."""
        return self.set, self.shares, self.needed, self.primary, tuple(k[:3] for k in self.keys)


def split_ring(
    primary: str, keys: Sequence[RingKey], *, shares: int, needed: int, random: RandomBytes
) -> list[bytes]:
    """Return the texts of `shares` shares, any `needed` of which give the ring back.

    Raise StartRefused unless 2 <= needed <= shares <= 16.
    """
    if not FEWEST <= needed <= shares <= MOST:
        raise StartRefused(
            f"of {shares} shares {needed} cannot be needed: at least"
            f" {FEWEST} are, and at most {MOST} are made"
        )
    from shamir_mnemonic import generate_mnemonics  # noqa: PLC0415  for this command alone

    set_ = random(8).hex()
    # No passphrase and the fewest rounds: the key is random, and needs no stretching.
    words = [
        generate_mnemonics(1, [(needed, shares)], key.key, iteration_exponent=0)[0] for key in keys
    ]
    return [
        _encoded(
            Share(
                set_,
                number + 1,
                shares,
                needed,
                primary,
                tuple(
                    _Key(key.kid, key.created_at, check_value(key.key, key.kid).hex(), its[number])
                    for key, its in zip(keys, words, strict=True)
                ),
            )
        )
        for number in range(shares)
    ]


def join_shares(texts: Mapping[str, bytes]) -> tuple[str, list[RingKey]]:
    """Return the primary's id and the keys, from shares by name (of their files, for messages).

    More shares than are needed may be given. Raise StartRefused, which names the file and the rule.
    """
    read = {name: _decoded(name, text) for name, text in texts.items()}
    first = next(iter(read.values()), None)
    if first is None:
        raise StartRefused("no share was given")
    numbers: dict[int, str] = {}
    for name, share in read.items():
        if share.of_set != first.of_set:
            raise StartRefused(f"{name} is of another set than {next(iter(read))}")
        if share.share in numbers:
            raise StartRefused(f"{name} and {numbers[share.share]} are the same share")
        numbers[share.share] = name
    if len(read) < first.needed:
        raise StartRefused(f"{len(read)} shares were given, and {first.needed} are needed")
    chosen = list(read.values())[: first.needed]
    parts = zip(*(share.keys for share in chosen), strict=True)
    return first.primary, [_joined(of_one_key) for of_one_key in parts]


def _joined(parts: Sequence[_Key]) -> RingKey:
    from shamir_mnemonic import MnemonicError, combine_mnemonics  # noqa: PLC0415  see above

    kid, created_at, check, _ = parts[0]
    try:
        key = combine_mnemonics([part.words for part in parts])
    except (MnemonicError, ValueError):
        # What the library raises names the words; raised below, nothing carries it along.
        key = b""
    found = check_value(key, kid).hex() if len(key) == ROOT_SIZE else ""
    if not compare_digest(found.encode(), check.encode()):
        raise StartRefused(f"the shares do not give {kid} back: one of them was changed")
    return RingKey(kid, key, created_at)


def _encoded(share: Share) -> bytes:
    fields = share._asdict() | {"version": VERSION, "keys": [key._asdict() for key in share.keys]}
    return json.dumps(fields | {"checksum": _checksum(fields)}, indent=2).encode() + b"\n"


def _checksum(fields: Mapping[str, object]) -> str:
    """Return 16 bytes that tell a share that was retyped wrongly, in hex; it keeps nothing out."""
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()[:32]


def _decoded(name: str, text: bytes) -> Share:
    """Read a share. Raise StartRefused."""
    # Not raised while a decoder's error is handled: that one carries the whole text.
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict) or fields.keys() != _FIELDS or fields["version"] != VERSION:
        raise StartRefused(f"{name} is no share that this version of regcred wrote")
    checksum = fields.pop("checksum")
    if not isinstance(checksum, str) or not compare_digest(
        _checksum(fields).encode(), checksum.encode()
    ):
        raise StartRefused(f"{name} was changed or damaged: its checksum does not agree")
    share = _typed(fields)
    if share is None:
        raise StartRefused(f"{name} is no share that this version of regcred wrote")
    return share


def _typed(fields: Mapping[str, object]) -> Share | None:
    keys = fields["keys"]
    set_, primary = fields["set"], fields["primary"]
    share, shares, needed = (_number(fields[name]) for name in ("share", "shares", "needed"))
    if not (
        isinstance(keys, list)
        and keys
        and isinstance(set_, str)
        and isinstance(primary, str)
        and share
        and shares
        and needed
        and all(isinstance(key, dict) and key.keys() == _KEY_FIELDS for key in keys)
        and all(isinstance(value, str) for key in keys for value in key.values())
    ):
        return None
    return Share(set_, share, shares, needed, primary, tuple(_Key(**key) for key in keys))


def _number(value: object) -> int:
    """Return a number that a share can have; 0 for anything else."""
    return value if type(value) is int and 1 <= value <= MOST else 0
