"""A real registry (Distribution 2.8, Debian's docker-registry) on a loopback port."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import trustme

from tests.tools.programs import (
    LOOPBACK,
    Daemon,
    environment,
    find,
    free_port,
    http_status,
    run,
)
from tests.tools.token_server import TokenServer

_NO_TLS = 400
"""What it answers to a question without TLS, once it speaks TLS."""

_OURS = '"regcred"'
"""The user agent of checks, as its log quotes it."""


def _tls(folder: Path, authority: trustme.CA | None) -> dict[str, Any]:
    if authority is None:
        return {}
    issued = authority.issue_cert(LOOPBACK)
    pair = {"certificate": folder / "tls.pem", "key": folder / "tls.key"}
    issued.cert_chain_pems[0].write_to_path(pair["certificate"])
    issued.private_key_pem.write_to_path(pair["key"])
    return {"tls": {name: str(path) for name, path in pair.items()}}


class Registry:
    """One registry in a folder of its own. Its log is `<folder>/logs/registry.err`."""

    def __init__(
        self, folder: Path, auth: Mapping[str, Any], authority: trustme.CA | None = None
    ) -> None:
        """Take how users log in, and who certifies it: it speaks TLS if anyone does."""
        self.folder = folder
        self._ready = 401 if authority is None else _NO_TLS
        self.port = free_port()
        self._config = folder / "config.yml"
        config = {
            "version": "0.1",
            "log": {"level": "info", "accesslog": {"disabled": False}},
            "storage": {"filesystem": {"rootdirectory": str(folder / "storage")}},
            "http": {"addr": self.address, **_tls(folder, authority)},
            "auth": auth,
        }
        # JSON is YAML too.
        self._config.write_text(json.dumps(config))

    @property
    def address(self) -> str:
        """Return `host:port`, as image references name it."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def asked(self) -> list[str]:
        """Return the requests that it logged, but for those that found out whether it is ready."""
        logged = (self.folder / "logs" / "registry.err").read_text()
        out = (self.folder / "logs" / "registry.out").read_text()
        return [
            line for line in (logged + out).splitlines() if "HTTP/1.1" in line and _OURS in line
        ]

    @contextlib.contextmanager
    def serving(self) -> Iterator[Registry]:
        """Serve until the block ends."""
        daemon = Daemon(
            [find("docker-registry"), "serve", str(self._config)],
            env=environment(self.folder),
            logs=self.folder / "logs",
            name="registry",
        )
        try:
            daemon.wait_ready(lambda: http_status(self.port, "/v2/") == self._ready)
            yield self
        finally:
            daemon.stop()


class PasswordFile:
    """Users of a registry in htpasswd mode; the registry reads the file again when it changes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: dict[str, str] = {}

    def set(self, user: str, password: str) -> None:
        """Add a user or change a password. Only the bcrypt hash reaches the file."""
        done = run(
            [find("htpasswd"), "-Bin", user], env=environment(self.path.parent), stdin=password
        )
        if done.code != 0:
            raise RuntimeError(f"htpasswd: {done.err}")
        self._lines[user] = done.out.strip()
        self.path.write_text("\n".join(self._lines.values()) + "\n")


def with_password_file(
    folder: Path, authority: trustme.CA | None = None
) -> tuple[Registry, PasswordFile]:
    """Make a registry whose users stand in an htpasswd file."""
    folder.mkdir(parents=True, exist_ok=True)
    users = PasswordFile(folder / "htpasswd")
    users.path.touch()
    auth = {"htpasswd": {"realm": "regcred tests", "path": str(users.path)}}
    return Registry(folder, auth, authority), users


def with_tokens(folder: Path, tokens: TokenServer) -> Registry:
    """Make a registry that sends its clients to a token server."""
    folder.mkdir(parents=True, exist_ok=True)
    bundle = folder / "tokens.pem"
    bundle.write_bytes(tokens.certificate())
    auth = {
        "token": {
            "realm": tokens.realm,
            "service": tokens.service,
            "issuer": tokens.issuer,
            "rootcertbundle": str(bundle),
        }
    }
    return Registry(folder, auth)
