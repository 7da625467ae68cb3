"""One id goes with a request through answer, log, audit and trace, and to no third party."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx2
import pytest
from structlog.testing import capture_logs

from regcred.adapters.tracing.traces import Traces
from regcred.bootstrap.first_run import first_run
from regcred.bootstrap.state import open_state
from regcred.bootstrap.wiring import open_registries, wire
from regcred.domain.ports.measuring import UNMEASURED
from tests.adapters.tracing.test_traces import STRANGE, Kept
from tests.bootstrap.conftest import Place
from tests.tools.inside import keeper_of
from tests.tools.programs import LOOPBACK

HERE = "/v1/projects/-"
ASKED = "asked-by-a-client.1_2"


@dataclass
class ThirdParty:
    """A registry that notes what it is sent."""

    address: str = ""
    heard: bytes = b""

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[ThirdParty]:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.heard += await reader.readuntil(b"\r\n\r\n")
            writer.write(
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(answer, LOOPBACK, 0) as server:
            self.address = f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}"
            yield self


@contextlib.asynccontextmanager
async def client_of(place: Place, kept: Kept) -> AsyncIterator[httpx2.AsyncClient]:
    """Yield a client of a whole process's web, with the operator's key."""
    allowed = {"allow_networks": ["127.0.0.0/8"], "allow_http": [LOOPBACK]}
    settings = place.settings.model_copy(update=allowed)
    async with open_state(settings, exclusive=True) as state:
        key = (await first_run(state)).key.reveal()
        registries, traces = open_registries(settings, state), Traces(kept)
        parts = wire(settings, state, keeper_of(state), registries, UNMEASURED, traces)
        async with httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=parts.app),
            base_url="http://regcred.test",
            headers={"Authorization": f"Bearer {key}"},
            trust_env=False,
        ) as client:
            yield client
        traces.close()


async def test_an_id_goes_everywhere_but_to_a_registry(place: Place) -> None:
    kept, registry = Kept(), ThirdParty()
    sent = {"X-Request-Id": ASKED, "traceparent": STRANGE}
    async with registry.serving(), client_of(place, kept) as client:
        login = {"registry_url": registry.address, "username": "u", "password": "a password"}
        with capture_logs() as logs:
            made = await client.post(
                f"{HERE}/credentials", json={"name": "a", **login}, headers=sent
            )
            checked = await client.post(f"{HERE}/credentials/a:verify", json={}, headers=sent)
            refused = await client.get(f"{HERE}/credentials/b", headers=sent)
        audit = (await client.get(f"{HERE}/audit")).json()["items"]

    assert (made.status_code, checked.status_code, refused.status_code) == (201, 200, 404)
    assert {reply.headers["x-request-id"] for reply in (made, checked, refused)} == {ASKED}
    assert refused.json()["request_id"] == ASKED
    assert [line["request_id"] for line in logs] == [ASKED] * 3
    assert ASKED in {row["request_id"] for row in audit}
    traced = [dict(span.attributes or {}).get("regcred.request_id") for span in kept.spans]
    assert traced.count(ASKED) == 3
    assert "registry verify" in {span.name for span in kept.spans}
    assert registry.heard.startswith(b"GET /v2/")
    for foreign in (ASKED.encode(), b"x-request-id", b"traceparent", STRANGE[3:35].encode()):
        assert foreign not in registry.heard.lower()


@pytest.mark.parametrize(
    "given", ["", "a b", "x" * 65, "a/b", "a\tb", "\u00fc", "a;b", '"a"', "{{a}}", "$(a)"]
)
async def test_an_id_that_is_not_well_formed_is_replaced(place: Place, given: str) -> None:
    async with client_of(place, Kept()) as client:
        replies = [
            await client.get("/v1/nothing", headers=[(b"X-Request-Id", given.encode())])
            for _ in range(2)
        ]

    ids = {reply.headers["x-request-id"] for reply in replies}
    assert len(ids) == 2
    assert all(len(made) == 32 and int(made, 16) >= 0 for made in ids)
    assert {reply.json()["request_id"] for reply in replies} == ids
