"""regcred agent: a pull asks it instead of starting a connection of its own."""

from __future__ import annotations

import os
import signal
import threading
from typing import Annotated

import typer

from regcred.clients import agent_place
from regcred.clients.agent import Agent
from regcred.clients.agent_place import CannotListen, listening
from regcred.clients.cli.words import Exit, say, stop
from regcred.clients.config import ConfigRefused, load
from regcred.clients.node.settings import settings_path
from regcred.clients.unreadable import close_memory

_OF_THE_HELPER = "REGCRED_ON_ERROR"


def agent(
    idle: Annotated[
        int | None,
        typer.Option(min=1, metavar="SECONDS", help="End when nobody has asked for so long."),
    ] = None,
) -> None:
    """Answer this user's docker helper over an open connection, until stopped."""
    others = sorted(name for name in os.environ if name.startswith("REGCRED_"))
    if others := [name for name in others if name != _OF_THE_HELPER]:
        # A helper without them would get the logins of another service.
        stop(
            Exit.USAGE,
            f"Error: the agent knows what `regcred login` kept, and {others[0]} is set: unset it",
        )
    try:
        load(os.environ)
        place = agent_place.socket_path(os.environ)
        close_memory()
        with listening(place) as listener:
            say(f"Listening at {place}")
            Agent(listener, settings_path(os.environ), os.geteuid()).run(_told_to_stop(), idle)
    except ConfigRefused as why:
        stop(Exit.DENIED, f"Error: {why}")
    except CannotListen as why:
        stop(Exit.FAILED, f"Error: {why}")


def _told_to_stop() -> threading.Event:
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    return stopped
