"""The guarded transport: every connection that a tenant can ask for is decided here.

It decides on the socket address, at every connect: a name is resolved once, all answers must be
allowed, and the connection goes to an address that was checked, so there is no second look-up to
rebind. TLS still names and verifies the host, because that is done above this layer.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor

import httpcore2

from regcred.adapters.registries.addresses import IPNetwork, inside, networks, public, unmapped
from regcred.adapters.registries.connection import connect
from regcred.adapters.registries.origins import IPAddress, canonical_host, ip_literal

PORTS = frozenset(
    {80, 443, 4567, 5000, 5001, 5005, 5050, 5443, *range(8080, 8084), 8443, 8843, 9443}
)
"""Where registries live: the web's ports, then Distribution's, GitLab's, Nexus', Quay's …"""

RESOLVE_SECONDS = 3.0
CONNECT_SECONDS = 5.0
_MAX_ANSWERS = 64

# One bounded pool for the process: a resolver that hangs costs its callers their deadline and
# never more threads than these.
_RESOLVERS = ThreadPoolExecutor(max_workers=16, thread_name_prefix="resolve")


class DestinationRefused(httpcore2.ConnectError):
    """Policy forbids this destination. It says no more: outside it must look like a closed port."""

    def __init__(self) -> None:
        super().__init__("the destination is not allowed")


class NameUnresolved(httpcore2.ConnectError):
    """The name has no address, or the resolver did not say in time."""

    def __init__(self) -> None:
        super().__init__("the name did not resolve")


def _nowhere(_host: str, _port: int) -> bool:
    return False


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Connects to public addresses on registries' ports, and to what the operator allows."""

    def __init__(
        self,
        allow_networks: Iterable[str | IPNetwork] = (),
        ports: Collection[int] | None = None,
        *,
        any_port: Callable[[str, int], bool] = _nowhere,
    ) -> None:
        """Take the operator's networks, which are exempt from the blocks and from the ports.

        `ports` None means PORTS. `any_port(host, port)` says which places the operator named
        himself: exempt from the ports, not from the blocks. Raise ValueError for a bad network.
        """
        self._allowed = networks(allow_networks)
        self._ports = PORTS if ports is None else frozenset(ports)
        self._any_port = any_port

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore2's
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first checked address that answers.

        Raise DestinationRefused and NameUnresolved before any connection was tried, ConnectError
        and ConnectTimeout after.
        """
        addresses = await self._checked(host, port)
        seconds = CONNECT_SECONDS if timeout is None else min(timeout, CONNECT_SECONDS)
        failure: httpcore2.ConnectError | httpcore2.ConnectTimeout = NameUnresolved()
        for address in addresses:
            try:
                return await connect(address, port, seconds, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore2's
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Raise DestinationRefused, always."""
        raise DestinationRefused

    async def sleep(self, seconds: float) -> None:
        """Wait; httpcore2 asks for it between retries."""
        await asyncio.sleep(seconds)

    async def _checked(self, host: str, port: int) -> list[IPAddress]:
        """Return every address of `host`, all of them allowed. Raise as connect_tcp does."""
        try:
            name = canonical_host(host)
        except ValueError:
            raise DestinationRefused from None
        usual = port in self._ports or self._any_port(name, port)
        if not usual and not self._allowed:
            raise DestinationRefused
        literal = ip_literal(name)
        found = [literal] if literal else await _resolve(name, port)
        for address in found:
            if not (inside(address, self._allowed) or (usual and public(address))):
                raise DestinationRefused
        return [unmapped(address) for address in found]


async def _resolve(name: str, port: int) -> list[IPAddress]:
    """Ask the system's resolver once, in the order of its answers, each address once."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            answers = await loop.run_in_executor(_RESOLVERS, _getaddrinfo, name, port)
    except (OSError, UnicodeError):  # gaierror and TimeoutError are OSErrors
        raise NameUnresolved from None
    if not answers:
        raise NameUnresolved
    if len(answers) > _MAX_ANSWERS:
        raise DestinationRefused
    try:
        return [ipaddress.ip_address(address) for address in answers]
    except ValueError:
        raise DestinationRefused from None


def _getaddrinfo(name: str, port: int) -> list[str]:
    # Looked up at the call, so that whoever replaces the system's resolver replaces it here.
    answers = socket.getaddrinfo(name, port, family=socket.AF_UNSPEC, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))
