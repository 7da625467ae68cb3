"""When to leave a key service that does not answer alone, and when to ask it again.

A service that is away costs every request its whole deadline, and a service that comes back is
knocked over by everybody who waited. So after a few failures in a row nothing is asked for a
while, and then one request alone finds out.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

from regcred.domain.errors import KeyringUnavailable


class Breaker:
    """Closed; open after `failures` in a row; half open after `rest` seconds, for one request.

    Each probe that fails doubles the rest, up to `longest`. `monotonic` is in seconds.
    """

    __slots__ = (
        "_failed",
        "_failures",
        "_generation",
        "_longest",
        "_monotonic",
        "_probing",
        "_rest",
        "_until",
    )

    def __init__(
        self,
        monotonic: Callable[[], float],
        *,
        failures: int = 3,
        rest: float = 5.0,
        longest: float = 60.0,
    ) -> None:
        self._monotonic = monotonic
        self._failures = failures
        self._rest = rest
        self._longest = longest
        self._failed = 0
        self._until = 0.0
        self._probing = False
        self._generation = 0

    def admit(self) -> int:
        """Return the call's generation if the service may be asked now; then tell how it ended.

        It is told by one of the others, each of which wants the generation. Raise
        KeyringUnavailable.
        """
        if not self.open:
            return self._generation
        left = self._until - self._monotonic()
        if self._probing or left > 0:
            wait = max(1, ceil(left))
            raise KeyringUnavailable(f"the key service does not answer; asked again in {wait} s")
        self._probing = True
        return self._generation

    def is_old(self, generation: int) -> bool:
        """Whether the service was given up on since the call of that generation was admitted."""
        return generation != self._generation

    @property
    def open(self) -> bool:
        """Whether the service is left alone, but for one request now and then."""
        return self._failed >= self._failures

    def succeeded(self, generation: int) -> None:
        """Close: the service answered, were it with a refusal."""
        if self.is_old(generation):
            return
        self._failed = 0
        self._probing = False

    def failed(self, generation: int) -> None:
        """Count a failure, unless the service was given up on while the call was under way."""
        if self.is_old(generation):
            return
        self._failed += 1
        self._probing = False
        beyond = self._failed - self._failures
        if beyond >= 0:
            # Those still under way tell of the same outage, and must not lengthen the rest.
            self._generation += 1
            # The exponent is bounded: an outage of days would overflow a float.
            rest = min(self._longest, self._rest * 2 ** min(beyond, 16))
            self._until = self._monotonic() + rest

    def gave_up(self, generation: int) -> None:
        """Count nothing: whoever asked did not wait for the answer."""
        if not self.is_old(generation):
            self._probing = False
