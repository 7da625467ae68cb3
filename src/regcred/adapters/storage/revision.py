"""The schema that this program works with, whichever database has it."""

from __future__ import annotations

from regcred.domain.errors import StartRefused

HEAD = "0008"


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
