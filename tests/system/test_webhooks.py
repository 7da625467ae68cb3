"""The service as a process and a receiver as people write them: events arrive, signed."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from regcred.bootstrap.state import open_state
from regcred.domain.event import Event, EventKind
from regcred.settings import Settings
from tests.system.conftest import RequireTool
from tests.tools.api import Api
from tests.tools.events import record_event
from tests.tools.programs import wait_for
from tests.tools.receiver import Receiver
from tests.tools.service import Service
from tests.tools.world import running

pytestmark = pytest.mark.system

HOOKS = "projects/-/webhooks"
LOGIN = UUID("019a9c1e-0000-7000-8000-000000000005")
KIND = EventKind.ALLOWANCE_LOW
"""Nothing that these tests do makes one, so that what comes is what they stored."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    made = Service(tmp_path_factory.mktemp("webhooks"))
    made.init()
    with made.serving():
        yield made


@pytest.fixture
def api(service: Service) -> Iterator[Api]:
    with service.api() as made:
        yield made
        for one in made.ask("GET", HOOKS)["items"]:
            made.ask("DELETE", f"{HOOKS}/{one['id']}")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().serving() as made:
        yield made


def happen(service: Service, **details: Any) -> int:
    """Store an event beside the running service, as its own checks do inside."""

    async def store() -> int:
        settings = Settings(data=service.data)
        async with open_state(settings, exclusive=False) as state:
            (project,) = await state.store.list_projects(0, 1)
            told = Event(project.id, datetime.now(UTC), KIND, LOGIN, "hub", details)
            return await record_event(state.store, told)

    return asyncio.run(store())


def subscribe(api: Api, receiver: Receiver, **more: Any) -> str:
    """Have events sent to the receiver, which checks them with the secret; return the id."""
    body = {"url": receiver.url, "kinds": [str(KIND)], **more}
    made = api.ask("POST", HOOKS, body)
    receiver.secret = made["secret"]
    id_: str = made["id"]
    return id_


def status(api: Api, webhook: str) -> str | None:
    found: str | None = api.ask("GET", f"{HOOKS}/{webhook}")["last_status"]
    return found


def test_a_test_message_arrives_and_is_believed(api: Api, receiver: Receiver) -> None:
    webhook = subscribe(api, receiver)

    assert api.ask("POST", f"{HOOKS}/{webhook}:test") == {"status": "delivered"}
    (message,) = receiver.messages
    assert message["type"] == "webhook.test"
    assert message["data"]["project"]["number"] == 1


def test_an_event_arrives_once_and_is_believed(
    service: Service, api: Api, receiver: Receiver
) -> None:
    webhook = subscribe(api, receiver)
    number = happen(service, remaining=7)
    receiver.wait(lambda it: len(it.got) >= 1)
    wait_for(lambda: status(api, webhook) == "delivered")
    time.sleep(1.5)

    (got,) = receiver.got
    assert got.headers["content-type"] == "application/json"
    assert got.message["type"] == "allowance.low"
    assert got.message["data"] == {
        "project": {k: api.ask("GET", "projects/-")[k] for k in ("id", "number", "name")},
        "credential": {"id": str(LOGIN), "name": "hub"},
        "number": number,
        "remaining": 7,
    }


def test_many_events_reach_many_webhooks_once_each(
    service: Service, api: Api, receiver: Receiver
) -> None:
    webhooks = [subscribe(api, receiver) for _ in range(3)]
    numbers = [happen(service) for _ in range(5)]
    receiver.wait(lambda it: len(it.got) >= 15)
    time.sleep(1.5)

    ids = [one.id for one in receiver.got]
    wanted = {f"msg_{UUID(webhook).hex}_{n}" for webhook in webhooks for n in numbers}
    assert len(ids) == 15
    assert set(ids) == wanted


def test_a_failed_delivery_is_repeated_with_the_same_id(
    service: Service, api: Api, receiver: Receiver
) -> None:
    subscribe(api, receiver)
    receiver.will(500)
    happen(service)
    receiver.wait(lambda it: len(it.got) >= 2)

    first, second = receiver.got
    assert first.id == second.id
    assert first.body == second.body
    assert int(second.headers["webhook-timestamp"]) >= int(first.headers["webhook-timestamp"]) + 5
    assert first.message == second.message is not None
    assert len(receiver.messages) == 1


def test_a_receiver_that_is_gone_is_left_alone(
    service: Service, api: Api, receiver: Receiver
) -> None:
    webhook = subscribe(api, receiver)
    receiver.will(410)
    happen(service)
    wait_for(lambda: api.ask("GET", f"{HOOKS}/{webhook}")["disabled"])
    happen(service)
    time.sleep(1.5)

    assert len(receiver.got) == 1
    assert status(api, webhook) == "gone"
    rows = api.ask("GET", f"projects/-/audit?target={webhook}")["items"]
    assert (rows[0]["action"], rows[0]["principal"]) == ("webhook.updated", "system:webhooks")
    api.ask("PATCH", f"{HOOKS}/{webhook}", {"disabled": False})
    happen(service)
    receiver.wait(lambda it: len(it.got) == 2)


def test_a_redirection_is_not_followed(api: Api, receiver: Receiver) -> None:
    webhook = subscribe(api, receiver)
    receiver.will(307, location=receiver.url)

    assert api.ask("POST", f"{HOOKS}/{webhook}:test") == {"status": "redirected"}
    assert len(receiver.got) == 1


def test_a_rotated_secret_signs_what_waits_too(
    service: Service, api: Api, receiver: Receiver
) -> None:
    webhook = subscribe(api, receiver)
    receiver.will(503)
    happen(service)
    receiver.wait(lambda it: len(it.got) >= 1)
    receiver.secret = api.ask("POST", f"{HOOKS}/{webhook}:rotate-secret")["secret"]
    receiver.wait(lambda it: len(it.got) >= 2)

    assert receiver.got[1].message is not None


def test_a_row_edited_to_go_elsewhere_sends_nothing(
    service: Service, api: Api, receiver: Receiver
) -> None:
    webhook = subscribe(api, receiver, url=f"http://127.0.0.1:{receiver.port + 1}/hook")
    database = sqlite3.connect(service.data / "store" / "regcred.db", isolation_level=None)
    database.execute("UPDATE webhooks SET url = ? WHERE id = ?", (receiver.url, webhook))
    database.close()
    happen(service)
    wait_for(lambda: status(api, webhook) == "secret_broken")

    assert api.send("POST", f"{HOOKS}/{webhook}:test").status_code == 500
    assert receiver.got == []


def test_what_waits_outlives_the_service(tmp_path: Path, receiver: Receiver) -> None:
    service = Service(tmp_path)
    service.init()
    with service.serving() as daemon, service.api() as api:
        subscribe(api, receiver)
        receiver.will(*[503] * 1000)
        number = happen(service)
        receiver.wait(lambda it: len(it.got) >= 1)
        daemon.kill()
    receiver.answers.clear()
    with service.serving():
        receiver.wait(lambda it: len(it.got) >= 2, 90)

    assert {one.id.rpartition("_")[2] for one in receiver.got} == {str(number)}
    assert len(receiver.messages) == 1


def test_an_idle_service_stops_at_once(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.init()
    with service.serving() as daemon:
        began = time.monotonic()
        daemon.stop()
        assert time.monotonic() - began < 10

    assert "Traceback" not in (service.logs / "regcred.err").read_text()


def test_a_login_that_goes_bad_is_told(
    tmp_path: Path, receiver: Receiver, require_tool: RequireTool
) -> None:
    for name in ("docker-registry", "htpasswd", "skopeo"):
        require_tool(name)
    with running(tmp_path, "htpasswd") as world:
        made = world.api.ask("POST", HOOKS, {"url": receiver.url})
        receiver.secret = made["secret"]
        world.add("hub")
        assert world.api.verify("hub", world.image())["verdict"] == "ok"
        world.set_password("puller", "another-password")
        assert world.api.verify("hub", world.image())["verdict"] == "rejected"
        receiver.wait(lambda it: any(m["data"].get("to") == "rejected" for m in it.messages))
        shown = world.api.ask("GET", "projects/-/events")["items"]

    told = [m for m in receiver.messages if m["data"].get("to") == "rejected"]
    assert [m["type"] for m in told] == ["verdict.changed"]
    assert told[0]["data"]["credential"]["name"] == "hub"
    assert told[0]["data"]["number"] in [one["number"] for one in shown]
