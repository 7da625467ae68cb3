"""Short ways to ask the hot path, and what every answer of it has to show."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.fakes.registries import REJECTED
from tests.web.world import Headers, Reply, World

RESOLVE = "/v1/projects/-/resolve"
GET = "/v1/projects/-/docker-credential/get"
IMAGE = "registry.example.com/team/app"
SERVER = "https://docker-host.example.com"
PASSWORD = "a-token-with-pull-rights"
"""What `World.add` stores unless told otherwise."""

SAME_ID = {"X-Request-Id": "the-same-id"}
"""With it, answers can be compared byte for byte."""


async def resolve(
    world: World,
    image: object = IMAGE,
    *,
    key: str | None = "puller",
    project: str = "-",
    headers: Headers = (),
    **more: Any,
) -> Reply:
    """Ask for the logins of an image."""
    path = f"/v1/projects/{project}/resolve"
    return await world.send("POST", path, {"image": image, **more}, key=key, headers=headers)


async def get(
    world: World,
    server: bytes | str = SERVER,
    *,
    key: str | None = "puller",
    project: str = "-",
    headers: Headers = (),
) -> Reply:
    """Ask as docker's helper does."""
    path = f"/v1/projects/{project}/docker-credential/get"
    return await world.send("POST", path, content=server, key=key, headers=headers)


async def add_dead(world: World, name: str = "dead", **more: Any) -> Any:
    """Store a login that its registry turned away twice, a minute apart."""
    added = await world.add(name, password=REJECTED, **more)
    for _ in range(2):
        world.clock.now += timedelta(seconds=61)
        await world.send("POST", f"/v1/projects/-/credentials/{name}:verify")
    return added


def told(reply: Reply) -> tuple[int, bytes, list[tuple[str, str]]]:
    """Return all that an answer tells whoever asked."""
    return reply.status_code, reply.content, sorted(reply.headers.items())


def names(reply: Reply) -> list[str]:
    """Return the names of the logins handed out, in order."""
    assert reply.status_code == 200, reply.text
    return [login["credential"]["name"] for login in reply.json()["logins"]]


async def actions(world: World) -> list[str]:
    """Return what the audit tells of the home project, newest first."""
    rows = (await world.send("GET", "/v1/projects/-/audit")).json()["items"]
    return [row["action"] for row in rows]
