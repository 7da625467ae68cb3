"""`POST …/docker-credential/get`: every spelling docker, podman and crane have for a registry."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from regcred.domain.access import Role
from regcred.domain.registry import ImagePattern
from tests.fakes.registries import REJECTED
from tests.web.delivery.asking import GET, PASSWORD, SERVER, add_dead, get
from tests.web.operations import MAY, REVEAL
from tests.web.world import Reply, World, problem

HOST = "registry.example.com"


def username(reply: Reply) -> str:
    """Return whose login was handed out."""
    assert reply.status_code == 200, reply.text
    said: dict[str, str] = reply.json()
    return said["Username"]


def none(reply: Reply) -> bool:
    """Whether the answer says that there is no such login, and says nothing else."""
    assert reply.content == b""
    assert "content-type" not in reply.headers
    # RFC 9110, section 8.6: an answer without content has no length.
    assert "content-length" not in reply.headers
    return reply.status_code == 204


async def test_the_answer_is_what_docker_reads_from_its_helper(world: World) -> None:
    await world.add(registry_url=HOST)

    reply = await get(world, f"https://{HOST}\n")

    assert reply.headers["content-type"] == "application/json"
    assert reply.json() == {
        "ServerURL": f"https://{HOST}",
        "Username": "robot",
        "Secret": PASSWORD,
    }
    assert reply.content == orjson.dumps(reply.json())


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        *(
            ("docker.io", spelling)
            for spelling in (
                "https://index.docker.io/v1/",
                "https://index.docker.io/v1",
                "https://index.docker.io/",
                "https://index.docker.io",
                "index.docker.io/v1/",
                "index.docker.io",
                "docker.io",
                "https://docker.io",
                "https://registry-1.docker.io/v2/",
                "registry-1.docker.io",
                "registry.hub.docker.com",
                "http://docker.io",
                "DOCKER.IO",
                "docker.io:443",
                "index.docker.io/library/alpine",
                "docker.io/team/app",
            )
        ),
        (HOST, HOST),
        (HOST, f"https://{HOST}"),
        (HOST, f"http://{HOST}"),
        (HOST, f"HTTPS://{HOST.upper()}"),
        (HOST, f"{HOST}:443"),
        (HOST, f"https://{HOST}/"),
        (HOST, f"https://{HOST}/v1/"),
        (HOST, f"https://{HOST}/v2"),
        (HOST, f"  {HOST}\r\n"),
        (HOST, f"{HOST}/team/app"),
        (f"{HOST}:5000", f"{HOST}:5000"),
        (f"{HOST}:5000", f"http://{HOST}:5000/v2/"),
        (f"{HOST}:5000", f"{HOST}:5000/team/app"),
        (f"{HOST}/team", f"{HOST}/team/app"),
        (f"{HOST}/team", f"https://{HOST}/v1/team/app"),
        (f"{HOST}/team", HOST),
        ("*.example.com", HOST),
        ("127.0.0.1:5000", "127.0.0.1:5000"),
        ("localhost:5000", "http://localhost:5000"),
    ],
)
async def test_every_spelling_of_a_registry_finds_its_login(
    world: World, stored: str, asked: str
) -> None:
    await world.add(registry_url=stored)

    reply = await get(world, asked)

    assert username(reply) == "robot"
    assert reply.json()["ServerURL"] == asked.strip()


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        (HOST, "other.example.com"),
        (HOST, f"{HOST}:5000"),
        (f"{HOST}:5000", HOST),
        (f"{HOST}:5000", f"{HOST}:5001"),
        (HOST, f"{HOST}.evil.example"),
        (HOST, f"x{HOST}"),
        (f"{HOST}/team", f"{HOST}/teams/app"),
        (f"{HOST}/team/app", f"{HOST}/team"),
        # Without a scheme v1 is a repository to any registry but Docker Hub.
        (f"{HOST}/team", f"{HOST}/v1"),
        ("docker.io", "hub.docker.com"),
        ("docker.io", "docker.io:5000"),
        ("docker.io/team", "index.docker.io/library/alpine"),
    ],
)
async def test_another_registry_has_no_login(world: World, stored: str, asked: str) -> None:
    await world.add(registry_url=stored)

    assert none(await get(world, asked))


async def test_a_repository_gets_the_closest_login_and_a_host_the_whole_one(world: World) -> None:
    await world.add("whole", registry_url=HOST, username="whole")
    await world.add("team", registry_url=f"{HOST}/team", username="team")

    assert username(await get(world, f"{HOST}/team/app")) == "team"
    assert username(await get(world, f"{HOST}/else")) == "whole"
    assert username(await get(world, HOST)) == "whole"


async def test_a_host_with_several_scoped_logins_gets_none_of_them(world: World) -> None:
    await world.add("one", registry_url=f"{HOST}/one")
    await world.add("two", registry_url=f"{HOST}/two")

    assert none(await get(world, HOST))


async def test_a_dead_login_is_not_handed_to_docker(world: World) -> None:
    await add_dead(world, registry_url=HOST)

    reply = await get(world, HOST)

    assert none(reply)
    assert REJECTED not in str(reply.headers)


async def test_a_live_login_comes_after_a_dead_one(world: World) -> None:
    await world.add("live", registry_url=HOST, username="live")
    await add_dead(world, registry_url=HOST, username="dead")

    assert username(await get(world, HOST)) == "live"


@pytest.mark.parametrize("key", ["viewer", "puller", "editor", "admin", "operator"])
async def test_only_roles_that_reveal_get_a_login(world: World, key: str) -> None:
    await world.add(registry_url=HOST)

    reply = await get(world, HOST, key=key)

    if key in MAY[REVEAL]:
        assert username(reply) == "robot"
    else:
        assert problem(reply) == "access-denied"
        assert PASSWORD not in reply.text


async def test_a_narrowed_key_is_told_of_no_login_outside(world: World) -> None:
    await world.add(registry_url=f"{HOST}/team")
    pattern = (ImagePattern.parse(f"{HOST}/team/app"),)
    narrow = await world.make_key(world.home, Role.PULLER, image_patterns=pattern)

    assert username(await get(world, f"{HOST}/team/app", key=narrow)) == "robot"
    assert none(await get(world, f"{HOST}/team/else", key=narrow))
    assert none(await get(world, HOST, key=narrow))


async def test_the_audit_says_that_docker_asked(world: World) -> None:
    await world.add(registry_url=HOST)
    await get(world, f"https://{HOST}/v2/")

    row = (await world.send("GET", "/v1/projects/-/audit?limit=1")).json()["items"][0]
    assert row["action"] == "credential.revealed"
    assert (row["details"]["client"], row["details"]["image"]) == ("docker", HOST)


# What is refused


@pytest.mark.parametrize("server", [b"x" * 2049, b" " * 2049, b"x" * 60_000])
async def test_a_long_server_is_refused(world: World, server: bytes) -> None:
    reply = await get(world, server)

    assert problem(reply) == "malformed-request"
    assert reply.json()["errors"] == [{"field": "ServerURL", "rule": "must be at most 2048 bytes"}]


@pytest.mark.parametrize("server", [b"\xff", "caf\u00e9.example.com".encode(), b"\xe2\x84\xaa.io"])
async def test_a_server_that_is_not_ascii_is_refused(world: World, server: bytes) -> None:
    reply = await get(world, server)

    assert problem(reply) == "malformed-request"
    assert reply.json()["errors"] == [{"field": "ServerURL", "rule": "must be ASCII text"}]


@pytest.mark.parametrize(
    "server",
    [
        "", "  ", "\n", "a\x00b", "a\x01b", "a\nb", "a\r\nX: y", "a\x7fb", "a b", "a\tb",
        "https://", "https:///team", "ftp://a", "javascript:a", "https://u:p-w-d@a", "u@a",
        "a?q=1", "a#f", "a%2fb", "a\\b", "a..b", ".a", "-a", "a:0x50", "a:99999", "a:", "*",
        "*.a.io", "https://*.example.com", "a/../b", "a/Team", "a//b", "[::1", "[::1]x", "x" * 2048,
    ],
)  # fmt: skip
async def test_what_names_no_registry_is_refused_unquoted(world: World, server: str) -> None:
    reply = await get(world, server)

    assert problem(reply) == "invalid-input"
    assert [error["field"] for error in reply.json()["errors"]] == ["ServerURL"]
    assert "p-w-d" not in reply.text
    if len(server) > 8:
        assert server not in reply.json()["detail"]


@pytest.mark.parametrize("sent", [{}, {"Content-Type": "text/plain"}, {"Content-Type": "x/y"}])
async def test_what_docker_says_about_its_body_does_not_matter(
    world: World, sent: dict[str, Any]
) -> None:
    await world.add(registry_url=SERVER)

    reply = await world.send("POST", GET, content=SERVER, key="puller", headers=sent)

    assert username(reply) == "robot"
