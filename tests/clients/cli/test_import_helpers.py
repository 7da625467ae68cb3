"""What other credential helpers keep: asked when told to, and never waited for without end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from regcred.clients.importing.foreign_helpers import Patience, ask_each, ask_for_all
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
    assert found["a.example"]["why"] == "regcred's own helper keeps it: it is here already"
    assert "gets none" in found["left.example"]["why"]
    assert {row["action"] for row in json.loads(without.out)} == {"skip"}
    assert SECRET not in done.out + done.err


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("time.sleep(60)", "did not end within 0 s"),
        ("print('x' * 5_000_000)", "no JSON object"),
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

    patience = Patience(0.4 if "60" in code else 30)
    (skipped,) = ask_each({"a.example": "odd"}, "file", patience)

    assert isinstance(skipped, Skipped)
    assert why in skipped.why
    assert SECRET not in skipped.why


@pytest.mark.parametrize("suffix", ["../../bin/sh", "", "a b", 7, None, "missing", "regcred"])
def test_only_helpers_on_the_path_are_run(install: Install, suffix: Any) -> None:
    install("regcred", "raise SystemExit")

    (one,) = ask_each({"a.example": suffix}, "file", Patience())
    (all_,) = ask_for_all(suffix, "file", Patience())

    assert isinstance(one, Skipped)
    assert isinstance(all_, Skipped)


def test_a_helper_that_does_not_read_is_heard(install: Install) -> None:
    answer = '{"Username": "u", "Secret": "s"}'
    install("deaf", "")
    path = Path(str(shutil.which("docker-credential-deaf")))
    path.write_text(f"#!/bin/sh\nexec 0<&-\necho '{answer}'\n")

    (found,) = ask_each({"a.example": "deaf"}, "file", Patience())

    assert isinstance(found, Found)
    assert (found.username, found.secret) == ("u", "s")


def test_all_helpers_together_are_waited_for_no_longer_than_a_bound(install: Install) -> None:
    install("slow", "time.sleep(60)")
    helpers = {f"{name}.example": "slow" for name in "abc"}

    first, *others = ask_each(helpers, "file", Patience(seconds=60, total=0.4))

    assert isinstance(first, Skipped)
    assert "did not end within" in first.why
    assert [one.why for one in others if isinstance(one, Skipped)] == [
        "it was not asked: the helpers before it took too long"
    ] * 2


def test_a_helper_ends_with_what_asked_it(install: Install, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    told = f"open({str(pid)!r}, 'w').write(str(os.getpid()))"
    install("stays", f"{told}\nos.kill(os.getppid(), {signal.SIGUSR1:d})\ntime.sleep(60)")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            list(ask_each({"a.example": "stays"}, "file", Patience()))
    finally:
        signal.signal(signal.SIGUSR1, before)

    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_session_of_docker_is_not_asked_for(install: Install) -> None:
    hub = "https://index.docker.io/v1/"
    kept = dict.fromkeys((hub, f"{hub}access-token", f"{hub}refresh-token"), "hub")
    answer = f"json.dumps({{'Username': 'hub', 'Secret': '{SECRET}'}})"
    install("hubs", f"print(json.dumps({kept!r}) if verb == 'list' else {answer})")

    login, *session = ask_for_all("hubs", "file", Patience())

    assert isinstance(login, Found)
    for one in session:
        assert isinstance(one, Skipped)
        assert (one.why, one.broken) == ("docker's own session: store an access token", False)


def test_regcreds_own_helper_is_not_to_be_asked(
    regcred: Regcred, install: Install, tmp_path: Path
) -> None:
    auths: dict[str, Any] = {"auths": {"a.example": {}}}
    install("regcred", "raise SystemExit(1)")
    for keeps in ({"credsStore": "regcred"}, {"credHelpers": {"a.example": "regcred"}}):
        done = regcred("import", "docker-config", config(tmp_path, auths | keeps))

        assert done.code == 0
        assert "it is here already" in done.out
        assert "--use-helpers" not in done.out


def test_a_child_in_a_session_of_its_own_is_not_waited_for(
    install: Install, tmp_path: Path
) -> None:
    """It keeps stdout open, and no signal to the helper's group reaches it."""
    install(
        "leaves",
        f"""
if os.fork() == 0:
    os.setsid()
    open({str(tmp_path / "child")!r}, "w").write(str(os.getpid()))
    time.sleep(300)
""",
    )
    before = monotonic()

    (skipped,) = ask_each({"a.example": "leaves"}, "file", Patience())

    os.kill(int((tmp_path / "child").read_text()), signal.SIGKILL)
    assert isinstance(skipped, Skipped)
    assert "no JSON object" in skipped.why
    assert monotonic() - before < 25


def test_a_helper_that_cannot_start_is_named(install: Install) -> None:
    install("foreign", "")
    Path(str(shutil.which("docker-credential-foreign"))).write_text("#!/nowhere/at/all\n")

    (skipped,) = ask_each({"a.example": "foreign"}, "file", Patience())

    assert isinstance(skipped, Skipped)
    assert "cannot be run" in skipped.why
