"""Small promises of the tree: exceptions give reasons, files stay small, nothing local leaks in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house.source import ROOT, comments, kept_files, modules, name

MAX_LINES = 300

# A rule's code, then a reason.
EXCEPTIONS = {
    "noqa": re.compile(r"#\s*noqa: [A-Z]+[0-9]+(, ?[A-Z]+[0-9]+)*\s+\W*\w.{4,}"),
    "type: ignore": re.compile(r"#\s*type: ignore\[[a-z-]+(, ?[a-z-]+)*\]\s+\W*\w.{4,}"),
    "pragma: no": re.compile(r"#\s*pragma: no (cover|branch)\s+\W*\w.{4,}"),
}
# Written so that this file does not match itself.
PACKAGE_INDEX = re.compile("p[y]pi\\.org|pythonh[o]sted|npmj[s]\\.|deb\\.deb[i]an")
LOCAL_PATH = re.compile(r"(?:^|[^A-Za-z0-9_.])/(?:w[o]rk|r[o]ot|f[a]rm)/", re.MULTILINE)


def python_files() -> list[Path]:
    return [path for path in kept_files() if path.suffix == ".py"]


def unreasoned(path: Path) -> list[str]:
    """Return the comments that switch a rule off without saying which and why."""
    return [
        f"{path}:{line}: {comment}"
        for line, comment in comments(path)
        for marker, form in EXCEPTIONS.items()
        if re.search(rf"#\s*{marker}", comment) and not form.search(comment)
    ]


def test_every_exception_to_a_rule_gives_its_code_and_a_reason() -> None:
    assert [found for path in python_files() for found in unreasoned(path)] == []


@pytest.mark.parametrize(
    "line",
    ["# noqa", "# noqa: S101", "# type: ignore", "# type: ignore[misc]", "# pragma: no cover"],
)
def test_an_exception_without_a_reason_is_found(tmp_path: Path, line: str) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text(f"x = 1  {line}\n")

    assert len(unreasoned(planted)) == 1


def test_no_source_file_holds_two_things() -> None:
    lengths = {name(path): len(path.read_text().splitlines()) for path in modules()}

    assert {file: lines for file, lines in lengths.items() if lines > MAX_LINES} == {}


@pytest.mark.parametrize("pattern", [PACKAGE_INDEX, LOCAL_PATH], ids=["index", "path"])
def test_no_file_names_a_package_index_or_a_path_of_one_machine(pattern: re.Pattern[str]) -> None:
    found = [
        f"{name(path)}: {match.group()}"
        for path in kept_files()
        if b"\0" not in (content := path.read_bytes())
        for match in pattern.finditer(content.decode())
    ]

    assert found == []


def test_every_locked_requirement_carries_hashes() -> None:
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        for requirement in re.split(r"\n(?=\S)", path.read_text().strip()):
            assert re.match(r"[a-z0-9.-]+(\[[a-z0-9, -]+\])?==\S+", requirement), name(path)
            assert "--hash=sha256:" in requirement, requirement.split()[0]
