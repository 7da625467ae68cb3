"""The tools themselves: a proof is worth no more than what it was made with."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.system.conftest import require_tool
from tests.tools.oci_image import make_layout
from tests.tools.programs import LOOPBACK, ProgramMissing, environment, find, run, run_watched
from tests.tools.token_server import TokenServer

pytestmark = pytest.mark.system

SCOPE = "repository:127.0.0.1:5000/team/app:pull,push"
REPOSITORY = "127.0.0.1:5000/team/app"


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    server = TokenServer(users={"ann": "s3cret"}, rights={"ann": {REPOSITORY: {"pull"}}})
    with server.serving():
        yield server


def ask(
    server: TokenServer,
    method: str,
    target: str,
    body: str | Iterator[bytes] | None = None,
    **headers: str,
) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection(LOOPBACK, server.port, timeout=5)
    try:
        connection.request(
            method, target, body=body, headers=headers, encode_chunked=not isinstance(body, str)
        )
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def access_of(answer: dict[str, Any]) -> list[dict[str, Any]]:
    claims = answer["token"].split(".")[1]
    access: list[dict[str, Any]] = json.loads(base64.urlsafe_b64decode(claims + "=="))["access"]
    return access


def test_anyone_gets_a_token_for_nothing(tokens: TokenServer) -> None:
    status, answer = ask(tokens, "GET", f"/token?{urlencode({'scope': SCOPE})}")

    assert status == 200
    assert access_of(answer) == [{"type": "repository", "name": REPOSITORY, "actions": []}]
    assert tokens.with_authorization == []


def test_post_in_chunks_grants_what_the_user_may_and_no_more(tokens: TokenServer) -> None:
    form = urlencode(
        {
            "grant_type": "password",
            "username": "ann",
            "password": "s3cret",
            "scope": SCOPE,
            "access_type": "offline",
        }
    ).encode()
    status, answer = ask(
        tokens,
        "POST",
        "/token",
        iter([form[:9], form[9:]]),
        **{
            "Content-Type": "application/x-www-form-urlencoded",
            "Transfer-Encoding": "chunked",
        },
    )

    assert status == 200
    assert access_of(answer)[0]["actions"] == ["pull"]
    assert tokens.seen[-1].chunked
    again = urlencode({"grant_type": "refresh_token", "refresh_token": answer["refresh_token"]})
    assert ask(tokens, "POST", "/token", again)[0] == 200
    assert len(tokens.with_authorization) == 2


@pytest.mark.parametrize("pair", ["ann:wrong", "bob:s3cret", "ann", ""])
def test_a_wrong_login_gets_no_token(tokens: TokenServer, pair: str) -> None:
    status, answer = ask(tokens, "GET", "/token", Authorization=f"Basic {_base64(pair)}")

    assert status == 401
    assert "token" not in answer


def test_one_seed_is_one_image_and_two_seeds_share_no_blob(tmp_path: Path) -> None:
    digests = [make_layout(tmp_path / name, seed=name[0]) for name in ("a1", "a2", "b1")]

    assert digests[0] == digests[1]
    assert digests[0] != digests[2]
    blobs = [
        {path.name for path in (tmp_path / name / "blobs" / "sha256").iterdir()}
        for name in ("a1", "b1")
    ]
    assert not blobs[0] & blobs[1]


def test_a_watched_program_is_seen_from_its_start(tmp_path: Path) -> None:
    env = environment(tmp_path, MARK="in-environ")
    watched = run_watched(["/bin/cat"], env=env, stdin="through")

    assert watched.finished.out == "through"
    assert any(b"/bin/cat" in line for line in watched.command_lines)
    assert any(b"in-environ" in one for one in watched.environments)


def test_programs_get_nothing_of_the_testers_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid")

    assert "HTTPS_PROXY" not in run(["/usr/bin/env"], env=environment(tmp_path)).out


def test_a_missing_program_is_a_failure_in_ci_and_a_skip_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ProgramMissing):
        find("no-such-program")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no-such-program"):
        require_tool("no-such-program")
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="no-such-program"):
        require_tool("no-such-program")


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
