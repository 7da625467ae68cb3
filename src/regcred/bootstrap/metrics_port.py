"""Metrics on a port of their own, served beside the API by the same process, if asked for."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import structlog
import uvicorn

from regcred.bootstrap.listening import authority, listen
from regcred.bootstrap.protocol import Limits, configured
from regcred.domain.errors import StartRefused
from regcred.domain.ports import Families
from regcred.settings import Settings
from regcred.web.metrics import metrics_app

if TYPE_CHECKING:
    from regcred.adapters.metrics.figures import Figures
    from regcred.adapters.metrics.prometheus import PrometheusMeter

_CONNECTIONS = 16
"""Open at once, and from one address: scrapers are few."""

_LAST_PORT = 65535
_log = structlog.get_logger("regcred")


class _Beside(uvicorn.Server):
    """A server that leaves signals to the one that it runs beside."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.begun = asyncio.Event()
        """Set once it answers, or will not."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        try:
            await super().startup(sockets)
        finally:
            self.begun.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def prometheus_meter(settings: Settings, families: Families) -> PrometheusMeter | None:
    """Return what counts; None where nobody will look."""
    if settings.metrics_port is None:
        return None
    # A tenth of a second that most starts need not take.
    from regcred.adapters.metrics.prometheus import PrometheusMeter  # noqa: PLC0415  see above

    return PrometheusMeter([family.slug for family in families.catalogue()])


@contextmanager
def metrics_port(settings: Settings, worker: int = 0) -> Iterator[socket.socket | None]:
    """Hold the port of a worker's metrics, if there is one. Raise StartRefused.

    Each worker counts what it does itself: the first on the port that was named, the second on
    the next one, and so on.
    """
    if settings.metrics_port is None:
        yield None
        return
    port = settings.metrics_port and settings.metrics_port + worker
    # Neither listens yet, so the system would let both have it, and the first would get all.
    if port and port == settings.port:
        raise StartRefused(
            f"--metrics-port {settings.metrics_port} is the service's own port: choose another"
            if worker == 0
            else f"--metrics-port {settings.metrics_port} gives worker {worker + 1} the service's "
            f"own port, {port}: choose another"
        )
    if port > _LAST_PORT:
        raise StartRefused(
            f"--metrics-port {settings.metrics_port} leaves no port for worker {worker + 1}: "
            "choose a lower one"
        )
    option = "REGCRED_METRICS_HOST or --metrics-port"
    with listen(settings.metrics_host, port, option=option) as listening:
        yield listening


@asynccontextmanager
async def exposed(
    meter: PrometheusMeter | None,
    listening: socket.socket | None,
    figures: Callable[[], Awaitable[Figures]],
) -> AsyncIterator[None]:
    """Serve what was counted, and `figures` looked up then, for as long as the block runs."""
    if meter is None or listening is None:
        yield
        return

    async def exposition() -> tuple[str, bytes]:
        return meter.exposition(await figures())

    config = configured(
        metrics_app(exposition), Limits(_CONNECTIONS, _CONNECTIONS), keep_alive=5, grace=1
    )
    server = _Beside(config)
    serving = asyncio.create_task(server.serve([listening]))
    await server.begun.wait()
    _log.info("serving metrics", address=f"http://{authority(listening)}/metrics")
    try:
        yield
    finally:
        server.should_exit = True
        with contextlib.suppress(Exception):
            await serving
