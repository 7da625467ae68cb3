"""The audit trail's integrity: a MAC on every row, and a chain that fixes their order.

A row is signed when it is written, by whoever writes it. The chain is made afterwards by one
sealer, so that writers never queue for the row before theirs. Neither hides anything: rows are
readable by whoever reads the store.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from hmac import compare_digest
from typing import NamedTuple

from regcred.adapters.sealing.framing import frame
from regcred.adapters.sealing.mac import Mac
from regcred.domain.errors import SealBroken

GENESIS = bytes(32)
"""The head of a chain that has no rows yet."""

WHAT = "an audit row"
MAC_SIZE = 32


_CHECKPOINT = b"regcred-audit-checkpoint-v1"
_ANCHOR = b"regcred-audit-anchor-v1"


class ChainState(NamedTuple):
    """Where a chain is: a start goes on from one that was signed."""

    number: int = 0
    """Of its last row."""

    at: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    """When that row was written."""

    head: bytes = GENESIS
    deciding: bytes = GENESIS
    """The head of a second chain, over those rows alone by which it is told what was set back."""


class AuditSigner:
    """HMAC-SHA-256 over a row's canonical bytes, which the store defines."""

    __slots__ = ("__key",)

    def __init__(self, key: bytes) -> None:
        self.__key = Mac(key)

    def sign(self, row: bytes) -> bytes:
        """Return the 32 bytes that are stored with a row."""
        return self.__key.of(row)

    def __repr__(self) -> str:
        return "<audit signer>"


class AuditChain:
    """Heads of the chain: each is an HMAC over the head before it and the MAC of one row.

    A MAC stands for its row: whether a row is still what its MAC says is for the store
    to tell, and is not asked for every row that is linked.
    """

    __slots__ = ("__key",)

    def __init__(self, key: bytes) -> None:
        self.__key = Mac(key)

    def link(self, head: bytes, macs: Iterable[bytes]) -> bytes:
        """Return the head after the rows of these MACs, in commit order.

        Linking in several steps gives the same head as in one. Raise SealBroken at a row that
        was never signed.
        """
        for mac in macs:
            if len(mac) != MAC_SIZE:
                raise SealBroken(WHAT)
            head = self.__key.of(head + mac)
        return head

    def sign(self, state: ChainState, *, pruned: bool) -> bytes:
        """Return 32 bytes that say: the chain was here. They are no head of any chain.

        `pruned`: and rows up to here are no longer wanted.
        """
        number, at, head, deciding = state
        moment = at.astimezone(UTC).isoformat().encode()
        flag = bytes((pruned,))
        return self.__key.of(frame(_CHECKPOINT, number.to_bytes(8), moment, head, deciding, flag))

    def signed_here(self, state: ChainState, mac: bytes, *, pruned: bool) -> bool:
        """Whether `sign` said so. Constant time."""
        return compare_digest(self.sign(state, pruned=pruned), mac)

    def sign_anchor(self, upto: int, head: bytes, at: datetime, edited: int) -> bytes:
        """Return 32 bytes that say: this was anchored. They are no head of any chain either."""
        moment = at.astimezone(UTC).isoformat().encode()
        return self.__key.of(frame(_ANCHOR, upto.to_bytes(8), head, moment, edited.to_bytes(8)))

    def __repr__(self) -> str:
        return "<audit chain>"
