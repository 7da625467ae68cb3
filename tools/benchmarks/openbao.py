"""resolve and create beside OpenBao's KV v2: one core each, keys checked, every access audited.

OpenBao keeps its secrets in its integrated storage (raft, one node, durable), speaks plain HTTP on
loopback as regcred does here, and writes its file audit device. Both serve the same number of
secrets of the same size, on as many connections.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

from tests.tools.programs import LOOPBACK, Daemon, environment, find, free_port
from tools.benchmarks import resolve
from tools.benchmarks.common import SERVER_CORES, Bench, Goal, in_rounds, request, write_requests
from tools.benchmarks.create import count_of, create_requests

_READ = Goal(10, at_least=True)
_WRITE = Goal(6, at_least=True)
_MOUNT = "kv"
_SECRET = {"username": "user", "password": "secret-of-a-usual-length"}
_HEADER = ("X-Vault-Token", "")
_CONFIG = """
storage "raft" {{
  path = "{folder}/raft"
  node_id = "one"
}}
listener "tcp" {{
  address = "{address}"
  tls_disable = true
}}
audit "file" "requests" {{
  options {{
    file_path = "{folder}/audit.log"
  }}
}}
api_addr = "http://{address}"
cluster_addr = "http://127.0.0.1:{cluster}"
log_level = "error"
ui = false
"""


def measure(bench: Bench) -> None:
    """Measure reads and writes of both, in turns."""
    service = bench.service("beside-openbao")
    with (
        OpenBao(bench.folder / "openbao").serving() as bao,
        service.serving(cores=SERVER_CORES),
        service.api() as api,
    ):
        keys = resolve.fill(api, bench)
        bao.fill(bench.credentials)
        spread = write_requests(bench.folder / "ours-read.json", resolve.mix(bench, keys))
        read = write_requests(bench.folder / "bao-read.json", bao.reads(bench.credentials))
        numbers = iter(range(10**6, 10**9))

        def ours_created() -> float:
            requests = create_requests(service.key, numbers, bench.seconds)
            path = write_requests(bench.folder / "ours-write.json", requests)
            report = bench.load(service.port, path, count=count_of(bench.seconds), expected="201")
            return float(report["per_second"])

        def bao_written() -> float:
            path = write_requests(
                bench.folder / "bao-write.json", bao.writes(numbers, count_of(bench.seconds))
            )
            return float(bench.load(bao.port, path)["per_second"])

        steps: tuple[Callable[[], float], ...] = (
            lambda: float(bench.load(service.port, spread)["per_second"]),
            lambda: float(bench.load(bao.port, read)["per_second"]),
            ours_created,
            bao_written,
        )
        for step in steps:
            step()
        resolved, bao_read, created, wrote = in_rounds(bench.rounds, *steps)
    bench.add("resolve, beside OpenBao", "/s", resolved)
    bench.add("OpenBao KV v2 read", "/s", bao_read)
    bench.compare("resolve / OpenBao KV v2 read", resolved, bao_read, _READ)
    bench.add("create, beside OpenBao", "/s", created)
    bench.add("OpenBao KV v2 write", "/s", wrote)
    bench.compare("create / OpenBao KV v2 write", created, wrote, _WRITE)


class OpenBao:
    """A server of one node, made, unsealed and stopped again."""

    def __init__(self, folder: Path) -> None:
        (folder / "raft").mkdir(parents=True)
        self._folder = folder
        self.port = free_port()
        self._token = ""
        self._config = folder / "config.hcl"
        self._config.write_text(
            _CONFIG.format(folder=folder, address=self._address, cluster=free_port())
        )

    @property
    def _address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @contextmanager
    def serving(self) -> Iterator[OpenBao]:
        """Serve until the block ends, with KV v2 mounted and a token that is not root's."""
        daemon = Daemon(
            [find("bao"), "server", f"-config={self._config}"],
            env=environment(self._folder, GOMAXPROCS="1"),
            logs=self._folder / "logs",
            name="openbao",
            cores=SERVER_CORES,
        )
        try:
            daemon.wait_ready(lambda: self._status("GET", "sys/init") is not None)
            made = self._call("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
            self._call("PUT", "sys/unseal", {"key": made["keys"][0]})
            self._token = made["root_token"]
            daemon.wait_ready(lambda: self._status("GET", "sys/health") == HTTPStatus.OK)
            self._call("POST", f"sys/mounts/{_MOUNT}", {"type": "kv", "options": {"version": "2"}})
            rules = f'path "{_MOUNT}/*" {{ capabilities = ["create", "read", "update"] }}'
            self._call("PUT", "sys/policies/acl/pull", {"policy": rules})
            token = self._call("POST", "auth/token/create", {"policies": ["pull"]})
            daemon.wait_ready(lambda: self._status("GET", f"{_MOUNT}/config") == HTTPStatus.OK)
            self._token = token["auth"]["client_token"]
            yield self
        finally:
            daemon.stop()

    def fill(self, secrets: int) -> None:
        """Store so many secrets."""
        for number in range(secrets):
            self._call("POST", f"{_MOUNT}/data/login-{number}", {"data": _SECRET})

    def reads(self, secrets: int) -> list[bytes]:
        """Return a read of each secret."""
        return [self._request("GET", f"login-{number}", None) for number in range(secrets)]

    def writes(self, numbers: Iterator[int], count: int) -> list[bytes]:
        """Return so many writes of secrets that are new."""
        data = {"data": _SECRET}
        return [self._request("POST", f"new-{next(numbers)}", data) for _ in range(count)]

    def _request(self, method: str, name: str, body: object) -> bytes:
        path = f"/v1/{_MOUNT}/data/{name}"
        return request(path, self._token, body, method=method, header=_HEADER)

    def _status(self, method: str, path: str) -> int | None:
        try:
            with self._open(method, path, None) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refused:
            return refused.code
        except OSError:
            return None

    def _call(self, method: str, path: str, body: object) -> dict[str, Any]:
        with self._open(method, path, body) as answer:
            text = answer.read()
        return json.loads(text) if text else {}

    def _open(self, method: str, path: str, body: object) -> Any:
        asked = urllib.request.Request(
            f"http://{self._address}/v1/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-Vault-Token": self._token} if self._token else {},
        )
        return urllib.request.urlopen(asked, timeout=10)  # noqa: S310 - loopback
