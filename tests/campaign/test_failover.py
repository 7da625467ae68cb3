"""F12 in seconds: one crash of PostgreSQL, and all its connections terminated once."""

from __future__ import annotations

import pytest

from tests.tools.missing import do_without
from tests.tools.programs import ProgramMissing
from tools.campaign import f12_failover

pytestmark = pytest.mark.system


def test_nothing_acknowledged_is_lost_when_the_database_crashes_and_comes_back() -> None:
    try:
        report = f12_failover.run(0.1)
    except ProgramMissing:
        do_without("PostgreSQL is not installed")

    assert report.violations == []
    assert (report.counts["restarts"], report.counts["terminations"]) == (1, 1)
    assert report.counts["acknowledged"] > 0
    assert [control for control in report.controls if not control.caught] == []
