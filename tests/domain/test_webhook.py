"""Webhooks: which addresses and secrets are taken, and what follows from an attempt."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from regcred.domain import webhook
from regcred.domain.credential import Delivery
from regcred.domain.errors import InvalidInput
from regcred.domain.event import EventKind
from regcred.domain.secret import Secret
from regcred.domain.webhook import (
    LONGEST_REST,
    RETRIES,
    DeliveryStatus,
    Settled,
    Webhook,
    settled,
)

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
PROJECT = UUID(int=1)
CANARY = "c4n4ry"


def a_webhook(**more: object) -> Webhook:
    return Webhook(UUID(int=2), PROJECT, "https://a.example/x", NOON, NOON, **more)  # type: ignore[arg-type]  # tests vary one field at a time


def rule_of(act: object, *arguments: object) -> tuple[str, str]:
    with pytest.raises(InvalidInput) as refused:
        act(*arguments)  # type: ignore[operator]  # whatever is under test
    (violation,) = refused.value.violations
    assert CANARY not in str(refused.value)
    return violation.field, violation.rule


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com",
        "https://hooks.example.com/",
        "https://hooks.example.com:8443/a/b?c=d&e=%40f",
        "HTTPS://Hooks.Example.com/T0/B0/xyz",
        "https://hooks.example.com?x=1",
        "http://hooks.example.com",
        "https://93.184.215.14/x",
        "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]:443/x",
        "https://xn--bcher-kva.example/x;y=(1)!*'$,~",
        "https://a.example/" + "x" * 2030,
    ],
)
def test_addresses_are_kept_as_they_were_written(url: str) -> None:
    assert webhook.address(url) == url


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "must begin with https://"),
        ("hooks.example.com", "must begin with https://"),
        (f"ftp://{CANARY}", "must begin with https://"),
        (f"javascript://{CANARY}", "must begin with https://"),
        (f"https:/{CANARY}", "must begin with https://"),
        (f"https://user:{CANARY}@hooks.example.com", "must not hold an @"),
        (f"https://{CANARY}@hooks.example.com", "must not hold an @"),
        (f"https://hooks.example.com/{CANARY}@x", "must not hold an @"),
        (f"https://hooks.example.com/#{CANARY}", "fragment"),
        (f"https://hooks.example.com#{CANARY}", "fragment"),
        ("https://", "DNS name"),
        ("https:///x", "DNS name"),
        ("https://?x", "DNS name"),
        ("https://a..example", "DNS name"),
        ("https://a.example.", "DNS name"),
        ("https://a_b.example", "DNS name"),
        ("https://b\u00fccher.example", "plain ASCII"),
        ("https://\uff11\uff12\uff17.0.0.1", "plain ASCII"),
        ("https://2130706433/", "four plain decimal numbers"),
        ("https://0x7f.1/", "four plain decimal numbers"),
        ("https://127.1/", "four plain decimal numbers"),
        ("https://[::ffff:127.0.0.1]/", "canonical form"),
        ("https://[fe80::1%251]/", "canonical form"),
        ("https://a.example:0/", "port"),
        ("https://a.example:65536/", "port"),
        ("https://a.example:x/", "port"),
        (f"https://a.example/{CANARY} x", "escaped"),
        (f"https://a.example/{CANARY}\n", "escaped"),
        (f"https://a.example/{CANARY}\\x", "escaped"),
        ("https://a.example/b\u00fccher", "escaped"),
        ("https://a.example/" + "x" * 2031, "2048"),
    ],
)
def test_what_is_no_address_is_refused_without_an_echo(url: str, says: str) -> None:
    field, rule = rule_of(webhook.address, url)

    assert field == "url"
    assert says in rule


def test_kinds_are_sorted_each_once() -> None:
    kinds = webhook.kinds(["verdict.changed", "expiry.near", "verdict.changed"])

    assert a_webhook(kinds=kinds).kinds == (EventKind.EXPIRY_NEAR, EventKind.VERDICT_CHANGED)
    assert webhook.kinds([]) == ()
    assert rule_of(webhook.kinds, ["verdict.changed", CANARY])[0] == "kinds"


@pytest.mark.parametrize("size", [24, 25, 26, 32, 63, 64])
def test_a_secret_of_24_to_64_bytes_is_taken(size: int) -> None:
    given = Secret("whsec_" + base64.b64encode(bytes(range(size))).decode())

    assert webhook.signing_secret(given) is given


@pytest.mark.parametrize(
    "text",
    [
        CANARY,
        "whsec_",
        "whsec_" + base64.b64encode(b"k" * 23).decode(),
        "whsec_" + base64.b64encode(b"k" * 65).decode(),
        "WHSEC_" + base64.b64encode(b"k" * 32).decode(),
        "whsec_" + base64.b64encode(b"\xff" * 32).decode().replace("/", "_"),
        "whsec_" + base64.b64encode(b"k" * 32).decode() + "\n",
        "whsec_" + base64.b64encode(b"k" * 32).decode().rstrip("="),
        f"whsec_{CANARY}\u00fc",
    ],
)
def test_other_secrets_are_refused_without_an_echo(text: str) -> None:
    field, rule = rule_of(webhook.signing_secret, Secret(text))

    assert field == "secret"
    assert "whsec_" in rule


def test_a_refused_secret_is_in_no_exception() -> None:
    with pytest.raises(InvalidInput) as refused:
        webhook.signing_secret(Secret(f"whsec_{CANARY}!"))

    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None


def test_a_secret_that_is_made_here_is_one_that_is_taken() -> None:
    made = webhook.new_secret(bytes(range(32)))

    assert made.reveal() == "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    assert webhook.signing_secret(made) is made


def test_a_secret_is_bound_to_the_address() -> None:
    assert a_webhook().delivery == Delivery("webhook", "https://a.example/x", (), "", {})
    assert a_webhook().host == "a.example"


@pytest.mark.parametrize("status", [DeliveryStatus.DELIVERED, DeliveryStatus.GONE])
def test_what_is_done_is_done(status: DeliveryStatus) -> None:
    assert settled(status, 3, 3, NOON, 0.5) == Settled(status, NOON, NOON)
    assert settled(status, 3, 3, NOON, 0.5).disables is (status is DeliveryStatus.GONE)


@pytest.mark.parametrize(("attempts", "wait"), list(enumerate(RETRIES)))
def test_what_failed_is_repeated_later_and_later(attempts: int, wait: timedelta) -> None:
    soonest = settled(DeliveryStatus.FAILED, attempts, 0, NOON, 0)
    latest = settled(DeliveryStatus.FAILED, attempts, 0, NOON, 1)

    assert soonest.retry_at == NOON + wait
    assert latest.retry_at == NOON + wait * 1.1
    assert soonest.rest_until == latest.rest_until == NOON + RETRIES[0]
    assert soonest.status is DeliveryStatus.FAILED


@pytest.mark.parametrize(
    ("failures", "rest"), [(0, 5), (1, 60), (2, 600), (3, 600), (5, 600), (6, 600), (10_000, 600)]
)
def test_what_is_away_as_a_whole_rests_longer(failures: int, rest: int) -> None:
    for attempts in (0, len(RETRIES)):
        found = settled(DeliveryStatus.TIMEOUT, attempts, failures, NOON, 1)

        assert found.rest_until == NOON + timedelta(seconds=rest)


def test_and_then_it_is_given_up() -> None:
    last = settled(DeliveryStatus.TIMEOUT, len(RETRIES), 9, NOON, 0.5)

    assert last == Settled(DeliveryStatus.GAVE_UP, NOON, NOON + LONGEST_REST)


def test_every_status_fits_its_column() -> None:
    assert max(map(len, DeliveryStatus)) <= 32
