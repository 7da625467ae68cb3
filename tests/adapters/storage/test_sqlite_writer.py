"""How the embedded store writes: together, each by itself, and never acknowledged too early."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path

import pytest

from regcred.adapters.storage.sql.reveals import RevealLog
from regcred.adapters.storage.sql.transaction import Transaction
from regcred.adapters.storage.sqlite import SqliteStore, connection
from regcred.adapters.storage.sqlite.writer import Writer
from regcred.domain.audit import Action
from regcred.domain.errors import CredentialNotFound, NameTaken, StoreUnavailable
from regcred.domain.ports import AuditFilter
from tests.adapters.storage.samples import START, Clock, World, a_reveal, a_use, event

REVEALED = AuditFilter(action="credential.revealed")


@asynccontextmanager
async def held_up(store: SqliteStore) -> AsyncIterator[None]:
    """Keep the writer busy, so that whatever is submitted inside waits for one batch."""
    begun, go_on = threading.Event(), threading.Event()

    async def wait(_: Transaction) -> None:
        begun.set()
        assert go_on.wait(30)

    store._writer.submit(wait)
    assert await asyncio.to_thread(begun.wait, 30)
    try:
        yield
    finally:
        go_on.set()


async def _nothing(_: Transaction) -> None:
    return


async def turn() -> None:
    """Let every task that can run reach its wait for the writer."""
    for _ in range(5):
        await asyncio.sleep(0)


class TestGroupCommit:
    async def test_what_waits_together_is_committed_together(
        self, sqlite_world: World, sqlite_store: SqliteStore
    ) -> None:
        before = sqlite_store.commits
        async with held_up(sqlite_store):
            waiting = [asyncio.create_task(sqlite_world.add(f"c{n}")) for n in range(64)]
            await turn()
        made = await asyncio.gather(*waiting)

        assert sqlite_store.commits == before + 2
        assert sorted(c.number for c in made) == list(range(1, 65))

    async def test_alike_reveals_of_one_commit_are_one_row(
        self, sqlite_world: World, sqlite_store: SqliteStore
    ) -> None:
        login = await sqlite_world.add()
        async with held_up(sqlite_store):
            waiting = [
                asyncio.create_task(
                    sqlite_store.record_reveal(
                        a_reveal(
                            sqlite_world.id, login.id, request_id=f"req-{n}", client=f"{n % 2}"
                        )
                    )
                )
                for n in range(40)
            ]
            await turn()
        await asyncio.gather(*waiting)
        rows = await sqlite_store.list_audit(sqlite_world.id, REVEALED, 0, 10)

        assert [(r.event.request_id, r.last_request_id, r.count) for r in reversed(rows)] == [
            ("req-0", "req-38", 20),
            ("req-1", "req-39", 20),
        ]

    async def test_a_refusal_undoes_its_own_write_alone(
        self, sqlite_world: World, sqlite_store: SqliteStore
    ) -> None:
        async def fail(transaction: Transaction) -> None:
            await transaction.audit(event(Action.LOGIN_VERIFIED, sqlite_world.id))
            raise NameTaken("nothing")

        async with held_up(sqlite_store):
            first = asyncio.create_task(sqlite_world.add("same"))
            await turn()
            failing = sqlite_store._writer.submit(fail)
            twin = asyncio.create_task(sqlite_world.add("same"))
            last = asyncio.create_task(sqlite_world.add("last"))
            await turn()
        outcomes = await asyncio.gather(first, failing, twin, last, return_exceptions=True)
        rows = await sqlite_store.macs_after(0, 100)

        assert [type(outcome).__name__ for outcome in outcomes] == [
            "RegistryCredential",
            "NameTaken",
            "NameTaken",
            "RegistryCredential",
        ]
        assert await sqlite_world.actions() == [
            Action.PROJECT_CREATED,
            Action.CREDENTIAL_CREATED,
            Action.CREDENTIAL_CREATED,
        ]
        assert [number for number, _ in rows] == [1, 2, 3]

    async def test_a_database_error_in_one_write_is_that_writes_alone(
        self, sqlite_world: World, sqlite_store: SqliteStore
    ) -> None:
        async with held_up(sqlite_store):
            broken = sqlite_store._writer.submit(lambda t: t.change("NONSENSE"))
            good = asyncio.create_task(sqlite_world.add())
            await turn()

        with pytest.raises(StoreUnavailable, match="SQLITE_ERROR"):
            await broken
        await good
        assert await sqlite_world.names() == ["login"]

    async def test_a_signature_that_cannot_be_made_reveals_nothing(
        self, sqlite_world: World, sqlite_store: SqliteStore
    ) -> None:
        login = await sqlite_world.add()

        def refuse(_: bytes) -> bytes:
            raise StoreUnavailable("no key")

        sqlite_store.sign_with(refuse)
        with pytest.raises(StoreUnavailable, match="no key"):
            await sqlite_store.record_reveal(a_reveal(sqlite_world.id, login.id))
        sqlite_store.sign_with(lambda row: row[:1])
        await sqlite_store.record_reveal(a_reveal(sqlite_world.id, login.id))

        found = await sqlite_store.find_credential(sqlite_world.id, login.id)
        assert found.last_used_by == "key:puller"
        assert len(await sqlite_store.list_fetches(sqlite_world.id, login.id, None, None, 10)) == 1
        assert len(await sqlite_store.list_audit(sqlite_world.id, REVEALED, 0, 10)) == 1

    async def test_many_tasks_of_every_kind_agree_in_the_end(
        self, sqlite_world: World, sqlite_store: SqliteStore
    ) -> None:
        async def live(n: int) -> None:
            login = await sqlite_world.add(f"c{n}")
            await sqlite_store.record_reveal(a_reveal(sqlite_world.id, login.id))
            if n % 3 == 0:
                await sqlite_store.delete_credential(
                    sqlite_world.id, login.id, 1, event(Action.CREDENTIAL_DELETED, sqlite_world.id)
                )

        await asyncio.gather(*(live(n) for n in range(90)))
        actions = await sqlite_world.actions()

        assert len(await sqlite_world.names()) == 60
        assert actions.count(Action.CREDENTIAL_CREATED) == 90
        assert actions.count(Action.CREDENTIAL_DELETED) == 30
        assert await sqlite_store._one("SELECT credential_count FROM projects") == (60,)
        assert await sqlite_store._one("SELECT count(*) FROM credential_secrets") == (60,)

    async def test_forgetting_whose_last_use_is_fresh_costs_a_write_and_nothing_else(
        self, sqlite_world: World, sqlite_store: SqliteStore
    ) -> None:
        sqlite_store._writer._reveals = RevealLog(remembered=1)
        logins = [await sqlite_world.add(f"c{n}") for n in range(3)]
        for login in logins * 2:
            await sqlite_store.record_reveal(a_reveal(sqlite_world.id, login.id))

        for login in logins:
            found = await sqlite_store.find_credential(sqlite_world.id, login.id)
            assert (found.last_used_at, found.version) == (START, 1)
            fetches = await sqlite_store.list_fetches(sqlite_world.id, login.id, None, None, 10)
            assert [fetch.last_at for fetch in fetches] == [START]

    async def test_a_way_that_was_seen_within_the_minute_costs_no_statement(
        self, sqlite_world: World, sqlite_store: SqliteStore
    ) -> None:
        login = await sqlite_world.add()
        run: list[str] = []
        sqlite_store._writer._connection.set_trace_callback(run.append)

        async def cost(seconds: int) -> list[int]:
            """Return how many statements on fetches, and on credentials, a reveal took."""
            run.clear()
            at = START + timedelta(seconds=seconds)
            await sqlite_store.record_reveal(a_reveal(sqlite_world.id, login.id, at=at))
            return [
                len([one for one in run if re.match(rf"\s*\w+ (INTO |FROM )?{table}\b", one)])
                for table in ("fetches", "credentials")
            ]

        assert [await cost(seconds) for seconds in (0, 1, 59, 60, 61)] == [
            [1, 1],
            [0, 0],
            [0, 0],
            [1, 1],
            [0, 0],
        ]


class TestWaiters:
    async def test_a_cancelled_waiter_takes_nothing_back_and_hurts_nobody(
        self, sqlite_world: World, sqlite_store: SqliteStore
    ) -> None:
        async with held_up(sqlite_store):
            gone = asyncio.create_task(sqlite_world.add("gone"))
            stays = asyncio.create_task(sqlite_world.add("stays"))
            await turn()
            gone.cancel()
            await turn()
        await stays

        assert gone.cancelled()
        assert await sqlite_world.names() == ["gone", "stays"]

    def test_a_loop_that_ended_hurts_nobody(self, sqlite_store: SqliteStore) -> None:
        async def leave() -> threading.Event:
            go_on = threading.Event()

            async def wait(_: Transaction) -> None:
                go_on.wait(30)

            sqlite_store._writer.submit(wait)
            sqlite_store._writer.submit(lambda t: t.change("UPDATE health SET checks = 7"))
            return go_on

        async def come_back() -> None:
            await sqlite_store._writer.submit(_nothing)

        asyncio.run(leave()).set()
        asyncio.run(come_back())

        assert asyncio.run(sqlite_store._one("SELECT checks FROM health")) == (7,)

    async def test_too_many_waiting_are_refused(self, directory: Path) -> None:
        writer = Writer(connection.connect(directory / "regcred.db"), sign=None, max_waiting=2)
        begun, go_on = threading.Event(), threading.Event()

        async def wait(_: Transaction) -> None:
            begun.set()
            assert go_on.wait(30)

        waiting = [writer.submit(wait)]
        assert await asyncio.to_thread(begun.wait, 30)
        waiting += [writer.submit(_nothing) for _ in range(2)]
        with pytest.raises(StoreUnavailable, match="too many"):
            writer.submit(_nothing)
        go_on.set()
        await asyncio.gather(*waiting)
        writer.close()

    async def test_close_commits_what_waits_and_takes_no_more(
        self, sqlite_world: World, sqlite_store: SqliteStore, directory: Path, clock: Clock
    ) -> None:
        async with held_up(sqlite_store):
            waiting = [asyncio.create_task(sqlite_world.add(f"c{n}")) for n in range(600)]
            await turn()
        await asyncio.to_thread(sqlite_store.close)
        await asyncio.gather(*waiting)

        with pytest.raises(StoreUnavailable, match="closed"):
            await sqlite_world.add("late")
        with closing(SqliteStore.open(directory, clock=clock)) as again:
            assert await again._one("SELECT count(*) FROM credentials") == (600,)


class TestFailure:
    """A batch that does not commit is told to nobody as done."""

    async def _all_fail(self, world: World, store: SqliteStore, spoil: str, words: str) -> None:
        await world.add("before")
        async with held_up(store):
            good = [asyncio.create_task(world.add(f"c{n}")) for n in range(5)]
            refused = asyncio.create_task(world.add("c0"))
            revealed = asyncio.create_task(store.record_reveal(a_reveal(world.id, world.id)))
            await turn()
            spoiled = store._writer.submit(lambda t: _spoil(t, spoil))
        outcomes = await asyncio.gather(*good, refused, revealed, spoiled, return_exceptions=True)

        assert {type(outcome) for outcome in outcomes} == {StoreUnavailable}
        assert {str(outcome) for outcome in outcomes} == {f"store unavailable: {words}"}
        assert await world.names() == ["before"]
        assert len(await world.actions()) == 2
        await world.add("after")
        assert await world.names() == ["before", "after"]
        assert [number for number, _ in await store.macs_after(0, 10)] == [1, 2, 3]

    async def test_a_commit_that_fails(
        self, sqlite_world: World, sqlite_store: SqliteStore
    ) -> None:
        words = "the database refused (SQLITE_CONSTRAINT_FOREIGNKEY)"
        await self._all_fail(sqlite_world, sqlite_store, "deferred violation", words)

    async def test_a_transaction_that_sqlite_rolled_back_by_itself(
        self, sqlite_world: World, sqlite_store: SqliteStore
    ) -> None:
        words = "the database refused (SQLITE_ERROR)"
        await self._all_fail(sqlite_world, sqlite_store, "rolled back", words)

    async def test_a_full_disk(self, sqlite_world: World, sqlite_store: SqliteStore) -> None:
        login = await sqlite_world.add("kept")
        pages = sqlite_store._reader.execute("PRAGMA page_count").fetchone()[0]
        sqlite_store._writer._connection.execute(f"PRAGMA max_page_count={pages}")
        big = "x" * 100_000

        with pytest.raises(StoreUnavailable, match="the disk is full"):
            await sqlite_world.add("big", settings={"ca": big})
        assert await sqlite_world.names() == ["kept"]
        sqlite_store._writer._connection.execute("PRAGMA max_page_count=1000000")
        await sqlite_world.add("big", settings={"ca": big})
        assert await sqlite_store.find_credential(sqlite_world.id, login.id) == login

    async def test_another_process_that_holds_the_lock(
        self, sqlite_world: World, sqlite_store: SqliteStore, directory: Path
    ) -> None:
        sqlite_store._writer._connection.execute("PRAGMA busy_timeout=10")
        with closing(sqlite3.connect(directory / "regcred.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable, match="another process"):
                await sqlite_world.add()
            with pytest.raises(StoreUnavailable):
                await sqlite_store.check()
        await sqlite_store.check()
        await sqlite_world.add()

    async def test_a_connection_that_is_gone_fails_every_write_and_hangs_none(
        self, sqlite_world: World, sqlite_store: SqliteStore
    ) -> None:
        login = await sqlite_world.add()
        await sqlite_world.store.update_credential(
            login, None, None, event(Action.CREDENTIAL_UPDATED, sqlite_world.id)
        )
        sqlite_store._writer._scrubber.wanted()
        sqlite_store._writer._connection.close()

        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="ProgrammingError"):
                await sqlite_world.add("x")
        assert await sqlite_world.names() == ["login"]

    async def test_a_read_that_fails_says_so_without_its_parameters(
        self, sqlite_world: World, sqlite_store: SqliteStore
    ) -> None:
        sqlite_store._reader.close()

        with pytest.raises(StoreUnavailable) as refused:
            await sqlite_store.find_credential(sqlite_world.id, "a-name-nobody-should-see")
        assert "a-name" not in str(refused.value)

    async def test_a_value_that_breaks_a_check_is_not_told(
        self, sqlite_world: World, sqlite_store: SqliteStore
    ) -> None:
        with pytest.raises(StoreUnavailable) as refused:
            await sqlite_world.add("name", username="u" * 5000)
        assert str(refused.value) == (
            "store unavailable: the database refused (SQLITE_CONSTRAINT_CHECK)"
        )


class TestHealth:
    async def test_a_recent_commit_is_proof_enough(
        self, sqlite_world: World, sqlite_store: SqliteStore
    ) -> None:
        before = sqlite_store.commits
        await sqlite_store.check()
        assert sqlite_store.commits == before

        sqlite_store._writer.last_commit = -1e9
        await sqlite_store.check()
        assert sqlite_store.commits == before + 1


async def test_two_processes_on_one_file_never_leave_a_dangling_use(
    sqlite_world: World, sqlite_store: SqliteStore, directory: Path, clock: Clock
) -> None:
    """Two stores, each with its own writer, race as two processes do."""
    project = sqlite_world.id
    with closing(SqliteStore.open(directory, clock=clock)) as other:
        for n in range(40):
            login = await sqlite_world.add(f"c{n}")
            outcomes = await asyncio.gather(
                other.put_use(project, login.id, a_use(), event(Action.USE_PUT, project)),
                sqlite_store.delete_credential(
                    project, login.id, None, event(Action.CREDENTIAL_DELETED, project)
                ),
                return_exceptions=True,
            )

            assert sum(isinstance(outcome, Exception) for outcome in outcomes) == 1
        dangling = await other._one(
            "SELECT count(*) FROM uses u LEFT JOIN credentials c "
            "ON c.project_id = u.project_id AND c.id = u.credential_id WHERE c.id IS NULL"
        )
        numbers = [number for number, _ in await other.macs_after(0, 1000)]

    assert dangling == (0,)
    assert numbers == list(range(1, len(numbers) + 1))


async def test_the_foreign_key_itself_refuses_a_dangling_use(sqlite_world: World) -> None:
    """The rule does not hang on the statement that checks first."""
    login = await sqlite_world.add()
    await sqlite_world.store.put_use(
        sqlite_world.id, login.id, a_use(), event(Action.USE_PUT, sqlite_world.id)
    )
    store = sqlite_world.store
    assert isinstance(store, SqliteStore)

    with pytest.raises(StoreUnavailable, match="SQLITE_CONSTRAINT"):
        await store._writer.submit(lambda t: t.change("DELETE FROM credentials"))
    with pytest.raises(CredentialNotFound):
        await store.find_credential(sqlite_world.id, "other")


async def _spoil(transaction: Transaction, how: str) -> None:
    if how == "rolled back":
        await transaction.change("ROLLBACK")
        await transaction.change("NONSENSE")
    await transaction.change("PRAGMA defer_foreign_keys=ON")
    await transaction.change(
        "INSERT INTO uses (project_id, credential_id, kind, name, created_at) "
        "VALUES ('no', 'where', 'k', 'n', 0)"
    )
