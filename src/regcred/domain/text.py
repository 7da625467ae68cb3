"""The rules that names and free texts obey before anything else looks at them."""

from __future__ import annotations

import unicodedata

from regcred.domain.errors import InvalidInput

MAX_NAME = 255

# Unicode's Stream-Safe Text Format (UAX 15, section 13): no writing system needs more, and
# normalising sorts a run of marks in time that grows with its square.
_MAX_MARKS = 30

# Cc control, Cf format (bidi overrides, zero width), Cs surrogate, Co private, Cn unassigned,
# Zl/Zp line and paragraph separators: none of them shows, all of them deceive.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def printable(text: str, *, field: str, maximum: int, minimum: int = 1) -> str:
    """Return `text` in NFC. Raise InvalidInput when it hides characters or has the wrong length.

    Lengths are in characters after normalisation.
    """
    if not text.isascii() or not text.isprintable():
        text = _normalised(text, field)
    if not minimum <= len(text) <= maximum:
        raise InvalidInput(field, f"must be {minimum} to {maximum} characters")
    return text


def _normalised(text: str, field: str) -> str:
    """Return `text` in NFC, in time that grows with its length alone."""
    marks = 0
    for character in text:
        # Before normalising: lone surrogates cannot be normalised safely.
        if unicodedata.category(character) in _HIDDEN:
            raise InvalidInput(field, "must be printable characters (no control or invisible ones)")
        # By what it decomposes to: a few characters are letters to themselves and marks to NFC.
        first = unicodedata.normalize("NFD", character)[0]
        marks = marks + 1 if unicodedata.combining(first) else 0
        if marks > _MAX_MARKS:
            raise InvalidInput(field, f"must not have more than {_MAX_MARKS} marks on a letter")
    return unicodedata.normalize("NFC", text)


def name(text: str, *, field: str = "name") -> str:
    """Return a credential's, project's or key's name in NFC.

    1-255 printable characters, without `/`, and not ending in a `:verb` (paths split a verb at
    the right-hand colon). Leading and trailing spaces, `.` and `..` are refused: they do not
    survive a URL.
    """
    text = printable(text, field=field, maximum=MAX_NAME)
    if "/" in text or "\\" in text:
        raise InvalidInput(field, "must not contain a slash or backslash")
    if text != text.strip() or text in {".", ".."}:
        raise InvalidInput(field, "must not begin or end with a space, nor be . or ..")
    _, colon, verb = text.rpartition(":")
    if colon and verb.isascii() and verb.isalpha():
        raise InvalidInput(field, "must not end in a colon and a word")
    return text


def username(text: str, *, field: str = "username") -> str:
    """Return a registry user name: 1-1024 printable characters without a colon.

    RFC 7617 section 2: a user-id with a colon cannot be sent in Basic authentication.
    """
    text = printable(text, field=field, maximum=1024)
    if ":" in text:
        raise InvalidInput(field, "must not contain a colon (RFC 7617, section 2)")
    return text
