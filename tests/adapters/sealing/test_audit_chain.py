from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regcred.adapters.sealing import audit_chain
from regcred.adapters.sealing.audit_chain import GENESIS, AuditChain, AuditSigner, ChainState
from regcred.domain.errors import SealBroken
from tests.adapters.sealing.samples import SEED

SIGNER = AuditSigner(SEED)
CHAIN = AuditChain(SEED[::-1])


def signed(*rows: bytes) -> list[bytes]:
    return [SIGNER.sign(row) for row in rows]


def test_a_row_is_signed_by_its_bytes_and_a_key() -> None:
    macs = {*signed(b"row", b"row", b"Row"), AuditSigner(SEED[::-1]).sign(b"row")}

    assert len(macs) == 3
    assert {len(mac) for mac in macs} == {32}


def test_macs_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def watched(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return True

    monkeypatch.setattr(audit_chain, "compare_digest", watched)

    assert CHAIN.signed_here(ChainState(), b"mac", pruned=False)
    assert compared == [(CHAIN.sign(ChainState(), pruned=False), b"mac")]


def test_a_chain_without_rows_is_at_its_beginning() -> None:
    assert CHAIN.link(GENESIS, []) == GENESIS


@given(st.lists(st.binary(max_size=8), max_size=6), st.integers(0, 6))
def test_linking_in_steps_gives_the_same_head(rows: list[bytes], at: int) -> None:
    macs = signed(*rows)

    assert CHAIN.link(CHAIN.link(GENESIS, macs[:at]), macs[at:]) == CHAIN.link(GENESIS, macs)


def test_a_row_taken_away_added_or_moved_gives_another_head() -> None:
    rows = [b"1", b"2", b"3"]
    others = [[b"1", b"2"], [b"1", b"3"], [b"2", b"1", b"3"], [*rows, b"3"], [b"12", b"3"], []]
    heads = {CHAIN.link(GENESIS, signed(*other)) for other in [rows, *others]}

    assert len(heads) == 7


def test_every_head_is_new() -> None:
    heads = [CHAIN.link(GENESIS, signed(*[b"same"] * count)) for count in range(5)]

    assert all(one != other for one, other in pairwise(heads))
    assert {len(head) for head in heads} == {32}


@pytest.mark.parametrize("unsigned", [b"", b"short", bytes(33)])
def test_a_row_that_was_never_signed_never_joins_the_chain(unsigned: bytes) -> None:
    with pytest.raises(SealBroken, match="an audit row"):
        CHAIN.link(GENESIS, [*signed(b"1"), unsigned])


def test_without_the_key_no_head_can_be_made() -> None:
    other = AuditChain(SEED)

    assert other.link(GENESIS, signed(b"1")) != CHAIN.link(GENESIS, signed(b"1"))
