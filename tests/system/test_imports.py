"""Imports and exports against the real service and a registry that judges what comes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.conftest import RequireTool
from tests.tools.programs import Finished
from tests.tools.pullers import Machine
from tests.tools.world import World, running

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, require_tool: RequireTool) -> Iterator[World]:
    for name in ("docker-registry", "htpasswd", "skopeo", "docker", "podman"):
        require_tool(name)
    with running(tmp_path_factory.mktemp("imports"), "htpasswd") as made:
        yield made


@pytest.fixture
def machine(world: World) -> Machine:
    return world.machine("imports", role="admin")[0]


@pytest.fixture(autouse=True)
def _empty_again(world: World) -> Iterator[None]:
    yield
    for one in world.api.send("GET", "projects/-/credentials").json()["items"]:
        world.api.remove(one["name"])


def rows(done: Finished) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(done.out)
    return listed


def logged_in(world: World, machine: Machine, program: str, file: Path) -> None:
    """Have docker or podman log in to the registry, as people do."""
    address = world.registry.address
    if program == "docker":
        # With nothing in it, docker would look for a helper of this machine's instead.
        file.write_text('{"auths": {"left-by-a-helper.example": {}}}')
    where = (
        ["docker", "--config", str(file.parent), "login"]
        if program == "docker"
        else ["podman", "login", "--tls-verify=false", "--authfile", str(file)]
    )
    subprocess.run(
        [*where, "-u", "puller", "--password-stdin", address],
        input=world.passwords["puller"].encode(),
        env=machine.env,
        check=True,
        capture_output=True,
    )


@pytest.mark.parametrize("program", ["docker", "podman"])
def test_what_a_login_left_is_brought_here_and_pulls(
    world: World, machine: Machine, program: str, tmp_path: Path
) -> None:
    file = tmp_path / "config.json"
    logged_in(world, machine, program, file)

    first = machine.regcred("import", "docker-config", str(file), "--verify", "--apply")
    second = machine.regcred("import", "docker-config", str(file), "--apply", "-o", "json")
    compared = machine.regcred("import", "docker-config", str(file), "--compare", "-o", "json")

    assert first.code == second.code == 0, first.text
    assert [row["action"] for row in rows(second)][:1] == ["same"]
    assert {row["action"] for row in rows(second)} <= {"same", "skip"}
    assert rows(compared)[0]["why"] == "stored, with this password"
    (login,) = world.api.resolve(world.image())["logins"]
    assert login["password"] == world.passwords["puller"]


def test_a_login_that_its_registry_refuses_is_not_stored(
    world: World, machine: Machine, tmp_path: Path
) -> None:
    address = world.registry.address
    file = tmp_path / "config.json"
    entry = {"username": "puller", "password": "wrong"}
    file.write_text(json.dumps({"auths": {address: entry, "127.0.0.1:1": entry}}))

    planned = machine.regcred("import", "docker-config", str(file), "--verify", "-o", "json")
    done = machine.regcred("import", "docker-config", str(file), "--verify", "--apply")

    assert planned.code == done.code == 6
    assert "verdict is rejected" in rows(planned)[0]["why"]
    assert "verdict is unreachable" in rows(planned)[1]["why"]
    assert done.text.count("refused") == 2
    assert world.api.send("GET", "projects/-/credentials").json()["items"] == []


def test_of_two_passwords_the_registrys_is_stored(
    world: World, machine: Machine, tmp_path: Path
) -> None:
    for name, password in (("old.json", "wrong"), ("new.json", world.passwords["puller"])):
        entry = {"username": "puller", "password": password}
        content = {"auths": {world.registry.address: entry}}
        (tmp_path / name).write_text(json.dumps(content))

    files = (str(tmp_path / "old.json"), str(tmp_path / "new.json"))
    done = machine.regcred("import", "docker-config", *files, "--verify", "--apply")

    assert done.code == 0, done.text
    (login,) = world.api.resolve(world.image())["logins"]
    assert login["password"] == world.passwords["puller"]


VENDORS: dict[str, tuple[str, str, dict[str, str], tuple[str, ...]]] = {
    "gcore": (
        "//cloud/v3/inference/1/registry_credentials",
        "Authorization: APIKey",
        {"registry_url": "docker.io", "password": "word-of-the-vendor"},
        ("--gcore-project", "1"),
    ),
    "yotta": (
        "//v2/container-registry-auths",
        "X-Api-Key:",
        {"type": "DOCKER_HUB", "password": "word-of-the-vendor"},
        (),
    ),
    "sevalla": (
        "//v3/docker-registries",
        "Authorization: Bearer",
        {"registry": "dockerHub", "secret": "word-of-the-vendor"},
        (),
    ),
}


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_vendors_face_is_an_account_that_can_be_read(
    world: World, machine: Machine, tmp_path: Path, vendor: str
) -> None:
    """What was stored through the face is `same`; deleted, it comes back by its name."""
    path, header, body, more = VENDORS[vendor]
    word = header.partition(": ")[2]
    headers = {header.partition(":")[0]: f"{word} {world.service.key}".strip()}
    login = {"name": "vendors-own", "username": "robot", **body}
    assert world.api.send("POST", path, login, headers=headers).is_success
    url = world.service.url + ("/v3" if vendor == "sevalla" else "")
    secrets = tmp_path / "secrets.json"
    secrets.write_text('{"vendors-own": {"username": "robot", "password": "word-of-the-vendor"}}')
    secrets.chmod(0o600)

    done = machine.regcred(
        *("import", vendor, *more, "--url", url, "--key-stdin", "--compare", "-o", "json"),
        *("--secrets-file", str(secrets)),
        stdin=world.service.key,
    )

    (row,) = rows(done)
    assert (row["action"], row["why"]) == ("same", "stored, with this password")


LOGINS = (
    ("hub", "docker.io", "robot"),
    ("all", "registry.example", "robot"),
    ("team", "registry.example/team", "robot"),
    ("other", "registry.example:5000/team/app", "somebody"),
)
"""What each form of the next test can express: (name, registry, user)."""


@pytest.mark.parametrize(
    ("form", "source"),
    [
        ("dockerconfigjson", "docker-config"),
        ("auth.json", "docker-config"),
        ("docker-auth-config", "docker-config"),
        ("kubernetes-secret", "kubernetes"),
    ],
)
def test_what_an_export_wrote_is_known_to_an_import(
    world: World, machine: Machine, tmp_path: Path, form: str, source: str
) -> None:
    for name, registry, username in LOGINS[: 2 if form == "docker-auth-config" else None]:
        world.api.add(name, registry, username, f"a-password-of-{name}")
    file = tmp_path / "exported"
    more = ("--name", "pull") if form == "kubernetes-secret" else ()

    written = machine.regcred("export", form, "--output", str(file), *more)
    done = machine.regcred("import", source, str(file), "--compare", "-o", "json")
    again = machine.regcred("export", form, "--output", str(file), *more)

    assert (written.code, done.code, again.code) == (0, 0, 5), written.text + done.text
    assert {row["why"] for row in rows(done)} == {"stored, with this password"}
    named = {row["name"] for row in rows(done)}
    assert named == {login[0] for login in LOGINS[: 2 if form == "docker-auth-config" else None]}


def test_every_form_is_there(world: World, machine: Machine) -> None:
    world.api.add("one", "registry.example", "robot", "a-password")

    for form in ("external-secrets", "argocd", "nomad", "hosts.toml"):
        done = machine.regcred("export", form)
        assert done.code == 0, done.text
        assert "holds secrets in clear" in done.err
        # hosts.toml holds it in base64.
        assert form == "hosts.toml" or "a-password" in done.out
