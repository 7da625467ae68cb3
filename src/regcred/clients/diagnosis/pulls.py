"""What the next pull of one image will do, client by client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from regcred.clients.diagnosis.finding import Finding, Level, fault, grouped, note, ok
from regcred.clients.wiring.docker_config import DEFAULT
from regcred.clients.wiring.helpers import PREFIX, state_of
from regcred.clients.wiring.lookup import Answer, End, Kind, Lookup, Outcome, Step, walk
from regcred.clients.wiring.machine import Machine
from regcred.clients.wiring.pullers import Puller
from regcred.clients.wiring.routes import REGCRED

# Which of explain's clients asks the helper as this one does.
_ASKS_LIKE = {"buildah": "podman", "skopeo": "podman"}


def pull_findings(
    machine: Machine, installed: Sequence[Puller], explained: Mapping[str, Any]
) -> list[Finding]:
    """Return what each client would do, from its files and from what the service would answer."""
    reference = explained["reference"]
    repository = f"{reference['registry']}/{reference['repository']}"
    clients = explained.get("clients") or {}
    found: list[tuple[str, list[Finding]]] = []
    for puller in installed:
        asks_like = puller.name if puller.name in clients else _ASKS_LIKE.get(puller.name, "")
        would = logins_for(explained, asks_like)
        lookup = puller.lookup(repository)
        outcome = walk(lookup, partial(_answer, machine, would))
        told = _told(lookup, outcome, would, reference["registry"])
        if told.level is not Level.fault and not would and outcome.decides is None:
            told = _untold(outcome, explained, asks_like) or told
        found.append((puller.name, [told]))
    return grouped(found)


def _untold(outcome: Outcome, explained: Mapping[str, Any], client: str) -> Finding | None:
    """Return why a client gets none of the logins that there are, None where there are none."""
    candidates = explained.get("candidates") or []
    if not candidates:
        return None
    asked = [step for step in outcome.asked if step.helper == REGCRED]
    what = f"is anonymous: regcred, asked {_asked(asked[0])}," if asked else "is anonymous: regcred"
    covering = [one for one in candidates if one.get("rank") is not None]
    first = (covering or candidates)[0]
    name = (first.get("credential") or {}).get("name")
    if not covering:
        return note("pull with", f"{what} has {name}, but not for it: {first.get('rule')}")
    notes = ((explained.get("clients") or {}).get(client) or {}).get("notes") or []
    why = first.get("reason") or "; ".join(map(str, notes)) or first.get("rule")
    what = f"{what} has {name}, and does not give it to this client: {why}"
    if first.get("withheld"):
        return fault("pull with", what, f"regcred credential verify {name}")
    registry = explained["reference"]["registry"]
    return fault("pull with", what, f"store a login for all of {registry}: regcred credential add")


def _answer(machine: Machine, would: Sequence[str], step: Step) -> Answer:
    if not state_of(machine, step.helper).runs:
        return Answer.fails
    if step.helper != REGCRED:
        return Answer.login  # Nobody but that helper knows; it is told as a note.
    return Answer.login if would else Answer.nothing


def logins_for(explained: Mapping[str, Any], client: str) -> list[str]:
    """Return the names of the logins that the service would hand a client, in its order."""
    behaviour = (explained.get("clients") or {}).get(client) or {}
    return [str((one.get("credential") or {}).get("name")) for one in behaviour.get("tried") or []]


def _told(lookup: Lookup, outcome: Outcome, would: Sequence[str], registry: str) -> Finding:
    name, step = "pull with", outcome.decides
    if outcome.end is End.fails and step is not None:
        return fault(name, f"fails: {_why(step)}", _mend(step))
    if step is None:
        return _anonymous(name, outcome, would, registry)
    if step.helper == REGCRED:
        return ok(name, f"gets the login {would[0]} from regcred, asked {_asked(step)}")
    if step.kind is Kind.helper:
        what = f"asks {PREFIX}{step.helper}, not regcred, {_asked(step)}"
        if not would:
            return note(name, what)
        fix = f"regcred docker install --registry {registry}"
        return note(name, f"{what}; regcred has {would[0]}", fix)
    what = f"uses the login stored in {step.file} as {step.key}"
    behind = any(one.helper == REGCRED for one in lookup.steps)
    if would:
        after = "regcred's helper fails" if outcome.asked and behind else "regcred is not asked"
        fix = f"take {step.key} out of {step.file}, then regcred docker install -r {registry}"
        return fault(name, f"{what}: {after}, and it has {would[0]}", fix)
    return note(name, what)


def _anonymous(name: str, outcome: Outcome, would: Sequence[str], registry: str) -> Finding:
    asked = [step for step in outcome.asked if step.helper == REGCRED]
    if asked and not would:
        what = f"is anonymous: regcred, asked {_asked(asked[0])}, has no login for it"
        return note(name, what)
    if not would:
        return note(name, "is anonymous: no login is set up here, and regcred has none either")
    if outcome.asked:
        step = outcome.asked[-1]
        return fault(name, f"is anonymous: {_why(step)}", _mend(step))
    what = f"is anonymous: regcred has {would[0]}, and is not asked"
    return fault(name, what, f"regcred docker install --registry {registry}")


def _asked(step: Step) -> str:
    return f"about {step.key} because of {step.file}"


def _why(step: Step) -> str:
    if step.kind is Kind.broken:
        return f"{step.file}: {step.why}"
    return f"{PREFIX}{step.helper}, which {step.file} names, cannot be run"


def _mend(step: Step) -> str:
    if step.kind is Kind.broken:
        return f"mend {step.file}"
    if step.helper == REGCRED:
        return "regcred docker install"
    if step.file.startswith(DEFAULT):
        return f"install {PREFIX}{step.helper}, or regcred docker install --registry HOST"
    return f"install {PREFIX}{step.helper}, or take its name out of {step.file}"
