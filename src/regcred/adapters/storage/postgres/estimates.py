"""What the planner is told of tenants, so that it looks rows up by the index that names them.

Most indexes begin with the project. Where most projects hold one row, PostgreSQL's own statistics
say that a project is as good as a row, and the smallest of those indexes as good as the right one:
so a foreign key's look, or the hot read, would walk through all that a large tenant has. Told that
a project holds a hundred rows, it takes the index that leads to the row, however tenants are sized.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

_DISTINCT = "-0.01"
"""Of a column of projects: a hundredth of the rows, in the form of `n_distinct`."""

UNTOLD = f"""
    SELECT c.relname, pg_relation_size(c.oid) > 0
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
        AND c.relowner = (
            SELECT o.relowner FROM pg_class o WHERE o.oid = to_regclass('public.projects')
        )
        AND a.attname = 'project_id' AND NOT a.attisdropped
        AND NOT coalesce('n_distinct={_DISTINCT}' = ANY (a.attoptions), false)
    ORDER BY c.relname
"""  # noqa: S608  constants alone
"""(table, whether it has rows) of those of which the planner was not told yet."""


def tell(tables: Sequence[tuple[str, bool]]) -> Iterator[str]:
    """Yield the statements that tell it. `tables` is what UNTOLD found.

    It listens when a table is analysed: what has rows is at once, which reads a sample of them.
    """
    for table, _ in tables:
        yield f"ALTER TABLE {table} ALTER COLUMN project_id SET (n_distinct = {_DISTINCT})"
    yield from (f"ANALYZE {table}" for table, filled in tables if filled)
