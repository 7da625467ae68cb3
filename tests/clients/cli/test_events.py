"""regcred events, and what follows a login: nobody asks the registry for it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest

from tests.clients.cli.conftest import Regcred
from tests.clients.stub_service import StubService, event, problem, verdict

Steps = list[Callable[[], None]]
EVENTS = "/v1/projects/-/events"


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[Steps]:
    """What happens in each pause between two looks; after the last one comes Ctrl-C."""
    happening: Steps = []
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if not happening:
            raise KeyboardInterrupt
        happening.pop(0)()

    monkeypatch.setattr(time, "sleep", sleep)
    yield happening
    assert set(pauses) == {2.5}


def test_events_are_listed_newest_first(stub: StubService, regcred: Regcred) -> None:
    stub.events = [event(n) for n in (3, 2, 1)]

    table = regcred("events", "--kind", "verdict.changed", "--credential", "one")
    names = regcred("events", "-o", "name", "--limit", "2")

    assert stub.seen[0].query["kind"] == "verdict.changed"
    assert stub.seen[0].query["credential"] == "one"
    assert table.out.splitlines()[0].split() == ["NUMBER", "AT", "KIND", "CREDENTIAL", "DETAILS"]
    assert "verdict.changed  one         to=rejected" in table.out.splitlines()[1]
    assert names.out.split() == ["3", "2"]


def test_json_carries_everything(stub: StubService, regcred: Regcred) -> None:
    stub.events = [event(1, at="x\u202e")]

    done = regcred("events", "-o", "json")

    assert json.loads(done.out) == stub.events
    assert "\u202e" not in done.out


def test_a_login_that_is_not_there_is_said(stub: StubService, regcred: Regcred) -> None:
    stub.plant("GET", EVENTS, problem("credential-not-found", 404, "no such credential"))

    assert regcred("events", "--credential", "no").code == 3


@pytest.mark.parametrize(
    ("output", "lines"),
    [
        ("name", ["1", "2", "3", "4"]),
        ("table", [f"{n}  2026-11-21T10:00:00Z  verdict.changed  one  to=rejected"
                   for n in (1, 2, 3, 4)]),
        ("json", [json.dumps(event(n)) for n in (1, 2, 3, 4)]),
    ],
)  # fmt: skip
def test_following_goes_on_oldest_first_until_interrupted(
    stub: StubService, regcred: Regcred, steps: Steps, output: str, lines: list[str]
) -> None:
    stub.events = [event(2), event(1)]
    steps += [
        lambda: None,
        lambda: stub.events.__setitem__(slice(0, 0), [event(4), event(3)]),
        lambda: None,
    ]

    done = regcred("events", "--follow", "--interval", "2.5", "-o", output)

    assert (done.code, done.out.splitlines()) == (0, lines)


def test_following_an_empty_list_waits_for_the_first(
    stub: StubService, regcred: Regcred, steps: Steps
) -> None:
    steps += [lambda: None, lambda: stub.events.append({**event(1), "credential": None})]

    done = regcred("events", "-f", "--interval", "2.5")

    assert done.out == "1  2026-11-21T10:00:00Z  verdict.changed  -  to=rejected\n"


def test_following_outlives_a_service_that_is_away(
    stub: StubService, regcred: Regcred, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    from regcred.clients.api import RegcredClient  # noqa: PLC0415  spoilt here alone
    from regcred.clients.problems import ServiceUnreachable  # noqa: PLC0415  as above

    whole = RegcredClient.events

    def away(*_given: object) -> None:
        raise ServiceUnreachable("regcred.example", "connection refused")

    steps += [
        lambda: monkeypatch.setattr(RegcredClient, "events", away),
        lambda: None,
        lambda: monkeypatch.setattr(RegcredClient, "events", whole),
        lambda: stub.events.append(event(1)),
    ]

    done = regcred("events", "-f", "--interval", "2.5", "-o", "name")

    assert done.out == "1\n"
    assert done.err.count("still looking") == 1
    assert done.err.endswith("It is back.\n")


def test_a_refusal_ends_the_following(stub: StubService, regcred: Regcred, steps: Steps) -> None:
    refusal = problem("not-authenticated", 401, "this API key is unknown or was revoked")
    steps += [lambda: stub.plant("GET", EVENTS, refusal)]

    assert regcred("events", "-f", "--interval", "2.5").code == 4


WATCH = ("credential", "verify", "one", "--watch", "--interval", "2.5", "-o", "name")


def at(second: int, kind: str) -> dict[str, object]:
    return {**verdict(kind), "checked_at": f"2026-11-21T10:00:0{second}.5Z"}


def test_watching_asks_the_registry_once_and_then_the_service(
    stub: StubService, regcred: Regcred, steps: Steps
) -> None:
    stub.verdicts = [verdict("ok"), verdict("denied")]
    steps += [
        lambda: None,
        lambda: stub.verdicts.__setitem__(slice(0, 0), [at(2, "ok"), at(1, "rejected")]),
        lambda: None,
        lambda: stub.verdicts.insert(0, at(3, "expired")),
    ]

    done = regcred(*WATCH, "--image", "registry.example/app")

    assert done.out.split() == ["ok", "rejected", "ok", "expired"]
    assert [one.path for one in stub.seen if one.method == "POST"] == [
        "/v1/projects/-/credentials/one:verify"
    ]
    assert done.code == 6


def test_the_code_is_that_of_the_last_verdict(
    stub: StubService, regcred: Regcred, steps: Steps
) -> None:
    stub.verdict = "rejected"
    stub.verdicts = [verdict("rejected")]
    steps += [lambda: stub.verdicts.insert(0, at(1, "ok"))]

    assert regcred(*WATCH).code == 0


def test_without_watching_it_asks_once(stub: StubService, regcred: Regcred) -> None:
    assert regcred("credential", "verify", "one").code == 0
    assert len(stub.seen) == 1


@pytest.mark.parametrize(
    ("given", "seconds"), [("3600", 3600), ("15m", 900), ("12h", 43200), ("7d", 604800),
                           ("90s", 90), ("off", 0), ("0", 0)],
)  # fmt: skip
def test_a_projects_interval_is_set(
    stub: StubService, regcred: Regcred, given: str, seconds: int
) -> None:
    done = regcred("project", "set", "2", "--recheck-every", given, "-o", "json")

    assert stub.last.json == {"recheck_every": seconds}
    assert stub.last.headers["if-match"] == '"1"'
    assert json.loads(done.out)["recheck_every"] == seconds


@pytest.mark.parametrize(
    "given", [["--recheck-every", word] for word in ("", "x", "1w", "-1", "1.5h", "\u0661")] + [[]]
)
def test_what_is_no_interval_is_not_sent(
    stub: StubService, regcred: Regcred, given: list[str]
) -> None:
    assert regcred("project", "set", *given).code == 2
    assert stub.seen == []


def test_the_list_of_projects_shows_it(stub: StubService, regcred: Regcred) -> None:
    stub.projects[1]["recheck_every"] = 0

    assert [line.split()[3:] for line in regcred("project", "ls").out.splitlines()][1:] == [
        ["86400", "s", stub.projects[0]["created_at"]],
        ["off", stub.projects[1]["created_at"]],
    ]
