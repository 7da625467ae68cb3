"""A fourth dialect is a folder and a line in the tuple: docs/adding-a-dialect.md, carried out."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source import ROOT, SRC
from tests.house.test_import_contracts import broken_contracts

ACME = ROOT / "tests" / "house" / "acme"
PAGE = (ROOT / "docs" / "adding-a-dialect.md").read_text()
TUPLE = "src/regcred/web/dialects/__init__.py"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The sources and the suite, with the dialect's folder, its driver, and the tuple's line."""
    # With what is compiled of them, which takes longer than all that is run here.
    shutil.copytree(SRC, tmp_path / "src")
    for part in ("__init__.py", "conftest.py"):
        (tmp_path / "tests").mkdir(exist_ok=True)
        shutil.copy(ROOT / "tests" / part, tmp_path / "tests")
    for part in ("web", "fakes", "house", "contracts", "tools"):
        shutil.copytree(ROOT / "tests" / part, tmp_path / "tests" / part)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    folder = tmp_path / "src" / "regcred" / "web" / "dialects" / "acme"
    folder.mkdir()
    for file in ("__init__.py", "errors.py", "routes.py", "wire.py"):
        shutil.copy(ACME / file, folder)
    suite = tmp_path / "tests" / "web" / "dialects" / "acme"
    suite.mkdir()
    (suite / "__init__.py").touch()
    shutil.copy(ACME / "driver.py", suite)
    names = tmp_path / TUPLE
    text = names.read_text()
    [added] = re.findall(r"```diff\n\+(.*?)\n```", PAGE)
    with_import = text.replace("regcred.web.dialects import ", "regcred.web.dialects import acme, ")
    before, _, after = with_import.rpartition(")")
    names.write_text(f"{before}{added}\n){after}")
    return tmp_path


def _unmeasured() -> dict[str, str]:
    """Return an environment in which the copy does not count as ours in the coverage."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COV")}


SUITE = (
    "tests/web/dialects/test_conformance.py",
    "tests/web/dialects/test_unusual_answers.py",
    "tests/house/test_error_tables.py",
)


def run_suite(root: Path, *files: str) -> str:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-k", "acme", *files),
            *("-p", "no:cacheprovider", "-p", "no:schemathesis"),
        ],
        cwd=root,
        env={**_unmeasured(), "PYTHONPATH": str(root / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_one_folder_and_one_line_pass_the_whole_suite(copy: Path) -> None:
    said = run_suite(copy, *SUITE)

    passed = re.search(r"^(\d+) passed", said, re.MULTILINE)
    assert passed is not None, said
    assert "failed" not in said
    assert int(passed[1]) > 100
    assert broken_contracts(copy) == set()


def test_its_code_passes_the_house_style(copy: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", "src/regcred/web/dialects/acme"],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout


def test_a_dialect_that_forgets_a_fact_fails_the_suite(copy: Path) -> None:
    errors = copy / "src" / "regcred" / "web" / "dialects" / "acme" / "errors.py"
    errors.write_text(errors.read_text().replace("    errors.NameTaken: 409,\n", ""))

    assert re.search(r"^\d+ failed", run_suite(copy, SUITE[-1]), re.MULTILINE)


def test_the_page_shows_the_example_as_it_is() -> None:
    quoted = re.findall(r"```python\n# (\w+\.py)\n(.*?)```", PAGE, re.DOTALL)

    assert {file for file, _ in quoted} == {"__init__.py", "errors.py", "routes.py", "wire.py"}
    for file, code in quoted:
        for part in re.split(r"\n+ *# …\n+", code.strip("\n")):
            assert part.strip("\n") in (ACME / file).read_text(), (file, part)
