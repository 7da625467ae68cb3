"""Carry a plan out, a row at a time: what is stored when it breaks off stays stored.

What concerns one login alone becomes its row's result; whatever would meet the next row as well
(a key that is refused, a service that is away) is raised.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

from regcred.clients.api import RegcredClient
from regcred.clients.calls import Json
from regcred.clients.importing.plan import Action, Row
from regcred.clients.problems import ApiProblem

_T = TypeVar("_T")

_REFUSED = "credential-rejected"
_OVER_BUDGET = "quota-exceeded"
_OF_ONE_ROW = {"invalid-input", "name-taken", "version-mismatch", "credential-not-found"}
_PROVEN = {"ok", "missing"}
"""What the service takes for proof when storing is tied to it."""

_WAITS = 20
_LONGEST_WAIT = 120

Say = Callable[[str], None]


def check(api: RegcredClient, row: Row, say: Say) -> None:
    """Have a row's registry judge it while nothing is stored; what it turns away is skipped."""
    if not row.to_store or not row.registry:
        return
    accepted, reasons = [], []
    for secret in row.secrets:
        login = {"registry_url": row.registry, "username": row.username, "password": secret}
        try:
            verdict = _patiently(partial(api.verify_login, login), say)
        except ApiProblem as problem:
            _settle(row, problem)
            return
        if verdict.get("verdict") in _PROVEN:
            accepted.append(secret)
        reasons.append(_told(verdict))
    if accepted:
        row.why = "its registry accepts it"
    else:
        row.result, row.why = "refused", "; ".join(dict.fromkeys(reasons))


def store(
    api: RegcredClient, row: Row, labels: Mapping[str, str], say: Say, *, proven: bool
) -> None:
    """Store a row's login, with `proven` the first whose registry accepts it.

    Raise ApiProblem for what does not concern this row alone.
    """
    reasons = []
    for secret in row.secrets:
        try:
            _patiently(partial(_write, api, row, secret, labels, proven), say)
        except ApiProblem as problem:
            if problem.slug == _REFUSED:
                reasons.append(_told(problem.verdict))
                continue
            _settle(row, problem)
        else:
            row.result = "created" if row.action is Action.CREATE else "updated"
        return
    row.result, row.why = "refused", "; ".join(dict.fromkeys(reasons))


def _write(
    api: RegcredClient, row: Row, secret: str, labels: Mapping[str, str], proven: bool
) -> Json:
    if row.stored is not None:
        version = row.stored.get("version")
        changes = {"password": secret}
        return api.update_credential(str(row.stored["id"]), changes, version, proven=proven)
    wanted = {
        "name": row.name,
        "registry_url": row.registry,
        "provider": row.provider,
        "username": row.username,
        "password": secret,
        "labels": dict(labels),
    }
    return api.create_credential({n: v for n, v in wanted.items() if v}, proven=proven)


def _settle(row: Row, problem: ApiProblem) -> None:
    """Make a problem of one login's its result. Raise any other."""
    if problem.slug not in _OF_ONE_ROW:
        raise problem
    row.result, row.why = "failed", str(problem)


def _told(verdict: Mapping[str, object]) -> str:
    """Return a verdict in words."""
    return f"its registry's verdict is {verdict.get('verdict')}. {verdict.get('next_step') or ''}"


def _patiently(act: Callable[[], _T], say: Say) -> _T:
    """Do what may be limited to so many in a minute, as often as the service says wait."""
    for _ in range(_WAITS):
        try:
            return act()
        except ApiProblem as problem:
            if problem.slug != _OVER_BUDGET:
                raise
            seconds = min(max(problem.retry_after, 1), _LONGEST_WAIT)
            say(f"The service limits how many logins are checked in a minute: waiting {seconds} s.")
            time.sleep(seconds)
    return act()
