"""A containerd of a test's own: no CRI, its state in one folder, ended by its process id."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.tools.programs import Daemon, environment, find


@contextlib.contextmanager
def containerd(folder: Path) -> Iterator[Path]:
    """Serve until the block ends; yield the socket that `ctr -a` takes."""
    folder.mkdir(parents=True)
    # A socket's path holds no more than 107 characters.
    with tempfile.TemporaryDirectory(prefix="containerd-", dir="/tmp") as state:
        socket = Path(state) / "c.sock"
        config = folder / "config.toml"
        config.write_text(
            "version = 2\n"
            f"root = {json.dumps(str(folder / 'root'))}\n"
            f"state = {json.dumps(str(Path(state) / 'state'))}\n"
            'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
            f"[grpc]\naddress = {json.dumps(str(socket))}\n"
        )
        daemon = Daemon(
            [find("containerd"), "-c", str(config)],
            env=environment(folder),
            logs=folder / "logs",
            name="containerd",
        )
        try:
            daemon.wait_ready(socket.exists)
            yield socket
        finally:
            daemon.stop()
