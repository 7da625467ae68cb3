"""Two ways to run the docker helper: as docker does, and in this process for its parameters."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from regcred.clients import docker_helper

HELPER = Path(docker_helper.__file__)
INTERPRETER = ["/usr/bin/python3", "-ISE"]


class Said(NamedTuple):
    """What came out."""

    code: int
    out: str
    err: str = ""


def run_program(verb: str, stdin: bytes, env: Mapping[str, str], *, program: Path = HELPER) -> Said:
    """Run the helper as a program of its own."""
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
        code, text = docker_helper.main(verb.split(), env, file.fileno())
    return Said(code, text.decode())
