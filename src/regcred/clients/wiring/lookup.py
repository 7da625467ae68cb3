"""What a client does to find a login, in order, before it knows what helpers will answer."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from regcred.clients.wiring.json_object import Broken, text


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

    part: int = 0
    """Steps of one part are given up together when one of them fails."""

    fallback: bool = False
    """Whether it counts only after a helper has failed."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """A client's search for one image's login."""

    steps: tuple[Step, ...]
    strict: bool = False
    """Whether a broken file or a helper that fails ends a pull that finds no login elsewhere.

    Else the pull goes on without one.
    """


class Answer(StrEnum):
    """What a helper does when it is asked."""

    login = "login"
    nothing = "nothing"
    fails = "fails"
    """It is missing, cannot be run, or says anything but that it has nothing."""


class End(StrEnum):
    """How a search ends."""

    login = "login"
    anonymous = "anonymous"
    fails = "fails"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a search comes to."""

    end: End
    asked: tuple[Step, ...]
    """The helpers that are asked, in order."""

    decides: Step | None = None
    """Where the login comes from, or what fails."""


def walk(lookup: Lookup, answers: Callable[[Step], Answer]) -> Outcome:
    """Return what a search comes to when helpers answer so."""
    asked: list[Step] = []
    failed: Step | None = None
    for step in lookup.steps:
        if failed is not None and lookup.strict and failed.part == step.part:
            continue
        if step.kind is Kind.helper:
            asked.append(step)
            answer = answers(step)
            if answer is Answer.login:
                return Outcome(End.login, tuple(asked), step)
            failed = step if answer is Answer.fails else failed
        elif step.kind is Kind.broken:
            failed = step if lookup.strict else failed
        elif not step.fallback or failed is not None:
            return Outcome(End.login, tuple(asked), step)
    if failed is not None and lookup.strict:
        return Outcome(End.fails, tuple(asked), failed)
    return Outcome(End.anonymous, tuple(asked))


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

    def readable(self) -> str:
        """Return the text. Raise Broken when there is none to be had."""
        if self.text is None:
            raise Broken(self.fault or "it is not there")
        return self.text


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
