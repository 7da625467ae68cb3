"""Two candidates and one Lease, with clocks that a test sets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import lightkube
import pytest

from regcred.clients.kubernetes.election import DEADLINE, DURATION, RENEW_AFTER, Election
from regcred.clients.kubernetes.leases import Leases
from tests.tools.kube_api import Key, KubeAPI
from tests.tools.kube_rules import Act, Refusal

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)  # No fraction: a real API server refuses such a time.


class Race:
    def __init__(self, kube: KubeAPI, client: lightkube.Client) -> None:
        self.kube = kube
        self.client = client
        self.seconds = 1000.0
        self.first, self.second = self.candidate("first"), self.candidate("second")

    def candidate(self, name: str, skewed: float = 0) -> Election:
        """Return one whose time of day may be wrong, which is to change nothing."""
        return Election(
            Leases(self.client, "regcred", "lead"),
            name,
            lambda: self.seconds,
            lambda: NOON + timedelta(seconds=self.seconds + skewed),
        )

    @property
    def spec(self) -> Any:
        return self.kube.things[Key("leases", "regcred", "lead")]["spec"]

    def after(self, seconds: float) -> tuple[bool, bool]:
        self.seconds += seconds
        return self.first.leads(), self.second.leads()


@pytest.fixture
def race(kube: KubeAPI, client: lightkube.Client) -> Race:
    kube.add_namespace("regcred")
    return Race(kube, client)


def down(_: Act) -> None:
    raise Refusal(503, "ServiceUnavailable", "down")


def test_the_first_takes_the_lease_and_keeps_it(race: Race) -> None:
    assert [race.after(7) for _ in range(40)] == [(True, False)] * 40
    assert race.spec["holderIdentity"] == "first"
    assert race.spec["leaseTransitions"] == 0
    assert race.spec["leaseDurationSeconds"] == DURATION


def test_a_lease_that_is_young_is_not_renewed(race: Race) -> None:
    race.first.leads()
    asked = len(race.kube.asked)
    race.seconds += RENEW_AFTER - 1

    assert race.first.leads()
    assert len(race.kube.asked) == asked


def test_a_holder_that_fell_silent_is_followed_after_the_duration(race: Race) -> None:
    race.after(0)
    race.seconds += DURATION - 1
    assert not race.second.leads()
    race.seconds += 3

    assert race.second.leads()
    assert not race.first.leads()
    assert race.spec["holderIdentity"] == "second"
    assert race.spec["leaseTransitions"] == 1


def test_clocks_that_are_wrong_change_nothing(race: Race) -> None:
    race.first = race.candidate("first", skewed=-86_400)
    race.second = race.candidate("second", skewed=86_400)

    assert [race.after(9) for _ in range(20)] == [(True, False)] * 20


def test_a_holder_stops_well_before_others_may_begin(race: Race) -> None:
    assert race.first.leads()
    race.kube.trip = down
    race.seconds += DEADLINE - 1
    assert race.first.leads()
    assert race.first.trouble == "could not get leases in regcred: down"
    race.seconds += 1

    assert not race.first.leads()
    assert DEADLINE + 20 < DURATION


def test_a_holder_that_comes_back_in_time_goes_on(race: Race) -> None:
    race.first.leads()
    race.kube.trip = down
    race.seconds += DEADLINE - 1
    race.first.leads()
    race.kube.trip = lambda _: None
    race.seconds += 2

    assert race.first.leads()
    assert race.first.trouble == ""


def test_a_lease_that_was_taken_is_lost_at_once(race: Race) -> None:
    race.first.leads()
    spec = {"holderIdentity": "somebody", "renewTime": "2026-11-29T12:30:00.000001Z"}
    race.kube.edit("leases", "regcred", "lead", spec=spec)
    race.seconds += RENEW_AFTER

    assert not race.first.leads()
    assert race.spec["holderIdentity"] == "somebody"


def test_a_lease_that_is_taken_during_a_renewal_is_lost_at_once(race: Race) -> None:
    race.first.leads()
    race.seconds += RENEW_AFTER

    def trip(act: Act) -> None:
        if act.verb == "update":
            race.kube.edit("leases", "regcred", "lead", spec={"holderIdentity": "faster"})

    race.kube.trip = trip

    assert not race.first.leads()


@pytest.mark.parametrize("verb", ["create", "update"])
def test_of_two_that_take_it_at_once_one_wins(race: Race, verb: str) -> None:
    if verb == "update":
        race.first.leads()
        race.first.resign()
        race.seconds += 5
    theirs = {"holderIdentity": "faster", "renewTime": "2026-11-29T12:30:00.000001Z"}

    def trip(act: Act) -> None:
        if act.verb == verb:
            made = {"metadata": {"name": "lead"}, "spec": theirs}
            race.kube.put("leases", "regcred", made)

    race.kube.trip = trip

    assert not race.first.leads()
    assert race.first.trouble == ""
    assert race.spec["holderIdentity"] == "faster"


def test_who_resigns_is_followed_at_once(race: Race) -> None:
    race.after(0)
    race.first.resign()
    race.seconds += 2

    assert race.second.leads()
    assert race.spec["leaseTransitions"] == 1


def test_who_holds_nothing_resigns_nothing(race: Race) -> None:
    race.first.leads()
    race.second.resign()
    assert race.spec["holderIdentity"] == "first"

    race.kube.edit("leases", "regcred", "lead", spec={"holderIdentity": "somebody"})
    race.first.resign()
    assert race.spec["holderIdentity"] == "somebody"


def test_resigning_while_the_api_server_is_away_is_no_failure(race: Race) -> None:
    race.first.leads()
    race.kube.trip = down

    race.first.resign()

    assert race.spec["holderIdentity"] == "first"


def test_a_candidate_asks_no_more_often_than_every_two_seconds(race: Race) -> None:
    race.first.leads()
    asked = len(race.kube.asked)
    for _ in range(10):
        race.second.leads()
        race.seconds += 0.1

    assert len(race.kube.asked) == asked + 1
