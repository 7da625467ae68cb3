"""verify: 200 logins at once, at a registry that takes 50 ms for every answer."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import httpx2
from benchmarks.common import (
    HERE,
    LOAD_CORES,
    SERVER_CORES,
    Bench,
    Goal,
    LoadFailed,
    request,
    write_requests,
)

from tests.tools.api import Api
from tests.tools.programs import LOOPBACK, Daemon, environment, free_port, http_status
from tests.tools.service import Service

_LOGINS = 200
_AT_ONCE = 32
_ANSWER_SECONDS = 0.05
_LIMITS = {"REGCRED_VERIFY_CONCURRENCY": str(_AT_ONCE)} | {
    f"REGCRED_VERIFY_PER_{who}": "1000000" for who in ("HOST", "PROJECT")
}
_SECONDS = 60.0

_WAVES = -(-_LOGINS // _AT_ONCE)
_TIME = Goal(1.5)
_CPU = Goal(3.0)


def measure(bench: Bench) -> None:
    """Measure the time against the ideal, and the server's CPU for each verification."""
    registry = _Registry(bench.folder / "slow-registry")
    service = bench.service("verify", **_LIMITS)
    try:
        with service.serving(cores=SERVER_CORES) as server, service.api() as api:
            _fill(api, registry.place)
            for title, image in (("verify", ""), ("verify with an image", "team/app:v1")):
                run = _Run(bench, service, server, registry, image)
                run()
                rounds = [run() for _ in range(bench.rounds)]
                questions = rounds[0].questions
                bench.add(
                    f"{title}: {_LOGINS} logins, {questions:g} answers of 50 ms each",
                    "ms",
                    [one.seconds * 1000 for one in rounds],
                )
                ideal = _WAVES * questions * _ANSWER_SECONDS
                note = f"{_AT_ONCE} at once: {_WAVES} waves, {ideal * 1000:,.0f} ms"
                bench.add(
                    f"{title}: time / ideal",
                    "ratio",
                    [one.seconds / ideal for one in rounds],
                    _TIME,
                    note,
                )
                bench.add(f"{title}: CPU each", "ms", [one.cpu_ms for one in rounds], _CPU)
    finally:
        registry.stop()


def _fill(api: Api, place: str) -> None:
    for number in range(_LOGINS):
        api.add(f"login-{number}", f"http://{place}", f"user-{number}", f"secret-{number:032d}")


class _Measured:
    """One round: how long it took, what it cost the server, and what the registry was asked."""

    def __init__(self, seconds: float, cpu_ms: float, questions: float) -> None:
        self.seconds = seconds
        self.cpu_ms = cpu_ms
        self.questions = questions


class _Run:
    """Verifies every login, all at once."""

    def __init__(
        self, bench: Bench, service: Service, server: Daemon, registry: _Registry, image: str
    ) -> None:
        self._bench = bench
        self._service = service
        self._server = server
        self._registry = registry
        body = {"image": f"{registry.place}/{image}"} if image else {}
        self._requests = write_requests(
            bench.folder / "verify.json",
            [
                request(f"/v1/projects/-/credentials/login-{number}:verify", service.key, body)
                for number in range(_LOGINS)
            ],
        )

    def __call__(self) -> _Measured:
        asked, cpu = self._registry.asked(), _cpu_ms(self._server.pid)
        report = self._bench.load(
            self._service.port,
            self._requests,
            seconds=_SECONDS,
            count=_LOGINS,
            connections=_LOGINS,
        )
        cpu = _cpu_ms(self._server.pid) - cpu
        asked = self._registry.asked() - asked
        self._check()
        return _Measured(report["seconds"], cpu / _LOGINS, asked / _LOGINS)

    def _check(self) -> None:
        """Every answer is a 200, whatever the verdict: see that they were all good ones."""
        with self._service.api() as api:
            good = api.ask("GET", f"projects/-/credentials?verdict=ok&limit={_LOGINS}")["items"]
        if len(good) != _LOGINS:
            raise LoadFailed(f"{len(good)} of {_LOGINS} logins are ok")


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


def _cpu_ms(pid: int) -> float:
    """Return the CPU time of a process so far, in user and kernel mode."""
    # The second field is the program's name in parentheses, which may hold anything.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")
