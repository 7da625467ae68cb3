"""A start links what came after the last signed state; nothing before it goes unnoticed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from regcred.adapters.sealing.audit_chain import GENESIS, ChainState
from regcred.adapters.storage.sql.checkpoints import StoredCheckpoint
from regcred.bootstrap import audit_keeper
from regcred.bootstrap.audit_keeper import AuditKeeper
from regcred.bootstrap.audit_links import base_of, newest_of, signed
from regcred.domain.audit import NO_PROJECT, Action
from tests.adapters.storage.samples import START, Clock, World, event
from tests.bootstrap.test_audit_keeper import KEYS, Place, linked, made, refusal, world_of

CHAIN = KEYS.audit_chain


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(audit_keeper, "CHECKPOINT_EVERY", 4)
    monkeypatch.setattr(audit_keeper, "PAUSE", 0)
    return made(tmp_path)


async def reads(keeper: AuditKeeper, count: int) -> None:
    """Write rows that decide nothing."""
    for _ in range(count):
        await keeper.store.record(event(Action.REGISTRY_PROBED, NO_PROJECT))


async def written(place: Place) -> None:
    """Write nine rows, of which the first five are behind a signed state."""
    with place.start() as keeper:
        world = await world_of(keeper)
        await world.add("one")
        await reads(keeper, 2)
        await world.add("two")
        await keeper.link()
        await reads(keeper, 2)
        await world.add("three")
        await reads(keeper, 1)
        await keeper.link()


async def numbers(keeper: AuditKeeper) -> list[int]:
    return [one.number for one in await keeper.store.checkpoints()]


async def started(keeper: AuditKeeper, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Start, and return from which rows on it linked."""
    asked: list[int] = []
    links_after = type(keeper.store).links_after

    async def counting(self: object, number: int, limit: int) -> object:
        asked.append(number)
        return await links_after(self, number, limit)  # type: ignore[arg-type]  # the store itself

    with monkeypatch.context() as patched:
        patched.setattr(type(keeper.store), "links_after", counting)
        await keeper.check(accept_rollback=False)
    return asked


async def test_a_state_is_signed_every_so_many_rows_and_never_ahead_of_the_anchor(
    place: Place,
) -> None:
    await written(place)

    with place.start() as keeper:
        assert await numbers(keeper) == [9, 5]
        anchored = await linked(keeper)
        assert anchored.upto == 9


async def test_a_state_is_signed_once_a_day_where_few_rows_come(place: Place) -> None:
    with place.start() as keeper:
        world = await world_of(keeper)
        await keeper.link()
        first = await numbers(keeper)
        later = event(Action.REGISTRY_PROBED, world.id, at=place.clock.pass_(days=2))
        await keeper.store.record(later)
        await keeper.link()
        await keeper.link()

        assert await numbers(keeper) == [2, *first]


async def test_a_start_links_only_what_came_after_the_last_signed_state(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await written(place)
    with place.start() as keeper:
        await keeper.check(accept_rollback=False)
        await reads(keeper, 1)
        await keeper.link()

    with place.start() as keeper, capture_logs() as logs:
        assert min(await started(keeper, monkeypatch)) == 9
        await keeper.verify_all()
        await linked(keeper)

    assert logs == []


@pytest.mark.parametrize(
    "harm",
    [
        "DELETE FROM audit_checkpoints",
        "DELETE FROM audit_checkpoints WHERE number = 9",
        "UPDATE audit_checkpoints SET head = zeroblob(32)",
        "UPDATE audit_checkpoints SET deciding = zeroblob(32)",
        "UPDATE audit_checkpoints SET number = number + 1",
        "UPDATE audit_checkpoints SET at = at + 1",
        "UPDATE audit_checkpoints SET pruned = 1",
        "UPDATE audit_checkpoints SET mac = zeroblob(32)",
    ],
)
async def test_a_state_that_was_edited_or_taken_away_is_not_believed_and_not_missed(
    place: Place, harm: str
) -> None:
    await written(place)
    place.edit(harm)

    with place.start() as keeper, capture_logs() as logs:
        await keeper.check(accept_rollback=False)
        await keeper.verify_all()
        await linked(keeper)

    assert logs == []


async def test_a_deciding_row_taken_away_before_the_state_refuses_the_start(place: Place) -> None:
    await written(place)
    place.edit("DELETE FROM audit_events WHERE number = 2", "DELETE FROM credentials")

    with place.start() as keeper:
        assert "its audit is not the one that was anchored" in await refusal(keeper)
        await keeper.check(accept_rollback=True)
    with place.start() as keeper, capture_logs() as logs:
        await keeper.check(accept_rollback=False)
        await keeper.verify_all()

    assert logs == []


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        ("DELETE FROM audit_events WHERE number = 3", "row 3 is missing"),
        ("UPDATE audit_events SET mac = randomblob(32) WHERE number = 3", "before row 9"),
    ],
)
async def test_another_row_taken_away_before_the_state_is_found_beside_the_service(
    place: Place, harm: str, told: str
) -> None:
    """A start that waited for all of it would take longer with every row."""
    await written(place)
    place.edit(harm)

    with place.start() as keeper, capture_logs() as logs:
        await keeper.check(accept_rollback=False)
        await keeper.verify_all()
        await keeper.link()
    with place.start() as keeper:
        assert "its audit is not the one that was anchored" in await refusal(keeper)

    assert ("the audit was edited", told) in [(line["event"], line["reason"]) for line in logs]


async def test_what_was_accepted_is_linked_anew_and_no_older_state_counts(place: Place) -> None:
    await written(place)
    place.edit("DELETE FROM audit_events WHERE number = 8")

    with place.start() as keeper:
        await refusal(keeper)
        kept = await keeper.store.checkpoints()
        await keeper.check(accept_rollback=True)
        assert await numbers(keeper) == [10]
        for one in kept:
            await keeper.store.put_checkpoint(one)
    with place.start() as keeper:
        await keeper.check(accept_rollback=False)
        await linked(keeper)


async def test_without_an_anchor_no_state_stands_for_the_rows_before_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await written(place)
    (place.keys / "anchor.json").unlink()

    with place.start() as keeper:
        assert min(await started(keeper, monkeypatch)) == 0


async def test_a_walk_that_cannot_link_the_rest_is_loud_and_tried_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_keeper, "LOOK_EVERY", 0)
    await written(place)
    with place.start() as keeper, capture_logs() as logs:
        await keeper.check(accept_rollback=False)
        checkpoints = type(keeper.store).checkpoints
        errors = iter([ZeroDivisionError()])

        async def fails_first(store: Any) -> Any:
            if error := next(errors, None):
                raise error
            return await checkpoints(store)

        monkeypatch.setattr(type(keeper.store), "checkpoints", fails_first)
        assert await keeper.verify_all()

    assert [line["event"] for line in logs] == ["the audit cannot be verified"]


# Which states count


def test_a_state_counts_only_under_its_own_signature() -> None:
    state = ChainState(4, START, bytes(31) + b"h", bytes(31) + b"d")
    mine = signed(CHAIN, state, pruned=False)
    edits: list[StoredCheckpoint] = [
        mine._replace(number=5),
        mine._replace(at=Clock().pass_(seconds=1)),
        mine._replace(head=GENESIS),
        mine._replace(deciding=GENESIS),
        mine._replace(pruned=True),
        mine._replace(mac=bytes(32)),
    ]

    assert newest_of(CHAIN, [mine], 4) == state
    assert newest_of(CHAIN, [mine], 3) is None
    assert [newest_of(CHAIN, [edit], 9) for edit in edits] == [None] * len(edits)
    assert base_of(CHAIN, [mine, *edits]) == ChainState()


def test_a_chain_begins_after_what_was_pruned_last() -> None:
    states = [ChainState(number, START, bytes((number,)) * 32) for number in (9, 5, 3)]
    stored = [signed(CHAIN, one, pruned=one.number < 9) for one in states]

    assert base_of(CHAIN, stored) == states[1]
    assert base_of(CHAIN, []) == ChainState()


async def test_a_state_from_another_history_never_passes(place: Place) -> None:
    """It leads to another head than the one that is anchored."""
    await written(place)
    with place.start() as keeper:
        await World(keeper.store, Clock()).add_project("beta")
        await keeper.link()
        other = ChainState(10, START, b"o" * 32, b"d" * 32)
        await keeper.store.put_checkpoint(signed(CHAIN, other, pruned=False))

    with place.start() as keeper:
        await refusal(keeper)
