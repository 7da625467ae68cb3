"""Automatic checks against a real registry, with a clock that is moved by hand."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from regcred.adapters.registries.registries import RealRegistries
from regcred.bootstrap.first_run import first_run
from regcred.bootstrap.rechecker import Rechecker
from regcred.bootstrap.state import State, open_state
from regcred.bootstrap.stores import utc_now
from regcred.domain.access import Caller, Principal, Role
from regcred.domain.credential import Draft
from regcred.domain.event import Event
from regcred.domain.ports import EventFilter
from regcred.domain.registry import ImageReference
from regcred.domain.secret import Secret
from regcred.domain.verdict import VerdictKind
from regcred.settings import Settings
from regcred.usecases.recheck_credentials import RecheckCredentials
from regcred.usecases.verify_credential import VerifyCredential
from tests.system.conftest import RequireTool
from tests.tools.inside import use_cases
from tests.tools.programs import (
    LOOPBACK,
    environment,
    free_port,
    http_status,
    regcred,
    wait_for,
)
from tests.tools.registry import PasswordFile, Registry, with_password_file
from tests.tools.service import Service

pytestmark = pytest.mark.system

_REQUEST = re.compile(r'"(\w+) (/v2/\S*) HTTP/1\.1" (\d+)')
DUE = {"hours": 27}


class HandClock:
    """The real time, moved ahead by hand."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return utc_now() + self.ahead

    def forward(self, **step: float) -> None:
        self.ahead += timedelta(**step)


@pytest.fixture
def registry(tmp_path: Path, require_tool: RequireTool) -> Iterator[tuple[Registry, PasswordFile]]:
    for name in ("docker-registry", "htpasswd"):
        require_tool(name)
    made, users = with_password_file(tmp_path / "registry")
    with made.serving():
        yield made, users


def requests(registry: Registry) -> list[str]:
    """Return what the registry says it was asked, but for the look whether it is up."""
    logs = registry.folder / "logs"
    text = "".join(path.read_text(errors="replace") for path in sorted(logs.iterdir()))
    lines = [line for line in text.splitlines() if "regcred" in line]
    return [" ".join(found.groups()) for line in lines if (found := _REQUEST.search(line))]


@dataclass
class Inside:
    """A service's own parts, without its web."""

    state: State
    clock: HandClock
    rechecker: Rechecker
    verify: VerifyCredential
    caller: Caller
    name: str = "hub"

    async def turn(self) -> int:
        return await self.rechecker.turn()

    async def standing(self) -> tuple[VerdictKind | None, bool]:
        found = await self.state.store.find_credential(self.caller.project_id, self.name)
        return found.standing.last, found.standing.withheld

    async def told(self) -> list[Event]:
        project = self.caller.project_id
        return list(await self.state.store.list_events(project, EventFilter(), 0, 100))[::-1]


@pytest.fixture
async def inside(tmp_path: Path, registry: tuple[Registry, PasswordFile]) -> AsyncIterator[Inside]:
    clock = HandClock()
    settings = Settings(data=tmp_path / "data")
    async with open_state(settings, exclusive=True) as opened:
        state = replace(opened, clock=clock)
        made = await first_run(state)
        asked = RealRegistries(
            clock, time.monotonic, allow_networks=["127.0.0.0/8"], allow_http=[LOOPBACK]
        )
        caller = Caller(Principal("key", "test"), made.project.id, Role.ADMIN)
        using = use_cases(state, asked)
        await using.credentials.create(
            caller, None, Draft("hub", "puller", Secret("right"), registry[0].address)
        )
        recheck = RecheckCredentials(state.store, state.sealer, asked, clock)
        yield Inside(state, clock, Rechecker(recheck, 4), using.verify, caller)


async def test_a_login_that_goes_bad_is_found_confirmed_withheld_and_left_alone(
    inside: Inside, registry: tuple[Registry, PasswordFile]
) -> None:
    serving, users = registry
    users.set("puller", "right")
    image = ImageReference.parse(f"{serving.address}/team/app:1")
    verdict = await inside.verify.stored(inside.caller, None, "hub", None)
    assert verdict.kind is VerdictKind.OK
    verdict = await inside.verify.stored(inside.caller, None, "hub", image)
    assert verdict.kind is VerdictKind.MISSING

    before = len(requests(serving))
    inside.clock.forward(**DUE)
    assert await inside.turn() == 1
    assert await inside.standing() == (VerdictKind.OK, False)
    assert requests(serving)[before:] == ["GET /v2/ 401", "GET /v2/ 200"]

    users.set("puller", "changed by somebody")
    before = len(requests(serving))
    seen = []
    for step in (DUE, {"minutes": 14}, {"minutes": 6}, {"minutes": 20}, DUE, {"days": 60}):
        inside.clock.forward(**step)
        seen.append((await inside.turn(), *await inside.standing()))

    rejected = VerdictKind.REJECTED
    assert seen == [
        (1, rejected, False),
        (0, rejected, False),
        (1, rejected, True),
        (0, rejected, True),
        (0, rejected, True),
        (0, rejected, True),
    ]
    # The check that found it and its one confirmation: the dead login was sent twice.
    assert requests(serving)[before:] == ["GET /v2/ 401", "GET /v2/ 401"] * 2
    changes = [event.details.get("to", str(event.kind)) for event in await inside.told()]
    assert changes == ["missing", "ok", "rejected", "login.withheld"]

    users.set("puller", "right")
    verdict = await inside.verify.stored(inside.caller, None, "hub", None)
    assert verdict.kind is VerdictKind.OK
    assert await inside.standing() == (VerdictKind.OK, False)
    inside.clock.forward(**DUE)
    assert await inside.turn() == 1


async def test_a_registry_that_is_away_is_asked_less_and_less(
    inside: Inside, registry: tuple[Registry, PasswordFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    del registry
    monkeypatch.setattr(
        inside.rechecker.recheck._registries._client,  # type: ignore[attr-defined]  # the real one
        "_deadline",
        0.0,
    )
    inside.clock.forward(**DUE)
    gaps: list[int] = []
    waited = 0
    assert await inside.turn() == 1
    while len(gaps) < 4:
        inside.clock.forward(minutes=1)
        waited += 1
        if await inside.turn():
            gaps.append(waited)
            waited = 0

    assert await inside.standing() == (VerdictKind.UNREACHABLE, False)
    for gap, least in zip(gaps, (5, 10, 20, 40), strict=True):
        assert least <= gap <= least * 1.2 + 1


# Through the doors of a running service


def scraped(port: int) -> str:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=10)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def test_a_running_service_finds_it_by_itself_and_counts_it(
    tmp_path: Path, registry: tuple[Registry, PasswordFile]
) -> None:
    serving, users = registry
    users.set("puller", "right")
    service = Service(tmp_path / "service")
    service.init()
    port = free_port()
    with service.serving("--metrics-port", str(port)) as daemon, service.api() as api:
        api.add("tenants-word", serving.address, "puller", "right")
        assert api.verify("tenants-word", None)["verdict"] == "ok"
        users.set("puller", "changed by somebody")
        service.make_due("tenants-word")
        (event,) = wait_for(lambda: api.send("GET", "projects/-/events").json()["items"])
        rows = api.send("GET", "projects/-/audit?principal=system:recheck").json()["items"]
        listed = service.run("events", "-o", "json")
        text = scraped(port)

        assert http_status(service.port, "/metrics") == 404
        daemon.stop()

    assert (event["kind"], event["details"]["to"]) == ("verdict.changed", "rejected")
    assert event["credential"]["name"] == "tenants-word"
    assert [row["action"] for row in rows] == ["credential.verified"]
    assert listed.code == 4, "the operator's environment holds no key"
    for trigger, verdict in (("person", "ok"), ("automatic", "rejected")):
        assert re.search(
            rf'regcred_verifications_total{{provider="generic",trigger="{trigger}",'
            rf'verdict="{verdict}"}} 1\.0|regcred_verifications_total{{provider="generic",'
            rf'verdict="{verdict}",trigger="{trigger}"}} 1\.0',
            text,
        ), text
    assert 'regcred_events_total{kind="verdict.changed"} 1.0' in text
    assert "tenants-word" not in text
    assert "right" not in text
    assert json.dumps(serving.address)[1:-1] not in text


def test_followers_hear_of_it_as_it_happens_and_end_by_ctrl_c(
    tmp_path: Path, registry: tuple[Registry, PasswordFile]
) -> None:
    serving, users = registry
    users.set("puller", "right")
    service = Service(tmp_path / "service")
    service.init()
    env = environment(tmp_path / "home", REGCRED_URL=service.url, REGCRED_KEY=service.key)
    with service.serving(), service.api() as api:
        api.add("hub", serving.address, "puller", "right")
        followers = [
            subprocess.Popen([*regcred(), *words], env=env, stdout=subprocess.PIPE, text=True)
            for words in (
                ["events", "--follow", "--interval", "0.2", "-o", "name"],
                ["credential", "verify", "hub", "--watch", "--interval", "0.2", "-o", "name"],
            )
        ]
        heard = []
        for follower in followers[1:]:
            assert follower.stdout is not None
            heard.append(follower.stdout.readline())
        users.set("puller", "changed by somebody")
        service.make_due("hub")
        for follower in followers:
            assert follower.stdout is not None
            heard.append(follower.stdout.readline())
            follower.send_signal(signal.SIGINT)
        codes = [follower.wait(timeout=20) for follower in followers]
        for follower in followers:
            follower.communicate()

    assert heard == ["ok\n", "1\n", "rejected\n"]
    assert codes == [0, 6]
    # The person's check, and the one that nobody asked for.
    assert requests(serving) == ["GET /v2/ 401", "GET /v2/ 200"] + ["GET /v2/ 401"] * 2


def test_switched_off_it_asks_nobody(
    tmp_path: Path, registry: tuple[Registry, PasswordFile]
) -> None:
    serving, users = registry
    users.set("puller", "right")
    service = Service(tmp_path / "service")
    service.env["REGCRED_RECHECK"] = "false"
    service.init()
    with service.serving(), service.api() as api:
        api.add("one", serving.address, "puller", "right")
        service.make_due("one")
        time.sleep(7)

    assert requests(serving) == []
