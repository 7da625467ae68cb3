"""regcred doctor [IMAGE]: what it finds on machines that are trees of files."""

from __future__ import annotations

import json
import os
import socket
from base64 import b64encode
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

import pytest

from regcred.clients.diagnosis import names
from regcred.clients.readiness import Readiness
from regcred.clients.wiring.machine import Machine
from tests.clients.cli.conftest import Ran, Regcred
from tests.clients.stub_service import Reply, StubService, problem

IMAGE = "registry.example/team/app:1"
REFERENCE = {"registry": "registry.example", "repository": "team/app", "tag": "1", "digest": None}
AUTH = b64encode(b"user:s3cr3t-in-a-file").decode()
LOGIN = {"registry.example": {"auth": AUTH}}
ONE = [{"credential": {"id": "1", "name": "one"}, "as": "registry.example"}]
HELPER = "docker-credential-regcred"
CLIENTS = ("docker", "podman", "crane", "kubelet-plugin", "containerd")


class Doctor(NamedTuple):
    """The tree of a machine, and the command that looks at it."""

    root: Path
    regcred: Regcred

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def programs(self, *names: str) -> None:
        for name in names:
            self.write(f"bin/{name}", "#!/bin/sh\nexit 1\n", 0o755)

    def run(self, *arguments: str) -> Ran:
        return self.regcred("doctor", *arguments, "--root", str(self.root))

    def found(self, *arguments: str) -> dict[str, list[tuple[str, str, str]]]:
        """Return (level, what, fix) of each finding by its area."""
        told = json.loads(self.run(*arguments, "-o", "json").out)
        areas: dict[str, list[tuple[str, str, str]]] = {}
        for one in told["findings"]:
            areas.setdefault(one["area"], []).append((one["level"], one["what"], one["fix"]))
        assert told["faults"] == sum(o["level"] == "fault" for o in told["findings"])
        return areas


def resolve_all_but(
    monkeypatch: pytest.MonkeyPatch, refused: str = "", error: Exception | None = None
) -> None:
    """Give every name an address without asking anybody, but for one."""
    real = socket.getaddrinfo

    def resolve(host: str, *rest: Any, **more: Any) -> Any:
        if host == refused and error is not None:
            raise error
        return real(host, *rest, **more) if host == "127.0.0.1" else []

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


def who(role: str, permissions: list[str], **key: Any) -> Reply:
    named = {"name": "node", "image_patterns": [], "expires_at": None, **key}
    body = {
        "principal": "key:own",
        "key": named,
        "role": role,
        "operator": key.get("operator", False),
        "permissions": permissions,
    }
    return Reply(200, body)


@pytest.fixture(autouse=True)
def explain(stub: StubService) -> Callable[..., None]:
    """Plant what the service says of IMAGE: which login each client would get."""
    stub.plant("GET", "/readyz", Reply(200, {"status": "ok"}))

    def plant(tried: list[Any] = ONE) -> None:
        client = {"tried": tried, "anonymous": not tried, "notes": []}
        stub.explained = {
            "reference": REFERENCE,
            "candidates": [],
            "clients": dict.fromkeys(CLIENTS, client),
        }

    plant()
    return plant


@pytest.fixture
def doctor(
    tmp_path: Path,
    regcred: Regcred,
    stub: StubService,
    monkeypatch: pytest.MonkeyPatch,
) -> Doctor:
    """A machine with docker, podman and regcred's helper, whose files are below `root`."""
    stub.plant("GET", "/v1/whoami", who("puller", ["read", "reveal"]))
    for name, value in {"HOME": "/home/u", "PATH": "/bin"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("XDG_CONFIG_HOME")
    resolve_all_but(monkeypatch)
    made = Doctor(tmp_path / "root", regcred)
    made.programs("docker", "podman", "docker-credential-regcred")
    return made


DOCKERS = "home/u/.docker/config.json"
PODMANS = "home/u/.config/containers/auth.json"
HELPERS = json.dumps({"credHelpers": {"registry.example": "regcred"}})


# The service, the key, the clock


def test_a_machine_that_is_wired_has_no_fault(doctor: Doctor) -> None:
    doctor.write(DOCKERS, HELPERS)

    done = doctor.run(IMAGE)

    assert done.code == 0, done.out
    assert "pull with docker, podman\n  ok     gets the login one from regcred" in done.out
    assert "  ok     asks regcred about registry.example\n" in done.out
    assert "clock\n  ok     within 30 s of the service's\n" in done.out
    assert doctor.run("-o", "name").out == ""


def test_without_a_login_of_its_own_it_says_what_to_do(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REGCRED_URL")

    assert doctor.run().code == 6
    assert doctor.found()["service"][0][2] == "regcred login --url URL"
    assert doctor.found(IMAGE)["pull"][0][0] == "fault"
    assert doctor.run(IMAGE, "-o", "name").out == "service\npull\n"


def test_a_service_that_is_down_is_a_fault(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGCRED_URL", "http://127.0.0.1:9")
    [(level, what, fix)] = doctor.found()["service"]

    assert (level, "127.0.0.1:9" in what) == ("fault", True)
    assert fix.startswith("curl -v http://127.0.0.1:9/readyz")


def test_a_service_that_is_not_ready_is_a_fault(doctor: Doctor, stub: StubService) -> None:
    stub.plant("GET", "/readyz", Reply(503, {"status": "unavailable"}))

    assert doctor.found()["service"][0][0] == "fault"


@pytest.mark.parametrize("error", [OSError(), UnicodeError()])
def test_a_name_that_does_not_resolve_is_a_fault(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    resolve_all_but(monkeypatch, "registry.example", error)

    assert doctor.found(IMAGE)["dns"][0][:2] == (
        "fault",
        "registry.example: it does not resolve",
    )


def test_a_resolver_that_hangs_is_not_waited_for(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    freed = Event()
    monkeypatch.setattr(names, "_SECONDS", 0.01)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: freed.wait(60))

    assert "no answer within" in doctor.found()["service"][0][1]
    freed.set()


@pytest.mark.parametrize(
    ("registry", "server"),
    [
        ("docker.io", "registry-1.docker.io"),
        ("a.example:5000", "a.example"),
        ("a.example", "a.example"),
        ("[::1]:5000", "::1"),
    ],
)
def test_the_server_of_a_registry_is_what_is_looked_up(registry: str, server: str) -> None:
    assert names.server_of(registry) == server


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("Sat, 21 Nov 2020 10:00:00 GMT", "ahead of the service's"),
        ("Sat, 21 Nov 2099 10:00:00 GMT", "behind the service's"),
    ],
)
def test_a_clock_that_is_off_is_a_fault(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, date: str, expected: str
) -> None:
    answered = Readiness(ready=True, status=200, date=parsedate_to_datetime(date))
    monkeypatch.setattr("regcred.clients.diagnosis.service.readiness", lambda _: answered)
    [(level, what, fix)] = doctor.found()["clock"]

    assert (level, fix) == ("fault", "timedatectl set-ntp true")
    assert expected in what


def test_a_service_without_a_date_tells_no_clock(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = Readiness(ready=True, status=200, date=None)
    monkeypatch.setattr("regcred.clients.diagnosis.service.readiness", lambda _: answered)

    assert "clock" not in doctor.found()


def test_a_revoked_key_is_a_fault(doctor: Doctor, stub: StubService) -> None:
    refused = problem("not-authenticated", 401, "this API key is unknown or was revoked")
    stub.plant("GET", "/v1/whoami", refused)

    assert "was revoked" in doctor.found()["key"][0][1]


def test_what_is_not_regcred_is_a_fault(doctor: Doctor, stub: StubService) -> None:
    stub.plant("GET", "/v1/whoami", Reply(200, b"<html>", "text/html"))

    assert "not regcred" in doctor.found()["key"][0][1]


def test_the_rights_and_the_end_of_the_key_are_told(doctor: Doctor, stub: StubService) -> None:
    told = {}
    for name, reply in {
        "right": who("puller", ["read", "reveal"], expires_at="2999-01-01T00:00:00Z"),
        "viewer": who("viewer", ["read"]),
        "ending": who("puller", ["reveal"], expires_at="2020-01-01T00:00:00Z"),
        "operator": who("admin", ["reveal"], operator=True),
        "narrow": who("puller", ["reveal"], image_patterns=["a.example/b"]),
    }.items():
        stub.plant("GET", "/v1/whoami", reply)
        told[name] = doctor.found()["key"]

    assert [one[0] for one in told["right"]] == ["ok", "ok"]
    assert told["viewer"][0][:2] == ("fault", "node (viewer) may not fetch logins")
    assert "--role puller" in told["viewer"][0][2]
    assert "ends soon" in told["ending"][1][1]
    assert told["operator"][1][0] == "note"
    assert "narrowed to a.example/b" in told["narrow"][1][1]


def test_an_image_that_cannot_be_read_is_a_usage_error(doctor: Doctor, stub: StubService) -> None:
    refused = problem("invalid-reference", 422, "image: must be lowercase")
    stub.plant("POST", "/v1/projects/-/explain", refused)

    assert doctor.run("NO").code == 2


@pytest.mark.parametrize(
    "reply",
    [problem("access-denied", 403, "not yours"), Reply(200, b"<html>", "text/html")],
)
def test_a_service_that_does_not_explain_is_a_fault(
    doctor: Doctor, stub: StubService, reply: Reply
) -> None:
    stub.plant("POST", "/v1/projects/-/explain", reply)
    found = doctor.found(IMAGE)

    assert found["pull"][0][1].startswith("the service does not explain it")
    assert "docker, podman" in found


# The clients' files and helpers


def test_broken_files_are_faults_of_those_who_read_them(doctor: Doctor) -> None:
    doctor.write(DOCKERS, '{"auths": ')
    found = doctor.found()

    assert found["docker"][0][:2] == (
        "fault",
        "/home/u/.docker/config.json: it is not JSON (line 1): no login in it is used",
    )
    assert "no image can be pulled" in found["podman"][0][1]
    assert found["podman"][0][2] == "mend /home/u/.docker/config.json"


def test_what_can_not_be_read_is_a_fault(doctor: Doctor) -> None:
    (doctor.root / DOCKERS).mkdir(parents=True)
    doctor.write(PODMANS, "x" * 5_000_000)
    found = doctor.found()

    assert "it is not a file" in found["docker"][0][1]
    assert "it is too long" in found["podman"][0][1]


def test_a_file_that_may_not_be_read_is_a_fault(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    doctor.write(DOCKERS, HELPERS)
    real = os.open

    def refuse(path: Any, *rest: Any) -> int:
        if str(path).endswith(DOCKERS):
            raise PermissionError(13, "Permission denied")
        return real(path, *rest)

    monkeypatch.setattr(os, "open", refuse)

    assert "it cannot be read: Permission denied" in doctor.found()["docker"][0][1]


def test_registries_conf_that_is_broken_ends_podmans_pulls(doctor: Doctor) -> None:
    doctor.write(DOCKERS, HELPERS)
    for text in ("credential-helpers = [", "credential-helpers = 1"):
        doctor.write("etc/containers/registries.conf", text)

        found = doctor.found(IMAGE)

        assert found["podman"][0][0] == "fault"
        assert found["pull with podman"][0][1].startswith("fails: /etc/containers/registries.conf")
        assert found["pull with docker"][0][0] == "ok"


def test_the_environments_login_comes_before_the_helper(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    doctor.write(DOCKERS, HELPERS)
    monkeypatch.setenv("DOCKER_AUTH_CONFIG", json.dumps({"auths": LOGIN}))
    found = doctor.found(IMAGE)

    assert any("DOCKER_AUTH_CONFIG is set" in what for _, what, _ in found["docker"])
    assert found["pull with docker"][0][0] == "fault"
    assert "stored in DOCKER_AUTH_CONFIG" in found["pull with docker"][0][1]
    assert found["pull with podman"][0][0] == "ok"
    monkeypatch.setenv("DOCKER_AUTH_CONFIG", "{")
    broken = doctor.found(IMAGE)
    assert broken["pull with docker, podman"][0][0] == "ok"
    assert any("DOCKER_AUTH_CONFIG: it is not JSON" in what for _, what, _ in broken["docker"])


def test_docker_takes_its_platforms_store_by_itself(doctor: Doctor) -> None:
    doctor.programs("pass", "docker-credential-pass")
    found = doctor.found(IMAGE)
    assert "asks docker-credential-pass, not regcred" in found["pull with docker"][0][1]
    default = "because of docker's own default (pass is on PATH)"
    assert found["pull with docker"][0][1].endswith(f"{default}; regcred has one")
    (doctor.root / "bin/docker-credential-pass").unlink()
    (doctor.root / "bin/pass").unlink()
    doctor.programs("docker-credential-secretservice")
    told = doctor.found(IMAGE)["pull with docker"][0][1]
    assert "own default (docker-credential-secretservice is on PATH)" in told
    doctor.write("bin/docker-credential-secretservice", "", 0o644)
    assert "own default" not in str(doctor.found(IMAGE))
    (doctor.root / "bin/docker-credential-secretservice").unlink()

    doctor.write(DOCKERS, json.dumps({"credsStore": "gone"}))
    found = doctor.found(IMAGE)
    assert "every registry is asked of docker-credential-gone" in found["docker"][0][1]
    assert found["helper"][1][:2] == (
        "fault",
        "docker-credential-gone: it is not on PATH, and docker would run it",
    )
    assert found["pull with docker"][0][0] == "fault"
    assert "docker-credential-gone" in found["pull with docker"][0][1]


@pytest.mark.parametrize(
    ("version", "read"), [((20, 10, 24), True), ((23, 0, 0), False), ((), False)]
)
def test_an_old_docker_reads_an_older_file(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...], read: bool
) -> None:
    monkeypatch.setattr(Machine, "version", lambda *_: version)
    doctor.write("home/u/.dockercfg", json.dumps(LOGIN))

    told = next(
        told[0][1] for area, told in doctor.found(IMAGE).items() if area[:16] == "pull with docker"
    )
    assert ("uses the login stored in /home/u/.dockercfg" in told) == read
    doctor.write("home/u/.dockercfg", '{"registry.example": {"auth": "!"}}')
    dockers = [told for area, told in doctor.found().items() if "docker" in area.split(", ")]
    assert ("auth is not USER:PASSWORD" in dockers[0][0][1]) == read
    doctor.write("home/u/.dockercfg", "username = u")
    assert (".dockercfg: it is not JSON" in doctor.found()["docker"][0][1]) == read
    doctor.write(DOCKERS, HELPERS)
    assert "uses the login" not in doctor.run(IMAGE).out


def test_crane_reads_podmans_file_where_docker_has_none(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    doctor.programs("crane")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1")
    doctor.write("run/user/1/containers/auth.json", HELPERS)
    pulled = doctor.found(IMAGE)
    doctor.write("run/user/1/containers/auth.json", "{")
    broken = doctor.found(IMAGE)

    assert "pull with podman, crane" in pulled
    assert broken["pull with podman, crane"][0][1].startswith("fails: /run/user/1/containers")


def test_crane_asks_for_the_repository_first(doctor: Doctor) -> None:
    doctor.programs("crane")
    named = {"registry.example/team/app": "regcred", "registry.example": "gone"}
    doctor.write(DOCKERS, json.dumps({"credHelpers": named}))
    found = doctor.found(IMAGE)

    assert "asked about registry.example/team/app because" in found["pull with crane"][0][1]
    assert found["pull with docker"][0][0] == found["pull with podman"][0][0] == "fault"


# What the next pull does

TEXTS = {
    "a login for the host": (json.dumps({"auths": LOGIN}), "fault", "uses the login stored in"),
    "nothing": ("{}", "fault", "is anonymous: regcred has one, and is not asked"),
    "an entry without a login": ('{"auths": {"registry.example": {}}}', "fault", "not asked"),
    "another helper": ('{"credHelpers": {"registry.example": "other"}}', "note", "not regcred"),
    "a missing helper": ('{"credHelpers": {"registry.example": "gone"}}', "fault", "cannot be run"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_what_keeps_a_login_of_regcreds_from_being_used_is_told(doctor: Doctor, case: str) -> None:
    text, level, words = TEXTS[case]
    doctor.programs("docker-credential-other")
    doctor.write(DOCKERS, text)
    done = doctor.run(IMAGE)
    found = doctor.found(IMAGE)

    pulled = [one for area in found if area.startswith("pull with") for one in found[area]]
    assert all(one[0] == level and words in one[1] for one in pulled), pulled
    assert done.code == (6 if level == "fault" else 0)
    assert level == "note" or all(one[2] for one in pulled)
    assert AUTH not in done.out
    assert "s3cr3t" not in done.out


def test_where_regcred_has_no_login_the_rest_is_a_note(
    doctor: Doctor, explain: Callable[..., None]
) -> None:
    explain([])
    found = {}
    doctor.programs("docker-credential-other")
    other = HELPERS.replace("regcred", "other")
    for text in (HELPERS, "{}", json.dumps({"auths": LOGIN}), other):
        doctor.write(DOCKERS, text)
        found[text] = doctor.found(IMAGE)["pull with docker, podman"][0]

    assert [level for level, _, _ in found.values()] == ["note"] * 4
    asked, nothing, stored, elsewhere = (what for _, what, _ in found.values())
    assert "regcred has" not in elsewhere
    assert "regcred, asked about registry.example" in asked
    assert "no login is set up here" in nothing
    assert "uses the login stored in" in stored


def candidate(**more: Any) -> dict[str, Any]:
    named = {"credential": {"id": "1", "name": "one"}, "rank": 1, "rule": "covers it", "reason": ""}
    return {**named, "scope": "registry.example/team", "withheld": False, **more}


RULE = "asked for registry.example: several, none for the whole registry"


@pytest.mark.parametrize("text", [HELPERS, "{}"])
@pytest.mark.parametrize(
    ("more", "level", "why", "fix"),
    [
        ({}, "fault", RULE, "store a login for all of registry.example"),
        ({"withheld": True}, "fault", RULE, "regcred credential verify one"),
        ({"reason": "no answer", "withheld": True}, "fault", "no answer", "verify one"),
        ({"rank": None, "rule": "does not cover it"}, "note", "does not cover it", ""),
    ],
)
def test_a_login_that_a_client_does_not_get_is_told_with_the_reason(
    doctor: Doctor,
    explain: Callable[..., None],
    stub: StubService,
    text: str,
    more: dict[str, Any],
    level: str,
    why: str,
    fix: str,
) -> None:
    explain([])
    stub.explained["candidates"] = [candidate(**more)]
    for client in stub.explained["clients"].values():
        client["notes"] = [RULE]
    doctor.write(DOCKERS, text)

    [(seen, what, to_do)] = doctor.found(IMAGE)["pull with docker, podman"]

    assert (seen, what.startswith("is anonymous: regcred"), why in what) == (level, True, True)
    assert fix in to_do
    assert "explain" not in what + to_do


def test_a_helper_that_cannot_run_is_what_fails(doctor: Doctor) -> None:
    doctor.write(DOCKERS, HELPERS)
    (doctor.root / "bin/docker-credential-regcred").chmod(0o644)
    found = doctor.found(IMAGE)

    assert found["helper"][0][:2] == (
        "fault",
        "docker-credential-regcred: /bin/docker-credential-regcred is not executable",
    )
    assert found["pull with podman"][0][1].startswith("fails: docker-credential-regcred")
    assert found["pull with docker"][0][1].startswith("is anonymous: docker-credential-regcred")
    assert found["pull with docker"][0][2] == "regcred docker install"

    doctor.write(DOCKERS, json.dumps({**json.loads(HELPERS), "auths": LOGIN}))
    [(level, what, _)] = doctor.found(IMAGE)["pull with docker"]
    assert (level, "regcred's helper fails, and it has one" in what) == ("fault", True)


def test_a_second_helper_on_the_path_is_told(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/bin:/bin:/usr/bin")
    doctor.write("usr/bin/docker-credential-regcred", "", 0o755)

    assert doctor.found()["helper"][1][:2] == (
        "note",
        f"/usr/bin/{HELPER} is passed over: /bin/{HELPER} comes first on PATH",
    )


# A node


def kubelet(doctor: Doctor, *arguments: str) -> None:
    doctor.write("proc/17/cmdline", "\0".join(["/usr/bin/kubelet", *arguments]) + "\0")


KUBELET_CONFIG = """
apiVersion: kubelet.config.k8s.io/v1
kind: CredentialProviderConfig
providers:
- name: regcred-kubelet-provider
  matchImages: ["registry.example"]
  defaultCacheDuration: 0s
  apiVersion: credentialprovider.kubelet.k8s.io/v1
"""
PROVIDERS = (
    "--image-credential-provider-config=/etc/kubernetes/cp.yaml",
    "--image-credential-provider-bin-dir=/opt/cp",
)


def test_a_running_kubelets_provider_is_found_and_matched(doctor: Doctor) -> None:
    kubelet(doctor, *PROVIDERS, "--config", "/k.yaml")
    doctor.write("k.yaml", "imagePullCredentialsVerificationPolicy: AlwaysVerify")
    doctor.write("etc/kubernetes/cp.yaml", KUBELET_CONFIG)
    missing = doctor.found(IMAGE)["kubelet"]
    doctor.write("opt/cp/regcred-kubelet-provider", "")
    locked = doctor.found(IMAGE)["kubelet"]
    (doctor.root / "opt/cp/regcred-kubelet-provider").chmod(0o755)
    right = doctor.found(IMAGE)["kubelet"]
    every = doctor.found()["kubelet"]
    doctor.write("etc/kubernetes/cp.yaml", KUBELET_CONFIG.replace("registry.example", "b.example"))
    other = doctor.found(IMAGE)["kubelet"]
    doctor.write("etc/kubernetes/cp.yaml", "kind: Pod")
    broken = doctor.found(IMAGE)["kubelet"]

    assert missing[0][1] == "/opt/cp/regcred-kubelet-provider is not there"
    assert locked[0][2] == "chmod 755 /opt/cp/regcred-kubelet-provider"
    assert right[0][:2] == (
        "ok",
        "regcred-kubelet-provider is asked about registry.example/team/app, and gets one",
    )
    assert right[1][1] == "imagePullCredentialsVerificationPolicy is AlwaysVerify"
    assert "is asked about registry.example" in every[0][1]
    assert (other[0][0], "matchImages has nothing" in other[0][1]) == ("fault", True)
    assert "the kubelet does not start" in broken[0][1]


def test_providers_may_stand_in_a_folder(doctor: Doctor) -> None:
    kubelet(doctor, "--image-credential-provider-config=/cp", *PROVIDERS[1:])
    other = KUBELET_CONFIG.replace("regcred-kubelet-provider", "b").replace("registry.ex", "b.ex")
    doctor.write("cp/b.yaml", other)
    doctor.write("cp/README", "not read")
    doctor.write("opt/cp/b", "", 0o755)

    [(level, what, _)] = doctor.found(IMAGE)["kubelet"]

    assert (level, what.startswith("b is not asked about")) == ("note", True)


def test_a_provider_without_a_folder_or_a_file_is_a_fault(doctor: Doctor) -> None:
    kubelet(doctor, PROVIDERS[0])
    no_folder = doctor.found()["kubelet"]
    kubelet(doctor, *PROVIDERS)
    no_file = doctor.found()["kubelet"]
    kubelet(doctor)
    neither = doctor.found()["kubelet"]

    assert (no_folder[0][0], "bin-dir is missing" in no_folder[0][1]) == ("fault", True)
    assert (no_file[0][0], "it is not there" in no_file[0][1]) == ("fault", True)
    assert neither[0][0] == "note"


def test_a_kubelet_that_does_not_run_is_known_by_its_files(doctor: Doctor) -> None:
    doctor.write("var/lib/kubelet/config.yaml", "[]")
    doctor.write("etc/default/kubelet", f'KUBELET_EXTRA_ARGS="{PROVIDERS[0]}"')

    told = doctor.found()["kubelet"]

    assert told[0][1].startswith("none is running")
    assert "bin-dir is missing" in told[1][1]
    assert "no KubeletConfiguration" in told[2][1]


def test_the_nodes_own_logins_are_told_without_their_secrets(doctor: Doctor) -> None:
    kubelet(doctor)
    doctor.write("var/lib/kubelet/config.json", json.dumps({"auths": LOGIN}))
    doctor.write(".dockercfg", json.dumps(LOGIN))
    doctor.write("root/.docker/config.json", '{"auths": {"a": {"auth": "!"}}}')

    done = doctor.run(IMAGE)
    told = [what for _, what, _ in doctor.found(IMAGE)["kubelet"]]

    assert any(one.startswith("tries the login in /var/lib/kubelet/config.json") for one in told)
    assert any("takes no login from it" in one for one in told)
    assert any(one.startswith("tries the login in /.dockercfg") for one in told)
    assert AUTH not in done.out
    assert not any("tries the login" in what for _, what, _ in doctor.found()["kubelet"])


def test_containerds_hosts_are_read_from_where_it_looks(doctor: Doctor) -> None:
    doctor.write("etc/containerd/config.toml", "version = 2")
    doctor.write(
        "etc/containerd/certs.d/registry.example/hosts.toml",
        'server = "https://registry.example"\n[host."https://mirror.example"]\n'
        'skip_verify = true\n[host."https://mirror.example".header]\nauthorization = "s3cr3t"\n',
    )
    doctor.write("etc/containerd/certs.d/_default/hosts.toml", "")
    pulled = doctor.found(IMAGE)["containerd"]
    every = doctor.found()["containerd"]

    assert [level for level, _, _ in pulled] == ["note", "ok", "note", "note"]
    assert "config_path is not set" in pulled[0][1]
    assert "https://mirror.example, then https://registry.example" in pulled[1][1]
    assert "sends a login of its own to https://mirror.example" in pulled[2][1]
    assert "does not verify" in pulled[3][1]
    assert any("pulls from the registry itself" in what for _, what, _ in every)
    assert "s3cr3t" not in doctor.run(IMAGE).out


def test_containerds_own_logins_and_contradictions_are_told(doctor: Doctor) -> None:
    section = 'plugins."io.containerd.grpc.v1.cri".registry'
    doctor.write(
        "etc/containerd/config.toml",
        f'[{section}]\nconfig_path = "/c"\n[{section}.mirrors.a]\nendpoint = ["https://b"]\n'
        f'[{section}.configs."a.example".auth]\npassword = "s3cr3t"\n',
    )
    doctor.write("c/registry.example/hosts.toml", "server = [")
    told = doctor.found(IMAGE)["containerd"]
    doctor.write("etc/containerd/config.toml", "[")
    broken = doctor.found()["containerd"]
    (doctor.root / "etc/containerd/config.toml").unlink()

    assert [level for level, _, _ in told] == ["fault", "note", "fault"]
    assert "login for a.example stands in" in told[1][1]
    assert "no image of it can be pulled" in told[2][1]
    assert "containerd does not start" in broken[0][1]
    assert "containerd" not in doctor.found()


def test_a_kubelet_may_keep_its_files_elsewhere(doctor: Doctor) -> None:
    kubelet(doctor, "--root-dir=/data/kubelet")
    doctor.write("data/kubelet/config.json", json.dumps({"auths": LOGIN}))
    doctor.write("var/lib/kubelet/config.yaml", "kind: KubeletConfiguration")

    [_, (level, what, _)] = doctor.found(IMAGE)["kubelet"]

    assert (level, "/data/kubelet/config.json" in what) == ("note", True)
