"""A real `regcred serve` at its most talkative, to which secrets are sent in every way."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx2

from tests.tools.canary import Canary
from tests.tools.programs import LOOPBACK, Daemon, free_port
from tests.tools.service import Service
from tests.web.dialects.driver import driver_of
from tools.campaign.canary.bodies import Body
from tools.campaign.canary.marks import OWN, MarkScanner
from tools.campaign.isolation.operations import DOCUMENTS, FRESH, Operation, every_operation

_PLENTY = 1_000_000
_LOGINS = "/v1/projects/-/credentials"


class Talkative:
    """The service, and everything it was heard to say."""

    def __init__(self, folder: Path, scanner: MarkScanner) -> None:
        self.scanner = scanner
        self.metrics = free_port()
        self.service = Service(folder, log_level="debug")
        self.service.env |= {
            "REGCRED_METRICS_PORT": str(self.metrics),
            "REGCRED_BUDGETS": f"sevalla={_PLENTY}/{_PLENTY}",
            "REGCRED_VERIFY_PER_PROJECT": str(_PLENTY),
            "REGCRED_VERIFY_PER_HOST": str(_PLENTY),
        }
        self.service.init()
        self.key = self.service.key
        self.heard = bytearray()
        """Every answer so far: what has no marks is looked for in all of it at the end."""

        self.sent: set[str] = set()
        """The part of each secret that is its own, of those that were sent."""

        self.requests = 0
        self.broken: list[str] = []
        """Answers of 500 and above."""

        self._own = re.compile(f"{scanner.mint.marks[0]}(?P<own>[0-9a-f]{{{OWN}}})")
        self._client = httpx2.Client(base_url=self.service.url, trust_env=False, timeout=30)

    @contextlib.contextmanager
    def serving(self) -> Iterator[Daemon]:
        """Serve until the block ends."""
        with self.service.serving() as daemon, self._client:
            self._things = self._make_things()
            yield daemon

    def send(
        self, method: str, path: str, *, content: bytes | None = None, shows: bool = False,
        headers: dict[str, str] | None = None, body: object = None,
    ) -> httpx2.Response:  # fmt: skip
        """Send one request and listen to the answer.

        With `shows` it is one whose good answer exists to show a secret: only that is let through.
        """
        shown = {"Authorization": f"Bearer {self.key}", **(headers or {})}
        if body is not None:
            content = json.dumps(body).encode()
            shown["Content-Type"] = "application/json"
        answer = self._client.request(method, path, content=content, headers=shown)
        self.requests += 1
        said = f"{path} {shown} {(content or b'').decode(errors='replace')}"
        self.sent.update(self._own.findall(said))
        if answer.status_code >= 500:
            self.broken.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        if not shows or answer.status_code >= 300:
            head = "\n".join(f"{name}: {value}" for name, value in answer.headers.multi_items())
            heard = head.encode() + b"\n" + answer.content
            self.scanner.scan(f"answers: {method} {path}", heard)
            self.heard += heard
        return answer

    def operations(self) -> list[Operation]:
        """Return the operations of every face, as its document shows them."""
        documents = {face: self.send("GET", url).json() for face, url in DOCUMENTS.items()}
        return every_operation(documents)

    def watch_key(self, label: str, key: str) -> None:
        """Look for an API key's secret part from now on; its id may be shown."""
        self.scanner.add(Canary(label, key.split("_")[2]))

    def say(self, operation: Operation, body: Body, number: int) -> httpx2.Response:
        """Send a body to an operation, as the face's callers do."""
        named = {**self._things, "name": "web", "kind": "pod"}
        if operation.face == "yotta":
            named["id"] = "1"
        path = operation.path
        for name in operation.parameters:
            path = path.replace(f"{{{name}}}", quote(named[name], safe=""))
        content = body.content.replace(FRESH.encode(), f"cell-{number:06}".encode())
        key = driver_of(operation.face).key(self.key)
        headers = {"Content-Type": body.media_type, **key}
        shows = operation.id in _SHOW
        return self.send(operation.method, path, content=content, headers=headers, shows=shows)

    def _make_things(self) -> dict[str, str]:
        """Store one thing of every kind and return what paths name them by."""
        login = {"name": "own", "registry_url": f"{LOOPBACK}:1", "username": "u", "password": "p"}
        made = self.send("POST", _LOGINS, body=login).json()
        key = self.send(
            "POST", "/v1/projects/-/keys", body={"name": "k", "role": "viewer"}, shows=True
        ).json()
        self.watch_key("the key of the matrix", key["key"])
        self.watch_key("the operator's key", self.key)
        hook = self.send(
            "POST", "/v1/projects/-/webhooks", body={"url": "https://hooks.example.com/in"},
            shows=True,
        ).json()  # fmt: skip
        self.scanner.add(Canary("a signing secret", hook["secret"].removeprefix("whsec_")))
        return {
            "project": "-", "project_id": "1", "credential": made["id"], "credential_name": "own",
            "key": key["id"], "webhook": hook["id"], "workload": made["id"], "cluster": "prod-1",
            "id": made["id"], "provider": "ghcr",
        }  # fmt: skip


_SHOW = frozenset(
    {
        "createKey", "createWebhook", "rotateWebhookSecret", "resolveImage",
        "dockerCredentialGet", "kubeletCredential",
    }
)  # fmt: skip
