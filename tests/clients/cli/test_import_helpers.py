"""What other credential helpers keep: asked when told to, and never waited for without end."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regcred.clients.importing.foreign_helpers import ask_each, ask_for_all
from regcred.clients.importing.found import Found, Skipped
from tests.clients.cli.conftest import Regcred

SECRET = "canary-in-a-helper"

Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a helper on PATH, written in Python: `verb` and `asked` are there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def place(suffix: str, code: str) -> None:
        path = folder / f"docker-credential-{suffix}"
        head = "import sys, json, time, os\nverb, asked = sys.argv[1], sys.stdin.read()\n"
        path.write_text(f"#!{sys.executable} -ISE\n{head}{code}")
        path.chmod(0o755)

    return place


KEEPS = f"""
kept = {{"https://index.docker.io/v1/": "hub", "ghcr.io": "bot"}}
if verb == "list":
    print(json.dumps(kept))
elif asked in kept:
    print(json.dumps({{"ServerURL": asked, "Username": kept[asked], "Secret": "{SECRET}"}}))
else:
    print("credentials not found in native keychain {SECRET}")
    print("{SECRET}", file=sys.stderr)
    sys.exit(1)
"""


def config(tmp_path: Path, content: object) -> str:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(content))
    return str(path)


def test_helpers_are_asked_when_told_to(regcred: Regcred, install: Install, tmp_path: Path) -> None:
    install("keeps", KEEPS)
    file = config(
        tmp_path,
        {
            "auths": {"https://index.docker.io/v1/": {}, "ghcr.io": {}, "left.example": {}},
            "credsStore": "keeps",
            "credHelpers": {"ghcr.io": "keeps", "none.example": "keeps", "a.example": "regcred"},
        },
    )

    done = regcred("import", "docker-config", file, "--use-helpers", "-o", "json")
    without = regcred("import", "docker-config", file, "-o", "json")

    found = {row["registry"]: row for row in json.loads(done.out)}
    assert found["docker.io"]["action"] == found["ghcr.io"]["action"] == "create"
    assert found["ghcr.io"]["username"] == "bot"
    assert "failed, or has no login" in found["none.example"]["why"]
    assert found["a.example"]["why"] == "regcred's own helper keeps it"
    assert "gets none" in found["left.example"]["why"]
    assert {row["action"] for row in json.loads(without.out)} == {"skip"}
    assert SECRET not in done.out + done.err


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("time.sleep(60)", "did not end within 0 s"),
        ("os.fork() or time.sleep(60)\nsys.exit(0)", "did not end within"),
        ("print('x' * 5_000_000)", "failed"),
        ("print('[]')", "no JSON object"),
        (f"print('{SECRET}')", "no JSON object"),
        ("print('[' * 100_000)", "no JSON object"),
        ("print('{}')", "no login"),
        ('print(json.dumps({"Username": "", "Secret": ""}))', "no password"),
        (f"print('{SECRET}'); sys.exit(3)", "failed"),
    ],
)
def test_a_helper_that_misbehaves_is_named(install: Install, code: str, why: str) -> None:
    install("odd", code)

    (skipped,) = ask_each({"a.example": "odd"}, "file", seconds=0.4 if "60" in code else 30)

    assert isinstance(skipped, Skipped)
    assert why in skipped.why
    assert SECRET not in skipped.why


@pytest.mark.parametrize("suffix", ["../../bin/sh", "", "a b", 7, None, "missing", "regcred"])
def test_only_helpers_on_the_path_are_run(install: Install, suffix: Any) -> None:
    install("regcred", "raise SystemExit")

    (one,) = ask_each({"a.example": suffix}, "file")
    (all_,) = ask_for_all(suffix, "file")

    assert isinstance(one, Skipped)
    assert isinstance(all_, Skipped)


def test_a_helper_that_does_not_read_is_heard(install: Install) -> None:
    answer = '{"Username": "u", "Secret": "s"}'
    install("deaf", "")
    path = Path(str(shutil.which("docker-credential-deaf")))
    path.write_text(f"#!/bin/sh\nexec 0<&-\necho '{answer}'\n")

    (found,) = ask_each({"a.example": "deaf"}, "file")

    assert isinstance(found, Found)
    assert (found.username, found.secret) == ("u", "s")
