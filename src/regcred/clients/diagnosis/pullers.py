"""The clients that look for logins themselves: their files, and the helpers these name."""

from __future__ import annotations

from collections.abc import Sequence

from regcred.clients.diagnosis.finding import Finding, fault, grouped, note, ok
from regcred.clients.wiring.docker_config import DockerConfig
from regcred.clients.wiring.helpers import PREFIX, Helper, state_of
from regcred.clients.wiring.lookup import Kind
from regcred.clients.wiring.machine import Machine
from regcred.clients.wiring.pullers import Puller
from regcred.clients.wiring.routes import EVERY, REGCRED, Route, routes

_INSTALL = "regcred docker install --registry HOST"


def helper_findings(machine: Machine, installed: Sequence[Puller], version: str) -> list[Finding]:
    """Return the state of regcred's helper, and of each other one that a client's files name."""
    ours = state_of(machine, REGCRED)
    found = [_ours(ours, version)]
    found += [
        note("helper", f"{other} is passed over: {ours.path} comes first on PATH")
        for other in ours.others
    ]
    for name in sorted({step.helper for puller in installed for step in _asked(puller)}):
        state = state_of(machine, name)
        if name != REGCRED and not state.runs:
            users = [p.name for p in installed if name in {step.helper for step in _asked(p)}]
            what = f"{PREFIX}{name}: {state.fault}, and {', '.join(users)} would run it"
            found.append(fault("helper", what, f"install {PREFIX}{name}, or take its name out"))
    return found


def file_findings(installed: Sequence[Puller]) -> list[Finding]:
    """Return each client's broken files, and which registries it asks regcred about."""
    return grouped(
        (puller.name, [*_broken(puller), *_variable(puller), *_routes(puller, routes(puller))])
        for puller in installed
    )


def _ours(helper: Helper, version: str) -> Finding:
    if not helper.runs:
        return fault("helper", f"{PREFIX}{REGCRED}: {helper.fault}", "regcred docker install")
    if helper.version and helper.version != version:
        what = f"{helper.path} is {helper.version}, and this is regcred {version}"
        return note("helper", what, "regcred docker install")
    return ok("helper", f"{helper.path} runs")


def _asked(puller: Puller) -> list[Route]:
    return [route for route in routes(puller) if route.helper]


def _broken(puller: Puller) -> list[Finding]:
    lookup = puller.lookup("registry.invalid")
    ends = "no image can be pulled" if lookup.strict else "no login in it is used"
    return [
        fault("", f"{step.file}: {step.why}: {ends}", f"mend {step.file}")
        for step in lookup.steps
        if step.kind is Kind.broken
    ]


def _variable(puller: Puller) -> list[Finding]:
    if puller.variable_unread:
        what = "DOCKER_AUTH_CONFIG is set, and docker reads it only since 28.3"
        return [note("", what, "update docker, or use regcred's helper")]
    if puller.variable is None:
        return []
    what = "DOCKER_AUTH_CONFIG is set: its logins come before every helper"
    return [note("", what, "unset DOCKER_AUTH_CONFIG")]


def _routes(puller: Puller, found: Sequence[Route]) -> list[Finding]:
    asked = [route.registry for route in found if route.regcred]
    notes = [note("", f"{route.registry}: {told}") for route in found for told in route.notes]
    if asked:
        return [ok("", f"asks regcred about {', '.join(asked)}"), *notes]
    store = puller.reads.store if isinstance(puller.reads, DockerConfig) else ""
    others = f"; {EVERY} is asked of {PREFIX}{store}" if store else ""
    return [note("", f"asks regcred about no registry{others}", _INSTALL), *notes]
