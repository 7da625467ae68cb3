"""Every module of the campaign, in the order in which it runs: a list, and nothing is found."""

from __future__ import annotations

from tools.campaign import (
    f01_kill,
    f02_power,
    f03_flips,
    f04_edits,
    f05_isolation,
    f07_model,
    f08_canary,
    f11_rotation,
    f12_failover,
    f13_races,
    f15_slow_clients,
    f18_disk,
    f19_backups,
    f21_timing,
    f22_ambiguous_http,
    f27_migrations,
    f27_postgres,
    freshness,
)
from tools.campaign.running import Module

_LIST = (
    Module("f01", f01_kill.run, 7200),
    Module("f01-postgresql", f01_kill.run_on_postgres, 7200),
    Module("f02", f02_power.run, 7200),
    Module("f03", f03_flips.run, 1800),
    Module("f04", f04_edits.run, 1800),
    Module("f05", f05_isolation.run, 1800),
    Module("f07", f07_model.run, 7200),
    Module("f08", f08_canary.run, 900),
    Module("f11", f11_rotation.run, 3600),
    Module("f12", f12_failover.run, 1800),
    Module("f13", f13_races.run, 1800),
    Module("f15", f15_slow_clients.run, 600),
    Module("f18", f18_disk.run, 1800),
    Module("f19", f19_backups.run, 900),
    Module("f21", f21_timing.run, 900),
    Module("f22", f22_ambiguous_http.run, 600),
    Module("f27", f27_migrations.run, 1800),
    Module("f27-postgresql", f27_postgres.run, 1800),
    Module("freshness", freshness.run, 1800),
)

MODULES = {module.name: module for module in _LIST}
