"""What a person knows of logins whose passwords no API shows: a private file, or answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from regcred.clients.importing.docker_auths import document
from regcred.clients.importing.files import read_text
from regcred.clients.importing.found import Found, NotImportable, Skipped, place, usable

_FIELDS = {"username", "password", "registry"}


class Typed(NamedTuple):
    """What was typed in about one login; "" for what was not."""

    password: str
    username: str = ""
    registry: str = ""

    def __repr__(self) -> str:
        return "Typed(…)"


def read_secrets_file(path: Path) -> dict[str, Typed]:
    """Return what a file says, by name. Raise NotImportable."""
    found = {}
    for name, value in document(read_text(path, private=True)).items():
        fields = {"password": value} if isinstance(value, str) else value
        if (
            not isinstance(fields, dict)
            or not set(fields) <= _FIELDS
            or "password" not in fields
            or not all(isinstance(one, str) for one in fields.values())
        ):
            raise NotImportable(
                f"{name!r} is neither a password nor an object of password, username and registry"
            )
        found[name] = Typed(**fields)
    return found


def completed(
    entries: Iterable[Found | Skipped], typed: Mapping[str, Typed]
) -> Iterator[Found | Skipped]:
    """Yield logins with what was typed in about them; those of which nothing was, as they are."""
    for entry in entries:
        about = typed.get(entry.name) if isinstance(entry, Found) else None
        if not isinstance(entry, Found) or about is None:
            yield entry
            continue
        try:
            yield complete(entry, about)
        except NotImportable as why:
            yield Skipped(entry.source, str(why))


def complete(entry: Found, about: Typed) -> Found:
    """Return a login with its password. Raise NotImportable."""
    registry = about.registry and place(about.registry, paths_after_scheme=True)
    return usable(
        replace(
            entry,
            secret=about.password,
            username=about.username or entry.username,
            registry=registry or entry.registry,
        )
    )
