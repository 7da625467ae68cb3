"""containerd's registry files: config.toml's config_path, and one hosts.toml a registry.

containerd asks no helper. What it gets of a login comes from the kubelet, or stands here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from regcred.clients.wiring.json_object import Broken

# Where the registry's settings are: configuration of version 3, and of version 2.
_SECTIONS = (
    ("io.containerd.cri.v1.images", "registry"),
    ("io.containerd.grpc.v1.cri", "registry"),
)


@dataclass(frozen=True, slots=True)
class RegistryConfig:
    """What config.toml says about registries."""

    folders: tuple[str, ...]
    """config_path: where hosts.toml files are looked for."""

    mirrors: bool
    """Whether the older registry.mirrors are set, which go with no config_path."""

    logins: tuple[str, ...]
    """The registries whose login stands in config.toml itself."""


@dataclass(frozen=True, slots=True)
class Host:
    """Where a registry's images may be pulled from."""

    url: str
    headers: tuple[str, ...]
    """The names of headers that are sent along; their values are secrets."""

    skip_verify: bool


def read_config(content: str) -> RegistryConfig:
    """Return what config.toml says about registries. Raise Broken."""
    plugins = _table(_toml(content), "plugins")
    folders: list[str] = []
    logins: list[str] = []
    mirrors = False
    for plugin, section in _SECTIONS:
        registry = _table(_table(plugins, plugin), section)
        folders += [one for one in str(registry.get("config_path") or "").split(":") if one]
        mirrors = mirrors or bool(registry.get("mirrors"))
        configs = _table(registry, "configs")
        logins += [name for name in configs if _table(configs, name).get("auth")]
    return RegistryConfig(tuple(folders), mirrors, tuple(logins))


def read_hosts(content: str) -> list[Host]:
    """Return a hosts.toml's hosts in the order they are tried, its server last. Raise Broken."""
    found = _toml(content)
    hosts = [_host(url, one) for url, one in _table(found, "host").items()]
    server = found.get("server")
    return [*hosts, _host(str(server), found)] if server else hosts


def folder_names(registry: str) -> list[str]:
    """Return the folders in which containerd looks for a registry's hosts.toml, in order."""
    name, colon, port = registry.rpartition(":")
    spelled = [f"{name}_{port}_"] if colon and name else []
    return [*spelled, registry, "_default"]


def _host(url: str, found: Any) -> Host:
    if not isinstance(found, dict):
        raise Broken(f"host {url} is not a table")
    return Host(url, tuple(_table(found, "header")), found.get("skip_verify") is True)


def _toml(content: str) -> dict[str, Any]:
    try:
        return tomllib.loads(content)
    except tomllib.TOMLDecodeError:
        raise Broken("it is not TOML") from None


def _table(found: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = found.get(name)
    return value if isinstance(value, dict) else {}
