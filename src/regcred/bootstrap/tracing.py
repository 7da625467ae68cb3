"""Traces, where the operator names a collector for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from regcred.domain.errors import StartRefused
from regcred.settings import Settings

if TYPE_CHECKING:
    from regcred.adapters.tracing.traces import Traces


@asynccontextmanager
async def tracing(settings: Settings) -> AsyncIterator[Traces | None]:
    """Yield what tells of traces as long as the block runs, or None. Raise StartRefused."""
    if settings.otel_endpoint is None:
        yield None
        return
    try:
        # An extra, and half a second, that only those need who set it.
        from regcred.adapters.tracing.traces import Traces  # noqa: PLC0415  see above
    except ImportError:
        raise StartRefused(
            "REGCRED_OTEL_ENDPOINT is set, and what sends traces is not installed: "
            "pip install 'regcred[otel]'"
        ) from None
    traces = Traces.to(settings.otel_endpoint)
    try:
        yield traces
    finally:
        await asyncio.to_thread(traces.close)
