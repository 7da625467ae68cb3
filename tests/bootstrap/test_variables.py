"""What is said of settings is in our own words, names the variable and the rule, and no value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from regcred.bootstrap import operator
from regcred.bootstrap.variables import OF_CLIENTS, PREFIX, refusals, unknown
from regcred.settings import Settings
from tests.bootstrap.conftest import Place

_CLIENTS = Path(operator.__file__).parent.parent / "clients"


@pytest.fixture(autouse=True)
def _no_settings_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)


def said(monkeypatch: pytest.MonkeyPatch, given: Mapping[str, str], **options: object) -> list[str]:
    """Return what is said of settings that are refused."""
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(ValidationError) as caught:
        Settings(**options)  # type: ignore[arg-type]  # what is refused
    return list(refusals(caught.value, options, given))


@pytest.mark.parametrize(
    ("variable", "value", "rule"),
    [
        ("REGCRED_PORT", "http", "must be a whole number"),
        ("REGCRED_PORT", "8" * 5000, "must be a whole number, and is too large for one"),
        ("REGCRED_PORT", "65536", "must be at most 65535"),
        ("REGCRED_GRACE", "-1", "must be at least 0"),
        ("REGCRED_RECHECK", "perhaps", "must be true or false"),
        ("REGCRED_LOG_LEVEL", "loud", "must be 'debug', 'info', 'warning' or 'error'"),
        ("REGCRED_ALLOW_HTTP", "http://h", "must be HOST or HOST:PORT, without a scheme or path"),
        (
            "REGCRED_ALLOW_NETWORKS",
            "10.0.0.1/8",
            "must be networks (CIDR, host bits zero), and 10.0.0.1/8 is none",
        ),
    ],
)
def test_each_rule_is_said_in_a_few_words(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, rule: str
) -> None:
    assert said(monkeypatch, {variable: value}) == [f"{variable}: {rule}"]


def test_an_option_is_named_as_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(monkeypatch, {}, metrics_port=70000, allow_networks=("x",)) == [
        "--allow-network: must be networks (CIDR, host bits zero), and x is none",
        "--metrics-port: must be at most 65535",
    ]


def test_what_kubernetes_sets_beside_a_service_is_told_as_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    [told] = said(monkeypatch, {"REGCRED_PORT": "tcp://10.0.0.1:8080"})

    assert told.startswith("REGCRED_PORT: must be a whole number (Kubernetes sets it beside")


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        ("REGCRED_DATABSE", ": is REGCRED_DATABASE meant?"),
        ("REGCRED_ALLOW_NETWORK", ": is REGCRED_ALLOW_NETWORKS meant?"),
        ("REGCRED_ZZZ", ""),
    ],
)
def test_a_variable_that_nothing_reads_is_told_with_the_nearest(variable: str, told: str) -> None:
    [said] = unknown(["PATH", "REGCRED_PORT", variable])

    assert said == f"nothing reads {variable}{told}"


def test_every_command_warns_of_it_before_it_does_anything(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGCRED_DATABSE", "postgresql://u@h/n")

    with capture_logs() as lines:
        assert place.run("scrub").code == 1

    assert [(line["event"], line["reason"]) for line in lines] == [
        ("a variable is no setting", "nothing reads REGCRED_DATABSE: is REGCRED_DATABASE meant?")
    ]


@pytest.mark.parametrize(
    "variable",
    [
        "REGCRED_DATA", "regcred_data", "REGCRED_URL", "REGCREDIT", "HOME",
        "REGCRED_SERVICE_HOST", "REGCRED_PORT_8080_TCP_ADDR", "REGCRED_METRICS_SERVICE_PORT_HTTP",
    ],
)  # fmt: skip
def test_what_somebody_reads_or_kubernetes_sets_is_not_told(variable: str) -> None:
    assert list(unknown([variable])) == []


def test_every_variable_that_the_clients_read_is_known() -> None:
    sources = "".join(path.read_text() for path in _CLIENTS.rglob("*.py"))

    assert set(re.findall(r"\bREGCRED_([A-Z_]+)\b", sources)) == OF_CLIENTS
