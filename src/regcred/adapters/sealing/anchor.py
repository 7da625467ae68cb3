"""The head of the audit chain, kept where a restored store cannot take it along.

On one machine that is a file beside the key ring. It makes a rolled-back store noticeable, not
impossible; who can write both the store and this file can put older ones of both back. It is
signed, or a head that an older store holds could be written there without an older file.

The one thing you would get wrong: that a process has the file for itself. Those that serve one
database share it, so each reads it under a lock before it writes, and goes on from what is there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from hmac import compare_digest
from pathlib import Path
from typing import NamedTuple

from regcred.adapters.sealing.audit_chain import AuditChain
from regcred.adapters.sealing.private_file import locked, read_private, replace_private
from regcred.domain.errors import StartRefused

WHAT = "audit anchor"
VERSION, _UNSIGNED = 2, 1
_CLAIMED = {"version", "upto", "head", "at", "edited"}
_FIELDS = _CLAIMED | {"mac"}
_MAX_FILE = 1024
_HEAD = re.compile(r"[0-9a-f]{64}\Z")
_MAX_NUMBER = 2**63 - 1


class Anchor(NamedTuple):
    """`head` is the chain's head after row number `upto`, written at `at`."""

    upto: int
    head: bytes
    at: datetime
    edited: int = 0
    """A row that was found edited or missing while the service ran; 0: none was.

    The next start verifies every row because of it.
    """


class Comparison(StrEnum):
    """What the anchor says about the store."""

    OK = "ok"
    ROLLED_BACK = "rolled back"


def compare(anchor: Anchor, head_there: bytes | None, last_number: int) -> Comparison:
    """Compare with the store's own head at row `anchor.upto` and its last row's number.

    `head_there` is None when the store has no head for that row; for row 0 it is GENESIS. A
    store that has gone on since the anchor was written is as it should be.
    """
    if last_number < anchor.upto or head_there is None:
        return Comparison.ROLLED_BACK
    if not compare_digest(head_there, anchor.head):
        return Comparison.ROLLED_BACK
    return Comparison.OK


class FileAnchor:
    """The anchor in a private file. Its methods block on the disk: call them off the loop."""

    __slots__ = ("_chain", "_path")

    def __init__(self, path: Path, chain: AuditChain) -> None:
        self._path = path
        self._chain = chain

    def load(self) -> Anchor | None:
        """Return the anchor, or None if none was ever written. Raise StartRefused."""
        data = _content(self._path)
        anchor = None if data is None else self._verified(data)
        if data is not None and anchor is None:
            raise _damaged(self._path)
        return anchor

    def known(self) -> Anchor | None:
        """Return what `load` does, or the claim: what a store is to be compared with."""
        return self.claim() or self.load()

    def claim(self) -> Anchor | None:
        """Return what a version that did not sign yet left there; None: it is not of such a one.

        Anybody may have written it: it counts where it tells against the store. Raise StartRefused.
        """
        data = _content(self._path)
        return None if data is None else _decoded(data, _UNSIGNED, _CLAIMED)

    def whole(self) -> Anchor | None:
        """Return the anchor, or None where there is none or it is damaged. Raise StartRefused."""
        data = _content(self._path)
        return None if data is None else self._verified(data)

    def save(self, anchor: Anchor) -> None:
        """Replace the anchor, durably and whole, whatever it was. Raise OSError, StartRefused."""
        with locked(self._path):
            self._write(anchor)

    def move(self, to: Anchor, *, settled: int = 0) -> Anchor:
        """Move the anchor on, durably and whole, and return what is there now.

        Never back: one that others moved further stays, and so does a row that they found edited,
        but for `settled`, which is known to be whole again. One that is damaged is as if there
        were none. Raise OSError, StartRefused.
        """
        with locked(self._path):
            there = self.whole()
            moved = to if there is None else _joined(there, to, settled)
            if there is None or moved[:2] != there[:2] or moved.edited != there.edited:
                self._write(moved)
                return moved
            return there

    def _verified(self, data: bytes) -> Anchor | None:
        return _decoded(data, VERSION, _FIELDS, self._signed)

    def _signed(self, anchor: Anchor, mac: object) -> bool:
        right = self._chain.sign_anchor(*anchor).hex()
        return isinstance(mac, str) and mac.isascii() and compare_digest(mac, right)

    def _write(self, anchor: Anchor) -> None:
        at = anchor.at.astimezone(UTC).isoformat().replace("+00:00", "Z")
        head, edited = anchor.head.hex(), anchor.edited
        mac = self._chain.sign_anchor(*anchor).hex()
        written = {
            "version": VERSION, "upto": anchor.upto, "head": head, "at": at, "edited": edited,
            "mac": mac,
        }  # fmt: skip
        replace_private(self._path, json.dumps(written).encode() + b"\n")


def said(path: Path) -> Anchor | None:
    """Return what a file says, whoever wrote it: for words to an operator. Raise StartRefused."""
    data = _content(path)
    if data is None:
        return None
    found = _decoded(data, VERSION, _FIELDS) or _decoded(data, _UNSIGNED, _CLAIMED)
    if found is None:
        raise _damaged(path)
    return found


def _damaged(path: Path) -> StartRefused:
    return StartRefused(
        f"the audit anchor {path} is damaged, or another store's, so a rolled-back store would not"
        " be noticed: restore it; or move it away, and a new one is made from the store as it is"
    )


def _content(path: Path) -> bytes | None:
    try:
        return read_private(path, what=WHAT, limit=_MAX_FILE)
    except FileNotFoundError:
        return None


def _joined(there: Anchor, to: Anchor, settled: int) -> Anchor:
    known = 0 if there.edited == settled else there.edited
    further = there if there.upto > to.upto else to
    return further._replace(edited=to.edited or known)


def _decoded(
    data: bytes,
    version: int,
    fields: set[str],
    signed: Callable[[Anchor, object], bool] = lambda *_: True,
) -> Anchor | None:
    try:
        read = json.loads(data)
        if read.keys() != fields or read["version"] != version:
            return None
        upto, head, edited = read["upto"], read["head"], read["edited"]
        if not (_is_number(upto) and _is_number(edited) and _HEAD.match(head)):
            return None
        at = datetime.fromisoformat(read["at"]).astimezone(UTC)
        anchor = Anchor(upto, bytes.fromhex(head), at, edited)
        return anchor if signed(anchor, read.get("mac")) else None
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None


def _is_number(read: object) -> bool:
    return type(read) is int and 0 <= read <= _MAX_NUMBER
