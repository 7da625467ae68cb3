"""A few lines over httpx2, so that tests speak of credentials and verdicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import httpx2

Heard = Callable[[httpx2.Response], None]


class Refused(Exception):
    """The service answered with a problem where the test expected none."""


class Api:
    """The native API of one service, with one key, in the key's own project."""

    def __init__(self, url: str, key: str, *, heard: Heard | None = None) -> None:
        """Take what to call with every whole answer as `heard`."""
        self.key = key
        self._heard = heard
        self._client = httpx2.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {key}"},
            trust_env=False,
            timeout=30,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        """Send anything and return whatever comes; `path` is below `/v1`, or from the root."""
        where = path if path.startswith("//") else f"/v1/{path}"
        answer = self._client.request(
            method,
            where.replace("//", "/", 1),
            content=content,
            json=body if content is None and body is not None else None,
            headers=dict(headers or {}),
        )
        if self._heard is not None:
            self._heard(answer)
        return answer

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Send and return the JSON of an answer below 300. Raise Refused."""
        answer = self.send(method, path, body)
        if answer.status_code >= 300:
            raise Refused(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None

    # The nouns that tests use most.

    def add(self, name: str, registry_url: str, username: str, password: str, **more: Any) -> Any:
        """Store a login and return the credential."""
        body = {
            "name": name,
            "registry_url": registry_url,
            "username": username,
            "password": password,
            **more,
        }
        return self.ask("POST", "projects/-/credentials", body)

    def set_password(self, name: str, password: str) -> Any:
        """Replace a credential's secret alone and return the credential."""
        return self.ask("PATCH", f"projects/-/credentials/{name}", {"password": password})

    def remove(self, name: str) -> None:
        """Delete a credential."""
        self.ask("DELETE", f"projects/-/credentials/{name}")

    def verify(self, name: str, image: str | None = None) -> Any:
        """Ask the registry about a stored login and return the verdict."""
        body = {} if image is None else {"image": image}
        return self.ask("POST", f"projects/-/credentials/{name}:verify", body)

    def verify_login(self, **login: Any) -> Any:
        """Ask the registry about a login that is not stored and return the verdict."""
        return self.ask("POST", "projects/-/credentials:verify", login)

    def resolve(self, image: str, **more: Any) -> Any:
        """Return the logins for an image, in order, and what was withheld."""
        return self.ask("POST", "projects/-/resolve", {"image": image, **more})

    def explain(self, image: str) -> Any:
        """Return which login an image would get, and why."""
        return self.ask("POST", "projects/-/explain", {"image": image})

    def make_key(self, name: str, role: str = "puller", **more: Any) -> Any:
        """Create a key and return it; its text is in `key`."""
        return self.ask("POST", "projects/-/keys", {"name": name, "role": role, **more})

    def revoke(self, key_id: str) -> None:
        """Delete a key."""
        self.ask("DELETE", f"projects/-/keys/{key_id}")
