"""The one file that a program on a node is: whole, old enough, of nothing but Python's own."""

from __future__ import annotations

import ast
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

import regcred
from regcred.clients import assembly
from regcred.clients.assembly import DOCKER_HELPER, PROGRAMS, CannotAssemble, Program, joined
from tests.clients.helper_runs import INTERPRETER
from tests.tools.programs import run

OLDEST = (3, 9)
LATE = re.compile(r"REST = r'''\n(.*)\n'''\n", re.DOTALL)


def pieces(program: Program) -> list[str]:
    """Return all the Python of a program: what is compiled at once, and what is compiled late."""
    text = assembly.assembled(program)
    late = LATE.search(text)
    return [text] if late is None else [LATE.sub("", text), late[1]]


def imports(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def at_start(text: str) -> set[str]:
    top = [node for node in ast.parse(text).body if isinstance(node, ast.Import | ast.ImportFrom)]
    return set[str]().union(*map(imports, top))


every_program = pytest.mark.parametrize("program", PROGRAMS, ids=lambda one: one.name)


@every_program
def test_it_is_the_standard_library_alone(program: Program) -> None:
    modules = set[str]().union(*(imports(ast.parse(text)) for text in pieces(program)))

    assert modules
    assert modules <= sys.stdlib_module_names | {"_socket"}


@every_program
def test_it_is_the_language_of_the_oldest_python(program: Program) -> None:
    """What an older Python would refuse only when it runs: `X | Y` as a value."""
    for text in pieces(program):
        tree = ast.parse(text, feature_version=OLDEST)
        joined_types = [
            ast.unparse(node)
            for node in ast.walk(tree)
            if isinstance(node, ast.arg | ast.AnnAssign | ast.FunctionDef)
            for kind in [node.returns if isinstance(node, ast.FunctionDef) else node.annotation]
            if isinstance(kind, ast.BinOp)
        ]
        assert joined_types == []


@every_program
def test_it_starts_isolated_from_python_variables(program: Program) -> None:
    assert assembly.assembled(program).startswith("#!/usr/bin/python3 -ISE\n")


@every_program
def test_it_works_wherever_it_is_copied(program: Program, tmp_path: Path) -> None:
    placed = assembly.place(program, tmp_path / "bin")
    copied = shutil.copy(placed, tmp_path / "copy")
    # What stands beside it must not be imported in place of the standard library.
    (tmp_path / "socket.py").write_text("raise SystemExit('imported')")
    (tmp_path / "select.py").write_text("raise SystemExit('imported')")

    done = run([*INTERPRETER, str(copied), "--version"], env={"PATH": "/usr/bin"})

    assert os.access(placed, os.X_OK)
    assert done == (0, f"{program.name} (regcred) {regcred.__version__}\n", "")


def test_what_runs_through_an_agent_imports_only_what_is_built_in() -> None:
    early, late = pieces(DOCKER_HELPER)

    assert at_start(early) == {"_socket", "gc", "posix", "select", "sys", "time"}
    assert at_start(early) <= set(sys.builtin_module_names) | {"_socket", "select"}
    assert at_start(late) == {"_socket", "os", "sys", "time"}


def test_the_makefile_places_the_programs(tmp_path: Path) -> None:
    done = run(
        [sys.executable, "-m", "regcred.clients.assembly", str(tmp_path)], env={**os.environ}
    )

    assert done.code == 0, done.err
    assert {one.name for one in tmp_path.iterdir()} == {one.name for one in PROGRAMS}


# How modules are put together


def test_imports_go_to_the_top_once_and_the_house_s_own_fall_away() -> None:
    one = '"""Says one."""\n\nimport os\nfrom time import monotonic\n\nA = os.name\n'
    two = '"""Says two.\n\nAnd more.\n"""\n\nimport os\n\nfrom regcred.one import A\n\nB = A\n'

    text = joined("program", [one, two])

    assert text.count("import os\n") == 1
    assert "regcred.one" not in text
    assert "# Says two.\n#\n# And more.\n" in text
    assert text.index("A = os.name") < text.index("B = A")


def test_what_is_for_type_checkers_is_left_out() -> None:
    source = "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    import decimal\n\nX = 1\n"

    text = joined("program", [source])

    assert "typing" not in text
    assert "decimal" not in text
    assert "X = 1" in text


@pytest.mark.parametrize(
    "again", ["def a(): ...", "class a: ...", "a = 1", "a: int = 1", "a, b = 1, 2"]
)
def test_a_name_that_two_modules_define_is_refused(again: str) -> None:
    with pytest.raises(CannotAssemble, match="defined twice: a"):
        joined("program", ["def a():\n    return 1\n"], [again])


@pytest.mark.parametrize(
    "source",
    [
        "import regcred.clients.node.words",
        "from regcred.clients.node import words",
        "from regcred.clients.node.words import Down as Up",
    ],
)
def test_an_import_that_needs_a_package_is_refused(source: str) -> None:
    with pytest.raises(CannotAssemble):
        joined("program", [source])


def test_a_text_that_would_end_its_string_is_refused() -> None:
    with pytest.raises(CannotAssemble, match="ends the string"):
        joined("program", ["A = 1"], ["B = '''x'''"])


def test_a_module_that_is_too_new_is_refused() -> None:
    with pytest.raises(SyntaxError):
        joined("program", ["match 1:\n    case 1:\n        pass\n"])
