"""Even the answers that nobody documents wear the dialect's shape, and none says too much."""

from __future__ import annotations

import asyncio
import json

import pytest

from regcred.domain import errors
from regcred.domain.errors import RegcredError
from regcred.domain.ports import ProjectRef
from regcred.domain.project import Project
from regcred.web.dialect import Dialect
from regcred.web.dialects import DIALECTS
from tests.web.dialects.driver import Said, Speaker, driver_of, every_dialect
from tests.web.hostile import CANARY, HOSTILE_JSON
from tests.web.test_problems import ONE_OF_EACH
from tests.web.world import Reply, World, problem

MAY_ANSWER = {400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 500, 503}
"""What the vendors document, and what every face may answer beyond it."""

vendors = pytest.mark.parametrize("name", [d.name for d in DIALECTS if d.name != "native"])


@pytest.mark.parametrize("error", ONE_OF_EACH, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_every_fact_is_told_in_the_dialects_shape(dialect: Dialect, error: RegcredError) -> None:
    answer = dialect.render_error(error, "the-id")
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    reply = Reply(
        answer.status,
        headers={**headers, "x-request-id": "the-id", **_BUDGET},
        content=answer.body,
    )

    driver_of(dialect.name).check_error(reply)
    assert answer.status == dialect.statuses[type(error)]
    if isinstance(error, errors.QuotaExceeded):
        assert headers["retry-after"] == "7"
    told = answer.body.decode()
    assert "/var/lib" not in told
    assert "cause with a path" not in told
    for broken in getattr(error, "violations", ()):
        assert broken.rule in json.dumps(json.loads(told), ensure_ascii=False)


_BUDGET = {f"x-ratelimit-{name}": "1" for name in ("limit", "remaining", "reset")}


@pytest.mark.parametrize(
    "dialect", [d for d in DIALECTS if d.name != "native"], ids=lambda dialect: dialect.name
)
def test_vendors_faces_answer_no_status_beyond_the_list(dialect: Dialect) -> None:
    assert set(dialect.statuses.values()) <= MAY_ANSWER


@every_dialect
async def test_a_path_that_is_none(speaker: Speaker) -> None:
    for path in ("/nothing", "", "/"):
        await speaker.refused(Said("GET", speaker.driver.root + path), 404)
    await speaker.refused(Said("GET", speaker.driver.collection + "/"), 404)


@every_dialect
async def test_a_method_that_is_none(speaker: Speaker) -> None:
    for method in ("PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"):
        reply = await speaker.refused(Said(method, speaker.driver.collection), 405)
        assert reply.headers["allow"] == "GET, HEAD, OPTIONS, POST"


@every_dialect
async def test_a_body_that_is_too_large(speaker: Speaker) -> None:
    said = speaker.driver.create("docker-hub", CANARY * 5000)

    reply = await speaker.refused(said, 413)

    assert CANARY not in reply.text
    assert reply.headers["connection"] == "close"


@pytest.mark.parametrize(
    "media_type", [None, "text/plain", "application/x-www-form-urlencoded", "application/xml"]
)
@every_dialect
async def test_a_body_that_is_no_json_by_its_own_word(
    speaker: Speaker, media_type: str | None
) -> None:
    said = Said("POST", speaker.driver.collection)
    headers = {} if media_type is None else {"Content-Type": media_type}

    await speaker.refused(said, 415, headers=headers, content=json.dumps({"password": CANARY}))

    assert await speaker.list() == []


@pytest.mark.parametrize("case", [case for case in HOSTILE_JSON if case != "empty"])
@every_dialect
async def test_a_body_that_readers_disagree_about(speaker: Speaker, case: str) -> None:
    driver = speaker.driver
    body = HOSTILE_JSON[case].replace(b'"password"', f'"{driver.secret}"'.encode())
    headers = {"Content-Type": "application/json"}

    reply = await speaker.say(Said("POST", driver.collection), headers=headers, content=body)

    # "ten thousand digits" and the like: read as JSON, and then refused as a name.
    assert reply.status_code in ({400, 422} if driver.name in {"native", "sevalla"} else {400})
    driver.check_error(reply)
    assert CANARY not in reply.text
    assert await speaker.list() == []


@every_dialect
async def test_no_body_where_one_is_needed(speaker: Speaker) -> None:
    reply = await speaker.say(Said("POST", speaker.driver.collection))

    assert reply.status_code in {400, 422}
    speaker.driver.check_error(reply)


@vendors
async def test_a_body_where_none_belongs_is_not_looked_at(speaker: Speaker) -> None:
    made = await speaker.add("docker-hub")

    for said in (Said("GET", speaker.driver.collection), speaker.at(made.ref, "DELETE")):
        reply = await speaker.say(said, content=f'{{"x": "{CANARY}"')
        assert reply.status_code in {200, 204}
        assert CANARY not in reply.text


@every_dialect
async def test_a_store_that_is_gone(speaker: Speaker) -> None:
    speaker.world.store.broken = True  # type: ignore[attr-defined]  # the fake's

    reply = await speaker.refused(Said("GET", speaker.driver.collection), 503)

    assert reply.headers["retry-after"].isdigit()


@every_dialect
async def test_a_fault_of_ours(speaker: Speaker, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError(CANARY)

    made = await speaker.add("docker-hub")
    monkeypatch.setattr(speaker.world.store, "find_credential", fail)

    reply = await speaker.refused(speaker.at(made.ref), 500)

    assert CANARY not in reply.text


@vendors
async def test_what_the_guard_refuses(speaker: Speaker) -> None:
    driver = speaker.driver
    said = (
        Said("GET", f"{driver.collection}/{'a' * 9000}"),
        Said("GET", f"{driver.collection}/%2f"),
        Said("GET", f"{driver.collection}/%00"),
        Said("GET", f"{driver.collection}/%2e%2e/x"),
        Said("GET", f"{driver.collection}/%ff"),
    )
    for one in said:
        for method in ("GET", "DELETE"):
            status = 404 if driver.name == "gcore" else 400
            await speaker.refused(Said(method, one.path), status)
    many = {f"X-Header-{n}": "x" for n in range(120)}
    await speaker.refused(Said("GET", driver.collection), 413, headers=many)


@every_dialect
async def test_a_key_presented_twice(name: str) -> None:
    world = await World().populate()
    driver = driver_of(name)
    twice = list(driver.key(world.keys["admin"]).items()) * 2

    reply = await world.send("GET", driver.collection, key=None, headers=twice)

    assert reply.status_code == 400
    driver.check_error(reply)


@every_dialect
async def test_shared_headers_are_on_every_answer_once(speaker: Speaker) -> None:
    made = await speaker.add("docker-hub")
    for said, who in (
        (Said("GET", speaker.driver.collection), "admin"),
        (Said("GET", speaker.driver.collection), None),
        (speaker.at(made.ref, "DELETE"), "admin"),
        (Said("GET", f"{speaker.driver.root}/openapi.json"), None),
        (Said("GET", f"{speaker.driver.root}/docs"), None),
        (Said("GET", f"{speaker.driver.root}/nothing"), None),
    ):
        reply = await speaker.say(said, who=who)
        for header in ("x-request-id", "cache-control", "x-content-type-options"):
            assert len(reply.headers.get_list(header)) == 1, (said, header)
        assert reply.headers["cache-control"] == "no-store"


@every_dialect
async def test_the_document_and_its_page_need_no_key(speaker: Speaker) -> None:
    root = speaker.driver.root

    document = await speaker.say(Said("GET", f"{root}/openapi.json"), who=None)
    page = await speaker.say(Said("GET", f"{root}/docs"), who=None)

    assert document.json()["openapi"].startswith("3.1")
    assert page.headers["content-type"].startswith("text/html")
    assert "unsafe" not in page.headers["content-security-policy"]
    assert "<script" not in page.text
    for path in document.json()["paths"]:
        assert path in page.text


@every_dialect
async def test_more_requests_at_once_than_may_be(name: str) -> None:
    """The one too many hears it in its own language, and those under way are not disturbed."""
    world = await World(most_at_once=2).populate()
    speaker = Speaker(world, driver_of(name))
    said = Said("GET", speaker.driver.collection)
    waiting, go_on = asyncio.Event(), asyncio.Event()
    find = world.store.find_project

    async def slow(ref: ProjectRef) -> Project:
        waiting.set()
        await go_on.wait()
        return await find(ref)

    world.store.find_project = slow  # type: ignore[method-assign]  # to hold requests up
    under_way = [asyncio.create_task(speaker.say(said)) for _ in range(2)]
    await waiting.wait()
    refused = [
        await speaker.refused(said, 503),
        await speaker.refused(speaker.driver.create("x" * 20_000), 503, who=None),
    ]
    pulls = [
        await world.send("POST", "/v1/projects/-/resolve", {"image": "docker.io/a/b"}),
        await world.send("POST", "/v1/projects/-/docker-credential/get", content="docker.io"),
    ]
    health = [await world.send("GET", path, key=None) for path in ("/livez", "/readyz")]
    go_on.set()

    assert [reply.headers["retry-after"] for reply in refused] == ["5", "5"]
    assert [reply.headers["connection"] for reply in refused] == ["close", "close"]
    assert [problem(reply) for reply in pulls] == ["overloaded", "overloaded"]
    assert [reply.headers["retry-after"] for reply in pulls] == ["5", "5"]
    assert [reply.status_code for reply in health] == [200, 200]
    assert [(await reply).status_code for reply in under_way] == [200, 200]
    assert (await speaker.say(said)).status_code == 200
