"""Answers are counted where they are made, and no client makes a label up."""

from __future__ import annotations

from collections.abc import Iterable

from regcred.adapters.metrics.prometheus import PrometheusMeter
from tests.adapters.metrics.test_metrics import ordered, text

RESOLVE = "/v1/projects/{project}/resolve"


def lines(meter: PrometheusMeter, *names: str) -> list[str]:
    return [line for line in ordered(text(meter)).splitlines() if line.startswith(names)]


def answered(meter: PrometheusMeter, methods: Iterable[str]) -> None:
    for method in methods:
        meter.answered("native", RESOLVE, method, 200, 0.001)


def test_answers_are_counted_by_face_route_method_and_class_of_status() -> None:
    meter = PrometheusMeter([])
    for status, seconds in ((200, 0.0004), (201, 0.02), (404, 0.001), (503, 20)):
        meter.answered("native", RESOLVE, "POST", status, seconds)

    labels = f'face="native",method="POST",route="{RESOLVE}"'
    buckets = lines(meter, "regcred_request_seconds_bucket")
    assert lines(meter, "regcred_requests_total") == [
        f'regcred_requests_total{{{labels},status="2xx"}} 2.0',
        f'regcred_requests_total{{{labels},status="4xx"}} 1.0',
        f'regcred_requests_total{{{labels},status="5xx"}} 1.0',
    ]
    [up_to_a_millisecond] = [line for line in buckets if 'le="0.001"' in line]
    assert up_to_a_millisecond.endswith(" 2.0")
    assert buckets[-1].endswith(" 4.0")
    assert len(buckets) == 15


def test_a_method_that_a_client_made_up_is_no_label() -> None:
    meter = PrometheusMeter([])
    answered(meter, (f"BREW{n}" for n in range(100)))
    answered(meter, ["GET"])

    assert [line.rpartition(" ")[2] for line in lines(meter, "regcred_requests_total")] == [
        "100.0",
        "1.0",
    ]
    assert "BREW" not in text(meter)


def test_questions_are_counted_by_what_they_got() -> None:
    meter = PrometheusMeter([])
    meter.resolved(1, ())
    meter.resolved(1, ("rejected",))
    meter.resolved(0, ("expired", "rejected"))
    meter.resolved(0, ("a word of a tenant's",))
    meter.resolved(0, ())

    counted = set(lines(meter, "regcred_resolves_total", "regcred_logins_withheld_total"))
    assert counted >= {
        'regcred_resolves_total{outcome="handed_out"} 2.0',
        'regcred_resolves_total{outcome="withheld"} 2.0',
        'regcred_resolves_total{outcome="nothing"} 1.0',
        'regcred_logins_withheld_total{verdict="rejected"} 2.0',
        'regcred_logins_withheld_total{verdict="expired"} 1.0',
        'regcred_logins_withheld_total{verdict="other"} 1.0',
        'regcred_logins_withheld_total{verdict="denied"} 0.0',
    }
