"""What a look makes of what the service says, and when the loop looks."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from regcred.clients.calls import Handed
from regcred.clients.config import ConfigRefused
from regcred.clients.kubernetes.election import Election
from regcred.clients.kubernetes.keeper import Keeper, Trouble
from regcred.clients.kubernetes.leases import Leases
from regcred.clients.kubernetes.reconcile import Reconciler
from regcred.clients.kubernetes.refusals import ClusterUnreachable
from regcred.clients.problems import ApiProblem, InvalidName, NotRegcred, ServiceUnreachable
from tests.clients.kubernetes.conftest import Bench
from tests.clients.stub_service import as_auth, pull_secret
from tests.tools.kube_api import nothing
from tests.tools.kube_rules import Act, Refusal

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


class Service:
    """What is handed out, and how it was asked for."""

    def __init__(self) -> None:
        self.password = "s3cr3t"
        self.empty = False
        self.headers: dict[str, str] = {}
        self.error: Exception | None = None
        self.asked: list[str | None] = []

    def fetch(self, etag: str | None) -> Handed:
        self.asked.append(etag)
        if self.error is not None:
            raise self.error
        tag = f'"{self.password}"'
        if etag == tag:
            return Handed(b"", {}, unchanged=True)
        auths = {} if self.empty else {"a.example": {"auth": as_auth("u", self.password)}}
        body = json.dumps(pull_secret("regcred", auths)).encode()
        return Handed(body, {"etag": tag, **self.headers}, unchanged=False)


class Hands:
    """Both clocks. Who waits moves them, and what was planned happens on the way."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.end = 1000.0
        self.plans: list[tuple[float, Callable[[], object]]] = []

    def steady(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds)

    def wait(self, seconds: float) -> bool:
        self.seconds += seconds
        while self.plans and self.plans[0][0] <= self.seconds:
            self.plans.pop(0)[1]()
        return self.seconds >= self.end

    def at(self, seconds: float, act: Callable[[], object]) -> None:
        self.plans.append((seconds, act))


class Loop:
    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.service = Service()
        self.hands = Hands()
        self.said: list[str] = []
        self.looks: list[float] = []
        self.keeper = Keeper(self.fetch, bench.reconciler, self.said.append, self.hands.now)

    def fetch(self, etag: str | None) -> Handed:
        self.looks.append(round(self.hands.seconds))
        return self.service.fetch(etag)

    def run(self, until: float, interval: float = 300, election: Election | None = None) -> None:
        self.hands.end = until
        self.keeper.run(interval, self.hands, election, lambda: 0.0)


@pytest.fixture
def loop(bench: Bench) -> Loop:
    return Loop(bench)


# One look


def test_what_is_unchanged_is_asked_for_by_its_etag_and_not_written(loop: Loop) -> None:
    loop.keeper.look()
    before = len(loop.bench.writes())

    look = loop.keeper.look()

    assert loop.service.asked == [None, '"s3cr3t"']
    assert not look.failed
    assert len(loop.bench.writes()) == before
    assert loop.said[-1] == "2 unchanged"


def test_a_namespace_that_comes_later_is_served_without_asking_for_logins_again(
    loop: Loop,
) -> None:
    loop.keeper.look()
    loop.bench.kube.add_namespace("team-c", pull="true")

    loop.keeper.look()

    assert loop.bench.kube.secret("team-c") is not None
    assert loop.said[-2:] == ["namespace team-c: written", "1 written, 2 unchanged"]


PROBLEM = ApiProblem(401, "urn:regcred:problem:not-authenticated", "", "this key was revoked")


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (ServiceUnreachable("a.example", "refused"), Trouble.UNREACHABLE),
        (NotRegcred("a.example", "a page"), Trouble.UNREACHABLE),
        (ApiProblem(503, "urn:a", "", "an exchange failed"), Trouble.UNREACHABLE),
        (ApiProblem(429, "urn:a", "", "too many requests"), Trouble.UNREACHABLE),
        (ApiProblem(404, "urn:regcred:problem:no-login", "", "none"), Trouble.NO_LOGIN),
        (ApiProblem(409, "urn:regcred:problem:logins-withheld", "", "all"), Trouble.WITHHELD),
        (PROBLEM, Trouble.REFUSED),
        (InvalidName("a name holds no slash"), Trouble.REFUSED),
        (ConfigRefused("there is no key"), Trouble.REFUSED),
    ],
)
def test_what_cannot_be_fetched_takes_nothing_away_and_is_said(
    loop: Loop, error: Exception, trouble: Trouble
) -> None:
    loop.keeper.look()
    before = loop.bench.kube.secret("team-a")
    loop.service.error = error

    look = loop.keeper.look()

    assert (look.trouble, look.failed) == (trouble, True)
    assert loop.bench.kube.secret("team-a") == before
    assert any(
        line == f"WARNING: {error}; the Secrets that are there stay as they are."
        for line in loop.said
    )


@pytest.mark.parametrize(
    ("header", "trouble", "said"),
    [
        ("regcred-withheld", Trouble.WITHHELD, "every login is withheld (hub (why))"),
        ("regcred-left-out", Trouble.NO_LOGIN, "no pull secret can hold these logins: hub (why)"),
        ("", Trouble.NO_LOGIN, "no login fits"),
    ],
)
def test_an_empty_secret_is_never_written_over_a_good_one(
    loop: Loop, header: str, trouble: Trouble, said: str
) -> None:
    loop.keeper.look()
    before = loop.bench.kube.secret("team-a")
    loop.service.empty, loop.service.password = True, "other"
    loop.service.headers = {header: "hub (why)"}
    loop.bench.kube.add_namespace("team-c", pull="true")

    look = loop.keeper.look()

    assert look.trouble is trouble
    assert loop.bench.kube.secret("team-a") == before
    assert loop.bench.kube.secret("team-c") is None
    assert f"WARNING: {said}; the Secrets that are there stay as they are." in loop.said


def test_logins_that_came_back_are_fetched_whole(loop: Loop) -> None:
    loop.service.empty = True
    loop.keeper.look()
    loop.service.empty = False
    look = loop.keeper.look()

    assert loop.service.asked == [None, None]
    assert not look.failed


def test_one_withheld_login_of_several_is_left_out_and_said(loop: Loop) -> None:
    loop.service.headers = {
        "regcred-withheld": "h%2Cb (rejected)",
        "regcred-left-out": "odd (colon)",
    }

    look = loop.keeper.look()

    assert not look.failed
    assert loop.bench.kube.secret("team-a") is not None
    assert "WARNING: withheld, and left out of the Secrets: h,b (rejected)." in loop.said
    assert "WARNING: not in the Secrets: odd (colon)." in loop.said


def test_what_is_left_out_is_said_once_while_nothing_changes(loop: Loop) -> None:
    loop.service.headers = {"regcred-left-out": "odd (colon)"}

    loop.keeper.look()
    loop.keeper.look()

    assert loop.service.asked[1] is not None
    assert loop.said.count("WARNING: not in the Secrets: odd (colon).") == 1


def test_an_answer_that_no_pod_could_use_is_not_written(loop: Loop) -> None:
    loop.keeper.look()
    before = loop.bench.kube.secret("team-a")
    sent = Handed(b'{"kind": "List"}', {}, unchanged=False)
    keeper = Keeper(lambda _: sent, loop.bench.reconciler, loop.said.append, loop.hands.now)

    assert keeper.look().trouble is Trouble.UNUSABLE
    assert loop.bench.kube.secret("team-a") == before


def test_an_unreachable_service_does_not_keep_a_deleted_secret_away(loop: Loop) -> None:
    loop.keeper.look()
    loop.service.error = ServiceUnreachable("a.example", "refused")
    loop.bench.kube.add_namespace("team-c", pull="true")

    loop.keeper.look()

    assert loop.bench.kube.secret("team-c") is not None


def test_a_login_that_ended_is_spread_no_further_while_the_service_is_away(loop: Loop) -> None:
    loop.service.headers = {"regcred-expires-at": (NOON + timedelta(hours=1)).isoformat()}
    loop.keeper.look()
    loop.service.error = ServiceUnreachable("a.example", "refused")
    loop.hands.seconds = 3599
    loop.bench.kube.add_namespace("team-c", pull="true")
    loop.keeper.look()
    loop.hands.seconds = 3600
    loop.bench.kube.add_namespace("team-d", pull="true")

    loop.keeper.look()

    assert loop.bench.kube.secret("team-c") is not None
    assert loop.bench.kube.secret("team-d") is None
    assert loop.bench.kube.secret("team-a") is not None


def test_a_refused_key_spreads_nothing_any_more(loop: Loop) -> None:
    loop.keeper.look()
    loop.service.error = PROBLEM
    loop.bench.kube.add_namespace("team-c", pull="true")
    loop.keeper.look()

    assert loop.bench.kube.secret("team-c") is None


def test_a_cluster_that_is_away_is_told_of_a_single_look(loop: Loop) -> None:
    loop.bench.kube.close()

    with pytest.raises(ClusterUnreachable, match="could not list namespaces"):
        loop.keeper.look()


# The loop


def test_the_loop_looks_at_its_interval(loop: Loop) -> None:
    loop.run(until=1000)

    assert loop.looks == [0, 300, 600, 900]


def test_the_loop_looks_before_a_login_ends(loop: Loop) -> None:
    loop.service.headers = {"regcred-expires-at": (NOON + timedelta(hours=1)).isoformat()}

    loop.run(until=8000, interval=7200)

    assert loop.looks[:2] == [0, 3300]


def test_failures_are_tried_again_soon_and_success_ends_that(loop: Loop) -> None:
    loop.service.error = ServiceUnreachable("a.example", "refused")
    loop.hands.at(65, lambda: setattr(loop.service, "error", None))

    loop.run(until=700)

    assert loop.looks == [0, 10, 30, 70, 370, 670]


def test_a_cluster_that_is_away_is_waited_for(loop: Loop) -> None:
    def busy(_: Act) -> None:
        raise Refusal(429, "TooManyRequests", "later")

    loop.bench.kube.trip = busy
    loop.hands.at(25, lambda: setattr(loop.bench.kube, "trip", nothing))

    loop.run(until=100)

    assert loop.looks == [0, 10, 30]
    told = "The cluster: could not list namespaces: 429 TooManyRequests; trying again."
    assert loop.said.count(told) == 2
    assert loop.bench.kube.secret("team-a") is not None


def test_a_login_that_changes_reaches_every_namespace(loop: Loop) -> None:
    loop.hands.at(100, lambda: setattr(loop.service, "password", "n3w"))

    loop.run(until=400)

    assert "2 written" in loop.said[-1]


def election(loop: Loop, name: str) -> Election:
    loop.bench.kube.add_namespace("regcred")
    leases = Leases(loop.bench.client, "regcred", "lead")
    return Election(leases, name, loop.hands.steady, loop.hands.now)


def test_only_the_leader_looks_and_it_hands_over_at_its_end(loop: Loop) -> None:
    other = election(loop, "other")
    assert other.leads()
    loop.hands.at(50, other.leads)
    loop.hands.at(51, other.resign)

    loop.run(until=120, election=election(loop, "this"))

    assert loop.looks[0] >= 51
    assert len(loop.looks) == 1
    assert "This process leads." in loop.said
    lease = loop.bench.kube.things["leases", "regcred", "lead"]  # type: ignore[index]  # a tuple is a Key
    assert lease["spec"]["holderIdentity"] == ""


def test_a_leader_that_lost_the_lease_writes_no_more(loop: Loop) -> None:
    mine = election(loop, "this")
    theirs = {"holderIdentity": "other", "renewTime": "2026-11-29T12:30:00.000001Z"}
    edit = loop.bench.kube.edit
    loop.hands.at(40, lambda: edit("leases", "regcred", "lead", spec=theirs))
    loop.hands.at(60, lambda: setattr(loop.service, "password", "n3w"))

    loop.run(until=90, interval=30, election=mine)

    assert loop.said[-1] == "Another process leads."
    assert all(moment <= 50 for moment in loop.looks)


def test_a_lease_that_is_lost_in_the_middle_of_a_pass_ends_it(loop: Loop) -> None:
    mine = election(loop, "this")
    sync = loop.bench
    reconciler = Reconciler(sync.sync, sync.reconciler._cluster, mine.leads)
    loop.keeper = Keeper(loop.fetch, reconciler, loop.said.append, loop.hands.now)
    theirs = {"holderIdentity": "other", "renewTime": "2026-11-29T12:30:00.000001Z"}

    def trip(act: Act) -> None:
        if act.resource == "secrets" and act.namespace == "team-a":
            sync.kube.edit("leases", "regcred", "lead", spec=theirs)
            loop.hands.seconds += 20

    sync.kube.trip = trip

    loop.run(until=60, election=mine)

    assert sync.kube.secret("team-a") is None
    assert "Another process leads." in loop.said


def refused(act: Act) -> None:
    if act.resource == "leases":
        raise Refusal(403, "Forbidden", "not yours")


def test_who_can_never_lead_says_why_once(loop: Loop) -> None:
    loop.bench.kube.trip = refused

    loop.run(until=60, election=election(loop, "this"))

    assert loop.said == ["The lease: could not get leases in regcred: not yours."]
    assert loop.looks == []


def test_a_leader_that_lost_the_api_server_does_not_blame_another(loop: Loop) -> None:
    mine = election(loop, "this")
    loop.hands.at(20, lambda: setattr(loop.bench.kube, "trip", refused))
    loop.hands.at(100, lambda: setattr(loop.bench.kube, "trip", nothing))

    loop.run(until=120, interval=300, election=mine)

    assert [line for line in loop.said if "lead" in line or "lease" in line] == [
        "This process leads.",
        "The lease: could not get leases in regcred: not yours.",
        "This process leads no longer.",
        "The lease: the cluster answers again.",
        "This process leads.",
    ]


def test_who_waits_for_another_says_so(loop: Loop) -> None:
    assert election(loop, "other").leads()

    loop.run(until=20, election=election(loop, "this"))

    assert loop.said == ["Another process leads."]
