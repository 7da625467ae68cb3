"""What an import would do: one row for each login and for each entry that is no login.

The one thing you would get wrong: a stored password is not readable, so `same` says that the same
user's login for the same place is stored, and `why` says whether the passwords were compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from regcred.clients.calls import Json
from regcred.clients.importing.found import Found, NotImportable, Skipped, Source

_MAX_NAME = 63
_MAX_PREFIX = 40

UNTYPED = "its password is to be typed in: --ask, or --secrets-file"

ReadBack = Callable[[Json], str | None]
"""Returns the password of a stored login, or None where it cannot be had."""


class Action(StrEnum):
    """What would happen to a row."""

    CREATE = "create"
    UPDATE = "update"
    SAME = "same"
    DIFFERS = "differs"
    SKIP = "skip"


@dataclass(slots=True)
class Row:
    """A login, or an entry that is none, and what happens to it."""

    action: Action
    name: str
    registry: str
    username: str
    sources: list[Source]
    why: str = ""
    provider: str = ""
    broken: bool = False
    secrets: list[str] = field(default_factory=list, repr=False)
    """The passwords that were found, each once, as they came."""

    stored: Json | None = None
    result: str = ""
    """What became of it: created, updated, refused or failed."""

    @property
    def to_store(self) -> bool:
        """Whether something is to be stored that was not stored yet."""
        return self.action in {Action.CREATE, Action.UPDATE} and not self.result

    def shown(self) -> Json:
        """Return the row as data, without a secret."""
        return {
            "action": str(self.action),
            "name": self.name,
            "registry": self.registry,
            "username": self.username,
            "sources": [source._asdict() for source in self.sources],
            "why": self.why,
            "result": self.result or None,
        }


@dataclass(frozen=True, slots=True)
class Choices:
    """What the caller decided about the plan."""

    prefix: str = ""
    update: bool = False
    """Replace the passwords of what is stored: those that differ, or all if none is compared."""

    verify: bool = False
    """Whether a registry will be asked, so that of several passwords one can be chosen."""

    read_back: ReadBack | None = None


def plan(entries: Iterable[Found | Skipped], stored: Sequence[Json], choices: Choices) -> list[Row]:
    """Return the rows, logins in the order in which they were found, what is no login last."""
    groups: dict[tuple[str, str, str], Row] = {}
    skipped = []
    for entry in entries:
        if isinstance(entry, Skipped):
            source = entry.source
            skipped.append(
                Row(Action.SKIP, "", source.key, "", [source], entry.why, broken=entry.broken)
            )
            continue
        key = (entry.name, entry.registry, entry.username)
        new = Row(Action.CREATE, entry.name, entry.registry, entry.username, [], "", entry.provider)
        row = groups.setdefault(key, new)
        row.sources.append(entry.source)
        if entry.secret and entry.secret not in row.secrets:
            row.secrets.append(entry.secret)
    places = _by_place(stored)
    names = {str(one.get("name")): one for one in stored}
    taken = set(names)
    for row in groups.values():
        _decide(row, names.get(row.name) if row.name else None, places, choices)
        if row.stored is None and row.action is Action.CREATE and not row.name:
            row.name = _new_name(row, choices.prefix, taken)
        taken.add(row.name)
        _choose(row, choices)
    return [*groups.values(), *skipped]


def _decide(
    row: Row, named: Json | None, places: Mapping[tuple[str, str], Json], choices: Choices
) -> None:
    """Say what is to be done about a login, apart from which password is the right one."""
    if named is not None and not _is(row, named):
        row.action = Action.DIFFERS
        row.why = (
            f"this name is stored for {named.get('username')} at "
            f"{named.get('registry_url') or 'no registry'}"
        )
        return
    found = named or places.get((row.registry, row.username))
    if found is None or (row.name and named is None):
        return
    row.stored = found
    row.name = str(found.get("name"))
    known = choices.read_back(found) if choices.read_back else None
    if known is not None and known in row.secrets:
        row.action, row.why = Action.SAME, "stored, with this password"
    elif choices.update:
        row.action = Action.UPDATE
        row.why = "its password is replaced" + ("" if known is None else ": another is stored")
    elif known is not None:
        row.action, row.why = Action.DIFFERS, "another password is stored: --update replaces it"
    else:
        row.action, row.why = Action.SAME, "stored; the passwords were not compared"


def _choose(row: Row, choices: Choices) -> None:
    """Skip what has no password yet, and what would be a guess: which of several is the one."""
    if row.to_store and not row.secrets:
        row.action, row.why = Action.SKIP, UNTYPED
    elif row.to_store and not row.username and row.stored is None:
        row.action, row.why, row.broken = Action.SKIP, "its user name is to be given as well", True
    if row.to_store and len(row.secrets) > 1 and not choices.verify:
        row.action, row.broken = Action.SKIP, True
        row.why = (
            f"{len(row.secrets)} passwords for one login: --verify takes what its registry accepts"
        )


def _is(row: Row, stored: Json) -> bool:
    """Whether a login is for what the stored one of its name is for."""
    # What the source does not know cannot differ.
    same_user = row.username in {"", stored.get("username")}
    return same_user and (not row.registry or row.registry in _places(stored))


def _places(stored: Json) -> list[str]:
    scopes = stored.get("scopes")
    return list(map(str, scopes)) if isinstance(scopes, list) else []


def _by_place(stored: Iterable[Json]) -> dict[tuple[str, str], Json]:
    found: dict[tuple[str, str], Json] = {}
    for one in stored:
        for where in _places(one):
            found.setdefault((where, str(one.get("username"))), one)
    return found


def _new_name(row: Row, prefix: str, taken: set[str]) -> str:
    """Return a name that no login has, made of what the login is for."""
    wanted = f"{row.registry}-{row.username}".lower().replace("*", "any")
    bare = re.sub(r"[^a-z0-9]+", "-", wanted).strip("-")
    for number in range(1, len(taken) + 2):
        end = f"-{number}" if number > 1 else ""
        room = _MAX_NAME - len(end) - len(prefix)
        name = prefix + bare[: max(room, 1)].rstrip("-") + end
        if name not in taken:
            return name
    raise AssertionError  # pragma: no cover  one of so many is free


def check_prefix(prefix: str) -> str:
    """Return a prefix that names may begin with. Raise NotImportable."""
    if len(prefix) > _MAX_PREFIX or not prefix.isprintable() or set(prefix) & set("/\\: "):
        raise NotImportable(
            f"a prefix is at most {_MAX_PREFIX} printable characters without / \\ : or spaces"
        )
    return prefix
