"""What is left until all must be over, and standard input read within that.

Whoever starts a program may forget to close its stdin: a pull must not hang on that.
"""

import posix
import select
from time import monotonic


def left(until: float) -> float:
    """Return the seconds that are left. Raise TimeoutError."""
    seconds = until - monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def read_part(stdin: int, limit: int, until: float) -> bytes:
    """Return the next bytes of an input, none at its end. Raise TimeoutError, OSError."""
    waiting = select.poll()
    waiting.register(stdin, select.POLLIN)
    waiting.poll(left(until) * 1000)
    left(until)
    return posix.read(stdin, limit)


def read_all(stdin: int, limit: int, until: float, begun: bytes = b"") -> bytes:
    """Return an input to its end, or one byte more than `limit`. Raise TimeoutError, OSError.

    `begun` is what was read of it before.
    """
    text = begun
    while len(text) <= limit and (part := read_part(stdin, limit + 1 - len(text), until)):
        text += part
    return text
