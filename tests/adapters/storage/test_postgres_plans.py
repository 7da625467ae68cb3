"""How PostgreSQL finds a row: by the index that leads to it, however tenants are sized."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from regcred.adapters.storage.postgres import Address, estimates, schema
from tests.tools.postgres import ADMINISTRATOR, Cluster

# Nearly every project has one login, and one has many.
_FILL = """
    SET LOCAL session_replication_role = replica;
    CREATE TEMPORARY TABLE logins ON COMMIT DROP AS
        SELECT lpad(n::text, 36, 'p') AS project_id, 1 AS number
        FROM generate_series(1, 1000) AS n
        UNION ALL SELECT lpad('', 36, 'p'), n FROM generate_series(1, 200) AS n;
    INSERT INTO credentials (
        project_id, id, number, name, provider, scopes, username, settings, description, labels,
        created_at, updated_at, version, secret_version
    ) SELECT project_id, lpad(number::text, 36, 'c'), number, 'login-' || number, 'generic', '',
        'user', '{}', '', '{}', 0, 0, 1, 1
    FROM logins;
    INSERT INTO credential_scopes (project_id, lookup, path, number, scope, whole)
    SELECT project_id, 'r' || number || '.example', 'team', number, 'r.example/team', 0 FROM logins
"""
_LOOKS = (
    "credentials: id",
    "credentials: name",
    "credentials: number",
    "credential_scopes: lookup",
)
_TOLD = """
    SELECT n_distinct FROM pg_stats WHERE tablename = 'credentials' AND attname = 'project_id'
"""


@pytest.fixture
async def filled(database: Cluster) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database.url(ADMINISTRATOR, "regcred"))
    async with connection.transaction():
        await connection.execute(_FILL)
    await connection.execute("ANALYZE credentials; ANALYZE credential_scopes")
    yield connection
    await connection.close()


@pytest.mark.parametrize("look", _LOOKS)
async def test_a_look_reads_what_it_is_for_and_not_the_project(
    filled: asyncpg.Connection, look: str
) -> None:
    table, column = look.split(": ")
    statement = f"SELECT 1 FROM {table} WHERE project_id = $1 AND {column} = $2"  # noqa: S608  constants alone

    await filled.execute(f"SET plan_cache_mode = force_generic_plan; PREPARE look AS {statement}")
    plan = [row[0] for row in await filled.fetch("EXPLAIN EXECUTE look ('1', '1')")]

    assert any("Index Cond" in line and f"({column} = $2)" in line for line in plan), plan
    assert "credentials_by_" not in plan[0], (
        plan
    )  # of whose columns it knows the first and the last


async def test_a_migration_tells_the_planner_of_tables_that_have_rows_already(
    filled: asyncpg.Connection, database: Cluster
) -> None:
    await filled.execute("ALTER TABLE credentials ALTER COLUMN project_id RESET (n_distinct)")
    await filled.execute("ANALYZE credentials")
    assert await filled.fetchval(_TOLD) != pytest.approx(-0.01)

    await schema.migrate(Address(database.url("owner", "regcred")))

    assert await filled.fetchval(_TOLD) == pytest.approx(-0.01)
    assert await filled.fetch(estimates.UNTOLD) == []
