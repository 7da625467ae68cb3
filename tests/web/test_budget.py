"""Budgets of requests: counted by project and kind, told on every answer where the wire does."""

from __future__ import annotations

from uuid import UUID

import pytest

from regcred.domain.errors import StartRefused
from regcred.web import windows
from regcred.web.app import chosen_budgets
from regcred.web.budget import Budget, Left, Meter
from regcred.web.dialects import DIALECTS
from tests.web.dialects.driver import Said, Speaker, driver_of
from tests.web.world import Reply, World

OURS, THEIRS = UUID(int=1), UUID(int=2)


class Seconds:
    """A monotonic clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def take(meter: Meter, project: UUID = OURS, method: str = "GET") -> Left | None:
    """Return what is left after a request, None for one that was too many."""
    left, exceeded = meter.take(project, method)
    return None if exceeded else left


def test_a_budget_is_whole_again_a_minute_after_its_first_request() -> None:
    clock = Seconds()
    meter = Meter(Budget(reads=2, writes=1), clock)

    assert take(meter) == Left(2, 1, 60)
    clock.now += 59.5
    assert take(meter) == Left(2, 0, 1)
    assert meter.take(OURS, "GET") == (Left(2, 0, 1), True)
    clock.now += 0.5
    assert take(meter) == Left(2, 1, 60)


def test_reads_writes_and_projects_are_counted_apart() -> None:
    meter = Meter(Budget(reads=1, writes=2), Seconds())

    for project in (OURS, THEIRS):
        assert take(meter, project, "GET") == Left(1, 0, 60)
        assert take(meter, project, "POST") == Left(2, 1, 60)
    assert take(meter, OURS, "HEAD") is None
    assert take(meter, OURS, "DELETE") == Left(2, 0, 60)
    assert take(meter, OURS, "PATCH") is None


def test_a_refused_request_takes_nothing() -> None:
    meter = Meter(Budget(reads=1, writes=1), Seconds())

    assert [take(meter) for _ in range(3)] == [Left(1, 0, 60), None, None]
    assert meter.take(OURS, "GET") == (Left(1, 0, 60), True)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "_MAX_WINDOWS", 10)
    meter = Meter(Budget(reads=5, writes=5), Seconds())

    for number in range(1000):
        take(meter, UUID(int=number))

    assert len(meter._windows._windows) == 10
    assert take(meter, UUID(int=999)) == Left(5, 3, 60)
    assert take(meter, UUID(int=0)) == Left(5, 4, 60)


@pytest.mark.parametrize(
    ("choices", "chosen"),
    [
        ({}, {}),
        ({"gcore": "600/60"}, {"gcore": Budget(600, 60)}),
        ({"sevalla": "vendor"}, {"sevalla": Budget(400, 30)}),
        (
            {"native": "1/2", "yotta": "999999999/1"},
            {"native": Budget(1, 2), "yotta": Budget(999_999_999, 1)},
        ),
    ],
)
def test_an_operator_chooses_numbers_or_a_preset(
    choices: dict[str, str], chosen: dict[str, Budget]
) -> None:
    assert chosen_budgets(choices) == chosen


@pytest.mark.parametrize(
    ("name", "choice", "said"),
    [
        ("nobody", "1/1", ", ".join(sorted(dialect.name for dialect in DIALECTS))),
        ("gcore", "vendor", "READS/WRITES"),
        ("sevalla", "generous", "vendor"),
        ("sevalla", "0/1", "READS/WRITES"),
        ("sevalla", "1/0", "READS/WRITES"),
        ("sevalla", "1", "READS/WRITES"),
        ("sevalla", "-1/1", "READS/WRITES"),
        ("sevalla", "1/1/1", "READS/WRITES"),
    ],
)
def test_a_budget_that_is_none_refuses_the_start(name: str, choice: str, said: str) -> None:
    with pytest.raises(StartRefused, match=said):
        chosen_budgets({name: choice})


def _told(reply: Reply) -> tuple[int, int, int]:
    limit, remaining, reset = (
        int(reply.headers[f"x-ratelimit-{name}"]) for name in ("limit", "remaining", "reset")
    )
    return limit, remaining, reset


async def test_sevalla_tells_what_is_left_on_every_answer(world: World) -> None:
    speaker = Speaker(world, driver_of("sevalla"))
    path = speaker.driver.collection

    made = await speaker.say(speaker.driver.create("docker-hub"))
    bad = await speaker.say(speaker.driver.create(""))
    read = await speaker.say(Said("GET", path))
    missing = await speaker.say(speaker.at("019a9c1e-ffff-7fff-bfff-ffffffffffff"))
    unknown = await speaker.say(Said("GET", path), who=None)
    nowhere = await speaker.say(Said("GET", "/v3/nothing"), who=None)
    method = await speaker.say(Said("PUT", path))
    large = await speaker.say(speaker.driver.create("x", "y" * 100_000))
    document = await speaker.say(Said("GET", "/v3/openapi.json"), who=None)

    assert _told(made) == (6000, 5999, 60)
    assert _told(bad)[:2] == (6000, 5998)
    assert _told(read)[:2] == (6000, 5999)
    assert _told(missing)[:2] == (6000, 5998)
    # Whoever is not known, or asks for nothing, takes nothing of anyone's.
    for reply in (unknown, nowhere, method, large, document):
        assert _told(reply) == (6000, 6000, 60)
        assert len(reply.headers.get_list("x-ratelimit-limit")) == 1


@pytest.mark.parametrize("name", ["native", "gcore", "yotta", "sevalla"])
async def test_every_face_has_a_budget_of_its_own(name: str) -> None:
    world = await World(budgets={name: Budget(reads=3, writes=2)}).populate()
    speaker = Speaker(world, driver_of(name))
    driver = speaker.driver

    for number in range(2):
        assert (await speaker.say(driver.create(f"login-{number}"))).status_code == driver.created
    refused = await speaker.refused(driver.create("login-2"), 429)
    for _ in range(3):
        assert len(await speaker.list()) == 2
    await speaker.refused(Said("GET", driver.collection), 429)
    # Another project's key has another budget, and another face counts for itself.
    theirs = driver.collection.replace("/inference/1/", "/inference/2/")
    assert (await speaker.say(Said("GET", theirs), who="foreign admin")).status_code == 200
    for other in {"native", "gcore", "yotta", "sevalla"} - {name}:
        assert len(await Speaker(world, driver_of(other)).list()) == 2
    world.clock.now = world.clock.now.replace(minute=2)
    again = await speaker.say(driver.create("login-2"))

    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert again.status_code == driver.created
    if name == "sevalla":
        assert _told(refused)[:2] == (2, 0)
        assert refused.headers["x-ratelimit-reset"] == refused.headers["retry-after"]


async def test_pulling_has_no_budget() -> None:
    """The hot path is never told to come back later: a node would fail to start its pod."""
    world = await World(budgets={"native": Budget(reads=1, writes=1)}).populate()
    await world.add(registry_url="docker.io")

    for _ in range(20):
        reply = await world.send("POST", "/v1/projects/-/resolve", {"image": "docker.io/a/b"})
        assert reply.status_code == 200
