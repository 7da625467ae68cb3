"""resolve, audited, against a raw ASGI hello with the same requests and answers' sizes."""

from __future__ import annotations

import hashlib
from typing import Any

from tests.tools.api import Api
from tests.tools.service import Service
from tools.benchmarks.common import SERVER_CORES, Bench, Goal, request, write_requests

_PATH = "/v1/projects/-/resolve"
_MIX = 16_384
"""Prepared requests: more than the logins times a few keys, so that repeats are far apart."""

_P99 = Goal(4.0)


def image(number: int) -> str:
    """Return an image that exactly one of the stored logins is for."""
    return f"r{number}.example.com/team{number % 10}/app:v1"


def fill(api: Api, bench: Bench) -> list[str]:
    """Store the logins and make the keys; return the keys."""
    for number in range(bench.credentials):
        host, team, _ = image(number).split("/")
        api.add(f"login-{number}", f"{host}/{team}", f"user-{number}", f"secret-{number:032d}")
    return [api.make_key(f"node-{number}")["key"] for number in range(bench.keys)]


def mix(bench: Bench, keys: list[str]) -> list[bytes]:
    """Return requests over all logins and keys, in an order that is always the same."""
    made = []
    for number in range(_MIX):
        draw = int.from_bytes(hashlib.sha256(number.to_bytes(4)).digest()[:8])
        login, key = draw % bench.credentials, keys[(draw >> 32) % len(keys)]
        made.append(request(_PATH, key, {"image": image(login)}))
    return made


def measure(bench: Bench) -> None:
    """Measure resolve over many logins and keys, the one-image rollout, and the hello."""
    compare(bench, bench.service("resolve"), "", Goal(0.45, at_least=True), rollout=True)


def compare(bench: Bench, service: Service, where: str, goal: Goal, *, rollout: bool) -> None:
    """Measure a service's resolves beside the hello; `where` tells its figures from others'."""
    with service.serving(cores=SERVER_CORES), service.api() as api:
        keys = fill(api, bench)
        with service.api(keys[0]) as one:
            answer = one.send("POST", "projects/-/resolve", {"image": image(0)})
        spread = write_requests(service.folder / "spread.json", mix(bench, keys))
        peer = bench.peer(
            "hello",
            f"hello-beside-{service.folder.name}",
            # The same headers, so that the answers are equally long.
            {"length": len(answer.content), "headers": answer.headers.multi_items()},
        )
        loads = {"hello": (peer.port, spread), "resolve": (service.port, spread)}
        if rollout:
            one_image = [request(_PATH, keys[0], {"image": image(7)})]
            path = write_requests(service.folder / "rollout.json", one_image)
            loads["rollout"] = (service.port, path)
        hello = peer.start()
        try:
            hello.wait_ready(peer.ready)
            for port, requests in loads.values():
                bench.load(port, requests, seconds=1)
            reports: dict[str, list[dict[str, Any]]] = {name: [] for name in loads}
            for _ in range(bench.rounds):
                for name, (port, requests) in loads.items():
                    reports[name].append(bench.load(port, requests))
        finally:
            hello.stop()

    def series(name: str, figure: str) -> list[float]:
        return [report[figure] for report in reports[name]]

    titles = {
        "hello": f"raw ASGI hello{where}",
        "resolve": f"resolve{where}, {bench.credentials:,} logins, {bench.keys} keys",
        "rollout": f"resolve{where}, one image, one key",
    }
    for name in loads:
        bench.add(titles[name], "/s", series(name, "per_second"))
        bench.add(f"{titles[name]}: p99", "ms", series(name, "p99_ms"))
    hellos = series("hello", "per_second")
    bench.compare(f"resolve{where} / hello", series("resolve", "per_second"), hellos, goal)
    bench.compare(
        f"p99 of resolve{where} / hello",
        series("resolve", "p99_ms"),
        series("hello", "p99_ms"),
        _P99,
    )
    if rollout:
        bench.compare("rollout / hello", series("rollout", "per_second"), hellos, goal)
