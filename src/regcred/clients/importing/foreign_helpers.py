"""What another program's credential helper keeps, asked for as docker asks.

Its stderr is not passed on, nor what it answers when it fails: either may hold a secret.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator, Mapping

from regcred.clients.importing.docker_auths import OURS, OURS_KEEPS, checked
from regcred.clients.importing.found import (
    SESSION,
    Found,
    NotImportable,
    Skipped,
    Source,
    place,
    session_of_docker,
)
from regcred.clients.running import heard

SECONDS = 30.0
"""For which one question to a helper is waited."""

TOTAL = 180.0
"""Seconds for which all of them together are."""

_MAX_ANSWER = 4 * 1024 * 1024
_SUFFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")


class Patience:
    """How long helpers are waited for: one question, and all of them from now on."""

    def __init__(self, seconds: float = SECONDS, total: float = TOTAL) -> None:
        self._seconds = seconds
        self._ends = time.monotonic() + total

    def left(self) -> float:
        """Return the seconds for the next question. Raise NotImportable when none are left."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise NotImportable("it was not asked: the helpers before it took too long")
        return min(self._seconds, left)


def ask_each(
    helpers: Mapping[str, object], where: str, patience: Patience
) -> Iterator[Found | Skipped]:
    """Yield what the helper of each key (`credHelpers`) has for it."""
    for key, suffix in helpers.items():
        yield _get(suffix, Source(where, key), patience)


def ask_for_all(suffix: object, where: str, patience: Patience) -> Iterator[Found | Skipped]:
    """Yield all that one helper (`credsStore`) has."""
    source = Source(where, "credsStore")
    if suffix == OURS:
        yield Skipped(source, OURS_KEEPS, broken=False)
        return
    try:
        listed = _run(suffix, "list", "unused", patience)
    except NotImportable as why:
        yield Skipped(source, str(why))
        return
    for key in listed:
        yield _get(suffix, Source(where, key), patience)


def _get(suffix: object, source: Source, patience: Patience) -> Found | Skipped:
    if suffix == OURS:
        return Skipped(source, OURS_KEEPS, broken=False)
    if session_of_docker(source.key):
        return Skipped(source, SESSION, broken=False)
    try:
        registry = place(source.key, paths_after_scheme=False)
        answer = _run(suffix, "get", source.key, patience)
        return checked(Found(registry, *_login(answer), source))
    except NotImportable as why:
        return Skipped(source, str(why))


def _login(answer: Mapping[str, object]) -> tuple[str, str]:
    username, secret = answer.get("Username"), answer.get("Secret")
    if not isinstance(username, str) or not isinstance(secret, str):
        raise NotImportable("its helper answered no login")
    return username, secret


def _run(suffix: object, verb: str, question: str, patience: Patience) -> dict[str, object]:
    """Ask a helper one thing. Raise NotImportable."""
    if not isinstance(suffix, str) or not _SUFFIX.match(suffix):
        raise NotImportable("its helper's name is no program's")
    program = f"docker-credential-{suffix}"
    found = shutil.which(program)
    if found is None:
        raise NotImportable(f"{program} is not on PATH")
    seconds = patience.left()
    try:
        # One byte more than is taken, so that a longer answer is told from a whole one.
        code, said = heard(
            [found, verb], None, seconds, _MAX_ANSWER + 1, question.encode(), errors=False
        )
    except OSError:
        raise NotImportable(f"{program} cannot be run") from None
    if code is None:
        raise NotImportable(f"{program} {verb} did not end within {seconds:.0f} s")
    if len(said) > _MAX_ANSWER:
        raise NotImportable(f"{program} {verb} answered no JSON object")
    if code != 0:
        raise NotImportable(f"{program} {verb} failed, or has no login for it")
    try:
        answer = json.loads(said)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise NotImportable(f"{program} {verb} answered no JSON object")
    return answer
