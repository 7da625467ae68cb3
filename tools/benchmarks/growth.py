"""A page of a project's logins, in a store of 1,000 and in one of a million (10,000 projects).

On SQLite and on PostgreSQL. The rows are written into the stopped store directly, as the service
would leave them: over the API a million would take an hour. Lists open no secret, so all share one
that is sealed for the first.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
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

_TABLES = (
    ("projects", "id = ?", "number, id, name"),
    ("project_seeds", "project_id = ?", "project_id"),
    ("credentials", "project_id = ?", "project_id, id, number, name"),
    ("credential_secrets", "project_id = ?", "project_id, credential_id"),
    ("credential_scopes", "project_id = ?", "project_id, number"),
)
"""(table, which rows are the template's, the columns that each new row has of its own)."""

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
        _copy(store, size // _EACH)
    return service


def _filled_on(cluster: Cluster, bench: Bench, size: int) -> Service:
    """Return the same on PostgreSQL."""
    database = f"growth_{size}"
    service = installed(cluster, bench, database, REGCRED_RECHECK="false")
    _add_template(service)
    (template,) = cluster.run_sql("SELECT id FROM projects", database).split()
    last = size // _EACH + 1
    for table, condition, own in _TABLES:
        columns = cluster.run_sql(_COLUMNS.format(table=table), database).split()
        of_logins = table not in {"projects", "project_seeds"}
        new = _of_postgres(table)
        chosen = ", ".join(
            new[name] if name in own.split(", ") else f"template.{name}" for name in columns
        )
        for first in range(2, last + 1, _AT_ONCE):
            cluster.run_sql(
                "SET session_replication_role = replica;"  # noqa: S608 - names of the schema
                f" INSERT INTO {table} ({', '.join(columns)}) OVERRIDING SYSTEM VALUE"
                f" SELECT {chosen} FROM {table} template,"
                f" generate_series({first}, {min(first + _AT_ONCE - 1, last)}) p,"
                f" generate_series(1, {_EACH if of_logins else 1}) n"
                f" WHERE template.{condition.replace('?', repr(template))}",
                database,
            )
    cluster.run_sql(
        f"UPDATE projects SET credential_count = {_EACH},"  # noqa: S608 - numbers
        f" next_credential_number = {_EACH + 1}",
        database,
    )
    cluster.run_sql("VACUUM ANALYZE", database)
    return service


def _of_postgres(table: str) -> dict[str, str]:
    """Return what `_own` makes, as expressions over a project `p` and a login `n` of it."""
    start = "lpad(to_hex(p), 8, '0') || '-0000-7000-8000-'"
    project, login = f"{start} || repeat('0', 12)", f"{start} || lpad(to_hex(n), 12, '0')"
    of_project = table == "projects"
    return {
        "project_id": project,
        "credential_id": login,
        "id": project if of_project else login,
        "number": "p" if of_project else "n",
        "name": "'project-' || p" if of_project else "'login-' || n",
    }


def _add_template(service: Service) -> None:
    with service.serving(), service.api() as api:
        api.add("template", "registry.example.com/team", "user", "secret-of-a-usual-length")


def _copy(store: sqlite3.Connection, projects: int) -> None:
    store.row_factory = sqlite3.Row
    (template,) = store.execute("SELECT id FROM projects").fetchone()
    for table, condition, own in _TABLES:
        found = store.execute(
            f"SELECT * FROM {table} WHERE {condition}",  # noqa: S608 - constants alone
            (template,),
        )
        row = dict(found.fetchone())
        names = own.split(", ")
        each = 1 if table in {"projects", "project_seeds"} else _EACH
        columns = ", ".join(row)
        marks = ", ".join(f":{column}" for column in row)
        store.executemany(
            f"INSERT INTO {table} ({columns}) VALUES ({marks})",  # noqa: S608 - names of the schema
            (row | own for own in _own(table, names, projects, each)),
        )
    store.execute(
        "UPDATE projects SET credential_count = ?, next_credential_number = ?", (_EACH, _EACH + 1)
    )
    store.execute("ANALYZE")


def _own(table: str, names: list[str], projects: int, each: int) -> Iterator[dict[str, object]]:
    for project in range(2, projects + 2):
        for number in range(1, each + 1):
            values: dict[str, object] = {
                "project_id": _id(project, 0),
                "credential_id": _id(project, number),
                "id": _id(project, 0 if table == "projects" else number),
                "number": project if table == "projects" else number,
                "name": f"project-{project}" if table == "projects" else f"login-{number}",
            }
            yield {name: values[name] for name in names}


def _id(project: int, number: int) -> str:
    return f"{project:08x}-0000-7000-8000-{number:012x}"
