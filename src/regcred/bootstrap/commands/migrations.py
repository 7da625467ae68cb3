"""`regcred migrate`: bring the store to this version's schema, or say what that would do."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from regcred.adapters.storage.migrations.plan import CONTRACT, Revision
from regcred.bootstrap.stores import fallen_walls, migrate_store, plan_migration
from regcred.settings import Settings

_WIDTH = 72
"""Of a statement's beginning, which is enough to know it by."""


def migrate(settings: Settings, plan: bool = False) -> int:
    """Migrate, or with `plan` change nothing and print what would be done. Raise StartRefused."""
    if plan:
        before, revisions, rows = plan_migration(settings)
        print("\n".join(planned(before, revisions, rows, fallen_walls(settings))))
        return 0
    fallen = fallen_walls(settings)
    before, after = migrate_store(settings)
    said = f"schema {before} -> {after}" if before != after else f"schema {after}: current"
    if fallen:
        said += f"\nwalls put up anew on: {', '.join(fallen)}"
    print(said, file=sys.stderr, flush=True)
    return 0


def planned(
    before: str | None,
    revisions: list[Revision],
    rows: Mapping[str, int],
    fallen: Sequence[str] = (),
) -> list[str]:
    """Return the lines that tell what would be done; `rows` are the tables' now.

    `fallen` is what walls do not stand on.
    """
    walls = [f"walls to be put up anew on: {', '.join(fallen)}"] if fallen else []
    if not revisions:
        return [f"schema {before}: current" + ("" if walls else ", nothing to do"), *walls]
    lines = [f"schema {before or 'none'} -> {revisions[-1].number}, all of it or nothing"]
    for revision in revisions:
        lines.append(f"{revision.number}  {revision.title}")
        for step in revision.steps:
            many = f" ({rows[step.table]:,} rows)" if step.table in rows else ""
            short = step.statement[:_WIDTH] + ("…" if len(step.statement) > _WIDTH else "")
            lines += [f"  {step.kind:8}  {short}", f"            {step.effect}{many}"]
    lines += walls
    contracts = any(step.kind == CONTRACT for one in revisions for step in one.steps)
    lines.append(
        "it takes something away: stop every server of an earlier version before"
        if contracts
        else "it only adds: servers of the version before go on working"
    )
    return lines
