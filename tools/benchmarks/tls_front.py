"""A TLS listener that passes bytes on to the service: `tls_front.py PORT TO CERTIFICATE KEY`.

The service is run behind a proxy in production; this one is as thin as the comparison needs.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys

import uvloop

LOOPBACK = "127.0.0.1"


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


async def serve(port: int, to: int, certificate: str, key: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward_reader, onward_writer = await asyncio.open_connection(LOOPBACK, to)
        await asyncio.gather(_pass(reader, onward_writer), _pass(onward_reader, writer))

    server = await asyncio.start_server(accept, LOOPBACK, port, ssl=context)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]))
