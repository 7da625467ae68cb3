"""A small HTTP server that speaks the native API's contract from memory.

It knows the shapes and the errors, none of the service's rules: what a test needs said, it plants.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

KEY = "rgc_stubstubstub_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG000000"
REVEALED = "s3cr3t-of-the-registry"
NEW_KEY = "rgc_madebystub00_shownOnceAndNeverAgainShownOnceAndNeverAga000000"
NEW_SECRET = "whsec_c2hvd25PbmNlU2hvd25PbmNlU2hvd25PbmNl"
NOW = "2026-11-21T10:00:00Z"

Json = dict[str, Any]


class Seen(NamedTuple):
    """A request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Reply(NamedTuple):
    """What goes back. `body` is JSON unless it is bytes."""

    status: int
    body: object = b""
    media_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


def problem(slug: str, status: int, detail: str, **more: Any) -> Reply:
    body = {
        "type": f"urn:regcred:problem:{slug}",
        "title": slug.replace("-", " "),
        "status": status,
        "detail": detail,
        "request_id": "request-1",
        **more,
    }
    return Reply(status, body, "application/problem+json")


def verdict(kind: str, image: str | None = None) -> Json:
    return {
        "verdict": kind,
        "checked_at": NOW,
        "image": image,
        "evidence": {"scheme": "basic", "status": 401},
        "next_step": f"Do what one does about {kind}.",
    }


class StubService:
    """State that tests set up and look at, and the routes on it."""

    def __init__(self, *, keep_alive: bool = False) -> None:
        self.seen: list[Seen] = []
        self.connections = 0
        self.queries: list[str] = []
        """Each request's query as it came: `Seen` keeps the first of equal names."""

        self.planted: dict[tuple[str, str], Reply] = {}
        self.projects = [project(1, "default"), project(2, "other")]
        self.keys: dict[str, Json] = {"own": key("own", "operator", "admin")}
        self.credentials: dict[str, Json] = {}
        self.clusters: dict[str, Json] = {}
        self.workloads: dict[str, Json] = {}
        self.providers = [
            provider("ghcr", ["ghcr.io"], link="https://docs.example/ghcr"),
            provider("quay", ["quay.io"], anywhere=True, settings=["realm", "ca_bundle"]),
            provider("cloud", [f"*.region-{number}.example" for number in range(4)]),
            provider("generic", [], anywhere=True),
        ]
        self.webhooks: dict[str, Json] = {}
        self.delivery = "delivered"
        self.verdict = "ok"
        self.logins: list[Json] = []
        self.withheld: list[Json] = []
        self.explained: Json = {}
        self.auths: Json = {"registry.example": {"auth": as_auth("puller", REVEALED)}}
        self.handing: dict[str, str] = {}
        self.rows: list[Json] = []
        self.events: list[Json] = []
        self.fetches: list[Json] = []
        self.fetches_complete_since: str | None = None
        self.verdicts = [verdict("ok"), verdict("rejected"), verdict("denied")]
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler(self, keep_alive))
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def last(self) -> Seen:
        return self.seen[-1]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def plant(self, method: str, path: str, reply: Reply) -> None:
        """Answer this request so, whatever the state is."""
        self.planted[method, path] = reply

    def add(self, name: str, /, **more: Any) -> Json:
        """Store a credential."""
        made = {**credential(name, len(self.credentials) + 1), **more}
        if "registry_url" in more:
            made["scopes"] = [more["registry_url"]]
        self.credentials[name] = made
        return made

    def answer(self, seen: Seen) -> Reply:
        self.seen.append(seen)
        if (planted := self.planted.get((seen.method, seen.path))) is not None:
            return planted
        if seen.headers.get("authorization") != f"Bearer {KEY}":
            return problem("not-authenticated", 401, "this API key is unknown or was revoked")
        for method, pattern, act in ROUTES:
            if method == seen.method and (found := re.fullmatch(pattern, seen.path)):
                return act(Call(self, seen, *map(unquote, found.groups())))
        return problem("not-found", 404, "no such resource")


def project(number: int, name: str) -> Json:
    return {
        "id": f"00000000-0000-7000-8000-{number:012}",
        "number": number,
        "name": name,
        "require_if_match": False,
        "recheck_every": 86400,
        "created_at": NOW,
        "updated_at": NOW,
        "version": 1,
    }


def key(key_id: str, name: str, role: str) -> Json:
    return {
        "id": key_id,
        "name": name,
        "role": role,
        "operator": False,
        "project_id": project(1, "default")["id"],
        "image_patterns": [],
        "expires_at": None,
        "disabled": False,
        "created_at": NOW,
        "last_used_at": None,
        "version": 3,
    }


def credential(name: str, number: int) -> Json:
    return {
        "id": f"11111111-0000-7000-8000-{number:012}",
        "number": number,
        "project_id": project(1, "default")["id"],
        "name": name,
        "provider": "generic",
        "registry_url": "registry.example",
        "scopes": ["registry.example"],
        "username": "puller",
        "settings": {},
        "labels": {},
        "description": "",
        "expires_at": None,
        "created_at": NOW,
        "updated_at": NOW,
        "version": 7,
        "verdict": None,
        "withheld": False,
        "last_used_at": None,
        "last_used_by": None,
    }


def provider(slug: str, registries: list[str], **more: Any) -> Json:
    return {
        "slug": slug,
        "title": f"The {slug} registry",
        "registries": registries,
        "anywhere": False,
        "settings": [],
        "help": f"Type in what {slug} gives you.",
        "lifetime": "Until it is deleted.",
        "link": None,
        **more,
    }


# Routes


class Call(NamedTuple):
    """A request with what the path named."""

    stub: StubService
    seen: Seen
    ref: str = ""
    name: str = ""


NOTHING = Reply(204)


def listed(items: list[Json], seen: Seen) -> Reply:
    """Return one page; a cursor is the place where the next begins. Pages hold two."""
    start = int(seen.query.get("cursor", "0"))
    end = start + 2
    more = str(end) if end < len(items) else None
    return Reply(200, {"items": items[start:end], "next_cursor": more})


def whoami(call: Call) -> Reply:
    own = call.stub.keys["own"]
    return Reply(
        200,
        {
            "principal": "key:own",
            "key": own,
            "project": call.stub.projects[0],
            "role": own["role"],
            "operator": True,
            "permissions": ["read", "write"],
        },
    )


def find_project(stub: StubService, ref: str) -> Json | None:
    if ref == "-":
        return stub.projects[0]
    return next((one for one in stub.projects if ref in {str(one["number"]), one["id"]}), None)


def show_project(call: Call) -> Reply:
    found = find_project(call.stub, call.ref)
    return Reply(200, found) if found else problem("project-not-found", 404, "no such project")


def create_project(call: Call) -> Reply:
    made = project(len(call.stub.projects) + 1, call.seen.json["name"])
    call.stub.projects.append(made)
    return Reply(201, made)


def delete_project(call: Call) -> Reply:
    call.stub.projects = [
        one for one in call.stub.projects if one is not find_project(call.stub, call.ref)
    ]
    return NOTHING


def create_key(call: Call) -> Reply:
    asked = call.seen.json
    made = {**key("made", asked["name"], asked["role"]), **asked}
    call.stub.keys["made"] = made
    return Reply(201, {**made, "key": NEW_KEY})


def with_key(call: Call) -> Reply:
    if call.name not in call.stub.keys:
        return problem("key-not-found", 404, "no such key")
    if call.seen.method == "DELETE":
        del call.stub.keys[call.name]
        return NOTHING
    if call.seen.method == "PATCH":
        call.stub.keys[call.name].update(call.seen.json)
    return Reply(200, call.stub.keys[call.name])


def without_password(asked: Json) -> Json:
    return {name: value for name, value in asked.items() if name != "password"}


def create_credential(call: Call) -> Reply:
    asked = call.seen.json
    if asked["name"] in call.stub.credentials:
        return problem("name-taken", 409, "another credential has this name")
    return Reply(201, call.stub.add(asked["name"], **without_password(asked)))


def with_credential(call: Call) -> Reply:
    named = [n for n, one in call.stub.credentials.items() if call.name in {n, one["id"]}]
    if not named:
        return problem("credential-not-found", 404, "no such credential")
    found = call.stub.credentials[named[0]]
    if call.seen.method == "DELETE":
        del call.stub.credentials[named[0]]
        return NOTHING
    if call.seen.method == "PATCH":
        found.update(without_password(call.seen.json))
    return Reply(200, found)


def webhook(number: int) -> Json:
    return {
        "id": f"22222222-0000-7000-8000-{number:012}",
        "url": "https://hooks.example/in",
        "kinds": [],
        "disabled": False,
        "created_at": NOW,
        "updated_at": NOW,
        "version": 4,
        "last_status": None,
        "last_at": None,
    }


def with_secret(found: Json, asked: Json) -> Json:
    """Return a webhook as the one answer shows it that may show a secret."""
    given = "secret" in asked
    return {**found, "secret": None if given else NEW_SECRET, "note": "given" if given else None}


def create_webhook(call: Call) -> Reply:
    asked = call.seen.json
    made = webhook(len(call.stub.webhooks) + 1)
    made |= {name: value for name, value in asked.items() if name != "secret"}
    call.stub.webhooks[made["id"]] = made
    return Reply(201, with_secret(made, asked))


def with_webhook(call: Call) -> Reply:
    found = call.stub.webhooks.get(call.name)
    if found is None:
        return problem("webhook-not-found", 404, "no such webhook")
    if call.seen.method == "DELETE":
        del call.stub.webhooks[call.name]
        return NOTHING
    if call.seen.path.endswith(":rotate-secret"):
        return Reply(200, with_secret(found, call.seen.json))
    if call.seen.path.endswith(":test"):
        return Reply(200, {"status": call.stub.delivery})
    if call.seen.method == "PATCH":
        found.update(call.seen.json)
    return Reply(200, found)


def cluster(name: str, **more: Any) -> Json:
    return {
        "name": name,
        "issuer": "https://issuer.example",
        "audience": f"https://regcred.example/{name}",
        "jwks": None,
        "jwks_uri": None,
        "ca_bundle": None,
        "created_at": NOW,
        "updated_at": NOW,
        "version": 5,
        **more,
    }


def with_cluster(call: Call) -> Reply:
    name = call.ref
    if call.seen.method == "PUT":
        call.stub.clusters[name] = cluster(name, **call.seen.json)
        return Reply(201, call.stub.clusters[name])
    found = call.stub.clusters.get(name)
    if found is None:
        return problem("cluster-not-found", 404, "no such cluster")
    if call.seen.method == "DELETE":
        del call.stub.clusters[name]
        return NOTHING
    return Reply(200, found)


def workload(number: int, **more: Any) -> Json:
    return {
        "id": f"33333333-0000-7000-8000-{number:012}",
        "cluster": "prod-1",
        "namespace": "shop",
        "service_account": "web",
        "image_patterns": ["registry.example/shop"],
        "created_at": NOW,
        **more,
    }


def allow_workload(call: Call) -> Reply:
    made = workload(len(call.stub.workloads) + 1, **call.seen.json)
    call.stub.workloads[made["id"]] = made
    return Reply(201, made)


def with_workload(call: Call) -> Reply:
    found = call.stub.workloads.get(call.name)
    if found is None:
        return problem("workload-not-found", 404, "no such workload")
    if call.seen.method == "DELETE":
        del call.stub.workloads[call.name]
        return NOTHING
    return Reply(200, found)


def list_providers(call: Call) -> Reply:
    if call.seen.query:
        return problem("invalid-input", 422, "query: has a parameter that is not known")
    return Reply(200, {"items": call.stub.providers, "next_cursor": None})


def show_provider(call: Call) -> Reply:
    named = [one for one in call.stub.providers if one["slug"] == call.ref]
    return Reply(200, named[0]) if named else problem("not-found", 404, "no such resource")


def verify(call: Call) -> Reply:
    return Reply(200, verdict(call.stub.verdict, call.seen.json.get("image")))


def probe(call: Call) -> Reply:
    kind = call.stub.verdict
    body = {
        "registry": call.seen.json["registry_url"],
        "verdict": kind,
        "asked_at": NOW,
        "evidence": {"scheme": "bearer", "realm_host": "auth.example", "clock_skew_s": -2},
        "next_step": f"Do what one does about {kind}.",
    }
    return Reply(200, body)


def history(call: Call) -> Reply:
    return listed(call.stub.verdicts, call.seen)


def list_fetches(call: Call) -> Reply:
    since = call.stub.fetches_complete_since
    page = listed(call.stub.fetches, call.seen)
    assert isinstance(page.body, dict)
    return Reply(200, {**page.body, "complete": since is None, "complete_since": since})


def list_events(call: Call) -> Reply:
    return listed(call.stub.events, call.seen)


def event(number: int, kind: str = "verdict.changed", **details: Any) -> Json:
    return {
        "number": number,
        "at": NOW,
        "kind": kind,
        "credential": {"id": "1", "name": "one"},
        "details": {"to": "rejected", **details},
    }


def update_project(call: Call) -> Reply:
    found = find_project(call.stub, call.ref)
    assert found is not None
    found.update(call.seen.json)
    return Reply(200, found)


def resolve(call: Call) -> Reply:
    body = {"reference": REFERENCE, "logins": call.stub.logins, "withheld": call.stub.withheld}
    return Reply(200, body)


REFERENCE = {
    "registry": "registry.example",
    "repository": "team/app",
    "tag": "1",
    "digest": None,
}


def login(name: str) -> Json:
    return {
        "credential": {"id": "1", "name": name},
        "registry": "registry.example",
        "username": "puller",
        "password": REVEALED,
        "expires_at": None,
    }


def as_auth(username: str, password: str) -> str:
    return base64.b64encode(f"{username}:{password}".encode()).decode()


def pull_secret(name: str, auths: Json, namespace: str = "") -> Json:
    text = json.dumps({"auths": auths}, separators=(",", ":"))
    place = {"namespace": namespace} if namespace else {}
    return {
        "kind": "Secret",
        "apiVersion": "v1",
        "metadata": {"name": name, **place},
        "data": {".dockerconfigjson": base64.b64encode(text.encode()).decode()},
        "type": "kubernetes.io/dockerconfigjson",
    }


def hand_out_secret(call: Call) -> Reply:
    asked = call.seen.query
    made = pull_secret(asked["name"], call.stub.auths, asked.get("namespace", ""))
    etag = f'"{hashlib.sha256(json.dumps(made).encode()).hexdigest()}"'
    headers = (("ETag", etag), ("Cache-Control", "no-store"), *call.stub.handing.items())
    if call.seen.headers.get("if-none-match") == etag:
        return Reply(304, headers=headers)
    return Reply(200, made, headers=headers)


def helper_get(call: Call) -> Reply:
    if not call.stub.logins:
        return NOTHING
    server = call.seen.body.decode()
    return Reply(200, {"ServerURL": server, "Username": "puller", "Secret": REVEALED})


Act = Callable[[Call], Reply]
P = "/v1/projects/([^/]+)"
ROUTES: list[tuple[str, str, Act]] = [
    ("GET", "/v1/whoami", whoami),
    ("GET", "/v1/projects", lambda call: listed(call.stub.projects, call.seen)),
    ("POST", "/v1/projects", create_project),
    ("GET", P, show_project),
    ("PATCH", P, update_project),
    ("DELETE", P, delete_project),
    ("GET", f"{P}/kubernetes-secret", hand_out_secret),
    ("GET", f"{P}/keys", lambda call: listed([*call.stub.keys.values()], call.seen)),
    ("POST", f"{P}/keys", create_key),
    *((method, f"{P}/keys/([^/]+)", with_key) for method in ("GET", "PATCH", "DELETE")),
    ("GET", f"{P}/credentials", lambda call: listed([*call.stub.credentials.values()], call.seen)),
    ("POST", f"{P}/credentials", create_credential),
    ("POST", f"{P}/credentials:verify", verify),
    ("POST", f"{P}/credentials/([^/]+):verify", verify),
    ("GET", f"{P}/credentials/([^/]+)/verdicts", history),
    ("GET", f"{P}/credentials/([^/]+)/fetches", list_fetches),
    *((method, f"{P}/credentials/([^/]+)", with_credential) for method in ("GET", "PATCH")),
    ("DELETE", f"{P}/credentials/([^/]+)", with_credential),
    ("GET", f"{P}/webhooks", lambda call: listed([*call.stub.webhooks.values()], call.seen)),
    ("POST", f"{P}/webhooks", create_webhook),
    ("POST", f"{P}/webhooks/([^/]+):(?:rotate-secret|test)", with_webhook),
    *((method, f"{P}/webhooks/([^/]+)", with_webhook) for method in ("GET", "PATCH", "DELETE")),
    ("GET", f"{P}/workloads", lambda call: listed([*call.stub.workloads.values()], call.seen)),
    ("POST", f"{P}/workloads", allow_workload),
    *((method, f"{P}/workloads/([^/]+)", with_workload) for method in ("GET", "DELETE")),
    ("GET", "/v1/clusters", lambda call: listed([*call.stub.clusters.values()], call.seen)),
    *((method, "/v1/clusters/([^/]+)", with_cluster) for method in ("GET", "PUT", "DELETE")),
    ("GET", "/v1/providers", list_providers),
    ("GET", "/v1/providers/([^/]+)", show_provider),
    ("POST", f"{P}/registries:probe", probe),
    ("POST", f"{P}/resolve", resolve),
    ("POST", f"{P}/explain", lambda call: Reply(200, call.stub.explained)),
    ("GET", f"{P}/events", list_events),
    ("GET", f"{P}/audit", lambda call: listed(call.stub.rows, call.seen)),
    ("POST", f"{P}/docker-credential/get", helper_get),
    ("GET", f"{P}/docker-credential/list", lambda _: Reply(200, {"registry.example": "puller"})),
    ("POST", f"{P}/docker-credential/store", lambda _: NOTHING),
    ("POST", f"{P}/docker-credential/erase", lambda _: NOTHING),
]


def handler(stub: StubService, keep_alive: bool) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout: ClassVar[float] = 10
        protocol_version = "HTTP/1.1" if keep_alive else "HTTP/1.0"

        def setup(self) -> None:
            stub.connections += 1
            super().setup()

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            url = urlsplit(self.path)
            stub.queries.append(url.query)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(length)
            reply = stub.answer(Seen(self.command, url.path, query, headers, body))
            content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body)
            sent = content if isinstance(content, bytes) else content.encode()
            self.send_response(reply.status)
            if sent:
                self.send_header("Content-Type", reply.media_type)
            for name, value in reply.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815  http.server's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its signature
            """Stay quiet."""

    return Handler
