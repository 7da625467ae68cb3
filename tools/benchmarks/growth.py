"""A page of a project's logins, in a store of 1,000 and in one of a million (10,000 projects).

On SQLite and on PostgreSQL. The rows are written into the stopped store directly, as the service
would leave them: over the API a million would take an hour. Lists open no secret, so all share one
that is sealed for the first.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing

from tests.tools.postgres import Cluster, running
from tests.tools.service import Service
from tools.benchmarks.common import (
    SERVER_CORES,
    Bench,
    Goal,
    LoadFailed,
    in_rounds,
    request,
    write_requests,
)
from tools.benchmarks.postgres import DURABLE, installed

_EACH = 100
"""Logins of one project."""

_SMALL, _LARGE = 1_000, 1_000_000
_PAGE = 25
_CONNECTIONS = 8
"""Few, so that the figure is an answer's own time and not the queue before it."""

_REQUESTS = 8_192
_FLAT = Goal(1.5)

_TABLES = {
    "projects": ("id", {"number", "id", "name"}),
    "project_seeds": ("project_id", {"project_id"}),
    "credentials": ("project_id", {"project_id", "id", "number", "name"}),
    "credential_secrets": ("project_id", {"project_id", "credential_id"}),
    "credential_scopes": ("project_id", {"project_id", "number"}),
}
"""By table: what names the project, and the columns that each new row has of its own."""

_ID = "printf('%08x-0000-7000-8000-%012x', p, {n})"
_ID_ON_POSTGRES = "lpad(to_hex(p), 8, '0') || '-0000-7000-8000-' || lpad(to_hex({n}), 12, '0')"
_COUNTED = f"""
    UPDATE projects SET credential_count = {_EACH}, next_credential_number = {_EACH + 1}
"""  # noqa: S608  numbers

_COLUMNS = """
    SELECT column_name FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name = '{table}' AND is_generated = 'NEVER'
"""

_AT_ONCE = 1_000
"""Projects of one statement, which has a minute."""


def measure(bench: Bench) -> None:
    """Measure the same page in both stores, in turns, on each of the databases."""
    _compare(bench, "", *(_filled(bench, size) for size in (_SMALL, _LARGE)))
    with running(*DURABLE) as cluster:
        services = [_filled_on(cluster, bench, size) for size in (_SMALL, _LARGE)]
        _compare(bench, " on PostgreSQL", *services)


def _compare(bench: Bench, where: str, small: Service, large: Service) -> None:
    with small.serving(cores=SERVER_CORES), large.serving(cores=SERVER_CORES):
        asks = {
            one: write_requests(one.folder / "pages.json", _pages(one.key, size // _EACH))
            for one, size in ((small, _SMALL), (large, _LARGE))
        }

        def page(of: Service) -> float:
            return float(bench.load(of.port, asks[of], connections=_CONNECTIONS)["p99_ms"])

        _look(small, _SMALL)
        _look(large, _LARGE)
        page(small), page(large)
        few, many = in_rounds(bench.rounds, lambda: page(small), lambda: page(large))
    bench.add(f"page of {_PAGE}, {_SMALL:,} logins{where}: p99", "ms", few)
    bench.add(f"page of {_PAGE}, {_LARGE:,} logins{where}: p99", "ms", many)
    bench.compare(f"p99 of a page{where}, a million / a thousand", many, few, _FLAT)


def _look(service: Service, size: int) -> None:
    """Pass if the last project's page is full. Raise LoadFailed."""
    path = f"projects/{size // _EACH + 1}/credentials?limit={_PAGE}"
    with service.api() as api:
        items = api.send("GET", path).json().get("items", [])
    if len(items) != _PAGE:
        raise LoadFailed(f"{path}: {len(items)} logins, not {_PAGE}")


def _pages(key: str, projects: int) -> list[bytes]:
    """Return pages of projects drawn from the whole store, in an order that is always the same."""
    made = []
    for number in range(_REQUESTS):
        draw = int.from_bytes(hashlib.sha256(number.to_bytes(4)).digest()[:8])
        path = f"/v1/projects/{draw % projects + 2}/credentials?limit={_PAGE}"
        made.append(request(path, key, None, method="GET"))
    return made


def _filled(bench: Bench, size: int) -> Service:
    """Return a service whose project 1 has one login, and so many others `size` in all."""
    service = bench.service(f"growth-{size}", REGCRED_RECHECK="false")
    _add_template(service)
    with closing(sqlite3.connect(service.data / "store" / "regcred.db")) as store, store:
        store.execute("PRAGMA foreign_keys=OFF")
        (template,) = store.execute("SELECT id FROM projects").fetchone()
        for table in _TABLES:
            columns = [row[1] for row in store.execute(f"PRAGMA table_info({table})")]
            for statement in _copies(table, columns, template, _ID, size):
                store.execute(statement)
        store.execute(_COUNTED)
        store.execute("ANALYZE")
    return service


def _filled_on(cluster: Cluster, bench: Bench, size: int) -> Service:
    """Return the same on PostgreSQL."""
    database = f"growth_{size}"
    service = installed(cluster, bench, database, REGCRED_RECHECK="false")
    _add_template(service)
    (template,) = cluster.run_sql("SELECT id FROM projects", database).split()
    for table in _TABLES:
        columns = cluster.run_sql(_COLUMNS.format(table=table), database).split()
        for statement in _copies(table, columns, template, _ID_ON_POSTGRES, size):
            cluster.run_sql(f"SET session_replication_role = replica; {statement}", database)
    cluster.run_sql(_COUNTED, database)
    cluster.run_sql("VACUUM ANALYZE", database)
    return service


def _add_template(service: Service) -> None:
    with service.serving(), service.api() as api:
        api.add("template", "registry.example.com/team", "user", "secret-of-a-usual-length")


def _copies(
    table: str, columns: Sequence[str], template: str, id_: str, size: int
) -> Iterator[str]:
    """Yield what copies the template's row of a table into projects `p`, and logins `n` of each.

    `id_` is an expression for an id, of a `{n}`.
    """
    condition, own = _TABLES[table]
    of_project = table in {"projects", "project_seeds"}
    project, login = id_.format(n=0), id_.format(n="n")
    made = {
        "project_id": project,
        "credential_id": login,
        "id": project if of_project else login,
        "number": "p" if of_project else "n",
        "name": "'project-' || p" if of_project else "'login-' || n",
    }
    chosen = [made[name] if name in own else f"template.{name}" for name in columns]
    last = size // _EACH + 1
    for first in range(2, last + 1, _AT_ONCE):
        yield (
            f"WITH RECURSIVE {_series('p', first, min(first + _AT_ONCE - 1, last))},"  # noqa: S608 - names of the schema
            f" {_series('n', 1, 1 if of_project else _EACH)}"
            f" INSERT INTO {table} ({', '.join(columns)})"
            f" SELECT {', '.join(chosen)} FROM {table} template, series_p, series_n"
            f" WHERE template.{condition} = '{template}'"
        )


def _series(name: str, first: int, last: int) -> str:
    return (
        f"series_{name} ({name}) AS (SELECT {first} UNION ALL"  # noqa: S608 - numbers
        f" SELECT {name} + 1 FROM series_{name} WHERE {name} < {last})"
    )
