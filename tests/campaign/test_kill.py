"""F1 in seconds: a few kills of the real server."""

from __future__ import annotations

import pytest

from tests.tools.postgres import Cluster
from tools.campaign import f01_kill

pytestmark = pytest.mark.system


def test_nothing_acknowledged_is_lost_to_kill_9_and_the_control_is_caught() -> None:
    report = f01_kill.run(0.002)

    assert report.violations == []
    assert report.counts["acknowledged"] > 0
    assert [control for control in report.controls if not control.caught] == []


def test_neither_is_it_on_postgresql_whoever_of_the_service_dies(cluster: Cluster) -> None:
    report = f01_kill.run_on_postgres(0.001, cluster)

    assert report.violations == []
    assert report.counts["kills"] >= 1
    assert report.counts["acknowledged"] > 0
    assert [control for control in report.controls if not control.caught] == []
