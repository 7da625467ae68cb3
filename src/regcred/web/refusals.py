"""What can be wrong with a request before anyone looks at what it asks for.

Facts of HTTP, told as the domain tells its own: no status codes here either, so that every
dialect puts them into its own shape through the same table.
"""

from __future__ import annotations

from regcred.domain.errors import MalformedRequest, RegcredError


class BodyTooLarge(RegcredError):
    """The body is longer than the limit; the rest of it was not read."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body must be at most {limit} bytes")


class BodyTooSlow(RegcredError):
    """The body did not arrive whole in time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the body must arrive whole within {seconds:g} s")


class PathTooLong(RegcredError):
    """The path is longer than any that could mean something."""

    def __init__(self, limit: int, what: str = "path") -> None:
        super().__init__(f"the {what} must be at most {limit} bytes")


class QueryTooLong(PathTooLong):
    """The query is longer than any that could mean something."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit, "query")


class UnreadablePath(MalformedRequest):
    """The path has characters, or an encoding, that two readers could take for different ones."""

    def __init__(self, rule: str) -> None:
        super().__init__("path", rule)


class HeadersTooLarge(RegcredError):
    """Too many headers, or too many bytes of them."""

    def __init__(self, count: int, size: int) -> None:
        super().__init__(f"at most {count} headers of {size} bytes together are read")


class UnsupportedMediaType(RegcredError):
    """The body says that it is something this operation does not read."""

    def __init__(self, *expected: str) -> None:
        super().__init__(f"send Content-Type: {' or '.join(expected)}")


class MethodNotAllowed(RegcredError):
    """The path exists, and answers other methods."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        self.allowed = allowed
        super().__init__(f"this path answers {', '.join(allowed)}")


class Overloaded(RegcredError):
    """As many requests as may be are under way; this one was not looked at."""

    def __init__(self) -> None:
        super().__init__("too many requests are under way: try again in a few seconds")


class Internal(RegcredError):
    """Something went wrong here. The text is fixed: what went wrong stands in the log alone."""

    def __init__(self) -> None:
        super().__init__("something went wrong inside regcred; the log has it under this id")
