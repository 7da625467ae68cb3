"""Spans of requests, and of the store, the sealing and the registries inside them.

The one thing you would get wrong: whose trace a request belongs to. Always one of its own: a
`traceparent` comes before any key is looked at, so a stranger could join another's trace, or have
every request of theirs recorded (docs/decisions/2026-11-traces.md).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from inspect import iscoroutinefunction
from typing import Any, TypeVar, cast

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from regcred import __version__
from regcred.adapters.tracing.allow_list import (
    ERROR,
    FACE,
    METHOD,
    REQUEST_ID,
    ROUTE,
    STATUS,
    AllowListed,
)

_T = TypeVar("_T")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

_SERVER_ERROR = 500


class Traces:
    """What one process tells a collector. `close` sends what waits."""

    def __init__(self, exporter: SpanExporter) -> None:
        # Not the process's global one: a library that finds one would tell of requests by itself.
        about = {"service.name": "regcred", "service.version": __version__}
        self._provider = TracerProvider(resource=Resource.create(about), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(AllowListed(exporter)))
        self._tracer = self._provider.get_tracer("regcred")

    @classmethod
    def to(cls, endpoint: str) -> Traces:
        """Tell the collector at an OTLP endpoint, `http(s)://HOST:PORT` with a prefix if it has."""
        return cls(OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces"))

    def close(self) -> None:
        """Send what waits, which may take seconds, and end."""
        self._provider.shutdown()

    def web(self, app: Application) -> Application:
        """Return the application with a span around each request."""

        async def traced(scope: Message, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            with self._tracer.start_as_current_span(
                "request",
                context=Context(),
                kind=SpanKind.SERVER,
                record_exception=False,
                set_status_on_exception=False,
            ) as span:

                async def noting(message: Message) -> None:
                    if message["type"] == "http.response.start":
                        headers = dict(message["headers"])
                        span.set_attribute(REQUEST_ID, headers.get(b"x-request-id", b"").decode())
                    await send(message)

                await app(scope, receive, noting)

        return traced

    def answered(self, face: str, route: str, method: str, status: int, seconds: float) -> None:
        """Say of the request under way what it was, once it is answered."""
        span = trace.get_current_span()
        span.update_name(f"{method} {route}")
        for name, value in ((FACE, face), (ROUTE, route), (METHOD, method), (STATUS, status)):
            span.set_attribute(name, value)
        if status >= _SERVER_ERROR:
            span.set_status(StatusCode.ERROR)

    def inside(self, what: str, port: _T) -> _T:
        """Return a port whose coroutines have spans, by their names, inside those of requests."""
        return cast("_T", _Inside(what, port, self._tracer))


class _Inside:
    """Stands before a port and passes everything on; what a call is given, no span hears of."""

    def __init__(self, what: str, port: object, tracer: trace.Tracer) -> None:
        self._what = what
        self._port = port
        self._tracer = tracer

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not iscoroutinefunction(found):
            return found
        what = f"{self._what} {name}"

        async def traced(*arguments: Any, **named: Any) -> Any:
            # What runs beside the requests would be a trace every second, of nothing.
            if not trace.get_current_span().get_span_context().is_valid:
                return await found(*arguments, **named)
            with self._tracer.start_as_current_span(
                what, record_exception=False, set_status_on_exception=False
            ) as span:
                try:
                    return await found(*arguments, **named)
                except Exception as error:
                    span.set_attribute(ERROR, type(error).__name__)
                    raise

        setattr(self, name, traced)
        return traced
