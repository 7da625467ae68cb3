"""Credential helpers on the PATH: which one is run, and whether it can be."""

from __future__ import annotations

from dataclasses import dataclass

from regcred.clients.wiring.machine import Machine

PREFIX = "docker-credential-"


@dataclass(frozen=True, slots=True)
class Helper:
    """A helper as clients find it."""

    name: str
    """Its suffix, as configuration names it."""

    path: str | None
    """The program that is run, None when there is none."""

    version: str = ""
    """What it says of itself, where it was asked."""

    fault: str = ""

    others: tuple[str, ...] = ()
    """Programs of that name further down the PATH."""

    @property
    def runs(self) -> bool:
        """Whether clients can run it."""
        return self.path is not None and not self.fault


def state_of(machine: Machine, name: str) -> Helper:
    """Return what clients find when they look for a helper.

    Only regcred's own is asked for its version: many others know no such question.
    """
    programs = machine.programs(PREFIX + name)
    executable = [one.path for one in programs if one.executable]
    if not executable:
        path = f"{programs[0].path} is not executable" if programs else "it is not on PATH"
        return Helper(name, None, fault=path)
    path, *others = executable
    if name != "regcred" or not machine.real:
        return Helper(name, path, others=tuple(others))
    runs, said = machine.says(path, "version")
    if not runs:
        return Helper(name, path, fault=f"{path} does not run: {said}", others=tuple(others))
    return Helper(name, path, said.rpartition(" ")[2], others=tuple(others))
