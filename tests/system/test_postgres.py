"""Several processes on one PostgreSQL database, as their operator meets them."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools.postgres import Cluster
from tests.tools.proc import children
from tests.tools.programs import NotReady, wait_for
from tests.tools.service import Service

pytestmark = pytest.mark.system

IMAGE = {"image": "registry.example.com/team/app:1"}


def on(database: Cluster, folder: Path) -> Service:
    """Return an installation whose store is the database."""
    service = Service(folder)
    service.env["REGCRED_DATABASE"] = database.url("app", "regcred")
    return service


@pytest.fixture
def pair(database: Cluster, tmp_path: Path) -> Iterator[tuple[Service, Service]]:
    """Two processes that serve one database, each from a folder and a port of its own."""
    first, second = on(database, tmp_path / "first"), on(database, tmp_path / "second")
    first.init()
    # What every machine has to be given: the key ring.
    shutil.copytree(first.data / "keys", second.data / "keys")
    (second.data / "keys" / "anchor.json").unlink()
    second.key = first.key
    with first.serving(), second.serving():
        yield first, second


def test_what_one_process_stores_the_other_hands_out(pair: tuple[Service, Service]) -> None:
    first, second = pair
    with first.api() as here, second.api() as there:
        here.add("web", "registry.example.com/team", "robot", "a-secret")
        answer = there.ask("POST", "projects/-/resolve", IMAGE)
        audit = here.ask("GET", "projects/-/audit")

    assert [login["password"] for login in answer["logins"]] == ["a-secret"]
    assert [row["action"] for row in audit["items"]][:2] == [
        "credential.revealed",
        "credential.created",
    ]


def test_a_key_revoked_through_one_is_refused_by_the_other_at_once(
    pair: tuple[Service, Service],
) -> None:
    first, second = pair
    refused = []
    with first.api() as here:
        here.add("web", "registry.example.com/team", "robot", "a-secret")
        for _ in range(10):
            made = here.ask("POST", "projects/-/keys", {"name": "node", "role": "puller"})
            with second.api(made["key"]) as node:
                assert node.send("POST", "projects/-/resolve", IMAGE).status_code == 200
                here.ask("DELETE", f"projects/-/keys/{made['id']}")
                refused.append(node.send("POST", "projects/-/resolve", IMAGE).status_code)

    assert refused == [401] * 10


def test_a_secret_replaced_through_one_is_handed_out_by_the_other_at_once(
    pair: tuple[Service, Service],
) -> None:
    first, second = pair
    seen = []
    with first.api() as here, second.api() as there:
        here.add("web", "registry.example.com/team", "robot", "secret-0")
        for n in range(1, 6):
            here.ask("PATCH", "projects/-/credentials/web", {"password": f"secret-{n}"})
            (login,) = there.ask("POST", "projects/-/resolve", IMAGE)["logins"]
            seen.append(login["password"])

    assert seen == [f"secret-{n}" for n in range(1, 6)]


def test_the_owner_does_not_serve_and_a_password_in_the_address_is_refused(
    database: Cluster, tmp_path: Path
) -> None:
    service = on(database, tmp_path / "service")
    service.env["REGCRED_DATABASE"] = database.url("owner", "regcred")
    with pytest.raises(NotReady, match="must not connect as the tables' owner"):
        service.start().wait_ready(service.ready)
    told = service.run("init", "--database", "postgresql://app:hunter2@127.0.0.1/regcred")

    assert told.code == 2
    assert "--database" in told.err
    assert "hunter2" not in told.text


def test_a_database_without_a_schema_says_what_to_run(database: Cluster, tmp_path: Path) -> None:
    service = on(database, tmp_path / "service")
    service.env["REGCRED_DATABASE"] = database.url("app", "postgres")

    assert "run `regcred migrate --database` as the database's owner" in service.run("init").err


def test_several_workers_serve_one_port_and_one_that_is_killed_comes_back(
    database: Cluster, tmp_path: Path
) -> None:
    service = on(database, tmp_path / "service")
    with service.serving("--workers", "2") as server:
        (key,) = (word for word in server.text.split() if word.startswith("rgc_"))
        service.key = key
        first = wait_for(lambda: (now := children(server.pid))[1:] and now)
        with service.api() as api:
            api.add("web", "registry.example.com/team", "robot", "a-secret")
        os.kill(first[0], signal.SIGKILL)
        answers = []
        for _ in range(20):
            with service.api() as api:  # a connection of its own, to whichever worker takes it
                answers.append(api.ask("POST", "projects/-/resolve", IMAGE)["logins"][0])
        wait_for(lambda: len(children(server.pid)) == 2 and children(server.pid) != first)

    assert {login["password"] for login in answers} == {"a-secret"}
    assert server.code == 0
    assert server.text.count("rgc_") == 1  # the key is made and shown once


def test_a_worker_that_dies_while_the_database_is_away_ends_no_other_and_comes_back(
    database: Cluster, tmp_path: Path
) -> None:
    service = on(database, tmp_path / "service")
    with service.serving("--workers", "2") as server:
        first = wait_for(lambda: (now := children(server.pid))[1:] and now)
        database.stop()
        try:
            os.kill(first[0], signal.SIGKILL)
            wait_for(lambda: "a worker was refused its start" in server.text)
            stays = first[1] in children(server.pid)
        finally:
            database.start()
        wait_for(lambda: len(children(server.pid)) == 2)
        wait_for(service.ready)

    assert stays
    assert server.code == 0
