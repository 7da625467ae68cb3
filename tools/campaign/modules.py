"""Every module of the campaign, in the order in which it runs: a list, and nothing is found."""

from __future__ import annotations

from tools.campaign import f01_kill, f02_power, f03_flips
from tools.campaign.running import Module

_LIST = (
    Module("f01", f01_kill.run, 5400),
    Module("f02", f02_power.run, 3600),
    Module("f03", f03_flips.run, 1800),
)

MODULES = {module.name: module for module in _LIST}
