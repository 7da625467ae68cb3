"""Pull secrets of a real service: held against kubectl's own, and kept in a cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from tests.system.conftest import RequireTool
from tests.tools.canary import Canary, Scanner
from tests.tools.kube_api import KubeAPI
from tests.tools.programs import Daemon, environment, find, regcred, run, wait_for
from tests.tools.service import Service

pytestmark = pytest.mark.system

REGISTRY = "registry.example:5000"


class Wired:
    """A service with one login, and a machine whose key may pull."""

    def __init__(self, folder: Path, service: Service, server: Daemon) -> None:
        self.service = service
        self.server = server
        self.canary = Canary.fresh("login", "puller")
        with service.api() as api:
            api.add("one", REGISTRY, "puller", self.canary.secret)
            key = api.make_key("cluster", "puller")["key"]
        self.env = environment(folder / "machine", REGCRED_URL=service.url)
        self.key = folder / "key"
        self.key.write_text(key)
        self.key.chmod(0o600)
        self.env["REGCRED_KEY_FILE"] = str(self.key)

    def regcred(self, *arguments: str) -> Any:
        return run([*regcred(), "kubernetes", *arguments], env=self.env)

    def kubectl(self, name: str, *more: str) -> Any:
        """Return the Secret that kubectl makes of the same login."""
        made = run(
            [
                *(find("kubectl"), "create", "secret", "docker-registry", name),
                f"--docker-server={REGISTRY}",
                "--docker-username=puller",
                f"--docker-password={self.canary.secret}",
                *("--dry-run=client", "-o", "json"),
                *more,
            ],
            env=self.env,
        )
        assert made.code == 0, made.err
        return json.loads(made.out)


@pytest.fixture
def wired(tmp_path: Path) -> Iterator[Wired]:
    service = Service(tmp_path / "service", log_level="debug")
    service.init()
    with service.serving() as server:
        yield Wired(tmp_path, service, server)


def test_a_secret_is_the_one_that_kubectl_would_make(
    wired: Wired, require_tool: RequireTool
) -> None:
    require_tool("kubectl")
    done = wired.regcred("secret", "pull", "-o", "json")
    placed = wired.regcred("secret", "pull", "-n", "team-a")

    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out) == wired.kubectl("pull")
    assert yaml.safe_load(placed.out) == wired.kubectl("pull", "--namespace=team-a")
    scanner = Scanner([wired.canary])
    scanner.scan("server", wired.server.text.encode())
    assert scanner.hits == []


def test_a_cluster_follows_the_logins_of_a_service(wired: Wired, tmp_path: Path) -> None:
    kube = KubeAPI(trustme.CA())
    kube.add_namespace("team-a")
    wired.env["KUBECONFIG"] = str(kube.kubeconfig(tmp_path))
    loop = Daemon(
        [*regcred(), "kubernetes", "sync", "--namespace=team-a", "--interval=1"],
        env=wired.env,
        logs=tmp_path / "logs",
        name="sync",
    )
    try:
        first = wait_for(lambda: kube.secret("team-a"))
        wait_for(lambda: "1 unchanged" in loop.text)
        with wired.service.api() as api:
            rows = api.send("GET", "projects/-/audit?action=credential.revealed").json()["items"]
            api.set_password("one", "another-password")
        assert first is not None
        wait_for(lambda: (kube.secret("team-a") or first)["data"] != first["data"])
        wired.server.stop()
        wait_for(lambda: "the Secrets that are there stay as they are" in loop.text)
        assert kube.secret("team-a") is not None
    finally:
        assert loop.stop() == 0
        kube.close()

    # What did not change is not handed out again.
    assert sum(row.get("count", 1) for row in rows) == 1
    scanner = Scanner([wired.canary])
    scanner.scan("log", loop.text.encode())
    assert scanner.hits == []
