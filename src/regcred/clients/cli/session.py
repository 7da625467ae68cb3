"""One command's connection to the service: what goes wrong inside ends as words and a code."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from regcred.clients.api import RegcredClient
from regcred.clients.cli.words import Exit, stop, stop_on
from regcred.clients.config import ClientConfig, ConfigRefused, load
from regcred.clients.problems import ApiProblem, InvalidName, NotRegcred, ServiceUnreachable


@contextmanager
def service(project: str | None = None) -> Iterator[RegcredClient]:
    """Yield the configured service. Raise typer.Exit."""
    try:
        config = load(os.environ)
    except ConfigRefused as why:
        stop(Exit.DENIED, f"Error: {why}")
    with speaking_to(config, project) as api:
        yield api


@contextmanager
def speaking_to(config: ClientConfig, project: str | None = None) -> Iterator[RegcredClient]:
    """Yield a service. Raise typer.Exit."""
    try:
        with RegcredClient(config, project) as api:
            yield api
    except ApiProblem as problem:
        stop_on(problem)
    except ServiceUnreachable as why:
        stop(
            Exit.UNREACHABLE,
            f"Error: {why}",
            f"Check that it runs, and that {config.url} is its URL.",
        )
    except NotRegcred as why:
        stop(Exit.UNREACHABLE, f"Error: {why}", "Check the URL: `regcred login --url URL`.")
    except InvalidName as why:
        stop(Exit.USAGE, f"Error: {why}")
