"""What a client does to find a login, in order, before it knows what helpers will answer."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from regcred.clients.wiring.json_object import Broken, text

HUB = "https://index.docker.io/v1/"
"""What docker and crane call Docker Hub; podman, buildah and skopeo say docker.io."""


class Kind(StrEnum):
    """What one step of a search is."""

    helper = "helper"
    """A helper is asked. It may have nothing, and the search goes on."""

    stored = "stored"
    """A login stands in the file, and the search ends with it."""

    broken = "broken"
    """A file cannot be understood."""


@dataclass(frozen=True, slots=True)
class Step:
    """One place where a login may come from."""

    kind: Kind
    file: str
    """The file that decides it."""

    key: str = ""
    """What the helper is asked about, or which entry holds the login."""

    helper: str = ""
    """The helper's suffix: `regcred` is the program docker-credential-regcred."""

    why: str = ""
    """What is wrong with a broken file."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """A client's search for one image's login."""

    steps: tuple[Step, ...]
    ends: bool = False
    """Whether a pull without a login fails here instead of going on anonymously."""

    helper_needed: bool = False
    """Whether a helper that fails or is missing ends the pull; else it goes on without a login."""

    @property
    def helpers(self) -> tuple[Step, ...]:
        """Return the steps that ask a helper."""
        return tuple(step for step in self.steps if step.kind is Kind.helper)


@dataclass(frozen=True, slots=True)
class File:
    """A configuration file as it was found: a text, or why there is none to be had."""

    path: str
    text: str | None
    """None when there is no file, or none that can be read."""

    fault: str = ""

    @property
    def found(self) -> bool:
        """Whether something is there, readable or not."""
        return self.text is not None or bool(self.fault)


def stored_user(entry: Mapping[str, object]) -> str:
    """Return the user in an entry's `auth`, "" where there is none. Raise Broken for bad base64."""
    try:
        plain = b64decode(text(entry, "auth").replace("\r", "").replace("\n", ""), validate=True)
    except ValueError:
        raise Broken("an entry's auth is not base64") from None
    user, colon, _ = plain.decode(errors="replace").partition(":")
    return user if colon else ""


def components(repository: str) -> list[str]:
    """Return a repository and what holds it: `h/a/b`, `h/a`, `h`."""
    parts = repository.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]
