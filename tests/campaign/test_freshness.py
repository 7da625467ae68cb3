from __future__ import annotations

import pytest

from tools.campaign import freshness

pytestmark = pytest.mark.system


def test_a_change_counts_from_the_very_next_request() -> None:
    report = freshness.run(0.016, [freshness.one_on_sqlite])

    assert report.violations == []
    assert report.good, report.controls
    assert report.counts["pulls"] > 100
