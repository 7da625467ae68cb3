"""regcred doctor [IMAGE]: this machine's wiring, and what the next pull will do."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from regcred import __version__
from regcred.clients.api import RegcredClient
from regcred.clients.cli.options import Output, Project
from regcred.clients.cli.output import Format, Json, structure
from regcred.clients.cli.words import Exit, shown, stop_on
from regcred.clients.config import ClientConfig
from regcred.clients.diagnosis.finding import Finding, Level, fault
from regcred.clients.diagnosis.names import server_of, unresolved
from regcred.clients.diagnosis.node import containerd_findings, kubelet_findings
from regcred.clients.diagnosis.pullers import file_findings, helper_findings
from regcred.clients.diagnosis.pulls import logins_for, pull_findings
from regcred.clients.diagnosis.service import key_findings, service_findings
from regcred.clients.problems import ApiError, ApiProblem
from regcred.clients.wiring.machine import Machine
from regcred.clients.wiring.pullers import pullers


def machine(
    image: Annotated[
        str | None, typer.Argument(metavar="[IMAGE]", help="Say what the next pull of it will do.")
    ] = None,
    project: Project = None,
    root: Annotated[
        Path | None, typer.Option("--root", hidden=True, help="Look at the files below it.")
    ] = None,
    output: Output = Format.table,
) -> None:
    """Look at this machine: service, key, clock, helpers, clients' files, kubelet, containerd."""
    seen = Machine.here(os.environ, root)
    now = datetime.now(UTC)
    found, config = service_findings(os.environ, now)
    if config is not None:
        about_key, known = key_findings(config, now)
        found += about_key
        config = config if known else None
    explained = None
    if image is not None:
        explained, untold = _explained(config, project, image)
        found += untold
    found += _wiring(seen, explained)
    _show(found, image, output)
    if any(one.level is Level.fault for one in found):
        raise typer.Exit(Exit.VERDICT)


def _explained(
    config: ClientConfig | None, project: str | None, image: str
) -> tuple[Json | None, list[Finding]]:
    """Return what the service says of an image. Raise typer.Exit when it is no image."""
    if config is None:
        return None, [fault("pull", "not known: only the service can tell which login IMAGE gets")]
    try:
        with RegcredClient(config, project) as api:
            return api.explain(image), []
    except ApiProblem as problem:
        if problem.slug == "invalid-reference":
            stop_on(problem)
        return None, [fault("pull", f"the service does not explain it: {problem}")]
    except ApiError as why:
        return None, [fault("pull", f"the service does not explain it: {why}")]


def _wiring(seen: Machine, explained: Json | None) -> list[Finding]:
    installed = [puller for puller in pullers(seen) if puller.installed]
    found = [*helper_findings(seen, installed, __version__), *file_findings(installed)]
    reference = (explained or {}).get("reference") or {}
    registry = str(reference.get("registry") or "")
    repository = f"{registry}/{reference.get('repository')}" if registry else ""
    found += kubelet_findings(seen, repository, logins_for(explained or {}, "kubelet-plugin"))
    found += containerd_findings(seen, registry)
    if explained is not None:
        server = server_of(registry)
        if why := unresolved(server):
            found.append(fault("dns", f"{server}: {why}", "look at /etc/resolv.conf"))
        found += pull_findings(seen, installed, explained)
    return found


def _show(found: Sequence[Finding], image: str | None, output: Format) -> None:
    faults = sum(one.level is Level.fault for one in found)
    if output in {Format.json, Format.yaml}:
        rows = [
            {"area": one.area, "level": one.level.value, "what": one.what, "fix": one.fix}
            for one in found
        ]
        structure({"image": image, "faults": faults, "findings": rows}, output)
    elif output is Format.name:
        for area in dict.fromkeys(one.area for one in found if one.level is Level.fault):
            typer.echo(area)
    else:
        _tell(found)


def _tell(found: Sequence[Finding]) -> None:
    for area in dict.fromkeys(one.area for one in found):
        typer.echo(area)
        for one in found:
            if one.area == area:
                typer.echo(f"  {one.level.value:5}  {shown(one.what)}")
                if one.fix:
                    typer.echo(f"         fix: {shown(one.fix)}")
