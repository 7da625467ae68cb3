from __future__ import annotations

from tools.campaign import f07_model


def test_any_sequence_of_acts_has_the_outcomes_of_the_model() -> None:
    report = f07_model.run(0.006)

    assert report.violations == []
    assert report.good, report.controls
    assert report.counts["steps"] >= 1_000
    assert report.counts["crashes"] > 1
    assert report.counts["restarts"] > 1
