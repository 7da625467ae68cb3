"""What another program's credential helper keeps, asked for as docker asks.

Its stderr is not passed on, nor what it answers when it fails: either may hold a secret.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress

from regcred.clients.importing.docker_auths import checked
from regcred.clients.importing.found import Found, Skipped, Source, Unusable, place

SECONDS = 30.0
_MAX_ANSWER = 4 * 1024 * 1024
_SUFFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
_OURS = "regcred"
_KEPT = "regcred's own helper keeps it"


def ask_each(
    helpers: Mapping[str, object], where: str, seconds: float = SECONDS
) -> Iterator[Found | Skipped]:
    """Yield what the helper of each key (`credHelpers`) has for it."""
    for key, suffix in helpers.items():
        yield _get(suffix, Source(where, key), seconds)


def ask_for_all(suffix: object, where: str, seconds: float = SECONDS) -> Iterator[Found | Skipped]:
    """Yield all that one helper (`credsStore`) has."""
    source = Source(where, "credsStore")
    if suffix == _OURS:
        yield Skipped(source, _KEPT, broken=False)
        return
    try:
        listed = _run(suffix, "list", "unused", seconds)
    except Unusable as why:
        yield Skipped(source, str(why))
        return
    for key in listed:
        yield _get(suffix, Source(where, key), seconds)


def _get(suffix: object, source: Source, seconds: float) -> Found | Skipped:
    if suffix == _OURS:
        return Skipped(source, _KEPT, broken=False)
    try:
        registry = place(source.key, paths_after_scheme=False)
        answer = _run(suffix, "get", source.key, seconds)
        return checked(Found(registry, *_login(answer), source))
    except Unusable as why:
        return Skipped(source, str(why))


def _login(answer: Mapping[str, object]) -> tuple[str, str]:
    username, secret = answer.get("Username"), answer.get("Secret")
    if not isinstance(username, str) or not isinstance(secret, str):
        raise Unusable("its helper answered no login")
    return username, secret


def _run(suffix: object, verb: str, question: str, seconds: float) -> dict[str, object]:
    """Ask a helper one thing. Raise Unusable."""
    if not isinstance(suffix, str) or not _SUFFIX.match(suffix):
        raise Unusable("its helper's name is no program's")
    program = f"docker-credential-{suffix}"
    found = shutil.which(program)
    if found is None:
        raise Unusable(f"{program} is not on PATH")
    code, said = _bounded(found, verb, question.encode(), seconds)
    if code is None:
        raise Unusable(f"{program} {verb} did not end within {seconds:.0f} s")
    if code != 0:
        raise Unusable(f"{program} {verb} failed, or has no login for it")
    try:
        answer = json.loads(said)
    except (ValueError, RecursionError):
        answer = None
    if len(said) > _MAX_ANSWER or not isinstance(answer, dict):
        raise Unusable(f"{program} {verb} answered no JSON object")
    return answer


def _bounded(program: str, verb: str, question: bytes, seconds: float) -> tuple[int | None, bytes]:
    """Run a helper; return its exit code and what it said. None is for one that took too long."""
    process = subprocess.Popen(  # noqa: S603  the user's own helper, named in the user's own file
        [program, verb],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        process_group=0,
    )
    late = threading.Event()

    def end() -> None:
        with suppress(ProcessLookupError):
            # Its children too: one that keeps stdout open would be waited for.
            os.killpg(process.pid, signal.SIGKILL)

    def give_up() -> None:
        late.set()
        end()

    timer = threading.Timer(seconds, give_up)
    timer.start()
    try:
        with process:
            assert process.stdin is not None  # noqa: S101  both pipes were asked for
            assert process.stdout is not None  # noqa: S101  see above
            with suppress(BrokenPipeError), process.stdin:
                process.stdin.write(question)
            said = process.stdout.read(_MAX_ANSWER + 1)
            if len(said) > _MAX_ANSWER:
                end()
    finally:
        timer.cancel()
    return (None if late.is_set() else process.returncode), said
