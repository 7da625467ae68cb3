"""webhook: set up, tested, and the secret printed once."""

from __future__ import annotations

import json

import pytest
import yaml

from regcred.clients.cli.webhooks import MEANINGS
from regcred.domain.webhook import DeliveryStatus
from tests.clients.cli.conftest import Regcred
from tests.clients.stub_service import NEW_SECRET, StubService, problem, webhook

GIVEN = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
ID: str = webhook(1)["id"]


@pytest.fixture
def one(stub: StubService) -> str:
    stub.webhooks[ID] = webhook(1)
    return ID


def test_a_new_secret_is_all_of_stdout(stub: StubService, regcred: Regcred) -> None:
    done = regcred(
        *("webhook", "add", "https://hooks.example/x"),
        *("--kind", "verdict.changed", "--kind", "expiry.near"),
    )

    assert done.out == f"{NEW_SECRET}\n"
    assert NEW_SECRET not in done.err
    assert "shown this once" in done.err
    assert stub.last.json == {
        "url": "https://hooks.example/x",
        "kinds": ["verdict.changed", "expiry.near"],
    }


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_programs_get_a_new_webhook_whole(stub: StubService, regcred: Regcred, output: str) -> None:
    made = yaml.safe_load(regcred("webhook", "add", "https://h.example", "-o", output).out)

    assert made["secret"] == NEW_SECRET
    assert made["id"] in stub.webhooks
    assert stub.last.json == {"url": "https://h.example"}


def test_a_given_secret_comes_from_stdin_and_is_said_nowhere(
    stub: StubService, regcred: Regcred, one: str
) -> None:
    made = regcred("webhook", "add", "https://h.example", "--secret-stdin", stdin=f"{GIVEN}\n")
    sent = stub.last.json
    turned = regcred("webhook", "rotate", one, "--secret-stdin", stdin=GIVEN)

    assert sent == {"url": "https://h.example", "secret": GIVEN}
    assert stub.last.json == {"secret": GIVEN}
    for done in (made, turned):
        assert (done.code, done.out) == (0, "")
        assert GIVEN not in done.err
        assert "is set up" in done.err


def test_an_empty_secret_is_none(stub: StubService, regcred: Regcred) -> None:
    done = regcred("webhook", "add", "https://h.example", "--secret-stdin", stdin="")

    assert done.code == 2
    assert stub.webhooks == {}


def test_a_rotated_secret_is_printed_once(stub: StubService, regcred: Regcred, one: str) -> None:
    done = regcred("webhook", "rotate", one)

    assert done.out == f"{NEW_SECRET}\n"
    assert stub.last.path.endswith(f"/webhooks/{one}:rotate-secret")
    assert stub.last.json == {}


def test_listed_and_shown(stub: StubService, regcred: Regcred, one: str) -> None:
    stub.webhooks["two"] = {
        **webhook(2), "kinds": ["expiry.near"], "disabled": True, "last_status": "gone"
    }  # fmt: skip
    stub.webhooks["three"] = webhook(3)
    listed = regcred("webhook", "ls").out.splitlines()

    assert listed[0].split() == ["ID", "URL", "KINDS", "DISABLED", "LAST", "STATUS", "LAST", "AT"]
    assert listed[1].split() == [one, "https://hooks.example/in", "all", "no", "-", "-"]
    assert listed[2].split()[2:] == ["expiry.near", "yes", "gone", "-"]
    assert len(listed) == 4
    assert regcred("webhook", "show", one, "-o", "name").out == f"{one}\n"
    assert json.loads(regcred("webhook", "show", one, "-o", "json").out) == webhook(1)


def test_a_delivered_test_is_a_success(stub: StubService, regcred: Regcred, one: str) -> None:
    done = regcred("webhook", "test", one)

    assert (done.code, done.err) == (0, "")
    assert done.out == "status   delivered\nmeaning  the receiver took it\n"
    assert (stub.last.method, stub.last.body) == ("POST", b"")


@pytest.mark.parametrize("status", ["refused", "unreachable", "something-new"])
def test_any_other_test_is_not(stub: StubService, regcred: Regcred, one: str, status: str) -> None:
    stub.delivery = status

    assert regcred("webhook", "test", one).code == 6
    named = regcred("webhook", "test", one, "-o", "name")
    assert (named.code, named.out) == (6, f"{status}\n")
    assert json.loads(regcred("webhook", "test", one, "-o", "json").out) == {"status": status}


def test_disabled_and_enabled(stub: StubService, regcred: Regcred, one: str) -> None:
    off = regcred("webhook", "disable", one)
    was = stub.webhooks[one]["disabled"]
    on = regcred("webhook", "enable", one)

    assert (off.err, was) == (f"Webhook {one} is disabled.\n", True)
    assert (on.err, stub.webhooks[one]["disabled"]) == (f"Webhook {one} is enabled.\n", False)
    assert stub.last.headers["if-match"] == '"4"'


def test_deleted_after_a_yes(stub: StubService, regcred: Regcred, one: str) -> None:
    assert regcred("webhook", "rm", one).code == 2
    assert regcred("webhook", "rm", one, "--yes").err == f"Deleted webhook {one}.\n"
    assert stub.webhooks == {}
    assert stub.last.headers["if-match"] == '"4"'


def test_what_is_not_there_is_not_found(regcred: Regcred) -> None:
    done = regcred("webhook", "show", "none")

    assert done.code == 3
    assert "`regcred webhook ls`" in done.err


def test_too_many_are_a_conflict(stub: StubService, regcred: Regcred) -> None:
    refused = problem("too-many-webhooks", 409, "a project has at most 20 webhooks")
    stub.plant("POST", "/v1/projects/-/webhooks", refused)

    assert regcred("webhook", "add", "https://h.example").code == 5


def test_every_status_has_a_meaning() -> None:
    assert set(MEANINGS) == set(DeliveryStatus)
