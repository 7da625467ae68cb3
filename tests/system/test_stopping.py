"""The service is told to stop while it is asked things: nothing that it took is lost."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.tools.api import Api
from tests.tools.programs import LOOPBACK, Daemon, http_status
from tests.tools.service import Service

pytestmark = pytest.mark.system

_CLIENTS = 16
_PATIENCE = 20
_LAST = b"\r\nconnection: close"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Service:
    """One that is set up, and would wait long for what runs; each test serves it anew."""
    set_up = Service(tmp_path_factory.mktemp("service"))
    set_up.env["REGCRED_GRACE"] = "600"
    set_up.init()
    return set_up


class SlowRegistry:
    """Accepts connections and answers none until it is let go."""

    def __init__(self) -> None:
        self._listener = socket.create_server((LOOPBACK, 0))
        self.address = f"{LOOPBACK}:{self._listener.getsockname()[1]}"
        self.asked = threading.Event()
        self.let_go = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self.asked.set()
                self.let_go.wait(10)

    def close(self) -> None:
        self.let_go.set()
        # Closing alone would leave the thread inside accept().
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


@pytest.fixture
def slow() -> Iterator[SlowRegistry]:
    registry = SlowRegistry()
    yield registry
    registry.close()


def test_a_stop_lets_a_running_request_finish(service: Service, slow: SlowRegistry) -> None:
    with service.serving() as daemon, service.api() as api, ThreadPoolExecutor(1) as pool:
        running = pool.submit(
            api.verify_login, registry_url=slow.address, username="u", password="p-w-d"
        )
        assert slow.asked.wait(10)
        daemon.send(signal.SIGTERM)
        while http_status(service.port, "/livez") is not None:
            time.sleep(0.02)
        assert not running.done()
        slow.let_go.set()
        verdict = running.result(20)
        code = daemon.wait(20)

    assert verdict["verdict"] in {"unreachable", "not_a_registry"}
    assert code == 0, daemon.text


def test_under_load_every_request_that_was_taken_is_answered_whole(service: Service) -> None:
    """Each client asks on one connection until the service says that an answer is the last."""
    running = threading.Event()

    def ask(number: int) -> bool:
        with _connected(service) as line:
            for count in range(1_000_000):
                name = f"c{number}-{count}"
                line.sendall(_create(service, name))
                said = _answer(line)
                if count == 20:
                    running.set()
                assert b'"name":"%b"' % name.encode() in said.replace(b" ", b"")
                if _LAST in said:
                    acknowledged.append((number, count + 1))
                    return line.recv(1) == b""
        return False

    acknowledged: list[tuple[int, int]] = []
    with service.serving() as daemon, ThreadPoolExecutor(_CLIENTS) as pool:
        asked = [pool.submit(ask, number) for number in range(_CLIENTS)]
        assert running.wait(_PATIENCE)
        daemon.send(signal.SIGTERM)

        assert all(one.result(_PATIENCE) for one in asked)
        assert daemon.wait(_PATIENCE) == 0, daemon.text
    with service.serving(), service.api() as api:
        kept = sum(name.startswith("c") for name in _names(api))
    assert kept == sum(count for _, count in acknowledged)


def test_while_it_stops_it_says_that_it_is_not_ready(service: Service) -> None:
    with service.serving() as daemon, _connected(service) as line:
        line.sendall(b"GET /readyz HTTP/1.1\r\n")
        time.sleep(0.1)
        _stop(service, daemon)
        line.sendall(b"Host: a\r\n\r\n")
        said = _answer(line)
        code = daemon.wait(_PATIENCE)

    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert _LAST in head
    assert json.loads(body)["checks"]["service"] == "stops"
    assert code == 0


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(
    service: Service, slow: SlowRegistry, second: signal.Signals
) -> None:
    with service.serving() as daemon, _connected(service) as line:
        line.sendall(_verify(service, slow))
        assert slow.asked.wait(_PATIENCE)
        _stop(service, daemon)
        daemon.send(second)
        code = daemon.wait(_PATIENCE)

    assert code == 0, daemon.text


def _names(api: Api) -> Iterator[str]:
    cursor = ""
    while True:
        page = api.ask("GET", f"projects/1/credentials?limit=200{cursor}")
        yield from (item["name"] for item in page["items"])
        if page["next_cursor"] is None:
            return
        cursor = f"&cursor={page['next_cursor']}"


def _stop(service: Service, daemon: Daemon) -> None:
    """Send SIGTERM, and return when nothing is taken any more."""
    daemon.send(signal.SIGTERM)
    while http_status(service.port, "/livez") is not None:
        time.sleep(0.02)


def _connected(service: Service) -> socket.socket:
    return socket.create_connection((LOOPBACK, service.port), _PATIENCE)


def _create(service: Service, name: str) -> bytes:
    login = {"name": name, "registry_url": "registry.example.com", "username": "u", "password": "p"}
    return _post(service, "/v1/projects/1/credentials", login)


def _verify(service: Service, registry: SlowRegistry) -> bytes:
    login = {"registry_url": registry.address, "username": "u", "password": "p"}
    return _post(service, "/v1/projects/1/credentials:verify", login)


def _post(service: Service, path: str, document: object) -> bytes:
    body = json.dumps(document).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {service.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _answer(line: socket.socket) -> bytes:
    """Return one answer. Raise EOFError if it is not whole."""
    said = b""
    while b"\r\n\r\n" not in said:
        said += _more(line)
    head, _, body = said.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += _more(line)
    return head + b"\r\n\r\n" + body


def _more(line: socket.socket) -> bytes:
    part = line.recv(65536)
    if not part:
        raise EOFError
    return part
