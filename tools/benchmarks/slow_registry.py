"""A registry that takes its time: `slow_registry.py PORT SECONDS`.

Every answer comes that long after its question, however many others wait: what is measured is who
asks, not this. It gives tokens to whoever has a login, says in them what they grant, and shows
every manifest to whoever has a token. `/asked` tells, at once, how many questions there were.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from urllib.parse import parse_qs, urlsplit

import uvloop

LOOPBACK = "127.0.0.1"
_OK, _UNAUTHORIZED = "200 OK", "401 Unauthorized"


def token(scope: str) -> str:
    """Return a token as registries issue them; nobody checks its signature here."""
    kind, _, rest = scope.partition(":")
    name, _, actions = rest.rpartition(":")
    access = [{"type": kind, "name": name, "actions": actions.split(",")}] if scope else []
    claims = json.dumps({"iss": "slow", "access": access}).encode()
    parts = (b'{"alg":"none"}', claims, b"signature")
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


class Registry(asyncio.Protocol):
    """One connection, kept open, with one question at a time."""

    asked = 0

    def __init__(self, port: int, seconds: float) -> None:
        self._place = f"{LOOPBACK}:{port}"
        self._seconds = seconds
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]  # TCP has both ways

    def data_received(self, data: bytes) -> None:
        self._rest += data
        if self._rest.endswith(b"\r\n\r\n"):
            question, self._rest = self._rest.decode("latin-1"), b""
            self._take(question)

    def _take(self, question: str) -> None:
        method, target, _ = question.split(" ", 2)
        if target == "/asked":
            self._answer(method, _OK, str(Registry.asked))
            return
        Registry.asked += 1
        status, body = self._judge(urlsplit(target).path, target, question.lower())
        loop = asyncio.get_running_loop()
        loop.call_later(self._seconds, self._answer, method, status, body)

    def _judge(self, path: str, target: str, question: str) -> tuple[str, str]:
        if path == "/token" and "\r\nauthorization: basic " in question:
            scope = parse_qs(urlsplit(target).query).get("scope", [""])[0]
            # Whatever is asked for, a login for pulling is granted no more.
            return _OK, json.dumps({"token": token(scope.replace(",push", ""))})
        if path != "/token" and "\r\nauthorization: bearer " in question:
            return _OK, "{}"
        return _UNAUTHORIZED, "{}"

    def _answer(self, method: str, status: str, body: str) -> None:
        lines = [f"HTTP/1.1 {status}", "Content-Type: application/json"]
        if status == _UNAUTHORIZED:
            realm = f'Bearer realm="http://{self._place}/token",service="slow"'
            lines.append(f"WWW-Authenticate: {realm}")
        lines += [f"Content-Length: {len(body)}", "", "" if method == "HEAD" else body]
        self._transport.write("\r\n".join(lines).encode())


async def serve(port: int, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Registry(port, seconds), LOOPBACK, port, backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), float(sys.argv[2])))
