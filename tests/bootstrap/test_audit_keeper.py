"""The chain follows what was committed; a store that was set back is refused at start."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from regcred.adapters.sealing.anchor import Anchor, FileAnchor
from regcred.adapters.sealing.audit_chain import GENESIS
from regcred.adapters.sealing.service_keys import ServiceKeys
from regcred.adapters.storage.sqlite import SqliteStore, schema
from regcred.bootstrap import audit_keeper, audit_links
from regcred.bootstrap.audit_keeper import LOOK_ANYWAY, AuditKeeper
from regcred.bootstrap.service import _kept
from regcred.bootstrap.shift import Rounds
from regcred.domain.audit import NO_PROJECT, Action
from regcred.domain.errors import SealBroken, StartRefused
from tests.adapters.storage.samples import ALL_AUDIT, Clock, World, event, sealed
from tests.tools.programs import until

KEYS = ServiceKeys.derive(bytes(32), os.urandom)


@dataclass
class Place:
    """Where a store and its anchor lie; each `start` is the start of a service."""

    folder: Path
    clock: Clock

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    @property
    def anchor(self) -> FileAnchor:
        return FileAnchor(self.keys / "anchor.json", KEYS.audit_chain)

    @contextmanager
    def start(self) -> Iterator[AuditKeeper]:
        sign = KEYS.audit_signer.sign
        with closing(SqliteStore.open(self.store, sign=sign, clock=self.clock)) as store:
            yield AuditKeeper(store, KEYS.audit_chain, self.anchor, self.clock)

    def edit(self, *statements: str) -> None:
        """Write into the file as someone without the keys could."""
        path = self.store / "regcred.db"
        with closing(sqlite3.connect(path, isolation_level=None)) as file:
            for statement in statements:
                file.execute(statement)


def made(folder: Path) -> Place:
    """Return a place with an empty store."""
    place = Place(folder, Clock())
    for directory in (place.store, place.keys):
        directory.mkdir(mode=0o700)
    schema.migrate(place.store)
    return place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return made(tmp_path)


@pytest.fixture
def keeper(place: Place) -> Iterator[AuditKeeper]:
    with place.start() as keeper:
        yield keeper


async def world_of(keeper: AuditKeeper) -> World:
    return await World(keeper.store, Clock()).begin()


async def linked(keeper: AuditKeeper) -> Anchor:
    """Return the anchor, and check that it, the chain and the store agree."""
    anchored = keeper.anchor.load()
    assert anchored is not None
    macs = [mac for _, mac in await keeper.store.macs_after(0, 10_000)]
    assert anchored.upto == await keeper.store.last_number()
    assert anchored.head == keeper.chain.link(GENESIS, macs)
    return anchored


# Linking


async def test_an_empty_store_is_anchored_at_its_genesis(keeper: AuditKeeper) -> None:
    await keeper.link()

    assert (await linked(keeper))[:2] == (0, GENESIS)
    await keeper.check(accept_rollback=False)


async def test_every_committed_row_is_linked_and_the_anchor_moves(
    keeper: AuditKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_links, "_BATCH", 2)
    world = await world_of(keeper)
    for number in range(7):
        await world.add(f"login-{number}")
        if number % 3 == 0:
            await keeper.link()
            await linked(keeper)
    await keeper.link()

    assert (await linked(keeper)).upto == 8
    await keeper.check(accept_rollback=False)


async def test_a_turn_without_new_rows_writes_nothing(keeper: AuditKeeper, place: Place) -> None:
    await world_of(keeper)
    await keeper.link()
    commits, file = keeper.store.commits, (place.keys / "anchor.json").stat()

    for _ in range(3):
        await keeper.link()

    assert keeper.store.commits == commits
    assert (place.keys / "anchor.json").stat() == file


async def test_a_start_goes_on_where_the_last_one_stopped(place: Place) -> None:
    with place.start() as first:
        await world_of(first)
        await first.link()
    with place.start() as second:
        await second.check(accept_rollback=False)
        await World(second.store, Clock()).add_project("beta")
        await second.link()

        assert (await linked(second)).upto == 2


@pytest.mark.parametrize("moved", ["away", "behind"])
async def test_an_anchor_that_is_behind_is_made_anew_without_new_rows(
    place: Place, moved: str
) -> None:
    """A damaged anchor is moved away by its operator; a crash leaves one that is behind."""
    with place.start() as first:
        await first.link()
        older = (place.keys / "anchor.json").read_bytes()
        await world_of(first)
        await first.link()
    if moved == "away":
        (place.keys / "anchor.json").unlink()
    else:
        (place.keys / "anchor.json").write_bytes(older)

    with place.start() as second:
        await second.check(accept_rollback=False)
        await second.link()

        await linked(second)


async def test_a_row_that_was_never_signed_stops_the_chain(
    keeper: AuditKeeper, place: Place
) -> None:
    await world_of(keeper)
    place.edit("UPDATE audit_events SET mac = x''")

    with pytest.raises(SealBroken):
        await keeper.link()

    assert keeper.anchor.load() is None


# Refusals to start


async def _rolled_back(place: Place) -> None:
    """Put the whole store back to an older copy, as a restored backup does."""
    with place.start() as keeper:
        await world_of(keeper)
        await keeper.link()
    shutil.copytree(place.store, place.folder / "backup")
    with place.start() as keeper:
        await World(keeper.store, Clock()).add_project("beta")
        await keeper.link()
    shutil.rmtree(place.store)
    shutil.copytree(place.folder / "backup", place.store)


async def _rewritten(place: Place) -> None:
    """Put the store back, and write as many other rows as it had."""
    await _rolled_back(place)
    with place.start() as keeper:
        await World(keeper.store, Clock()).add_project("gamma")


async def _secret_back(place: Place) -> None:
    """Put one secret's row back to what it was."""
    with place.start() as keeper:
        world = await world_of(keeper)
        login = await world.add()
        replaced = event(Action.CREDENTIAL_REPLACED, world.id, login.id, secret_version=2)
        await keeper.store.update_credential(login, None, sealed(2), replaced)
        await keeper.link()
    place.edit(
        "UPDATE credential_secrets SET secret_version = 1",
        "UPDATE credentials SET secret_version = 1",
    )


async def _key_back(place: Place) -> None:
    """Put a deleted key's row back."""
    with place.start() as keeper:
        world = await world_of(keeper)
        key = await world.add_key()
        place.edit("CREATE TABLE kept AS SELECT * FROM api_keys")
        deleted = event(Action.KEY_DELETED, world.id, key.id)
        await keeper.store.delete_key(world.id, key.id, None, deleted)
        await keeper.link()
    place.edit("INSERT INTO api_keys SELECT * FROM kept", "DROP TABLE kept")


async def _rows_deleted(place: Place) -> None:
    """Take the newest audit rows out of the store."""
    with place.start() as keeper:
        await world_of(keeper)
        await keeper.link()
        await World(keeper.store, Clock()).add_project("beta")
        await keeper.link()
    place.edit("DELETE FROM audit_events WHERE number > 1")


SET_BACK: dict[str, tuple[Callable[[Place], Any], str]] = {
    "the whole file": (_rolled_back, "its audit is older than its anchor"),
    "the whole file, and written again": (_rewritten, "its audit is not the one that was anchored"),
    "the audit's end": (_rows_deleted, "its audit is older than its anchor"),
    "a secret": (_secret_back, "1 of its secrets are older than its audit says"),
    "a key": (_key_back, "1 of its keys were deleted, and are there again"),
}


@pytest.mark.parametrize(("harm", "found"), SET_BACK.values(), ids=SET_BACK)
async def test_what_was_set_back_refuses_the_start_until_it_is_accepted(
    place: Place, harm: Callable[[Place], Any], found: str
) -> None:
    await harm(place)
    before = place.anchor.load()

    for _ in range(2):
        with place.start() as refused:
            said = await refusal(refused)
            assert found in said
            assert "Restore the newest copy" in said
            assert said.endswith("start once with --accept-rollback")
    assert place.anchor.load() == before

    with place.start() as accepting, capture_logs() as logs:
        await accepting.check(accept_rollback=True)
        [row] = await accepting.store.list_audit(NO_PROJECT, ALL_AUDIT, 0, 10)
        assert (await linked(accepting)).upto == row.number
    assert (row.event.action, row.event.principal) == (Action.ROLLBACK_ACCEPTED, "operator:cli")
    [logged] = [line["reason"] for line in logs if line["event"] == "rollback accepted"]
    assert row.event.details["found"] == logged
    assert row.event.details["edited"] == row.event.details["missing"] == ()
    assert found in logged

    with place.start() as next_one:
        await next_one.check(accept_rollback=False)
        await next_one.link()
        await linked(next_one)


async def refusal(keeper: AuditKeeper) -> str:
    with pytest.raises(StartRefused) as caught:
        await keeper.check(accept_rollback=False)
    return str(caught.value)


async def test_accepting_what_did_not_happen_is_nothing(keeper: AuditKeeper) -> None:
    await world_of(keeper)
    await keeper.link()

    with capture_logs() as logs:
        await keeper.check(accept_rollback=True)

    assert logs == []
    assert not await keeper.store.list_audit(NO_PROJECT, ALL_AUDIT, 0, 10)


async def test_a_damaged_anchor_refuses_the_start_and_is_kept(place: Place) -> None:
    with place.start() as keeper:
        await keeper.link()
        (place.keys / "anchor.json").write_bytes(b"{}")

        for accept in (False, True):
            with pytest.raises(StartRefused, match=r"the audit anchor .* is damaged"):
                await keeper.check(accept_rollback=accept)

    assert (place.keys / "anchor.json").read_bytes() == b"{}"


# An anchor that anybody may have written


def rewritten(file: Path, **fields: object) -> None:
    """Edit an anchor's file; None takes a field out."""
    written = {**json.loads(file.read_text()), **fields}
    file.write_text(json.dumps({name: it for name, it in written.items() if it is not None}))


async def grown_and_set_back(place: Place) -> Anchor:
    """Put an older store back under a newer anchor, and return the older one's."""
    with place.start() as keeper:
        await keeper.link()
        older = await linked(keeper)
        before = place.folder / "before"
        shutil.copytree(place.store, before)
        await world_of(keeper)
        await keeper.link()
    shutil.rmtree(place.store)
    before.rename(place.store)
    return older


async def test_an_anchor_made_up_from_what_an_older_store_holds_refuses_the_start(
    place: Place,
) -> None:
    older = await grown_and_set_back(place)
    rewritten(place.keys / "anchor.json", upto=older.upto, head=older.head.hex())

    with place.start() as keeper, pytest.raises(StartRefused, match="damaged, or another store's"):
        await keeper.check(accept_rollback=False)


async def test_one_that_was_not_signed_yet_tells_against_the_store(place: Place) -> None:
    await grown_and_set_back(place)
    rewritten(place.keys / "anchor.json", version=1, mac=None)

    with place.start() as keeper, pytest.raises(StartRefused, match="its audit is older"):
        await keeper.check(accept_rollback=False)


async def test_one_that_was_not_signed_yet_speaks_for_nothing(place: Place) -> None:
    with place.start() as first:
        await world_of(first)
        await first.link()
    rewritten(place.keys / "anchor.json", version=1, mac=None)

    with place.start() as second, capture_logs() as logs:
        await second.check(accept_rollback=False)
        await second.link()
        await linked(second)

    assert [line["event"] for line in logs] == ["the audit has no anchor"]
    assert "did not sign it" in logs[0]["reason"]


# Beside a running service


def _folder_away(place: Place) -> Callable[[], object]:
    place.keys.rename(place.folder / "away")
    return lambda: (place.folder / "away").rename(place.keys)


def _folder_open(place: Place) -> Callable[[], object]:
    place.keys.chmod(0o755)
    return lambda: place.keys.chmod(0o700)


@pytest.mark.parametrize(
    ("harm", "error"), [(_folder_away, "FileNotFoundError"), (_folder_open, "StartRefused")]
)
async def test_an_anchor_that_cannot_be_written_is_loud_and_tried_again(
    keeper: AuditKeeper,
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    harm: Callable[[Place], Callable[[], object]],
    error: str,
) -> None:
    monkeypatch.setattr(audit_keeper, "EVERY", 0)
    await keeper.link()
    repair = harm(place)
    with capture_logs() as logs:
        await world_of(keeper)
        async with _kept(keeper):
            await until(lambda: len(logs) > 1)
            repair()
            # No row comes after the failure: what is tried again is the anchor itself.
            await until(lambda: _stands_at(keeper, 1))

    failed = [line for line in logs if line["event"] != "the audit anchor was changed"]
    assert {(line["event"], line["error"]) for line in failed} == {
        ("audit chain stands still", error)
    }
    await linked(keeper)


def _stands_at(keeper: AuditKeeper, upto: int) -> bool:
    anchored = keeper.anchor.load()
    return anchored is not None and anchored.upto == upto


async def test_a_secret_set_back_under_a_running_service_is_loud(
    keeper: AuditKeeper, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_keeper, "EVERY", 0)
    monkeypatch.setattr(audit_keeper, "LOOK_EVERY", 2)
    world = await world_of(keeper)
    login = await world.add()
    replaced = event(Action.CREDENTIAL_REPLACED, world.id, login.id, secret_version=2)
    await keeper.store.update_credential(login, None, sealed(2), replaced)

    with capture_logs() as logs:
        async with _kept(keeper):
            await until(lambda: _stands_at(keeper, 3))
            assert logs == []
            place.edit("UPDATE credential_secrets SET secret_version = 1")
            await until(lambda: len(logs) > 1)

    assert {(line["event"], line["reason"]) for line in logs} == {
        ("the store was set back", "1 of its secrets are older than its audit says")
    }


async def test_looks_beside_a_running_service_leave_its_own_reader_alone(
    keeper: AuditKeeper, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They walk whole tables, and that reader belongs to the event loop's thread."""
    monkeypatch.setattr(audit_keeper, "EVERY", 0)
    monkeypatch.setattr(audit_keeper, "LOOK_EVERY", 1)
    world = await world_of(keeper)
    login = await world.add()
    replaced = event(Action.CREDENTIAL_REPLACED, world.id, login.id, secret_version=2)
    await keeper.store.update_credential(login, None, sealed(2), replaced)
    statements: list[str] = []
    assert isinstance(keeper.store, SqliteStore)
    keeper.store._reader.set_trace_callback(statements.append)

    with capture_logs() as logs:
        async with _kept(keeper):
            await until(lambda: _stands_at(keeper, 3))
            place.edit("UPDATE credential_secrets SET secret_version = 1")
            await until(lambda: bool(logs))

    assert {line["event"] for line in logs} == {"the store was set back"}
    assert statements
    assert not [said for said in statements if "FROM credentials" in said or "api_keys" in said]


async def test_while_another_process_looks_by_the_audit_this_one_does_not_for_long(
    keeper: AuditKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_keeper, "EVERY", 0)
    monkeypatch.setattr(audit_keeper, "LOOK_EVERY", 1)
    asked: list[float] = []
    looked: list[int] = []
    now = time.monotonic()
    look_apart = SqliteStore.look_apart

    async def never() -> bool:
        asked.append(now)
        return False

    def noted(store: SqliteStore, look: Any) -> Any:
        looked.append(len(asked))
        return look_apart(store, look)

    monkeypatch.setattr(SqliteStore, "look_apart", noted)
    keeper._looks = Rounds(never, LOOK_ANYWAY, lambda: now)
    await world_of(keeper)
    async with _kept(keeper):
        await until(lambda: len(asked) > 10)
        before = list(looked)
        now += LOOK_ANYWAY
        await until(lambda: bool(looked))
        since = len(asked)
        await until(lambda: len(asked) > since + 10)

    assert (before, len(looked)) == ([], 1)


@pytest.mark.parametrize(
    ("method", "event"),
    [
        ("links_after", "audit chain stands still"),
        ("look_apart", "audit chain stands still"),
        ("edited_after", "the audit cannot be verified"),
    ],
)
async def test_what_nobody_foresaw_is_loud_and_the_keeper_goes_on(
    keeper: AuditKeeper, monkeypatch: pytest.MonkeyPatch, method: str, event: str
) -> None:
    def failing(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(audit_keeper, "EVERY", 0)
    monkeypatch.setattr(audit_keeper, "LOOK_EVERY", 1)
    await world_of(keeper)
    with capture_logs() as logs:
        async with _kept(keeper):
            with monkeypatch.context() as broken:
                broken.setattr(SqliteStore, method, failing)
                await until(lambda: len(logs) > 1)
            await World(keeper.store, Clock()).add_project("beta")
            await until(lambda: _stands_at(keeper, 2))

    assert {(line["event"], line["error"]) for line in logs} == {(event, "ZeroDivisionError")}
    assert all(line["where"].endswith(" failing") for line in logs)


async def test_an_anchor_ahead_of_the_store_is_never_moved_back(
    keeper: AuditKeeper, place: Place
) -> None:
    await world_of(keeper)
    await World(keeper.store, Clock()).add_project("beta")
    await keeper.link()
    ahead = await linked(keeper)
    place.edit("DELETE FROM audit_events WHERE number > 1")

    await keeper.link()

    assert place.anchor.load() == ahead._replace(edited=2)
    with pytest.raises(StartRefused):
        await keeper.check(accept_rollback=False)


@pytest.mark.parametrize("written_since", [0, 1, 2])
async def test_newest_rows_that_are_taken_out_while_it_serves_are_loud_at_the_next_link(
    place: Place, written_since: int
) -> None:
    with place.start() as keeper, capture_logs() as logs:
        world = await world_of(keeper)
        await world.add("one")
        await keeper.link()
        await keeper.link()
        place.edit("DELETE FROM audit_events WHERE number = 2")
        for _ in range(written_since):
            await keeper.store.record(event(Action.REGISTRY_PROBED, NO_PROJECT))
        for _ in range(2):
            await keeper.link()
        assert keeper.edited

    assert [(line["event"], line["reason"]) for line in logs] == [
        ("the audit was edited", "row 2 is not the one that was linked")
    ]
    with place.start() as refused:
        await refusal(refused)


async def test_what_one_process_found_edited_stays_when_another_moves_their_anchor(
    place: Place,
) -> None:
    with place.start() as one, place.start() as other:
        await world_of(one)
        one._found(1, "this test says so")
        await one.link()
        await World(other.store, Clock()).add_project("beta")
        await other.link()

        assert (await linked(other))[::3] == (2, 1)


async def test_what_is_left_at_the_end_is_linked(keeper: AuditKeeper) -> None:
    async with _kept(keeper):
        await world_of(keeper)
        keeper.clock.pass_(seconds=1)  # type: ignore[attr-defined]  # the test's clock

    assert (await linked(keeper)).upto == 1
    assert (await linked(keeper)).at - timedelta(seconds=1) == Clock().now


async def test_the_end_of_a_service_that_failed_links_too(keeper: AuditKeeper) -> None:
    async def failing() -> None:
        async with _kept(keeper):
            await world_of(keeper)
            raise StartRefused("this test says so")

    with pytest.raises(StartRefused, match="this test says so"):
        await failing()

    await linked(keeper)
