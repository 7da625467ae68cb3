"""A store as an earlier program made them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from regcred.adapters.storage.sqlite import schema
from regcred.adapters.storage.sqlite.connection import connect
from regcred.adapters.storage.sqlite.place import DATABASE
from tests.adapters.storage.samples import START

_MIGRATIONS = Path(schema.__file__).parents[1] / "migrations"
_PROJECT = "019a9c1e-0000-7000-8000-000000000001"
_LOGIN = "019a9c1e-0000-7000-8000-000000000002"


def at_first_revision(directory: Path) -> None:
    """Make a store as the first program made them, with a login in it."""
    at_revision(directory, "0001")


def at_revision(directory: Path, revision: str) -> None:
    """Make a store of a revision, with a login in it."""
    directory.mkdir(mode=0o700)
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    engine = create_engine("sqlite://", creator=lambda: connect(directory / DATABASE))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()
    at = int(START.timestamp() * 1_000_000)
    with closing(connect(directory / DATABASE)) as database:
        database.execute(
            "INSERT INTO projects (id, name, require_if_match, created_at, updated_at, version,"
            " next_credential_number, credential_count) VALUES (?, 'old', 0, ?, ?, 1, 2, 1)",
            (_PROJECT, at, at),
        )
        database.execute("INSERT INTO project_seeds VALUES (?, 1, 'kid', x'00')", (_PROJECT,))
        database.execute(
            "INSERT INTO credentials (project_id, id, number, name, provider, scopes, username,"
            " settings, description, labels, created_at, updated_at, version, secret_version,"
            " expires_at) VALUES (?, ?, 1, 'login', 'generic', 'r.example', 'ada', '{}', '', '{}',"
            " ?, ?, 1, 1, ?)",
            (_PROJECT, _LOGIN, at, at, at + 10 * 86_400_000_000),
        )
        database.execute(
            "INSERT INTO credential_secrets VALUES (?, ?, 'current', 1, 1, x'01')",
            (_PROJECT, _LOGIN),
        )
