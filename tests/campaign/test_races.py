from __future__ import annotations

from tests.tools.postgres import Cluster
from tools.campaign import f13_races
from tools.campaign.places import OnPostgres, OnSqlite


def test_who_acts_at_once_has_the_outcome_of_one_after_the_other() -> None:
    report = f13_races.run(0.01, [OnSqlite()])

    assert report.violations == []
    assert report.good, report.controls
    assert {report.counts[f"{name} on SQLite"] for name in f13_races.RACES} == {20}


def test_it_has_that_on_postgresql(cluster: Cluster) -> None:
    report = f13_races.run(0.002, [OnPostgres(cluster)])

    assert report.violations == []
    assert report.good, report.controls
