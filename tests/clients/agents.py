"""An agent in this process, at a place of a test's own, and where a helper finds it."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from regcred.clients.agent import Agent
from regcred.clients.agent_place import listening, socket_path
from regcred.clients.node.settings import settings_path

Env = dict[str, str]


@contextmanager
def agent_for(env: Env, *, user: int | None = None) -> Iterator[Agent]:
    """Run an agent for the settings and the place that `env` names."""
    stopped = threading.Event()
    with listening(socket_path(env)) as listener:
        agent = Agent(listener, settings_path(env), os.geteuid() if user is None else user)
        thread = threading.Thread(target=agent.run, args=(stopped, None, 0.05))
        thread.start()
        try:
            yield agent
        finally:
            stopped.set()
            thread.join()


@contextmanager
def runtime_folder() -> Iterator[Path]:
    """Yield a user's folder for sockets; a test's own folder may be too long for one."""
    with tempfile.TemporaryDirectory(prefix="run-") as folder:
        yield Path(folder)
