"""An exchanged login as pulls see it: which it is, why there is none, what it is sealed to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from regcred.domain.credential import Delivery
from regcred.domain.fresh_login import CONFIRMED_AFTER, SKEW
from regcred.domain.ports import KeptLogin, LoginPlace, SealContext
from regcred.domain.verdict import Standing, VerdictKind

_FIELD = "login:"
_PUT_OFF = (
    "The exchange of this login was put off until {} UTC: verify it to see what is in the way."
)


@dataclass(slots=True)
class Patience:
    """How long a request waits for its logins, and whether it has.

    What was read before a wait, the key above all, decides nothing after it: read it again.
    """

    until: datetime
    waited: bool = False


class Exchangeable(NamedTuple):
    """A stored login as far as its exchange is concerned."""

    place: LoginPlace
    secret_version: int
    delivery: Delivery
    standing: Standing


class NoLogin(NamedTuple):
    """Why there is no login to hand out: the verdict and a sentence."""

    kind: VerdictKind
    note: str


NOWHERE = (
    "The stored secret is exchanged for a login, and the registry's name does not say where: check "
    "the name, and the credential's settings."
)
REFUSED = NoLogin(
    VerdictKind.REJECTED,
    "The stored secret was refused lately and is not tried again yet: verify or replace it.",
)


def resting(standing: Standing, kept: KeptLogin | None, now: datetime) -> NoLogin | None:
    """Return why the cloud is not asked now: it refused the secret, or failed, lately."""
    if standing.withheld:
        return REFUSED
    if kept is not None and kept.failure is not None:
        if kept.refresh_at is None or kept.refresh_at > now:
            return NoLogin(kept.failure, kept.failure_note)
    elif standing.dead_last is not None and now < standing.dead_last + CONFIRMED_AFTER:
        # Every region would be another try of the same secret.
        return REFUSED
    return None


def put_off(kept: KeptLogin | None, until: datetime, now: datetime) -> NoLogin | None:
    """Return why no exchange of a place is awaited: it is due only after `until`."""
    if kept is None or kept.refresh_at is None or kept.refresh_at <= until:
        return None
    if (kept.claimed_until or now) > now:
        return None
    return NoLogin(VerdictKind.UNREACHABLE, _PUT_OFF.format(kept.refresh_at.strftime("%H:%M:%S")))


def foreseen(
    standing: Standing, kept: KeptLogin | None, until: datetime, now: datetime
) -> NoLogin | None:
    """Return why a pull that waits until then would get no login, without an exchange."""
    if kept is not None and kept.expires_at is not None and now + SKEW < kept.expires_at:
        return None
    return resting(standing, kept, now) or put_off(kept, until, now)


def seal_place(place: LoginPlace, secret_version: int, delivery: Delivery) -> SealContext:
    """Return what a login is bound to: the credential's place and delivery, and its own place."""
    return SealContext(
        place.project_id, place.credential_id, _FIELD + place.place, secret_version, delivery
    )
