"""Make a program for nodes: several modules, put together into one file that needs only Python.

A module's own imports of the standard library go to the top, those of regcred fall away, because
everything stands in one namespace: a name that two modules define is refused. What a program needs
in every case comes first; the rest is a string that is compiled when it is needed, which takes
longer than a request to an agent does.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from regcred.clients.placing import write_whole

HEAD = """\
#!/usr/bin/python3 -ISE
# {name}, put together from regcred's sources: change those.
import gc

# So short a run leaves no cycles worth looking for; looking costs a twentieth of it.
gc.disable()
"""
REST = """
# The rest is compiled only if it is needed: that takes longer than asking an agent does.
REST = r'''
{rest}
'''

if __name__ == "__main__":
    TOLD = begin()
    exec(REST)
    start(*TOLD)
"""
WHOLE = """
if __name__ == "__main__":
    start()
"""


class CannotAssemble(Exception):
    """A module is written in a way that does not go into one file."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program's name and its modules under `regcred/clients`, each after those it needs."""

    name: str
    first: tuple[str, ...]
    rest: tuple[str, ...] = ()


_ASKING = ("node/settings.py", "node/answers.py", "node/service.py")
DOCKER_HELPER = Program(
    "docker-credential-regcred",
    ("node/words.py", "node/deadline.py", "node/agent_door.py"),
    (*_ASKING, "docker_helper.py"),
)
KUBELET_PLUGIN = Program(
    "regcred-kubelet-provider", ("node/words.py", "node/deadline.py", *_ASKING, "kubelet_plugin.py")
)
PROGRAMS = (DOCKER_HELPER, KUBELET_PLUGIN)
_PACKAGES = ("regcred", "regcred.clients", "regcred.clients.node")


@dataclass(frozen=True, slots=True)
class _Part:
    """A module without its imports."""

    imports: frozenset[str]
    names: frozenset[str]
    text: str


def assembled(program: Program) -> str:
    """Return the text of a program's file. Raise CannotAssemble."""
    folder = resources.files("regcred.clients")
    sources = {file: folder.joinpath(file).read_text() for file in program.first + program.rest}
    return joined(
        program.name, [sources[f] for f in program.first], [sources[f] for f in program.rest]
    )


def joined(name: str, first: Sequence[str], rest: Sequence[str] = ()) -> str:
    """Return one text of the sources; `rest` is compiled late. Raise CannotAssemble."""
    parts = [_part(source) for source in (*first, *rest)]
    seen: set[str] = set()
    for part in parts:
        if twice := seen & part.names:
            raise CannotAssemble(f"{name}: defined twice: {', '.join(sorted(twice))}")
        seen |= part.names
    text = HEAD.format(name=name) + _together(parts[: len(first)])
    if not rest:
        return text + WHOLE
    late = _together(parts[len(first) :])
    if "'''" in late:
        raise CannotAssemble(f"{name}: its text ends the string that it is put into")
    return text + REST.format(rest=late.strip())


def place(program: Program, folder: Path) -> Path:
    """Write a program into a folder, executable by all. Raise OSError."""
    return write_whole(folder / program.name, assembled(program).encode(), 0o755)


def _together(parts: Sequence[_Part]) -> str:
    imports = frozenset[str]().union(*(part.imports for part in parts))
    ordered = sorted(imports, key=lambda one: (one.startswith("from"), one))
    return "\n".join(ordered) + "\n\n\n" + "\n\n".join(part.text for part in parts)


def _part(source: str) -> _Part:
    """Return a module without its imports and what is for type checkers. Raise CannotAssemble."""
    tree = ast.parse(source, feature_version=(3, 9))
    lines = source.split("\n")
    imports: set[str] = set()
    names: set[str] = set()
    docstring = ast.get_docstring(tree, clean=False) or ""
    for place, node in enumerate(tree.body):
        is_docstring = place == 0 and bool(docstring)
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports |= _kept(node)
        elif not (is_docstring or _for_types(node)):
            names |= _defined(node)
            continue
        for line in range(node.lineno - 1, node.end_lineno or node.lineno):
            lines[line] = ""
    # Nothing but blank lines is left where the docstring and the imports stood.
    body = "\n".join(lines).strip("\n")
    comment = "".join(f"# {line}".rstrip() + "\n" for line in docstring.strip().split("\n"))
    return _Part(frozenset(imports), frozenset(names), f"{comment}\n{body}\n")


def _kept(node: ast.Import | ast.ImportFrom) -> set[str]:
    """Return the statements that the one file needs for an import. Raise CannotAssemble."""
    if isinstance(node, ast.ImportFrom):
        module = node.module or ""
        if module == "typing":
            return set()
        if module.split(".")[0] == "regcred":
            if module in _PACKAGES or any(alias.asname for alias in node.names):
                raise CannotAssemble(f"{module}: import names from modules, as they are called")
            return set()
        return {f"from {module} import {alias.name}" for alias in node.names}
    if any(alias.name.split(".")[0] == "regcred" for alias in node.names):
        raise CannotAssemble("regcred: import names, not modules")
    return {ast.unparse(ast.Import([alias])) for alias in node.names}


def _for_types(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _defined(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    return {
        inner.id
        for inner in ast.walk(node)
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store)
    }


if __name__ == "__main__":
    for one in PROGRAMS:
        place(one, Path(sys.argv[1]))
