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
from regcred.adapters.storage.sql.fetch_log import Moved
from regcred.adapters.storage.sql.rows import Row

_WIDTHS = {"uses": 4, "key_uses": 2, "fetches": 8, "audit": 12}
_ARRAYS = sum(_WIDTHS.values())
_CALL = f"SELECT * FROM public.{TRACE}({', '.join(f'${n}' for n in range(1, _ARRAYS + 3))})"  # noqa: S608  constants alone


class Next:
    """What this process takes for the audit's next number."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 1


class Trace:
    """What is to be left, as rows of the function's arrays."""

    __slots__ = ("audit", "fetches", "key_uses", "left_fetches", "left_uses", "moved", "uses")

    def __init__(self) -> None:
        self.uses: Iterable[Row] = ()
        """(project id, credential id, at, principal)."""

        self.key_uses: Iterable[Row] = ()
        """(key id, at)."""

        self.fetches: Sequence[Row] = ()
        """(project id, credential id, principal, client, image, node, namespace, at)."""

        self.moved: Moved = Moved()
        """What the fetches were made of."""

        self.audit: list[Row] = []
        """Columns of audit_rows.COLUMNS without the number."""

        self.left_uses: list[str] = []
        """Ids of credentials and keys whose last use was not moved: others had locked them."""

        self.left_fetches: list[Row] = []
        """Fetches that were not moved."""

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
        fetches = self.fetches
        self.uses = self.key_uses = self.fetches = ()
        due, uses, keys, some = await connection.fetchrow(_CALL, shown, first, *arrays)
        self.left_uses += [*(uses or ()), *(keys or ())]
        self.left_fetches += [fetches[n - 1] for n in some or ()]
        found: int | None = due
        return found


def _columns(rows: Iterable[Row], width: int) -> Sequence[Sequence[object]]:
    """Return rows turned into columns, also where there is none."""
    return tuple(map(list, zip(*rows, strict=True))) or ((),) * width
