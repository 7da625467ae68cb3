"""What the house rules look at: the source tree and the files that a clone holds."""

from __future__ import annotations

import ast
import io
import subprocess
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"


def modules(package: str = "regcred") -> list[Path]:
    """Return the package's files, in a stable order."""
    return sorted((SRC / package.replace(".", "/")).rglob("*.py"))


def name(path: Path) -> str:
    """Return a file's path as the tables in these tests write it."""
    return path.relative_to(ROOT).as_posix()


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def comments(path: Path) -> Iterator[tuple[int, str]]:
    """Yield each comment with its line; text inside strings is none."""
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def kept_files() -> list[Path]:
    """Return every file that is tracked or about to be: what a clone would hold."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    paths = (ROOT / line for line in listed.stdout.decode().split("\0") if line)
    return sorted(path for path in paths if path.is_file())
