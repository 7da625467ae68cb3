"""F7: any sequence of acts, restarts and crashes has the outcomes that one pure model promises.

The service is whole and in this process: native API, use cases, key ring, sealing and store. The
acts are in `acts.py` and the model in `model.py`. `tests/adapters/storage/test_sqlite_model.py`
holds the store alone to its port by the same means; here stands what a caller sees, secrets
included.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tools.campaign.acts import Acts
from tools.campaign.places import KINDS, Kind, Place, Plant, as_it_is, every_kind
from tools.campaign.plants import MODEL_PLANTS
from tools.campaign.report import Control, Report
from tools.campaign.running import memory, scaled, workspace
from tools.campaign.whole import prepared

NAME = "f07 model"
SEED = 7
STEPS = 200_000
_STEPS_IN_ONE = 100
_STEPS_TAKEN_IN_ONE = 80
"""About: a rule that has nothing to act on is no step."""

_CONTROL_RUNS = 60
_RUNS_OF_A_SEED = 200
_TOLD = 12_000
"""Characters of a divergence: every act that led to it, and what it was."""


def run(scale: float, kinds: Sequence[Kind] | None = None) -> Report:
    """Take 200,000 steps on each store at scale 1, and let every planted defect be found."""
    report = Report(NAME, SEED, demands={f"steps on {kind}": STEPS for kind in KINDS})
    with ExitStack() as held:
        folder = held.enter_context(workspace(NAME.replace(" ", "-"), below=memory()))
        for kind in kinds or held.enter_context(every_kind()):
            _run(report, folder / kind.name, kind, scaled(STEPS, scale))
    return report


def _run(report: Report, folder: Path, kind: Kind, wanted: int) -> None:
    folder.mkdir()
    place, keys = asyncio.run(prepared(folder, kind))
    counts, seeds = _counts(), itertools.count(SEED)
    while counts["steps"] < wanted and not report.violations:
        runs = min(_RUNS_OF_A_SEED, math.ceil((wanted - counts["steps"]) / _STEPS_TAKEN_IN_ONE))
        acts = _acts(folder, place, keys, counts, as_it_is)
        report.violations += [f"{kind.name}: {x}" for x in _search(acts, next(seeds), runs)]
    report.counts |= {f"{name} on {kind.name}": count for name, count in counts.items()}
    for what, plant in MODEL_PLANTS.items():
        tried = _counts()
        found = _search(_acts(folder, place, keys, tried, plant), SEED, _CONTROL_RUNS)
        after = f"after {tried['steps']:,.0f} steps"
        report.controls.append(Control(f"{what}, {kind.name}", bool(found), after))


def _counts() -> dict[str, float]:
    return dict.fromkeys(("steps", "runs", "restarts", "crashes", "rotations"), 0)


def _acts(
    folder: Path, place: Place, keys: dict[str, str], counts: dict[str, float], plant: Plant
) -> type[Acts]:
    """Return the machine for one place and one store."""
    attributes = {
        "folder": folder, "place": place, "keys": keys, "counts": counts,
        "plant": staticmethod(plant),
    }  # fmt: skip
    return type("Acts", (Acts,), attributes)


def _search(acts: type[Acts], seeded: int, runs: int) -> list[str]:
    """Return the first divergence, with the acts that led to it; nothing if there is none."""
    chosen = settings(
        max_examples=runs, stateful_step_count=_STEPS_IN_ONE, deadline=None, database=None,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck), print_blob=False,
    )  # fmt: skip
    try:
        run_state_machine_as_test(seed(seeded)(acts), settings=chosen)
    except Exception as error:  # noqa: BLE001  whatever it is, the acts led to it
        return ["".join(traceback.format_exception(error))[-_TOLD:]]
    return []
