from __future__ import annotations

import pytest

from tests.tools.postgres import Cluster
from tools.campaign import f07_model
from tools.campaign.places import OnPostgres, OnSqlite


def test_any_sequence_of_acts_has_the_outcomes_of_the_model() -> None:
    report = f07_model.run(0.006, [OnSqlite()])

    assert report.violations == []
    assert report.good, report.controls
    assert report.counts["steps on SQLite"] >= 1_000
    assert report.counts["crashes on SQLite"] >= 1


def test_it_has_them_on_postgresql(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plants are in front of the store, whichever that is."""
    monkeypatch.setattr(f07_model, "MODEL_PLANTS", {})

    report = f07_model.run(0.001, [OnPostgres(cluster)])

    assert report.violations == []
    assert report.counts["steps on PostgreSQL"] >= 200
