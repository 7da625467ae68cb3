"""Copies of a database that is being served: `pg_dump`, of the very snapshot that is told of.

The one thing you would get wrong: what a dump sees. Row-level security would hide every row from a
role that sets no project, so the setting goes along in the address; and a dump begins when it
begins, so the snapshot that was looked at is handed to it. A password goes by a private file.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import asyncpg
from asyncpg import Connection

from regcred.adapters.storage.copies import Copy
from regcred.adapters.storage.postgres.address import Address, connect_first
from regcred.adapters.storage.postgres.failures import ERRORS, unavailable
from regcred.adapters.storage.postgres.schema import revision_of
from regcred.adapters.storage.postgres.statements import translate
from regcred.adapters.storage.postgres.walls import EVERY as EVERY_PROJECT
from regcred.adapters.storage.postgres.walls import SETTING
from regcred.adapters.storage.sql.rows import Row
from regcred.domain.errors import StartRefused, StoreUnavailable
from regcred.domain.secret import Secret

_LOOK = """
    SELECT to_regclass('public.alembic_version'), EXISTS (
        SELECT 1 FROM pg_roles r WHERE pg_has_role(current_user, r.oid, 'MEMBER') AND (
            r.rolsuper OR r.rolname IN (
                'pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files'
            )
        )
    )
"""
_MAY_NOT = (
    "the user of --database may not read everything:"
    " take a user who is in regcred_backup (regcred_dump)"
)
_LIMIT = 300
"""Characters of what a program says that are handed on."""


class PostgresCopier:
    """Implements `regcred.adapters.storage.copies.Copier` for the database at an address.

    Its role needs to read everything: `regcred_backup` does.
    """

    engine = "postgresql"
    suffix = ".dump"

    def __init__(self, address: Address) -> None:
        self._address = address

    @asynccontextmanager
    async def copied(self, into: Path) -> AsyncIterator[PostgresCopy]:
        """Write a copy to the empty file `into` and yield it; see the port."""
        connection = await connect_first(self._address.patient())
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                await connection.execute(f"SET LOCAL {SETTING} = '{EVERY_PROJECT}'")
                if await revision_of(connection) is None:
                    raise StartRefused("the database holds no store to back up: check --database")
                snapshot = await connection.fetchval("SELECT pg_export_snapshot()")
                await self._dump(str(snapshot), into)
                yield PostgresCopy(connection)
        except asyncpg.InsufficientPrivilegeError as error:
            raise StartRefused(_MAY_NOT) from error
        except ERRORS as error:
            raise unavailable(error) from error
        finally:
            await connection.close()

    async def _dump(self, snapshot: str, into: Path) -> None:
        options = ("--format=custom", "--enable-row-security", f"--snapshot={snapshot}")
        try:
            await _run(self._address, "pg_dump", *options, f"--file={into}")
        except StoreUnavailable as error:
            if "permission denied" not in error.why:
                raise
            raise StartRefused(f"{_MAY_NOT}: {error.why}") from None


class PostgresCopy(Copy):
    """What one copy holds, read from the snapshot that it was made of."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def _revision(self) -> str | None:
        return await revision_of(self._connection)

    async def _all(self, statement: str, *parameters: object) -> list[Row]:
        rows = await self._connection.fetch(translate(statement).text, *parameters)
        return [tuple(row) for row in rows]


async def restore_into(address: Address, backup: Path) -> None:
    """Restore a copy into a database that holds nothing, as the user who is to own it.

    Whole or not at all. Raise StartRefused where something is there, or for a user who may do
    more than own a database; StoreUnavailable.
    """
    connection = await connect_first(address)
    try:
        taken, mighty = await connection.fetchrow(_LOOK)
    except asyncpg.PostgresError as error:
        raise unavailable(error) from error
    finally:
        await connection.close()
    if taken is not None:
        raise StartRefused(
            "--database holds a store, which is never replaced: make an empty one and name that"
        )
    if mighty:
        raise StartRefused(
            "a dump is not restored as a superuser, or one who may run programs or reach files on"
            " the database's machine: whatever stands in it would. Take the user who is to own it"
        )
    options = ("--exit-on-error", "--single-transaction", "--no-owner")
    await _run(address, "pg_restore", *options, str(backup))


async def _run(address: Address, program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs. Raise StartRefused if it is missing, StoreUnavailable."""
    with _connected(address) as where:
        try:
            process = await asyncio.create_subprocess_exec(
                *(program, "--no-password", f"--dbname={where}", *arguments),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
        except FileNotFoundError:
            raise StartRefused(
                f"{program} is not installed: take PostgreSQL's client programs, of the server's"
                " version or newer"
            ) from None
        try:
            _, said = await process.communicate()
        except BaseException:
            process.terminate()
            await process.wait()
            raise
    if process.returncode:
        words = said.decode(errors="replace").strip().partition("\n")[0][:_LIMIT]
        raise StoreUnavailable(f"{program} failed: {words}")


@contextmanager
def _connected(address: Address) -> Iterator[str]:
    """Yield an address as libpq takes it, which sees every project and knows the password."""
    more = {"options": f"-c {SETTING}={EVERY_PROJECT}"}
    if address.password is None:
        yield _with(address.url, more)
        return
    descriptor, file = tempfile.mkstemp(prefix="regcred-")  # 0600
    try:
        with os.fdopen(descriptor, "w") as written:
            written.write(_pass_line(address.password))
        yield _with(address.url, {**more, "passfile": file})
    finally:
        Path(file).unlink()


def _pass_line(password: Secret) -> str:
    escaped = password.reveal().replace("\\", "\\\\").replace(":", "\\:")
    return f"*:*:*:*:{escaped}\n"


def _with(url: str, more: dict[str, str]) -> str:
    parts = urlsplit(url)
    query = urlencode([*parse_qsl(parts.query), *more.items()], quote_via=quote)
    return urlunsplit(parts._replace(query=query))
