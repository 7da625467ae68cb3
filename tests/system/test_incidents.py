"""The page for bad days holds: its lines are run as they stand, in its order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.source import ROOT
from tests.system.conftest import RequireTool
from tests.tools.pages import blocks
from tests.tools.programs import environment, regcred, run
from tests.tools.world import World, running

pytestmark = pytest.mark.system

PAGE = ROOT / "docs" / "incidents.md"
NEW_PASSWORD = "the password after the leak"


@pytest.fixture
def world(tmp_path: Path, require_tool: RequireTool) -> Iterator[World]:
    for name in ("docker-registry", "htpasswd", "skopeo"):
        require_tool(name)
    with running(tmp_path / "world", "htpasswd") as made:
        yield made


def test_every_line_works_and_the_login_ends_up_new_and_good(world: World, tmp_path: Path) -> None:
    world.add("app-pull")
    node, key_id = world.machine("node-7")
    assert node.regcred("resolve", world.image()).code == 0
    env = environment(tmp_path / "home")
    admin = world.api.make_key("admin", "admin")["key"]
    login = [*regcred(), "login", "--url", world.service.url, "--key-stdin"]
    assert run(login, env=env, stdin=admin).code == 0
    (tmp_path / "new-password").write_text(NEW_PASSWORD)
    world.set_password("puller", NEW_PASSWORD)
    script = "".join(block.text for block in blocks(PAGE, "sh"))
    script = script.replace("registry.example.com", world.registry.address)

    done = run(["bash", "-euo", "pipefail", "-c", script], env=env, cwd=tmp_path)

    assert done.code == 0, done.text
    assert done.out.count(f"key:{key_id}") >= 3  # who fetched it, twice, and what the key did
    assert NEW_PASSWORD not in done.text
    credential = world.api.ask("GET", "projects/-/credentials/app-pull")
    assert (credential["verdict"]["verdict"], credential["withheld"]) == ("ok", False)
    assert world.api.send("GET", f"projects/-/keys/{key_id}").status_code == 404
    assert (tmp_path / "node-7-new.key").read_text().startswith("rgc_")
