"""How a call of the native API is made, whatever it is about.

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


class Calls:
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

    def _pages(self, path: str, filters: Query | None = None) -> Iterator[Json]:
        for page in self._whole_pages(path, filters):
            yield from self._items(page)

    def _whole_pages(self, path: str, filters: Query | None = None) -> Iterator[Json]:
        query: dict[str, str | int | None] = {**(filters or {}), "limit": _PAGE}
        while True:
            page = self._call("GET", path, query=query)
            yield page
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
