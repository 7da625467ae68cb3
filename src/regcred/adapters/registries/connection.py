"""A TCP connection, with TLS or without: what httpcore2 writes requests to and reads answers from.

In the place of httpcore2's own, which goes through another library and costs a check more CPU than
reading the answers does. Nothing here looks a name up: it is given addresses.
"""

from __future__ import annotations

import asyncio
import select
import ssl
from collections.abc import Iterable
from typing import Any

import httpcore2

from regcred.adapters.registries.origins import IPAddress

_ENOUGH = 64 * 1024
"""Bytes that may wait to be read; the peer gets to send no more before."""


class _Received(asyncio.Protocol):
    """What came and was not read yet."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.waiting = bytearray()
        self.over = False
        self.error: Exception | None = None
        self._came: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # TCP has both ways

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        if len(self.waiting) > _ENOUGH:
            self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self.over = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.over = True
        self.error = exc
        self._wake()

    async def something(self) -> None:
        """Wait until there is something to read, or never will be."""
        while not self.waiting and not self.over:
            self._came = asyncio.get_running_loop().create_future()
            await self._came

    def take(self, most: int) -> bytes:
        """Return the first bytes that wait, and make room for more."""
        taken = bytes(self.waiting[:most])
        if len(self.waiting) > _ENOUGH >= len(self.waiting) - len(taken):
            self.transport.resume_reading()
        del self.waiting[:most]
        return taken

    def _wake(self) -> None:
        if self._came is not None and not self._came.done():
            self._came.set_result(None)


class Connection(httpcore2.AsyncNetworkStream):
    """One connection, open since its making."""

    def __init__(self, received: _Received) -> None:
        self._received = received
        self._transport = received.transport

    async def read(
        self,
        max_bytes: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore2's
    ) -> bytes:
        """Return what came, b"" at the end. Raise ReadTimeout, ReadError, ssl.SSLError."""
        received = self._received
        if received.waiting:
            await asyncio.sleep(0)  # who sends without a pause must not keep others from theirs
        else:
            try:
                async with asyncio.timeout(timeout):
                    await received.something()
            except TimeoutError as late:
                raise httpcore2.ReadTimeout from late
        if not received.waiting and received.error is not None:
            if isinstance(received.error, ssl.SSLError):
                raise received.error
            raise httpcore2.ReadError from received.error
        return received.take(max_bytes)

    async def write(
        self,
        buffer: bytes,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore2's
    ) -> None:
        """Send. Raise WriteError. Requests are small: nothing waits until they have left."""
        if self._received.over:
            raise httpcore2.WriteError
        self._transport.write(buffer)

    async def aclose(self) -> None:
        """Close at once: what the peer still has to say, a TLS farewell too, is not waited for."""
        self._transport.abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore2's
    ) -> httpcore2.AsyncNetworkStream:
        """Shake hands. Raise ConnectError, ConnectTimeout.

        Whatever came before the handshake came from anyone: it must never be read as what came in
        it (the plaintext injection of STARTTLS, CVE-2011-0411).
        """
        if self._received.waiting or self._received.over:
            raise httpcore2.ConnectError("there was an answer before the handshake")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                transport = await loop.start_tls(
                    self._transport, self._received, ssl_context, server_hostname=server_hostname
                )
        except TimeoutError as late:
            raise httpcore2.ConnectTimeout from late
        except OSError as error:
            raise httpcore2.ConnectError from error
        if transport is None:  # it was lost just after
            raise httpcore2.ConnectError
        self._received.transport = transport
        return Connection(self._received)

    def get_extra_info(self, info: str) -> Any:
        """Return what asyncio knows, and whether it `is_readable`: an idle one should not be."""
        if info == "is_readable":
            return bool(self._received.waiting) or self._received.over or self._something_came()
        return self._transport.get_extra_info(info)

    def _something_came(self) -> bool:
        """Ask the system, which knows of an end before the loop has had the time to say so."""
        descriptor = self._transport.get_extra_info("socket").fileno()
        asked = select.poll()
        if descriptor >= 0:
            asked.register(descriptor, select.POLLIN)
        return descriptor < 0 or bool(asked.poll(0))


async def connect(
    address: IPAddress,
    port: int,
    seconds: float,
    local_address: str | None = None,
    socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
) -> Connection:
    """Open a connection. Raise ConnectError, ConnectTimeout."""
    loop = asyncio.get_running_loop()
    local = None if local_address is None else (local_address, 0)
    try:
        async with asyncio.timeout(seconds):
            transport, received = await loop.create_connection(
                _Received, str(address), port, local_addr=local
            )
    except TimeoutError as late:
        raise httpcore2.ConnectTimeout from late
    except OSError as error:
        raise httpcore2.ConnectError from error
    for option in socket_options or ():
        transport.get_extra_info("socket").setsockopt(*option)
    return Connection(received)
