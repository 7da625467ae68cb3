"""The machine that is looked at: its files below one root, its environment, its programs.

With another root than / (a disk that is mounted, a tree that a test made) nothing is executed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from regcred.clients.reading import NotPlain, read_plain
from regcred.clients.running import heard
from regcred.clients.wiring.lookup import File

MAX_BYTES = 4 * 1024 * 1024
_SECONDS = 5
_MAX_OUTPUT = 4096
_MAX_LINE = 300


@dataclass(frozen=True, slots=True)
class Program:
    """A file on the PATH with a program's name."""

    path: str
    executable: bool


@dataclass(frozen=True, slots=True)
class Machine:
    """Where configuration is read from."""

    root: Path
    env: Mapping[str, str]
    home: str
    uid: int

    @classmethod
    def here(cls, env: Mapping[str, str], root: Path | None = None) -> Machine:
        """Return the machine that this runs on, or the one whose files are below `root`."""
        return cls(root or Path("/"), env, env.get("HOME") or str(Path.home()), os.geteuid())

    @property
    def real(self) -> bool:
        """Whether programs here are the ones that run."""
        return self.root == Path("/")

    def at(self, path: str) -> Path:
        """Return where a path of that machine is."""
        return self.root / Path(path).absolute().relative_to("/")

    def file(self, path: str) -> File:
        """Return a file as a program finds it."""
        try:
            text, _ = read_plain(self.at(path), MAX_BYTES)
        except (FileNotFoundError, NotADirectoryError):
            return File(path, None)
        except OSError as error:
            return File(path, None, f"it cannot be read: {error.strerror}")
        except NotPlain as why:
            return File(path, None, f"it {why}")
        return File(path, text.decode(errors="replace"))

    def names(self, folder: str) -> list[str]:
        """Return what is in a folder, sorted; [] where there is none to be read."""
        try:
            return sorted(one.name for one in self.at(folder).iterdir())
        except OSError:
            return []

    def programs(self, name: str) -> list[Program]:
        """Return every file of that name on the PATH, in its order."""
        found: list[Program] = []
        for folder in self.env.get("PATH", "").split(":"):
            path = f"{folder or '.'}/{name}"
            if self.at(path).is_file() and path not in {one.path for one in found}:
                found.append(Program(path, os.access(self.at(path), os.X_OK)))
        return found

    def program(self, name: str) -> str | None:
        """Return the program that is run by a name: files that are not executable are passed."""
        return next((one.path for one in self.programs(name) if one.executable), None)

    def says(self, path: str, *arguments: str) -> tuple[bool, str]:
        """Run a program of this machine; return whether it succeeded, and its first line."""
        try:
            code, said = heard([path, *arguments], self.env, _SECONDS, _MAX_OUTPUT)
        except OSError as error:
            return False, str(error.strerror)
        if code is None:
            return False, f"no answer within {_SECONDS} s"
        return code == 0, said.decode(errors="replace").strip().partition("\n")[0][:_MAX_LINE]

    def version(self, name: str) -> tuple[int, ...]:
        """Return the version that an installed program says it has, () where that is unknown."""
        path = self.program(name) if self.real else None
        said = self.says(path, "--version")[1] if path else ""
        found = re.search(r"\d+(?:\.\d+)+", said)
        return tuple(map(int, found.group().split("."))) if found else ()

    def _trusts(self, path: str) -> bool:
        try:
            return self.at(path).stat().st_uid in {0, self.uid}
        except OSError:
            return False

    def command_lines(self) -> list[list[str]]:
        """Return the command lines of what root runs there, and this user unless it is root.

        Anybody else may call a process as they like, and root would follow what it names.
        """
        found = []
        for process in self.names("/proc"):
            if process.isdigit() and self._trusts(f"/proc/{process}"):
                line = self.file(f"/proc/{process}/cmdline").text or ""
                found.append(line.rstrip("\0").split("\0"))
        return found
