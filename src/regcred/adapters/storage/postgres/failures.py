"""What PostgreSQL's errors mean to a caller: the store did not take the request, and no more.

The texts name the SQLSTATE and never a message or a parameter, which may be anything.
"""

from __future__ import annotations

from socket import gaierror
from ssl import SSLCertVerificationError, SSLError

import asyncpg

from regcred.domain.errors import StoreUnavailable

ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    # Of several hosts none is the primary now, or what came is no answer of a server's.
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
"""Whatever a statement may raise because of the database or of the way to it."""

UNHOLDABLE = (asyncpg.DataError, asyncpg.CharacterNotInRepertoireError)
"""A parameter that no column can hold: a number beyond 64 bits, half a character, a NUL."""

_OF_A_VALUE = ("22", "23", "54")
"""Classes of SQLSTATE: data, constraints, and what is too long for the database."""

_WORDS = {
    "53100": "the disk is full",
    "53300": "the database has no connection left",
    "25006": "the database is read-only",
    "55P03": "another transaction keeps a table or row locked",
    "57014": "the database took too long",
    "57P01": "the database is stopping",
    "57P03": "the database is starting",
    "42501": "the database's role may not do this: run `regcred migrate` as the owner",
    "28000": "the database has no such role, or lets none in from here (pg_hba.conf)",
    "3D000": "there is no database of that name",
    "RC001": "the database dropped an audit row",
    "28P01": "the database refused the password",
}


def broken(error: BaseException) -> bool:
    """Whether a connection is of no further use: it ended, or was left in mid-conversation.

    What the database itself said has a SQLSTATE, and leaves the connection as good as it was.
    """
    if not isinstance(error, Exception):
        return True  # cancelled
    return isinstance(error, ERRORS) and not isinstance(error, asyncpg.PostgresError)


def of_a_value(error: BaseException | None) -> bool:
    """Whether a value that was written, and not the database's state, is what failed."""
    state = getattr(error, "sqlstate", None) or ""
    return state[:2] in _OF_A_VALUE


def unavailable(error: BaseException) -> StoreUnavailable:
    """Return the refusal for an error that no caller could have avoided."""
    state = getattr(error, "sqlstate", None)
    if state is None:
        words = "the database cannot be reached"
    else:
        words = _WORDS.get(state, f"the database refused ({state})")
    failure = StoreUnavailable(words)
    failure.__cause__ = error
    return failure


def reason(error: BaseException | None) -> str:
    """Return why a database was not reached, for the operator who starts something; "" if unknown.

    Not for clients: it may name a host or a port.
    """
    match error:
        case SSLCertVerificationError():
            return f"its certificate is not believed: {error.verify_message}"
        case SSLError():
            return f"TLS: {error.reason}"
        case TimeoutError():
            return "it does not answer in time"
        case gaierror():
            return "its host's name is not known"
        case FileNotFoundError() | PermissionError():
            return f"a file or socket that the address names: {error.strerror}"
        case ConnectionRefusedError():
            return "nothing listens there"
        case ConnectionError() if "SSL" in str(error):
            return "it does not speak TLS"
        case asyncpg.UndefinedObjectError() | asyncpg.CantChangeRuntimeParamError():
            return "it knows no such setting: look at what follows the ? in --database"
        case _:
            return ""
