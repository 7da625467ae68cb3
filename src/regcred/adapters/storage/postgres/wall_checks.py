"""Whether the walls stand as they must: asked by a migration, and by whoever starts to serve.

The one thing you would get wrong: how the database words a policy. It puts parentheses and casts
where none were written, and not the same ones in every version; what it means is left without them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from regcred.adapters.storage.migrations import hot_read
from regcred.adapters.storage.postgres.walls import (
    APP,
    AUDIT_WRITER,
    ROLES,
    TABLES,
    Policy,
    Wall,
    wall_of,
)
from regcred.adapters.storage.sql.rows import Row

_OURS = f"'{APP}', '{AUDIT_WRITER}', '{ROLES[-1]}'"
_TABLES = ", ".join(f"'{table}'" for table in TABLES)
_OWNER = "(SELECT o.relowner FROM pg_class o WHERE o.oid = to_regclass('public.projects'))"

# Ours by name: extensions may have put others beside them, and one of ours may be somebody else's.
FOUND = f"""
    SELECT t.name, (
            SELECT a.attname FROM pg_attribute a
            WHERE a.attrelid = c.oid AND NOT a.attisdropped
                AND a.attname = CASE c.relname WHEN 'projects' THEN 'id' ELSE 'project_id' END
        ),
        c.relrowsecurity, c.relforcerowsecurity,
        (
            SELECT json_agg(json_build_array(
                p.polname, p.polpermissive, p.polcmd, p.polroles = '{{0}}',
                coalesce(pg_get_expr(p.polqual, p.polrelid), ''),
                coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '')
            ))::text FROM pg_policy p WHERE p.polrelid = c.oid
        ),
        (
            SELECT json_agg(json_build_array(coalesce(r.rolname, ''), g.privilege))::text
            FROM (
                SELECT t.grantee, t.privilege_type AS privilege FROM aclexplode(c.relacl) t
                UNION ALL
                SELECT t.grantee, t.privilege_type || ' of ' || a.attname
                FROM pg_attribute a, aclexplode(a.attacl) t WHERE a.attrelid = c.oid
            ) g LEFT JOIN pg_roles r ON r.oid = g.grantee
            WHERE g.grantee = 0 OR r.rolname IN ({_OURS})
        ),
        (
            SELECT json_agg(v.privilege)::text FROM unnest(ARRAY[
                'SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER'
            ]) AS v (privilege)
            WHERE EXISTS (
                SELECT 1 FROM pg_roles r WHERE pg_has_role(session_user, r.oid, 'MEMBER')
                    AND CASE WHEN v.privilege IN ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES')
                        THEN has_any_column_privilege(r.oid, c.oid, v.privilege)
                        ELSE has_table_privilege(r.oid, c.oid, v.privilege) END
            )
        ),
        c.relowner = {_OWNER}
    FROM unnest(ARRAY[{_TABLES}]) AS t (name)
    LEFT JOIN pg_class c ON c.relname = t.name AND c.relnamespace = 'public'::regnamespace
        AND c.relkind IN ('r', 'p')
    ORDER BY t.name
"""  # noqa: S608  constants alone
"""Rows of which a `Found` is made."""

FUNCTION = f"""
    SELECT p.prosecdef AND p.proowner = {_OWNER} AND p.proconfig = ARRAY[
            'search_path=pg_catalog, pg_temp', 'plan_cache_mode=force_generic_plan'
        ] AND NOT EXISTS (
            SELECT 1 FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
            WHERE a.grantee = 0
        ), p.prosrc
    FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.proname = '{hot_read.NAME}'
"""  # noqa: S608  constants alone
"""Rows for `function_stands`."""

_COMMANDS = {"ALL": "*", "DELETE": "d"}
_WORDING = re.compile(r"[()\s]|::(?:text|bigint|integer|double precision)(?![a-z])")


class Found(NamedTuple):
    """A table, as the database has it."""

    table: str
    secured: bool
    forced: bool
    policies: frozenset[tuple[object, ...]]
    grants: frozenset[tuple[str, str]]
    able: frozenset[str]
    """What the role that asks may do to it, by whatever grant, also by SET ROLE."""

    owned: bool | None
    """Whether it is the owner's; None: it is not there."""

    wall: Wall
    """What it must have."""

    @classmethod
    def of(cls, row: Row) -> Found:
        """Return what a row of FOUND says."""
        table, project, secured, forced, *lists, owned = row
        policies, grants, able = (json.loads(text or "[]") for text in lists)
        return cls(
            table,
            secured,
            forced,
            frozenset((*rest, _meant(using), _meant(check)) for *rest, using, check in policies),
            frozenset((role, privilege) for role, privilege in grants),
            frozenset(able),
            owned,
            wall_of(table, project),
        )

    @property
    def names(self) -> list[str]:
        """The names of its policies."""
        return [str(name) for name, *_ in self.policies]

    @property
    def strange(self) -> str:
        """Why no wall can be put up on it; "" if one can."""
        if self.owned is None:
            return "it is not there"
        return "" if self.owned else "it is not the owner's"

    @property
    def shows_too_much(self) -> str:
        """What is wrong with whose rows are seen; "" for nothing."""
        if not self.wall.policies:
            return ""
        if not self.secured:
            return "row-level security is off"
        if not self.forced:
            return "row-level security is not forced"
        if self.policies != frozenset(map(_wanted, self.wall.policies)):
            return "its policies are not as they were made"
        return ""

    @property
    def stands(self) -> bool:
        """Whether a migration has nothing to put up."""
        return not self.shows_too_much and self.grants == self.wall.grants


def wrong_walls(found: Iterable[Sequence[object]]) -> Iterator[str]:
    """Yield what is wrong with what FOUND found for the role that serves, and for our other ones.

    That it may less is no hole, and told by whatever needs more: a backup's role only reads.
    """
    for table in map(Found.of, map(tuple, found)):
        if wrong := table.strange or table.shows_too_much:
            yield f"the table {table.table}: {wrong}"
        should = {privilege for role, privilege in table.wall.grants if role in {APP, AUDIT_WRITER}}
        if more := table.able - should:
            yield f"the table {table.table}: the service's role may {', '.join(sorted(more))}"
        for role, privilege in sorted(table.grants - table.wall.grants):
            yield f"the table {table.table}: {role or 'PUBLIC'} may {privilege}"


def function_stands(found: Iterable[Sequence[object]]) -> bool:
    """Whether the hot read is what the migration made, by what FUNCTION found."""
    return [tuple(row) for row in found] == [(True, hot_read.BODY)]


def _wanted(policy: Policy) -> tuple[object, ...]:
    rules = _meant(policy.using), _meant(policy.with_check)
    return policy.name, policy.permissive, _COMMANDS[policy.command], True, *rules


def _meant(rule: str) -> str:
    """Return a policy's rule without what no meaning hangs on."""
    return _WORDING.sub("", rule).lower()
