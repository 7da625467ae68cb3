"""The lines of docs/operating.md that lose or save a store are run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house.source import ROOT
from tests.tools.pages import blocks
from tests.tools.programs import Daemon, Finished, find, http_status, run
from tests.tools.service import Service

pytestmark = pytest.mark.system

PAGE = ROOT / "docs" / "operating.md"
BACK_UP, CHECK, RESTORE, START, SCRUB = (block.text for block in blocks(PAGE, "sh"))


class Installed(Service):
    """A service whose folders are where the page says, below a folder of the test's."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.data = folder / "var" / "lib" / "regcred"
        self.keyring = folder / "var" / "lib" / "regcred-keys" / "keyring.json"
        self.env["REGCRED_PORT"] = str(self.port)
        for made in (self.data, self.keyring.parent):
            made.mkdir(parents=True, mode=0o700)
            made.chmod(0o700)
        self.env["REGCRED_KEYRING"] = str(self.keyring)

    def shell(self, lines: str) -> Finished:
        """Run lines of the page in one shell, to its first failure."""
        script = lines.replace("/var/", f"{self.data.parents[1]}/")
        return run(["bash", "-euo", "pipefail", "-c", script], env=self.env)

    def names(self) -> list[str]:
        """Return the names of the logins that it serves."""
        with self.api() as api:
            return [login["name"] for login in api.ask("GET", "projects/-/credentials")["items"]]

    def daemon(self, lines: str) -> Daemon:
        """Start the server as a line of the page does, until it can serve."""
        words = lines.replace("/var/", f"{self.data.parents[1]}/").split()
        argv = [find(words[0]), *words[1:]]
        daemon = Daemon(argv, env=self.env, logs=self.logs, name="restored")
        return daemon.wait_ready(lambda: http_status(self.port, "/readyz") == 200)


@pytest.fixture
def service(tmp_path: Path) -> Installed:
    service = Installed(tmp_path)
    service.init()
    return service


def test_what_is_backed_up_while_it_is_served_is_restored_and_served_again(
    service: Installed,
) -> None:
    with service.serving(), service.api() as api:
        api.add("app-pull", "registry.example.com", "robot", "correct horse")
        made = service.shell(BACK_UP)
        tried = service.shell(CHECK)
        scrubbed = service.shell(SCRUB)
        api.add("later", "registry.example.com", "robot", "correct horse")

    assert made.code == 0, made.text
    assert tried.code == 0, tried.text
    said = "secrets opened       1\naudit verified       up to row 3\n"
    assert (scrubbed.code, scrubbed.out) == (0, said)
    assert re.search(r"credentials +1$", tried.out, re.MULTILINE)
    put = service.shell(RESTORE)
    assert put.code == 0, put.text
    assert "--accept-rollback, once" in put.err

    refused = run(service.command(), env=service.env)
    assert refused.code == 1
    assert "start once with --accept-rollback" in refused.err

    started = service.daemon(START)
    try:
        names = service.names()
    finally:
        started.stop()
    assert names == ["app-pull"]
