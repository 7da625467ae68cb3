"""What every wire language must do alike, in its own words."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from regcred.adapters.storage.sqlite import SqliteStore
from regcred.domain.ports import Store
from tests.web.dialects.driver import (
    PASSWORD,
    Driver,
    Said,
    Shown,
    Speaker,
    every_dialect,
    everything,
    passwords,
)
from tests.web.world import Reply

NEW = "another-s3cret-that-is-not-shown"


@every_dialect
async def test_a_login_is_made_shown_listed_changed_and_deleted(speaker: Speaker) -> None:
    driver = speaker.driver

    made = await speaker.add("docker-hub")
    got = await speaker.say(speaker.at(made.ref))
    listed = await speaker.list()
    changed = await speaker.say(driver.change(made, NEW, "robot2"))
    handed_out = await passwords(speaker.world)
    deleted = await speaker.say(speaker.at(made.ref, "DELETE"))

    assert made.name == "docker-hub"
    assert made.username == ("robot" if driver.shows_username else None)
    assert driver.read(got.json()) == made
    assert listed == [made]
    now = driver.read(changed.json())
    assert (now.ref, now.name) == (made.ref, made.name)
    assert now.username == ("robot2" if driver.shows_username else None)
    assert handed_out == [NEW]
    assert deleted.status_code == driver.deleted
    assert await speaker.list() == []
    await speaker.refused(speaker.at(made.ref), 404)
    await speaker.refused(speaker.at(made.ref, "DELETE"), 404)
    await speaker.refused(driver.change(made, NEW), 404)


@every_dialect
async def test_no_answer_shows_a_password(speaker: Speaker) -> None:
    driver = speaker.driver
    made = await speaker.add("docker-hub")
    said = [
        driver.create("docker-hub"),
        driver.create("another-one"),
        Said("GET", driver.collection),
        speaker.at(made.ref),
        driver.change(made, NEW),
        driver.change(made, ""),
        speaker.at(made.ref, "DELETE"),
        driver.change(made, NEW),
    ]

    for one in said:
        for who in ("admin", "viewer", None):
            reply = await speaker.say(one, who=who)
            told = reply.text + str(reply.headers)
            assert PASSWORD not in told
            assert NEW not in told


@every_dialect
async def test_a_taken_name_is_refused_and_nothing_is_stored(speaker: Speaker) -> None:
    await speaker.add("docker-hub")
    before = await everything(speaker.world)

    reply = await speaker.say(speaker.driver.create("docker-hub", NEW))

    assert reply.status_code in {400, 409, 422}
    speaker.driver.check_error(reply)
    assert await everything(speaker.world) == before
    assert await passwords(speaker.world) == [PASSWORD]


@every_dialect
async def test_of_creates_of_one_name_at_once_one_is_left(durable: Speaker) -> None:
    """On the real store, where creates wait for one another."""
    speaker, driver = durable, durable.driver

    replies = await asyncio.gather(
        *(speaker.say(driver.create("docker-hub", f"password-{n}")) for n in range(12))
    )

    statuses = sorted(reply.status_code for reply in replies)
    assert statuses.count(driver.created) == 1
    assert set(statuses) - {driver.created} <= {400, 409, 422}
    assert [shown.name for shown in await speaker.list()] == ["docker-hub"]
    [won] = [n for n, reply in enumerate(replies) if reply.status_code == driver.created]
    audit = (await everything(speaker.world))[1]["items"]
    assert await passwords(speaker.world) == [f"password-{won}"]
    assert [row["action"] for row in audit].count("credential.created") == 1


@every_dialect
async def test_foreign_and_missing_are_one_answer(speaker: Speaker) -> None:
    driver = speaker.driver
    for n in range(3):  # so that the foreign number is none of ours
        await speaker.world.add(f"theirs-{n}", key="foreign admin")
    foreign = await speaker.world.send(
        "GET", "/v1/projects/-/credentials/theirs-2", key="foreign admin"
    )
    theirs = foreign.json()
    mine = await speaker.add("docker-hub")
    before = await everything(speaker.world, who="foreign admin")

    for ref in (theirs["id"], theirs["name"], str(theirs["number"])):
        if ref == mine.ref:
            continue
        missing = {theirs["id"]: "019a9c1e-ffff-7fff-bfff-ffffffffffff", "3": "4"}.get(
            ref, "theirs-9"
        )
        for who in ("viewer", "editor", "admin"):
            for method in ("GET", "DELETE"):
                one = await speaker.say(speaker.at(ref, method), who=who)
                other = await speaker.say(speaker.at(missing, method), who=who)
                _check_alike(driver, one, other)
            one = await speaker.say(driver.change(Shown(ref, "x"), NEW), who=who)
            other = await speaker.say(driver.change(Shown(missing, "x"), NEW), who=who)
            _check_alike(driver, one, other)
    assert await everything(speaker.world, who="foreign admin") == before


def _check_alike(driver: Driver, one: Reply, other: Reply) -> None:
    assert one.status_code == other.status_code
    assert one.status_code in {400, 403, 404}
    assert one.content == other.content
    assert _headers(one) == _headers(other)
    driver.check_error(one)


def _headers(reply: Reply) -> dict[str, str]:
    # Each request takes one of the budget, whatever it asked for.
    return {n: value for n, value in reply.headers.items() if n != "x-ratelimit-remaining"}


@every_dialect
async def test_a_list_shows_nothing_foreign(speaker: Speaker) -> None:
    await speaker.world.add("theirs", key="foreign admin")

    reply = await speaker.say(Said("GET", speaker.driver.collection))

    assert speaker.driver.listed(reply.json()) == []
    assert "theirs" not in reply.text
    assert str(speaker.world.foreign.id) not in reply.text


@every_dialect
async def test_roles_are_the_tables(speaker: Speaker) -> None:
    driver = speaker.driver
    made = await speaker.add("docker-hub")
    reads = (Said("GET", driver.collection), speaker.at(made.ref))
    writes = (
        driver.create("another"),
        driver.change(made, NEW),
        speaker.at(made.ref, "DELETE"),
    )

    for who in ("viewer", "puller", "editor", "admin", "operator"):
        for said in reads:
            assert (await speaker.say(said, who=who)).status_code == 200, who
    for who in ("viewer", "puller"):
        for said in writes:
            await speaker.refused(said, 403, who=who)
    for said in writes:
        assert (await speaker.say(said, who="editor")).status_code < 300


@every_dialect
async def test_without_a_good_key_nothing_happens(speaker: Speaker) -> None:
    driver = speaker.driver
    made = await speaker.add("docker-hub")
    before = await everything(speaker.world)
    key = speaker.world.keys["admin"]
    wrong = key[:-7] + ("a" if key[-7] != "a" else "b") + key[-6:]

    for who in (None, "", "nonsense", wrong, "rgc_" + "a" * 80):
        for said in (
            Said("GET", driver.collection),
            driver.create("another"),
            driver.change(made, NEW),
            speaker.at(made.ref, "DELETE"),
        ):
            reply = await speaker.refused(said, 401, who=who)
            assert "www-authenticate" in reply.headers
            assert key not in reply.text
    assert await everything(speaker.world) == before


@every_dialect
async def test_a_narrowed_key_sees_and_counts_its_own_matches_alone(speaker: Speaker) -> None:
    world = speaker.world
    made = await speaker.add("docker-hub")
    await world.add("elsewhere")
    keys = "/v1/projects/-/keys"
    body = {"name": "n", "role": "puller", "image_patterns": ["docker.io/team/*"]}
    narrow = (await world.send("POST", keys, body)).json()["key"]
    hidden = (await world.send("GET", "/v1/projects/-/credentials/elsewhere")).json()

    reply = await speaker.say(Said("GET", speaker.driver.collection), who=narrow)

    assert speaker.driver.listed(reply.json()) == [made]
    assert reply.json().get("count", reply.json().get("total", 1)) == 1
    ref = {made.name: hidden["name"], "1": str(hidden["number"])}.get(made.ref, hidden["id"])
    await speaker.refused(speaker.at(ref), 404, who=narrow)
    assert (await speaker.say(speaker.at(made.ref), who=narrow)).status_code == 200


@every_dialect
async def test_a_login_in_use_stays_or_goes_with_its_uses(speaker: Speaker) -> None:
    world, driver = speaker.world, speaker.driver
    made = await speaker.add("docker-hub")
    use = "/v1/projects/-/credentials/docker-hub/uses/deployment/web"
    await world.send("PUT", use, {})

    if driver.blocks_delete:
        reply = await speaker.refused(speaker.at(made.ref, "DELETE"), 409)
        assert "deployment" in reply.text.lower()
        assert '"web"' in reply.text
        await world.send("DELETE", use)
    reply = await speaker.say(speaker.at(made.ref, "DELETE"))

    assert reply.status_code == driver.deleted
    assert await speaker.list() == []
    again = await speaker.add("docker-hub")
    uses = await world.send("GET", "/v1/projects/-/credentials/docker-hub/uses")
    assert uses.json()["items"] == []
    assert again.name == "docker-hub"


@every_dialect
async def test_a_use_and_a_delete_at_once_leave_no_dangling_use(durable: Speaker) -> None:
    """On the real store. One loses cleanly, whichever: the use is refused, or the login stays."""
    speaker, driver = durable, durable.driver
    lost: set[str] = set()
    for n in range(48):
        made = await speaker.add(f"docker-hub-{n}")
        path = f"/v1/projects/-/credentials/{made.name}/uses/deployment/web"
        use = speaker.world.send("PUT", path, {})
        delete = speaker.say(speaker.at(made.ref, "DELETE"))
        # Each in turn gets a start of more and more turns of the loop.
        leads = (0, n // 2) if n % 2 else (n // 2, 0)
        used, deleted = await asyncio.gather(_after(leads[0], use), _after(leads[1], delete))
        stays = made.name in [shown.name for shown in await speaker.list()]

        statuses = (used.status_code, deleted.status_code)
        allowed = (
            {(404, driver.deleted), (200, 409)}
            if driver.blocks_delete
            else {(404, driver.deleted), (200, driver.deleted)}
        )
        assert statuses in allowed
        assert stays == (deleted.status_code == 409)
        lost |= {"use"} if statuses[0] == 404 else set()
        lost |= {"delete"} if statuses[1] == 409 else set()
        if stays:
            uses = await speaker.world.send("GET", path.removesuffix("/deployment/web"))
            assert [use["name"] for use in uses.json()["items"]] == ["web"]

    assert "use" in lost
    assert ("delete" in lost) == driver.blocks_delete
    assert await _dangling(speaker.world.store) == []


async def _after(turns: int, act: Awaitable[Reply]) -> Reply:
    for _ in range(turns):
        await asyncio.sleep(0)
    return await act


async def _dangling(store: Store) -> list[object]:
    assert isinstance(store, SqliteStore)
    return list(
        await store._all(
            "SELECT * FROM uses u WHERE NOT EXISTS "
            "(SELECT 1 FROM credentials c WHERE c.id = u.credential_id)"
        )
    )


@every_dialect
async def test_a_project_that_demands_if_match_is_not_written_blindly(speaker: Speaker) -> None:
    made = await speaker.add("docker-hub")
    await speaker.world.send("PATCH", "/v1/projects/-", {"require_if_match": True})
    status = 428 if speaker.driver.name == "native" else 403

    for said in (speaker.driver.change(made, NEW), speaker.at(made.ref, "DELETE")):
        reply = await speaker.refused(said, status)
        assert "If-Match" in reply.text
    assert await passwords(speaker.world) == [PASSWORD]


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
@every_dialect
async def test_head_and_options_say_what_get_would(speaker: Speaker, method: str) -> None:
    reply = await speaker.say(Said(method, speaker.driver.collection))

    assert reply.status_code == (200 if method == "HEAD" else 204)
    assert reply.content == b""
    if method == "OPTIONS":
        assert reply.headers["allow"] == "GET, HEAD, OPTIONS, POST"
