"""A plan that is carried out a row at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from regcred.clients.api import RegcredClient
from regcred.clients.config import ClientConfig
from regcred.clients.importing import storing
from regcred.clients.importing.found import Source
from regcred.clients.importing.plan import Action, Row
from regcred.clients.problems import ApiProblem
from tests.clients.stub_service import KEY, Reply, Seen, StubService, problem, verdict

CREDENTIALS = "/v1/projects/-/credentials"


@pytest.fixture
def api(stub: StubService) -> Iterator[RegcredClient]:
    with RegcredClient(ClientConfig(stub.url, KEY)) as made:
        yield made


def row(*secrets: str) -> Row:
    source = Source("file", "a.example")
    return Row(Action.CREATE, "one", "a.example", "u", [source], secrets=list(secrets))


@pytest.mark.parametrize(
    ("said", "waits"), [("7", 7), ("", 1), ("soon", 1), ("9999999", 1), ("500000", 120)]
)
def test_a_budget_is_waited_for(
    stub: StubService,
    api: RegcredClient,
    monkeypatch: pytest.MonkeyPatch,
    said: str,
    waits: int,
) -> None:
    told: list[str] = []
    slept: list[float] = []
    busy = problem("quota-exceeded", 429, "slowly")
    stub.plant("POST", CREDENTIALS, busy._replace(headers=(("Retry-After", said),)))

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        stub.planted.clear()

    monkeypatch.setattr(time, "sleep", sleep)
    one = row("s3cret")
    storing.store(api, one, {}, told.append, proven=True)

    assert one.result == "created"
    assert slept == [waits]
    assert "limits how many logins" in told[0]


def test_a_budget_is_not_waited_for_without_end(
    stub: StubService, api: RegcredClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    stub.plant("POST", CREDENTIALS, problem("quota-exceeded", 429, "slowly"))

    with pytest.raises(ApiProblem):
        storing.store(api, row("s3cret"), {}, lambda _: None, proven=True)


def test_of_several_passwords_the_accepted_one_is_stored(
    stub: StubService, api: RegcredClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = problem("credential-rejected", 422, "no", verdict=verdict("rejected"))
    answer = stub.answer

    def judge(seen: Seen) -> Reply:
        return refused if seen.json["password"] == "old" else answer(seen)

    monkeypatch.setattr(stub, "answer", judge)
    one = row("old", "new")
    storing.store(api, one, {}, lambda _: None, proven=True)

    assert one.result == "created"
    assert [seen.json["password"] for seen in stub.seen] == ["new"]


def test_a_check_stores_nothing_and_keeps_its_reason(stub: StubService, api: RegcredClient) -> None:
    stub.verdict = "unreachable"
    one = row("s3cret")
    storing.check(api, one, lambda _: None)

    assert (one.result, stub.credentials) == ("refused", {})
    assert one.why == "its registry's verdict is unreachable. Do what one does about unreachable."


def test_a_check_that_is_refused_is_the_rows_own(stub: StubService, api: RegcredClient) -> None:
    stub.plant("POST", f"{CREDENTIALS}:verify", problem("invalid-input", 422, "username: odd"))
    one = row("s3cret")
    storing.check(api, one, lambda _: None)

    assert (one.result, one.why) == ("failed", "username: odd")


def test_what_is_not_to_be_stored_is_not_checked(stub: StubService, api: RegcredClient) -> None:
    one = row("s3cret")
    one.action = Action.SAME
    storing.check(api, one, lambda _: None)

    assert stub.seen == []
