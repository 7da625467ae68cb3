"""Read WWW-Authenticate: which logins a registry asks for, and where tokens are issued.

`www_authenticate` knows which commas part challenges and which part parameters, and that alone is
asked of it. It would also drop repeated schemes and parameters, stumble over empty quoted strings
and empty list items, and leave escapes in place; so it is shown one numbered word for every token
and quoted string, and what the words stood for is put back here, with nothing lost.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import www_authenticate

_MAX_HEADERS = 8
_MAX_LENGTH = 8 * 1024
_MAX_CHALLENGES = 8
_MAX_PIECES = 256
"""Words, marks and blanks of all headers: eight challenges of four parameters have 176.

Reading takes longer than in proportion to them: 8 KiB of commas and equals signs would have the
loop, and everyone on it, wait for 40 ms.
"""

# RFC 9110 section 11: a token68 ends in its padding, and only the end of an item may follow it.
_PIECES = re.compile(
    r"""
      (?P<quoted> "(?:[^"\\]|\\.)*" )
    | (?P<token>  [A-Za-z0-9!#$%&'*+\-.^_`|~/]+ (?: =+ (?=[ \t]*(?:,|$)) )? )
    | (?P<mark>   [=,] )
    | (?P<blank>  [ \t]+ )
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(.)")


class Malformed(ValueError):
    """The header cannot be read, or not without guessing."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way to log in. `scheme` and parameter names are in lower case; repeats are kept."""

    scheme: str
    parameters: tuple[tuple[str, str], ...] = ()

    def parameter(self, name: str) -> str | None:
        """Return a parameter's value, None if it is absent. Raise Malformed if it is repeated."""
        values = [value for key, value in self.parameters if key == name]
        if len(values) > 1:
            raise Malformed("a parameter is repeated")
        return values[0] if values else None


def parse_challenges(headers: Sequence[str]) -> tuple[Challenge, ...]:
    """Read all WWW-Authenticate headers of one answer, in order.

    Raise Malformed if any of them is, or if they are more than 8, longer than 8 KiB or in more
    than 256 pieces.
    """
    if len(headers) > _MAX_HEADERS or sum(map(len, headers)) > _MAX_LENGTH:
        raise Malformed("too many or too long")
    found: list[Challenge] = []
    left = _MAX_PIECES
    for header in headers:
        pieces = _split(header, left)
        left -= len(pieces)
        found += _parse(pieces)
    if len(found) > _MAX_CHALLENGES:
        raise Malformed("too many challenges")
    return tuple(found)


def _split(header: str, most: int) -> list[re.Match[str]]:
    """Return the pieces of a header, and look no further than the `most` there may be."""
    if not header.isascii() or not header.replace("\t", " ").isprintable():
        raise Malformed("not printable ASCII")
    pieces: list[re.Match[str]] = []
    at = 0
    while at < len(header):
        piece = _PIECES.match(header, at)
        if piece is None:
            raise Malformed("an unexpected character")
        if len(pieces) == most:
            raise Malformed("too many pieces")
        pieces.append(piece)
        at = piece.end()
    return pieces


def _parse(pieces: list[re.Match[str]]) -> list[Challenge]:
    words, numbered = _number(pieces)
    if not numbered:
        return []
    try:
        grouped = www_authenticate.parse(numbered)
        challenges = [_restore(scheme, rest, words) for scheme, rest in grouped.items()]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        # The library was not made to refuse: whatever it trips over is no challenge.
        raise Malformed("not a list of challenges") from None
    if ",".join(_written(scheme, rest) for scheme, rest in grouped.items()) != numbered:
        raise Malformed("parts of it belong to no challenge")
    return challenges


def _number(pieces: list[re.Match[str]]) -> tuple[dict[str, str], str]:
    """Return what each numbered word stands for, and the pieces written with such words."""
    words: dict[str, str] = {}
    shown: list[str] = []
    for piece in pieces:
        text = piece.group()
        if piece.lastgroup in {"token", "quoted"}:
            word = f"w{len(words)}"
            quoted = piece.lastgroup == "quoted"
            words[word] = _ESCAPE.sub(r"\1", text[1:-1]) if quoted else text
            shown.append(word)
        else:
            shown.append(text if piece.lastgroup == "mark" else " ")
    # Empty list items are allowed (RFC 9110 section 5.6.1) and mean nothing.
    listed = re.sub(r" *,[ ,]*", ",", "".join(shown))
    return words, re.sub(r" *= *", "=", listed).strip(" ,")


def _restore(scheme: str, rest: object, words: dict[str, str]) -> Challenge:
    parameters = rest if isinstance(rest, dict) else {}
    pairs = tuple((words[key].lower(), words[value]) for key, value in parameters.items())
    return Challenge(words[scheme].lower(), pairs)


def _written(scheme: str, rest: object) -> str:
    """Write a group as it must have stood in the header, if the library skipped nothing."""
    if isinstance(rest, dict):
        return f"{scheme} " + ",".join(f"{key}={value}" for key, value in rest.items())
    return scheme if rest is None else f"{scheme} {rest}"
