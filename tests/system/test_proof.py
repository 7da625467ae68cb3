"""The proof: a login is stored once, judged by its real registry, and pulls a private image.

Everything here happens twice, against Debian's docker-registry with an htpasswd file and again
with a token server on another port. The last test of a round looks for the passwords in every
file that any program of the round left behind.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.conftest import RequireTool
from tests.tools.canary import Canary, Scanner
from tests.tools.programs import Finished
from tests.tools.pullers import Machine
from tests.tools.world import OTHER, World, running

pytestmark = pytest.mark.system

NOT_FOUND = "credentials not found in native keychain"

_UNAUTHORIZED = ("unauthorized", "no basic auth credentials")
"""What skopeo and podman, and docker, say when a registry wants a login that it did not get."""

Store = Callable[..., Any]

with_token_server = pytest.mark.parametrize("world", ["token"], indirect=True, scope="module")
"""For claims about rights and realms, which an htpasswd file does not know."""


@pytest.fixture(scope="module", params=["htpasswd", "token"])
def world(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    require_tool: RequireTool,
) -> Iterator[World]:
    for name in ("docker-registry", "htpasswd", "skopeo"):
        require_tool(name)
    with running(tmp_path_factory.mktemp(request.param), request.param) as made:
        yield made


@pytest.fixture
def store(world: World) -> Iterator[Store]:
    """Store logins for one test; they are gone after it."""
    names: list[str] = []

    def add(name: str, **how: Any) -> Any:
        credential = world.add(name, **how)
        names.append(name)
        return credential

    yield add
    for name in names:
        world.api.remove(name)


@pytest.fixture
def machine(world: World, request: pytest.FixtureRequest) -> Machine:
    return world.machine(request.node.originalname)[0]


def wrong(world: World) -> str:
    """Return a wrong password that the last test will look for too."""
    return world.passwords.setdefault("wrong", "certainly-not-the-password")


# What the registry says


def test_a_wrong_password_is_rejected(world: World, store: Store) -> None:
    store("login", password=wrong(world))

    verdict = world.api.verify("login", world.image())

    assert verdict["verdict"] == "rejected"
    assert verdict["next_step"]


def test_the_right_password_is_ok(world: World, store: Store) -> None:
    store("login")

    assert world.api.verify("login", world.image())["verdict"] == "ok"


def test_without_an_image_the_login_alone_is_proven(world: World, store: Store) -> None:
    store("login")

    assert world.api.verify("login")["verdict"] == "ok"


@pytest.mark.parametrize("image", [("team/app", "v9"), ("team/app", "latest")])
def test_a_tag_that_is_not_there_is_missing(
    world: World, store: Store, image: tuple[str, str]
) -> None:
    store("login")

    assert world.api.verify("login", world.image(*image))["verdict"] == "missing"


@with_token_server
def test_a_login_without_rights_on_the_repository_is_denied(world: World, store: Store) -> None:
    store("login")

    assert world.api.verify("login", world.image(OTHER))["verdict"] == "denied"


def test_each_verdict_joins_the_history(world: World, store: Store) -> None:
    store("login", password=wrong(world))
    world.api.verify("login", world.image())
    world.api.set_password("login", world.passwords["puller"])
    world.api.verify("login", world.image())

    verdicts = world.api.ask("GET", "projects/-/credentials/login/verdicts")["items"]

    assert [one["verdict"] for one in verdicts] == ["ok", "rejected"]


def test_a_login_can_be_judged_before_it_is_stored(world: World) -> None:
    login = {
        "registry_url": world.registry.address,
        "username": "puller",
        "settings": world.settings,
        "image": world.image(),
    }

    right = world.api.verify_login(**login, password=world.passwords["puller"])
    bad = world.api.verify_login(**login, password=wrong(world))

    assert (right["verdict"], bad["verdict"]) == ("ok", "rejected")
    assert world.api.ask("GET", "projects/-/credentials")["items"] == []


def test_saving_can_be_tied_to_the_verdict(world: World) -> None:
    body = {
        "name": "tied",
        "registry_url": world.registry.address,
        "username": "puller",
        "password": wrong(world),
        "settings": world.settings,
    }
    answer = world.api.send("POST", "projects/-/credentials?verify=require", body)

    assert answer.status_code == 422
    assert answer.json()["verdict"]["verdict"] == "rejected"
    assert world.api.ask("GET", "projects/-/credentials")["items"] == []


@with_token_server
def test_an_unpinned_realm_on_another_port_gets_nothing(world: World) -> None:
    tokens = world.tokens
    assert tokens is not None
    before = len(tokens.with_authorization)

    verdict = world.api.verify_login(
        registry_url=world.registry.address,
        username="puller",
        password=world.passwords["puller"],
        image=world.image(),
    )

    assert verdict["verdict"] == "untrusted_realm"
    assert len(tokens.with_authorization) == before


# The command line


def test_the_command_line_stores_and_proves_a_login(world: World, machine: Machine) -> None:
    admin = world.api.make_key("cli", "admin")
    assert machine.login(admin["key"]).code == 0
    settings = [part for name, value in world.settings.items() for part in _setting(name, value)]

    added = machine.regcred(
        *("credential", "add", "by-hand", "--registry", world.registry.address),
        *("--username", "puller", "--password-stdin", *settings),
        stdin=world.passwords["puller"],
    )
    verified = machine.regcred("credential", "verify", "by-hand", "--image", world.image())
    shown = machine.regcred("credential", "show", "by-hand", "-o", "json")
    removed = machine.regcred("credential", "rm", "by-hand", "--yes")

    assert added.code == 0, added.text
    assert verified.code == 0, verified.text
    assert "ok" in verified.text
    assert json.loads(shown.out)["verdict"]["verdict"] == "ok"
    assert removed.code == 0, removed.text
    assert not any(
        world.passwords["puller"] in done.text for done in (added, verified, shown, removed)
    )


def test_the_command_line_says_why_a_login_fails(
    world: World, machine: Machine, store: Store
) -> None:
    store("bad", password=wrong(world))
    admin = world.api.make_key("cli", "admin")
    assert machine.login(admin["key"]).code == 0

    done = machine.regcred("credential", "verify", "bad", "--image", world.image())

    assert done.code != 0
    assert "rejected" in done.text
    assert "create a new token" in done.text.replace("\n", " ")


def test_the_command_line_says_what_a_registry_wants(world: World, machine: Machine) -> None:
    assert machine.login(world.api.make_key("cli", "admin")["key"]).code == 0
    before = len(world.tokens.seen) if world.tokens else 0
    settings = [part for name, value in world.settings.items() for part in _setting(name, value)]
    told = ("doctor", "registry", world.registry.address, *settings, "-o", "json")

    done = machine.regcred(*told)

    assert done.code == 0, done.text
    found = json.loads(done.out)
    assert found["verdict"] == "ok"
    assert found["evidence"]["scheme"] == ("bearer" if world.tokens else "basic")
    assert abs(found["evidence"]["clock_skew_s"]) <= 2
    assert (len(world.tokens.seen) if world.tokens else 0) == before


def _setting(name: str, value: str) -> tuple[str, str]:
    return ("--setting", f"{name}={value}")


# Pulling through the helper


def pulls(machine: Machine, world: World, folder: Path) -> dict[str, Finished]:
    return {
        "inspect": machine.skopeo_inspect(world.image()),
        "copy": machine.skopeo_copy(world.image(), folder / "pulled"),
    }


def refused(done: Finished) -> None:
    """Claim that the registry, and nothing else, is why a pull failed."""
    assert done.code != 0
    assert any(word in done.text for word in _UNAUTHORIZED), done.text


def test_nothing_is_pulled_without_a_login(world: World, machine: Machine, tmp_path: Path) -> None:
    """The control: the image is private, so what succeeds below succeeds by the login."""
    for done in pulls(machine, world, tmp_path).values():
        refused(done)
    assert machine.helper("get", world.registry.address).out.strip() == NOT_FOUND


def test_skopeo_reads_and_copies_the_image(
    world: World, machine: Machine, store: Store, tmp_path: Path
) -> None:
    store("login")

    done = pulls(machine, world, tmp_path)

    assert all(one.code == 0 for one in done.values()), done
    seen = json.loads(done["inspect"].out)
    assert seen["Digest"] == world.digest
    pulled = {path.name for path in (tmp_path / "pulled/blobs/sha256").iterdir()}
    assert {layer.removeprefix("sha256:") for layer in seen["Layers"]} <= pulled


def test_podman_pulls_the_image(
    world: World, machine: Machine, store: Store, require_tool: RequireTool
) -> None:
    require_tool("podman")
    refused(machine.podman_pull(world.image()))
    store("login")

    done = machine.podman_pull(world.image())

    assert done.code == 0, done.text


def test_docker_reads_the_manifest(
    world: World, machine: Machine, store: Store, require_tool: RequireTool
) -> None:
    require_tool("docker")
    refused(machine.docker_manifest(world.image()))
    store("login")

    done = machine.docker_manifest(world.image())

    assert done.code == 0, done.text
    assert json.loads(done.out)["schemaVersion"] == 2


def test_docker_install_makes_a_machine_ask_and_uninstall_undoes_it(
    world: World, store: Store
) -> None:
    store("login")
    machine, _ = world.machine("installed")
    machine.use_helper_for()
    refused(machine.skopeo_inspect(world.image()))
    refused(machine.docker_manifest(world.image()))

    done = machine.regcred(
        *("docker", "install", "--bin-dir", str(machine.helper_path.parent)),
        *("--registry", world.registry.address),
    )
    pulled = machine.skopeo_inspect(world.image()), machine.docker_manifest(world.image())
    undone = machine.regcred("docker", "uninstall")

    assert done.code == 0, done.text
    assert [one.code for one in pulled] == [0, 0], pulled
    assert undone.code == 0, undone.text
    refused(machine.skopeo_inspect(world.image()))


def test_doctor_says_what_the_next_pull_does(world: World, store: Store) -> None:
    store("login")
    machine, _ = world.machine("doctored")
    address = world.registry.address
    files = machine.env["REGISTRY_AUTH_FILE"], f"{machine.env['DOCKER_CONFIG']}/config.json"

    def told() -> tuple[int, set[str], set[str]]:
        done = machine.regcred("doctor", world.image(), "-o", "json")
        found = json.loads(done.out)["findings"]
        pulls = [one for one in found if one["area"].startswith("pull with")]
        others = {one["area"] for one in found if one["level"] == "ok"} - {"helper"}
        assert not any(secret in done.text for secret in world.passwords.values())
        return done.code, {one["what"].partition(" ")[0] for one in pulls}, others

    wired = told()
    pulled = machine.skopeo_inspect(world.image()), machine.docker_manifest(world.image())
    for file in files:
        Path(file).write_text(json.dumps({"auths": {address: {"auth": "d3Jvbmc6d3Jvbmc="}}}))
    shadowed = told()
    refused(machine.skopeo_inspect(world.image()))
    for file in files:
        # An empty object would have docker ask its platform's store, where there is one.
        Path(file).write_text('{"auths": {"other.example": {}}}')
    anonymous = told()
    refused(machine.docker_manifest(world.image()))

    assert (wired[0], wired[1]) == (0, {"gets"})
    assert wired[2] >= {"service", "clock", "key"}
    assert [one.code for one in pulled] == [0, 0]
    assert shadowed[:2] == (6, {"uses"})
    assert anonymous[:2] == (6, {"is"})


def test_a_revoked_key_ends_the_very_next_pull_and_says_why(world: World, store: Store) -> None:
    store("login")
    machine, key_id = world.machine("revoked")
    assert machine.skopeo_inspect(world.image()).code == 0

    world.api.revoke(key_id)
    done = machine.skopeo_inspect(world.image())

    assert done.code != 0
    assert "this API key is unknown or was revoked" in done.text
    assert NOT_FOUND not in done.text


def test_a_disabled_key_says_so(world: World, store: Store) -> None:
    store("login")
    machine, key_id = world.machine("disabled")

    world.api.ask("PATCH", f"projects/-/keys/{key_id}", {"disabled": True})
    done = machine.skopeo_inspect(world.image())

    assert done.code != 0
    assert "this API key is disabled" in done.text


def test_the_next_pull_uses_the_replaced_password(
    world: World, machine: Machine, store: Store
) -> None:
    store("login")
    assert machine.skopeo_inspect(world.image()).code == 0
    old, new = world.passwords["puller"], "fresh-" + world.passwords["guest"]
    world.passwords.update({"puller": new, "old": old})

    world.set_password("puller", new)
    with_the_old = machine.skopeo_inspect(world.image())
    world.api.set_password("login", new)
    with_the_new = machine.skopeo_inspect(world.image())

    refused(with_the_old)
    assert with_the_new.code == 0, with_the_new.text


# What clients ask, asked directly


@pytest.mark.parametrize("spelling", ["docker.io", "https://index.docker.io/v1/"])
@pytest.mark.parametrize("written", ["docker.io", "https://index.docker.io/v1/", "index.docker.io"])
def test_docker_hub_answers_to_both_spellings(
    world: World, machine: Machine, written: str, spelling: str
) -> None:
    world.api.add("hub", written, "hub-user", world.passwords["guest"])

    done = machine.helper("get", spelling)
    world.api.remove("hub")

    assert done.code == 0, done.text
    login = json.loads(done.out)
    assert (login["Username"], login["Secret"]) == ("hub-user", world.passwords["guest"])


def test_a_whole_repository_gets_its_own_login(world: World, machine: Machine) -> None:
    """As crane asks: the repository first, then the host."""
    address = world.registry.address
    for name, where in (("host", address), ("team", f"{address}/team"), ("other", f"{address}/o")):
        world.api.add(name, where, f"{name}-user", world.passwords["guest"])

    asked = (f"{address}/team/app", f"{address}/teams/app", address)
    users = [json.loads(machine.helper("get", key).out)["Username"] for key in asked]
    for name in ("host", "team", "other"):
        world.api.remove(name)

    assert users == ["team-user", "host-user", "host-user"]


def test_the_helper_lists_users_and_no_secret(world: World, machine: Machine, store: Store) -> None:
    store("login")

    done = machine.helper("list", "unused")

    assert done.code == 0, done.text
    assert list(json.loads(done.out).values()) == ["puller"]
    assert world.passwords["puller"] not in done.text


def test_docker_login_stores_through_the_helper(world: World) -> None:
    """An editor's machine may store; the login is a credential like any other."""
    machine, _ = world.machine("storing", role="admin")
    address = world.registry.address
    login = {
        "ServerURL": address,
        "Username": "puller",
        "Secret": world.passwords["puller"],
    }
    stored = machine.helper("store", json.dumps(login))
    got = machine.helper("get", address)
    erased = machine.helper("erase", address)

    assert stored.code == 0, stored.text
    assert json.loads(got.out)["Secret"] == world.passwords["puller"]
    assert erased.code == 0, erased.text
    assert machine.helper("get", address).out.strip() == NOT_FOUND


# Last: what all of the above left behind


def test_no_password_stood_in_any_file(world: World) -> None:
    scanner = Scanner(
        Canary(label, password, "puller") for label, password in world.passwords.items()
    )

    scanner.scan_tree(world.mode, world.folder)

    assert scanner.hits == []
    assert any(name.endswith(".db-wal") or "store/" in name for name in scanner.read)
