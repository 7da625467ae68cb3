"""verify: 200 logins at once, at a registry that takes 50 ms for every answer."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import httpx2

from tests.tools.api import Api
from tests.tools.proc import cpu_seconds
from tests.tools.programs import LOOPBACK, Daemon, environment, free_port, http_status
from tests.tools.service import Service
from tools.benchmarks.common import (
    HERE,
    LOAD_CORES,
    SERVER_CORES,
    Bench,
    Goal,
    LoadFailed,
    request,
    write_requests,
)

_LOGINS = 200
_AT_ONCE = 32
_ANSWER_SECONDS = 0.05
_LIMITS = {"REGCRED_VERIFY_CONCURRENCY": str(_AT_ONCE)} | {
    f"REGCRED_VERIFY_PER_{who}": "1000000" for who in ("HOST", "PROJECT")
}
_SECONDS = 60.0
_PATH = "/v1/projects/-/credentials"
_NOWHERE = "127.0.0.2:9"
"""Plain http, which is allowed for 127.0.0.1 alone: all is done but the asking."""

_WAVES = -(-_LOGINS // _AT_ONCE)
_TIME = Goal(1.5)
_CPU = Goal(3.0)


def measure(bench: Bench) -> None:
    """Measure the time against the ideal, and the server's CPU for each verification."""
    registry = _Registry(bench.folder / "slow-registry")
    service = bench.service("verify", **_LIMITS)
    try:
        with service.serving(cores=SERVER_CORES) as server, service.api() as api:
            _fill(api, "login", registry.place)
            _fill(api, "unasked", _NOWHERE)
            runs = [
                _Run(bench, service, server, registry, kind)
                for kind in (
                    _Kind("unasked", "unreachable", {}),
                    _Kind("login", "ok", {}),
                    _Kind("login", "ok", {"image": f"{registry.place}/team/app:v1"}),
                )
            ]
            for run in runs:
                run()
            rounds = [[run() for run in runs] for _ in range(bench.rounds)]
    finally:
        registry.stop()
    unasked, alone, image = zip(*rounds, strict=True)
    bench.add("verify without asking: CPU each", "ms", [one.cpu_ms for one in unasked])
    for title, measured in (("verify", alone), ("verify with an image", image)):
        _tell(bench, title, measured, unasked)


def _tell(
    bench: Bench, title: str, measured: Sequence[_Measured], unasked: Sequence[_Measured]
) -> None:
    """Keep the figures of one kind of verification, and what of its CPU asking takes."""
    questions = measured[0].questions
    ideal = _WAVES * questions * _ANSWER_SECONDS
    name = f"{title}: {_LOGINS} logins, {questions:g} answers of 50 ms each"
    note = f"{_AT_ONCE} at once: {_WAVES} waves, {ideal * 1000:,.0f} ms"
    cpu = [one.cpu_ms for one in measured]
    handshake = [one.cpu_ms - other.cpu_ms for one, other in zip(measured, unasked, strict=True)]
    bench.add(name, "ms", [one.seconds * 1000 for one in measured])
    bench.add(f"{title}: time / ideal", "ratio", [x.seconds / ideal for x in measured], _TIME, note)
    bench.add(f"{title}: CPU each, all of the service", "ms", cpu, _CPU)
    bench.add(f"{title}: CPU each, of the handshake", "ms", handshake, _CPU)


def _fill(api: Api, name: str, place: str) -> None:
    for number in range(_LOGINS):
        api.add(f"{name}-{number}", f"http://{place}", f"user-{number}", f"secret-{number:032d}")


class _Measured(NamedTuple):
    """One round: how long it took, what it cost the server, and what the registry was asked."""

    seconds: float
    cpu_ms: float
    questions: float


class _Kind(NamedTuple):
    """What is verified: these logins, the verdict they must get, and the body to ask with."""

    name: str
    verdict: str
    body: dict[str, str]


class _Run:
    """Verifies every login, all at once."""

    def __init__(
        self, bench: Bench, service: Service, server: Daemon, registry: _Registry, kind: _Kind
    ) -> None:
        self._bench = bench
        self._service = service
        self._server = server
        self._registry = registry
        self._kind = kind
        self._requests = write_requests(
            bench.folder / f"verify-{kind.name}-{len(kind.body)}.json",
            [
                request(f"{_PATH}/{kind.name}-{number}:verify", service.key, kind.body)
                for number in range(_LOGINS)
            ],
        )

    def __call__(self) -> _Measured:
        asked, cpu = self._registry.asked(), cpu_seconds(self._server.pid)
        report = self._bench.load(
            self._service.port,
            self._requests,
            seconds=_SECONDS,
            count=_LOGINS,
            connections=_LOGINS,
        )
        cpu = cpu_seconds(self._server.pid) - cpu
        asked = self._registry.asked() - asked
        self._check()
        return _Measured(report["seconds"], cpu * 1000 / _LOGINS, asked / _LOGINS)

    def _check(self) -> None:
        """Every answer is a 200, whatever the verdict: see that they all got the expected one."""
        with self._service.api() as api:
            wanted = f"verdict={self._kind.verdict}&limit={_LOGINS}"
            good = api.ask("GET", f"projects/-/credentials?{wanted}")["items"]
        if len(good) != _LOGINS:
            raise LoadFailed(f"{len(good)} of {_LOGINS} logins are {self._kind.verdict}")


class _Registry:
    """The slow registry, in a process of its own on the load's core."""

    def __init__(self, folder: Path) -> None:
        self._port = free_port()
        self.place = f"{LOOPBACK}:{self._port}"
        self._daemon = Daemon(
            [
                *(sys.executable, str(HERE / "slow_registry.py")),
                *(str(self._port), str(_ANSWER_SECONDS)),
            ],
            env=environment(folder),
            logs=folder / "logs",
            name="slow-registry",
            cores=LOAD_CORES,
        )
        self._daemon.wait_ready(lambda: http_status(self._port, "/asked") == httpx2.codes.OK)

    def asked(self) -> int:
        """Return how many questions there were so far."""
        return int(httpx2.get(f"http://{self.place}/asked", trust_env=False).text)

    def stop(self) -> None:
        """End it."""
        self._daemon.stop()
