"""The service as its operator meets it: first start, stop, crash, and every refusal to start."""

from __future__ import annotations

import json
import re
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from tests.tools.api import Refused
from tests.tools.programs import LOOPBACK, Daemon, NotReady, free_port, http_status
from tests.tools.pullers import Machine
from tests.tools.service import Service

pytestmark = pytest.mark.system

KEY = re.compile(r"rgc_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}")
COMMAND = re.compile(r"^  (?:\S.*\| )?(?:regcred|skopeo|podman|docker) .+$", re.MULTILINE)
_CREATE_CLIENTS = 8


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path / "service")


@pytest.fixture
def served(service: Service) -> Iterator[Service]:
    """A service that was set up with `init`, serving."""
    service.init()
    with service.serving():
        yield service


# First start


def test_the_first_start_shows_a_key_once_and_four_commands(service: Service) -> None:
    with service.serving() as first:
        said = first.text
        keys = KEY.findall(said)
        with service.api(keys[0]) as api:
            me = api.ask("GET", "whoami")
    with service.serving() as second:
        said_later = second.text.removeprefix(said)

    assert len(set(keys)) == 1
    assert (me["role"], me["operator"], me["project"]["number"]) == ("admin", True, 1)
    commands = re.findall(
        r"^  (?:\S.*\| )?(?:regcred|skopeo|podman|docker) .+$", said, re.MULTILINE
    )
    assert len(commands) == 4, said
    for part in ("credential add", "docker install"):
        assert sum(part in command for command in commands) == 1, said
    assert KEY.search(said_later) is None


def test_init_leaves_private_folders_and_no_key_in_them(service: Service) -> None:
    service.init()

    for folder in ("store", "keys"):
        assert (service.data / folder).stat().st_mode & 0o777 == 0o700
    for path in service.data.rglob("*"):
        if path.is_file():
            assert path.stat().st_mode & 0o077 == 0, path
            assert service.key.encode() not in path.read_bytes()


def test_init_on_a_store_that_is_set_up_is_refused_and_changes_nothing(service: Service) -> None:
    service.init()

    again = service.run("init", "--data", str(service.data), "-o", "json")

    assert again.code != 0
    assert KEY.search(again.text) is None
    with service.serving(), service.api() as api:
        assert len(api.ask("GET", "projects")["items"]) == 1


# Health


def test_the_first_answer_of_a_start_is_ready(service: Service) -> None:
    """The port opens only when the service can serve: nobody meets one that cannot."""
    service.init()
    daemon = service.start()
    statuses: list[int] = []

    def answered() -> bool:
        status = http_status(service.port, "/readyz")
        if status is not None:
            statuses.append(status)
        return bool(statuses)

    try:
        daemon.wait_ready(answered)
    finally:
        daemon.stop()

    assert statuses == [200]


def test_health_names_what_it_looked_at(served: Service) -> None:
    with served.api() as api:
        live = api.send("GET", "//livez")
        ready = api.send("GET", "//readyz")

    assert (live.status_code, ready.status_code) == (200, 200)
    assert ready.json()["checks"] == {"store": "ok", "keyring": "ok", "migrations": "ok"}


# Two at once


def test_a_second_serving_process_is_refused_and_the_first_goes_on(served: Service) -> None:
    port, served.port = served.port, free_port()
    second = served.start()
    code = second.wait(20)
    served.port = port

    assert code not in (0, None)
    assert re.search(r"already|another", second.text), second.text
    assert str(served.data) in second.text
    assert "Traceback" not in second.text
    with served.api() as api:
        assert api.ask("GET", "whoami")["operator"] is True


def test_commands_work_beside_the_server(served: Service, tmp_path: Path) -> None:
    machine = Machine(tmp_path / "machine", served.url)
    assert machine.login(served.key).code == 0

    done = [
        machine.regcred("whoami", "-o", "json"),
        machine.regcred("credential", "ls", "-o", "json"),
        machine.regcred("key", "ls", "-o", "json"),
    ]

    assert [one.code for one in done] == [0, 0, 0], done
    assert json.loads(done[0].out)["operator"] is True


def test_several_workers_on_sqlite_are_refused_with_the_reason(service: Service) -> None:
    service.init()
    daemon = service.start("--workers", "2")

    assert daemon.wait(20) not in (0, None)
    assert "SQLite store is served by one process" in daemon.text
    assert "Traceback" not in daemon.text


# Crash


def test_a_kill_loses_nothing_that_was_acknowledged(service: Service) -> None:
    service.init()
    acknowledged: list[str] = []
    enough = threading.Event()

    def create(worker: int) -> None:
        with service.api() as api:
            for number in range(10_000):
                name = f"w{worker}-{number}"
                try:
                    api.add(name, "registry.example.com", "user", f"secret-{name}")
                except (httpx2.HTTPError, Refused):
                    return
                acknowledged.append(name)
                if len(acknowledged) > 100:
                    enough.set()

    with service.serving() as first, ThreadPoolExecutor(_CREATE_CLIENTS) as pool:
        for worker in range(_CREATE_CLIENTS):
            pool.submit(create, worker)
        assert enough.wait(60)
        first.kill()
    with service.serving(), service.api() as api:
        kept = set(_names(api.ask))
        login = api.ask(
            "POST", "projects/-/credentials", {"name": "next", "username": "u", "password": "p"}
        )

    assert set(acknowledged) <= kept
    assert len(kept) <= len(acknowledged) + _CREATE_CLIENTS
    assert login["number"] == len(kept) + 1


def _names(ask: Callable[..., dict[str, object]]) -> Iterator[str]:
    cursor: object = ""
    while cursor is not None:
        page = ask("GET", f"projects/-/credentials?limit=200{cursor and f'&cursor={cursor}'}")
        items = page["items"]
        assert isinstance(items, list)
        yield from (item["name"] for item in items)
        cursor = page["next_cursor"]


# Refusals


def key_files(service: Service) -> list[Path]:
    return [path for path in (service.data / "keys").rglob("*") if path.is_file()]


def truncate(service: Service) -> None:
    for path in key_files(service):
        path.write_bytes(path.read_bytes()[:-8])


def remove(service: Service) -> None:
    for path in key_files(service):
        path.unlink()


def swap(service: Service) -> None:
    """Put another installation's keys in place of these."""
    other = Service(service.folder / "other")
    other.init()
    shutil.rmtree(service.data / "keys")
    shutil.copytree(other.data / "keys", service.data / "keys")


@pytest.mark.parametrize("harm", [truncate, remove, swap])
def test_a_start_without_the_right_key_is_refused(
    service: Service, harm: Callable[[Service], None]
) -> None:
    service.init()
    store = service.data / "store"
    harm(service)
    keys = {path.name: path.read_bytes() for path in key_files(service)}

    daemon: Daemon = service.start()
    code = daemon.wait(20)

    assert code not in (0, None)
    assert re.search(r"\bkey", daemon.text), daemon.text
    assert "Traceback" not in daemon.text
    # A refused start must not make the damage worse: no new key beside a store it cannot open.
    assert {path.name: path.read_bytes() for path in key_files(service)} == keys
    assert any(store.iterdir())


def test_a_key_that_others_can_read_is_refused(service: Service) -> None:
    service.init()
    for path in key_files(service):
        path.chmod(0o644)

    daemon = service.start()

    assert daemon.wait(20) not in (0, None)
    assert "chmod 600" in daemon.text, daemon.text
    assert "Traceback" not in daemon.text


def test_a_taken_port_is_refused_in_one_line(service: Service) -> None:
    service.init()
    with socket.create_server((LOOPBACK, service.port)):
        daemon = service.start()
        code = daemon.wait(20)

    assert code not in (0, None)
    assert "Traceback" not in daemon.text
    assert str(service.port) in daemon.text


def test_a_daemon_that_ends_early_says_what_it_wrote(service: Service) -> None:
    with pytest.raises(NotReady, match=r"ended with \d+"):
        service.start("--no-such-option").wait_ready(service.ready)
