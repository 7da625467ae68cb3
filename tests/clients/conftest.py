"""Servers and a user's home for the client programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.clients.raw_server import RawServer
from tests.clients.stub_service import KEY, StubService
from tests.tools.kube_api import KubeAPI


@pytest.fixture
def stub() -> Iterator[StubService]:
    service = StubService()
    yield service
    service.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., RawServer]]:
    """Start servers that send the given bytes."""
    servers: list[RawServer] = []

    def start(*parts: bytes, **how: Any) -> RawServer:
        servers.append(RawServer(*parts, **how))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A user's home, without settings."""
    made = tmp_path / "home"
    made.mkdir()
    return made


@pytest.fixture
def env(stub: StubService, home: Path) -> dict[str, str]:
    """The whole environment of a program that may ask the stub."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "REGCRED_URL": stub.url,
        "REGCRED_KEY": KEY,
    }


@pytest.fixture(scope="session")
def cluster_authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def kube(cluster_authority: trustme.CA) -> Iterator[KubeAPI]:
    """A cluster without namespaces, in which the sync may do anything."""
    api = KubeAPI(cluster_authority)
    yield api
    api.close()
