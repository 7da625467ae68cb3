"""What a hand-out is made of: opened logins, and whom an image or a registry gets of them.

A hand-out is kept by who reads it and lasts longer than one pull, so nothing in it may break what
stands beside it: what a form cannot express is left out and named.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from regcred.domain.errors import InvalidInput
from regcred.domain.registry import ImageReference, RegistryAddress, Scope
from regcred.domain.secret import Secret

IDENTITY_TOKEN = "<token>"  # noqa: S105  the user name by which docker marks such a secret
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_BAD_IN_PASSWORDS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""A service account's key, used as a password, is JSON of many lines."""


@dataclass(frozen=True)
class Opened:
    """A login in clear."""

    username: str
    password: Secret
    expires_at: datetime | None

    @cached_property
    def size(self) -> int:
        """How many bytes its password has."""
        return len(self.password.reveal().encode())

    @cached_property
    def flaw(self) -> str:
        """Why it cannot stand as `user:password`, "" if it can.

        Found once: passwords are long, and each image that was named has the login again.
        """
        if not self.username or ":" in self.username or _CONTROLS.search(self.username):
            return "its user name"
        flawed = _BAD_IN_PASSWORDS.search(self.password.reveal())
        return "control characters" if flawed else ""


class Entry(NamedTuple):
    """A stored login at one of its scopes."""

    credential_id: str
    name: str
    scope: Scope | None
    """None: it names no registry."""

    opened: Opened | None
    """None: it is withheld."""


class AskedImage(NamedTuple):
    """An image that was named, with its logins in the order in which resolve has them."""

    reference: ImageReference
    entries: tuple[Entry, ...]

    @property
    def name(self) -> str:
        """The image as the kubelet and podman look it up."""
        return f"{self.reference.registry}/{self.reference.repository}"


@dataclass(frozen=True, slots=True)
class Gathered:
    """All that was asked for, the best first; withheld logins stand among them, not opened."""

    entries: tuple[Entry, ...]
    images: tuple[AskedImage, ...] = ()
    """If images were named, `entries` are theirs alone, at the images' own registries."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A form filled in."""

    body: bytes = field(repr=False)
    used: tuple[Entry, ...]
    """What stands in it."""

    left_out: tuple[tuple[str, str], ...] = ()
    """(name, why) of what could not be expressed."""

    @property
    def expires_at(self) -> datetime | None:
        """When the first of its logins ends."""
        ends = (entry.opened.expires_at for entry in self.used if entry.opened)
        return min((end for end in ends if end is not None), default=None)


Form = Callable[[Gathered], Filled]
"""Fills in a form. Raise InvalidInput if it takes one login and several were asked for."""


class LeftOut:
    """Names what a form leaves out, each login once with the first reason."""

    def __init__(self) -> None:
        self._named: dict[str, str] = {}

    def add(self, entry: Entry, why: str) -> None:
        """Leave an entry out."""
        self._named.setdefault(entry.name, why)

    def all(self) -> tuple[tuple[str, str], ...]:
        """Return (name, why), in the order in which they came."""
        return tuple(self._named.items())


def unfit(opened: Opened, *, identity_tokens: bool = False) -> str:
    """Return why a login cannot stand as `user:password`, "" if it can.

    What is stored was checked when it was typed in; what older versions stored, or a cloud made
    up, was not, and one entry that does not parse breaks every pull of the pod that has it.
    """
    if opened.username == IDENTITY_TOKEN:
        return "" if identity_tokens else "an identity token"
    return opened.flaw


def fit(
    entries: Iterable[Entry], left_out: LeftOut, *, identity_tokens: bool = False
) -> list[tuple[Entry, Opened]]:
    """Return what can be expressed, opened; name what cannot. Withheld logins are neither."""
    found = []
    for entry in entries:
        if entry.opened is None:
            continue
        if why := unfit(entry.opened, identity_tokens=identity_tokens):
            left_out.add(entry, why)
        else:
            found.append((entry, entry.opened))
    return found


def unserved(gathered: Gathered, filled: Filled) -> Iterator[tuple[str, str]]:
    """Yield the images that get nothing beside others that do, and why."""
    used = {entry.credential_id for entry in filled.used}
    for image in gathered.images:
        if not image.entries:
            yield image.name, "no login fits"
        elif not any(entry.opened for entry in image.entries):
            yield image.name, "every login is withheld"
        elif not any(entry.credential_id in used for entry in image.entries):
            yield image.name, "the form takes none of its logins"


def by_registry(gathered: Gathered, left_out: LeftOut) -> dict[Scope, Entry]:
    """Return one login for each registry, for programs that know no more than its name.

    The host-only rule (selection.choose_for_host): logins for the whole registry first, else the
    only one, else none. If images were named, only what comes first for one of them is looked at.
    """
    entries = gathered.entries
    if gathered.images:
        entries = tuple(first for image in gathered.images for first in _live(image.entries)[:1])
    exact: dict[Scope, list[Entry]] = {}
    patterns = []
    for entry in entries:
        if entry.scope is None:
            left_out.add(entry, "no registry")
        elif entry.scope.pattern:
            patterns.append(entry)
        else:
            registry = Scope(entry.scope.host, entry.scope.port)
            exact.setdefault(registry, []).append(entry)
    # A login with a pattern serves the registries that some other login names, and those alone.
    chosen = {
        registry: found
        for registry, here in exact.items()
        if (found := _for_host(registry, [*here, *patterns], left_out)) is not None
    }
    served = {entry.credential_id for entry in chosen.values()}
    for entry in patterns:
        if entry.credential_id not in served:
            left_out.add(entry, "a pattern")
    return chosen


def _for_host(registry: Scope, entries: list[Entry], left_out: LeftOut) -> Entry | None:
    address = RegistryAddress(registry.host, registry.port)
    mine: dict[str, Entry] = {}
    for entry in entries:
        if entry.scope is not None and entry.scope.covers_registry(address):
            mine.setdefault(entry.credential_id, entry)
    whole = [entry for entry in mine.values() if entry.scope is not None and not entry.scope.path]
    if not whole and len(mine) > 1:
        for entry in _live(mine.values()):
            left_out.add(entry, "several at one registry")
        return None
    live = _live(whole or mine.values())
    for entry in live[1:]:
        left_out.add(entry, "another comes first")
    return live[0] if live else None


def the_only(gathered: Gathered, left_out: LeftOut) -> Entry:
    """Return the one login that was asked for. Raise InvalidInput.

    Of one named image that is the login that comes first.
    """
    if len(gathered.images) == 1:
        live = _live(gathered.images[0].entries)
        for entry in live[1:]:
            left_out.add(entry, "another comes first")
        live = live[:1]
    else:
        live = list({entry.credential_id: entry for entry in _live(gathered.entries)}.values())
    if len(live) != 1:
        raise InvalidInput(
            "credential",
            f"must name one login, or image one image: {len(live)} logins are there to hand out",
        )
    return live[0]


def _live(entries: Iterable[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.opened is not None]
