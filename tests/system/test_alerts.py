"""Prometheus' own tool reads the rules, and sees each alert fire and rest."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.house.source import ROOT
from tests.system.conftest import RequireTool
from tests.tools.programs import environment, find, run

pytestmark = pytest.mark.system

RULES = ROOT / "deploy" / "monitoring"


@pytest.mark.parametrize("check", [("check", "alerts.yaml"), ("test", "alerts.test.yaml")])
def test_promtool_takes_the_rules(
    check: tuple[str, str], tmp_path: Path, require_tool: RequireTool
) -> None:
    require_tool("promtool")
    for name in ("alerts.yaml", "alerts.test.yaml"):
        shutil.copy(RULES / name, tmp_path)
    verb, file = check

    done = run([find("promtool"), verb, "rules", str(tmp_path / file)], env=environment(tmp_path))

    assert done.code == 0, done.text
