"""What `docker install` and `docker uninstall` change in which file, and what they refuse."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from regcred.clients.wiring.containers_auth import conf_helpers, persistent_auth_file
from regcred.clients.wiring.hub import HUB, HUB_URL, bare
from regcred.clients.wiring.json_edit import masked, put, remove
from regcred.clients.wiring.json_object import Broken, read_object, text, text_map
from regcred.clients.wiring.machine import Machine
from regcred.clients.wiring.pullers import conf_files, docker_file
from regcred.clients.wiring.replacing import Keep, Original, Unusable, copy_of, look
from regcred.clients.wiring.routes import REGCRED

_HUB_KEYS = (HUB_URL, HUB)
"""docker and crane know Docker Hub by the first, podman and skopeo by the second."""

_EMPTY = "{}\n"

_SHOWN = frozenset({"credhelpers", "credsstore"})
_DROP_IN = "99-regcred.conf"
_DROP_IN_HEAD = (
    "# Written by `regcred docker install --registries-conf`, and removed by uninstall.\n"
)


def helper_keys(registry: str) -> tuple[str, ...]:
    """Return how clients spell a registry in credHelpers."""
    name = bare(registry.lower())
    return _HUB_KEYS if name == HUB else (name,)


class OtherHelper(Exception):
    """Another helper is set where regcred's would go."""


@dataclass(frozen=True, slots=True)
class Change:
    """One file's new text."""

    original: Original
    text: str | None
    """None deletes the file."""

    keep: Keep = Keep.none
    """Whether a copy is made first: of a file that never named regcred."""

    @property
    def made(self) -> bool:
        """Whether anything changes."""
        return self.text != self.original.text

    def diff(self) -> Iterator[str]:
        """Yield a unified diff without line ends, every value masked but the names of helpers."""
        path = str(self.original.path)
        before, after = (_lines(side) for side in (self.original.text, self.text))
        yield from difflib.unified_diff(before, after, path, path, lineterm="")


def install(
    machine: Machine,
    keys: Sequence[str],
    *,
    every: bool,
    conf: bool,
    replace: bool,
) -> list[Change]:
    """Return the changes that make clients ask regcred.

    `keys` are names for credHelpers, `every` sets credsStore, `conf` registries.conf's helpers;
    `replace` allows to take another helper's place. Raise Unusable, OtherHelper.
    """
    changes: list[Change] = []
    for path in _json_files(machine):
        original = look(machine.at(path))
        content = original.text if original.text is not None else _EMPTY
        wanted: list[tuple[str, ...]] = [("credHelpers", key) for key in keys]
        if every and path == docker_file(machine):
            wanted.append(("credsStore",))
        content = _put_all(original, content, wanted, replace=replace)
        if wanted:
            first = f'"{REGCRED}"' not in (original.text or "")
            changes.append(Change(original, content, Keep.first if first else Keep.none))
    if conf:
        changes.append(_drop_in(machine))
    return changes


def uninstall(machine: Machine) -> list[Change]:
    """Return the changes that take out every entry that names regcred. Raise Unusable."""
    changes = []
    for path in _json_files(machine):
        original = look(machine.at(path))
        if original.text is not None:
            content = _taken_out(original, original.text)
            # What install found was copied: without a copy it was install that made the file.
            made_here = content == _EMPTY != original.text and not copy_of(original).exists()
            changes.append(Change(original, None if made_here else content))
    drop_in = look(machine.at(_drop_in_path(machine)))
    if drop_in.text is not None and drop_in.text.startswith(_DROP_IN_HEAD):
        changes.append(Change(drop_in, None))
    return changes


def _json_files(machine: Machine) -> list[str]:
    files = (docker_file(machine), persistent_auth_file(machine.env, machine.home))
    # Two names of one file are one change: a second would find what it planned on changed.
    by_target = {os.path.realpath(machine.at(path)): path for path in reversed(files)}
    return [path for path in files if by_target[os.path.realpath(machine.at(path))] == path]


def _put_all(
    original: Original, content: str, wanted: Iterable[tuple[str, ...]], *, replace: bool
) -> str:
    try:
        found = read_object(content)
        helpers = text_map(found, "credHelpers")
        for path in wanted:
            if len(path) == 1:
                other, what = text(found, "credsStore"), "every registry"
            else:
                other, what = helpers.get(path[1], ""), path[1]
            if other not in {"", REGCRED} and not replace:
                raise OtherHelper(
                    f"{original.path} asks docker-credential-{other} about {what}: "
                    "--replace-store puts regcred in its place"
                )
            if other != REGCRED:
                content = put(content, path, REGCRED)
    except Broken as why:
        raise Unusable(original.path, f"is left alone: {why}") from None
    return content


def _taken_out(original: Original, content: str) -> str:
    try:
        found = read_object(content)
        ours = [k for k, v in text_map(found, "credHelpers").items() if v == REGCRED]
        for key in ours:
            content = remove(content, ("credHelpers", key))
        if text(found, "credsStore") == REGCRED:
            content = remove(content, ("credsStore",))
    except Broken as why:
        raise Unusable(original.path, f"is left alone: {why}") from None
    return content


def _drop_in_path(machine: Machine) -> str:
    return f"{machine.home}/.config/containers/registries.conf.d/{_DROP_IN}"


def _drop_in(machine: Machine) -> Change:
    """Return a file of our own beside registries.conf, so that nobody's file is edited.

    It repeats the helpers that were named before, because the last file's list counts whole.
    """
    path = _drop_in_path(machine)
    original = look(machine.at(path))
    if original.text is not None and not original.text.startswith(_DROP_IN_HEAD):
        raise Unusable(original.path, "is left alone: it was not written by regcred")
    others = [one for one in conf_files(machine, podman=True) if one != path]
    try:
        named, _ = conf_helpers(machine.file(one) for one in others)
    except Broken as why:
        raise Unusable(original.path, f"is not written: {why}") from None
    listed = [REGCRED, *(one for one in named if one != REGCRED)]
    # A list of texts is written in TOML as it is in JSON.
    return Change(original, f"{_DROP_IN_HEAD}credential-helpers = {json.dumps(listed)}\n")


def _lines(side: str | None) -> list[str]:
    if side is None:
        return []
    return (masked(side, _SHOWN) if side.lstrip().startswith("{") else side).splitlines()
