"""A page costs the same in a small store and in a large one: every statement walks an index."""

from __future__ import annotations

import re

import pytest

from regcred.adapters.storage.sql import (
    audit,
    checks,
    clusters,
    deliveries,
    events,
    fetch_log,
    fetches,
    handouts,
    listing,
    resolve,
    webhooks,
    workloads,
)
from regcred.adapters.storage.sqlite import SqliteStore
from regcred.domain.event import EventKind
from regcred.domain.ports import AuditFilter, CredentialFilter, EventFilter
from regcred.domain.verdict import VerdictKind
from tests.adapters.storage.samples import HOST, START, new_id

LISTS = [
    CredentialFilter(),
    CredentialFilter(name="a"),
    CredentialFilter(provider="a"),
    CredentialFilter(username="a"),
    CredentialFilter(verdict=VerdictKind.OK),
    CredentialFilter(registry=HOST),
    CredentialFilter(label=("a", "b")),
    CredentialFilter(label=("a", None)),
    CredentialFilter(registry=HOST, label=("a", None), username="b"),
]
AUDITS = [
    AuditFilter(),
    AuditFilter(action="a"),
    AuditFilter(action="credential.revealed"),
    AuditFilter(principal="a"),
    AuditFilter(target="a"),
    AuditFilter(action="a", target="b", since=START),
]
EVENTS = [
    EventFilter(),
    EventFilter(EventKind.VERDICT_CHANGED),
    EventFilter(credential_id=new_id()),
    EventFilter(EventKind.EXPIRY_NEAR, new_id()),
]
RESOLVES = [
    (project, 2 + prefixes)
    for project in (resolve._HOME, resolve._ID, resolve._NUMBER)
    for prefixes in (0, 1, 3, 128)
]
STATEMENTS = [
    *map(listing._statement, LISTS),
    *map(audit._page, AUDITS),
    *map(events._page, EVENTS),
    checks._ANY_CHECK,
    checks._CHECKS,
    checks._UNPLANNED,
    checks._ANY_NOTICE,
    checks._NOTICES,
    *(deliveries._COUNT_UP, deliveries._DUE, deliveries._FIRST, deliveries._MOVE),
    *(deliveries._OVERFLOW, deliveries._COUNT_ANEW, deliveries._DROP_OLDEST, deliveries._LET_GO),
    *(deliveries._HELD, deliveries._DONE, deliveries._PUT_OFF),
    events._OLDEST,
    fetches._PAGE,
    *(fetch_log._EXCESS, fetch_log._FORGET),
    *(webhooks._FIND, webhooks._PAGE, webhooks._COUNT, webhooks._SEALED, webhooks._DROP),
    listing._AT_OFFSET,
    listing._OF_IDS,
    handouts._OF_IDS,
    listing._COUNT,
    audit._FLOOR,
    *(resolve._statement(*shape, key=True) for shape in RESOLVES),
    *(resolve._statement(*shape, key=True, crowded=True) for shape in RESOLVES),
    *(resolve._statement(*shape, key=False) for shape in RESOLVES if shape[0] != resolve._HOME),
    *(workloads._ANYWHERE, workloads._BY_ID, workloads._BY_NUMBER),
    *(workloads._WORKLOAD_AT, workloads._WORKLOADS),
    *(clusters._CLUSTER_NAMED, clusters._CLUSTERS, clusters._USED),
]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_it_seeks_and_never_sorts(sqlite_store: SqliteStore, statement: str) -> None:
    plan = _plan(sqlite_store, statement)

    assert plan
    scans = [step for step in plan if step.startswith("SCAN") and "VIRTUAL TABLE" not in step]
    assert not scans + [step for step in plan if "FOR ORDER BY" in step]


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (checks._DUE, "checks_due"),
        (checks._TO_PLAN, "projects_to_replan"),
        (deliveries._DUE, "webhooks_due (<expr><?)"),
        (deliveries._DUE, "webhooks_claimed (project_id=? AND held_until>?)"),
    ],
)
def test_a_look_at_what_is_due_sees_nothing_else(
    sqlite_store: SqliteStore, statement: str, index: str
) -> None:
    """The indexes hold only rows that may be due, or that are claimed."""
    plan = _plan(sqlite_store, statement)

    assert any(index in step for step in plan)
    assert not any("FOR ORDER BY" in step for step in plan)


def _plan(store: SqliteStore, statement: str) -> list[str]:
    names = re.findall(r":(\w+)", statement)
    numbered = set(re.findall(r"\?\d", statement))
    unnamed = len(numbered) or statement.count("?")
    parameters: object = dict.fromkeys(names) if names else (None,) * unnamed
    return [
        row[3]
        for row in store._reader.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)  # type: ignore[arg-type]  # either kind of parameters
    ]
