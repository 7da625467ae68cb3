"""What the operator decides, read once: defaults, then the environment, then the command line.

The only reader of the environment on the server's side. Nothing secret is a setting: the key
ring is a file or a service, and where it is is all that stands here.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote_plus

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from regcred.domain.errors import InvalidInput
from regcred.domain.registry import RegistryAddress

_NOT_PATHS = ("fd:", "awskms:", "gcpkms:", "vault:")
_HOST = r"(?:\[[^]@/?]*\]|[^][:@/?,]*)(?::\d*)?"
_FIELD = r"[\w%]+=[^&]*"
_AT_IN_QUERY = re.compile(rf"(?:[^:/?]*@)?{_HOST}(?:,{_HOST})*(?:/[^?@]*)?\?{_FIELD}(?:&{_FIELD})*")
"""An address whose user has no colon: one that comes before an `@` is a port's, or a query's."""

_COLLECTOR = re.compile(r"https?://[A-Za-z0-9.\[\]:_-]+(?:/[A-Za-z0-9._~/-]*)?")


class Settings(BaseSettings):
    """Every switch of the service, each as `REGCRED_<NAME>` in the environment."""

    model_config = SettingsConfigDict(
        env_prefix="REGCRED_", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    data: Path = Path("data")
    """Holds `store/` and, unless `keyring` says otherwise, `keys/`."""

    database: str | None = None
    """`postgresql://USER@HOST:PORT/NAME` instead of the SQLite store; no password in it."""

    database_password_file: Path | None = None
    """Holds the password of the database's user; else ~/.pgpass is looked into."""

    database_prepared: bool = True
    """Off behind a pooler that does not know prepared statements (pgbouncer before 1.21)."""

    keyring: Annotated[tuple[str, ...], NoDecode] = ()
    """Where the key-encryption keys are (docs/keys.md): the first wraps, all of them unwrap.

    A file's path, `fd:N`, `awskms:ARN`, `gcpkms:RESOURCE` or `vault:MOUNT/KEY`.
    """

    gcpkms_endpoint: str | None = None
    """Where Google's key service is reached instead: `https://HOST`, a private endpoint."""

    vault_addr: str = ""
    """The Vault or OpenBao server that `vault:` keys are on."""

    vault_namespace: str | None = None
    vault_ca_file: Path | None = None
    vault_token_file: Path | None = None
    vault_role_id: str | None = None
    vault_secret_id_file: Path | None = None
    vault_kubernetes_role: str | None = None

    anchor: Path | None = None
    """Where the audit's anchor is kept, if not beside the key ring."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    workers: int = Field(default=1, ge=1, le=64)

    allow_networks: Annotated[tuple[str, ...], NoDecode] = ()
    """Networks (CIDR) that verification may reach although they are not public."""

    allow_http: Annotated[tuple[str, ...], NoDecode] = ()
    """Registry hosts (or host:port) that may be spoken to without TLS."""

    verify_per_host: int = Field(default=300, ge=1)
    """Verifications of one registry host in a minute."""

    verify_per_project: int = Field(default=300, ge=1)
    """Verifications and probes that the callers of one project ask for in a minute."""

    verify_concurrency: int = Field(default=32, ge=1, le=1024)
    """Verifications under way at once."""

    exchanges_per_cloud: int = Field(default=600, ge=1)
    """Exchanges of stored secrets with one cloud in a minute."""

    endpoints: Annotated[Mapping[str, str], NoDecode] = Field(default_factory=dict)
    """Where a cloud's service is reached instead: `SERVICE=URL`.

    Services are ecr, ecr-public, sts, gcp, azure, acr and digitalocean.
    """

    allow_raw: Annotated[tuple[str, ...], NoDecode] = ()
    """Families whose stored secrets reach pullers as they are, though there is an exchange."""

    recheck: bool = True
    """Check stored logins without being asked (docs/rechecks.md)."""

    audit_days: int | None = Field(default=None, ge=1, le=36_500)
    """Days after which audit rows that decide nothing may go; for ever if not set."""

    scrub_rate: int = Field(default=10, ge=0, le=10_000)
    """Sealed rows opened in a second, to see that they still open; 0 opens none."""

    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    """Where `/metrics` is served, without a key; nowhere if not set."""

    otel_endpoint: str | None = None
    """Collector that traces are sent to by OTLP over HTTP (docs/monitoring.md); none if not set."""

    budgets: Annotated[Mapping[str, str], NoDecode] = Field(default_factory=dict)
    """Requests a minute of one project, by wire language: `NAME=READS/WRITES` or `NAME=PRESET`."""

    rate_per_project: int | None = Field(default=None, ge=1)
    """Requests a minute of one project's keys, on all faces together; no limit if not set."""

    rate_per_key: int | None = Field(default=None, ge=1)
    """Requests a minute of one key, or of one pod's identity; no limit if not set."""

    concurrency: int = Field(default=2048, ge=16)
    """Requests under way at once; more get 503. Twice as many connections may be open."""

    connections_per_peer: int | None = Field(default=None, ge=1)
    """Connections of one address at once, more are closed: half of `concurrency` if not set.

    Behind a proxy that is not trusted all clients are one address.
    """

    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()
    """Networks (CIDR) of proxies that are believed on whom they serve."""

    grace: int = Field(default=10, ge=0, le=600)
    """Seconds that running requests get when the service stops."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    accept_rollback: bool = False
    """Start although the audit says that the store was set back. Loud and audited."""

    @field_validator("keyring", mode="before")
    @classmethod
    def _rings(cls, value: object) -> object:
        if isinstance(value, Path):
            return (str(value),)
        # At commas alone: a path may have spaces.
        return tuple(filter(None, value.split(","))) if isinstance(value, str) else value

    @field_validator("database")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is None:
            return value
        # asyncpg takes tabs and line ends out before it reads; nobody else does.
        if not value.startswith(("postgresql://", "postgres://")) or len(value.split()) != 1:
            raise ValueError("must be postgresql://USER@HOST:PORT/NAME")
        # Command lines and environments are seen by others; a query may hold one too.
        if _holds_password(value):
            raise ValueError(
                "must hold no password: use REGCRED_DATABASE_PASSWORD_FILE or ~/.pgpass"
            )
        return value

    @field_validator("allow_networks", "allow_http", "allow_raw", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @field_validator("budgets", mode="before")
    @classmethod
    def _budgets(cls, value: object) -> object:
        return _pairs(value, "NAME=READS/WRITES or NAME=PRESET")

    @field_validator("endpoints", mode="before")
    @classmethod
    def _endpoints(cls, value: object) -> object:
        return _pairs(value, "SERVICE=URL")

    @field_validator("otel_endpoint")
    @classmethod
    def _collector(cls, value: str | None) -> str | None:
        if value is not None and not _COLLECTOR.fullmatch(value):
            raise ValueError("must be http(s)://HOST:PORT, with a path if it has one")
        return value

    @field_validator("allow_networks", "trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            try:
                ipaddress.ip_network(network)
            except ValueError:
                raise ValueError(
                    f"must be networks (CIDR, host bits zero), and {network} is none"
                ) from None
        return value

    @field_validator("allow_http")
    @classmethod
    def _hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for host in value:
            try:
                RegistryAddress.parse(host)
            except InvalidInput:
                raise ValueError("must be HOST or HOST:PORT, without a scheme or path") from None
        return value

    @property
    def peer_connections(self) -> int:
        """Connections that one address may have: it never takes all of them by default."""
        return self.connections_per_peer or self.concurrency // 2

    @property
    def store_directory(self) -> Path:
        """Where the database lives."""
        return self.data / "store"

    @property
    def keyring_file(self) -> Path:
        """Where the first key ring that is a file lives."""
        paths = (ring for ring in self.key_rings if not ring.startswith(_NOT_PATHS))
        return Path(next(paths, self.data / "keys" / "keyring.json"))

    @property
    def key_rings(self) -> tuple[str, ...]:
        """Every key ring, the one that wraps first."""
        return self.keyring or (str(self.data / "keys" / "keyring.json"),)

    @property
    def anchor_file(self) -> Path:
        """Where the audit chain's head is anchored: beside the key ring, or where it was put."""
        return self.anchor or self.keyring_file.parent / "anchor.json"


def _holds_password(url: str) -> bool:
    """Whether there is a password where libpq or asyncpg would find one, however it is written.

    Both decode a query's names, and one that was not quoted may hold `/`, `?` or `#`.
    """
    rest = url.partition("://")[2]
    fields = re.split("[?&]", rest)[1:]
    if any("password" in unquote_plus(field.partition("=")[0]).lower() for field in fields):
        return True
    user, at, _ = rest.rpartition("@")
    return bool(at) and ":" in user and not _AT_IN_QUERY.fullmatch(rest)


def _pairs(value: object, form: str) -> object:
    """Split a text of pairs, each name once. Raise ValueError, which says the form."""
    if not isinstance(value, str):
        return value
    pairs = [pair.partition("=") for pair in value.replace(",", " ").split()]
    if len({name for name, _, _ in pairs}) != len(pairs) or not all(p[2] for p in pairs):
        raise ValueError(f"must be {form}, each name once")
    return {name: choice for name, _, choice in pairs}
