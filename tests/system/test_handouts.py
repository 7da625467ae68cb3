"""Hand-outs as files that skopeo and docker read, against a real registry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.conftest import RequireTool
from tests.tools.pullers import Machine
from tests.tools.world import World, running

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, require_tool: RequireTool) -> Iterator[World]:
    for name in ("docker-registry", "htpasswd", "skopeo", "docker"):
        require_tool(name)
    with running(tmp_path_factory.mktemp("handouts"), "htpasswd") as made:
        # Whoever takes the login for the whole registry fails.
        made.add("wrong", password="not the password")
        made.api.add("right", f"{made.registry.address}/team", "puller", made.passwords["puller"])
        yield made


@pytest.fixture
def machine(world: World) -> Machine:
    """A machine whose programs know no credential helper."""
    made, _ = world.machine("kept")
    for file in (made.home / "auth.json", made.home / "docker" / "config.json"):
        file.unlink()
    return made


def keep(world: World, form: str, file: Path, query: str = "") -> None:
    handed = world.api.send("GET", f"projects/-/{form}{query}")
    assert handed.status_code == 200, handed.text
    file.write_bytes(handed.content)


def test_skopeo_pulls_with_an_auth_file_by_the_path_of_the_image(
    world: World, machine: Machine, tmp_path: Path
) -> None:
    refused = machine.skopeo_copy(world.image(), tmp_path / "refused")
    keep(world, "auth.json", machine.home / "auth.json")
    pulled = machine.skopeo_copy(world.image(), tmp_path / "pulled")
    other = machine.skopeo_copy(world.image("other/app"), tmp_path / "other")

    assert refused.code != 0
    assert pulled.code == 0, pulled.text
    assert other.code != 0


def test_docker_reads_what_it_is_handed_for_an_image(world: World, machine: Machine) -> None:
    config = machine.home / "docker" / "config.json"
    refused = machine.docker_manifest(world.image())
    keep(world, "docker-auth-config", config)
    by_host = machine.docker_manifest(world.image())
    keep(world, "docker-auth-config", config, f"?image={world.image()}")
    read = machine.docker_manifest(world.image())

    assert refused.code != 0
    assert by_host.code != 0
    assert read.code == 0, read.text
