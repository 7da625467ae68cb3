"""The native API, as calls that return its JSON objects or raise what the service refused.

No proxy, netrc or CA of the environment counts: the request goes to the configured URL and to
nothing else, and redirects are not followed, because the key would go along.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx2

from regcred.clients.config import ClientConfig
from regcred.clients.problems import (
    ApiProblem,
    InvalidName,
    NotRegcred,
    ServiceUnreachable,
    read_problem,
)

Json = dict[str, Any]
Query = Mapping[str, str | int | None]

_TIMES = httpx2.Timeout(30, connect=5)  # A verification asks a registry for up to 10 s.
_MAX_ANSWER = 16 * 1024 * 1024
_PAGE = 200
_FIRST_ERROR = 300
_CLIENT_ERROR = 400


class RegcredClient:
    """One service with one key, in one project.

    Every call may raise ApiProblem, ServiceUnreachable, NotRegcred; one that puts a name into a
    path, InvalidName.
    """

    def __init__(self, config: ClientConfig, project: str | None = None) -> None:
        """Open no connection yet. Raise ServiceUnreachable when the CA file cannot be used."""
        self._project = f"projects/{segment(project or config.project)}"
        self._client = httpx2.Client(
            base_url=f"{config.url}/v1/",
            headers={
                "Authorization": f"Bearer {config.key}",
                "Accept": "application/json",
                "Accept-Encoding": "identity",
            },
            verify=_trust(config),
            trust_env=False,
            timeout=_TIMES,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    # Projects

    def whoami(self) -> Json:
        """Return who this key is and what it may do."""
        return self._call("GET", "whoami")

    def projects(self) -> Iterator[Json]:
        """Yield every project that this key reaches."""
        return self._pages("projects")

    def project(self, project: str | None = None) -> Json:
        """Return one project, this client's own by default."""
        return self._call("GET", self._project_path(project))

    def create_project(self, name: str) -> Json:
        """Make a project."""
        return self._call("POST", "projects", {"name": name})

    def update_project(self, project: str, changes: Json, version: int | None) -> Json:
        """Change the given settings of a project; the rest stays."""
        return self._call("PATCH", self._project_path(project), changes, version=version)

    def delete_project(self, project: str, version: int | None = None) -> None:
        """Delete an empty project."""
        self._call("DELETE", self._project_path(project), version=version)

    # Keys

    def keys(self) -> Iterator[Json]:
        """Yield the project's keys."""
        return self._pages(f"{self._project}/keys")

    def find_key(self, key: str) -> Json:
        """Return a key by its id, or by a name that only one key has."""
        try:
            return self._call("GET", f"{self._project}/keys/{segment(key)}")
        except ApiProblem as problem:
            named = [one for one in self.keys() if one.get("name") == key]
            if problem.slug != "key-not-found" or len(named) != 1:
                raise
            return named[0]

    def create_key(self, key: Json) -> Json:
        """Make a key; its text is in `key` of the answer, this once."""
        return self._call("POST", f"{self._project}/keys", key)

    def update_key(self, key: Json, changes: Json) -> Json:
        """Change a key that was read before."""
        path = f"{self._project}/keys/{segment(key['id'])}"
        return self._call("PATCH", path, changes, version=key.get("version"))

    def delete_key(self, key: Json) -> None:
        """Revoke a key that was read before."""
        path = f"{self._project}/keys/{segment(key['id'])}"
        self._call("DELETE", path, version=key.get("version"))

    # Credentials

    def credentials(self, filters: Query) -> Iterator[Json]:
        """Yield the project's credentials that pass the filters."""
        return self._pages(f"{self._project}/credentials", filters)

    def credential(self, name: str) -> Json:
        """Return a credential by name or id."""
        return self._call("GET", self._credential(name))

    def create_credential(self, credential: Json) -> Json:
        """Store a login."""
        return self._call("POST", f"{self._project}/credentials", credential)

    def update_credential(self, name: str, changes: Json, version: int | None) -> Json:
        """Change the given fields; the rest stays."""
        return self._call("PATCH", self._credential(name), changes, version=version)

    def delete_credential(self, name: str, version: int | None, *, force: bool = False) -> None:
        """Delete a credential, with `force` its uses too."""
        query = {"force": "true"} if force else {}
        self._call("DELETE", self._credential(name), query=query, version=version)

    def verify(self, name: str, image: str | None) -> Json:
        """Ask the registry about a stored login and return its verdict."""
        body = {} if image is None else {"image": image}
        return self._call("POST", f"{self._credential(name)}:verify", body)

    def verdicts(self, name: str) -> Iterator[Json]:
        """Yield a credential's verdicts, newest first."""
        return self._pages(f"{self._credential(name)}/verdicts")

    # Providers

    def providers(self) -> Iterator[Json]:
        """Yield what is known of each family of registries."""
        # They come on one page, and the service takes no limit for it.
        yield from self._items(self._call("GET", "providers"))

    def provider(self, slug: str) -> Json:
        """Return what is known of one family."""
        return self._call("GET", f"providers/{segment(slug)}")

    # Registries, images and the trail

    def probe_registry(self, registry_url: str, settings: Mapping[str, str]) -> Json:
        """Ask a registry what it wants of a login, and return what was found."""
        body = {"registry_url": registry_url, "settings": dict(settings)}
        return self._call("POST", f"{self._project}/registries:probe", body)

    def resolve(self, image: str, *, force: bool = False) -> Json:
        """Return the logins for an image, secrets included."""
        body = {"image": image, "client": "regcred-cli", "force": force}
        return self._call("POST", f"{self._project}/resolve", body)

    def explain(self, image: str) -> Json:
        """Return which login an image would get on each client, and why."""
        return self._call("POST", f"{self._project}/explain", {"image": image})

    def events(self, filters: Query) -> Iterator[Json]:
        """Yield what there is to hear of in the project, newest first."""
        return self._pages(f"{self._project}/events", filters)

    def audit(self, filters: Query) -> Iterator[Json]:
        """Yield the project's audit rows that pass the filters."""
        return self._pages(f"{self._project}/audit", filters)

    # How a call is made

    def _project_path(self, project: str | None) -> str:
        return self._project if project is None else f"projects/{segment(project)}"

    def _credential(self, name: str) -> str:
        return f"{self._project}/credentials/{segment(name)}"

    def _pages(self, path: str, filters: Query | None = None) -> Iterator[Json]:
        query: dict[str, str | int | None] = {**(filters or {}), "limit": _PAGE}
        while True:
            page = self._call("GET", path, query=query)
            yield from self._items(page)
            query["cursor"] = page.get("next_cursor")
            if not query["cursor"]:
                return

    def _items(self, page: Json) -> list[Json]:
        items = page.get("items")
        if not isinstance(items, list):
            raise NotRegcred(self._client.base_url.host, "a list without items")
        return items

    def _call(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        query: Query | None = None,
        version: int | None = None,
    ) -> Json:
        request = self._client.build_request(
            method,
            path,
            params={name: value for name, value in (query or {}).items() if value is not None},
            json=body,
            headers={} if version is None else {"If-Match": f'"{version}"'},
        )
        host = request.url.netloc.decode("ascii")
        try:
            status, media_type, content = self._send(request, host)
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            # Some causes have no text of their own; none holds the request's content.
            raise ServiceUnreachable(host, str(error) or type(error).__name__) from None
        answer = _object(content) if media_type.endswith("json") else None
        if status >= _CLIENT_ERROR and media_type == "application/problem+json" and answer:
            raise read_problem(status, answer)
        if status >= _FIRST_ERROR or (answer is None and content):
            raise NotRegcred(host, f"an answer {status} that is not regcred's")
        return answer or {}

    def _send(self, request: httpx2.Request, host: str) -> tuple[int, str, bytes]:
        response = self._client.send(request, stream=True)
        content = bytearray()
        try:
            for part in response.iter_bytes():
                content += part
                if len(content) > _MAX_ANSWER:
                    raise NotRegcred(host, "an answer without end")
        finally:
            response.close()
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        return response.status_code, media_type, bytes(content)


def segment(name: str) -> str:
    """Return a name as one segment of a path. Raise InvalidName.

    What a proxy could read as another path is refused here, whatever the encoding: `..` in a
    deletion must not climb to the project.
    """
    if name in {"", ".", ".."} or "/" in name or "\\" in name:
        raise InvalidName("a name is neither empty nor . nor .. and holds no slash")
    try:
        return quote(name, safe="")
    except UnicodeEncodeError:
        raise InvalidName("a name is valid UTF-8") from None


def _trust(config: ClientConfig) -> ssl.SSLContext | bool:
    if not config.url.startswith("https:"):
        return False  # There is no certificate to verify; a context would only take time.
    try:
        return ssl.create_default_context(cafile=config.ca_file or None)
    except OSError as error:
        why = f"{config.ca_file} holds no readable CA certificate ({error.strerror or 'not PEM'})"
        raise ServiceUnreachable(config.url, why) from None


def _object(content: bytes) -> Json | None:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
