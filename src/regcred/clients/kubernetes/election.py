"""Which of several processes works: the one that holds a Lease (coordination.k8s.io/v1).

As in Kubernetes' own clients a claim ends by what this process saw and its own steady clock, never
by comparing the times that stand in it: a lease that did not change for its whole duration is free.
The holder stops well before that, so that two never work at once.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from regcred.clients.kubernetes.leases import Claim, Leases
from regcred.clients.kubernetes.refusals import ClusterError, ClusterRefused

DURATION = 60
"""Seconds for which others wait after the last change they saw."""

DEADLINE = 35.0
"""Seconds after its last renewal at which a holder stops: no request takes the 25 that are left."""

RENEW_AFTER = 10.0
"""Seconds after which a holder renews."""

RETRY_AFTER = 2.0
"""Seconds between two requests of one that does not hold it, or could not renew."""


class Election:
    """One candidate. It asks the API server only when `leads` is called."""

    def __init__(
        self,
        leases: Leases,
        identity: str,
        steady: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self._leases = leases
        self._identity = identity
        self._steady = steady
        self._now = now
        self._asked: float | None = None
        self._renewed: float | None = None
        self._seen: tuple[str, str] | None = None
        self._seen_at = 0.0
        self.trouble = ""
        """Why the lease could not be asked for, the last time; nothing when it could."""

    def leads(self) -> bool:
        """Whether this process may write now; takes or renews the lease when that is due."""
        asked_at = self._steady()
        if self._due(asked_at):
            self._asked = asked_at
            try:
                # The time before the request: what is counted from it ends early, never late.
                self._renewed = asked_at if self._claim(asked_at) else None
                self.trouble = ""
            except ClusterError as why:
                if isinstance(why, ClusterRefused) and why.conflict:
                    self._renewed, self.trouble = None, ""  # Somebody else was faster.
                else:
                    self.trouble = str(why)
        return self._renewed is not None and self._steady() - self._renewed < DEADLINE

    def resign(self) -> None:
        """Give the lease up, so that nobody has to wait for its end. Failing is no matter."""
        held, self._renewed = self._renewed is not None, None
        try:
            claim = self._leases.read() if held else None
            if claim is not None and claim.holder == self._identity:
                self._leases.write(claim, "", 1, self._now())
        except ClusterError:
            return

    def _due(self, now: float) -> bool:
        if self._renewed is not None and now - self._renewed < RENEW_AFTER:
            return False
        return self._asked is None or now - self._asked >= RETRY_AFTER

    def _claim(self, asked_at: float) -> bool:
        claim = self._leases.read()
        if claim is None:
            self._leases.make(self._identity, DURATION, self._now())
            return True
        if claim.holder not in {"", self._identity} and not self._free(claim, asked_at):
            return False
        self._leases.write(claim, self._identity, DURATION, self._now())
        return True

    def _free(self, claim: Claim, asked_at: float) -> bool:
        seen = (claim.holder, claim.renewed)
        if seen != self._seen:
            self._seen, self._seen_at = seen, asked_at
        return asked_at - self._seen_at >= max(claim.seconds, 1)
