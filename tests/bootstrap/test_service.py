"""What keeps a service from serving, and what it says about its readiness."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

import pytest

from regcred.bootstrap import listening, service, wiring
from regcred.bootstrap.first_run import FirstRun
from regcred.bootstrap.state import open_state
from regcred.domain.errors import StartRefused
from tests.bootstrap.conftest import Place
from tests.tools.programs import LOOPBACK


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which something listens."""
    with socket.create_server((LOOPBACK, 0)) as listening:
        yield listening.getsockname()[1]


def _nobody(_made: FirstRun, _url: str) -> None:
    pytest.fail("a refused start must show no key")


def test_several_workers_cannot_share_a_key_ring_that_is_read_once(place: Place) -> None:
    shared = {"workers": 2, "database": "postgresql://r@127.0.0.1:9/r", "keyring": ("fd:3",)}
    settings = place.settings.model_copy(update=shared)

    with pytest.raises(StartRefused, match="fd: is read once"):
        service.serve(settings, on_first_run=_nobody)


@pytest.mark.parametrize("workers", [2, 64])
def test_several_workers_are_refused_before_anything_is_made(place: Place, workers: int) -> None:
    settings = place.settings.model_copy(update={"workers": workers})

    with pytest.raises(StartRefused, match=rf"--workers {workers}: .* Use --workers 1"):
        service.serve(settings, on_first_run=_nobody)

    assert not place.data.exists()


def test_a_taken_port_is_refused_with_what_to_do(place: Place, taken: int) -> None:
    place.run("init")

    done = place.run("serve", port=taken)

    assert done.code == 1
    assert done.text == (
        f"cannot listen on 127.0.0.1:{taken}: Address already in use. "
        "Choose another --host or --port\n"
    )


def test_an_address_of_another_machine_is_refused(place: Place) -> None:
    said = place.run("serve", host="203.0.113.1", port=0)

    assert said.code == 1
    assert said.err.startswith("cannot listen on 203.0.113.1:0: ")


async def test_a_first_start_that_cannot_listen_makes_no_key(place: Place, taken: int) -> None:
    """The key is shown once: made by a start that is refused, it would be lost."""
    settings = place.settings.model_copy(update={"port": taken})

    with pytest.raises(StartRefused, match="cannot listen"):
        await service._serve_alone(settings, _nobody)

    async with open_state(place.settings, exclusive=True) as state:
        assert state.fresh


def test_the_system_keeps_little_for_a_client_that_does_not_read() -> None:
    with listening.listen(LOOPBACK, 0) as bound:
        bound.listen()
        with socket.create_connection(bound.getsockname()), bound.accept()[0] as accepted:
            kept = accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)

    assert kept <= 128 * 1024


def test_urls_put_ipv6_addresses_in_brackets() -> None:
    class Bound(socket.socket):
        def getsockname(self) -> tuple[str, int, int, int]:
            return ("::1", 8080, 0, 0)

    with Bound(socket.AF_INET) as bound:
        assert listening.authority(bound) == "[::1]:8080"


# Request ids


def test_request_ids_are_sane_and_never_twice() -> None:
    sources = [wiring._request_ids() for _ in range(3)]

    ids = [source() for source in sources for _ in range(100)]

    assert len(set(ids)) == 300
    assert all(re.fullmatch(r"[A-Za-z0-9._-]{1,64}", id_) for id_ in ids)
