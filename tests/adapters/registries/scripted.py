"""Servers that answer as a script says, over real loopback sockets, and keep what they were sent.

Insecure by intent: they remember every Authorization, which is what they are for.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Seen:
    """One request, as it came."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query)

    @property
    def form(self) -> dict[str, list[str]]:
        return parse_qs(self.body.decode())

    @property
    def authorization(self) -> str | None:
        return self.headers.get("authorization")


@dataclass(frozen=True, slots=True)
class Says:
    """One answer."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def raw(self, method: str) -> bytes:
        head = [f"HTTP/1.1 {self.status} Said", f"Content-Length: {len(self.body)}"]
        head += [f"{name}: {value}" for name, value in self.headers]
        sent = b"" if method == "HEAD" else self.body
        return "\r\n".join([*head, "", ""]).encode("latin-1") + sent


Script = Callable[[Seen], Says]
Drip = Callable[[Seen, asyncio.StreamWriter], Awaitable[None]]


@dataclass(slots=True)
class Server:
    """One origin. `script` answers whole requests; `drip`, if any, writes in its own way."""

    script: Script = lambda _: Says(404)
    drip: Drip | None = None
    tls: ssl.SSLContext | None = None
    name: str = LOOPBACK
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    @property
    def authority(self) -> str:
        return f"{self.name}:{self.port}"

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.authority}"

    @property
    def authorizations(self) -> list[str]:
        """Return every login and token that came, in headers and in forms."""
        secret = {"password", "refresh_token"}
        forms = [one.body.decode() for one in self.seen if secret & one.form.keys()]
        return [one.authorization for one in self.seen if one.authorization] + forms

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[Server]:
        tasks: set[asyncio.Task[None]] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                await self._serve(reader, writer)
            except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            finally:
                writer.close()
                tasks.discard(task)

        server = await asyncio.start_server(connected, LOOPBACK, self.port, ssl=self.tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in list(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, target, _ = head[0].split(" ")
            headers = {
                name.lower(): value.strip()
                for name, _, value in (line.partition(":") for line in head[1:] if line)
            }
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            seen = Seen(method, target, headers, body)
            self.seen.append(seen)
            if self.drip is not None:
                await self.drip(seen, writer)
                return
            writer.write(self.script(seen).raw(method))
            await writer.drain()


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def bearer_challenge(realm: str, **more: str) -> Says:
    parameters = ",".join(f'{name}="{value}"' for name, value in {"realm": realm, **more}.items())
    return Says(401, (("WWW-Authenticate", f"Bearer {parameters}"),))


BASIC_CHALLENGE = Says(401, (("WWW-Authenticate", 'Basic realm="here"'),))


def token(text: str) -> Says:
    return Says(200, (), json.dumps({"token": text}).encode())


def jwt(access: object = None, **claims: object) -> str:
    """Return an unsigned token that looks signed."""
    payload = claims if access is None else {"access": access, **claims}
    encoded = base64.urlsafe_b64encode(json.dumps(payload).encode()).decode().rstrip("=")
    return f"e30.{encoded}.c2ln"


def grant(repository: str, *actions: str) -> str:
    return jwt([{"type": "repository", "name": repository, "actions": list(actions)}])
