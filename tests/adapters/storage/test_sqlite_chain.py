"""What the audit chain, the key ring and the start build on."""

from __future__ import annotations

import asyncio
import hmac
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from regcred.adapters.storage.sql import checkpoints, set_back
from regcred.adapters.storage.sql.audit_rows import signed_bytes
from regcred.adapters.storage.sql.set_back import SetBack
from regcred.adapters.storage.sqlite import SqliteStore, connection
from regcred.domain.audit import NO_PROJECT, Action, AuditEvent
from regcred.domain.errors import StoreUnavailable
from regcred.domain.ports import IdempotentRequest, WrappedSeed
from regcred.domain.registry import RegistryAddress
from tests.adapters.storage.samples import (
    DIGEST,
    START,
    Clock,
    World,
    a_credential,
    a_reveal,
    event,
    sealed,
    seed,
)


def sign(row: bytes) -> bytes:
    return hmac.digest(b"key", row, "sha256")


def raw(directory: Path, statement: str, *parameters: object) -> None:
    """Edit the file behind the store's back."""
    with closing(connection.connect(directory / "regcred.db")) as database:
        database.execute("PRAGMA foreign_keys=OFF")
        database.execute(statement, parameters)


class TestSignedRows:
    async def test_every_row_is_signed_when_it_is_written(
        self, directory: Path, clock: Clock
    ) -> None:
        with closing(SqliteStore.open(directory, sign=sign, clock=clock)) as store:
            world = await World(store, clock).begin()
            login = await world.add()
            await asyncio.gather(
                *(store.record_reveal(a_reveal(world.id, login.id)) for _ in range(5))
            )
            rows = await store.macs_after(0, 100)
            edited = await store.edited_after(0, 100)

        assert [number for number, _ in rows] == list(range(1, len(rows) + 1))
        assert edited == (len(rows), [])

    async def test_without_a_key_rows_are_unsigned_until_there_is_one(
        self, sqlite_world: World, sqlite_store: SqliteStore
    ) -> None:
        sqlite_store.sign_with(sign)
        await sqlite_world.add()
        first, second = await sqlite_store.macs_after(0, 10)

        assert (first[1], len(second[1])) == (b"", 32)
        assert await sqlite_store.edited_after(0, 10) == (2, [1])

    @pytest.mark.parametrize(
        ("column", "value"),
        [
            ("at", 1),
            ("project_id", "x"),
            ("action", "x"),
            ("principal", "x"),
            ("target", "x"),
            ("secret_version", 9),
            ("secret_version", None),
            ("request_id", "x"),
            ("last_request_id", "x"),
            ("count", 2),
            ("peer", "x"),
            ("details", "{}"),
        ],
    )
    async def test_an_edit_of_any_column_shows(
        self,
        sqlite_world: World,
        sqlite_store: SqliteStore,
        directory: Path,
        column: str,
        value: object,
    ) -> None:
        sqlite_store.sign_with(sign)
        told = event(
            Action.LOGIN_VERIFIED, sqlite_world.id, secret_version=3, details={"verdict": "ok"}
        )
        await sqlite_store.record(told)
        raw(directory, f"UPDATE audit_events SET {column} = ? WHERE number = 2", value)  # noqa: S608  a test's own names

        assert await sqlite_store.edited_after(1, 10) == (2, [2])

    def test_no_two_rows_share_their_bytes(self) -> None:
        row = (1, 2, "p", "a", "b", "c", None, "d", "e", 1, "f", "{}")
        shifted = (1, 2, "p", "ab", "", "c", None, "d", "e", 1, "f", "{}")
        versioned = (*row[:6], 0, *row[7:])

        assert len({signed_bytes(r) for r in (row, shifted, versioned)}) == 3

    def test_the_bytes_are_a_known_answer(self) -> None:
        row = (7, 1, "p", "a", "k", "", None, "r", "r", 1, "", "{}")

        assert signed_bytes(row).hex() == (
            "0000000d"
            "00000014"
            "00000001"
            "00000001"
            "00000001"
            "00000001"
            "00000001"
            "00000000"
            "00000000"
            "00000001"
            "00000001"
            "00000001"
            "00000000"
            "00000002" + b"regcred-audit-row-v171pakrr1{}".hex()
        )


class TestNumbers:
    async def test_rows_are_walked_in_pages(
        self, sqlite_world: World, sqlite_store: SqliteStore
    ) -> None:
        for n in range(5):
            await sqlite_world.add(f"c{n}")

        assert await sqlite_store.last_number() == 6
        assert [number for number, _ in await sqlite_store.macs_after(0, 4)] == [1, 2, 3, 4]
        assert [number for number, _ in await sqlite_store.macs_after(4, 4)] == [5, 6]
        assert await sqlite_store.macs_after(6, 4) == []

    async def test_an_empty_store_has_no_numbers(self, sqlite_store: SqliteStore) -> None:
        assert await sqlite_store.last_number() == 0


class TestRolledBackRows:
    async def _replaced(self, world: World, store: SqliteStore, directory: Path) -> None:
        """Replace a secret, then put back the credential's older rows, as a restored copy would."""
        login = await world.add()
        replaced = event(Action.CREDENTIAL_REPLACED, world.id, login.id, START, secret_version=2)
        await store.update_credential(login, None, sealed(2), replaced)
        assert await store.secret_versions_behind_audit() == []
        raw(directory, "UPDATE credentials SET secret_version = 1")
        raw(directory, "UPDATE credential_secrets SET secret_version = 1")
        assert await store.secret_versions_behind_audit() == [(world.id, login.id)]

    async def test_a_secret_put_back_is_noticed(
        self, sqlite_world: World, sqlite_store: SqliteStore, directory: Path
    ) -> None:
        await self._replaced(sqlite_world, sqlite_store, directory)

    async def test_the_secret_row_alone_is_noticed_too(
        self, sqlite_world: World, sqlite_store: SqliteStore, directory: Path
    ) -> None:
        await self._replaced(sqlite_world, sqlite_store, directory)
        raw(directory, "UPDATE credentials SET secret_version = 2")

        assert len(await sqlite_store.secret_versions_behind_audit()) == 1

    async def test_what_the_operator_accepted_counts_from_then_on(
        self, sqlite_world: World, sqlite_store: SqliteStore, directory: Path
    ) -> None:
        await self._replaced(sqlite_world, sqlite_store, directory)
        accepted = AuditEvent(Action.ROLLBACK_ACCEPTED, NO_PROJECT, "operator:cli", START)
        await sqlite_store.accept_rollback(accepted)

        assert await sqlite_store.secret_versions_behind_audit() == []
        with pytest.raises(ValueError, match="rollback"):
            await sqlite_store.accept_rollback(event(Action.KEY_CREATED, NO_PROJECT))

    async def test_a_row_that_was_not_signed_here_accepts_nothing(
        self, sqlite_world: World, sqlite_store: SqliteStore, directory: Path
    ) -> None:
        await self._replaced(sqlite_world, sqlite_store, directory)
        sqlite_store.sign_with(sign)
        raw(
            directory,
            "INSERT INTO audit_events VALUES (99, 0, ?, 'store.rollback_accepted', "
            "'operator:cli', '', NULL, '', '', 1, '', '{}', zeroblob(32))",
            str(NO_PROJECT),
        )

        assert await sqlite_store.last_acceptance() == 0
        assert len(await sqlite_store.secret_versions_behind_audit()) == 1

    async def test_a_deleted_credential_put_back_is_noticed(
        self, sqlite_world: World, sqlite_store: SqliteStore, directory: Path
    ) -> None:
        login = await sqlite_world.add()
        await sqlite_world.add("other")
        tables = ("credentials", "credential_secrets", "credential_scopes")
        for table in tables:
            raw(directory, f"CREATE TABLE kept_{table} AS SELECT * FROM {table}")  # noqa: S608  the names above
        deleted = event(Action.CREDENTIAL_DELETED, sqlite_world.id, login.id)
        await sqlite_store.delete_credential(sqlite_world.id, login.id, None, deleted)
        assert await sqlite_store.credentials_back_from_deletion() == []
        for table in tables:
            raw(directory, f"INSERT OR IGNORE INTO {table} SELECT * FROM kept_{table}")  # noqa: S608  the names above

        assert await sqlite_store.credentials_back_from_deletion() == [(sqlite_world.id, login.id)]
        accepted = AuditEvent(Action.ROLLBACK_ACCEPTED, NO_PROJECT, "operator:cli", START)
        await sqlite_store.accept_rollback(accepted)
        assert await sqlite_store.credentials_back_from_deletion() == []

    @pytest.mark.parametrize(
        "look",
        [
            set_back._SECRETS_BEHIND,
            set_back._KEYS_BEHIND,
            set_back._SECRETS_BACK,
            set_back._KEYS_BACK,
            set_back._WEBHOOKS_BEHIND,
            set_back._WEBHOOKS_BACK,
            set_back._ACCEPTED,
            set_back._DECIDING,
            set_back._PROJECTS_BACK,
            set_back._PROJECTS_LOST,
            set_back._LOST,
            checkpoints._DECIDING_MACS,
        ],
    )
    def test_a_look_seeks_in_the_audit_and_never_walks_it(
        self, sqlite_store: SqliteStore, look: str
    ) -> None:
        marks = (None,) * look.count("?")
        plan = [row[3] for row in sqlite_store._reader.execute(f"EXPLAIN QUERY PLAN {look}", marks)]
        audit = [step for step in plan if step.split()[1] in ("a", "audit_events")]

        assert audit
        assert all("USING" in step and "audit_of_project" not in step for step in audit)
        assert not [step for step in audit if "USING INTEGER PRIMARY KEY" in step]


class TestEditedRows:
    async def test_edited_rows_are_found_page_by_page(
        self, sqlite_world: World, sqlite_store: SqliteStore, directory: Path
    ) -> None:
        raw(directory, "DELETE FROM audit_events")
        sqlite_store.sign_with(sign)
        for n in range(5):
            await sqlite_world.add(f"c{n}")
        assert await sqlite_store.edited_after(0, 10) == (6, [])
        raw(directory, "UPDATE audit_events SET principal = 'nobody' WHERE number IN (3, 6)")
        raw(directory, "UPDATE audit_events SET mac = x'00' WHERE number = 4")

        assert await sqlite_store.edited_after(0, 2) == (3, [3])
        assert await sqlite_store.edited_after(3, 10) == (6, [4, 6])
        assert await sqlite_store.edited_after(6, 10) == (6, [])

    async def test_the_rows_that_decide_are_found_among_the_others(
        self, sqlite_world: World, sqlite_store: SqliteStore, directory: Path
    ) -> None:
        login = await sqlite_world.add()
        await sqlite_store.record_reveal(a_reveal(sqlite_world.id, login.id))
        raw(directory, "UPDATE audit_events SET mac = x'00'")

        assert await sqlite_store.edited_after(0, 10) == (3, [1, 2, 3])
        assert await sqlite_store.edited_after(0, 10, deciding=True) == (2, [1, 2])


class TestDroppedRows:
    """A trigger of whoever writes to the file may drop rows without an error."""

    _EAT = "CREATE TRIGGER eat BEFORE INSERT ON audit_events {} BEGIN SELECT RAISE(IGNORE); END"

    async def test_no_reveal_goes_untold(
        self, sqlite_world: World, sqlite_store: SqliteStore, directory: Path
    ) -> None:
        login = await sqlite_world.add()
        raw(directory, self._EAT.format("WHEN NEW.target = 'eaten'"))
        await sqlite_store.record_reveal(a_reveal(sqlite_world.id, login.id))
        raw(directory, "DROP TRIGGER eat")
        raw(directory, self._EAT.format("WHEN NEW.action = 'credential.revealed'"))

        with pytest.raises(StoreUnavailable, match="dropped an audit row"):
            await sqlite_store.record_reveal(a_reveal(sqlite_world.id, login.id))

    async def test_no_change_goes_untold(
        self, sqlite_world: World, sqlite_store: SqliteStore, directory: Path
    ) -> None:
        raw(directory, self._EAT.format(""))
        with pytest.raises(StoreUnavailable):
            await sqlite_world.add("untold")
        raw(directory, "DROP TRIGGER eat")

        assert await sqlite_world.names() == []
        await sqlite_world.add("told")
        assert [number for number, _ in await sqlite_store.macs_after(0, 10)] == [1, 2]


class TestServiceKeys:
    async def test_the_first_key_of_a_purpose_stays(self, sqlite_store: SqliteStore) -> None:
        assert await sqlite_store.service_key("service") is None
        await sqlite_store.put_service_key("service", WrappedSeed("kid-9", 1, b"first"))
        await sqlite_store.put_service_key("service", WrappedSeed("kid-8", 2, b"second"))

        assert await sqlite_store.service_key("service") == WrappedSeed("kid-9", 1, b"first")

    async def test_a_store_is_empty_until_something_hangs_on_a_key(
        self, sqlite_store: SqliteStore, clock: Clock
    ) -> None:
        assert (await sqlite_store.is_empty(), await sqlite_store.kids_in_use()) == (True, set())
        await sqlite_store.put_service_key("service", WrappedSeed("kid-9", 1, b"first"))
        assert (await sqlite_store.is_empty(), await sqlite_store.kids_in_use()) == (
            False,
            {"kid-9"},
        )
        await World(sqlite_store, clock).begin()
        assert await sqlite_store.kids_in_use() == {"kid-9", seed().kid}


class TestEditedMatchingIndex:
    """The index only finds: a row edited to hand a login to another registry hands out nothing."""

    @pytest.mark.parametrize(
        "edit",
        [
            "lookup = 'evil.example'",
            "lookup = 'evil.example', scope = 'evil.example/team'",
            "lookup = 'evil.example', scope = '*.example/team'",
            "lookup = 'evil.example', scope = 'no scope at all!'",
            "lookup = '*2'",
        ],
    )
    async def test_a_moved_login_is_dropped(
        self, sqlite_world: World, directory: Path, edit: str
    ) -> None:
        await sqlite_world.add("login", "r.example/team")
        raw(directory, f"UPDATE credential_scopes SET {edit}")  # noqa: S608  a test's own words
        evil = RegistryAddress("evil.example")
        assert await sqlite_world.matched("team/app", evil) == []
        assert await sqlite_world.matched(None, evil) == []

    async def test_a_widened_login_is_dropped(self, sqlite_world: World, directory: Path) -> None:
        await sqlite_world.add("login", "r.example/team")
        raw(directory, "UPDATE credential_scopes SET path = '', whole = 1, scope = 'r.example'")

        assert await sqlite_world.matched("other/app") == []

    async def test_a_login_without_its_secret_is_dropped(
        self, sqlite_world: World, directory: Path
    ) -> None:
        await sqlite_world.add()
        raw(directory, "DELETE FROM credential_secrets")

        assert await sqlite_world.matched("app") == []


async def test_old_idempotent_requests_are_swept_a_few_at_a_time(
    sqlite_world: World, sqlite_store: SqliteStore
) -> None:
    async def create(n: int) -> None:
        login = a_credential(sqlite_world.id, f"c{n}")
        request = IdempotentRequest("key:tester", f"once-{n}", DIGEST)
        await sqlite_store.create_credential(login, sealed(), sqlite_world.created(login), request)

    for n in range(20):
        await create(n)
    sqlite_world.clock.pass_(hours=25)
    left = []
    for n in (20, 21):
        await create(n)
        left.append(await sqlite_store._one("SELECT count(*) FROM idempotent_requests"))

    assert left == [(5,), (2,)]


class TestLookingApart:
    async def test_it_sees_what_is_committed_from_any_thread_and_writes_nothing(
        self, sqlite_world: World, sqlite_store: SqliteStore
    ) -> None:
        async def look(looks: SetBack) -> tuple[int, int]:
            reader = looks._reader  # type: ignore[attr-defined]  # SQLite's own
            assert reader is not sqlite_store._reader
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                reader.execute("DELETE FROM audit_events")
            assert not await looks.secret_versions_behind_audit()
            return await looks.last_number(), threading.get_ident()

        await sqlite_world.add()

        last, thread = await sqlite_store.look_apart(look)
        assert last == await sqlite_store.last_number() > 0
        assert thread != threading.get_ident()

    async def test_a_file_that_is_gone_is_not_made_anew(
        self, directory: Path, clock: Clock
    ) -> None:
        with closing(SqliteStore.open(directory, sign=sign, clock=clock)) as store:
            (directory / "regcred.db").rename(directory / "away.db")
            with pytest.raises(StoreUnavailable, match="is gone"):
                await store.look_apart(SetBack.last_number)

            assert not (directory / "regcred.db").exists()
