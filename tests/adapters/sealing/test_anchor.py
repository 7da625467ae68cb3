from __future__ import annotations

import json
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from regcred.adapters.sealing import private_file
from regcred.adapters.sealing.anchor import Anchor, Comparison, FileAnchor, compare
from regcred.adapters.sealing.audit_chain import GENESIS, AuditChain
from regcred.domain.errors import StartRefused
from tests.adapters.sealing.samples import NOW, SEED

CHAIN = AuditChain(SEED)
ANCHOR = Anchor(7, SEED, NOW)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "keys").mkdir(mode=0o700)
    return tmp_path / "keys" / "anchor.json"


def test_nothing_is_anchored_at_first(path: Path) -> None:
    assert FileAnchor(path, CHAIN).load() is None


def test_the_last_anchor_comes_back(path: Path) -> None:
    FileAnchor(path, CHAIN).save(ANCHOR._replace(upto=6))
    FileAnchor(path, CHAIN).save(ANCHOR)

    assert FileAnchor(path, CHAIN).load() == ANCHOR
    assert path.stat().st_mode & 0o7777 == 0o600
    left = sorted(file.name for file in path.parent.iterdir())
    assert left == [".anchor.json.lock", "anchor.json"]


@pytest.mark.parametrize(
    ("there", "to", "after"),
    [
        (None, (7, 0), (7, 0)),
        ((6, 0), (7, 0), (7, 0)),
        ((8, 0), (7, 0), (8, 0)),
        ((6, 3), (7, 0), (7, 3)),
        ((8, 0), (7, 3), (8, 3)),
        ((8, 3), (7, 2), (8, 2)),
        ((6, 5), (7, 0), (7, 0)),
        ((6, 5), (7, 4), (7, 4)),
    ],
)
def test_it_is_never_moved_back_nor_over_what_others_found_edited_and_nobody_settled(
    path: Path, there: tuple[int, int] | None, to: tuple[int, int], after: tuple[int, int]
) -> None:
    """Row 5 is the one that was settled."""
    anchors = {upto: Anchor(upto, bytes((upto,)) * 32, NOW) for upto in (6, 7, 8)}
    if there is not None:
        FileAnchor(path, CHAIN).save(anchors[there[0]]._replace(edited=there[1]))

    moved = FileAnchor(path, CHAIN).move(anchors[to[0]]._replace(edited=to[1]), settled=5)

    assert moved == anchors[after[0]]._replace(edited=after[1])
    assert FileAnchor(path, CHAIN).load() == moved


def test_nobody_writes_while_another_process_has_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private_file, "_PATIENCE", 0.05)
    FileAnchor(path, CHAIN).save(ANCHOR)

    with private_file.locked(path):
        for write in (FileAnchor(path, CHAIN).save, FileAnchor(path, CHAIN).move):
            with pytest.raises(TimeoutError, match="another process keeps"):
                write(ANCHOR._replace(upto=8))
    FileAnchor(path, CHAIN).move(ANCHOR._replace(upto=9))

    assert FileAnchor(path, CHAIN).load() == ANCHOR._replace(upto=9)


def test_times_are_written_in_utc(path: Path) -> None:
    FileAnchor(path, CHAIN).save(ANCHOR._replace(at=NOW.astimezone(timezone(timedelta(hours=5)))))

    assert json.loads(path.read_text())["at"] == "2026-11-21T10:00:00.123456Z"


@pytest.mark.parametrize("number", [0, 2**63 - 1])
def test_every_row_number_can_be_anchored(path: Path, number: int) -> None:
    FileAnchor(path, CHAIN).save(ANCHOR._replace(upto=number, edited=number))

    assert FileAnchor(path, CHAIN).load() == ANCHOR._replace(upto=number, edited=number)


@pytest.mark.parametrize(
    "edit",
    [
        {"version": 3},
        {"version": 1},
        {"upto": -1},
        {"upto": 2**63},
        {"upto": "7"},
        {"upto": 7.0},
        {"upto": True},
        {"edited": -1},
        {"edited": None},
        {"head": "00"},
        {"head": "g" * 64},
        {"head": SEED.hex() + "\n"},
        {"head": SEED.hex().upper()},
        {"head": None},
        {"at": "yesterday"},
        {"at": 0},
        {"more": 1},
        {"upto": 0, "head": GENESIS.hex()},
        {"upto": 6},
        {"head": SEED[::-1].hex()},
        {"edited": 3},
        {"at": "2026-11-21T10:00:01.123456Z"},
        {"mac": "00" * 32},
        {"mac": None},
        {"mac": "\ud800" * 64},
        {"mac": "\u00e9" * 64},
    ],
    ids=str,
)
def test_an_edited_anchor_refuses_the_start(path: Path, edit: dict[str, Any]) -> None:
    FileAnchor(path, CHAIN).save(ANCHOR)
    path.write_text(json.dumps({**json.loads(path.read_text()), **edit}))

    with pytest.raises(StartRefused, match="damaged"):
        FileAnchor(path, CHAIN).load()


@pytest.mark.parametrize(
    "content", ["", "{", "null", "[]", "7", "{}", "\xff", "[" * 1000], ids=ascii
)
def test_anything_else_refuses_the_start(path: Path, content: str) -> None:
    FileAnchor(path, CHAIN).save(ANCHOR)
    path.write_bytes(content.encode("latin-1"))

    with pytest.raises(StartRefused, match="damaged"):
        FileAnchor(path, CHAIN).load()


def test_another_stores_anchor_refuses_the_start(path: Path) -> None:
    FileAnchor(path, AuditChain(SEED[::-1])).save(ANCHOR)

    with pytest.raises(StartRefused, match="another store's"):
        FileAnchor(path, CHAIN).load()


def test_one_of_a_version_that_did_not_sign_is_a_claim_and_no_anchor(path: Path) -> None:
    FileAnchor(path, CHAIN).save(ANCHOR)
    assert FileAnchor(path, CHAIN).claim() is None

    written = json.loads(path.read_text())
    del written["mac"]
    path.write_text(json.dumps({**written, "version": 1}))

    assert FileAnchor(path, CHAIN).claim() == ANCHOR
    assert FileAnchor(path, CHAIN).whole() is None
    with pytest.raises(StartRefused, match="damaged"):
        FileAnchor(path, CHAIN).load()


def test_an_anchor_that_others_may_write_refuses_the_start(path: Path) -> None:
    FileAnchor(path, CHAIN).save(ANCHOR)
    path.chmod(0o602)

    with pytest.raises(StartRefused, match="chmod 600"):
        FileAnchor(path, CHAIN).load()


def test_an_anchor_that_is_too_long_refuses_the_start(path: Path) -> None:
    FileAnchor(path, CHAIN).save(ANCHOR)
    path.write_bytes(path.read_bytes().ljust(1025))

    with pytest.raises(StartRefused, match="larger than 1024"):
        FileAnchor(path, CHAIN).load()


@pytest.mark.parametrize("last_number", [7, 8, 1000])
def test_a_store_that_went_on_is_as_it_should_be(last_number: int) -> None:
    assert compare(ANCHOR, SEED, last_number) is Comparison.OK


@pytest.mark.parametrize(
    ("head_there", "last_number"),
    [(SEED, 6), (None, 6), (None, 7), (None, 8), (SEED[::-1], 7), (SEED[:31], 7), (GENESIS, 0)],
)
def test_a_store_without_that_row_or_with_another_was_rolled_back(
    head_there: bytes | None, last_number: int
) -> None:
    assert compare(ANCHOR, head_there, last_number) is Comparison.ROLLED_BACK


def test_an_anchor_of_nothing_agrees_with_an_empty_store() -> None:
    assert compare(Anchor(0, GENESIS, NOW), GENESIS, 0) is Comparison.OK


def test_heads_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def watched(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return True

    monkeypatch.setattr("regcred.adapters.sealing.anchor.compare_digest", watched)

    assert compare(ANCHOR, b"other", 7) is Comparison.OK
    assert compared == [(b"other", SEED)]
