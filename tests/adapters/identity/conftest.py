from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest

from regcred.adapters.identity.pod_tokens import PodTokenVerifier
from regcred.domain.errors import NotAuthenticated
from regcred.domain.workload import Cluster, Pod
from tests.tools.issuer import AUDIENCE, Issuer

NOW = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)


class Seconds:
    """A monotonic clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def a_cluster(issuer: Issuer, **more: Any) -> Cluster:
    """Return the issuer's cluster with its keys given, unless told otherwise."""
    fields = {"jwks": orjson.dumps(issuer.jwks()).decode(), **more}
    return Cluster(UUID(int=7), "prod-1", issuer.name, AUDIENCE, NOW, NOW, **fields)


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def verifier(seconds: Seconds) -> PodTokenVerifier:
    return PodTokenVerifier(seconds)


@pytest.fixture
def issuer() -> Issuer:
    return Issuer(NOW)


async def why_refused(verify: Callable[[], Any]) -> str:
    """Return what the log hears of a token that is refused, and check what its sender hears."""
    with pytest.raises(NotAuthenticated) as caught:
        await verify()
    assert caught.value.reason == "token"
    assert str(caught.value) == str(NotAuthenticated("token"))
    return caught.value.why


def web_pod() -> Pod:
    return Pod("shop", "web", NOW + timedelta(hours=1), "web-5d9c", "node-7")
