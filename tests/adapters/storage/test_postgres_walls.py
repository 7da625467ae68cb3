"""What the database itself refuses, whatever a statement says."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator

import asyncpg
import pytest

from regcred.adapters.storage.migrations.plan import revisions_after
from regcred.adapters.storage.migrations.versions import r0009_walls
from regcred.adapters.storage.postgres import (
    Address,
    PostgresStore,
    checks,
    schema,
    wall_checks,
    walls,
)
from regcred.adapters.storage.revision import HEAD
from regcred.adapters.storage.sql.checkpoints import StoredCheckpoint
from regcred.domain.audit import NO_PROJECT, Action, AuditEvent
from regcred.domain.errors import StartRefused
from regcred.domain.ports import AlreadyDone, IdempotentRequest
from tests.adapters.storage.samples import (
    DIGEST,
    HOST,
    START,
    Clock,
    World,
    a_credential,
    a_key,
    a_reveal,
    event,
    sealed,
    stored,
)
from tests.tools.postgres import ADMINISTRATOR, Cluster, program

KEYLESS = """
    SELECT s_scope FROM regcred_resolve_2(
        ARRAY[NULL], ARRAY[NULL], ARRAY[CAST(2 AS bigint)], ARRAY['r.example'], ARRAY['*2'],
        ARRAY[E'\\nteam']
    )
"""
EVERY_CREDENTIAL = "SELECT name FROM credentials ORDER BY name"


@pytest.fixture
async def two(postgres_store: PostgresStore, clock: Clock) -> World:
    """A world whose project is `alpha`, with a login, beside a project `beta` with one."""
    world = await World(postgres_store, clock).begin()
    other = await world.add_project("beta")
    await world.add("mine")
    await world.store.record_reveal(a_reveal(world.id, (await world.add("mine-too")).id))
    credential = await _add_elsewhere(world, other.id)
    assert credential == "theirs"
    return world


async def _add_elsewhere(world: World, project_id: object) -> str:
    beta = World(world.store, world.clock)
    beta.project = await world.store.find_project(2)
    seeded = await world.store.project_seed(beta.id)
    assert (project_id, seeded.generation) == (beta.id, 1)
    return (await beta.add("theirs")).name


@pytest.fixture
async def app(database: Cluster) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database.url("app", "regcred"))
    yield connection
    await connection.close()


async def test_a_statement_that_forgets_its_project_sees_the_one_that_was_said(
    two: World, postgres_store: PostgresStore
) -> None:
    assert await postgres_store._all(EVERY_CREDENTIAL, of=two.id) == [("mine",), ("mine-too",)]
    assert len(await postgres_store._all(EVERY_CREDENTIAL)) == 3


async def test_a_write_reaches_no_other_project(two: World, postgres_store: PostgresStore) -> None:
    renamed = await postgres_store._write(
        lambda transaction: transaction.change("UPDATE credentials SET username = 'thief'"),
        of=two.id,
    )

    assert renamed == 2
    rows = await postgres_store._all("SELECT username FROM credentials WHERE name = 'theirs'")
    assert rows == [("robot",)]


async def test_nothing_is_seen_where_nothing_was_said_also_after_something_was(
    two: World, app: asyncpg.Connection
) -> None:
    before = await app.fetch(EVERY_CREDENTIAL)
    await app.execute(f"BEGIN; SET LOCAL regcred.project = '{two.id}'")
    said = await app.fetch(EVERY_CREDENTIAL)
    await app.execute("COMMIT")

    assert (before, len(said), await app.fetch(EVERY_CREDENTIAL)) == ([], 2, [])


def test_every_table_with_a_project_is_behind_the_wall(cluster: Cluster) -> None:
    open_ = """
        SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
            AND a.attname = 'project_id' AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
    """
    behind = "SELECT count(*) FROM pg_class WHERE relforcerowsecurity"

    assert cluster.run_sql(open_, "regcred") == ""
    assert int(cluster.run_sql(behind, "regcred")) >= 14


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_events SET principal = 'nobody'",
        "TRUNCATE audit_events",
        "DELETE FROM audit_numbers",
        "UPDATE alembic_version SET version_num = '0'",
        "DROP TABLE health",
        "ALTER TABLE credentials NO FORCE ROW LEVEL SECURITY",
        "CREATE FUNCTION public.lower(text) RETURNS text LANGUAGE sql AS 'SELECT $1'",
    ],
)
async def test_the_apps_role_may_not(app: asyncpg.Connection, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute(f"SET regcred.project = '*'; {statement}")


@pytest.mark.usefixtures("two")
async def test_only_old_audit_rows_that_decide_nothing_can_be_deleted(
    postgres_store: PostgresStore, app: asyncpg.Connection
) -> None:
    everything = "SET regcred.project = '*'; DELETE FROM audit_events"
    assert await app.execute(everything) == "DELETE 0"
    reveal = (await postgres_store.links_after(0, 100))[4]
    checkpoint = StoredCheckpoint(reveal.number, START, b"h" * 32, b"d" * 32, True, b"m" * 32)
    told = AuditEvent(Action.AUDIT_PRUNED, NO_PROJECT, "operator:cli", START)
    await postgres_store.begin_pruning(checkpoint, told)
    before = await postgres_store.last_number()

    assert await postgres_store.prune(0, reveal.number) == reveal.number
    kept = [link.number for link in await postgres_store.links_after(0, 100)]
    assert kept == [n for n in range(1, before + 1) if n != reveal.number]
    assert await app.execute(everything) == "DELETE 0"


@pytest.mark.usefixtures("two")
async def test_a_forged_checkpoint_lets_no_row_go_that_the_owner_wants_kept(
    app: asyncpg.Connection, database: Cluster
) -> None:
    forged = """
        SET regcred.project = '*';
        INSERT INTO audit_checkpoints VALUES (1000, 0, 'h', 'd', 1, 'm')
    """.replace("'h', 'd', 1, 'm'", f"'{'h' * 32}', '{'d' * 32}', 1, '{'m' * 32}'")
    await app.execute(forged)
    database.run_sql("UPDATE audit_floor SET days = 20000", "regcred")
    try:
        assert await app.execute("DELETE FROM audit_events") == "DELETE 0"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.execute("UPDATE audit_floor SET days = 1")
    finally:
        database.run_sql("UPDATE audit_floor SET days = 1", "regcred")

    assert await app.execute("DELETE FROM audit_events") == "DELETE 1"


async def test_the_audits_writer_may_append_and_nothing_else(database: Cluster) -> None:
    writer = await asyncpg.connect(database.url(ADMINISTRATOR, "regcred"))
    await writer.execute("SET ROLE regcred_audit_writer; SET regcred.project = '*'")
    appended = """
        INSERT INTO audit_events
        VALUES (1, 0, 'none', 'key.created', 'p', 't', NULL, 'r', 'r', 1, 'p', '{}', '')
    """
    try:
        assert await writer.execute(appended) == "INSERT 0 1"
        for refused in ("SELECT 1 FROM audit_events", "SELECT 1 FROM credentials"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await writer.execute(refused)
    finally:
        await writer.close()


WEAKER = [
    ("ALTER POLICY of_the_project ON credentials USING (true)", "credentials: its policies"),
    ('CREATE POLICY "a hole" ON events USING (true)', "events: its policies"),
    ("DROP POLICY only_old ON audit_events", "audit_events: its policies"),
    ("ALTER TABLE projects DISABLE ROW LEVEL SECURITY", "projects: row-level security is off"),
    ("ALTER TABLE api_keys NO FORCE ROW LEVEL SECURITY", "api_keys: row-level .* not forced"),
    ("GRANT UPDATE ON audit_events TO regcred_app", "audit_events: the .* role may UPDATE"),
    ("GRANT UPDATE (mac) ON audit_events TO regcred_app", "the service's role may UPDATE"),
    ("GRANT TRUNCATE ON events TO PUBLIC", "events: the service's role may TRUNCATE"),
    ("GRANT DELETE ON credentials TO PUBLIC", "credentials: PUBLIC may DELETE"),
    ("GRANT UPDATE ON audit_events TO regcred_backup", "audit_events: regcred_backup may UPDATE"),
    ("ALTER FUNCTION regcred_resolve_2 RESET plan_cache_mode", "regcred_resolve_2 is not as"),
    ("GRANT EXECUTE ON FUNCTION regcred_resolve_2 TO PUBLIC", "regcred_resolve_2 is not as"),
]
STRANGE = [
    (
        "ALTER TABLE fetches OWNER TO postgres; ALTER TABLE fetches DISABLE ROW LEVEL SECURITY",
        "fetches: it is not the owner's",
    ),
    ("DROP TABLE webhook_deliveries", "webhook_deliveries: it is not there"),
]
THROUGH = """
    CREATE ROLE more {}; CREATE ROLE between NOINHERIT; GRANT more TO between; GRANT between TO app
"""
CLOSED = [
    (THROUGH.format("CREATEROLE"), "regcred_app alone"),
    (THROUGH.format("") + "; GRANT CREATE ON SCHEMA public TO more", "regcred_app alone"),
    (THROUGH.format("IN ROLE pg_execute_server_program"), "regcred_app alone"),
    ("GRANT pg_read_server_files TO app", "regcred_app alone"),
    ("GRANT pg_write_server_files TO app", "regcred_app alone"),
    (
        THROUGH.format("") + "; GRANT UPDATE, TRUNCATE ON audit_events TO more",
        "audit_events: the service's role may TRUNCATE, UPDATE",
    ),
]


@pytest.fixture
async def administrator(database: Cluster) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database.url(ADMINISTRATOR, "regcred"))
    yield connection
    await connection.close()


async def test_no_server_starts_where_a_wall_is_weaker(
    administrator: asyncpg.Connection,
) -> None:
    for change, words in (*WEAKER, *STRANGE, *CLOSED):
        await administrator.execute(f"BEGIN; {change}; SET LOCAL SESSION AUTHORIZATION app")
        with pytest.raises(StartRefused, match=words) as refused:
            await checks.look_over(administrator)
        assert "run `regcred migrate" in str(refused.value) or words == "regcred_app alone"
        await administrator.execute("ROLLBACK")

    await administrator.execute("SET SESSION AUTHORIZATION app")
    await checks.look_over(administrator)
    await administrator.execute("RESET SESSION AUTHORIZATION; SET ROLE app")
    with pytest.raises(StartRefused, match="regcred_app alone"):
        await checks.look_over(administrator)  # whoever has become less can become more again


async def test_a_migration_puts_up_what_is_weaker_and_waits_for_nobody_else(
    database: Cluster, administrator: asyncpg.Connection, app: asyncpg.Connection
) -> None:
    for change in (*[change for change, _ in WEAKER], "REVOKE INSERT ON events FROM regcred_app"):
        await administrator.execute(change)
    owner = Address(database.url("owner", "regcred"))
    fallen = ["api_keys", "audit_events", "credentials", "events", "projects", "regcred_resolve_2"]
    assert await schema.fallen_walls(owner) == fallen
    await schema.migrate(owner)
    assert await schema.fallen_walls(owner) == []
    await administrator.execute("SET SESSION AUTHORIZATION app")
    await checks.look_over(administrator)
    assert await app.fetchval("SELECT has_table_privilege('events', 'INSERT')")
    async with app.transaction():  # holds every table against who would alter it
        for row in await app.fetch(wall_checks.FOUND):
            await app.execute(f"LOCK TABLE {row[0]} IN ACCESS SHARE MODE")

        assert await schema.migrate(owner) == (HEAD, HEAD)


async def test_a_migration_puts_up_no_wall_on_what_is_not_the_owners(
    database: Cluster, administrator: asyncpg.Connection
) -> None:
    await administrator.execute("ALTER TABLE fetches OWNER TO postgres")
    try:
        with pytest.raises(StartRefused, match=r"fetches: it is not the owner's.* OWNER TO"):
            await schema.migrate(Address(database.url("owner", "regcred")))
    finally:
        await administrator.execute("ALTER TABLE fetches OWNER TO owner")


def test_every_table_that_the_migrations_make_is_looked_at() -> None:
    steps = [step for one in revisions_after(None, "postgresql") for step in one.steps]
    made = {step.table for step in steps if step.statement.startswith("CREATE TABLE")}

    assert {*walls.TABLES} == {*made, "alembic_version"}
    assert not any("DROP TABLE" in step.statement for step in steps)


async def test_the_hot_read_leaves_no_wider_view_behind_and_is_the_apps_alone(
    two: World, app: asyncpg.Connection, database: Cluster
) -> None:
    key = await two.add_key((await two.store.find_project(2)).id)
    keyed = KEYLESS.replace("ARRAY[NULL]", f"ARRAY['{key.id}']", 1)
    async with app.transaction():
        await app.execute(f"SET LOCAL regcred.project = '{two.id}'")
        found = await app.fetch(keyed)
        seen = await app.fetch(EVERY_CREDENTIAL)
    backup = await asyncpg.connect(database.url("backup", "regcred"))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await backup.fetch(KEYLESS)
    finally:
        await backup.close()

    assert ([row[0] for row in found], len(seen)) == (["r.example"], 2)


async def test_the_hot_read_gives_who_names_no_key_what_the_transaction_sees(
    two: World, app: asyncpg.Connection
) -> None:
    found = []
    for shown in ("", str(two.id), "*"):
        async with app.transaction():
            await app.execute(f"SET LOCAL regcred.project = '{shown}'")
            found.append(len(await app.fetch(KEYLESS)))
    beta = (await two.store.find_project(2)).id
    read = await two.store.read_for_resolve(None, beta, HOST, "team/app")

    assert (found, len(read.candidates)) == ([0, 0, 1], 1)


async def test_what_a_repeated_request_did_is_behind_the_wall_too(
    two: World, postgres_store: PostgresStore
) -> None:
    beta = (await two.store.find_project(2)).id
    asked = IdempotentRequest("key:operator", "again", DIGEST)
    mine, theirs = a_credential(two.id, "repeated"), a_credential(beta, "repeated")
    await two.store.create_credential(mine, sealed(), two.created(mine), asked)
    with pytest.raises(AlreadyDone) as elsewhere:
        await two.store.create_credential(theirs, sealed(), two.created(theirs), asked)

    assert (elsewhere.value.digest, elsewhere.value.resource_id) == (b"", "")
    rows = "SELECT resource_id FROM idempotent_requests"
    assert await postgres_store._all(rows, of=beta) == []
    assert await postgres_store._all(rows, of=two.id) == [(str(mine.id),)]


async def test_what_a_migration_finds_of_repeated_requests_is_their_projects_or_outlived(
    two: World, postgres_store: PostgresStore, administrator: asyncpg.Connection
) -> None:
    key, gone = a_key(two.id), a_key(two.id)
    told = event(Action.KEY_CREATED, two.id)
    asked = {made: IdempotentRequest("key:operator", made.id, DIGEST) for made in (key, gone)}
    for made, once in asked.items():
        await two.store.create_key(stored(made), told, once)
    await two.store.delete_key(two.id, gone.id, None, told)
    await administrator.execute("UPDATE idempotent_requests SET project_id = NULL")
    await administrator.execute(r0009_walls._REPEATED[-1])

    with pytest.raises(AlreadyDone) as again:
        await two.store.create_key(stored(a_key(two.id)), told, asked[key])
    assert again.value.resource_id == key.id
    two.clock.pass_(hours=24)
    await two.store.create_key(stored(a_key(two.id)), told, asked[gone])
    assert len(await postgres_store._all("SELECT 1 FROM idempotent_requests")) == 1


@pytest.mark.usefixtures("two")
async def test_a_dump_by_the_backups_role_is_whole(database: Cluster) -> None:
    def dump() -> str:
        done = subprocess.run(
            [program("pg_dump"), "--enable-row-security", database.url("backup", "regcred")],
            capture_output=True,
            env={**os.environ, "PGOPTIONS": "-c regcred.project=*"},
            timeout=60,
            check=True,
        )
        return done.stdout.decode()

    text = await asyncio.to_thread(dump)

    assert all(name in text for name in ("\tmine\t", "\ttheirs\t", "credential.revealed"))


async def test_a_role_that_sees_or_may_too_much_does_not_serve(
    database: Cluster, clock: Clock
) -> None:
    for user in (ADMINISTRATOR, "owner"):
        with pytest.raises(StartRefused, match="member of regcred_app alone"):
            await PostgresStore.open(Address(database.url(user, "regcred")), clock=clock)


async def test_an_owner_without_the_roles_or_with_an_open_schema_is_told(
    cluster: Cluster,
) -> None:
    cluster.run_sql("DROP DATABASE IF EXISTS open; CREATE DATABASE open OWNER owner")
    cluster.run_sql("GRANT CREATE ON SCHEMA public TO PUBLIC", "open")
    with pytest.raises(StartRefused, match="REVOKE CREATE ON SCHEMA public"):
        await schema.migrate(Address(cluster.url("owner", "open")))
    cluster.run_sql("ALTER ROLE regcred_backup RENAME TO other")
    try:
        with pytest.raises(StartRefused, match="no role regcred_backup"):
            await schema.migrate(Address(cluster.url("owner", "open")))
    finally:
        cluster.run_sql("ALTER ROLE other RENAME TO regcred_backup")
