"""Logins whose passwords count up, read and written at a steady rate, and every read judged.

A read must give a password that was acknowledged before it began or sent before it ended.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

from tools.campaign.client import Client
from tools.campaign.installation import Installation
from tools.campaign.report import Report

READS, WRITES = 500, 50
"""A second."""

_TASKS = 8


@dataclass(slots=True)
class Login:
    """One login, whose password counts up; one task writes it."""

    project: int
    number: int
    acknowledged: int = 0
    sent: int = 0

    @property
    def name(self) -> str:
        return f"login-{self.number}"

    @property
    def host(self) -> str:
        return f"r{self.number}.example.com"

    @property
    def path(self) -> str:
        return f"/v1/projects/{self.project}/credentials/{self.name}"

    @property
    def image(self) -> str:
        return f"{self.host}/team/app:1"


@dataclass(slots=True)
class Load:
    """Readers and writers of one server, and what they saw."""

    installation: Installation
    logins: list[Login]
    report: Report
    rate: float
    """Of READS and WRITES."""

    seconds: list[float] = field(default_factory=list)
    """How long reads took, since it was last emptied."""

    @contextmanager
    def running(self) -> Iterator[None]:
        """Read and write until the block ends. Needs a running loop."""
        tasks = [asyncio.create_task(self._read(n)) for n in range(_TASKS)]
        tasks += [asyncio.create_task(self._write(n)) for n in range(_TASKS)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()

    async def _read(self, number: int) -> None:
        chance = random.Random(f"{self.report.seed} read {number}")
        async with self._client() as client:
            while True:
                began = time.monotonic()
                await self.look(client, chance.choice(self.logins))
                self.seconds.append(time.monotonic() - began)
                await asyncio.sleep(began + _TASKS / (READS * self.rate) - time.monotonic())

    async def _write(self, number: int) -> None:
        own = self.logins[number::_TASKS]
        chance = random.Random(f"{self.report.seed} write {number}")
        async with self._client() as client:
            while own:
                began = time.monotonic()
                login = chance.choice(own)
                login.sent += 1
                body = {"password": f"password-{login.sent}"}
                answer = await client.ask("PATCH", login.path, body)
                if answer.status == HTTPStatus.OK:
                    login.acknowledged = login.sent
                    self.report.add("acknowledged writes")
                else:
                    self._violation(f"write answered {answer.status}: {login.path}")
                await asyncio.sleep(began + _TASKS / (WRITES * self.rate) - time.monotonic())

    async def look(self, client: Client, login: Login) -> None:
        """Read a login as a pull does, and judge what comes."""
        least = login.acknowledged
        path = f"/v1/projects/{login.project}/resolve"
        answer = await client.ask("POST", path, {"image": login.image})
        self.report.add("reads")
        if answer.status != HTTPStatus.OK or len(answer.json["logins"]) != 1:
            self._violation(f"read answered {answer.status}: {login.path}")
            return
        found = int(answer.json["logins"][0]["password"].rpartition("-")[2])
        if not least <= found <= login.sent:
            self._violation(f"{login.path}: password {found}, not {least} to {login.sent}")

    async def look_at_all(self) -> None:
        """Read every login once: nothing that was acknowledged is lost."""
        async with self._client() as client:
            for login in self.logins:
                await self.look(client, login)

    def _violation(self, what: str) -> None:
        self.report.violations.append(what)

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[Client]:
        client = Client(self.installation.port, self.installation.key)
        try:
            yield client
        finally:
            await client.close()
