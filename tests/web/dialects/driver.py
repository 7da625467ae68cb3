"""What the conformance suite must know of a dialect: how to say things in it.

Each dialect has a `driver.py` with a `DRIVER` in a folder of its name beside this file. A dialect
without one fails the suite.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import pytest

from regcred.web.dialects import DIALECTS
from tests.web.world import Reply, World

PASSWORD = "s3cret-that-is-not-shown"
IMAGE = "docker.io/team/app"
"""An image of the registry that every driver's logins are for."""


@dataclass(frozen=True)
class Shown:
    """A login as a dialect shows it: `ref` is what its paths name it by."""

    ref: str
    name: str
    username: str | None = None


@dataclass(frozen=True)
class Said:
    """A request in the dialect's words."""

    method: str
    path: str
    body: dict[str, Any] | None = None


class Driver(Protocol):
    """One dialect's words."""

    name: str
    root: str
    """A path of the dialect, below which its document stands."""

    collection: str
    created: int
    deleted: int
    secret: str
    """What the password is called."""

    shows_username: bool
    blocks_delete: bool
    """Whether a login in use stays."""

    def key(self, key: str) -> dict[str, str]:
        """Return the headers that present a key."""
        ...

    def create(self, name: str, password: str = PASSWORD, username: str = "robot") -> Said:
        """Store a login for Docker Hub, or for the registry of IMAGE."""
        ...

    def change(self, shown: Shown, password: str, username: str = "robot") -> Said:
        """Give a login another password and user name."""
        ...

    def read(self, told: Any) -> Shown:
        """Read one login out of an answer's JSON."""
        ...

    def listed(self, told: Any) -> list[Shown]:
        """Read the logins of a list."""
        ...

    def check_error(self, reply: Reply) -> None:
        """Check that an answer is an error in the dialect's shape, in every respect."""
        ...

    def blamed(self, reply: Reply) -> set[str]:
        """Return the fields that an error names."""
        ...


def driver_of(name: str) -> Driver:
    """Return a dialect's driver."""
    driver: Driver = importlib.import_module(f"tests.web.dialects.{name}.driver").DRIVER
    return driver


every_dialect = pytest.mark.parametrize("name", [dialect.name for dialect in DIALECTS])


class Speaker:
    """Says what a driver words, to one world."""

    def __init__(self, world: World, driver: Driver) -> None:
        self.world = world
        self.driver = driver

    async def say(
        self,
        said: Said,
        *,
        who: str | None = "admin",
        headers: Mapping[str, str] | None = None,
        content: bytes | str | None = None,
    ) -> Reply:
        """Send one request with the key of that name, or that text; None sends none."""
        shown = {} if who is None else self.driver.key(self.world.keys.get(who, who))
        sent = {"X-Request-Id": "the-same-id", **shown, **(headers or {})}
        return await self.world.send(
            said.method, said.path, said.body, key=None, headers=sent, content=content
        )

    async def add(self, name: str, *, who: str = "admin", password: str = PASSWORD) -> Shown:
        """Store a login and return it as shown."""
        reply = await self.say(self.driver.create(name, password), who=who)
        assert reply.status_code == self.driver.created, reply.text
        return self.driver.read(reply.json())

    def at(self, ref: str, method: str = "GET") -> Said:
        """Return a request for one login."""
        return Said(method, f"{self.driver.collection}/{ref}")

    async def list(self, *, who: str = "admin") -> list[Shown]:
        """Return the logins that a list shows."""
        reply = await self.say(Said("GET", self.driver.collection), who=who)
        assert reply.status_code == 200, reply.text
        return self.driver.listed(reply.json())

    async def refused(self, said: Said, status: int, **more: Any) -> Reply:
        """Say something that must be refused with that status, in the dialect's shape."""
        reply = await self.say(said, **more)
        assert reply.status_code == status, reply.text
        self.driver.check_error(reply)
        return reply


async def passwords(world: World, image: str = IMAGE, *, who: str = "admin") -> list[str]:
    """Return the passwords that the service hands out for an image."""
    reply = await world.send("POST", "/v1/projects/-/resolve", {"image": image}, key=who)
    assert reply.status_code == 200, reply.text
    return [login["password"] for login in reply.json()["logins"]]


async def everything(world: World, *, who: str = "admin") -> Any:
    """Return all that a project holds, as its own admin sees it, with what was written."""
    found = await world.send("GET", "/v1/projects/-/credentials?limit=200", key=who)
    audit = await world.send("GET", "/v1/projects/-/audit?limit=200", key=who)
    return found.json(), audit.json()
