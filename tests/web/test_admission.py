"""No project takes what all share, and rates are exact: at the door, and through every face."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID

import pytest
from starlette.types import Scope

from regcred.domain.access import Caller, Principal, Role
from regcred.domain.errors import QuotaExceeded
from regcred.domain.ports import LoginPlace, ProjectRef
from regcred.domain.token import ApiToken
from regcred.usecases.lock_out import OF_KEY
from regcred.web.admission import Admission
from tests.web.dialects.driver import Said, Speaker, driver_of, every_dialect
from tests.web.world import World, problem

A, B, C = (UUID(int=number) for number in (1, 2, 3))
PULLS: list[tuple[str, dict[str, Any]]] = [
    ("resolve", {"json": {"image": "docker.io/a/b"}}),
    ("docker-credential/get", {"content": "docker.io"}),
    (
        "kubelet-credential",
        {
            "json": {
                "kind": "CredentialProviderRequest",
                "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
                "image": "docker.io/a/b",
            }
        },
    ),
]


class Seconds:
    """A monotonic clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def caller(project: UUID = A, key: str = "one") -> Caller:
    return Caller(Principal("key", key), project, Role.PULLER)


def begin(admission: Admission, who: Caller) -> Scope | None:
    """Begin a request; return its scope, None if it was refused and has ended."""
    scope: Scope = {}
    admission.begin()
    try:
        admission.admit(scope, who)
    except QuotaExceeded:
        admission.end(scope)
        return None
    return scope


def take_all(admission: Admission, *projects: UUID, tries: int = 3000) -> Counter[UUID]:
    """Let each project in turn begin whatever it may; return how many it has."""
    return Counter(
        project
        for _ in range(tries)
        for project in projects
        if begin(admission, caller(project)) is not None
    )


# Places


def test_a_project_alone_has_three_quarters_of_the_places() -> None:
    assert take_all(Admission(2048, Seconds()), A) == {A: 1536}


def test_projects_that_take_what_they_can_have_the_same_and_leave_some() -> None:
    for projects in ([A, B], [A, B, C], [UUID(int=n) for n in range(20)]):
        held = take_all(Admission(2048, Seconds()), *projects)

        assert max(held.values()) - min(held.values()) <= 1
        assert 3 * 2048 // (3 * len(projects) + 1) - 1 <= min(held.values())
        assert held.total() < 2048


def test_who_comes_after_one_that_takes_all_it_can_finds_places() -> None:
    admission = Admission(2048, Seconds())
    take_all(admission, A)

    assert take_all(admission, B)[B] > 2048 // 8
    assert take_all(admission, C)[C] > 2048 // 40
    assert begin(admission, caller(UUID(int=9))) is not None


def test_a_place_is_given_back_and_nothing_is_remembered() -> None:
    admission = Admission(16, Seconds())
    for _ in range(100):
        scopes = [scope for _ in range(16) if (scope := begin(admission, caller())) is not None]
        assert len(scopes) == 12
        for scope in scopes:
            admission.end(scope)

    assert (admission.under_way, admission._held) == (0, {})


def test_a_request_that_asks_again_after_a_wait_has_its_place() -> None:
    admission = Admission(16, Seconds(), per_key=1)
    scope: Scope = {"state": {}}
    admission.begin()
    for _ in range(5):
        admission.admit(scope, caller())
    admission.end(scope)

    assert admission._held == {}


def test_a_request_whose_caller_is_not_known_counts_against_nobody() -> None:
    admission = Admission(16, Seconds())
    for _ in range(8):
        admission.begin()

    assert len(take_all(admission, A)) == 1
    admission.end({})
    assert admission.under_way > 0


# Rates


def test_a_rate_lets_exactly_so_many_pass_in_a_window() -> None:
    clock = Seconds()
    admission = Admission(10_000, clock, per_key=10)

    assert take_all(admission, A, tries=1000) == {A: 10}
    clock.now += 60
    assert take_all(admission, A, tries=1000) == {A: 10}


def test_a_keys_rate_is_its_own_and_a_projects_that_of_all_its_keys() -> None:
    admission = Admission(10_000, Seconds(), per_key=3, per_project=5)
    begun = Counter(
        (project, key)
        for _ in range(10)
        for project, key in ((A, "one"), (A, "two"), (B, "three"))
        if begin(admission, caller(project, key)) is not None
    )

    assert begun == {(A, "one"): 3, (A, "two"): 2, (B, "three"): 3}


def test_who_is_refused_hears_when_the_window_ends() -> None:
    clock = Seconds()
    admission = Admission(100, clock, per_project=1)
    begin(admission, caller())
    clock.now += 20.5

    with pytest.raises(QuotaExceeded, match="requests of this project") as refused:
        admission.admit({}, caller())

    assert refused.value.retry_after == 40


async def test_ten_of_a_thousand_at_once_pass_through_the_service() -> None:
    world = await World(most_at_once=2_000, rates={"per_key": 10}).populate()
    scope: dict[str, Any] = {
        "type": "http", "http_version": "1.1", "method": "GET", "path": "/v1/whoami",
        "raw_path": b"/v1/whoami", "query_string": b"", "root_path": "", "scheme": "http",
        "headers": [(b"host", b"a"), (b"authorization", b"Bearer " + world.keys["admin"].encode())],
    }  # fmt: skip
    statuses: Counter[int] = Counter()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses[message["status"]] += 1

    await asyncio.gather(*(world.app({**scope, "state": {}}, receive, send) for _ in range(1_000)))

    assert statuses == {200: 10, 429: 990}


@every_dialect
@pytest.mark.parametrize("rate", ["per_key", "per_project"])
async def test_every_face_tells_a_rate_in_its_own_words(name: str, rate: str) -> None:
    world = await World(rates={rate: 3}).populate()
    speaker = Speaker(world, driver_of(name))
    said = Said("GET", speaker.driver.collection)
    for _ in range(3):
        assert (await speaker.say(said)).status_code == 200

    refused = await speaker.refused(said, 429)
    pulls = [await world.send("POST", f"/v1/projects/-/{path}", **what) for path, what in PULLS]
    unknown = await speaker.say(said, who=None)
    other = await world.send("GET", "/v1/whoami", key="foreign admin")

    assert [problem(pull) for pull in pulls] == ["quota-exceeded"] * len(PULLS)
    for reply in (refused, *pulls):
        assert 1 <= int(reply.headers["retry-after"]) <= 60
    assert (unknown.status_code, other.status_code) == (401, 200)


@every_dialect
async def test_every_face_tells_who_sends_wrong_keys_to_wait(name: str) -> None:
    world = await World().populate()
    world.keys["wrong"] = ApiToken(ApiToken.parse(world.keys["admin"]).id, "A" * 43).reveal()
    speaker = Speaker(world, driver_of(name))
    said = Said("GET", speaker.driver.collection)
    for _ in range(OF_KEY):
        await speaker.refused(said, 401, who="wrong")

    refused = await speaker.refused(said, 429, who="wrong")
    pulls = [
        await world.send("POST", f"/v1/projects/-/{path}", key="wrong", **what)
        for path, what in PULLS
    ]

    assert [problem(pull) for pull in pulls] == ["quota-exceeded"] * len(PULLS)
    for reply in (refused, *pulls):
        assert 1 <= int(reply.headers["retry-after"]) <= 60
        assert "www-authenticate" not in reply.headers
    assert (await speaker.say(said)).status_code == 200


@pytest.mark.parametrize(("path", "what"), PULLS)
async def test_pulls_count_against_a_rate(path: str, what: dict[str, Any]) -> None:
    world = await World(rates={"per_key": 2}).populate()
    await world.add(registry_url="docker.io", key="editor")
    statuses = [
        (await world.send("POST", f"/v1/projects/-/{path}", key="puller", **what)).status_code
        for _ in range(3)
    ]

    assert statuses == [200, 200, 429]


async def test_a_project_that_holds_many_requests_leaves_places_to_others() -> None:
    world = await World(most_at_once=8).populate()
    find, go_on, held = world.store.find_project, asyncio.Event(), 0

    async def slow(ref: ProjectRef) -> Any:
        nonlocal held
        held += 1
        await go_on.wait()
        return await find(ref)

    world.store.find_project = slow  # type: ignore[method-assign]  # to hold requests up
    path = "/v1/projects/-/credentials"
    asked = [asyncio.create_task(world.send("GET", path)) for _ in range(6)]
    # Those of one turn are all begun before anyone knows whose they are.
    assert not any([await _ended(one) for one in asked])
    asked += [asyncio.create_task(world.send("GET", path)) for _ in range(2)]
    done = [await one for one in asked if await _ended(one)]
    theirs = asyncio.create_task(world.send("GET", path, key="foreign admin"))
    assert not await _ended(theirs)
    go_on.set()
    replies = [await one for one in asked]

    assert [reply.status_code for reply in done] == [429] * 2
    assert {reply.headers["retry-after"] for reply in done} == {"1"}
    assert [reply.status_code for reply in replies].count(200) == 6
    assert (await theirs).status_code == 200
    assert held == 7


@pytest.mark.parametrize("path", ["/v1/projects/-/credentials", "/v1/projects/-/resolve", "/x"])
async def test_addresses_that_send_bodies_slowly_leave_places_to_others(path: str) -> None:
    world = await World(most_at_once=11).populate()
    statuses: list[int] = []

    async def never() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        statuses.append(message.get("status", 0))

    async def ask(address: str) -> None:
        scope = {
            "type": "http", "http_version": "1.1", "method": "POST", "path": path,
            "raw_path": path.encode(), "query_string": b"", "root_path": "", "scheme": "http",
            "client": (address, 1), "headers": [(b"host", b"a"), (b"content-length", b"9")],
            "state": {},
        }  # fmt: skip
        await world.app(scope, never, send)

    tasks = [asyncio.create_task(ask(f"192.0.2.{number % 3}")) for number in range(30)]
    refused = [task for task in tasks if await _ended(task)]
    honest = await world.send("GET", "/v1/whoami")
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)

    assert len(refused) == 30 - 9
    assert {status for status in statuses if status} == {429}
    assert honest.status_code == 200
    assert not world.admission._slow


async def _ended(task: asyncio.Task[Any]) -> bool:
    for _ in range(50):
        await asyncio.sleep(0)
    return task.done()


async def test_a_pull_that_waits_for_an_exchange_counts_once() -> None:
    """It reads everything anew after the wait, and is still one request."""
    world = await World(rates={"per_key": 1}).populate()
    world.allowance.take = lambda _project: None  # type: ignore[method-assign]  # let it exchange
    await world.add(
        registry_url="123456789012.dkr.ecr.eu-west-1.amazonaws.com",
        provider="ecr",
        username="AKIAIOSFODNN7EXAMPLE",
        key="editor",
    )
    waits: list[LoginPlace] = []
    wait = world.wait

    async def counted(place: LoginPlace, seconds: float) -> None:
        waits.append(place)
        await wait(place, seconds)

    world.wait = counted  # type: ignore[method-assign]  # to see that it waited
    image = {"image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app"}
    reply = await world.send("POST", "/v1/projects/-/resolve", image, key="puller")

    assert reply.status_code == 200, reply.text
    assert waits
