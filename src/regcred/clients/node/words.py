"""What every program on a node says: its version, what stands in its way, and its last words."""

import posix
from posix import _exit
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import NoReturn

VERSION = "0.1.0"
TOTAL_SECONDS = 10.0
"""How long any program may take, from its start to its last word."""

_CONTROLS = bytes(byte for byte in range(0x20) if byte not in b"\t\n\r")


class Refused(Exception):
    """Something stands in the way; its text says what, and what to do."""


class Down(Refused):
    """The service did not answer, or answered that it cannot."""


def printable(text: object) -> str:
    """Return a text from outside, short and without anything that a terminal obeys."""
    return "".join(c if c.isprintable() else "?" for c in str(text)[:300])


def is_clean_object(text: bytes) -> bool:
    """Whether a text can be one JSON object: it has no raw controls, and nor may this."""
    whole = text[:1] == b"{" and text[-1:] == b"}"
    return whole and len(text.translate(None, _CONTROLS)) == len(text)


def end(code: int, text: bytes) -> "NoReturn":
    """Print the text and be gone: taking the interpreter down would cost every pull time."""
    try:
        text += b"\n" if text else b""
        while text:
            text = text[posix.write(1, text) :]
    except (OSError, KeyboardInterrupt):
        code = 1
    _exit(code)
