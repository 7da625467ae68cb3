"""The last step before spans leave: what is not listed here stays.

Whatever a span was given, an exception's text among it, an exporter would send. So each is made
anew of its name, its times and the attributes below.
"""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Status

METHOD, ROUTE, STATUS = "http.request.method", "http.route", "http.response.status_code"
FACE, REQUEST_ID, ERROR = "regcred.face", "regcred.request_id", "error.type"
ATTRIBUTES = frozenset({METHOD, ROUTE, STATUS, FACE, REQUEST_ID, ERROR})

_LONGEST = 200


class AllowListed(SpanExporter):
    """Before another exporter."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send what may be sent of the spans."""
        return self._exporter.export([_stripped(span) for span in spans])

    def shutdown(self) -> None:
        """End the other one."""
        self._exporter.shutdown()


def _stripped(span: ReadableSpan) -> ReadableSpan:
    kept = {
        key: value[:_LONGEST] if isinstance(value, str) else value
        for key, value in (span.attributes or {}).items()
        if key in ATTRIBUTES and isinstance(value, str | int)
    }
    return ReadableSpan(
        span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=kept,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
