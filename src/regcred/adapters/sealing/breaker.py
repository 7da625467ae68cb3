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

    __slots__ = ("_failed", "_failures", "_longest", "_monotonic", "_probing", "_rest", "_until")

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

    def admit(self) -> None:
        """Pass if the service may be asked now; then tell how it ended, by one of the others.

        Raise KeyringUnavailable.
        """
        if not self.open:
            return
        left = self._until - self._monotonic()
        if self._probing or left > 0:
            wait = max(1, ceil(left))
            raise KeyringUnavailable(f"the key service does not answer; asked again in {wait} s")
        self._probing = True

    @property
    def open(self) -> bool:
        """Whether the service is left alone, but for one request now and then."""
        return self._failed >= self._failures

    def succeeded(self) -> None:
        """Close: the service answered, were it with a refusal."""
        self._failed = 0
        self._probing = False

    def failed(self) -> None:
        """Count a failure."""
        self._failed += 1
        self._probing = False
        beyond = self._failed - self._failures
        if beyond >= 0:
            # The exponent is bounded: an outage of days would overflow a float.
            rest = min(self._longest, self._rest * 2 ** min(beyond, 16))
            self._until = self._monotonic() + rest

    def gave_up(self) -> None:
        """Count nothing: whoever asked did not wait for the answer."""
        self._probing = False
