"""How a call of the native API is made, whatever it is about.

No proxy, netrc or CA of the environment counts: the request goes to the configured URL and to
nothing else, and redirects are not followed, because the key would go along.
"""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Iterator, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, NamedTuple, NoReturn, Self
from urllib.parse import quote, unquote

import httpx2

from regcred.clients.config import ClientConfig
from regcred.clients.node.service import sendable
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
_NOT_MODIFIED = 304
_CLIENT_ERROR = 400


class Handed(NamedTuple):
    """What a hand-out answered. Its body holds logins and shows in no repr."""

    body: bytes
    """Nothing when what the caller has is still what it would get."""

    headers: Mapping[str, str]
    """By names in small letters."""

    unchanged: bool

    @property
    def withheld(self) -> str:
        """Return the logins that were kept back, `name (verdict), …`."""
        return unquote(self.headers.get("regcred-withheld", ""))

    @property
    def left_out(self) -> str:
        """Return the logins that the form cannot express, `name (why), …`."""
        return unquote(self.headers.get("regcred-left-out", ""))

    @property
    def expires_at(self) -> datetime | None:
        """Return when the first of the logins ends, if one does."""
        try:
            read = datetime.fromisoformat(self.headers.get("regcred-expires-at", ""))
        except ValueError:
            return None
        return read if read.tzinfo else None

    def json(self) -> Json:
        """Return the body as a JSON object, an empty one when it is none."""
        return _object(self.body) or {}

    def __repr__(self) -> str:
        return f"Handed(<{len(self.body)} bytes>, unchanged={self.unchanged})"


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
            verify=trust(config),
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
        host, status, headers, content = self._sent(request)
        answer = _object(content) if _media_type(headers).endswith("json") else None
        if status >= _CLIENT_ERROR:
            _refuse(host, status, headers, answer)
        if status >= _FIRST_ERROR or (answer is None and content):
            raise NotRegcred(host, f"an answer {status} that is not regcred's")
        return answer or {}

    def _hand_out(
        self, path: str, query: Mapping[str, str | list[str]], etag: str | None = None
    ) -> Handed:
        """Ask for logins in some form, or that those of `etag` are still the ones."""
        request = self._client.build_request(
            "GET",
            path,
            params=dict(query),
            headers={
                "Accept": "*/*",
                **({} if etag is None else {"If-None-Match": etag}),
                **({"Regcred-Node": node} if sendable(node := os.uname().nodename) else {}),
            },
        )
        host, status, headers, content = self._sent(request)
        if status == _NOT_MODIFIED and etag is not None:
            return Handed(b"", headers, unchanged=True)
        if status >= _CLIENT_ERROR:
            _refuse(host, status, headers, _object(content))
        if status >= _FIRST_ERROR:
            raise NotRegcred(host, f"an answer {status} that is not regcred's")
        return Handed(content, headers, unchanged=False)

    def _sent(self, request: httpx2.Request) -> tuple[str, int, Mapping[str, str], bytes]:
        host = request.url.netloc.decode("ascii")
        try:
            return host, *self._send(request, host)
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            # Some causes have no text of their own; none holds the request's content.
            raise ServiceUnreachable(host, str(error) or type(error).__name__) from None

    def _send(self, request: httpx2.Request, host: str) -> tuple[int, Mapping[str, str], bytes]:
        response = self._client.send(request, stream=True)
        content = bytearray()
        try:
            for part in response.iter_bytes():
                content += part
                if len(content) > _MAX_ANSWER:
                    raise NotRegcred(host, "an answer without end")
        finally:
            response.close()
        return response.status_code, response.headers, bytes(content)


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


def _media_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _refuse(host: str, status: int, headers: Mapping[str, str], answer: Json | None) -> NoReturn:
    if _media_type(headers) == "application/problem+json" and answer:
        raise read_problem(status, answer, headers.get("retry-after", ""))
    raise NotRegcred(host, f"an answer {status} that is not regcred's")


def trust(config: ClientConfig) -> ssl.SSLContext | bool:
    """Return what the service's certificate is verified by. Raise ServiceUnreachable."""
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
