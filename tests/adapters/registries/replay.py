"""Play an exchange back, byte by byte, to the real checker.

A transcript stands in for the network alone: provider, realm rule, handshake, client and TLS names
are the real ones. Every request must be the next one written down, to its host, and carry the
secret that it should and no other. The secrets are made up, and look it.

Transcripts are written by hand from what is public about a registry (its code, its documents, what
its users reported); `source` says where. No registry was asked for them.
"""

from __future__ import annotations

import base64
import json
import re
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import httpcore2

from regcred.adapters.registries.client import RegistryClient
from regcred.adapters.registries.handshake import MANIFEST_TYPES
from regcred.adapters.registries.transport import NameUnresolved
from regcred.domain.verdict import Verdict, VerdictKind
from tests.adapters.registries.asking import ask, draft, registries
from tests.adapters.registries.scripted import basic, grant

FOLDER = Path(__file__).parent / "transcripts"
SECRET = "made-up-secret"
_GRANTED = re.compile(r"\$granted\(([^:)]+):([^)]*)\)")


@dataclass(frozen=True, slots=True)
class Transcript:
    """One login at one registry. `source` says where these answers are known from."""

    name: str
    provider: str
    verdict: VerdictKind
    source: str
    username: str
    exchange: tuple[Mapping[str, Any], ...]
    registry: str | None = None
    image: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    evidence: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""

    def __str__(self) -> str:
        return f"{self.provider}: {self.name}"


def transcripts() -> list[Transcript]:
    """Return every one that there is."""
    found = []
    for path in sorted(FOLDER.glob("*.json")):
        for one in json.loads(path.read_text()):
            verdict, exchange = VerdictKind(one.pop("verdict")), tuple(one.pop("exchange"))
            found.append(Transcript(provider=path.stem, verdict=verdict, exchange=exchange, **one))
    return found


async def replay(transcript: Transcript, settings: Mapping[str, str]) -> tuple[Verdict, Wire]:
    """Check the transcript's login, with the transcript as the network."""
    wire = Wire(transcript)
    asked = registries(allow_networks=(), allow_http=())
    asked._client = RegistryClient(wire)
    about = draft(
        transcript.registry,
        username=transcript.username,
        password=SECRET,
        provider=transcript.provider,
        **settings,
    )
    return await ask(asked, asked.check(about), transcript.image), wire


class Wire(httpcore2.AsyncNetworkBackend):
    """The network of one transcript. AssertionError for whatever it does not hold."""

    def __init__(self, transcript: Transcript) -> None:
        self._transcript = transcript
        self._rest = list(transcript.exchange)
        self.issued: list[str] = []
        self.authorities: list[ssl.SSLContext] = []

    @property
    def played_out(self) -> bool:
        """Whether all of it was asked for."""
        return self._rest == []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore2's
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        assert self._rest, f"a connection to {host} after the end"
        unanswered = self._rest[0].get("unanswered")
        if unanswered == "dns":
            self._rest.pop(0)
            raise NameUnresolved
        if unanswered == "connect":
            self._rest.pop(0)
            raise httpcore2.ConnectError
        return _Stream(self, host, port)

    def shake_hands(self, context: ssl.SSLContext) -> None:
        """Do TLS, or break it where the transcript says so."""
        self.authorities.append(context)
        if self._rest[0].get("unanswered") == "tls":
            self._rest.pop(0)
            raise httpcore2.ConnectError

    def answer(self, host: str, port: int, raw: bytes) -> bytes:
        """Compare one whole request with the next one, and return its answer."""
        assert self._rest, f"one request more, to {host}"
        step = self._rest.pop(0)
        head, _, body = raw.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        method, target, _ = lines[0].split(" ")
        place = host if port == 443 else f"{host}:{port}"
        assert f"{method} https://{place}{target}" == step["ask"]
        assert f"host: {place}" in [line.lower() for line in lines]
        if method == "HEAD":
            assert f"Accept: {', '.join(MANIFEST_TYPES)}" in lines
        assert body.decode() == self._form(step)
        self._compare_secrets(step, raw.decode(), lines)
        if "unanswered" in step:
            raise httpcore2.ReadTimeout
        return self._render(step, method)

    def _form(self, step: Mapping[str, Any]) -> str:
        form = str(step.get("form", ""))
        return form.replace("$secret", SECRET)

    def _compare_secrets(self, step: Mapping[str, Any], raw: str, lines: list[str]) -> None:
        """See the one secret that belongs on this request, and none beside it."""
        pair = f"{self._transcript.username}:{SECRET}"
        token = self.issued[-1] if self.issued else ""
        proofs = {
            "nothing": (),
            "login": (f"Authorization: {basic(self._transcript.username, SECRET)}",),
            "token": (f"Authorization: Bearer {token}",),
            "identity": (),
        }[step["with"]]
        sent = tuple(line for line in lines if line.lower().startswith("authorization"))
        assert sent == proofs
        rest = "\n".join(line for line in raw.split("\r\n") if line not in proofs)
        if step["with"] == "identity":
            assert f"refresh_token={SECRET}" in rest
            rest = rest.replace(f"refresh_token={SECRET}", "")
        told = {SECRET, quote_plus(SECRET), base64.b64encode(pair.encode()).decode(), *self.issued}
        assert [secret for secret in told if secret in rest] == []

    def _render(self, step: Mapping[str, Any], method: str) -> bytes:
        body = step.get("body", "")
        text = _GRANTED.sub(_granted, body if isinstance(body, str) else json.dumps(body))
        if isinstance(body, dict) and (issued := json.loads(text)).keys() & {
            "token",
            "access_token",
        }:
            self.issued.append(issued.get("token") or issued["access_token"])
        headers = {"Content-Length": str(len(text)), **step.get("headers", {})}
        head = [f"HTTP/1.1 {step['status']} Written"]
        head += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*head, "", "" if method == "HEAD" else text]).encode()


def _granted(match: re.Match[str]) -> str:
    actions = [action for action in re.split(r"[ ,]+", match[2]) if action]
    return grant(match[1], *actions)


class _Stream(httpcore2.AsyncNetworkStream):
    """One connection to one host: requests in, answers out."""

    def __init__(self, wire: Wire, host: str, port: int) -> None:
        self._wire, self._host, self._port = wire, host, port
        self._in = bytearray()
        self._out = bytearray()
        self._encrypted = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - the signature is httpcore2's
        taken = bytes(self._out[:max_bytes])
        del self._out[:max_bytes]
        return taken

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the signature is httpcore2's
        assert self._encrypted, "a request before TLS"
        self._in += buffer
        head, end, body = bytes(self._in).partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        if end and len(body) >= int(length[1] if length else 0):
            self._in.clear()
            self._out += self._wire.answer(self._host, self._port, head + end + body)

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore2's
    ) -> httpcore2.AsyncNetworkStream:
        assert server_hostname == self._host
        self._wire.shake_hands(ssl_context)
        self._encrypted = True
        return self

    async def aclose(self) -> None:
        return

    def get_extra_info(self, info: str) -> Any:
        return None
