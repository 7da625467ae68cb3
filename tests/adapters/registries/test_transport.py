from __future__ import annotations

import asyncio
import inspect
import socket
import threading
from asyncio.selector_events import BaseSelectorEventLoop
from typing import Any

import httpcore2
import pytest

from regcred.adapters.registries import transport
from regcred.adapters.registries.transport import (
    DestinationRefused,
    GuardedBackend,
    NameUnresolved,
)
from tests.adapters.registries.scripted import LOOPBACK, Server
from tests.adapters.registries.ssrf import PUBLIC, Network


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    network = Network({"registry.example": (PUBLIC,)})
    network.install(monkeypatch)
    return network


def test_it_takes_networks_and_ports_by_position_or_name() -> None:
    parameters = list(inspect.signature(GuardedBackend).parameters.values())

    assert [(p.name, p.default) for p in parameters[:2]] == [
        ("allow_networks", ()),
        ("ports", None),
    ]
    assert isinstance(GuardedBackend(("10.0.0.0/8",), (443,)), httpcore2.AsyncNetworkBackend)


async def test_it_connects_to_the_checked_addresses_in_order(network: Network) -> None:
    with pytest.raises(httpcore2.ConnectError):
        await GuardedBackend().connect_tcp("Registry.Example", 443)

    assert network.attempts == list(PUBLIC)
    assert network.lookups == {"registry.example": 1}


async def test_the_first_address_that_answers_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    async with server.serving():
        network = Network({"registry.example": (("127.0.0.2", LOOPBACK),)})
        monkeypatch.setattr(socket, "getaddrinfo", network._getaddrinfo)
        backend = GuardedBackend(["127.0.0.0/8"])
        real = BaseSelectorEventLoop.sock_connect

        async def sock_connect(loop: Any, sock: Any, address: Any) -> None:
            if address[0] == "127.0.0.2":
                raise ConnectionRefusedError
            await real(loop, sock, address)

        monkeypatch.setattr(BaseSelectorEventLoop, "sock_connect", sock_connect)
        stream = await backend.connect_tcp("registry.example", server.port)
        await stream.aclose()

    assert network.lookups == {"registry.example": 1}


@pytest.mark.parametrize("port", [0, 22, 25, 53, 2375, 3306, 5432, 6379, 11211])
async def test_other_services_ports_are_refused_unasked(network: Network, port: int) -> None:
    with pytest.raises(DestinationRefused):
        await GuardedBackend().connect_tcp("registry.example", port)

    assert network.attempts == []
    assert network.lookups == {}


@pytest.mark.parametrize("port", [80, 443, 5000, 5005, 8080, 8443])
async def test_registries_ports_are_not(network: Network, port: int) -> None:
    with pytest.raises(httpcore2.ConnectError):
        await GuardedBackend().connect_tcp("registry.example", port)

    assert network.attempts


async def test_a_list_of_ports_replaces_the_shipped_one(network: Network) -> None:
    backend = GuardedBackend((), [9000])
    with pytest.raises(DestinationRefused):
        await backend.connect_tcp("registry.example", 443)
    with pytest.raises(httpcore2.ConnectError):
        await backend.connect_tcp("registry.example", 9000)

    assert network.attempts == list(PUBLIC)


async def test_an_allowed_network_is_exempt_from_blocks_and_ports(network: Network) -> None:
    network.names["inside.example"] = (("10.1.2.3",),)
    network.names["mapped.example"] = (("::ffff:10.1.2.3",),)
    network.names["beyond.example"] = (("10.1.2.3", "93.184.215.14"),)
    backend = GuardedBackend(["10.0.0.0/8"])
    for name in ("inside.example", "mapped.example", "10.1.2.3"):
        with pytest.raises(httpcore2.ConnectError) as raised:
            await backend.connect_tcp(name, 6379)
        assert not isinstance(raised.value, DestinationRefused)
    # A public address beside it is not exempt from the ports.
    with pytest.raises(DestinationRefused):
        await backend.connect_tcp("beyond.example", 6379)

    assert network.attempts == ["10.1.2.3"] * 3


async def test_a_place_the_operator_named_is_exempt_from_the_ports_alone(
    network: Network,
) -> None:
    network.names["private.example"] = (("10.1.2.3",),)
    backend = GuardedBackend(any_port=lambda host, _: host.endswith(".example"))
    with pytest.raises(httpcore2.ConnectError):
        await backend.connect_tcp("registry.example", 9999)
    with pytest.raises(DestinationRefused):
        await backend.connect_tcp("private.example", 9999)

    assert network.attempts == list(PUBLIC)


async def test_unix_sockets_are_never_connected() -> None:
    with pytest.raises(DestinationRefused):
        await GuardedBackend(["0.0.0.0/0", "::/0"]).connect_unix_socket("/run/docker.sock")


@pytest.mark.usefixtures("network")
async def test_a_name_without_addresses_is_unresolved(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NameUnresolved):
        await GuardedBackend().connect_tcp("absent.example", 443)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])
    with pytest.raises(NameUnresolved):
        await GuardedBackend().connect_tcp("empty.example", 443)


async def test_answers_are_bounded_and_must_be_addresses(network: Network) -> None:
    network.names["many.example"] = (tuple(f"93.184.1.{n}" for n in range(65)),)
    network.names["odd.example"] = (("93.184.1.1", "not-an-address"),)
    for name in ("many.example", "odd.example"):
        with pytest.raises(DestinationRefused):
            await GuardedBackend().connect_tcp(name, 443)

    assert network.attempts == []


async def test_a_resolver_that_hangs_costs_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait(30))
    monkeypatch.setattr(transport, "RESOLVE_SECONDS", 0.05)
    try:
        with pytest.raises(NameUnresolved):
            await GuardedBackend().connect_tcp("slow.example", 443)
    finally:
        released.set()


async def test_refusals_say_nothing_about_what_was_refused(network: Network) -> None:
    network.names["inside.example"] = (("10.1.2.3",),)
    texts = set()
    for name in ("inside.example", "127.0.0.1", "0x7f.1", "a b"):
        with pytest.raises(httpcore2.ConnectError) as raised:
            await GuardedBackend().connect_tcp(name, 443)
        texts.add(str(raised.value))

    assert len(texts) == 1


async def test_sleep_is_the_inner_backends() -> None:
    await asyncio.wait_for(GuardedBackend().sleep(0), 5)


def test_it_works_under_uvloop(network: Network) -> None:
    uvloop = pytest.importorskip("uvloop")
    network.names["inside.example"] = (("10.1.2.3",),)

    async def refused() -> None:
        with pytest.raises(DestinationRefused):
            await GuardedBackend().connect_tcp("inside.example", 443)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(refused())

    assert network.lookups == {"inside.example": 1}
