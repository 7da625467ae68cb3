"""What a transaction leaves besides its work: last uses, fetches and audit rows, in one call.

A function of the database takes them all (revision 0010), so a transaction that has nothing else to
do is that one call. Audit rows are signed with their numbers, and only the database knows the next:
it is guessed. Whoever is alone guesses right; where another process wrote meanwhile the function
says which it is, having written none of the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from asyncpg import Connection

from regcred.adapters.storage.postgres.walls import TRACE
from regcred.adapters.storage.sql.rows import Row

_WIDTHS = {"uses": 4, "key_uses": 2, "fetches": 8, "audit": 12}
_ARRAYS = sum(_WIDTHS.values())
_CALL = f"SELECT public.{TRACE}({', '.join(f'${n}' for n in range(1, _ARRAYS + 3))})"


class Next:
    """What this process takes for the audit's next number."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 1


class Trace:
    """What is to be left, as rows of the function's arrays."""

    __slots__ = ("audit", "fetches", "key_uses", "uses")

    def __init__(self) -> None:
        self.uses: Iterable[Row] = ()
        """(project id, credential id, at, principal)."""

        self.key_uses: Iterable[Row] = ()
        """(key id, at)."""

        self.fetches: Iterable[Row] = ()
        """(project id, credential id, principal, client, image, node, namespace, at)."""

        self.audit: list[Row] = []
        """Columns of audit_rows.COLUMNS without the number."""

    @property
    def moves(self) -> bool:
        """Whether a last use or a fetch is to be moved."""
        return bool(self.uses or self.key_uses or self.fetches)

    async def leave(
        self, connection: Connection, shown: str | None, first: int, signed: Sequence[Row]
    ) -> int | None:
        """Move what is to be moved, and write audit rows, numbered from `first`.

        `signed` are rows of audit_rows.COLUMNS and mac. `shown` is the setting that rows are seen
        by, where nothing is begun. Return None when they are written, else the number that the
        first must have. Raise what the statement raises.
        """
        arrays = (
            *_columns(self.uses, _WIDTHS["uses"]),
            *_columns(self.key_uses, _WIDTHS["key_uses"]),
            *_columns(self.fetches, _WIDTHS["fetches"]),
            *_columns((row[1:] for row in signed), _WIDTHS["audit"]),
        )
        self.uses = self.key_uses = self.fetches = ()
        found: int | None = await connection.fetchval(_CALL, shown, first, *arrays)
        return found


def _columns(rows: Iterable[Row], width: int) -> Sequence[Sequence[object]]:
    """Return rows turned into columns, also where there is none."""
    return tuple(map(list, zip(*rows, strict=True))) or ((),) * width
