"""regcred credential show: who fetched a login; and the lists of what ends or is unused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.clients.cli.conftest import Regcred
from tests.clients.stub_service import NOW, StubService

SINCE = "2026-11-01T00:00:00Z"


def fetch(**more: Any) -> dict[str, Any]:
    return {
        "client": "docker",
        "image": "registry.example/team/app",
        "node": "",
        "namespace": "",
        "principal": "key:ci",
        "first_at": NOW,
        "last_at": NOW,
        **more,
    }


def test_show_says_that_a_login_was_never_used(stub: StubService, regcred: Regcred) -> None:
    stub.add("one")

    done = regcred("credential", "show", "one")

    assert "last used at  never used\n" in done.out
    assert done.out.endswith("\nNobody ever fetched it.\n")
    assert done.err == ""
    assert "never" in regcred("credential", "ls").out


def test_show_lists_who_fetched_it(stub: StubService, regcred: Regcred) -> None:
    stub.add("one", last_used_at=NOW)
    stub.fetches = [fetch(node="node-7", namespace="shop"), fetch(client="podman")]

    lines = regcred("credential", "show", "one").out.splitlines()

    assert f"last used at  {NOW}" in lines
    assert lines[-3].split() == ["LAST", "CLIENT", "IMAGE", "NODE", "NAMESPACE", "PRINCIPAL"]
    image = "registry.example/team/app"
    assert lines[-2].split() == [NOW, "docker", image, "node-7", "shop", "key:ci"]
    assert lines[-1].split() == [NOW, "podman", image, "-", "-", "key:ci"]


def test_what_was_used_before_fetches_were_recorded(stub: StubService, regcred: Regcred) -> None:
    stub.add("one", last_used_at=NOW)

    assert regcred("credential", "show", "one").out.endswith("\nNo fetch is recorded.\n")


@pytest.mark.parametrize(("limit", "pages"), [("1", 1), ("2", 2), ("4", 3)])
def test_the_newest_are_listed_and_that_there_are_more(
    stub: StubService, regcred: Regcred, limit: str, pages: int
) -> None:
    stub.add("one")
    stub.fetches = [fetch(node=f"n{number}") for number in range(5)]

    done = regcred("credential", "show", "one", "--limit", limit, "-o", "json")

    listed = json.loads(done.out)["fetches"]["items"]
    assert [one["node"] for one in listed] == [f"n{number}" for number in range(int(limit))]
    assert f"the newest {limit} fetches" in done.err
    assert len([seen for seen in stub.seen if seen.path.endswith("/fetches")]) == pages


def test_whom_a_leak_concerns(stub: StubService, regcred: Regcred) -> None:
    stub.add("one", last_used_at=NOW)
    stub.fetches = [fetch(node=f"n{number}") for number in range(30)]
    stub.fetches.append(fetch(principal="pod:prod/shop/web", image="registry.example"))

    done = regcred("credential", "show", "one", "--since", "2026-11-01")

    assert done.out.count("docker") == 31
    assert done.out.endswith(
        f"\n2 principals, 2 images, 30 nodes and unknown ones since {SINCE}.\n"
    )
    assert done.err == ""
    assert stub.last.query["since"] == SINCE


def test_one_of_each_is_not_many(stub: StubService, regcred: Regcred) -> None:
    stub.add("one")
    stub.fetches = [fetch(node="n")]

    done = regcred("credential", "show", "one", "--since", SINCE)

    assert done.out.endswith(f"\n1 principal, 1 image, 1 node since {SINCE}.\n")


def test_where_no_client_says_its_node(stub: StubService, regcred: Regcred) -> None:
    stub.add("one")
    stub.fetches = [fetch()]

    done = regcred("credential", "show", "one", "--since", SINCE)

    assert done.out.endswith(f"\n1 principal, 1 image, unknown nodes since {SINCE}.\n")


def test_a_leak_that_concerns_nobody(stub: StubService, regcred: Regcred) -> None:
    stub.add("one")

    done = regcred("credential", "show", "one", "--since", SINCE)

    assert done.out.endswith(f"\nNobody fetched it since {SINCE}.\n")


def test_a_list_that_may_lack_somebody_says_so(stub: StubService, regcred: Regcred) -> None:
    made = stub.add("one")
    stub.fetches_complete_since = NOW

    done = regcred("credential", "show", "one", "--since", SINCE)

    assert done.code == 0
    assert f"complete from {NOW} on" in done.err
    assert f"regcred audit ls --action credential.revealed --target {made['id']}" in done.err


@pytest.mark.parametrize("more", [(), ("--since", SINCE)])
def test_a_program_reads_the_same(
    stub: StubService, regcred: Regcred, more: tuple[str, ...]
) -> None:
    made = stub.add("one")
    stub.fetches = [fetch(node="n")]

    shown = json.loads(regcred("credential", "show", "one", "-o", "json", *more).out)

    fetches = shown.pop("fetches")
    assert shown == made
    counts = {"principals": 1, "images": 1, "nodes": 1} if more else {}
    assert fetches == {
        "since": SINCE if more else None,
        "complete": True,
        "complete_since": None,
        "items": stub.fetches,
        **counts,
    }


def test_a_name_alone_asks_for_no_fetches(stub: StubService, regcred: Regcred) -> None:
    stub.add("one")

    assert regcred("credential", "show", "one", "-o", "name").out == "one\n"
    assert len(stub.seen) == 1


def test_a_time_that_is_none_asks_nothing(stub: StubService, regcred: Regcred) -> None:
    done = regcred("credential", "show", "one", "--since", "lately")

    assert (done.code, done.err) == (2, "--since is a time such as 2027-01-31T00:00:00Z\n")
    assert stub.seen == []


@pytest.mark.parametrize(
    ("option", "field", "away"),
    [
        (("--expiring", "14d"), "expiring_before", timedelta(days=14)),
        (("--unused", "30d"), "unused_since", timedelta(days=-30)),
        (("--unused", "12h"), "unused_since", timedelta(hours=-12)),
        (("--unused", "90"), "unused_since", timedelta(seconds=-90)),
    ],
)
def test_what_ends_or_rests_is_found_by_a_span(
    stub: StubService, regcred: Regcred, option: tuple[str, str], field: str, away: timedelta
) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    regcred("credential", "ls", *option)
    after = datetime.now(UTC)

    asked = datetime.fromisoformat(stub.last.query[field])
    assert before + away <= asked <= after + away


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--unused", "soon"), "--unused is seconds, or such as 15m, 12h, 7d\n"),
        (("--unused", ""), "--unused is seconds, or such as 15m, 12h, 7d\n"),
        (("--unused", "-1d"), "--unused is seconds, or such as 15m, 12h, 7d\n"),
        (("--expiring", "9" * 30 + "d"), "--expiring is too long\n"),
        (
            ("--unused", "1d", "--unused-since", "2026-01-01"),
            "give one of --unused and --unused-since\n",
        ),
        (
            ("--expiring", "1d", "--expiring-before", "2026-01-01"),
            "give one of --expiring and --expiring-before\n",
        ),
    ],
)
def test_a_span_that_is_none_asks_nothing(
    stub: StubService, regcred: Regcred, options: tuple[str, ...], says: str
) -> None:
    done = regcred("credential", "ls", *options)

    assert (done.code, done.err) == (2, says)
    assert stub.seen == []


def test_since_may_be_how_long_ago(stub: StubService, regcred: Regcred) -> None:
    stub.add("one")
    before = datetime.now(UTC).replace(microsecond=0)

    assert regcred("credential", "show", "one", "--since", "2h").code == 0

    asked = datetime.fromisoformat(str(stub.last.query["since"]))
    assert before <= asked + timedelta(hours=2) <= datetime.now(UTC)
