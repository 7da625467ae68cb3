"""Secrets made for each test, searched for in everything the programs say and leave behind.

The service runs at its most talkative log level against a real registry. What may show a secret
(resolve, the helper's `get`, a key on its creation) is let through by name, one secret at a time;
every other answer, log, file, argument list and environment is a sink that must stay clean.
"""

from __future__ import annotations

import base64
import json
import secrets
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from regcred.clients import assembly
from regcred.clients.assembly import KUBELET_PLUGIN
from tests.clients.agents import runtime_folder
from tests.system.conftest import RequireTool
from tests.tools.api import Api
from tests.tools.canary import Canary, Hit, Scanner
from tests.tools.issuer import AUDIENCE, Issuer, rsa_key, serving
from tests.tools.otlp import Collector
from tests.tools.programs import (
    LOOPBACK,
    Daemon,
    environment,
    free_port,
    regcred,
    run_watched,
    wait_for,
)
from tests.tools.pullers import Machine
from tests.tools.receiver import Receiver
from tests.tools.world import World, running

pytestmark = pytest.mark.system

PATH = "projects/-/credentials"
FORMS = (
    *("dockerconfigjson", "auth.json", "docker-auth-config", "kubernetes-secret"),
    *("external-secrets", "argocd", "nomad", "hosts.toml"),
)
KUBELET = {
    "kind": "CredentialProviderRequest",
    "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
    "image": "registry.example.com/app",
}


@dataclass
class Watch:
    """A world whose every word is scanned as it is spoken."""

    world: World
    server: Daemon
    scanner: Scanner
    api: Api
    machine: Machine
    collector: Collector
    metrics: int
    """The port where they are served."""

    kept_keys: set[str] = field(default_factory=set)
    """Labels of keys that this machine's own client.conf exists to keep."""

    def canary(self, label: str, username: str = "puller") -> str:
        """Make a secret that is looked for from now on, and return it."""
        made = Canary.fresh(f"{label}-{secrets.token_hex(3)}", username)
        self.scanner.add(made)
        return made.secret

    def watch_key(self, label: str, key: str) -> str:
        """Look for an API key's secret part from now on; its public id may be shown."""
        self.scanner.add(Canary(label, key.split("_")[2]))
        return key

    def login(self, key: str) -> None:
        """Give the machine a key, which its own file may keep and nothing else may show."""
        self.watch_key("machine key", key)
        self.kept_keys.add("machine key")
        self.cli("login", "--url", self.world.service.url, "--key-stdin", stdin=key)

    @property
    def hits(self) -> list[Hit]:
        """Return what was found where it must not be."""
        return [
            hit
            for hit in self.scanner.hits
            if not (hit.canary in self.kept_keys and hit.sink.endswith("/client.conf"))
        ]

    def heard(self, answer: httpx2.Response) -> None:
        request = answer.request
        head = "\n".join(f"{name}: {value}" for name, value in answer.headers.multi_items())
        self.scanner.scan(
            f"answer: {request.method} {request.url.path} {answer.status_code}",
            head.encode(),
            answer.content,
        )

    def program(self, name: str, argv: list[str], stdin: str = "") -> str:
        """Run a client program; scan all but its stdout, which is returned."""
        watched = run_watched(argv, env=self.machine.env, stdin=stdin)
        self.scanner.scan(f"{name}: stderr", watched.finished.err.encode())
        self.scanner.scan(f"{name}: cmdline", *watched.command_lines)
        self.scanner.scan(f"{name}: environ", *watched.environments)
        return watched.finished.out

    def helper(self, verb: str, stdin: str, *, reveals: bool = False) -> str:
        said = self.program(f"helper {verb}", [str(self.machine.helper_path), verb], stdin)
        if not reveals:
            self.scanner.scan(f"helper {verb}: stdout", said.encode())
        return said

    def cli(self, *arguments: str, stdin: str = "", reveals: bool = False) -> str:
        said = self.program(f"regcred {arguments[0]}", [*regcred(), *arguments], stdin)
        if not reveals:
            self.scanner.scan(f"regcred {' '.join(arguments[:2])}: stdout", said.encode())
        return said

    def settle(self) -> None:
        """Scan what lies about: files, logs, and the server's own process."""
        self.scanner.scan_process("server", self.server.pid)
        self.scanner.scan_tree("files", self.world.folder)
        url = f"http://{LOOPBACK}:{self.metrics}/metrics"
        self.scanner.scan("metrics", httpx2.get(url, trust_env=False).content)

    def await_traces(self) -> None:
        """Scan what the collector got, once it has what happened until now."""
        asked = secrets.token_hex(8)
        self.world.api.send("GET", "whoami", headers={"X-Request-Id": asked})
        wait_for(lambda: any(asked.encode() in body for _, body in self.collector.got))
        self.scanner.scan("traces", *(body for _, body in self.collector.got))


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector().serving() as serving:
        yield serving


@pytest.fixture(scope="module")
def metrics() -> int:
    return free_port()


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory,
    require_tool: RequireTool,
    collector: Collector,
    metrics: int,
) -> Iterator[World]:
    for name in ("docker-registry", "htpasswd", "skopeo"):
        require_tool(name)
    folder = tmp_path_factory.mktemp("canary")
    options = ("--metrics-port", str(metrics))
    settings = {"REGCRED_OTEL_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}
    with running(folder, "token", log_level="debug", options=options, settings=settings) as made:
        yield made


@pytest.fixture
def watch(
    world: World, collector: Collector, metrics: int, request: pytest.FixtureRequest
) -> Iterator[Watch]:
    scanner = Scanner()
    machine, _ = world.machine(request.node.originalname, role="admin")
    made = Watch(world, world.server, scanner, world.api, machine, collector, metrics)
    made.watch_key("operator key", world.service.key)
    key = world.api.make_key("canary", "admin")["key"]
    made.watch_key("admin key", key)
    with world.service.api(key, heard=made.heard) as api:
        made.api = api
        yield made
    made.settle()
    made.await_traces()
    assert made.hits == []
    # A sink that was not there would be clean too.
    for sink in (
        *(".db", ".db-wal", "/keyring.json", "logs/regcred.err", "server: cmdline"),
        *("metrics", "traces"),
    ):
        assert any(name.endswith(sink) and size for name, size in scanner.read.items()), sink


def stored(watch: Watch, name: str, password: str, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = watch.api.add(
        name,
        watch.world.registry.address,
        "puller",
        password,
        settings=watch.world.settings,
        **more,
    )
    return made


def test_the_life_of_a_login(watch: Watch) -> None:
    world, api = watch.world, watch.api
    right = watch.canary("right")
    world.set_password("puller", right)
    bad = watch.canary("bad")

    made = stored(watch, "life", bad, labels={"team": "a"}, description="one")
    api.send("GET", f"{PATH}/life")
    api.send("GET", f"{PATH}/{made['id']}")
    api.send("GET", f"{PATH}?limit=1&label=team&username=puller")
    assert api.verify("life", world.image())["verdict"] == "rejected"
    body = {
        "name": "life",
        "registry_url": world.registry.address,
        "username": "puller",
        "password": right,
        "settings": world.settings,
    }
    assert api.send("PUT", f"{PATH}/life", body).status_code == 200
    assert api.verify("life", world.image())["verdict"] == "ok"
    assert api.verify("life", world.image("other/app"))["verdict"] == "denied"
    assert api.set_password("life", right)["version"] > 1
    api.send("POST", f"{PATH}?verify=require", {**body, "name": "not", "password": bad})
    api.send("POST", f"{PATH}:verify", {**body, "image": world.image()})
    api.send("PUT", f"{PATH}/life/uses/deployment/web", {"lease_seconds": 60})
    api.explain(world.image())
    for listing in (f"{PATH}/life/verdicts", "projects/-/audit", "projects/-/keys", "projects"):
        api.send("GET", listing)
    with world.service.api(api.key) as unscanned:
        logins = unscanned.resolve(world.image())["logins"]
    assert [login["password"] for login in logins] == [right]
    assert len(api.send("GET", f"{PATH}/life/fetches").json()["items"]) == 1
    assert "never" not in watch.cli("credential", "show", "life")
    watch.settle()
    api.send("DELETE", f"{PATH}/life")
    api.send("DELETE", f"{PATH}/life?force=true")


def test_a_secret_for_a_cluster_shows_its_login_on_stdout_alone(watch: Watch) -> None:
    secret = watch.canary("cluster")
    stored(watch, "cluster", secret)

    said = watch.cli("kubernetes", "secret", "pull", "-c", "cluster", "-o", "json", reveals=True)

    text = base64.b64decode(json.loads(said)["data"][".dockerconfigjson"])
    assert [one["password"] for one in json.loads(text)["auths"].values()] == [secret]


def test_a_login_that_goes_bad_by_itself(watch: Watch) -> None:
    """Nobody asks: the service checks it, tells of it, and shows the secret nowhere."""
    world, api = watch.world, watch.api
    secret = watch.canary("rechecked")
    world.set_password("puller", secret)
    stored(watch, "rechecked", secret)
    assert api.verify("rechecked", world.image())["verdict"] == "ok"
    with world.service.api(api.key) as unscanned:
        watch.login(unscanned.make_key("hears", "viewer")["key"])
    world.set_password("puller", "somebody changed it")
    world.service.make_due("rechecked")

    path = "projects/-/events?credential=rechecked"
    (event,) = wait_for(lambda: api.send("GET", path).json()["items"])
    assert event["details"]["to"] == "rejected"
    assert "rejected" in watch.cli("events", "--credential", "rechecked", "-o", "json")
    assert "rejected" in watch.cli("credential", "history", "rechecked", "-o", "json")
    checks = api.send("GET", "projects/-/audit?principal=system:recheck").json()["items"]
    assert event["credential"]["id"] in {row["target"] for row in checks}
    watch.settle()
    watch.api.remove("rechecked")


def test_keys_change_beside_the_server_and_nothing_is_shown(watch: Watch, tmp_path: Path) -> None:
    secret = watch.canary("rewrapped")
    stored(watch, "rewrapped", secret)
    data = ("--data", str(watch.world.service.data))
    ring = watch.world.service.data / "keys" / "keyring.json"

    said = [
        watch.cli("keys", *command, *data)
        for command in (
            *(["status"], ["rotate"], ["rewrap"], ["status", "-o", "json"], ["verify"]),
            ["escrow", str(tmp_path / "shares")],
        )
    ]

    key = json.loads(said[3])["keys"][0]
    assert key["primary"]
    assert key["seeds"] >= 1
    with watch.world.service.api(watch.api.key) as unscanned:
        logins = unscanned.resolve(watch.world.image())["logins"]
    assert secret in [login["password"] for login in logins]
    for entry in json.loads(ring.read_text())["keys"]:
        bare = base64.b64decode(entry["key"])
        assert not any(form in "".join(said) for form in (entry["key"], bare.hex()))
    watch.api.remove("rewrapped")


def test_a_backup_holds_no_secret_and_its_drill_shows_none(watch: Watch) -> None:
    gone, secret = watch.canary("not backed up"), watch.canary("backed up")
    stored(watch, "backed-up", gone)
    watch.api.set_password("backed-up", secret)
    data = ("--data", str(watch.world.service.data))

    backup = watch.cli("backup", str(watch.world.folder / "backups"), *data).strip()
    tried = json.loads(watch.cli("restore", "--check", backup, *data, "-o", "json"))
    watch.cli("scrub", *data)
    watch.settle()

    assert tried["ok"]
    assert tried["opened"] >= 1
    watch.api.remove("backed-up")


def test_a_password_that_was_replaced_or_deleted_is_gone(watch: Watch) -> None:
    old, new = watch.canary("old"), watch.canary("new")
    stored(watch, "gone", old)
    watch.api.set_password("gone", new)
    watch.settle()
    watch.api.remove("gone")


def test_keys_show_once(watch: Watch) -> None:
    with watch.world.service.api(watch.api.key) as unscanned:
        made = unscanned.make_key("shown", "puller", image_patterns=["registry.example.com/*"])
    key = watch.watch_key("made", made["key"])
    with watch.world.service.api(key, heard=watch.heard) as api:
        api.send("GET", "whoami")
        api.send("GET", PATH)
        api.send("POST", "projects/-/resolve", {"image": "registry.example.com/a"})
        watch.api.send("GET", f"projects/-/keys/{made['id']}")
        watch.api.send("PATCH", f"projects/-/keys/{made['id']}", {"disabled": True})
        api.send("GET", "whoami")
        watch.api.revoke(made["id"])
        api.send("GET", "whoami")
        watch.api.send("GET", "projects/-/audit")


def test_a_webhooks_secret_shows_once_and_never_reaches_its_receiver(watch: Watch) -> None:
    hooks = "projects/-/webhooks"
    with Receiver().serving() as receiver, watch.world.service.api(watch.api.key) as unscanned:

        def look_for(made: Any) -> str:
            """Look for a secret from now on, as it is shown and as the bytes it spells."""
            text = str(made["secret"]).removeprefix("whsec_")
            watch.scanner.add(Canary(f"signing secret {len(watch.scanner.read)}", text))
            watch.scanner.add(Canary("its bytes", base64.b64decode(text).hex()))
            return f"{hooks}/{made['id']}"

        path = look_for(unscanned.ask("POST", hooks, {"url": receiver.url}))
        given = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        look_for({"secret": given, "id": ""})
        for method, where, body in (
            ("GET", hooks, None),
            ("GET", path, None),
            ("POST", f"{path}:test", None),
            ("PATCH", path, {"url": f"{receiver.url}&more"}),
            ("POST", f"{path}:test", None),
            ("POST", f"{path}:rotate-secret", {"secret": given}),
            ("POST", f"{path}:test", None),
            ("POST", hooks, {"url": receiver.url, "secret": given}),
            ("POST", hooks, {"url": receiver.url, "secret": f"{given}\n"}),
            ("POST", hooks, {"url": receiver.url, "secret": [given]}),
            ("POST", hooks, {"url": f"{receiver.url}/{given}", "secrt": given}),
            ("POST", hooks, {"url": f"http://u:{given}@127.0.0.1/", "kinds": [given]}),
            ("POST", f"{path}:rotate-secret", {"secret": given[:-4]}),
            ("GET", "projects/-/audit", None),
        ):
            assert watch.api.send(method, where, body).status_code < 500
        look_for(unscanned.ask("POST", f"{path}:rotate-secret"))
        watch.api.send("POST", f"{path}:test")
        watch.login(watch.world.api.make_key("hooks", "admin")["key"])
        id_ = path.rpartition("/")[2]
        look_for(
            {
                "id": id_,
                "secret": watch.cli("webhook", "rotate", id_, reveals=True).strip(),
            }
        )
        for arguments in (("ls",), ("show", id_), ("test", id_)):
            watch.cli("webhook", *arguments)
        watch.cli("webhook", "add", receiver.url, "--secret-stdin", stdin=given)
        watch.cli("webhook", "rotate", id_, "--secret-stdin", stdin=f"{given}x")
        assert len(receiver.got) == 5
        for got in receiver.got:
            watch.scanner.scan("receiver", json.dumps(got.headers).encode(), got.body)
        watch.settle()
        for one in unscanned.ask("GET", hooks)["items"]:
            watch.api.send("DELETE", f"{hooks}/{one['id']}")


def test_imports_show_no_secret_whatever_they_read(watch: Watch, tmp_path: Path) -> None:
    """Files are outside the scanned folder: what others keep in clear is theirs."""
    watch.login(watch.world.api.make_key("imports", "admin")["key"])
    address = watch.world.registry.address
    secret = watch.canary("imported")
    pair = base64.b64encode(f"puller:{secret}".encode()).decode()
    config = json.dumps({"auths": {address: {"auth": pair}, "b.example": {"auth": secret}}})
    manifest = {
        "kind": "Secret",
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": config},
    }
    typed = tmp_path / "typed.json"
    typed.write_text(json.dumps({"imported": secret}))
    typed.chmod(0o600)
    watch.world.set_password("puller", secret)
    for more in (("--verify",), ("--apply", "-o", "json"), ("--compare", "--update", "--apply")):
        watch.cli("import", "docker-config", "-", *more, stdin=config)
    watch.cli("import", "kubernetes", "-", "-o", "json", stdin=json.dumps(manifest))
    watch.cli("import", "kubernetes", "-", stdin=f"a: [{secret}\nb: }}")
    watch.cli("import", "docker-config", "-", stdin=config[:-2])
    vendor_key = watch.watch_key("vendor key", watch.world.api.make_key("vendor", "viewer")["key"])
    for vendor, path in (("gcore --gcore-project 1", ""), ("yotta", ""), ("sevalla", "/v3")):
        url = f"{watch.world.service.url}{path}"
        arguments = ("--url", url, "--key-stdin", "--secrets-file", str(typed), "--update")
        watch.cli("import", *vendor.split(), *arguments, stdin=vendor_key)
    image = watch.world.image()
    assert watch.cli("export", "argocd", "--image", image, reveals=True) == f"puller:{secret}"
    with watch.world.service.api(watch.api.key) as unscanned:
        logins = unscanned.resolve(watch.world.image())["logins"]
    assert secret in [login["password"] for login in logins]
    watch.settle()
    for one in watch.api.send("GET", PATH).json()["items"]:
        watch.api.send("DELETE", f"{PATH}/{one['id']}")


def test_a_pods_token_pulls_and_is_kept_nowhere(watch: Watch) -> None:
    """A real service fetches the keys of a real issuer over TLS, and believes it and no other."""
    world, api = watch.world, watch.api
    secret = watch.canary("pods")
    world.set_password("puller", secret)
    stored(watch, "pods", secret)
    issuer = Issuer(datetime.now(UTC))
    workload: dict[str, Any] = {"namespace": "shop", "service_account": "web", "cluster": "canary"}

    def looked_for(token: str) -> str:
        for part in token.split(".")[1:]:
            watch.scanner.add(Canary(f"token {len(watch.scanner.read)}", part))
        return token

    with serving(issuer) as served, world.service.api() as operator:
        cluster = {"issuer": issuer.name, "audience": AUDIENCE, "ca_bundle": served.ca}
        operator.ask("PUT", "clusters/canary", cluster)
        image = world.image()
        allowed = operator.ask(
            "POST",
            "projects/-/workloads",
            {**workload, "image_patterns": [image.rpartition(":")[0]]},
        )
        good = looked_for(issuer.token())
        with world.service.api(good) as pod:
            logins = pod.resolve(image)["logins"]
        bad = [
            looked_for(issuer.token(exp=1)),
            looked_for(issuer.token(aud=["another"])),
            looked_for(Issuer(issuer.now, issuer.name, key=rsa_key("stranger")).token()),
        ]
        for token in (good, *bad):
            with world.service.api(token, heard=watch.heard) as pod:
                for path in (PATH, "whoami", "projects/-/workloads"):
                    assert pod.send("GET", path).status_code == 401
                pod.send("POST", "projects/-/resolve", {"image": 7, token: token})
                other = pod.send("POST", "projects/-/resolve", {"image": "elsewhere.example/a"})
                assert other.status_code == (200 if token == good else 401)
        operator.ask("DELETE", f"projects/-/workloads/{allowed['id']}")
        with world.service.api(good, heard=watch.heard) as pod:
            assert pod.send("POST", "projects/-/resolve", {"image": image}).status_code == 403
        operator.ask("DELETE", "clusters/canary")

    assert [login["password"] for login in logins] == [secret]
    (row,) = api.send("GET", f"{PATH}/pods/fetches").json()["items"]
    assert (row["principal"], row["node"]) == ("pod:canary/shop/web", "node-7")
    assert set(served.asked) == {
        "/.well-known/openid-configuration",
        "/openid/v1/jwks",
    }
    api.send("GET", "projects/-/audit")
    watch.settle()
    api.remove("pods")


CLEAN: dict[str, Any] = {
    "name": "broken",
    "registry_url": "registry.example.com",
    "username": "u",
}
"""A credential's fields but the password, all right."""


def broken_bodies(c: str) -> dict[str, bytes]:
    """Return bodies that are wrong in one way each, with a canary inside."""
    text = json.dumps(c)
    whole = {**CLEAN, "password": c}

    def body(**more: Any) -> bytes:
        return json.dumps({**whole, **more}).encode()

    return {
        "missing field": json.dumps({"password": c}).encode(),
        "null field": body(username=None),
        "wrong type, list": body(password=[c]),
        "wrong type, object": body(password={"value": c}),
        "wrong type beside it": body(username=7),
        "wrong type of labels": body(labels=[c]),
        "wrong type of settings": body(settings=c),
        "settings nobody knows": body(settings={"nonsense": c}),
        "setting's name": body(settings={c: "x"}),
        "label's name": body(labels={c: "x"}),
        "too long": body(password=c * 1000),
        "body too large": body(password=c * 5000),
        "NUL": body(password=c + "\0"),
        "lone surrogate": json.dumps({**whole}).encode().replace(b'"name"', b'"\\ud800"'),
        "secret as name": body(name=c),
        "secret as provider": body(provider=c),
        "secret as time": body(expires_at=c),
        "secret in user info": body(registry_url=f"https://user:{c}@registry.example.com"),
        "unknown field": body(passwrd=c),
        "unknown field named so": body(**{c: 1}),
        "list body": json.dumps([c]).encode(),
        "text body": text.encode(),
        "cut short": body()[:-2],
        "trailing words": body() + b" " + text.encode(),
        "duplicate keys": f'{{"password": {text}, "password": {text}, "name": "d"}}'.encode(),
        "not UTF-8": body() + b"\xff\xfe",
        "NaN": body()[:-1] + b', "labels": NaN}',
        "huge number": body()[:-1] + b', "labels": 9223372036854775808}',
        "deep": body()[:-1] + b', "labels": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        "no JSON at all": c.encode(),
    }


GCORE = "//cloud/v3/inference/1/registry_credentials"
YOTTA = "//v2/container-registry-auths"
YOTTA_V1 = "//openapi/v1/credentials"
SEVALLA = "//v3/docker-registries"


def test_the_life_of_a_login_on_every_vendors_face(watch: Watch) -> None:
    """The faces' own words for it, good and bad; the login then pulls, so it was really stored."""
    api, address = watch.api, watch.world.registry.address
    gcore = {"Authorization": f"APIKey {api.key}"}
    secret, again = watch.canary("face"), watch.canary("face again")
    said: list[tuple[str, str, dict[str, Any], dict[str, str]]] = []
    for password in (secret, again):
        login = {"username": "puller", "password": password}
        said += [
            ("POST", GCORE, {**login, "name": "on-gcore", "registry_url": address}, gcore),
            ("PUT", f"{GCORE}/on-gcore", {**login, "registry_url": address}, gcore),
            ("PUT", f"{GCORE}/none", {**login, "registry_url": address}, gcore),
            ("POST", GCORE, {**login, "name": password, "registry_url": address}, gcore),
            ("POST", GCORE, {**login, "name": "x-y-z", "registry_url": [password]}, gcore),
            ("POST", YOTTA, {**login, "name": "on-yotta", "type": "ACR"}, {}),
            ("POST", YOTTA, {**login, "name": password, "type": password}, {}),
            ("PATCH", f"{YOTTA}/999", {**login}, {}),
            ("POST", f"{YOTTA_V1}/create", {"name": "v1", "username": "u", "token": password}, {}),
            ("POST", f"{YOTTA_V1}/create", {"name": "v2", "username": "u", "tokn": password}, {}),
            ("POST", SEVALLA, {"name": "on-s", "username": "u", "secret": password}, {}),
            ("POST", SEVALLA, {"name": "s", "username": password, "secret": password}, {}),
            ("POST", SEVALLA, {"name": "s", "username": "u", "secret": f"{password}\n"}, {}),
        ]
    statuses = [
        api.send(method, path, body, headers=headers).status_code
        for method, path, body, headers in said
    ]
    for root, headers in ((GCORE, gcore), (YOTTA, {}), (f"{YOTTA_V1}/list", {}), (SEVALLA, {})):
        assert api.send("GET", root, headers=headers).status_code == 200
    with watch.world.service.api(api.key) as unscanned:
        logins = unscanned.resolve(watch.world.image())["logins"]
    shown = api.send("GET", SEVALLA).json()["data"]
    for one in shown:
        for change in ({"secret": again}, {"registry": "github"}, {"registry": again}):
            api.send("PATCH", f"{SEVALLA}/{one['id']}", change)

    assert {200, 201, 400, 404, 409, 422} == set(statuses)
    assert again in [login["password"] for login in logins]
    watch.settle()
    for one in shown:
        api.send("DELETE", f"{SEVALLA}/{one['id']}")


@pytest.mark.parametrize("what", sorted(broken_bodies("")))
def test_a_broken_body_is_not_echoed(watch: Watch, what: str) -> None:
    content = broken_bodies(watch.canary(what))[what]
    as_json = {"Content-Type": "application/json"}
    targets = [
        ("POST", PATH),
        ("POST", f"{PATH}:verify"),
        ("PUT", f"{PATH}/none"),
        ("PATCH", f"{PATH}/none"),
        ("POST", "projects/-/keys"),
        ("POST", "projects"),
        ("POST", "projects/-/webhooks"),
        ("POST", "projects/-/webhooks/none:rotate-secret"),
        ("POST", "projects/-/resolve"),
        ("POST", "projects/-/kubelet-credential"),
        ("POST", "projects/-/explain"),
        ("POST", "projects/-/docker-credential/store"),
        ("POST", GCORE),
        ("PUT", f"{GCORE}/none"),
        ("POST", YOTTA),
        ("PATCH", f"{YOTTA}/1"),
        ("POST", f"{YOTTA_V1}/create"),
        ("POST", SEVALLA),
        ("PATCH", f"{SEVALLA}/019a9c1e-0000-7000-8000-000000000001"),
    ]
    gcore = {**as_json, "Authorization": f"APIKey {watch.api.key}"}
    answers = [
        watch.api.send(
            method, path, content=content, headers=gcore if path.startswith(GCORE) else as_json
        )
        for method, path in targets
    ]

    # The other operations may find other faults first; none may fail inside.
    assert [one.status_code for one in answers if one.status_code >= 500] == []
    assert 400 <= answers[0].status_code < 500, answers[0].text


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml", ""]
)
def test_a_body_of_another_type_is_not_echoed(watch: Watch, content_type: str) -> None:
    content = json.dumps({**CLEAN, "password": watch.canary("typed")}).encode()

    answer = watch.api.send("POST", PATH, content=content, headers={"Content-Type": content_type})

    assert answer.status_code == 415


def test_a_secret_in_the_wrong_place_is_not_echoed(watch: Watch) -> None:
    """People paste secrets into names, images and addresses; the answer must not repeat them."""
    api = watch.api
    misplaced = httpx2.URL("/", params={"q": watch.canary("misplaced")}).query[2:].decode()
    raw = watch.canary("misplaced raw")
    where = {"registry_url": CLEAN["registry_url"]}
    answers = [
        api.send("GET", f"{PATH}/{misplaced}"),
        api.send("GET", f"{PATH}/{misplaced}/verdicts"),
        api.send("DELETE", f"{PATH}/{misplaced}"),
        api.send("GET", f"projects/{misplaced}"),
        api.send("GET", f"projects/-/keys/{misplaced}"),
        api.send("GET", f"//{misplaced}"),
        api.send("GET", f"//v1/{misplaced}"),
        *(
            api.send("GET", f"{PATH}?{name}={misplaced}")
            for name in ("limit", "cursor", "verdict", "expiring_before", "label", "x", "registry")
        ),
        api.send("POST", f"{PATH}?verify={misplaced}", {**CLEAN, "password": "p"}),
        api.send("POST", "projects/-/resolve", {"image": raw}),
        api.send("POST", "projects/-/explain", {"image": raw}),
        *(
            api.send("GET", f"projects/-/{form}?{name}={misplaced}")
            for form in FORMS
            for name in ("image", "credential", "force", "name", "x")
        ),
        api.send("GET", "projects/-/auth.json", headers={"If-None-Match": misplaced}),
        api.send("POST", "projects/-/kubelet-credential", {**KUBELET, "image": raw}),
        api.send("POST", "projects/-/kubelet-credential", {**KUBELET, "kind": raw}),
        api.send("POST", "projects/-/kubelet-credential", {**KUBELET, "apiVersion": raw}),
        api.send("POST", "projects/-/kubelet-credential", {**KUBELET, raw: raw}),
        api.send("POST", f"{PATH}:verify", {**CLEAN, "password": "p", "image": raw}),
        api.send("POST", "projects/-/registries:probe", {"registry_url": raw}),
        api.send("POST", "projects/-/registries:probe", {"registry_url": f"http://u:{raw}@r.test"}),
        *(
            api.send("POST", "projects/-/registries:probe", {**where, "settings": settings})
            for settings in ({raw: "x"}, {"realm": raw}, {"ca_bundle": raw})
        ),
        api.send("POST", "projects/-/keys", {"name": "k", "role": raw}),
        api.send("POST", "projects/-/keys", {"name": "k", "role": "puller", "expires_at": raw}),
        api.send(
            "POST", "projects/-/keys", {"name": "k", "role": "puller", "image_patterns": [raw]}
        ),
        api.send("PATCH", f"{PATH}/none", {}, headers={"If-Match": misplaced}),
        api.send("GET", "whoami", headers={"Authorization": f"Basic {misplaced}"}),
        api.send("GET", "whoami", headers={"Authorization": f"Bearer {misplaced}"}),
        api.send("GET", "whoami", headers={"Authorization": f"Bearer rgc_{misplaced}"}),
        api.send("GET", "whoami", headers={"Cookie": f"session={misplaced}"}),
    ]

    assert [one.status_code for one in answers if one.status_code >= 500] == []


def test_a_hand_out_shows_a_login_and_nothing_else_does(watch: Watch) -> None:
    api = watch.api
    stored(watch, "handed", watch.canary("handed"))
    paths = [f"projects/-/{form}?credential=handed" for form in FORMS]
    with watch.world.service.api(api.key) as unscanned:
        shown = [unscanned.send("GET", path) for path in paths]
        asked = {**KUBELET, "image": watch.world.image()}
        shown.append(unscanned.send("POST", "projects/-/kubelet-credential", asked))
        viewer = unscanned.make_key("sees", "viewer")["key"]
    assert [one.status_code for one in shown] == [200] * len(shown)

    for path, one in zip(paths, shown, strict=False):
        # What may show a login, but not to everyone and not twice.
        assert api.send("HEAD", path).status_code == 200
        had = api.send("GET", path, headers={"If-None-Match": one.headers["etag"]})
        assert had.status_code == 304
        with watch.world.service.api(viewer, heard=watch.heard) as sees:
            assert sees.send("GET", path).status_code == 403
    api.send("GET", "projects/-/audit")
    api.send("GET", f"{PATH}/handed")
    watch.settle()
    api.remove("handed")


def test_a_pods_token_is_shown_nowhere(watch: Watch) -> None:
    token = {"serviceAccountToken": watch.canary("pod")}
    annotated = {**token, "serviceAccountAnnotations": {"a": token["serviceAccountToken"]}}
    bodies: list[dict[str, Any]] = [
        {**KUBELET, **token},
        {**KUBELET, **annotated},
        {**KUBELET, **annotated, "kind": "Pod"},
        {**KUBELET, **token, "apiVersion": f"{KUBELET['apiVersion']}beta1"},
        {**KUBELET, **token, "image": "UPPER/Case"},
        {**KUBELET, "serviceAccountToken": [token["serviceAccountToken"]]},
        {**KUBELET, "serviceAccountToken": token["serviceAccountToken"] * 400},
        {**KUBELET, "serviceAccountToken": token["serviceAccountToken"] + "\0"},
    ]
    nobody = {"Authorization": "Bearer none"}
    answers = [
        watch.api.send("POST", "projects/-/kubelet-credential", body, headers=headers)
        for body in bodies
        for headers in ({}, nobody)
    ]

    assert {one.status_code for one in answers} <= {200, 401, 422}


def test_the_helper_shows_a_login_and_nothing_else(watch: Watch) -> None:
    world = watch.world
    right = watch.canary("right")
    key = world.api.make_key("helper", "admin")["key"]
    watch.login(key)
    address = world.registry.address
    login = {"ServerURL": address, "Username": "puller", "Secret": right}

    watch.helper("store", json.dumps(login) + "\n")
    assert json.loads(watch.helper("get", address, reveals=True))["Secret"] == right
    watch.helper("list", "unused")
    watch.helper("erase", address)
    for broken in (
        json.dumps(login)[:-3],
        json.dumps([login]),
        json.dumps({**login, "Username": ""}),
        json.dumps({**login, "ServerURL": ""}),
        json.dumps({**login, "ServerURL": right}),
        right * 200,
    ):
        watch.helper("store", broken)
    for asked in (right, f"https://user:{right}@{address}/", "no.such.registry.example"):
        watch.helper("get", asked)
        watch.helper("erase", asked)


def test_the_agent_keeps_and_shows_no_login(watch: Watch) -> None:
    right = watch.canary("right")
    watch.login(watch.world.api.make_key("agent", "puller")["key"])
    address = watch.world.registry.address
    stored(watch, "through-the-agent", right)
    logs = watch.world.folder / "agent-logs"

    with runtime_folder() as runtime:
        watch.machine.env["XDG_RUNTIME_DIR"] = str(runtime)
        agent = Daemon([*regcred(), "agent"], env=watch.machine.env, logs=logs, name="agent")
        agent.wait_ready(lambda: "Listening" in agent.text)
        said = json.loads(watch.helper("get", address, reveals=True))
        watch.helper("get", f"https://user:{right}@{address}/")
        watch.helper("get", f"{right}\n{right}")
        watch.scanner.scan_process("agent", agent.pid)
        watch.scanner.scan_tree("agent's folder", runtime)
        agent.stop()

    assert said["Secret"] == right
    assert agent.text == f"Listening at {runtime}/regcred/agent.sock\n"
    assert watch.scanner.read["agent: cmdline"]


def test_what_looks_at_a_machines_files_shows_no_login_in_them(watch: Watch) -> None:
    world = watch.world
    stored = watch.canary("stored")
    watch.login(world.api.make_key("doctor", "puller")["key"])
    address = world.registry.address
    login = base64.b64encode(f"puller:{stored}".encode()).decode()
    entry = {"auth": login, "password": stored, "identitytoken": stored}
    text = json.dumps({"auths": {address: entry}, "HttpHeaders": {"X-Key": stored}}, indent=1)
    docker = Path(watch.machine.env["DOCKER_CONFIG"]) / "config.json"
    podman = Path(watch.machine.env["REGISTRY_AUTH_FILE"])
    install = ("docker", "install", "--bin-dir", str(watch.machine.helper_path.parent))

    for broken in ("}", ""):
        for file in (docker, podman):
            file.write_text(text + broken)
        watch.cli("doctor", world.image())
        watch.cli(*install, "-r", address, "--all", "--dry-run")
    watch.cli(*install, "-r", address, "--all")
    watch.cli("docker", "status", "-o", "json")
    watch.cli("docker", "uninstall")
    assert docker.read_text() == text

    # They were there to hold it; nothing else may.
    for file in (docker, podman):
        file.unlink()
        file.with_name(f"{file.name}.before-regcred").unlink()


def test_the_kubelet_s_plugin_shows_a_login_and_nothing_else(watch: Watch) -> None:
    right, token = watch.canary("right"), watch.canary("pod token")
    watch.login(watch.world.api.make_key("node", "puller")["key"])
    address = watch.world.registry.address
    stored(watch, "for-the-kubelet", right)
    # It reads no user's settings file unless the kubelet's configuration names one.
    kept = watch.machine.home / ".config" / "regcred" / "client.conf"
    placed = assembly.place(KUBELET_PLUGIN, watch.machine.home / "plugin")
    plugin = [str(placed), "--config", str(kept)]
    request = {
        "kind": "CredentialProviderRequest",
        "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
        "image": f"{address}/team/app",
    }

    said = watch.program("kubelet plugin", plugin, json.dumps(request) + "\n")
    assert right in [login["password"] for login in json.loads(said)["auth"].values()]
    for broken in (
        json.dumps({**request, "serviceAccountToken": [token]}),
        json.dumps({**request, "image": f"{address}/{right}"}),
        json.dumps({**request, "apiVersion": token}),
        json.dumps({**request, token: token}),
        json.dumps({**request, "serviceAccountToken": token})[:-3],
        f"{token}\n{right}\n",
        right * 4000,
    ):
        said = watch.program("kubelet plugin", plugin, broken)
        watch.scanner.scan("kubelet plugin: stdout", said.encode())


def test_the_command_line_shows_a_secret_only_when_it_is_asked_to(watch: Watch) -> None:
    world = watch.world
    right, bad = watch.canary("right"), watch.canary("bad")
    world.set_password("puller", right)
    key = watch.world.api.make_key("cli", "admin")["key"]
    watch.login(key)
    where = ("--registry", world.registry.address, "--username", "puller", "--password-stdin")
    pinned = [part for n, v in world.settings.items() for part in ("--setting", f"{n}={v}")]

    watch.cli("credential", "add", "cli", *where, *pinned, stdin=right)
    watch.cli("credential", "add", "cli", *where, *pinned, stdin=right)
    watch.cli("credential", "add", "a/b", *where, stdin=right)
    watch.cli("credential", "add", "long", *where, stdin=right * 1000)
    for output in ("table", "json", "yaml", "name"):
        watch.cli("credential", "ls", "-o", output)
        watch.cli("credential", "show", "cli", "-o", output)
    watch.cli("credential", "verify", "cli", "--image", world.image())
    watch.cli("explain", world.image())
    watch.cli("resolve", world.image())
    assert right in watch.cli("resolve", world.image(), "--reveal", reveals=True)
    watch.cli("credential", "replace", "cli", *where, *pinned, stdin=bad)
    watch.cli("credential", "verify", "cli", "--image", world.image())
    watch.cli("login", "--url", world.service.url, "--key-stdin", stdin=bad)
    watch.cli("credential", "rm", "cli", "--yes")


# The scanner finds what it must: one planted leak for each kind of sink


@pytest.fixture
def planted() -> Canary:
    return Canary.fresh("planted", "puller")


@pytest.mark.parametrize("form", sorted(Canary.fresh("any", "puller").forms()))
def test_every_form_is_found(planted: Canary, form: str) -> None:
    leak = b"before " + planted.forms()[form] + b" after"

    assert form in {hit.form for hit in Scanner([planted]).scan("answer", leak)}


@pytest.mark.parametrize("offset", range(6))
def test_base64_is_found_wherever_the_secret_begins(planted: Canary, offset: int) -> None:
    leak = base64.b64encode(b"x" * offset + planted.secret.encode() + b'"}')

    assert Scanner([planted]).scan("answer", leak)


def test_a_leak_in_an_answer_is_found(planted: Canary) -> None:
    scanner = Scanner([planted])
    request = httpx2.Request("GET", "http://127.0.0.1/v1/x")

    watch = Watch.__new__(Watch)
    watch.scanner = scanner
    watch.heard(httpx2.Response(422, json={"input": planted.secret}, request=request))
    watch.heard(httpx2.Response(200, headers={"X-Echo": planted.secret[:16]}, request=request))

    assert {hit.sink for hit in scanner.hits} == {
        "answer: GET /v1/x 422",
        "answer: GET /v1/x 200",
    }


def test_a_leak_in_a_log_or_a_file_name_is_found(planted: Canary, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "regcred.err").write_text(f"ERROR {planted.secret!r}\n")
    (tmp_path / planted.secret[:16]).touch()

    hits = Scanner([planted]).scan_tree("files", tmp_path)

    assert {hit.sink for hit in hits} == {
        "files: logs/regcred.err",
        f"files: {planted.secret[:16]}",
    }


def test_a_leak_in_the_database_is_found_before_and_after_a_checkpoint(
    planted: Canary, tmp_path: Path
) -> None:
    database = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE leak (text TEXT)")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("INSERT INTO leak VALUES (?)", (planted.secret,))
        before = {hit.sink for hit in Scanner([planted]).scan_tree("files", tmp_path)}
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        after = {hit.sink for hit in Scanner([planted]).scan_tree("files", tmp_path)}
    finally:
        database.close()

    assert before == {"files: store.db-wal"}
    assert after == {"files: store.db"}


def test_a_leak_in_a_programs_arguments_or_environment_is_found(
    planted: Canary, tmp_path: Path
) -> None:
    watched = run_watched(
        ["/bin/sh", "-c", "cat", planted.secret],
        env=environment(tmp_path, LEAK=planted.secret),
        stdin="x",
    )
    scanner = Scanner([planted])
    scanner.scan("cmdline", *watched.command_lines)
    scanner.scan("environ", *watched.environments)

    assert {hit.sink for hit in scanner.hits} == {"cmdline", "environ"}


def test_a_leak_in_a_servers_process_is_found(planted: Canary, tmp_path: Path) -> None:
    daemon = Daemon(
        [sys.executable, "-c", "import time; time.sleep(60)", planted.secret],
        env=environment(tmp_path, LEAK=planted.secret),
        logs=tmp_path / "logs",
        name="leaky",
    )
    try:
        scanner = Scanner([planted])
        daemon.wait_ready(lambda: bool(Path(f"/proc/{daemon.pid}/environ").read_bytes()))
        scanner.scan_process("server", daemon.pid)
    finally:
        daemon.stop()

    assert {hit.sink for hit in scanner.hits} == {"server: cmdline", "server: environ"}
