"""A short-lived login that a stored secret was exchanged for, and when to get the next.

The one thing you would get wrong: waiting for the end. A login is renewed when half of its life
is over, so that a cloud that does not answer for hours fails no pull; until then the old one,
which still works, is handed out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from regcred.domain.errors import InvalidInput
from regcred.domain.secret import Secret
from regcred.domain.verdict import DEAD, Verdict, VerdictKind

SKEW = timedelta(minutes=1)
"""A login with less than this left is not handed out: clocks differ, and a pull takes time."""

_RENEWED_AFTER = 0.5
_SPREAD = 0.1
"""Renewals are spread over this part of a login's life, so that they do not come all at once."""

CONFIRMED_AFTER = timedelta(minutes=20)
"""After a refusal a secret is not tried by itself for so long."""

_SOON = timedelta(seconds=5)
_LATE = timedelta(minutes=15)
_REFUSED = timedelta(minutes=5)
_SELDOM = timedelta(hours=6)
_TRANSIENT = frozenset({VerdictKind.UNREACHABLE, VerdictKind.RATE_LIMITED})


@dataclass(frozen=True, slots=True)
class FreshLogin:
    """What a puller receives in place of the stored secret."""

    username: str
    password: Secret
    obtained_at: datetime
    expires_at: datetime

    def __post_init__(self) -> None:
        """Raise InvalidInput: it must fit the form in which it is kept."""
        if not self.username.isprintable():
            raise InvalidInput("username", "must be printable characters")

    def packed(self) -> Secret:
        """Return all of it as one text, to be sealed. Raise InvalidInput for one that is long."""
        times = f"{self.obtained_at.isoformat()}\n{self.expires_at.isoformat()}"
        return Secret(f"{times}\n{self.username}\n{self.password.reveal()}", field="login")

    @classmethod
    def unpacked(cls, packed: Secret) -> FreshLogin:
        """Return what `packed` made a text of."""
        obtained, expires, username, password = packed.reveal().split("\n", 3)
        return cls(
            username,
            Secret(password),
            datetime.fromisoformat(obtained),
            datetime.fromisoformat(expires),
        )

    def usable(self, now: datetime) -> bool:
        """Whether a pull that begins now can still use it."""
        return now + SKEW < self.expires_at

    def renew_at(self, spread: float) -> datetime:
        """Return when to get the next one; `spread` is in [0, 1)."""
        life = self.expires_at - self.obtained_at
        return self.obtained_at + life * (_RENEWED_AFTER + _SPREAD * spread)


def retry_at(
    failure: Verdict,
    earlier: VerdictKind | None,
    failures: int,
    spread: float,
    *,
    worked: bool = True,
) -> datetime | None:
    """Return when to try an exchange again that failed for the `failures`-th time in a row.

    `earlier` is how it failed the time before, `worked` whether it ever gave a login. None: not
    before the secret changes or a check says that it works. A refused secret is tried once more,
    because one refusal may be a cloud's bad moment and a third may lock an account.
    """
    if failure.kind in DEAD:
        if earlier in DEAD:
            return None
        wait = CONFIRMED_AFTER
    elif failure.kind in _TRANSIENT:
        wait = _doubled(_SOON, failures, _LATE if worked else _SELDOM)
    else:
        wait = _doubled(_REFUSED, failures, _SELDOM)
    asked_to_wait = failure.evidence.get("retry_after")
    if isinstance(asked_to_wait, int):
        wait = max(wait, timedelta(seconds=asked_to_wait))
    return failure.checked_at + wait * (1 + spread / 4)


def wanted_of(limit: int) -> int:
    """Return how many of `limit` exchanges may be first ones while renewals are due too.

    Pulls name as many places as they like, and what works must go on working.
    """
    return -(-limit * 3 // 4)


def _doubled(first: timedelta, failures: int, longest: timedelta) -> timedelta:
    return min(first * (1 << min(failures - 1, 20)), longest)
