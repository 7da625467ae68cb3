"""Settings come from defaults, then the environment, then the command line, and stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from regcred.settings import Settings


@pytest.fixture(autouse=True)
def _no_settings_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have settings of their own."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"REGCRED_{name.upper()}", raising=False)


def refused(**given: Any) -> list[tuple[str, str]]:
    """Return (field, message) of every setting that is refused."""
    with pytest.raises(ValidationError) as caught:
        Settings(**given)
    return [(str(error["loc"][0]), error["msg"]) for error in caught.value.errors()]


def test_the_defaults_listen_on_this_machine_alone_and_reach_no_private_network() -> None:
    settings = Settings()

    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8080, 1)
    assert settings.allow_networks == settings.allow_http == ()
    assert settings.log_level == "info"
    assert not settings.accept_rollback


def test_every_setting_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, tuple[str, object]] = {
        "data": ("/srv/d", Path("/srv/d")),
        "database": ("postgresql://app@db/regcred", "postgresql://app@db/regcred"),
        "database_password_file": ("/p", Path("/p")),
        "database_prepared": ("false", False),
        "keyring": ("/k/ring.json,awskms:arn", ("/k/ring.json", "awskms:arn")),
        "gcpkms_endpoint": ("https://kms.example", "https://kms.example"),
        "vault_addr": ("https://v.example:8200", "https://v.example:8200"),
        "vault_namespace": ("team", "team"),
        "vault_ca_file": ("/v/ca.pem", Path("/v/ca.pem")),
        "vault_token_file": ("/v/token", Path("/v/token")),
        "vault_role_id": ("role", "role"),
        "vault_secret_id_file": ("/v/secret", Path("/v/secret")),
        "vault_kubernetes_role": ("regcred", "regcred"),
        "host": ("::1", "::1"),
        "port": ("0", 0),
        "workers": ("2", 2),
        "allow_networks": ("10.0.0.0/8", ("10.0.0.0/8",)),
        "allow_http": ("r.internal:5000", ("r.internal:5000",)),
        "verify_per_host": ("1", 1),
        "verify_per_project": ("1", 1),
        "verify_concurrency": ("1024", 1024),
        "exchanges_per_cloud": ("5", 5),
        "endpoints": ("ecr=http://127.0.0.1:1", {"ecr": "http://127.0.0.1:1"}),
        "allow_raw": ("gcp, acr", ("gcp", "acr")),
        "recheck": ("false", False),
        "scrub_rate": ("0", 0),
        "anchor": ("/mnt/a.json", Path("/mnt/a.json")),
        "audit_days": ("400", 400),
        "metrics_host": ("::1", "::1"),
        "metrics_port": ("9090", 9090),
        "otel_endpoint": ("https://[::1]:4318/otlp", "https://[::1]:4318/otlp"),
        "budgets": ("sevalla=vendor, gcore=600/60", {"sevalla": "vendor", "gcore": "600/60"}),
        "rate_per_project": ("600", 600),
        "rate_per_key": ("60", 60),
        "concurrency": ("16", 16),
        "connections_per_peer": ("1", 1),
        "trusted_proxies": ("10.0.0.0/8 ::1", ("10.0.0.0/8", "::1")),
        "grace": ("0", 0),
        "log_level": ("debug", "debug"),
        "accept_rollback": ("true", True),
    }
    for name, (text, _) in given.items():
        monkeypatch.setenv(f"REGCRED_{name.upper()}", text)

    settings = Settings()

    assert given.keys() == Settings.model_fields.keys()
    assert settings.model_dump() == {name: value for name, (_, value) in given.items()}


def test_the_command_line_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGCRED_PORT", "9000")
    monkeypatch.setenv("REGCRED_HOST", "::1")

    settings = Settings(port=9001)

    assert (settings.host, settings.port) == ("::1", 9001)


def test_a_clients_variables_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGCRED_KEY", "rgc_Hunter2")
    monkeypatch.setenv("REGCRED_URL", "https://elsewhere.example")

    assert "Hunter2" not in repr(Settings())


@pytest.mark.parametrize(
    ("text", "networks"),
    [
        ("", ()),
        (" , ", ()),
        ("10.0.0.0/8", ("10.0.0.0/8",)),
        ("10.0.0.0/8,fd00::/8", ("10.0.0.0/8", "fd00::/8")),
        (" 10.0.0.0/8 ,\t192.168.1.7\n", ("10.0.0.0/8", "192.168.1.7")),
    ],
)
def test_lists_are_split_at_commas_and_spaces(
    monkeypatch: pytest.MonkeyPatch, text: str, networks: tuple[str, ...]
) -> None:
    monkeypatch.setenv("REGCRED_ALLOW_NETWORKS", text)
    assert Settings().allow_networks == networks


@pytest.mark.parametrize(
    "text", ["localhost,127.0.0.1:5000 [::1]:5000", " localhost\t127.0.0.1:5000,[::1]:5000\n"]
)
def test_hosts_may_have_a_port(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("REGCRED_ALLOW_HTTP", text)

    assert Settings().allow_http == ("localhost", "127.0.0.1:5000", "[::1]:5000")


@pytest.mark.parametrize(
    "host", ["http://localhost:5000", "localhost/", "10.0.0.0/8", "a b@c", ":5000"]
)
def test_what_is_no_host_is_named_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("REGCRED_ALLOW_HTTP", host)

    with pytest.raises(ValidationError, match="must be HOST or HOST:PORT"):
        Settings()


@pytest.mark.parametrize(
    "network", ["10.0.0.300/8", "10.0.0.1/8", "internal", "10.0.0.0/33", "::/x"]
)
@pytest.mark.parametrize("name", ["allow_networks", "trusted_proxies"])
def test_a_network_that_is_none_is_named(name: str, network: str) -> None:
    [(field, message)] = refused(**{name: ("10.0.0.0/8", network)})

    assert field == name
    assert network in message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("port", -1), ("port", 65536), ("port", "http"), ("workers", 0), ("workers", 65),
        ("verify_per_host", 0), ("verify_per_project", 0), ("verify_concurrency", 0),
        ("concurrency", 15), ("rate_per_project", 0), ("rate_per_key", 0),
        ("connections_per_peer", 0), ("grace", -1),
        ("grace", 601), ("log_level", "loud"), ("log_level", "INFO"), ("accept_rollback", "maybe"),
        ("allow_http", 1),
        ("budgets", "gcore"), ("budgets", "gcore="), ("budgets", "gcore=1/1 gcore=2/2"),
        ("budgets", 1),
    ],
)  # fmt: skip
def test_each_bound_refuses_by_name(field: str, value: object) -> None:
    assert [name for name, _ in refused(**{field: value})] == [field]


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://u:Hunter2@h/n",
        "postgres://u:Hunter2@h,i:1/n",
        "postgresql://u:Hunter/2@h/n",
        "postgresql://u:Hunter#2@h/n",
        "postgresql://u:Hunter?2@h/n",
        "postgresql://u:Hunter?2=2@h/n",
        "postgresql://u:1?Hunter@h/n?user=u",
        "postgresql://u:1/Hunter@h/n?user=u@s",
        "postgresql://:Hunter2@h/n",
        "postgresql://u:2@h/n?user=me@srv",
        "postgresql://u@h/n?password=Hunter2",
        "postgresql://u@h/n?pass%77ord=Hunter2",
        "postgresql://u@h/n?sslmode=require&%50assword=Hunter2",
        "postgresql://u@h/n?sslpassword=Hunter2",
        "postgresql://u@h/n#?password=Hunter2",
    ],
)
def test_a_password_in_the_databases_address_is_refused_however_it_is_written(
    address: str,
) -> None:
    [(field, said)] = refused(database=address)

    assert field == "database"
    assert "must hold no password" in said
    assert "Hunter" not in said


@pytest.mark.parametrize(
    "address",
    ["mysql://u@h/n", "host=h password=Hunter2", "postgresql://u@h/n?pass\tword=Hunter2", ""],
)
def test_what_is_no_address_of_a_database_is_told_its_form(address: str) -> None:
    [(_, said)] = refused(database=address)

    assert "must be postgresql://USER@HOST:PORT/NAME" in said
    assert "Hunter" not in said


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://u@h/n",
        "postgresql://u@[::1]:5432/n?sslmode=verify-full&sslrootcert=/etc/ca.pem",
        "postgresql://u@a,b:5433/n?target_session_attrs=read-write&passfile=/etc/pgpass",
        "postgresql:///n?host=/run/postgresql",
        "postgresql://h:5432/n?user=me@srv",
        "postgresql://me@srv@[::1]:5432,h:5433/n?application_name=a:b@c&user=me@srv",
        "postgresql://u@h/n?sslrootcert=/etc/passwords/ca.pem",
    ],
)
def test_an_address_without_a_password_is_taken(address: str) -> None:
    assert Settings(database=address).database == address


def test_settings_cannot_be_changed_afterwards() -> None:
    settings = Settings()

    with pytest.raises(ValidationError):
        settings.accept_rollback = True


def test_keys_lie_beside_the_store_unless_told_otherwise() -> None:
    beside = Settings(data=Path("/srv/d"))
    apart = Settings(data=Path("/srv/d"), keyring=("/keys/ring.json",))

    assert beside.store_directory == apart.store_directory == Path("/srv/d/store")
    assert beside.keyring_file == Path("/srv/d/keys/keyring.json")
    assert beside.anchor_file == Path("/srv/d/keys/anchor.json")
    assert apart.keyring_file == Path("/keys/ring.json")
    # A store that is restored must not bring its own anchor along.
    assert apart.anchor_file == Path("/keys/anchor.json")


def test_one_address_never_takes_every_connection_unless_it_may() -> None:
    assert Settings(concurrency=100).peer_connections == 50
    assert Settings(concurrency=100, connections_per_peer=100).peer_connections == 100
