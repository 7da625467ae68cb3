from __future__ import annotations

from tools.campaign import f13_races


def test_who_acts_at_once_has_the_outcome_of_one_after_the_other() -> None:
    report = f13_races.run(0.01)

    assert report.violations == []
    assert report.good, report.controls
    assert {report.counts[name] for name in f13_races.RACES} == {20}
