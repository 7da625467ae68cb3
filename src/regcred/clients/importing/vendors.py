"""What three vendors' APIs list of an account's logins. None shows a password again.

As with regcred itself, nothing of the environment counts and no redirect is followed: the
vendor's key goes to the given address alone. What a vendor answers is never said back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

import httpx2

from regcred.clients.importing.found import Found, NotImportable, Skipped, Source, place

Json = dict[str, Any]
Ask = Callable[[str, Mapping[str, int]], Json]

_TIMES = httpx2.Timeout(30, connect=10)
_SECONDS = 60.0
"""How long all the answers of one read may take."""

_MAX_ANSWER = 16 * 1024 * 1024
_MOST = 10_000
_OK, _UNAUTHORIZED, _FORBIDDEN = 200, 401, 403

_GCORE_PAGE, _SEVALLA_PAGE = 1000, 100

# The families that stand behind a vendor's word for a registry; the rest name no address.
_YOTTA = {"DOCKER_HUB": "docker_hub", "GCR": "gcp", "ECR": "ecr", "ACR": "acr"}
_SEVALLA = {
    "dockerHub": "docker_hub",
    "gcr": "gcp",
    "ecr": "ecr",
    "github": "ghcr",
    "gitlab": "gitlab",
    "digitalOcean": "digitalocean",
}


class VendorFailed(Exception):
    """The vendor's API did not answer as it should; the text holds nothing of the answer."""

    denied = False


class VendorDenied(VendorFailed):
    """The vendor's API does not take the key."""

    denied = True


@dataclass(frozen=True, slots=True)
class Vendor:
    """A vendor's API."""

    name: str
    url: str
    """Where it is, unless the caller says otherwise."""

    below: str
    """Under which path there; a URL may end with it as well."""

    header: tuple[str, str]
    """The name of the header that carries the key, and what stands before the key."""

    read: Callable[[Ask, str], Iterator[Found | Skipped]]
    """Yields what the account has; the text is the vendor's project, where there is one."""

    def logins(self, url: str, key: str, project: str = "") -> list[Found | Skipped]:
        """Return what the account has, without passwords. Raise VendorFailed."""
        name, word = self.header
        until = monotonic() + _SECONDS
        with httpx2.Client(
            base_url=f"{url.rstrip('/').removesuffix(self.below)}{self.below}/",
            headers={name: f"{word}{key}", "Accept": "application/json"},
            trust_env=False,
            timeout=_TIMES,
        ) as client:
            try:
                return list(
                    self.read(lambda path, query: _get(client, path, query, until), project)
                )
            except (httpx2.TransportError, httpx2.InvalidURL) as why:
                told = str(why) or type(why).__name__
                raise VendorFailed(f"{url} cannot be reached: {told}") from None
            except (KeyError, TypeError, AttributeError):
                raise VendorFailed(f"{url} is not {self.name}'s API") from None


def _get(client: httpx2.Client, path: str, query: Mapping[str, int], until: float) -> Json:
    where = str(client.base_url)
    with client.stream("GET", path, params=dict(query)) as answer:
        content = bytearray()
        for part in answer.iter_bytes():
            content += part
            if len(content) > _MAX_ANSWER:
                raise VendorFailed(f"{where} answered without end")
            if monotonic() > until:
                raise VendorFailed(f"{where} took longer than {_SECONDS:.0f} s")
    if answer.status_code in {_UNAUTHORIZED, _FORBIDDEN}:
        raise VendorDenied(f"{where} does not take this key for that ({answer.status_code})")
    if answer.status_code != _OK:
        raise VendorFailed(f"{where} answered {answer.status_code}")
    try:
        value = json.loads(bytes(content))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise VendorFailed(f"{where} answered no JSON object")
    return value


def _gcore(ask: Ask, project: str) -> Iterator[Found | Skipped]:
    path = f"inference/{project}/registry_credentials"
    for one in _pages(ask, path, _GCORE_PAGE, "results", "count"):
        name, url = str(one["name"]), str(one["registry_url"])
        source = Source("Gcore", name)
        try:
            registry = place(url, paths_after_scheme=True)
        except NotImportable:
            yield Skipped(source, "its registry_url is no registry's address", broken=False)
        else:
            yield Found(registry, str(one["username"]), "", source, name)


def _yotta(ask: Ask, _project: str) -> Iterator[Found | Skipped]:
    for one in ask("container-registry-auths", {})["data"]:
        name, kind = str(one["name"]), str(one.get("type"))
        # It shows no user name either.
        yield Found("", "", "", Source("Yotta", name), name, _YOTTA.get(kind, ""))


def _sevalla(ask: Ask, _project: str) -> Iterator[Found | Skipped]:
    for one in _pages(ask, "docker-registries", _SEVALLA_PAGE, "data", "total"):
        name, kind = str(one["name"]), str(one.get("registry"))
        username = str(one.get("username") or "")
        yield Found("", username, "", Source("Sevalla", name), name, _SEVALLA.get(kind, ""))


def _pages(ask: Ask, path: str, size: int, items: str, total: str) -> Iterator[Json]:
    offset = 0
    while offset < _MOST:
        page = ask(path, {"limit": size, "offset": offset})
        yield from page[items]
        offset += len(page[items])
        if not page[items] or offset >= page[total]:
            return
    raise VendorFailed(f"the account has more than {_MOST} logins")


GCORE = Vendor("Gcore", "https://api.gcore.com", "/cloud/v3", ("Authorization", "APIKey "), _gcore)
YOTTA = Vendor("Yotta", "https://api.yottalabs.ai", "/v2", ("X-Api-Key", ""), _yotta)
SEVALLA = Vendor(
    "Sevalla", "https://api.sevalla.com", "/v3", ("Authorization", "Bearer "), _sevalla
)
