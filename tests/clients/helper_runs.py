"""Two ways to run a program for nodes: as docker or the kubelet does, and in this process."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from regcred.clients import assembly, docker_helper, kubelet_plugin
from regcred.clients.docker_helper import Asked

_FOLDER = Path(tempfile.mkdtemp(prefix="regcred-programs-"))
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)

HELPER = assembly.place(assembly.DOCKER_HELPER, _FOLDER)
"""The program as it is placed."""

PLUGIN = assembly.place(assembly.KUBELET_PLUGIN, _FOLDER)

INTERPRETER = ["/usr/bin/python3", "-ISE"]


class Said(NamedTuple):
    """What came out."""

    code: int
    out: str
    err: str = ""


def run_program(verb: str, stdin: bytes, env: Mapping[str, str], *, program: Path = HELPER) -> Said:
    """Run the helper, or another, as a program of its own."""
    done = subprocess.run(
        [*INTERPRETER, str(program), *verb.split()],
        input=stdin,
        env=dict(env),
        capture_output=True,
        timeout=30,
        check=False,
    )
    return Said(done.returncode, done.stdout.decode(), done.stderr.decode())


def run_here(verb: str, stdin: bytes, env: Mapping[str, str]) -> Said:
    """Run the helper's main in this process."""
    with tempfile.TemporaryFile() as file:
        file.write(stdin)
        file.flush()
        os.lseek(file.fileno(), 0, os.SEEK_SET)
        code, text = docker_helper.main(verb.split(), env, Asked(file.fileno()))
    return Said(code, text.decode())


def provide(stdin: bytes, env: Mapping[str, str], arguments: str = "") -> Said:
    """Run the kubelet's plugin as a program of its own."""
    return run_program(arguments, stdin, env, program=PLUGIN)


def provide_here(stdin: bytes, env: Mapping[str, str], arguments: str = "") -> Said:
    """Run the plugin's main in this process; `err` is why it failed."""
    with tempfile.TemporaryFile() as file:
        file.write(stdin)
        file.flush()
        os.lseek(file.fileno(), 0, os.SEEK_SET)
        text, why = kubelet_plugin.main(arguments.split(), env, file.fileno())
    return Said(1 if why else 0, text.decode(), why)
