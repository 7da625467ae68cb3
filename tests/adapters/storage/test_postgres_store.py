"""What is PostgreSQL's own: many processes at once, conflicts, and a database that goes away."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.engine import Connection as SyncConnection
from structlog.testing import capture_logs

from regcred.adapters.storage.postgres import Address, PostgresStore, schema, writes
from regcred.adapters.storage.postgres.checks import look_over
from regcred.adapters.storage.postgres.pool import Pool
from regcred.adapters.storage.postgres.together import Together
from regcred.adapters.storage.postgres.transaction import PostgresTransaction
from regcred.adapters.storage.revision import HEAD
from regcred.domain.audit import Action
from regcred.domain.credential import RegistryCredential
from regcred.domain.errors import (
    ClusterInUse,
    ClusterNotFound,
    CredentialInUse,
    CredentialNotFound,
    NameTaken,
    ProjectNotFound,
    StartRefused,
    StoreUnavailable,
)
from regcred.domain.ports import AlreadyDone, IdempotentRequest, SealedSecret, WrappedSeed
from regcred.domain.secret import Secret
from tests.adapters.storage.samples import (
    ALL_AUDIT,
    DIGEST,
    START,
    Clock,
    World,
    a_credential,
    a_reveal,
    a_use,
    event,
    new_id,
    sealed,
)
from tests.tools.postgres import Cluster


@asynccontextmanager
async def opened(database: Cluster, clock: Clock) -> AsyncIterator[PostgresStore]:
    """Another process's store, as far as the database can tell."""
    store = await PostgresStore.open(Address(database.url("app", "regcred")), clock=clock)
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
async def world(postgres_store: PostgresStore, clock: Clock) -> World:
    return await World(postgres_store, clock).begin()


@pytest.fixture
async def other(world: World, database: Cluster, clock: Clock) -> AsyncIterator[World]:
    """The same project, seen by another process."""
    async with opened(database, clock) as store:
        beside = World(store, clock)
        beside.project = world.project
        yield beside


class TestManyProcesses:
    async def test_audit_numbers_have_no_gaps_and_refusals_take_none(
        self, world: World, other: World
    ) -> None:
        login = await world.add("shared")

        async def one(n: int) -> None:
            side = world if n % 2 else other
            await asyncio.gather(
                side.add(f"login-{n}"),
                side.store.record_reveal(a_reveal(side.id, login.id, request_id=f"r{n}")),
                side.add("shared"),
                return_exceptions=True,
            )

        await asyncio.gather(*map(one, range(20)))

        store = world.store
        assert isinstance(store, PostgresStore)
        numbers = [number for number, _ in await store.macs_after(0, 1000)]
        assert numbers == list(range(1, len(numbers) + 1))
        rows = await store.list_audit(world.id, ALL_AUDIT, 0, 1000)
        actions = [row.event.action for row in rows]
        assert actions.count(Action.CREDENTIAL_CREATED) == 21
        assert sum(row.count for row in rows if row.event.action.endswith("revealed")) == 20

    async def test_of_two_changes_of_one_version_one_holds(
        self, world: World, other: World
    ) -> None:
        login = await world.add()
        for version in range(1, 11):
            outcomes = await asyncio.gather(
                *(
                    side.store.update_credential(
                        replace(login, description=f"{version} {n}"),
                        version,
                        None,
                        event(Action.CREDENTIAL_UPDATED, side.id, login.id),
                    )
                    for n, side in enumerate((world, other))
                ),
                return_exceptions=True,
            )
            assert sorted(type(outcome).__name__ for outcome in outcomes) == [
                "RegistryCredential",
                "VersionMismatch",
            ]

    async def test_a_delete_and_a_use_never_both_happen(self, world: World, other: World) -> None:
        for n in range(10):
            login = await world.add(f"login-{n}")
            gone = event(Action.CREDENTIAL_DELETED, world.id, login.id)
            deleted, used = await asyncio.gather(
                world.store.delete_credential(world.id, login.id, None, gone),
                other.store.put_use(
                    other.id, login.id, a_use(), event(Action.USE_PUT, other.id, login.id)
                ),
                return_exceptions=True,
            )
            assert (deleted, type(used)) == (None, CredentialNotFound) or (
                used is None and isinstance(deleted, CredentialInUse)
            )

    async def test_a_cluster_goes_or_gets_a_workload(self, world: World, other: World) -> None:
        for n in range(10):
            cluster = await world.add_cluster(f"cluster-{n}")
            gone = event(Action.CLUSTER_DELETED, world.id, cluster.id)
            deleted, allowed = await asyncio.gather(
                world.store.delete_cluster(cluster.name, None, gone),
                other.add_workload(cluster),
                return_exceptions=True,
            )
            assert (deleted is None and isinstance(allowed, ClusterNotFound)) or isinstance(
                deleted, ClusterInUse
            )

    async def test_an_idempotency_key_does_one_thing_in_whichever_project(
        self, world: World, other: World
    ) -> None:
        beta = await world.add_project("beta")
        once = IdempotentRequest("key:operator", "once", DIGEST)

        async def create(side: World, project_id: object) -> object:
            login = a_credential(beta.id if project_id == beta.id else world.id)
            return await side.store.create_credential(login, sealed(), side.created(login), once)

        outcomes = await asyncio.gather(
            create(world, world.id), create(other, beta.id), return_exceptions=True
        )

        assert sorted(type(outcome).__name__ for outcome in outcomes) == [
            "AlreadyDone",
            "RegistryCredential",
        ]
        assert any(isinstance(outcome, AlreadyDone) for outcome in outcomes)

    async def test_last_uses_move_at_most_once_a_minute_and_skip_what_is_locked(
        self, world: World, database: Cluster
    ) -> None:
        login = await world.add()
        editor = await asyncpg.connect(database.url("app", "regcred"))
        try:
            await editor.execute("BEGIN; SET LOCAL regcred.project = '*'")
            await editor.execute("UPDATE credentials SET description = 'held'")
            await world.store.record_reveal(a_reveal(world.id, login.id))
        finally:
            await editor.close()
        skipped = await world.store.find_credential(world.id, login.id)
        later = START + timedelta(minutes=2)
        await world.store.record_reveal(a_reveal(world.id, login.id, at=later))

        assert skipped.last_used_at is None
        assert (await world.store.find_credential(world.id, login.id)).last_used_at == later


class TestCreatingTogether:
    async def create(self, world: World, *logins: RegistryCredential) -> list[object]:
        return await asyncio.gather(
            *(
                world.store.create_credential(login, sealed(), world.created(login))
                for login in logins
            ),
            return_exceptions=True,
        )

    async def test_each_has_its_own_outcome_and_numbers_have_no_gaps(self, world: World) -> None:
        await world.add("taken")
        names = ("a", "taken", "b", "b", "c")
        nowhere = a_credential(new_id())
        outcomes = await self.create(
            world, *(a_credential(world.id, name) for name in names), nowhere
        )

        assert [
            one.number if isinstance(one, RegistryCredential) else type(one) for one in outcomes
        ] == [2, NameTaken, 3, NameTaken, 4, ProjectNotFound]
        assert await world.store.count_credentials(world.id) == 4
        assert (await world.actions()).count(Action.CREDENTIAL_CREATED) == 4
        assert await world.matched("team/app") == [
            f"{name} r.example" for name in ("c", "b", "a", "taken")
        ]

    async def test_it_is_one_transaction(self, world: World) -> None:
        assert isinstance(world.store, PostgresStore)
        before = world.store.commits
        await self.create(world, *(a_credential(world.id, f"login-{n}") for n in range(20)))

        assert world.store.commits == before + 1
        assert world.store.figures().commit_writes.total >= 20
        assert world.store.figures().waiting == 0

    async def test_one_that_cannot_be_stored_takes_no_other_with_it(self, world: World) -> None:
        good, bad = a_credential(world.id, "good"), a_credential(world.id, "bad")
        nowhere = SealedSecret(1, WrappedSeed("kid-1", 9, b"s"), b"sealed")  # no such seed
        outcomes = await asyncio.gather(
            world.store.create_credential(good, sealed(), world.created(good)),
            world.store.create_credential(bad, nowhere, world.created(bad)),
            return_exceptions=True,
        )

        assert [type(one).__name__ for one in outcomes] == [
            "RegistryCredential",
            "StoreUnavailable",
        ]
        assert await world.names() == ["good"]


class TestConflicts:
    async def run(self, store: PostgresStore, *errors: Exception) -> int:
        left, runs = list(errors), 0

        async def work(_: PostgresTransaction) -> int:
            nonlocal runs
            runs += 1
            if left:
                raise left.pop(0)
            return runs

        return await store._writes.run(writes.TOGETHER, work)

    async def test_what_certainly_did_not_happen_runs_again(
        self, postgres_store: PostgresStore
    ) -> None:
        conflicts = (
            asyncpg.ForeignKeyViolationError("23503"),
            asyncpg.SerializationError("40001"),
            asyncpg.DeadlockDetectedError("40P01"),
        )

        assert await self.run(postgres_store, *conflicts) == 4

    @pytest.mark.parametrize("at", ["record_reveal", "record_use"])
    @pytest.mark.parametrize(
        "undone",
        [asyncpg.DeadlockDetectedError("40P01"), asyncpg.ConnectionDoesNotExistError("gone")],
    )
    async def test_a_last_use_is_moved_once_more_when_what_moved_it_was_undone(
        self, world: World, monkeypatch: pytest.MonkeyPatch, at: str, undone: Exception
    ) -> None:
        login, left = await world.add(), [undone]
        end = PostgresTransaction.end

        async def fails_once(transaction: PostgresTransaction, *, at_once: bool) -> None:
            if left:
                raise left.pop()
            await end(transaction, at_once=at_once)

        monkeypatch.setattr(PostgresTransaction, "end", fails_once)
        moves = getattr(world.store, at)
        with suppress(StoreUnavailable):
            await moves(a_reveal(world.id, login.id))
        if not isinstance(undone, asyncpg.DeadlockDetectedError):
            await moves(a_reveal(world.id, login.id))

        assert left == []
        found = await world.store.find_credential(world.id, login.id)
        assert found.last_used_at == START

    async def test_nothing_else_does_and_not_for_ever(
        self, postgres_store: PostgresStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(writes, "_PAUSE", 0)
        many = (asyncpg.SerializationError("40001"),) * writes.ATTEMPTS
        missing = (asyncpg.ForeignKeyViolationError("23503"),) * 3
        for errors in ((asyncpg.ConnectionDoesNotExistError("gone"),), many, missing):
            with pytest.raises(StoreUnavailable):
                await self.run(postgres_store, *errors)

    async def test_a_write_that_the_database_undid_is_not_acknowledged(
        self, postgres_store: PostgresStore
    ) -> None:
        async def work(transaction: PostgresTransaction) -> None:
            with pytest.raises(asyncpg.DivisionByZeroError):
                await transaction.all("SELECT 1 / 0")

        with pytest.raises(StoreUnavailable, match="undid a write"):
            await postgres_store._writes.run(writes.TOGETHER, work)

    async def test_dropped_audit_rows_fail_the_write(self, world: World, database: Cluster) -> None:
        login = await world.add("login")
        database.run_sql(
            "CREATE RULE none AS ON INSERT TO audit_events DO INSTEAD NOTHING", "regcred"
        )
        try:
            for write in (
                lambda: world.add("untold"),
                lambda: world.store.record_reveal(a_reveal(world.id, login.id)),
            ):
                with pytest.raises(StoreUnavailable, match="dropped an audit row"):
                    await write()
        finally:
            database.run_sql("DROP RULE none ON audit_events", "regcred")

        assert await world.names() == ["login"]
        assert (await world.store.find_credential(world.id, "login")).last_used_at is None

    async def test_reveals_are_one_call_and_two_if_others_wrote(
        self, world: World, other: World, postgres_store: PostgresStore
    ) -> None:
        login = await world.add()
        await world.store.record_reveal(a_reveal(world.id, login.id))
        calls: list[str] = []
        (kept,) = postgres_store._pool._idle

        def count(record: asyncpg.connection.LoggedQuery) -> None:
            if record.query != "DISCARD PLANS":  # every now and then
                calls.append(record.query)

        with kept.connection.query_logger(count):
            await world.store.record_reveal(a_reveal(world.id, login.id, client="podman"))
            assert len(calls) == 1, calls
            await other.store.record_reveal(a_reveal(world.id, login.id))
            await world.store.record_reveal(a_reveal(world.id, login.id))
            assert len(calls) == 3, calls

        numbers = [number for number, _ in await postgres_store.macs_after(0, 100)]
        assert numbers == list(range(1, len(numbers) + 1))

    async def test_whoever_gives_up_waiting_takes_nothing_back(self, world: World) -> None:
        task = asyncio.create_task(world.add("kept"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert isinstance(world.store, PostgresStore)
        await world.store._writes.finish()

        assert await world.names() == ["kept"]

    async def test_a_user_name_too_long_for_an_index_is_refused_and_stops_no_other(
        self, world: World
    ) -> None:
        other = await world.add_project("beta")
        long = "".join(chr(0x4E00 + n * 7919 % 20000) for n in range(1024))
        outcomes = await asyncio.gather(
            world.add("mine"),
            world.add("long", username=long),
            world.add("theirs", project_id=other.id),
            return_exceptions=True,
        )

        assert [getattr(outcome, "name", str(outcome)) for outcome in outcomes] == [
            "mine",
            "username: must be shorter: PostgreSQL keeps up to about 2600 bytes of it in UTF-8",
            "theirs",
        ]

    async def test_a_reveal_that_the_database_cannot_hold_keeps_back_no_other(
        self, world: World
    ) -> None:
        login = await world.add()
        outcomes = await world.store.record_reveals(
            [
                a_reveal(world.id, login.id, client="before"),
                a_reveal(world.id, login.id, client="no\0text"),
                *(a_reveal(world.id, login.id, client=f"after-{n}") for n in range(3)),
            ]
        )

        assert [type(outcome).__name__ for outcome in outcomes] == [
            *("NoneType", "StoreUnavailable"),
            *("NoneType", "NoneType", "NoneType"),
        ]
        assert (await world.actions()).count(Action.CREDENTIAL_REVEALED) == 4
        fetched = await world.store.list_fetches(world.id, login.id, None, None, 10)
        assert len(fetched) == 4

    async def test_what_fails_as_a_clash_is_told_to_its_own_asker(self, world: World) -> None:
        login = await world.add("first")
        again = a_credential(world.id, "second")
        outcomes = await asyncio.gather(
            world.add("mine"),
            world.store.create_credential(
                replace(again, id=login.id), sealed(text="x"), world.created(again)
            ),
            return_exceptions=True,
        )

        assert getattr(outcomes[0], "name", outcomes[0]) == "mine"
        assert isinstance(outcomes[1], Exception)


class TestGoingAway:
    async def test_a_crash_loses_nothing_and_is_over_once_it_runs_again(
        self, world: World, database: Cluster
    ) -> None:
        login = await world.add("before")
        database.stop(signal.SIGQUIT)
        with pytest.raises(StoreUnavailable):
            await world.names()
        with pytest.raises(StoreUnavailable):
            await world.add("during")
        with pytest.raises(StoreUnavailable):
            await world.store.record_reveal(a_reveal(world.id, login.id))
        database.start()

        assert await world.names() == ["before"]
        assert await world.matched("team/app") == ["before r.example"]
        await world.store.record_reveal(a_reveal(world.id, login.id))

    async def test_a_terminated_connection_costs_its_own_request_at_most(
        self, world: World, database: Cluster
    ) -> None:
        await world.add()
        database.run_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'"
        )
        await asyncio.sleep(0.05)

        assert await world.names() == ["login"]
        assert await world.matched("team/app") == ["login r.example"]

    async def test_a_moment_without_a_primary_among_the_hosts_is_the_databases_not_ours(
        self, database: Cluster
    ) -> None:
        nobody = Address(database.url("app", "regcred") + "?target_session_attrs=standby")

        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            await nobody.connect()

    async def test_a_closed_store_says_so(self, world: World) -> None:
        assert isinstance(world.store, PostgresStore)
        await world.store.close()
        await world.store.close()

        with pytest.raises(StoreUnavailable, match="closed"):
            await world.names()

    async def test_too_many_who_wait_are_turned_away(
        self, database: Cluster, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pool = Pool(Address(database.url("app", "regcred")), 1)
        monkeypatch.setattr("regcred.adapters.storage.postgres.pool.WAIT_SECONDS", 0.01)
        async with pool.connection():
            with pytest.raises(StoreUnavailable, match="all taken"):
                async with pool.connection():
                    pass
            monkeypatch.setattr("regcred.adapters.storage.postgres.pool.MAX_WAITING", 0)
            with pytest.raises(StoreUnavailable, match="too many"):
                async with pool.connection():
                    pass
        await pool.close()

    async def test_what_timed_out_is_never_lent_again(self, database: Cluster) -> None:
        pool = Pool(Address(database.url("app", "regcred"), statement_seconds=0.2), 2)
        async with pool.connection() as first:
            async with pool.connection() as idle:
                pass

            async def sleep() -> None:
                async with pool.connection() as again:
                    assert again is idle
                    await again.fetch("SELECT pg_sleep(5)")

            with pytest.raises(TimeoutError):
                await sleep()
        assert idle.is_closed()
        assert not first.is_closed()
        await pool.close()

    async def test_after_a_time_out_idle_connections_are_not_trusted(
        self, database: Cluster
    ) -> None:
        pool = Pool(Address(database.url("app", "regcred"), statement_seconds=0.2), 2)
        async with pool.connection() as slow:
            async with pool.connection() as idle:
                pass
            assert not idle.is_closed()
            with pytest.raises(TimeoutError):
                async with pool.connection():
                    raise TimeoutError
            assert idle.is_closed()
        assert not slow.is_closed()
        await pool.close()

    @pytest.mark.parametrize("error", [asyncpg.InternalClientError(), OSError(), ValueError()])
    async def test_only_what_leaves_a_connection_unknown_ends_it(
        self, database: Cluster, error: Exception
    ) -> None:
        pool = Pool(Address(database.url("app", "regcred")), 1)
        with pytest.raises(type(error)):
            async with pool.connection() as lent:
                raise error

        assert lent.is_closed() is not isinstance(error, ValueError)
        await pool.close()

    async def test_a_hot_read_that_timed_out_leaves_its_connection(
        self, world: World, database: Cluster
    ) -> None:
        await world.add()
        store = world.store
        assert isinstance(store, PostgresStore)
        lanes = store._hot._idle
        for _ in lanes:
            assert await world.matched("team/app") == ["login r.example"]
        kept = [lane.kept.connection for lane in lanes if lane.kept is not None]
        store._hot._end_broken(lanes[0], TimeoutError())

        assert kept
        assert all(connection.is_closed() for connection in kept)
        assert await world.matched("team/app") == ["login r.example"]

    async def test_a_look_at_whole_tables_takes_as_long_as_it_takes(
        self, database: Cluster, clock: Clock
    ) -> None:
        address = Address(database.url("app", "regcred"), statement_seconds=0.3)
        store = await PostgresStore.open(address, clock=clock)
        slow = "SELECT 1 FROM pg_sleep(0.6)"
        with pytest.raises(StoreUnavailable):
            await store._all(slow)

        async def look(looks: object) -> object:
            assert isinstance(looks, PostgresStore)
            return await looks._all(slow)

        assert await store.look_apart(look) == [(1,)]
        await store.close()

    @pytest.mark.parametrize("warn", [True, False])
    async def test_an_unsafe_setting_is_told_to_who_asks(
        self, database: Cluster, clock: Clock, warn: bool
    ) -> None:
        address = Address(database.url("app", "regcred"))
        with capture_logs() as lines:
            await (await PostgresStore.open(address, clock=clock, warn=warn)).close()

        told = ["fsync is off: a power cut destroys the database"] if warn else []
        assert [line["reason"] for line in lines] == told


class TestTogether:
    async def test_a_failure_is_everybodys_and_an_outcome_is_ones_own(self) -> None:
        async def answer(batch: Sequence[int]) -> Sequence[int | Exception]:
            if 13 in batch:
                raise StoreUnavailable("thirteen")
            return [n or CredentialNotFound() for n in batch]

        together = Together[int, int](answer, most=8)
        mixed = await asyncio.gather(*map(together.ask, (0, 1, 2)), return_exceptions=True)
        failed = await asyncio.gather(*map(together.ask, (13, 1)), return_exceptions=True)

        assert [type(mixed[0]), *mixed[1:]] == [CredentialNotFound, 1, 2]
        assert [type(outcome) for outcome in failed] == [StoreUnavailable] * 2
        await together.finish()

    async def test_what_comes_meanwhile_goes_together_next(self) -> None:
        batches: list[list[int]] = []

        async def answer(batch: Sequence[int]) -> Sequence[int]:
            batches.append(list(batch))
            await asyncio.sleep(0.01)
            return batch

        together = Together[int, int](answer, most=3)
        first = asyncio.create_task(together.ask(1))
        await asyncio.sleep(0.005)
        assert await asyncio.gather(*map(together.ask, range(2, 7))) == [2, 3, 4, 5, 6]
        await first

        assert batches == [[1], [2, 3, 4], [5, 6]]

    async def test_what_is_asked_together_is_answered_together_and_no_batch_is_too_big(
        self,
    ) -> None:
        batches: list[list[int]] = []

        async def answer(batch: Sequence[int]) -> Sequence[int | Exception]:
            batches.append(list(batch))
            return [n if n < 9 else CredentialNotFound() for n in batch]

        together = Together[int, int](answer, most=4)
        few, many = await asyncio.gather(
            together.ask_all([1, 2, 3]), together.ask_all([4, 5, 6, 7, 8, 9])
        )

        assert (few, many[:-1], type(many[-1])) == ([1, 2, 3], [4, 5, 6, 7, 8], CredentialNotFound)
        assert batches == [[1, 2, 3], [4, 5, 6, 7], [8, 9]]
        assert await together.ask_all([]) == []
        assert (together.waiting, together.idle) == (0, True)


class TestStarting:
    async def test_what_is_unsafe_is_told(self, database: Cluster, clock: Clock) -> None:
        with capture_logs() as logs:
            async with opened(database, clock):
                pass

        assert [line["reason"] for line in logs] == [
            "fsync is off: a power cut destroys the database"
        ]

    @pytest.mark.parametrize(("found", "words"), [("0001", "regcred migrate"), ("9999", "newer")])
    async def test_another_schema_is_refused_and_shows_while_running(
        self, postgres_store: PostgresStore, database: Cluster, clock: Clock, found: str, words: str
    ) -> None:
        assert await postgres_store.at_head()
        change = "UPDATE alembic_version SET version_num = '{}'"
        database.run_sql(change.format(found), "regcred")
        try:
            # What only a later version added is no reason to stop serving.
            assert await postgres_store.at_head() is (words == "newer")
            with pytest.raises(StartRefused, match=words):
                async with opened(database, clock):
                    pass
            if found > HEAD:
                with pytest.raises(StartRefused, match="newer"):
                    await schema.migrate(Address(database.url("owner", "regcred")))
        finally:
            database.run_sql(change.format(HEAD), "regcred")

    async def test_two_who_migrate_at_once_make_one_schema(self, cluster: Cluster) -> None:
        cluster.run_sql("DROP DATABASE IF EXISTS raced")
        cluster.make("raced")
        address = Address(cluster.url("owner", "raced"))
        outcomes = await asyncio.gather(schema.migrate(address), schema.migrate(address))

        assert {after for _, after in outcomes} == {HEAD}
        assert await schema.current_revision(address) == HEAD
        assert await schema.migrate(address) == (HEAD, HEAD)

    async def test_a_migration_that_met_a_lock_is_to_be_run_again(
        self, database: Cluster, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def locked_out(connection: SyncConnection) -> None:
            connection.exec_driver_sql("DO $$ BEGIN RAISE SQLSTATE '55P03'; END $$")

        monkeypatch.setattr(schema, "_run", locked_out)
        with pytest.raises(StartRefused, match="keeps a table or row locked: run it again"):
            await schema.migrate(Address(database.url("owner", "regcred")))

    async def test_a_migration_that_may_not_changes_nothing(self, cluster: Cluster) -> None:
        cluster.run_sql("DROP DATABASE IF EXISTS foreign_")
        cluster.make("foreign_")
        with pytest.raises(StartRefused, match="nothing is changed"):
            await schema.migrate(Address(cluster.url("app", "foreign_")))

        assert await schema.current_revision(Address(cluster.url("app", "foreign_"))) is None

    async def test_a_database_that_does_not_hold_every_character_is_refused(
        self, cluster: Cluster
    ) -> None:
        cluster.run_sql("DROP DATABASE IF EXISTS latin")
        cluster.run_sql(
            "CREATE DATABASE latin OWNER owner ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"
        )
        address = Address(cluster.url("owner", "latin"))
        connection = await asyncpg.connect(address.url)
        try:
            for refused in (schema.migrate(address), schema.plan(address), look_over(connection)):
                with pytest.raises(StartRefused, match=r"encoding is LATIN1.* ENCODING 'UTF8'"):
                    await refused
        finally:
            await connection.close()

    async def test_an_address_that_leads_nowhere_is_said(self, tmp_path: Path) -> None:
        missing = "a file or socket that the address names: No such file"
        for url, words, refusal in (
            (f"postgresql://app@/regcred?host={tmp_path}", missing, StoreUnavailable),
            ("postgresql://app@127.0.0.1:1/regcred", "nothing listens there", StoreUnavailable),
            ("postgresql://app@127.0.0.1:none/regcred", "postgresql://USER@HOST", StartRefused),
        ):
            with pytest.raises(refusal, match=words):
                await schema.current_revision(Address(url, Secret("hunter2")))

    async def test_a_database_that_takes_nobody_now_refuses_no_start_for_good(
        self, database: Cluster, clock: Clock
    ) -> None:
        database.run_sql("ALTER ROLE app CONNECTION LIMIT 0")
        try:
            with pytest.raises(StoreUnavailable, match="no connection left"):
                async with opened(database, clock):
                    pass
        finally:
            database.run_sql("ALTER ROLE app CONNECTION LIMIT -1")

    async def test_an_owners_migration_waits_for_another_as_long_as_that_takes(
        self, database: Cluster
    ) -> None:
        other = await asyncpg.connect(database.url("owner", "regcred"))
        address = Address(database.url("owner", "regcred"), statement_seconds=0.3)
        try:
            async with other.transaction():
                await other.execute(f"SELECT pg_advisory_xact_lock({schema._LOCK})")
                waiting = asyncio.create_task(schema.migrate(address))
                await asyncio.sleep(1)
        finally:
            await other.close()

        assert await waiting == (HEAD, HEAD)

    async def test_a_plan_for_an_empty_database_is_made(self, cluster: Cluster) -> None:
        cluster.run_sql("DROP DATABASE IF EXISTS unplanned")
        cluster.make("unplanned")
        found, revisions, rows = await schema.plan(Address(cluster.url("owner", "unplanned")))

        assert (found, revisions[-1].number, rows) == (None, HEAD, {})
        assert await schema.fallen_walls(Address(cluster.url("owner", "unplanned"))) == []
