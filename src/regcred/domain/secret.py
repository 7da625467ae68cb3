"""A value that must not be seen: it shows itself only through `reveal()`.

The one thing you would get wrong: formatting. Everything a logger, debugger, encoder or
f-string could call shows the mask or raises, so a secret leaves only where `reveal` stands in
the source, and those places are reviewed (tests/house/test_reveal_sites.py lists them).
"""

from __future__ import annotations

from hmac import compare_digest
from typing import Never

from regcred.domain.errors import InvalidInput

MASK = "<secret>"
MAX_BYTES = 16 * 1024


class Secret:
    """1 byte to 16 KiB of UTF-8 text without NUL (design: words and rules of the domain)."""

    __slots__ = ("__text",)

    def __init__(self, text: str, *, field: str = "password") -> None:
        """Raise InvalidInput naming `field` and the broken rule."""
        try:
            size = len(text.encode())
        except UnicodeEncodeError:
            raise InvalidInput(field, "must be Unicode text without lone surrogates") from None
        if not 1 <= size <= MAX_BYTES:
            raise InvalidInput(field, f"must be 1 to {MAX_BYTES} bytes of UTF-8")
        if "\0" in text:
            raise InvalidInput(field, "must not contain NUL")
        self.__text = text

    def reveal(self) -> str:
        """Return the text itself. Every call site is reviewed."""
        return self.__text

    def __eq__(self, other: object) -> bool:
        """Compare with another Secret in constant time; never equal to a plain string."""
        if not isinstance(other, Secret):
            return NotImplemented
        return compare_digest(self.__text.encode(), other.__text.encode())

    __hash__ = None  # type: ignore[assignment]  # a hash would be an oracle and a dict key

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return MASK

    def __reduce__(self) -> Never:
        raise TypeError("a Secret is never pickled or copied")

    __copy__ = __reduce__
    __getstate__ = __reduce__  # object's own would return the slot's value

    def __dir__(self) -> list[str]:
        """Name the exit alone: debuggers print the value of every attribute that is listed."""
        return ["reveal"]

    def __deepcopy__(self, memo: object) -> Never:
        raise TypeError("a Secret is never pickled or copied")
