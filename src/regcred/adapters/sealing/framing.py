"""Several byte strings as one, so that no two lists of strings ever give the same bytes.

The one thing you would get wrong: joining with a separator. `("a|b", "c")` and `("a", "b|c")`
must differ wherever the result is authenticated.
"""

from __future__ import annotations

from struct import Struct

# Every list of the hot path is shorter than this; its layout is built once.
_PREPARED = tuple(Struct(f">{1 + count}I") for count in range(16))


def frame(*parts: bytes) -> bytes:
    """Return how many parts there are, how long each is, then the parts.

    All numbers are unsigned, 4 bytes, big-endian. A frame is itself a part of another frame
    where a list stands inside a list.
    """
    count = len(parts)
    numbers = _PREPARED[count] if count < len(_PREPARED) else Struct(f">{1 + count}I")
    return numbers.pack(count, *map(len, parts)) + b"".join(parts)
