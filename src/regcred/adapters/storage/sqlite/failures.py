"""What SQLite's errors mean to a caller: the store did not take the request, and no more.

The texts name SQLite's own words for the error and never a parameter, which may be anything.
"""

from __future__ import annotations

from regcred.domain.errors import StoreUnavailable

_WORDS = {
    "SQLITE_FULL": "the disk is full",
    "SQLITE_BUSY": "another process keeps the database busy",
    "SQLITE_READONLY": "the database is read-only",
    "SQLITE_CORRUPT": "the database is damaged: restore a backup",
    "SQLITE_NOTADB": "the file is no database: restore a backup",
    # SQLite's message quotes the schema, and what was damaged in it is no text any more.
    "UnicodeDecodeError": "the database is damaged: restore a backup",
}


def unavailable(error: BaseException) -> StoreUnavailable:
    """Return the refusal for an error that no caller could have avoided."""
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    failure = StoreUnavailable(_WORDS.get(name, f"the database refused ({name})"))
    failure.__cause__ = error
    return failure
