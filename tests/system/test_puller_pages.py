"""Each puller's page holds: its lines are run as they stand, against a real registry."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote_plus

import pytest
import trustme
import yaml

from tests.system.conftest import RequireTool
from tests.tools.containerd import containerd
from tests.tools.pages import PULLERS, blocks
from tests.tools.programs import Finished, environment, find, regcred, run
from tests.tools.pullers import push
from tests.tools.registry import with_password_file
from tests.tools.world import REPOSITORY, World, running

pytestmark = pytest.mark.system

ALL = sorted(PULLERS.glob("*.md"))
PAGES = [page for page in ALL if blocks(page, "sh")]

_STANDS_FOR_REGISTRY, _STANDS_FOR_SERVICE = "registry.example.com", "https://regcred.example"

_READ: dict[str, Callable[[str], Any]] = {
    "yaml": yaml.safe_load,
    "toml": tomllib.loads,
    "json": json.loads,
}

_NEEDS = {
    "ci": ("docker", "skopeo", "curl"),
    "containerd": ("containerd", "ctr"),
    "docker": ("docker",),
    "podman": ("podman", "skopeo", "buildah"),
}


class Place(NamedTuple):
    """A home on a machine whose programs know that the registry here speaks http."""

    world: World
    env: dict[str, str]
    home: Path

    def run(self, page: Path, registry: str = "") -> Finished:
        """Run a page's lines in one shell, to its first failure."""
        script = "".join(block.text for block in blocks(page, "sh"))
        script = script.replace(_STANDS_FOR_REGISTRY, registry or self.world.registry.address)
        script = script.replace(_STANDS_FOR_SERVICE, self.world.service.url)
        return run(["bash", "-euxo", "pipefail", "-c", script], env=self.env, cwd=self.home)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, require_tool: RequireTool) -> Iterator[World]:
    for name in ("docker-registry", "htpasswd", "skopeo"):
        require_tool(name)
    with running(tmp_path_factory.mktemp("pages"), "htpasswd") as made:
        made.add("app-pull")
        yield made


@pytest.fixture
def place(world: World, tmp_path: Path, request: pytest.FixtureRequest) -> Place:
    page: Path = request.getfixturevalue("page")
    home, bin_folder = tmp_path / "home", tmp_path / "bin"
    bin_folder.mkdir()
    containers = home / ".config" / "containers"
    containers.mkdir(parents=True)
    conf = containers / "registries.conf"
    conf.write_text(f'[[registry]]\nlocation = "{world.registry.address}"\ninsecure = true\n')
    storage = containers / "storage.conf"
    storage.write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{home}/images"\nrunroot = "{tmp_path}/r"\n'
    )
    env = environment(
        home,
        path=[bin_folder, home / ".local" / "bin"],
        CONTAINERS_REGISTRIES_CONF=str(conf),
        CONTAINERS_STORAGE_CONF=str(storage),
        XDG_RUNTIME_DIR=str(home / "run"),
        REGCRED_BIN_DIR=str(bin_folder),
    )
    key = world.api.make_key(f"page-{page.stem}", "puller")["key"]
    login = [*regcred(), "login", "--url", world.service.url, "--key-stdin"]
    assert run(login, env=env, stdin=key).code == 0
    header = home / "key.header"
    header.touch(mode=0o600)
    header.write_text(f"Authorization: Bearer {key}\n")
    return Place(world, env, home)


def run_with_containerd(page: Path, place: Place, folder: Path) -> Finished:
    """Run a page against a registry with TLS: containerd's file for a host says https."""
    authority = trustme.CA()
    trusted = folder / "ca.pem"
    authority.cert_pem.write_to_path(trusted)
    registry, users = with_password_file(folder / "registry", authority)
    users.set("puller", place.world.passwords["puller"])
    users.set("pusher", "pusher's password")
    with registry.serving(), containerd(folder / "containerd") as socket:
        push(
            place.world.folder / "image",
            f"{registry.address}/{REPOSITORY}:v1",
            user="pusher",
            password="pusher's password",
            home=folder / "pusher",
        )
        place.world.api.add(
            "app-pull-tls", registry.address, "puller", place.world.passwords["puller"]
        )
        wrap(
            place,
            "ctr",
            f"SSL_CERT_FILE={trusted}",
            f'{find("ctr")} -a {socket} "$@" --snapshotter native',
        )
        return place.run(page, registry.address)


def wrap(place: Place, name: str, *words: str) -> None:
    """Put a program before the real one that is told what is peculiar to this test's machine."""
    wrapper = Path(place.env["REGCRED_BIN_DIR"]) / name
    wrapper.write_text(f"#!/bin/sh\n{' '.join(words)}\n")
    wrapper.chmod(0o755)


def outside() -> dict[Path, int]:
    """Return what of ours is in this machine's own places, and when it was written."""
    home = Path.home()
    places = [
        Path("/usr/local/bin/docker-credential-regcred"),
        home / ".local" / "bin" / "docker-credential-regcred",
        home / ".docker" / "config.json",
        home / ".config" / "containers" / "auth.json",
        home / ".config" / "regcred" / "client.conf",
    ]
    return {path: path.stat().st_mtime_ns for path in places if path.exists()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_line_of_the_page_works(
    page: Path, place: Place, require_tool: RequireTool, tmp_path: Path
) -> None:
    for name in _NEEDS.get(page.stem, ()):
        require_tool(name)
    # docker's command line takes a registry for https unless it is told, and ctr wants its daemon.
    wrap(
        place,
        "docker",
        'verb=$1; shift; [ "$verb" = manifest ] && shift &&',
        f'exec {find("docker")} manifest inspect --insecure "$@"',
    )
    before = outside()
    if page.stem == "containerd":
        done = run_with_containerd(page, place, tmp_path)
    else:
        done = place.run(page)

    assert done.code == 0, done.text
    assert place.world.passwords["puller"] not in done.text
    assert outside() == before


@pytest.mark.parametrize("page", [Path("a-broken-page.md")])
def test_a_page_whose_line_fails_is_found(page: Path, place: Place, tmp_path: Path) -> None:
    page = tmp_path / page
    page.write_text("```sh\ntrue\nskopeo inspect docker://registry.example.com/team/none:v1\n```\n")

    assert place.run(page).code != 0


@pytest.mark.parametrize("page", [PULLERS / "external-secrets.md"])
def test_the_operators_store_gets_a_pull_secret(page: Path, place: Place) -> None:
    store, key, wish = (yaml.safe_load(block.text) for block in blocks(page, "yaml"))
    webhook = store["spec"]["provider"]["webhook"]
    (wanted,) = wish["spec"]["data"]
    # What the operator puts into its templates: a reference escaped for URLs, a Secret as it is.
    image = wanted["remoteRef"]["key"].replace(_STANDS_FOR_REGISTRY, place.world.registry.address)
    header = webhook["headers"]["Authorization"].replace("{{ .key.value }}", place.world.api.key)
    url = webhook["url"].replace("{{ .remoteRef.key }}", quote_plus(image))
    path = url.removeprefix(f"{_STANDS_FOR_SERVICE}/v1/")

    answer = place.world.api.send("GET", path, headers={"Authorization": header})
    config = json.loads(answer.json()[webhook["result"]["jsonPath"].removeprefix("$.")])

    assert webhook["secrets"] == [{"name": "key", "secretRef": {"name": key["metadata"]["name"]}}]
    assert wanted["secretKey"] == ".dockerconfigjson"
    assert wish["spec"]["target"]["template"]["type"] == "kubernetes.io/dockerconfigjson"
    (entry,) = config["auths"].values()
    assert entry["password"] == place.world.passwords["puller"]
    for manifest in (store, wish):
        assert manifest["spec"].get("secretStoreRef", {"name": "regcred"})["name"] == "regcred"


@pytest.mark.parametrize(
    "page", [page for page in ALL if blocks(page, *_READ)], ids=lambda page: page.stem
)
def test_every_other_block_can_be_read(page: Path) -> None:
    for block in blocks(page, *_READ):
        assert _READ[block.language](block.text), f"{page.name}:{block.line}"
