"""What clients/wiring says a client will do is what the real one then does.

Each wiring below is written into a home of its own. The client asks a registry that sees its user,
with helpers that write down what they are asked.
"""

from __future__ import annotations

import json
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from regcred.clients.wiring.hub import HUB_URL
from regcred.clients.wiring.lookup import Answer, End, Step, walk
from regcred.clients.wiring.machine import Machine
from regcred.clients.wiring.pullers import Puller, puller_of
from tests.system.conftest import RequireTool
from tests.tools.asking import AskedHelpers, AskedRegistry
from tests.tools.programs import Finished, ProgramMissing, environment, find, run

pytestmark = pytest.mark.system

HOST = "HOST"
"""Stands for the registry's address in the files below."""

RUNTIME = "run/containers/auth.json"
PODMANS = ".config/containers/auth.json"
DOCKERS = ".docker/config.json"
CONF = ".config/containers/registries.conf"
DROP_IN = ".config/containers/registries.conf.d/50-a.conf"


RUN = {"knows", "empty", "fails"}
"""The helpers that can be run, so that they write down what they are asked."""


def login(user: str) -> dict[str, str]:
    return {"auth": b64encode(f"{user}:password".encode()).decode()}


def helpers(name: str, key: str = HOST, **more: object) -> str:
    return json.dumps({"credHelpers": {key: name}, **more})


def auths(user: str = "stored", key: str = HOST, **more: object) -> str:
    return json.dumps({"auths": {key: login(user)}, **more})


WIRINGS: dict[str, dict[str, str]] = {
    "nothing": {},
    "credHelpers in docker's file": {DOCKERS: helpers("knows")},
    "credHelpers in podman's file": {PODMANS: helpers("knows")},
    "credHelpers of another registry": {DOCKERS: helpers("knows", "other.example")},
    "credHelpers by path": {DOCKERS: helpers("knows", f"{HOST}/team")},
    "credHelpers by URL": {DOCKERS: helpers("knows", f"https://{HOST}")},
    "credHelpers in lower case": {DOCKERS: helpers("knows").replace("credH", "credh")},
    "credsStore": {DOCKERS: '{"credsStore": "knows"}'},
    "credsStore in podman's file": {PODMANS: '{"credsStore": "knows"}'},
    "credsStore and credHelpers": {DOCKERS: helpers("empty", credsStore="knows")},
    "auths alone": {DOCKERS: auths()},
    "auths by URL": {DOCKERS: auths(key=f"https://{HOST}/v1/")},
    "auths with user and password": {
        DOCKERS: json.dumps({"auths": {HOST: {"username": "stored", "password": "p"}}})
    },
    "auths by namespace": {PODMANS: auths("app", f"{HOST}/team")},
    "auths by namespace and host": {
        PODMANS: json.dumps({"auths": {HOST: login("host"), f"{HOST}/team/app": login("app")}})
    },
    "auths by a part of a component": {PODMANS: auths("app", f"{HOST}/te")},
    "auths and a helper that knows": {DOCKERS: helpers("knows", auths={HOST: login("stored")})},
    "auths and a helper that does not": {DOCKERS: helpers("empty", auths={HOST: login("stored")})},
    "auths and a helper that fails": {DOCKERS: helpers("fails", auths={HOST: login("stored")})},
    "a helper that does not, then another file": {PODMANS: helpers("empty"), DOCKERS: auths()},
    "an empty entry, then a helper": {
        PODMANS: json.dumps({"auths": {HOST: {}}}),
        DOCKERS: helpers("knows"),
    },
    "a session's login before the helper": {RUNTIME: auths("session"), PODMANS: helpers("knows")},
    "a missing helper": {DOCKERS: helpers("absent")},
    "a missing helper and a login": {DOCKERS: helpers("absent", auths={HOST: login("stored")})},
    "a helper that nobody may run": {DOCKERS: helpers("locked")},
    "broken JSON": {DOCKERS: '{"auths": {'},
    "broken JSON behind a login": {PODMANS: auths(), DOCKERS: "{"},
    "an empty auth.json": {PODMANS: "", DOCKERS: auths()},
    "text after the object": {DOCKERS: auths() + " x"},
    "an array": {DOCKERS: "[]"},
    "helpers that are a list": {DOCKERS: auths(credHelpers=["x"])},
    "a bad auth beside a helper": {DOCKERS: helpers("knows", auths={HOST: {"auth": "!"}})},
    "a bad auth": {DOCKERS: json.dumps({"auths": {HOST: {"auth": "!"}}})},
    "an auth without a colon": {DOCKERS: json.dumps({"auths": {HOST: {"auth": "YQ=="}}})},
    "registries.conf": {CONF: 'credential-helpers = ["knows", "containers-auth.json"]'},
    "registries.conf, a helper that does not": {
        CONF: 'credential-helpers = ["empty", "containers-auth.json"]',
        DOCKERS: auths(),
    },
    "registries.conf, a helper that fails": {
        CONF: 'credential-helpers = ["fails", "containers-auth.json"]',
    },
    "registries.conf, files first and broken": {
        CONF: 'credential-helpers = ["containers-auth.json", "knows"]',
        PODMANS: "{",
    },
    "registries.conf without the files": {CONF: 'credential-helpers = ["empty"]', DOCKERS: auths()},
    "registries.conf's drop-in": {DROP_IN: 'credential-helpers = ["knows"]', DOCKERS: auths()},
    "registries.conf that is broken": {CONF: "credential-helpers = [", DOCKERS: auths()},
    "a .dockercfg": {".dockercfg": json.dumps({f"https://{HOST}/v1/": login("old")})},
    "REGISTRY_AUTH_FILE": {"named.json": helpers("knows"), DOCKERS: auths()},
    "REGISTRY_AUTH_FILE without it": {"named.json": "{}", PODMANS: auths("other")},
    "REGISTRY_AUTH_FILE that is missing": {PODMANS: auths("other"), "named.json": "missing"},
    "DOCKER_CONFIG": {"dc/config.json": helpers("knows"), PODMANS: auths("other")},
    "DOCKER_CONFIG without a file": {"dc/config.json": "missing", DOCKERS: auths("usual")},
}


class Seen(NamedTuple):
    """What was asked, and whom the registry saw: "" for nobody, None when it was not reached."""

    asked: list[tuple[str, str]]
    user: str | None


@pytest.fixture(scope="module")
def registry() -> Iterator[AskedRegistry]:
    with AskedRegistry().serving() as serving:
        yield serving


def variables(files: Mapping[str, str], home: Path) -> dict[str, str]:
    """Return the environment that a wiring's files stand for."""
    named = {"XDG_RUNTIME_DIR": str(home / "run")}
    if "named.json" in files:
        named["REGISTRY_AUTH_FILE"] = str(home / "named.json")
    if "dc/config.json" in files:
        named["DOCKER_CONFIG"] = str(home / "dc")
    return named


def wire(home: Path, files: Mapping[str, str], registry: str) -> None:
    (home / "run").mkdir()
    for name, text in files.items():
        if text != "missing":
            path = home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace(HOST, registry))


def pull(client: str, image: str, home: Path, env: Mapping[str, str]) -> Finished:
    if client == "docker":
        return run([find("docker"), "manifest", "inspect", "--insecure", image], env=env)
    if client == "skopeo":
        return run([find("skopeo"), "inspect", "--tls-verify=false", f"docker://{image}"], env=env)
    # Podman takes no --runroot longer than 50 characters.
    with tempfile.TemporaryDirectory(prefix="podman-", dir="/tmp") as runroot:
        argv = [find("podman"), "--root", str(home / "r"), "--runroot", runroot]
        argv += ["--storage-driver", "vfs", "--cgroup-manager=cgroupfs"]
        return run([*argv, "pull", "--tls-verify=false", image], env=env)


def answers(step: Step) -> Answer:
    known = {"knows": Answer.login, "empty": Answer.nothing}
    return known.get(step.helper, Answer.fails)


def predicted(puller: Puller, repository: str) -> Seen:
    outcome = walk(puller.lookup(repository), answers)
    asked = [(step.helper, step.key) for step in outcome.asked if step.helper in RUN]
    if outcome.end is not End.login or outcome.decides is None:
        return Seen(asked, None if outcome.end is End.fails else "")
    if outcome.decides.helper:
        return Seen(asked, "helper")
    entry = outcome.decides.key
    return Seen(asked, f"stored in {outcome.decides.file} as {entry}")


def user_of(seen: Seen) -> Seen:
    """Return a prediction with the user's name in place of where it is stored."""
    if seen.user is None or not seen.user.startswith("stored in "):
        return seen
    file, _, entry = seen.user.removeprefix("stored in ").partition(" as ")
    found = json.JSONDecoder().raw_decode(Path(file).read_text())[0]
    held = found.get("auths", found)[entry]
    plain = b64decode(held.get("auth", "")).decode()
    return Seen(seen.asked, held.get("username") or plain.partition(":")[0])


# podman reads files with skopeo's code and starts slowly: it is run where it has rules of its own.
PODMANS_OWN = (
    "podman",
    "registries.conf",
    "REGISTRY_AUTH_FILE",
    "DOCKER_CONFIG",
    "empty",
    "nothing",
)
CASES = [
    (wiring, client)
    for wiring in WIRINGS
    for client in ("docker", "podman", "skopeo")
    if client != "podman" or any(word in wiring for word in PODMANS_OWN)
]


@pytest.mark.parametrize(("wiring", "client"), CASES)
def test_the_client_does_what_was_predicted(
    wiring: str,
    client: str,
    registry: AskedRegistry,
    tmp_path: Path,
    require_tool: RequireTool,
) -> None:
    require_tool(client)
    helpers_folder = tmp_path / "helpers"
    asked = AskedHelpers(helpers_folder)
    files = WIRINGS[wiring]
    wire(tmp_path, files, registry.address)
    env = environment(tmp_path, path=[helpers_folder], **variables(files, tmp_path))
    # A platform's store of this machine would be asked too: this PATH has none.
    env["PATH"] = f"{helpers_folder}:{_links(tmp_path / 'programs')}"
    repository = f"{registry.address}/team/app"
    puller = puller_of(Machine.here(env), client)
    expected = user_of(predicted(puller, repository))

    registry.users.clear()
    done = pull(client, f"{repository}:v1", tmp_path, env)
    users = {user for user in registry.users if user}

    seen = Seen(asked.take(), next(iter(users), "") if registry.users else None)
    assert seen == expected, done.text
    assert len(users) <= 1


@pytest.mark.parametrize("client", ["docker", "podman", "skopeo"])
@pytest.mark.parametrize("key", [HUB_URL, "docker.io", "index.docker.io"])
def test_each_client_has_its_own_word_for_docker_hub(
    key: str, client: str, registry: AskedRegistry, tmp_path: Path, require_tool: RequireTool
) -> None:
    require_tool(client)
    asked = AskedHelpers(tmp_path / "helpers")
    wire(tmp_path, {DOCKERS: helpers("knows", key)}, registry.address)
    # Nobody leaves this machine: what would go to Docker Hub goes to a registry that is no proxy.
    closed = {"HTTPS_PROXY": f"http://{registry.address}", "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    env = environment(tmp_path, path=[tmp_path / "helpers"], **closed)
    outcome = walk(puller_of(Machine.here(env), client).lookup("docker.io/library/no"), answers)

    pull(client, "docker.io/library/no:v1", tmp_path, env)

    assert asked.take() == [(step.helper, step.key) for step in outcome.asked]
    assert bool(outcome.asked) == (key == ("docker.io" if client != "docker" else HUB_URL))


def _links(folder: Path) -> Path:
    """Return a folder with the clients alone, and what their helpers need."""
    folder.mkdir()
    for name in ("docker", "podman", "skopeo", "sh", "newuidmap", "crun", "conmon"):
        with suppress(ProgramMissing):
            (folder / name).symlink_to(find(name))
    return folder
