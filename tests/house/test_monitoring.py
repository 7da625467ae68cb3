"""What is exposed, told, drawn and alerted on is one list of metrics."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from regcred.adapters.metrics.figures import Figures
from regcred.adapters.metrics.prometheus import PrometheusMeter
from regcred.domain.ports.measuring import StoreFigures
from regcred.domain.tally import Tally
from tests.house.source import ROOT

MONITORING = ROOT / "deploy" / "monitoring"
PAGE = (ROOT / "docs" / "monitoring.md").read_text()
METRIC = re.compile(r"\b(?:regcred|process)_[a-z_]+[a-z]\b")
PART = re.compile(r"_(?:bucket|sum|count)$")


def exposed() -> set[str]:
    """Return every metric that a service can show, as it names its families."""
    figures = Figures(0, StoreFigures(Tally((1,)), Tally((1,)), 0, 0), 0, 0, {}, {}, (), {}, 0)
    _, text = PrometheusMeter([]).exposition(figures)
    return set(re.findall(r"^# TYPE (\S+) ", text.decode(), re.MULTILINE))


def rows(section: str) -> Iterator[list[str]]:
    """Yield the cells of a section's table."""
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    for line in text.splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def used(text: str) -> set[str]:
    return {PART.sub("", metric) for metric in METRIC.findall(text)}


def queries(part: object) -> Iterator[str]:
    """Yield every query of a dashboard, however deep it lies."""
    if isinstance(part, dict):
        yield from (value for key, value in part.items() if key in {"expr", "query"})
        for value in part.values():
            yield from queries(value)
    elif isinstance(part, list):
        for value in part:
            yield from queries(value)


def test_the_operators_page_tells_every_metric_and_no_other() -> None:
    told = {metric for row in rows("Metrics") for metric in re.findall(r"`(\w+)`", row[0])}

    assert told == exposed()


def test_alerts_go_by_metrics_that_are_exposed() -> None:
    assert used("\n".join(rule["expr"] for rule in rules())) <= exposed()


def test_the_operators_page_says_what_to_do_about_every_alert() -> None:
    told = {row[0].strip("`"): row[1] for row in rows("Alerts")}

    assert told == {rule["alert"]: rule["labels"]["severity"] for rule in rules()}


def test_the_dashboard_draws_metrics_that_are_exposed_and_almost_all_of_them() -> None:
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    drawn = used("\n".join(map(str, queries(dashboard))))

    assert drawn <= exposed()
    assert exposed() - drawn == {"process_start_time_seconds", "process_virtual_memory_bytes"}
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_every_alert_is_seen_to_fire_and_to_rest() -> None:
    tests = yaml.safe_load((MONITORING / "alerts.test.yaml").read_text())["tests"]
    well, ill = (test["promql_expr_test"][0] for test in tests)
    fired = {re.findall(r'"(.+)"', sample["labels"])[0] for sample in ill["exp_samples"]}

    assert well == {"expr": "ALERTS", "eval_time": "100m", "exp_samples": []}
    assert fired == {rule["alert"] for rule in rules()}
