"""An API server that never comes to an end is given up."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import lightkube
import pytest
from lightkube.resources.core_v1 import Secret

from regcred.clients.kubernetes import bounds
from regcred.clients.kubernetes.bounds import bound_answers, whole
from regcred.clients.kubernetes.refusals import ClusterUnreachable, asking
from tests.clients.kubernetes.conftest import Bench
from tests.tools.kube_api import KubeAPI

Serve = Callable[[bytes, bytes], lightkube.Client]


@pytest.mark.parametrize("items", [[], [{"metadata": {"name": "a"}}]])
@pytest.mark.parametrize("bound", ["_MAX_PAGES", "SECONDS"])
def test_pages_that_follow_each_other_for_ever_are_given_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, items: list[object], bound: str
) -> None:
    page = {"kind": "List", "metadata": {"continue": "1"}, "items": items}
    monkeypatch.setattr(KubeAPI, "_list", lambda *_: page)
    monkeypatch.setattr(bounds, bound, 0.2 if bound == "SECONDS" else 5)

    with pytest.raises(ClusterUnreachable, match="the list has no end"):
        bench.run()


def test_pages_are_read_to_their_end(bench: Bench) -> None:
    bench.kube.page = 1

    assert bench.run() == {"team-a": "written", "team-b": "written"}


def test_no_more_is_kept_than_a_cluster_holds(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "_MAX_ITEMS", 1)

    with pytest.raises(ClusterUnreachable, match="the list has no end: 1 pages, 2 items"):
        bench.run()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Answer each request with a head, and then with the same part again and again."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(5)
    over = threading.Event()
    workers: list[threading.Thread] = []

    def answer(head: bytes, part: bytes) -> None:
        line, _ = listener.accept()
        with line, suppress(OSError):
            line.recv(65536)
            line.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + head)
            while not over.wait(0.02):
                line.sendall(part)

    def start(head: bytes, part: bytes) -> lightkube.Client:
        workers.append(threading.Thread(target=answer, args=(head, part), daemon=True))
        workers[-1].start()
        server = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = lightkube.KubeConfig.from_dict(
            {
                "current-context": "a",
                "clusters": [{"name": "a", "cluster": {"server": server}}],
                "users": [{"name": "a", "user": {"token": "a"}}],
                "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
            }
        )
        return bound_answers(lightkube.Client(config, trust_env=False))

    yield start
    over.set()
    for worker in workers:
        worker.join()
    listener.close()


LONG = b"Content-Length: 1000000\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "part", "bound", "value", "why"),
    [
        (LONG, b" ", "_ANSWER_SECONDS", 0.2, "the answer has no end"),
        (LONG, b" " * 1000, "_MAX_ANSWER", 5000, "the answer has no end"),
        (b"Content-Encoding: gzip\r\n" + LONG, b"x", "_MAX_ANSWER", 5000, "is compressed"),
    ],
)
def test_an_answer_that_drips_or_floods_is_given_up(
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    head: bytes,
    part: bytes,
    bound: str,
    value: float,
    why: str,
) -> None:
    monkeypatch.setattr(bounds, bound, value)

    with serve(head, part) as client, pytest.raises(ClusterUnreachable, match=why), asking("list"):
        whole(client.list(Secret, namespace="a"))
