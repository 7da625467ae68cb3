"""A service that runs, a project of its own for every test, and the vendors' clients."""

from __future__ import annotations

import contextlib
import itertools
import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from jsonschema_rs import Draft202012Validator

from tests.tools.api import Api
from tests.tools.missing import do_without
from tests.tools.programs import environment
from tests.tools.service import Service
from tests.tools.vendor_clients import (
    ClientMissing,
    Conversation,
    Speaker,
    VendorClient,
    vendor_client,
)

_numbers = itertools.count(1)


def require_client(name: str) -> VendorClient:
    """Return a vendor's client. In CI a proof that did not run is a failed proof."""
    try:
        return vendor_client(name)
    except ClientMissing as missing:
        do_without(str(missing))


@dataclass(frozen=True, slots=True)
class Tenant:
    """One project of a service, and an admin's key that is at home there."""

    service: Service
    project: dict[str, Any]
    key: str = field(repr=False)
    api: Api

    @property
    def number(self) -> int:
        """Return the project's number."""
        return int(self.project["number"])

    def key_of(self, role: str) -> str:
        """Make another key of the project and return its text."""
        return str(self.api.make_key(f"{role}-{next(_numbers)}", role)["key"])

    def names(self) -> list[str]:
        """Return the names of the logins that are stored, in order."""
        return [one["name"] for one in self.api.ask("GET", "projects/-/credentials")["items"]]

    def use(self, name: str) -> None:
        """Declare that the pod `jupyter` uses a login."""
        self.api.ask("PUT", f"projects/-/credentials/{name}/uses/pod/jupyter")

    def release(self, name: str) -> None:
        """Take the pod's use back."""
        self.api.ask("DELETE", f"projects/-/credentials/{name}/uses/pod/jupyter")


@dataclass(frozen=True, slots=True)
class Host:
    """A service that serves, and its operator."""

    service: Service
    operator: Api

    @contextlib.contextmanager
    def tenant(self) -> Iterator[Tenant]:
        """Make a project with a key; the native API is closed with the block."""
        project = self.operator.ask("POST", "projects", {"name": f"project-{next(_numbers)}"})
        path = f"projects/{project['number']}/keys"
        key = self.operator.ask("POST", path, {"name": "admin", "role": "admin"})["key"]
        with self.service.api(key) as api:
            yield Tenant(self.service, project, key, api)


@contextlib.contextmanager
def running(folder: Path, **settings: str) -> Iterator[Host]:
    """Serve a fresh data folder with these environment variables."""
    service = Service(folder)
    service.followed = False
    service.env.update(settings)
    service.init()
    with service.serving(), service.api() as operator:
        yield Host(service, operator)


@contextlib.contextmanager
def conversation(
    client: VendorClient, home: Path, script: str, *arguments: str, **variables: str
) -> Iterator[Conversation]:
    """Run a script beside a client until the block ends, in an environment with `variables`."""
    env = {**environment(home), **variables}
    opened = Conversation(client.script(script, *arguments), env=env, home=home)
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with running(tmp_path_factory.mktemp("service")) as host:
        yield host


@pytest.fixture
def tenant(host: Host) -> Iterator[Tenant]:
    with host.tenant() as tenant:
        yield tenant


@pytest.fixture
def stranger(host: Host) -> Iterator[Tenant]:
    """Somebody else's project on the same service."""
    with host.tenant() as tenant:
        yield tenant


@pytest.fixture(scope="session")
def gcore() -> VendorClient:
    return require_client("gcore")


@pytest.fixture(scope="session")
def yotta() -> VendorClient:
    return require_client("yotta")


@pytest.fixture(scope="session")
def yottactl() -> VendorClient:
    return require_client("yottactl")


def gcore_speaker(spoken: Conversation, tenant: Tenant, **options: object) -> Speaker:
    """Return the Gcore SDK with a project's number and key."""
    made = {"base_url": tenant.service.url, "api_key": tenant.key}
    return Speaker(spoken, {**made, "cloud_project_id": tenant.number, **options})


def yotta_speaker(spoken: Conversation, tenant: Tenant) -> Speaker:
    """Return a Yotta SDK with a project's key."""
    return Speaker(spoken, {"base_url": tenant.service.url, "api_key": tenant.key})


def yotta_data(envelope: dict[str, Any]) -> Any:
    """Return what a Yotta answer of success holds."""
    assert (envelope["message"], envelope["code"]) == ("success", 10000)
    return envelope["data"]


# Sevalla's clients are on no package index that has them; this one has the form of their requests.

_CONTRACT = json.loads(
    (Path(__file__).parents[2] / "contracts" / "sevalla.json").read_text(encoding="utf-8")
)
# Loading everybody's certificates takes longer than most tests, and nothing here is TLS.
_NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_LIST = "/docker-registries"
_ONE = "/docker-registries/{id}"


def _validator(schema: dict[str, Any]) -> Draft202012Validator:
    whole = {**schema, "components": _CONTRACT["components"]}
    return Draft202012Validator(whole, validate_formats=True)


@dataclass(slots=True)
class Sevalla:
    """A client of the vendor's form. Each answer is checked by the contract, its headers too."""

    http: httpx2.Client

    @classmethod
    def of(cls, tenant: Tenant, key: str | None = None) -> Sevalla:
        """Return a client with a project's key, or another."""
        headers = {
            "Authorization": f"Bearer {key or tenant.key}",
            "Accept": "application/json",
            "User-Agent": "node",
        }
        return cls(
            httpx2.Client(
                base_url=f"{tenant.service.url}/v3",
                headers=headers,
                verify=_NO_AUTHORITIES,
                trust_env=False,
                timeout=30,
            )
        )

    def send(
        self,
        method: str,
        id_: str | None = None,
        *,
        body: dict[str, Any] | None = None,
        query: dict[str, int] | None = None,
    ) -> httpx2.Response:
        """Send one of the contract's requests and return its answer, whatever the status.

        What the contract does not allow must be refused.
        """
        template = _LIST if id_ is None else _ONE
        operation = _CONTRACT["paths"][template][method.lower()]
        valid = _allowed(operation, {"id": id_, **(query or {})}, body)
        answer = self.http.request(
            method, template.format(id=id_), json=body, params=query and {**query}
        )
        check_headers(answer)
        assert valid or answer.status_code in {400, 422}, answer.text
        described = operation["responses"][str(answer.status_code)]
        _validator(described["content"]["application/json"]["schema"]).validate(answer.json())
        return answer

    def create(self, **body: Any) -> dict[str, Any]:
        """Store a login and return it."""
        return self._expect(self.send("POST", body=body), 200, 201)

    def get(self, id_: str) -> dict[str, Any] | None:
        """Return a login; None if it is gone."""
        answer = self.send("GET", id_)
        return None if answer.status_code == 404 else self._expect(answer, 200)

    def update(self, id_: str, **changed: Any) -> dict[str, Any]:
        """Send what changed and return the login."""
        return self._expect(self.send("PATCH", id_, body=changed), 200)

    def delete(self, id_: str) -> dict[str, Any]:
        """Delete a login and return what is said about it."""
        return self._expect(self.send("DELETE", id_), 200, 204)

    def pages(self, limit: int = 100) -> list[dict[str, Any]]:
        """Return every page, asking until offset and limit reach the total."""
        pages: list[dict[str, Any]] = []
        while not pages or pages[-1]["offset"] + limit < pages[-1]["total"]:
            query = {"limit": limit, "offset": len(pages) * limit}
            pages.append(self._expect(self.send("GET", query=query), 200))
        return pages

    def _expect(self, answer: httpx2.Response, *statuses: int) -> dict[str, Any]:
        assert answer.status_code in statuses, answer.text
        return dict(answer.json())


def check_headers(answer: httpx2.Response) -> None:
    """Assert what stands on every answer of this vendor."""
    for name in ("limit", "remaining", "reset"):
        assert answer.headers[f"x-ratelimit-{name}"].isdecimal(), answer.headers
    assert answer.headers["x-request-id"]


def _allowed(
    operation: dict[str, Any], given: dict[str, object], body: dict[str, Any] | None
) -> bool:
    parameters = all(
        _validator(one["schema"]).is_valid(given[one["name"]])
        for one in operation.get("parameters", ())
        if given.get(one["name"]) is not None
    )
    if body is None:
        return parameters
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    return parameters and _validator(schema).is_valid(body)


@pytest.fixture
def sevalla(tenant: Tenant) -> Iterator[Sevalla]:
    client = Sevalla.of(tenant)
    with client.http:
        yield client
