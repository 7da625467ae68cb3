"""What processes that share an anchor may do to it, and what is told of everything else."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from regcred.adapters.sealing.anchor import Anchor, FileAnchor
from regcred.adapters.sealing.audit_chain import AuditChain, ChainState
from regcred.adapters.storage.sqlite import SqliteStore, schema
from regcred.bootstrap.audit_alarms import AuditAlarms
from regcred.bootstrap.audit_anchoring import Anchoring
from tests.adapters.storage.samples import START, Clock, World
from tests.bootstrap.test_audit_keeper import Place, linked, world_of


def head(number: int) -> bytes:
    return bytes((number,)) * 32


KEPT = "CREATE TABLE kept AS SELECT principal FROM audit_events WHERE number = 1"
EDITED = "UPDATE audit_events SET principal = 'x' WHERE number = 1"
WHOLE = "UPDATE audit_events SET principal = (SELECT principal FROM kept) WHERE number = 1"


def made(folder: Path) -> Place:
    place = Place(folder, Clock())
    for directory in (place.store, place.keys):
        directory.mkdir(mode=0o700)
    schema.migrate(place.store)
    return place


def state(number: int) -> ChainState:
    return ChainState(number, START, head(number))


@pytest.fixture
def file(tmp_path: Path) -> FileAnchor:
    (tmp_path / "keys").mkdir(mode=0o700)
    return FileAnchor(tmp_path / "keys" / "anchor.json", AuditChain(bytes(32)))


AT_5 = Anchor(5, head(5), START)
BOTH = (False, True)
FOUND: dict[str, tuple[Anchor | None, tuple[bool, ...], str, int]] = {
    "nothing": (None, BOTH, "it is gone, damaged, or not signed here", 6),
    "an older one": (Anchor(4, head(4), START), BOTH, "it was set back", 6),
    "another head": (Anchor(5, head(4), START), BOTH, "it is not the one written here", 6),
    "another's edited row": (
        AT_5._replace(edited=3),
        (False,),
        "it is not the one written here",
        6,
    ),
    "a newer one": (Anchor(6, head(6), START), (False,), "it is not the one written here", 6),
    "one of rows that are not there": (Anchor(9, head(9), START), (True,), "it is ahead of", 9),
    "one of another audit": (Anchor(6, head(9), START), (True,), "it is not of this audit", 6),
}


@pytest.mark.parametrize(("there", "shared", "told", "after"), FOUND.values(), ids=FOUND)
async def test_an_anchor_is_not_right_where_there_is(
    file: FileAnchor, tmp_path: Path, there: Anchor | None, shared: tuple[bool, ...], told: str,
    after: int,
) -> None:  # fmt: skip
    """The chain went on from row 5 to 6; the anchor follows, and never back."""
    for others in shared:
        alarms = AuditAlarms()
        anchoring = Anchoring(file, Clock(), alarms, others, known=AT_5)
        (tmp_path / "keys" / "anchor.json").unlink(missing_ok=True)
        if there is not None:
            file.save(there)

        with capture_logs() as logs:
            for _ in range(2):
                await anchoring.read()
                anchoring.compare(state(6), 6)
        assert [told in line["reason"] for line in logs] == [True]
        assert alarms.counts["anchor"] == 1
        await anchoring.move(state(6), 0)
        anchored = file.load()
        assert anchored is not None
        assert anchored.upto == after


@pytest.mark.parametrize(
    "there", [AT_5, AT_5._replace(edited=3), Anchor(6, head(6), START), Anchor(7, head(7), START)]
)
async def test_what_another_process_anchored_of_the_same_audit_is_right(
    file: FileAnchor, there: Anchor
) -> None:
    anchoring = Anchoring(file, Clock(), AuditAlarms(), shared=True, known=AT_5)
    file.save(there)

    with capture_logs() as logs:
        upto = await anchoring.read()
        anchoring.compare(state(upto), 7)
        await anchoring.move(state(upto), 0)

    assert logs == []
    assert file.load() == there


@pytest.mark.parametrize("others", BOTH)
async def test_what_was_written_by_a_process_that_was_cut_off_meanwhile_is_its_own(
    file: FileAnchor, monkeypatch: pytest.MonkeyPatch, *, others: bool
) -> None:
    anchoring = Anchoring(file, Clock(), AuditAlarms(), others, known=AT_5)
    with monkeypatch.context() as cut:

        def written(self: FileAnchor, to: Anchor, **_: int) -> Anchor:
            self.save(to)
            raise OSError

        cut.setattr(FileAnchor, "move", written)
        with pytest.raises(OSError, match=r"^$"):
            await anchoring.move(state(6), 0)

    with capture_logs() as logs:
        await anchoring.read()
        anchoring.compare(state(7), 7)

    assert logs == []


@pytest.mark.parametrize("upto", [5, 6])
async def test_a_mark_that_was_taken_away_is_told_and_written_again(
    file: FileAnchor, upto: int
) -> None:
    anchoring = Anchoring(file, Clock(), AuditAlarms(), shared=True, known=AT_5._replace(edited=3))
    file.save(Anchor(upto, head(upto), START))

    with capture_logs() as logs:
        await anchoring.read()
        anchoring.compare(state(upto), 6)
        await anchoring.move(state(6), 0)

    assert [line["reason"] for line in logs] == ["it tells no more of a row that was found edited"]
    anchored = file.load()
    assert anchored is not None
    assert anchored.edited == 3


@pytest.mark.parametrize("shared", BOTH)
@pytest.mark.parametrize("written", ["before it is read", "before it is moved"])
async def test_an_anchor_that_is_ahead_is_told_again_when_asked_and_never_believed(
    file: FileAnchor, written: str, *, shared: bool
) -> None:
    anchoring = Anchoring(file, Clock(), AuditAlarms(), shared, known=AT_5)
    ahead = Anchor(1000, head(9), START)
    file.save(ahead if written == "before it is read" else AT_5)

    with capture_logs() as logs:
        for number in range(6, 10):
            await anchoring.read()
            anchoring.compare(state(number), number)
            file.save(ahead)
            await anchoring.move(state(number), 0)
            anchoring.remind()

    assert len(logs) == (4 if written == "before it is read" else 3)


async def test_processes_that_share_an_anchor_take_turns_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SqliteStore, "shared", True)
    place = made(tmp_path)
    with place.start() as one, place.start() as other, capture_logs() as logs:
        await world_of(one)
        for keeper in (one, other, one, one, other, other):
            await keeper.link()
            await linked(keeper)
            await World(one.store, Clock()).add_project(f"p{await one.store.last_number()}")
        forged = Anchor(await one.store.last_number(), head(1), place.clock())
        place.anchor.save(forged)
        assert logs == []
        await one.link()

    assert [(line["event"], line["reason"]) for line in logs] == [
        ("the audit anchor was changed", "it is not of this audit")
    ]


ENDS: dict[str, tuple[str, bool, bool]] = {
    "a start that found the row whole": (WHOLE, False, False),
    "an operator's word": (EDITED, True, False),
    "nothing": (EDITED, False, True),
}


@pytest.mark.parametrize(("row", "accepted", "told"), ENDS.values(), ids=ENDS)
async def test_a_mark_goes_without_a_word_only_where_something_settled_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: str, *, accepted: bool, told: bool
) -> None:
    monkeypatch.setattr(SqliteStore, "shared", True)
    place = made(tmp_path)
    with place.start() as one, place.start() as other:
        await world_of(one)
        await one.link()
        await other.link()
        place.edit(KEPT, EDITED)
        await one.verify_all()
        await one.link()
        await other.link()
        marked = place.anchor.load()
        assert marked is not None
        assert marked.edited == 1
        place.edit(row)
        with place.start() as later, capture_logs() as logs:
            if told:
                place.anchor.save(marked._replace(edited=0))
            else:
                await later.check(accept_rollback=accepted)
                await later.link()
            logs.clear()
            await other.link()

    assert [line["event"] for line in logs] == ["the audit anchor was changed"] * told
    anchored = place.anchor.load()
    assert anchored is not None
    assert anchored.edited == told
