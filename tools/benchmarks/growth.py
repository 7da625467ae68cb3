"""A page of a project's logins, in a store of 1,000 and in one of a million (10,000 projects).

The rows are written into the stopped store directly, as the service would leave them: over the API
a million would take an hour. Lists open no secret, so all share one that is sealed for the first.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing

from benchmarks.common import SERVER_CORES, Bench, Goal, in_rounds, request, write_requests

from tests.tools.service import Service

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


def measure(bench: Bench) -> None:
    """Measure the same page in both stores, in turns."""
    small, large = (_filled(bench, size) for size in (_SMALL, _LARGE))
    with small.serving(cores=SERVER_CORES), large.serving(cores=SERVER_CORES):
        asks = {
            one: write_requests(one.folder / "pages.json", _pages(one.key, size // _EACH))
            for one, size in ((small, _SMALL), (large, _LARGE))
        }

        def page(of: Service) -> float:
            return float(bench.load(of.port, asks[of], connections=_CONNECTIONS)["p99_ms"])

        page(small), page(large)
        few, many = in_rounds(bench.rounds, lambda: page(small), lambda: page(large))
    bench.add(f"page of {_PAGE}, {_SMALL:,} logins: p99", "ms", few)
    bench.add(f"page of {_PAGE}, {_LARGE:,} logins: p99", "ms", many)
    bench.compare("p99 of a page, a million / a thousand", many, few, _FLAT)


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
    with service.serving(), service.api() as api:
        api.add("template", "registry.example.com/team", "user", "secret-of-a-usual-length")
    with closing(sqlite3.connect(service.data / "store" / "regcred.db")) as store, store:
        store.execute("PRAGMA foreign_keys=OFF")
        _copy(store, size // _EACH)
    return service


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
