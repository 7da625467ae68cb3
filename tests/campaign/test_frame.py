"""What the campaign believes: a search that saw nothing, and that would have seen something."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest
import structlog
from rich.console import Console
from structlog.testing import capture_logs

from tools.campaign.modules import MODULES
from tools.campaign.report import Control, Report, markdown, show, write_json
from tools.campaign.running import Module, run_module, scaled
from tools.campaign.story import Act, judge

CAUGHT = Control("a broken build", caught=True, found="3 lost")


def report(**more: object) -> Report:
    return Report("F0", 7, controls=[CAUGHT], **more)  # type: ignore[arg-type]  # fields of it


def test_nothing_seen_is_good_only_with_a_control_that_was_caught() -> None:
    assert report().good
    assert not Report("F0", 7).good
    assert not Report("F0", 7, controls=[CAUGHT, Control("another", caught=False)]).good
    assert not report(violations=["lost"]).good


def test_counts_below_a_release_are_named_and_no_failure() -> None:
    found = report(demands={"kills": 10, "acks": 1}, at_most={"s": 2.0})
    found.add("kills", 9)
    found.add("acks")
    found.add("s", 2.5)

    assert found.short == ["kills", "s"]
    assert found.good


def test_a_module_that_breaks_or_does_not_end_has_failed() -> None:
    def breaks(_: float) -> Report:
        raise ValueError("no server")

    def hangs(_: float) -> Report:
        time.sleep(30)
        return report()

    broken = run_module(Module("f00", breaks, 60), 1)
    hung = run_module(Module("f00", hangs, 0.2), 1)

    assert "ValueError: no server" in broken.violations[0]
    assert hung.violations == ["it did not end in its time"]
    assert signal.getitimer(signal.ITIMER_REAL)[0] > 0  # this test's own time still runs


def test_what_a_service_in_this_process_logs_is_for_its_module_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = structlog.get_logger("regcred.web")

    def serves(_: float) -> Report:
        log.info("request")
        with capture_logs() as seen:
            log.info("captured")
        return report(violations=[line["event"] for line in seen])

    found = run_module(Module("f00", serves, 60), 1)

    assert found.violations == ["captured"]
    assert capsys.readouterr() == ("", "")


def test_a_run_is_kept_for_programs_and_shown_to_people(tmp_path: Path) -> None:
    good, bad = report(seconds=1.5), report(violations=["login x: lost"])
    good.add("kills", 1000)
    write_json(tmp_path / "build" / "campaign.json", [good, bad], 1.0)
    kept = json.loads((tmp_path / "build" / "campaign.json").read_text())
    console = Console(record=True, width=120)
    show([good, bad], console)
    shown = console.export_text()

    assert kept["good"] is False
    assert [one["good"] for one in kept["reports"]] == [True, False]
    assert kept["reports"][0]["counts"] == {"kills": 1000}
    assert kept["reports"][0]["seed"] == 7
    assert "login x: lost" in shown
    assert "seed 7" in shown
    assert "| F0 | 1,000 kills | 0 | a broken build: 3 lost |" in markdown([good, bad])


def test_the_modules_are_named_by_their_numbers() -> None:
    assert all(name == module.name for name, module in MODULES.items())
    assert [name for name in MODULES if not name.startswith("f")] == []


@pytest.mark.parametrize(("scale", "count"), [(1, 1000), (0.001, 1), (0.0001, 1), (2, 2000)])
def test_a_scale_never_comes_to_nothing(scale: float, count: int) -> None:
    assert scaled(1000, scale) == count


# What the checks go by

LOGIN, USE = ("login", "a"), ("use", "a", "web")
CHANGE = Act("r2", "credential.updated", {LOGIN: "new"})


def test_what_was_acknowledged_must_be_there_as_it_was() -> None:
    assert judge({LOGIN: "old"}, [LOGIN], None, {LOGIN: "old"}, ["r1"]) == []
    assert "lost" in judge({LOGIN: "old"}, [LOGIN], None, {}, ["r1"])[0]
    assert "another value" in judge({LOGIN: "old"}, [LOGIN], None, {LOGIN: "x"}, ["r1"])[0]
    assert "back" in judge({}, [LOGIN], None, {LOGIN: "old"}, ["r1"])[0]


def test_what_is_in_doubt_happened_wholly_or_not_at_all() -> None:
    gone = Act("r2", "credential.deleted", {LOGIN: None, USE: None})
    before = {LOGIN: "old", USE: "there"}

    assert judge(before, [], gone, {}, ["r1", "r2"]) == []
    assert judge(before, [], gone, before, ["r1"]) == []
    assert judge(before, [], gone, {USE: "there"}, ["r1", "r2"]) != []
    assert judge({LOGIN: "old"}, [], CHANGE, {LOGIN: "new"}, []) != []
    assert judge({LOGIN: "old"}, [], CHANGE, {LOGIN: "old"}, ["r2"]) != []
