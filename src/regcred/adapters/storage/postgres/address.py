"""Where the database is and who connects, and how a connection is opened."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from ssl import SSLError
from urllib.parse import parse_qsl, urlsplit

import asyncpg
from asyncpg import Connection

from regcred.adapters.storage.postgres.failures import ERRORS, reason, unavailable
from regcred.domain.errors import StartRefused, StoreUnavailable
from regcred.domain.secret import Secret

CONNECT_SECONDS = 3.0
STATEMENT_SECONDS = 15.0
"""After which a statement is given up; what the service asks for takes milliseconds."""

_OTHERS = 0o077


@dataclass(frozen=True, slots=True)
class Address:
    """One database as one role."""

    url: str
    """`postgresql://USER@HOST:PORT/NAME`, with `sslmode` and the like as libpq takes them."""

    password: Secret | None = field(default=None)
    """None: from libpq's own password file, or none is needed."""

    prepared: bool = True
    """Whether prepared statements outlive a transaction; not behind a pooler older than 1.21."""

    statement_seconds: float | None = STATEMENT_SECONDS
    """None: a statement takes as long as it takes."""

    def patient(self) -> Address:
        """Return it for what reads or changes whole tables: no statement is given up."""
        return replace(self, statement_seconds=None)

    async def connect(self) -> Connection:
        """Open a connection. Raise StoreUnavailable; StartRefused for an address of no use."""
        try:
            connection: Connection = await asyncpg.connect(
                self.url,
                password=None if self.password is None else self.password.reveal(),
                timeout=CONNECT_SECONDS,
                command_timeout=self.statement_seconds,
                statement_cache_size=512 if self.prepared else 0,
                server_settings={"application_name": "regcred"},
            )
        except asyncpg.ClientConfigurationError as error:
            # The driver's own text, of the address and its files; there is no password in those.
            said = str(error).partition("\n")[0]
            raise StartRefused(f"the database's address is of no use: {said}") from None
        except SSLError as error:  # A ValueError, too, where a certificate is not believed.
            raise unavailable(error) from error
        except ValueError:
            raise StartRefused(
                "the database's address is not postgresql://USER@HOST:PORT/NAME"
            ) from None
        except ERRORS as error:
            raise unavailable(error) from error
        return connection


async def connect_first(address: Address) -> Connection:
    """Open a connection where nothing runs yet. Raise what `connect` does, saying what to check.

    A database that is away is no refusal that lasts: whoever starts may try again.
    """
    try:
        return await address.connect()
    except StoreUnavailable as error:
        because = reason(error.__cause__)
        if isinstance(error.__cause__, asyncpg.InvalidPasswordError) and address.password is None:
            because = _pass_file_is_why(address.url)
        raise StoreUnavailable(
            f"{error.why}{because and f' ({because})'}: check --database and that it runs"
        ) from error


def _pass_file_is_why(url: str) -> str:
    """Return why the driver took no password from the file of them, which it keeps to itself."""
    named = dict(parse_qsl(urlsplit(url).query)).get("passfile", "~/.pgpass")
    try:
        file = Path(named).expanduser()
        mode = file.stat().st_mode
    except (OSError, RuntimeError):  # none is there, or nobody knows where home is
        return f"no password was given: no password file is named, and there is no {named}"
    if mode & _OTHERS:
        return f"no password was given: others may read {file}, which counts at mode 600 alone"
    return ""
