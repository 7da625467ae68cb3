"""Old audit rows go, and a store is as safe from being set back as before."""

from __future__ import annotations

import asyncio
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from regcred.adapters.storage.sql import checkpoints
from regcred.bootstrap import audit_keeper, audit_links, audit_pruning
from regcred.bootstrap.audit_keeper import AuditKeeper
from regcred.bootstrap.audit_pruning import AuditPruner
from regcred.bootstrap.audit_walk import AuditWalk
from regcred.bootstrap.beside import beside
from regcred.bootstrap.service import _kept
from regcred.domain.audit import NO_PROJECT, Action
from regcred.domain.errors import SealBroken, StoreUnavailable
from tests.adapters.storage.samples import ALL_AUDIT, World, event, sealed
from tests.bootstrap.test_audit_keeper import Place, made, refusal, world_of
from tests.tools.programs import until

DAYS = 30


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(audit_keeper, "CHECKPOINT_EVERY", 4)
    monkeypatch.setattr(audit_keeper, "PAUSE", 0)
    monkeypatch.setattr(audit_pruning, "PAUSE", 0)
    monkeypatch.setattr(checkpoints, "_STRETCH", 3)
    return made(tmp_path)


def pruner(keeper: AuditKeeper, days: int | None = DAYS) -> AuditPruner:
    return AuditPruner(keeper.store, keeper.chain, keeper.anchor, keeper.clock, days)


async def reads(keeper: AuditKeeper, place: Place, count: int) -> None:
    for _ in range(count):
        await keeper.store.record(event(Action.REGISTRY_PROBED, NO_PROJECT, at=place.clock()))


async def aged(place: Place) -> World:
    """Write eight rows, two of which decide; let them age; and write four more."""
    with place.start() as keeper:
        world = await world_of(keeper)
        await reads(keeper, place, 3)
        await world.add("one")
        await reads(keeper, place, 3)
        await keeper.link()
        place.clock.pass_(days=DAYS + 1)
        await reads(keeper, place, 4)
        await keeper.link()
    return world


async def numbers(keeper: AuditKeeper) -> list[int]:
    return [number for number, _ in await keeper.store.macs_after(0, 1000)]


async def pruned(place: Place) -> World:
    world = await aged(place)
    with place.start() as keeper:
        await keeper.check(accept_rollback=False)
        await pruner(keeper).turn(timedelta(days=DAYS))
        await keeper.link()
    return world


async def test_what_is_too_old_goes_but_what_decides_and_it_is_audited_once(place: Place) -> None:
    await pruned(place)

    with place.start() as keeper:
        await keeper.check(accept_rollback=False)
        assert await numbers(keeper) == [1, 5, 9, 10, 11, 12, 13]
        [row] = await keeper.store.list_audit(NO_PROJECT, ALL_AUDIT, 0, 1)
    assert (row.event.action, row.event.principal) == (Action.AUDIT_PRUNED, "regcred:retention")
    assert row.event.details["upto"] == 8


async def test_a_second_turn_prunes_nothing_more(place: Place) -> None:
    await pruned(place)

    with place.start() as keeper:
        before = await numbers(keeper)
        commits = keeper.store.commits
        await pruner(keeper).turn(timedelta(days=DAYS))
        assert await numbers(keeper) == before
        assert keeper.store.commits == commits


async def test_a_turn_that_was_cut_off_is_finished_by_the_next_one(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await aged(place)
    with place.start() as keeper:
        await keeper.check(accept_rollback=False)
        with monkeypatch.context() as cut:
            cut.setattr(type(keeper.store), "prune", None)
            with pytest.raises(TypeError):
                await pruner(keeper).turn(timedelta(days=DAYS))
        await keeper.link()
        assert len(await numbers(keeper)) == 13
    with place.start() as keeper:
        await keeper.check(accept_rollback=False)
        await pruner(keeper).turn(timedelta(days=DAYS))
        assert len(await numbers(keeper)) == 7


async def test_a_pruned_store_is_verified_from_where_it_was_pruned(place: Place) -> None:
    await pruned(place)

    with place.start() as keeper, capture_logs() as logs:
        await keeper.check(accept_rollback=False)
        await keeper.verify_all()
    (place.keys / "anchor.json").unlink()
    with place.start() as keeper:
        await keeper.check(accept_rollback=False)

    assert logs == []


@pytest.mark.parametrize(
    ("error", "order"),
    [
        (StoreUnavailable("away"), ["linked", "linked", "pruned", "rounds"]),
        (SealBroken("an audit row"), ["linked", "rounds"]),
    ],
)
async def test_nothing_is_pruned_before_it_was_verified(
    place: Place, monkeypatch: pytest.MonkeyPatch, error: Exception, order: list[str]
) -> None:
    """A store that is away is asked again; a row that was never signed never will be."""
    monkeypatch.setattr(audit_keeper, "LOOK_EVERY", 0)
    await aged(place)
    done: list[str] = []
    off = AuditWalk.off

    async def fails_first(*given: Any) -> Any:
        done.append("linked")
        if len(done) == 1:
            raise error
        return await off(*given)

    def noted(what: str) -> Any:
        async def run(_: object) -> None:
            done.append(what)

        return run

    monkeypatch.setattr(AuditWalk, "off", fails_first)
    monkeypatch.setattr(AuditPruner, "run", noted("pruned"))
    monkeypatch.setattr(AuditKeeper, "_rounds", noted("rounds"))
    with place.start() as keeper, capture_logs() as logs:
        await keeper.check(accept_rollback=False)
        keeper.pruner = pruner(keeper)
        async with beside(keeper.run()):
            await until(lambda: "rounds" in done)

    assert done == order
    assert [line["event"] for line in logs] == ["the audit cannot be verified"]


@pytest.mark.parametrize("moment", ["the start", "the walk beside requests"])
@pytest.mark.parametrize("accepted", [False, True])
async def test_what_is_pruned_by_another_process_meanwhile_is_not_missed(
    place: Place, monkeypatch: pytest.MonkeyPatch, moment: str, *, accepted: bool
) -> None:
    monkeypatch.setattr(audit_links, "_BATCH", 2)
    await aged(place)
    if accepted:
        said = event(Action.ROLLBACK_ACCEPTED, NO_PROJECT, at=place.clock())
        with place.start() as keeper:
            await keeper.check(accept_rollback=False)
            await keeper.store.accept_rollback(said)
            await keeper.link()
    place.edit("DELETE FROM audit_checkpoints WHERE number > 8")
    with place.start() as keeper, place.start() as other, capture_logs() as logs:
        await other.check(accept_rollback=False)
        if moment == "the walk beside requests":
            await keeper.check(accept_rollback=False)
        else:
            place.edit("CREATE TABLE kept AS SELECT * FROM audit_checkpoints")
            place.edit("DELETE FROM audit_checkpoints")
        links_after = type(keeper.store).links_after

        async def once(self: Any, number: int, limit: int) -> Any:
            found = await links_after(self, number, limit)
            if number == 2:
                if moment == "the start":
                    place.edit(
                        "INSERT INTO audit_checkpoints SELECT * FROM kept", "DROP TABLE kept"
                    )
                await pruner(other).turn(timedelta(days=DAYS))
            return found

        monkeypatch.setattr(type(keeper.store), "links_after", once)
        if moment == "the start":
            await keeper.check(accept_rollback=False)
        await keeper.verify_all()
        await keeper.link()
        assert not keeper.edited

    assert [line["event"] for line in logs] == ["the audit is pruned"]


HARMS = {
    "an old deciding row": "DELETE FROM audit_events WHERE number = 5",
    "a newer row": "DELETE FROM audit_events WHERE number = 10",
    "the state that stands for the pruned rows": "DELETE FROM audit_checkpoints WHERE number = 8",
    "what was created before": "DELETE FROM credentials",
}


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
async def test_what_is_taken_from_a_pruned_store_refuses_the_start(place: Place, harm: str) -> None:
    await pruned(place)
    place.edit("DELETE FROM audit_checkpoints WHERE pruned = 0", harm)

    with place.start() as keeper:
        await refusal(keeper)
    with place.start() as keeper:
        await keeper.check(accept_rollback=True)
    with place.start() as keeper:
        await keeper.check(accept_rollback=False)


async def test_a_secret_set_back_to_before_the_pruning_is_noticed(place: Place) -> None:
    world = await aged(place)
    with place.start() as keeper:
        await keeper.check(accept_rollback=False)
        login = await keeper.store.find_credential(world.id, "one")
        done = event(Action.CREDENTIAL_REPLACED, world.id, login.id, secret_version=2)
        await keeper.store.update_credential(login, None, sealed(2), done)
        await keeper.link()
        place.clock.pass_(days=DAYS + 1)
        await reads(keeper, place, 4)
        await keeper.link()
        await pruner(keeper).turn(timedelta(days=DAYS))
        await keeper.link()
    place.edit(
        "UPDATE credential_secrets SET secret_version = 1",
        "UPDATE credentials SET secret_version = 1",
    )

    with place.start() as keeper:
        assert "secrets are older than its audit says" in await refusal(keeper)


async def test_an_older_copy_from_before_the_pruning_is_noticed(place: Place) -> None:
    await aged(place)
    shutil.copytree(place.store, place.folder / "older")
    with place.start() as keeper:
        await keeper.check(accept_rollback=False)
        await pruner(keeper).turn(timedelta(days=DAYS))
        await keeper.link()
    shutil.rmtree(place.store)
    shutil.copytree(place.folder / "older", place.store)

    with place.start() as keeper:
        assert "older than its anchor" in await refusal(keeper)


async def test_a_running_service_prunes_once_it_has_verified_and_goes_on_when_it_fails(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_pruning, "EVERY", 0)
    await aged(place)
    with place.start() as keeper, capture_logs() as logs:
        keeper.pruner = pruner(keeper)
        await keeper.check(accept_rollback=False)
        with monkeypatch.context() as broken:
            broken.setattr(type(keeper.store), "begin_pruning", None)
            async with _kept(keeper):
                await until(lambda: len(logs) > 1)
                broken.undo()
                await until(lambda: logs[-1]["event"] == "the audit is pruned")

    assert {line["event"] for line in logs} == {
        "the audit cannot be pruned",
        "the audit is pruned",
    }


@pytest.mark.parametrize("why", ["no days", "edited", "anchored edited", "no anchor"])
async def test_nothing_is_pruned_where(place: Place, why: str) -> None:
    await aged(place)
    with place.start() as keeper:
        await keeper.check(accept_rollback=False)
        if why == "no days":
            await pruner(keeper, None).run()
        elif why == "edited":
            place.edit("UPDATE audit_events SET peer = 'x' WHERE number = 3")
            keeper.pruner = pruner(keeper)
            running = asyncio.create_task(keeper.run())
            await asyncio.sleep(0.1)
            running.cancel()
            await asyncio.wait([running])
        else:
            if why == "anchored edited":
                keeper._found(3, "this test says so")
                await keeper.link()
            else:
                (place.keys / "anchor.json").unlink()
            await pruner(keeper).turn(timedelta(days=DAYS))
        assert len(await numbers(keeper)) == 12
