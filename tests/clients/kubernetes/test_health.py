"""What the kubelet's probes are told."""

from __future__ import annotations

import httpx2
import pytest

from regcred.clients.kubernetes.health import STUCK_AFTER, Health, listening


def test_a_loop_is_alive_from_the_start_and_ready_when_it_has_looked() -> None:
    health = Health(lambda: 0)
    assert (health.status("/livez"), health.status("/readyz")) == (200, 503)

    health.step(waiting=False)
    assert health.status("/readyz") == 503
    health.step(waiting=True)
    health.step(waiting=False)
    assert health.status("/readyz") == 200


def test_who_could_not_ask_for_the_lease_is_alive_and_not_ready() -> None:
    trouble = ["not yours"]
    health = Health(lambda: 0, lambda: trouble[0])
    health.step(waiting=True)
    assert (health.status("/livez"), health.status("/readyz")) == (200, 503)

    trouble[0] = ""
    assert health.status("/readyz") == 200


def test_a_loop_without_a_step_is_stuck() -> None:
    seconds = [0.0]
    health = Health(lambda: seconds[0])
    health.step(waiting=True)
    seconds[0] = STUCK_AFTER

    assert (health.status("/livez"), health.status("/readyz")) == (503, 503)
    health.step(waiting=True)
    assert (health.status("/livez"), health.status("/readyz")) == (200, 200)


@pytest.mark.parametrize(("host", "written"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_probes_are_answered_and_nothing_else_is(host: str, written: str) -> None:
    with (
        listening(Health(lambda: 0), host, 0) as port,
        httpx2.Client(base_url=f"http://{written}:{port}") as client,
    ):
        answers = {path: client.get(path) for path in ("/livez", "/readyz", "/metrics")}
        posted = client.post("/livez")

    assert {path: one.status_code for path, one in answers.items()} == {
        "/livez": 200,
        "/readyz": 503,
        "/metrics": 404,
    }
    assert {one.content for one in answers.values()} == {b""}
    assert posted.status_code == 501
