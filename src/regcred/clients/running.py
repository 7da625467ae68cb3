"""Run a program, and hear no more of it and for no longer than was said beforehand."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from time import monotonic

_PART = 65536
_NOISE = 64
"""How much more a program may say on stderr, which is no answer, than on stdout."""

_LOOK_AGAIN = 0.2
"""Seconds between two looks whether a program that says nothing has ended."""


def heard(
    argv: Sequence[str],
    env: Mapping[str, str] | None,
    seconds: float,
    most: int,
    question: bytes = b"",
    *,
    errors: bool = True,
) -> tuple[int | None, bytes]:
    """Return a program's exit code and the first `most` bytes of what it says.

    The code is None for one that takes too long. With `errors` its stderr counts where stdout is
    empty. What says more than `most` is ended, with its process group. A child in a session of its
    own may live on, and its end of a pipe is not waited for. Raise OSError.
    """
    until = monotonic() + seconds
    process = subprocess.Popen(  # noqa: S603  callers say where the path comes from
        list(argv),
        env=None if env is None else dict(env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if errors else subprocess.DEVNULL,
        process_group=0,
    )
    try:
        said = _said(process, question, until, most)
        if said is None:
            return None, b""
        return process.wait(max(until - monotonic(), 0)), said
    except subprocess.TimeoutExpired:
        return None, b""
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        process.wait()


def _said(
    process: subprocess.Popen[bytes], question: bytes, until: float, most: int
) -> bytes | None:
    """Return what a program says, None when the time is over; kill what says too much."""
    assert process.stdin is not None  # noqa: S101  it was asked for
    assert process.stdout is not None  # noqa: S101  as above
    said = {pipe: b"" for pipe in (process.stdout, process.stderr) if pipe is not None}
    os.set_blocking(process.stdin.fileno(), False)
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdin, selectors.EVENT_WRITE)
        for pipe in said:
            ready.register(pipe, selectors.EVENT_READ)
        while len(ready.get_map()) > 0:
            left = until - monotonic()
            if left <= 0:
                return None
            events = ready.select(min(left, _LOOK_AGAIN))
            if not events and process.poll() is not None:
                break  # what is left of the pipes a child of it holds
            for key, _ in events:
                if key.fileobj is process.stdin:
                    question = _sent(process.stdin.fileno(), question)
                    if not question:
                        ready.unregister(process.stdin)
                        process.stdin.close()
                    continue
                pipe = next(one for one in said if one is key.fileobj)
                part = os.read(pipe.fileno(), _PART)
                room = most if pipe is process.stdout else most * _NOISE
                said[pipe] += part
                if not part:
                    ready.unregister(pipe)
                elif len(said[pipe]) > room:
                    os.killpg(process.pid, signal.SIGKILL)
                    return _first(said.values())[:most]
    return _first(said.values())[:most]


def _sent(pipe: int, question: bytes) -> bytes:
    """Return what is left to be sent: nothing to a program that does not read."""
    try:
        return question[os.write(pipe, question) :] if question else b""
    except BrokenPipeError:
        return b""


def _first(said: Iterable[bytes]) -> bytes:
    return next((text for text in said if text), b"")
