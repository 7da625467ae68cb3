"""A real OpenBao on loopback: its transit engine, a role and tokens. Nothing of it is kept."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hvac
import pytest

from tests.tools.missing import do_without
from tests.tools.programs import (
    LOOPBACK,
    Daemon,
    ProgramMissing,
    environment,
    find,
    free_port,
    http_status,
)

ROOT_TOKEN = "root-of-a-test"
POLICY = """
path "transit/keys/*" { capabilities = ["read"] }
path "transit/encrypt/*" { capabilities = ["update"] }
path "transit/decrypt/*" { capabilities = ["update"] }
"""
"""What docs/keys.md tells an operator to allow."""


@dataclass(frozen=True, slots=True)
class Bao:
    """A running one with the keys `plain` and `derived`, and an AppRole that may use them."""

    url: str
    client: Any
    role_id: str

    def secret_id(self) -> str:
        """Return a new secret of the role."""
        made = self.client.auth.approle.generate_secret_id("regcred")
        return str(made["data"]["secret_id"])

    def token(self) -> str:
        """Return a token that may do what the role may."""
        made = self.client.auth.token.create(policies=["regcred"], no_default_policy=True)
        return str(made["auth"]["client_token"])


def running_bao(folders: pytest.TempPathFactory) -> Iterator[Bao]:
    """Run it for a fixture; skip where it is not installed, unless nothing may be skipped."""
    try:
        with bao(folders.mktemp("bao")) as running:
            yield running
    except ProgramMissing as missing:
        do_without(f"{missing} is not installed")


@contextlib.contextmanager
def bao(folder: Path) -> Iterator[Bao]:
    """Run it until the block ends. Raise ProgramMissing."""
    port = free_port()
    daemon = Daemon(
        [
            find("bao"), "server", "-dev", "-dev-no-store-token",
            f"-dev-root-token-id={ROOT_TOKEN}", f"-dev-listen-address={LOOPBACK}:{port}",
        ],
        env=environment(folder),
        logs=folder / "logs",
        name="bao",
    )  # fmt: skip
    try:
        daemon.wait_ready(lambda: http_status(port, "/v1/sys/health") == 200)
        yield _set_up(f"http://{LOOPBACK}:{port}")
    finally:
        daemon.stop()


def _set_up(url: str) -> Bao:
    client = hvac.Client(url=url, token=ROOT_TOKEN, timeout=10)
    client.sys.enable_secrets_engine("transit")
    client.secrets.transit.create_key("plain")
    client.secrets.transit.create_key("derived", derived=True)
    client.sys.create_or_update_policy("regcred", POLICY)
    client.sys.enable_auth_method("approle")
    client.auth.approle.create_or_update_approle("regcred", token_policies=["regcred"])
    role = client.auth.approle.read_role_id("regcred")
    return Bao(url, client, str(role["data"]["role_id"]))
