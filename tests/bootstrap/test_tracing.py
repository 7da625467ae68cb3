"""Traces are sent where the operator names a collector, and nowhere else."""

from __future__ import annotations

import asyncio
import sys

import pytest
from pydantic import ValidationError

from regcred.bootstrap.tracing import tracing
from regcred.domain.errors import StartRefused
from regcred.settings import Settings
from tests.bootstrap.conftest import Place
from tests.tools.otlp import Collector


async def test_without_a_collector_there_are_none(place: Place) -> None:
    async with tracing(place.settings) as traces:
        assert traces is None


async def test_a_collector_has_what_was_told_when_the_service_stops(place: Place) -> None:
    async def app(_scope: object, _receive: object, _send: object) -> None:
        await asyncio.sleep(0)

    with Collector().serving() as collector:
        settings = place.settings.model_copy(update={"otel_endpoint": f"{collector.url}/prefix/"})
        async with tracing(settings) as traces:
            assert traces is not None
            await traces.web(app)({"type": "http"}, None, None)  # type: ignore[arg-type]  # nobody reads

    assert [path for path, _ in collector.got] == ["/prefix/v1/traces"]
    assert b"regcred" in collector.got[0][1]


async def test_without_what_sends_them_the_start_says_what_to_install(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "regcred.adapters.tracing.traces", None)
    settings = place.settings.model_copy(update={"otel_endpoint": "http://collector:4318"})

    with pytest.raises(StartRefused, match=r"pip install 'regcred\[otel\]'"):
        async with tracing(settings):
            pytest.fail("there is nothing to send them")


@pytest.mark.parametrize(
    "endpoint", ["collector:4318", "ftp://c", "http://u:p@c:4318", "http://c/?key=x", "http://", ""]
)
def test_an_endpoint_is_a_place_without_a_secret(endpoint: str) -> None:
    with pytest.raises(ValidationError, match=r"must be http\(s\)://HOST:PORT"):
        Settings(otel_endpoint=endpoint)
