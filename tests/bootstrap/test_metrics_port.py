"""Metrics have a port of their own where somebody asked for it, and none elsewhere."""

from __future__ import annotations

import asyncio
import http.client
import socket

import pytest

from regcred.adapters.metrics.figures import Figures
from regcred.bootstrap import service
from regcred.bootstrap.first_run import FirstRun
from regcred.bootstrap.metrics_port import exposed, metrics_port, prometheus_meter
from regcred.bootstrap.state import open_state
from regcred.domain.errors import StartRefused
from regcred.domain.ports.measuring import StoreFigures
from regcred.domain.tally import Tally
from tests.bootstrap.conftest import Place
from tests.fakes.registries import ScriptedRegistries
from tests.tools.programs import LOOPBACK
from tests.usecases.world import HandClock


def families() -> ScriptedRegistries:
    return ScriptedRegistries(HandClock())


def fetched(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=10)
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        return reply.status, reply.read().decode()
    finally:
        connection.close()


async def figures() -> Figures:
    store = StoreFigures(Tally((1,)), Tally((1,)), 0, None)
    return Figures(3, store, 0, 0.5, {}, {}, (), {}, 0)


async def test_without_a_port_nothing_counts_and_nothing_listens(place: Place) -> None:
    meter = prometheus_meter(place.settings, families())
    with metrics_port(place.settings) as listening:
        async with exposed(meter, listening, figures):
            assert (meter, listening) == (None, None)


async def test_what_is_counted_is_served_until_the_service_stops(place: Place) -> None:
    settings = place.settings.model_copy(update={"metrics_port": 0})
    meter = prometheus_meter(settings, families())
    assert meter is not None
    with metrics_port(settings) as listening:
        assert listening is not None
        host, port = listening.getsockname()
        async with exposed(meter, listening, figures):
            status, text = await asyncio.to_thread(fetched, port, "/metrics")
            elsewhere, _ = await asyncio.to_thread(fetched, port, "/v1/whoami")

    assert (host, status, elsewhere) == (LOOPBACK, 200, 404)
    assert "regcred_checks_due 3.0" in text
    with pytest.raises(OSError, match="refused"):
        fetched(port, "/metrics")


async def test_a_taken_port_is_refused_before_a_key_is_shown(place: Place) -> None:
    def nobody(_made: FirstRun, _url: str) -> None:
        pytest.fail("a refused start must show no key")

    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        settings = place.settings.model_copy(update={"metrics_port": port})
        with pytest.raises(StartRefused) as refused:
            await service._serve_alone(settings, nobody)

    assert str(refused.value) == (
        f"cannot listen on 127.0.0.1:{port}: Address already in use. "
        "Choose another REGCRED_METRICS_HOST or --metrics-port"
    )
    async with open_state(place.settings, exclusive=True) as state:
        assert state.fresh
