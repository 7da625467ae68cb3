"""The schema that this program works with, whichever database has it."""

from __future__ import annotations

from regcred.domain.errors import StartRefused

HEAD = "0010"


def serves(found: str | None) -> bool:
    """Whether a server that runs may go on with this schema: ours, or a newer program's.

    Migrations only add (`regcred migrate --plan` says where one does not), so a server goes on
    while the next version takes over beside it. It does not start on what it does not know.
    """
    return found is not None and found >= HEAD


def refuse_other(found: str | None, remedy: str) -> None:
    """Raise StartRefused, saying what to run, unless `found` is the schema we need."""
    if found == HEAD:
        return
    if found is None or found < HEAD:
        raise StartRefused(
            f"the store's schema is {found or 'missing'} and this program needs {HEAD}: {remedy}"
        )
    raise StartRefused(
        f"the store's schema is {found}, newer than this program's {HEAD}: "
        "run a newer regcred, or restore a backup from before the upgrade"
    )
