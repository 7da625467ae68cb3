"""A trace tells where a request's time went, and nothing of what was asked."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from regcred.adapters.tracing.allow_list import ATTRIBUTES
from regcred.adapters.tracing.traces import Traces
from tests.web.world import World, credential

HERE = "/v1/projects/-"
RESOLVE = "/v1/projects/{project}/resolve"
STRANGE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Kept(SpanExporter):
    """Keeps what would be sent."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.spans += spans
        return SpanExportResult.SUCCESS

    def named(self, name: str) -> ReadableSpan:
        [found] = [span for span in self.spans if span.name == name]
        return found

    @property
    def said(self) -> str:
        return "".join(span.to_json() for span in self.spans)


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def traces(kept: Kept) -> Traces:
    return Traces(kept)


class Port:
    """What a span is made around."""

    size = 7

    async def find(self, word: str) -> str:
        return word

    async def fail(self, word: str) -> None:
        raise LookupError(word)

    def look(self, word: str) -> str:
        return word


async def test_a_request_is_told_by_its_pattern_and_its_id(traces: Traces, kept: Kept) -> None:
    world = await World(answered=traces.answered).populate()
    world.app = traces.web(world.app)
    headers = {"X-Request-Id": "asked-1", "traceparent": STRANGE, "X-Regcred-Node": "Hunter2"}
    body = {"image": "registry.example.com/Hunter2/app", "client": "Hunter2"}
    await world.send("POST", f"{HERE}/credentials", credential(name="Hunter2"))
    await world.send("POST", f"{HERE}/resolve", body, headers=headers)
    await world.send("GET", f"{HERE}/credentials/Hunter2?labels=Hunter2")
    traces.close()

    span = kept.named(f"POST {RESOLVE}")
    assert dict(span.attributes or {}) == {
        "http.request.method": "POST",
        "http.route": RESOLVE,
        "http.response.status_code": 422,
        "regcred.face": "native",
        "regcred.request_id": "asked-1",
    }
    assert "Hunter2" not in kept.said


async def test_a_trace_that_a_client_names_is_not_joined(traces: Traces, kept: Kept) -> None:
    """Whoever asks is not known yet, and would choose what is recorded, and beside whose."""
    world = await World(answered=traces.answered).populate()
    world.app = traces.web(world.app)
    for _ in range(2):
        await world.send("GET", "/v1/whoami", headers={"traceparent": STRANGE})
    traces.close()

    contexts = [span.context for span in kept.spans]
    assert len({context and context.trace_id for context in contexts}) == 2
    assert all(span.parent is None for span in kept.spans)
    assert STRANGE[3:35] not in kept.said


async def test_what_a_request_waits_for_stands_inside_it(traces: Traces, kept: Kept) -> None:
    port = traces.inside("store", Port())

    async def app(_scope: object, _receive: object, send: object) -> None:
        assert await port.find("Hunter2") == "Hunter2"
        with pytest.raises(LookupError, match="Hunter2"):
            await port.fail("Hunter2")
        traces.answered("native", "/x", "GET", 503, 0.1)
        del send

    await traces.web(app)({"type": "http"}, None, None)  # type: ignore[arg-type]  # nobody reads
    traces.close()

    request = kept.named("GET /x")
    assert request.context is not None
    for name in ("store find", "store fail"):
        span = kept.named(name)
        assert span.parent is not None
        assert span.parent.span_id == request.context.span_id
    assert dict(kept.named("store fail").attributes or {}) == {"error.type": "LookupError"}
    assert not request.status.is_ok
    assert "Hunter2" not in kept.said


async def test_what_runs_beside_requests_makes_no_trace(traces: Traces, kept: Kept) -> None:
    port = traces.inside("store", Port())

    assert await port.find("word") == "word"
    assert (port.look("word"), port.size) == ("word", 7)
    traces.close()
    assert kept.spans == []


async def test_only_listed_attributes_and_no_event_leaves(traces: Traces, kept: Kept) -> None:
    """Whatever a span was given, by us or by a library that finds it."""

    async def app(_scope: object, _receive: object, _send: object) -> None:
        span = trace.get_current_span()
        span.set_attribute("url.query", "Hunter2")
        span.set_attribute("http.route", ["Hunter2"])
        span.set_attribute("regcred.request_id", "x" * 1000)
        span.add_event("Hunter2", {"exception.message": "Hunter2"})
        span.record_exception(ValueError("Hunter2"))
        span.set_status(trace.StatusCode.ERROR, "Hunter2")

    await traces.web(app)({"type": "http"}, None, None)  # type: ignore[arg-type]  # nobody reads
    traces.close()

    [span] = kept.spans
    assert dict(span.attributes or {}) == {"regcred.request_id": "x" * 200}
    assert not span.events
    assert "Hunter2" not in kept.said
    assert set(span.attributes or {}) <= ATTRIBUTES


async def test_what_is_no_request_passes(traces: Traces, kept: Kept) -> None:
    seen: list[object] = []

    async def app(scope: object, _receive: object, _send: object) -> None:
        seen.append(scope)

    await traces.web(app)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]  # as above
    traces.close()

    assert (seen, kept.spans) == ([{"type": "lifespan"}], [])
