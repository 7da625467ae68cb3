"""An exchanged login as pulls see it: which it is, why there is none, what it is sealed to."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from regcred.domain.credential import Delivery
from regcred.domain.fresh_login import CONFIRMED_AFTER
from regcred.domain.ports import KeptLogin, LoginPlace, SealContext
from regcred.domain.verdict import Standing, VerdictKind

_FIELD = "login:"


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


def seal_place(place: LoginPlace, secret_version: int, delivery: Delivery) -> SealContext:
    """Return what a login is bound to: the credential's place and delivery, and its own place."""
    return SealContext(
        place.project_id, place.credential_id, _FIELD + place.place, secret_version, delivery
    )
