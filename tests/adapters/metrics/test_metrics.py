"""What is counted, and that nothing of a tenant's is in it."""

from __future__ import annotations

import math
import platform
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from regcred import __version__
from regcred.adapters.metrics.figures import Figures
from regcred.adapters.metrics.prometheus import PrometheusMeter
from regcred.adapters.metrics.registries import MeasuredRegistries
from regcred.domain.credential import Delivery
from regcred.domain.errors import QuotaExceeded
from regcred.domain.event import Event, EventKind
from regcred.domain.ports.measuring import (
    UNMEASURED,
    KeyServiceFigures,
    Meter,
    StoreFigures,
    Trigger,
)
from regcred.domain.registry import ImageReference
from regcred.domain.secret import Secret
from regcred.domain.tally import Tally
from regcred.domain.verdict import VerdictKind
from tests.fakes.registries import REJECTED, TOO_OFTEN, ScriptedRegistries
from tests.usecases.world import HandClock, draft

AT = datetime(2030, 1, 1, tzinfo=UTC)
CANARY = "tenants-own-word"


def figures(**changed: Any) -> Figures:
    """Return a look at a service that has done nothing."""
    none = Figures(0, StoreFigures(Tally((1,)), Tally((1,)), 0, 0), 0, 0, {}, {}, (), {}, 0)
    return replace(none, **changed)


def text(meter: PrometheusMeter, **changed: Any) -> str:
    return meter.exposition(figures(**changed))[1].decode()


@pytest.fixture
def meter() -> PrometheusMeter:
    return PrometheusMeter(["ghcr", "generic"])


def test_checks_are_counted_by_provider_verdict_and_trigger(meter: PrometheusMeter) -> None:
    for trigger in Trigger:
        meter.verified("ghcr", VerdictKind.OK, trigger, 0.2)
    meter.verified("ghcr", VerdictKind.OK, Trigger.PERSON, 20)

    for line in (
        'regcred_verifications_total{provider="ghcr",trigger="person",verdict="ok"} 2.0',
        'regcred_verifications_total{provider="ghcr",trigger="automatic",verdict="ok"} 1.0',
        'regcred_verification_seconds_bucket{le="0.1",provider="ghcr"} 0.0',
        'regcred_verification_seconds_bucket{le="0.25",provider="ghcr"} 2.0',
        'regcred_verification_seconds_count{provider="ghcr"} 3.0',
    ):
        assert line in ordered(text(meter))


def ordered(exposed: str) -> str:
    """Sort the labels of every line: their order is nobody's promise."""
    return re.sub(r"\{(.*?)\}", lambda m: "{" + ",".join(sorted(m[1].split(","))) + "}", exposed)


def test_a_provider_that_is_not_known_here_is_no_label(meter: PrometheusMeter) -> None:
    for n in range(100):
        meter.verified(f"{CANARY}{n}", VerdictKind.OK, Trigger.PERSON, 0.1)

    assert CANARY not in text(meter)
    assert 'regcred_verification_seconds_count{provider="other"} 100.0' in text(meter)


def test_events_are_counted_by_kind_and_every_kind_is_there(meter: PrometheusMeter) -> None:
    about = (UUID(int=1), CANARY, {"image": CANARY})
    meter.told([Event(UUID(int=2), AT, EventKind.EXPIRY_NEAR, *about)] * 2)

    assert 'regcred_events_total{kind="expiry.near"} 2.0' in text(meter)
    for kind in set(EventKind) - {EventKind.EXPIRY_NEAR}:
        assert f'regcred_events_total{{kind="{kind}"}} 0.0' in text(meter)
    assert CANARY not in text(meter)


def test_what_is_due_goes_up_and_down(meter: PrometheusMeter) -> None:
    assert "regcred_checks_due 7.0" in text(meter, checks_due=7)
    assert "regcred_checks_due 0.0" in text(meter)
    assert "regcred_checks_due NaN" in text(meter, checks_due=math.nan)


def test_what_was_looked_up_is_shown(meter: PrometheusMeter) -> None:
    seconds, writes = Tally((0.1, 1)), Tally((1, 8))
    for value in (0.05, 0.1, 0.5, 5):
        seconds.add(value)
        writes.add(4)
    exposed = text(
        meter,
        store=StoreFigures(seconds, writes, 7, 4096),
        audit_unlinked=12,
        audit_link_age=0.5,
        audit_alarms={"rows": 0, "anchor": 2},
        seal_failures={"seal": 0, "open": 2},
        key_services=[
            KeyServiceFigures(seconds, 1, 2, left_alone=False),
            KeyServiceFigures(Tally((1,)), 0, 0, left_alone=True),
        ],
        turn_ages={"webhooks": 1.5},
        log_dropped=3,
        scrub_round_age=3600.5,
    )

    for line in (
        'regcred_store_commit_seconds_bucket{le="0.1"} 2.0',
        'regcred_store_commit_seconds_bucket{le="+Inf"} 4.0',
        "regcred_store_commit_seconds_count 4.0",
        'regcred_store_commit_writes_bucket{le="8.0"} 4.0',
        "regcred_store_commit_writes_sum 16.0",
        "regcred_store_waiting_writes 7.0",
        "regcred_store_wal_bytes 4096.0",
        "regcred_audit_unlinked_rows 12.0",
        "regcred_audit_link_age_seconds 0.5",
        'regcred_audit_alarms_total{of="anchor"} 2.0',
        'regcred_seal_failures_total{operation="open"} 2.0',
        'regcred_key_service_calls_total{outcome="answered",service="1"} 1.0',
        'regcred_key_service_calls_total{outcome="refused",service="1"} 1.0',
        'regcred_key_service_calls_total{outcome="failed",service="1"} 2.0',
        'regcred_key_service_seconds_count{service="1"} 4.0',
        'regcred_key_service_left_alone{service="1"} 0.0',
        'regcred_key_service_left_alone{service="2"} 1.0',
        'regcred_task_turn_age_seconds{task="webhooks"} 1.5',
        "regcred_log_dropped_total 3.0",
        "regcred_scrub_round_age_seconds 3600.5",
        "process_open_fds ",
        "process_resident_memory_bytes ",
    ):
        assert f"\n{line}" in ordered(exposed), line
    build = (
        f'regcred_build_info{{python="{platform.python_version()}",version="{__version__}"}} 1.0'
    )
    assert build in ordered(exposed)


def test_a_store_without_a_log_of_its_own_shows_no_size(meter: PrometheusMeter) -> None:
    store = StoreFigures(Tally((1,)), Tally((1,)), 0, None)

    assert "regcred_store_wal_bytes" not in text(meter, store=store)


def test_two_meters_share_nothing(meter: PrometheusMeter) -> None:
    other = PrometheusMeter(["ghcr"])
    other.verified("ghcr", VerdictKind.OK, Trigger.PERSON, 0.1)

    assert "regcred_verifications_total{" in text(other)
    assert "regcred_verifications_total{" not in text(meter)


def test_the_text_is_prometheus(meter: PrometheusMeter) -> None:
    content_type, exposed = meter.exposition(figures())

    assert content_type.startswith("text/plain; version=")
    assert exposed.startswith(b"# HELP regcred_")


async def test_every_check_through_the_registries_is_counted(meter: PrometheusMeter) -> None:
    clock = HandClock()
    ticks = iter(range(100))
    registries = ScriptedRegistries(clock)
    measured = MeasuredRegistries(registries, meter, Trigger.AUTOMATIC, lambda: next(ticks))
    login = draft(registry="ghcr.io/team")
    image = ImageReference.parse("ghcr.io/team/app")
    for password in ("right", REJECTED):
        await measured.verify(login.delivery, Secret(password), image)
    with pytest.raises(QuotaExceeded):
        await measured.verify(login.delivery, Secret(TOO_OFTEN), None)

    exposed = ordered(text(meter))
    for verdict in ("ok", "rejected"):
        labels = f'provider="ghcr",trigger="automatic",verdict="{verdict}"'
        assert f"regcred_verifications_total{{{labels}}} 1.0" in exposed
    assert 'regcred_verification_seconds_sum{provider="ghcr"} 2.0' in exposed
    assert 'regcred_verification_seconds_count{provider="ghcr"} 2.0' in exposed


async def test_every_exchange_through_the_registries_is_counted() -> None:
    meter = PrometheusMeter(["ecr"])
    measured = MeasuredRegistries(
        ScriptedRegistries(HandClock()), meter, Trigger.AUTOMATIC, lambda: 0.0
    )
    about = Delivery("ecr", None, ("public.ecr.aws",), "AKIAIOSFODNN7EXAMPLE", {})
    assert measured.place(about, None) == "public.ecr.aws"
    for password in ("right", REJECTED):
        await measured.exchange(about, Secret(password), "public.ecr.aws")

    exposed = ordered(text(meter))
    for outcome in ("ok", "rejected"):
        assert f'regcred_exchanges_total{{outcome="{outcome}",provider="ecr"}} 1.0' in exposed


async def test_everything_else_is_the_registries_own() -> None:
    registries = ScriptedRegistries(HandClock())
    measured = MeasuredRegistries(registries, UNMEASURED, Trigger.PERSON, lambda: 0.0)
    login = draft()

    assert measured.check(login) == registries.check(login)
    assert measured.catalogue() == registries.catalogue()
    assert measured.family(login.delivery) == "generic"
    assert measured.fitting("ghcr", "ghcr.io") == "ghcr"
    assert (await measured.probe("r.example", {})).kind is VerdictKind.OK


def test_where_nobody_looks_nothing_is_counted() -> None:
    meter: Meter = UNMEASURED
    meter.verified("ghcr", VerdictKind.OK, Trigger.PERSON, 0.1)
    meter.exchanged("ecr", None)
    meter.told([])
    meter.answered("native", "/v1/whoami", "GET", 200, 0.1)
    meter.resolved(0, ())
