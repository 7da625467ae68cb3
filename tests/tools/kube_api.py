"""A small Kubernetes API server on https: Secrets, service accounts, namespaces and Leases.

It enforces what a real one does (`kube_rules`), answers to bearer tokens with or without RBAC, and
keeps every request, so that a test can say what was sent where.
"""

from __future__ import annotations

import copy
import json
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import trustme
import yaml

from tests.tools import kube_rules as rules
from tests.tools.kube_rules import Act, Json, Refusal, Rights

ADMIN = "token-of-an-administrator"
SYNC = "token-of-the-sync"

_KINDS = {
    ("", "namespaces"): "Namespace",
    ("", "secrets"): "Secret",
    ("", "serviceaccounts"): "ServiceAccount",
    ("coordination.k8s.io", "leases"): "Lease",
}


class Asked(NamedTuple):
    """A request that was let in."""

    act: Act
    manager: str
    body: bytes


class Key(NamedTuple):
    """Where a thing is kept."""

    resource: str
    namespace: str
    name: str


class KubeAPI:
    """State that tests set up and look at. `rights` bind the sync's token; None: it may all."""

    def __init__(self, authority: trustme.CA, rights: Rights | None = None) -> None:
        self.things: dict[Key, Json] = {}
        self.owned: dict[Key, rules.Owned] = {}
        self.asked: list[Asked] = []
        self.used: set[tuple[str, str, str]] = set()
        self.rights = rights
        self.page = 500
        self.trip: Callable[[Act], None] = nothing
        """Called before each act: raises Refusal for what is to go wrong, or changes the state."""

        self._version = 0
        self._lock = threading.RLock()
        self._authority = authority
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def kubeconfig(self, folder: Path, token: str = SYNC, namespace: str = "regcred") -> Path:
        """Write a kubeconfig for a token."""
        self._authority.cert_pem.write_to_path(str(folder / "kube-ca.pem"))
        url = f"https://127.0.0.1:{self._server.server_address[1]}"
        path = folder / "kubeconfig"
        made = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [
                {
                    "name": "test",
                    "cluster": {"server": url, "certificate-authority": "kube-ca.pem"},
                }
            ],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [
                {
                    "name": "test",
                    "context": {"cluster": "test", "user": "test", "namespace": namespace},
                }
            ],
        }
        path.write_text(yaml.safe_dump(made))
        return path

    # State

    def add_namespace(self, name: str, **labels: str) -> None:
        """Make a namespace with the service account that each one has."""
        metadata = {"name": name, "labels": {"kubernetes.io/metadata.name": name, **labels}}
        self.put("namespaces", "", {"metadata": metadata, "status": {"phase": "Active"}})
        self.put("serviceaccounts", name, {"metadata": {"name": "default"}})

    def put(self, resource: str, namespace: str, thing: Json, manager: str = "kubectl") -> Json:
        """Keep a thing as somebody else writes it, whatever was there."""
        with self._lock:
            key = Key(resource, namespace, thing["metadata"]["name"])
            owned = self.owned.setdefault(key, {})
            rules.updated(self.things.get(key, {}), owned, thing, manager)
            return self._keep(key, copy.deepcopy(thing))

    def edit(self, resource: str, namespace: str, name: str, **changes: Any) -> Json:
        """Change a thing as somebody else does."""
        there = self.things[Key(resource, namespace, name)]
        return self.put(resource, namespace, rules.merged(there, changes))

    def secret(self, namespace: str, name: str = "regcred") -> Json | None:
        return self.things.get(Key("secrets", namespace, name))

    def pull_secrets(self, namespace: str, account: str = "default") -> list[str]:
        there = self.things[Key("serviceaccounts", namespace, account)]
        return [one["name"] for one in there.get("imagePullSecrets") or ()]

    def acts(self, *verbs: str) -> list[Act]:
        return [asked.act for asked in self.asked if asked.act.verb in verbs]

    # Requests

    def answer(self, method: str, path: str, head: dict[str, str], body: bytes) -> tuple[int, Json]:
        """Return a status and an object. Raise Refusal."""
        url = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        token = head.get("authorization", "").removeprefix("Bearer ")
        if token not in {ADMIN, SYNC}:
            raise Refusal(401, "Unauthorized", "Unauthorized")
        with self._lock:
            act = _act(method, url.path, query)
            self._authorise(token, act)
            self.trip(act)
            self.asked.append(Asked(act, query.get("fieldManager", ""), body))
            if act.verb == "list":
                return 200, self._list(act, query)
            if act.verb == "get":
                return 200, self._there(act)
            if act.verb == "delete":
                self._check_preconditions(self._there(act), json.loads(body or b"{}"))
                del self.things[_key(act)], self.owned[_key(act)]
                return 200, {"kind": "Status", "apiVersion": "v1", "status": "Success"}
            kind = head.get("content-type", "")
            return self._write(token, act, query, kind, json.loads(body))

    def _authorise(self, token: str, act: Act) -> None:
        if token == SYNC:
            self.used.add(act[:3])
            if self.rights is not None and not self.rights.allow(act):
                raise Refusal(
                    403,
                    "Forbidden",
                    f'{act.resource} {act.name!r} is forbidden: User "sync" cannot {act.verb} '
                    f"resource {act.resource!r} in the namespace {act.namespace!r}",
                )

    def _list(self, act: Act, query: dict[str, str]) -> Json:
        found = [
            thing
            for key, thing in sorted(self.things.items())
            if key.resource == act.resource
            and act.namespace in {"", key.namespace}
            and act.name in {"", key.name}
            and rules.selects(query.get("labelSelector", ""), thing["metadata"].get("labels") or {})
        ]
        start = int(query.get("continue", "0"))
        end = start + min(int(query.get("limit", self.page)), self.page)
        more = {"continue": str(end)} if end < len(found) else {}
        metadata = {"resourceVersion": str(self._version), **more}
        return {"kind": "List", "metadata": metadata, "items": found[start:end]}

    def _there(self, act: Act) -> Json:
        if (found := self.things.get(_key(act))) is None:
            raise Refusal(404, "NotFound", f"{act.resource} {act.name!r} not found")
        return found

    def _write(
        self, token: str, act: Act, query: dict[str, str], kind: str, sent: Json
    ) -> tuple[int, Json]:
        name = act.name or sent["metadata"]["name"]
        key = Key(act.resource, act.namespace, name)
        live = self.things.get(key)
        owned = copy.deepcopy(self.owned.get(key, {}))
        manager = query.get("fieldManager", "unknown")
        version = sent["metadata"].get("resourceVersion") if "metadata" in sent else None
        if act.verb == "create" and live is not None:
            raise Refusal(409, "AlreadyExists", f"{act.resource} {name!r} already exists")
        if live is None:
            if act.verb == "update" or (act.verb == "patch" and "apply-patch" not in kind):
                self._there(act._replace(name=name))
            if act.verb == "patch":
                # An apply that creates is asked for both, and for the second with its name.
                self._authorise(token, act._replace(verb="create"))
            self._check_namespace(act.namespace)
        if version is not None and (live is None or version != _version(live)):
            raise Refusal(409, "Conflict", "the object has been modified; apply your changes again")
        base = live or {"metadata": {"name": name, "namespace": act.namespace}}
        if "apply-patch" in kind:
            if "fieldManager" not in query:
                raise Refusal(400, "BadRequest", "fieldManager is required for apply patch")
            made = rules.applied(base, owned, sent, manager, query.get("force") == "true")
        elif act.verb == "patch":
            if "merge-patch" not in kind or "strategic" in kind:
                raise Refusal(415, "UnsupportedMediaType", "this server knows apply and merge")
            made = rules.updated(base, owned, rules.merged(base, sent), manager)
        else:
            made = rules.updated(base, owned, sent, manager)
        rules.check(act.resource, live, made)
        self.owned[key] = owned
        return (200 if live else 201), self._keep(key, made)

    def _check_preconditions(self, there: Json, options: Json) -> None:
        for name, wanted in options.get("preconditions", {}).items():
            if there["metadata"][name] != wanted:
                raise Refusal(409, "Conflict", f"Precondition failed: {name} in precondition")

    def _check_namespace(self, namespace: str) -> None:
        there = self.things.get(Key("namespaces", "", namespace))
        if there is None:
            raise Refusal(404, "NotFound", f'namespaces "{namespace}" not found')
        if there["status"]["phase"] == "Terminating":
            cause = {"reason": "NamespaceTerminating", "field": "metadata.namespace"}
            raise Refusal(403, "Forbidden", f"{namespace} is being terminated", cause)

    def _keep(self, key: Key, thing: Json) -> Json:
        self._version += 1
        kind = next(name for (_, resource), name in _KINDS.items() if resource == key.resource)
        thing |= {"kind": kind, "apiVersion": "coordination.k8s.io/v1" if kind == "Lease" else "v1"}
        place = {"namespace": key.namespace} if key.namespace else {}
        before = self.things.get(key, {"metadata": {"uid": f"uid-{self._version}"}})
        thing["metadata"] |= {
            **place,
            "uid": before["metadata"]["uid"],
            "resourceVersion": str(self._version),
            "managedFields": rules.managed_fields(self.owned[key]),
        }
        self.things[key] = thing
        return thing


def nothing(act: Act) -> None:
    """Let everything through."""


def _version(thing: Json) -> str:
    return str(thing["metadata"]["resourceVersion"])


def _key(act: Act) -> Key:
    return Key(act.resource, act.namespace, act.name)


def _act(method: str, path: str, query: dict[str, str]) -> Act:
    parts = path.strip("/").split("/")
    group = parts[1] if parts[0] == "apis" else ""
    rest = parts[3:] if group else parts[2:]
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    name = rest[1] if len(rest) > 1 else ""
    verb = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}.get(method)
    if verb is None:
        verb = "get" if name else "list"
    if verb == "list":
        name = query.get("fieldSelector", "").partition("metadata.name=")[2]
    if (group, rest[0]) not in _KINDS:
        raise Refusal(404, "NotFound", "the server could not find the requested resource")
    return Act(verb, group, rest[0], namespace, name)


def _handler(api: KubeAPI) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10
        wbufsize = 65536  # One packet an answer: the second of two waits for a delayed ACK.

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            head = {name.lower(): value for name, value in self.headers.items()}
            try:
                status, found = api.answer(self.command, self.path, head, body)
            except Refusal as refusal:
                status, found = refusal.code, refusal.body
            sent = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815  http.server's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its signature
            """Stay quiet."""

    return Handler
