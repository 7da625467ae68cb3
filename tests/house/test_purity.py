"""The domain and the use cases import what computes and nothing that reaches out.

The import walls name modules that are forbidden; this is the other half, a list of what is
allowed, so that a module nobody thought of does not slip in.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.house.source import modules, name, tree

COMPUTES = {
    "__future__",
    "abc",
    "base64",
    "bisect",
    "collections",
    "collections.abc",
    "contextlib",
    "dataclasses",
    "datetime",
    "enum",
    "fnmatch",
    "functools",
    "hashlib",
    "hmac",
    "ipaddress",
    "itertools",
    "math",
    "re",
    "string",
    "types",
    "typing",
    "unicodedata",
    "urllib.parse",
    "uuid",
    "zlib",
}
ALLOWED = {
    "regcred.domain": COMPUTES | {"regcred.domain", "docker_image"},
    "regcred.usecases": COMPUTES | {"regcred.domain", "regcred.usecases"},
}


def foreign(path: Path, allowed: set[str]) -> list[str]:
    """Return the imports of a file that are not allowed there."""
    found: list[str] = []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(node.module or "")
    return [module for module in found if not inside(module, allowed)]


def inside(module: str, allowed: set[str]) -> bool:
    # `urllib.parse` allows neither `urllib` nor `urllib.request`.
    return module in allowed or any(
        module.startswith(f"{package}.") for package in allowed if package.startswith("regcred.")
    )


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_imports_only_what_computes(package: str) -> None:
    strangers = {
        name(path): found for path in modules(package) if (found := foreign(path, ALLOWED[package]))
    }

    assert strangers == {}


@pytest.mark.parametrize(
    "line", ["import urllib.request", "from os import environ", "import regcred.web", "import time"]
)
def test_a_planted_import_is_found(tmp_path: Path, line: str) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text(line)

    assert foreign(planted, ALLOWED["regcred.usecases"])
