"""docker's credential-helper protocol, spoken as docker speaks it: one process a question."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

import pytest

import regcred
from regcred.clients import docker_helper
from regcred.clients.docker_helper import Asked
from regcred.clients.node.service import sendable
from regcred.web.destination import FORM
from tests.clients.helper_runs import HELPER, INTERPRETER, Said, run_here, run_program
from tests.clients.raw_server import RawServer
from tests.clients.stub_service import KEY, REVEALED, Reply, StubService, login, problem

NOT_FOUND = "credentials not found in native keychain"
GET = "/v1/projects/-/docker-credential/get"
ONE_LINE = "the server URL must be one line of at most 2048 plain characters"

Env = dict[str, str]


@pytest.mark.parametrize("verb", sorted(docker_helper.VERBS))
def test_input_that_does_not_end_is_given_up(stub: StubService, env: Env, verb: str) -> None:
    read, write = os.pipe()
    os.write(write, b"registry.example\n")
    try:
        said = docker_helper.main([verb], env, Asked(read, until=monotonic() + 0.1))
    finally:
        os.close(read)
        os.close(write)

    assert said == (1, b"standard input did not end: whoever runs this must close it")
    assert stub.seen == []


def test_get_prints_the_answer_as_it_came(stub: StubService, env: Env) -> None:
    stub.logins = [login("one")]

    said = run_program("get", b"registry.example", env)

    assert said.code == 0
    assert said.err == ""
    assert json.loads(said.out) == {
        "ServerURL": "registry.example",
        "Username": "puller",
        "Secret": REVEALED,
    }


def test_get_without_a_login_says_the_text_that_clients_compare(env: Env) -> None:
    assert run_program("get", b"registry.example", env) == Said(1, NOT_FOUND + "\n")


def test_it_says_which_machine_asks(stub: StubService, env: Env) -> None:
    run_program("get", b"registry.example", env)

    assert stub.last.headers["regcred-node"] == os.uname().nodename


@pytest.mark.parametrize(
    ("node", "said"),
    [
        ("node-7.example", "node-7.example"),
        ("a_B", "a_B"),
        ("n" * 253, "n" * 253),
        ("n" * 254, None),
        ("", None),
        ("two words", None),
        ("tĕst", None),
        ("\udcff", None),
        ("a\r\nX-Evil: 1", None),
        ("(none)", None),
    ],
)
def test_a_machine_whose_name_is_none_asks_without_it(
    stub: StubService, env: Env, monkeypatch: pytest.MonkeyPatch, node: str, said: str | None
) -> None:
    told = os.uname_result(("Linux", node, "6", "1", "x86_64"))
    monkeypatch.setattr(os, "uname", lambda: told)
    run_here("get", b"registry.example", env)

    assert stub.last.path == GET
    assert stub.last.headers.get("regcred-node") == said
    assert "x-evil" not in stub.last.headers
    assert sendable(node) == (re.fullmatch(FORM, node) is not None)


@pytest.mark.parametrize(
    "asked",
    ["https://index.docker.io/v1/", "docker.io", "registry.example:5000/team/app", "[::1]:5000"],
)
def test_what_is_asked_goes_on_unchanged(stub: StubService, env: Env, asked: str) -> None:
    run_program("get", asked.encode(), env)

    assert stub.last.path == GET
    assert stub.last.body == asked.encode()
    assert stub.last.headers["authorization"] == f"Bearer {KEY}"
    assert stub.last.headers["content-type"] == "text/plain"


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b" ", b" \n"])
def test_a_line_end_is_no_part_of_the_question(stub: StubService, env: Env, end: bytes) -> None:
    run_here("get", b"registry.example" + end, env)

    assert stub.last.body == b"registry.example"


@pytest.mark.parametrize("verb", ["get", "erase"])
@pytest.mark.parametrize("nothing", [b"", b"\n", b"\r\n", b"  "])
def test_an_empty_question_has_its_own_text(env: Env, verb: str, nothing: bytes) -> None:
    assert run_here(verb, nothing, env) == Said(1, "no credentials server URL")


@pytest.mark.parametrize("verb", ["get", "erase"])
@pytest.mark.parametrize(
    "asked",
    [
        b"good.example\n.evil.example",
        b"good.example\r\n.evil.example\r\n",
        b"good.example\n\n",
        b"good.example\rx",
        b"good.example\0",
        b"good\texample",
        b"good example",
        b"good.example\x7f",
        b"\xc3\xa9.example",
        b"\xff",
        b"a" * 2049,
    ],
)
def test_what_is_not_one_plain_line_is_refused(
    stub: StubService, env: Env, verb: str, asked: bytes
) -> None:
    """Two lines must never be read as one host."""
    assert run_here(verb, asked, env) == Said(1, ONE_LINE)
    assert stub.seen == []


def test_a_refusal_of_input_is_on_stdout_alone(env: Env) -> None:
    assert run_program("get", b"good.example\n.evil.example", env) == Said(1, ONE_LINE + "\n")


def test_the_longest_question_is_asked(stub: StubService, env: Env) -> None:
    run_here("get", b"a" * 2048 + b"\r\n", env)

    assert stub.last.body == b"a" * 2048


def test_input_without_end_is_not_read_on(stub: StubService, env: Env) -> None:
    said = run_here("get", b"a" * 100_000, env)

    assert said == Said(1, "more than 2050 bytes on standard input")
    assert stub.seen == []


def test_list_prints_servers_and_users(stub: StubService, env: Env) -> None:
    said = run_program("list", b"unused", env)

    assert said.code == 0
    assert json.loads(said.out) == {"registry.example": "puller"}
    assert (stub.last.method, stub.last.body) == ("GET", b"")


def test_a_long_list_is_printed_whole(stub: StubService, env: Env) -> None:
    many = {f"registry-{number}.example": "puller" for number in range(10_000)}
    stub.plant("GET", "/v1/projects/-/docker-credential/list", Reply(200, many))

    assert json.loads(run_here("list", b"unused", env).out) == many


def stored(**parts: object) -> bytes:
    given = {"ServerURL": "registry.example", "Username": "me", "Secret": "hush-hush", **parts}
    return json.dumps(given).encode() + b"\n"


def test_store_hands_over_what_docker_login_gives(stub: StubService, env: Env) -> None:
    said = run_program("store", stored(Username="<token>", Extra="left out"), env)

    assert said == Said(0, "")
    assert stub.last.headers["content-type"] == "application/json"
    assert stub.last.json == {
        "ServerURL": "registry.example",
        "Username": "<token>",
        "Secret": "hush-hush",
    }


def test_store_reads_json_over_several_lines(stub: StubService, env: Env) -> None:
    run_here("store", stored().replace(b", ", b",\n"), env)

    assert stub.last.json["Secret"] == "hush-hush"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (stored(ServerURL=""), "no credentials server URL"),
        (stored(Username=""), "no credentials username"),
        (stored(ServerURL="a\nb"), ONE_LINE),
        (stored(ServerURL="\ud800"), ONE_LINE),
        (stored(Secret=7), "what was given to store is not the JSON of a docker login"),
        (b'{"ServerURL": "a"}', "what was given to store is not the JSON of a docker login"),
        (b"[1]", "what was given to store is not the JSON of a docker login"),
        (b"hush-hush", "what was given to store is not the JSON of a docker login"),
        (b"\xff", "what was given to store is not the JSON of a docker login"),
        (b"[" * 60_000, "what was given to store is not the JSON of a docker login"),
        (b" " * 70_000, "more than 65536 bytes on standard input"),
    ],
)
def test_store_refuses_what_is_no_login(
    stub: StubService, env: Env, given: bytes, text: str
) -> None:
    said = run_here("store", given, env)

    assert said == Said(1, text)
    assert stub.seen == []


def test_erase_passes_the_server_on(stub: StubService, env: Env) -> None:
    assert run_program("erase", b"registry.example", env) == Said(0, "")
    assert stub.last.path.endswith("/docker-credential/erase")
    assert stub.last.body == b"registry.example"


def test_erasing_what_is_not_there_is_not_found(stub: StubService, env: Env) -> None:
    gone = problem("credential-not-found", 404, "no such credential")
    stub.plant("POST", "/v1/projects/-/docker-credential/erase", gone)

    assert run_here("erase", b"registry.example", env) == Said(1, NOT_FOUND)


@pytest.mark.parametrize("verb", ["version", "--version", "-v"])
def test_version(verb: str, env: Env) -> None:
    text = f"docker-credential-regcred (regcred) {regcred.__version__}"

    assert run_program(verb, b"", env) == Said(0, text + "\n")
    assert run_here(verb, b"", env) == Said(0, text)


@pytest.mark.parametrize(
    ("verb", "code"), [("-h", 0), ("--help", 0), ("", 1), ("get x", 1), ("x", 1)]
)
def test_usage_is_on_stdout(verb: str, code: int, env: Env) -> None:
    text = "Usage: docker-credential-regcred <get|store|erase|list|version>"

    assert run_program(verb, b"", env) == Said(code, text + "\n")
    assert run_here(verb, b"", env) == Said(code, text)


def test_it_works_wherever_it_is_copied(tmp_path: Path, stub: StubService, env: Env) -> None:
    stub.logins = [login("one")]
    copied = Path(shutil.copy(HELPER, tmp_path / "docker-credential-regcred"))
    # What stands beside it must not be imported in place of the standard library.
    (tmp_path / "socket.py").write_text("raise SystemExit('imported')")

    said = run_program("get", b"registry.example", env, program=copied)

    assert json.loads(said.out)["Secret"] == REVEALED


def test_no_secret_is_in_what_other_processes_see(
    serve: Callable[..., RawServer], env: Env, tmp_path: Path
) -> None:
    """The key comes from a file, the password from stdin; the process list shows neither."""
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "key").chmod(0o600)
    server = serve(hang_up=False)
    del env["REGCRED_KEY"]
    asking = {**env, "REGCRED_URL": server.url, "REGCRED_KEY_FILE": str(tmp_path / "key")}

    with subprocess.Popen(
        [*INTERPRETER, str(HELPER), "store"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=asking,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(stored())
        process.stdin.close()
        while not server.requests and process.poll() is None:
            sleep(0.01)
        seen = [Path(f"/proc/{process.pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
        process.kill()

    assert b"hush-hush" in server.requests[0]
    assert all(part not in text for part in (KEY.encode(), b"hush-hush") for text in seen)


@pytest.mark.parametrize(
    "given", [stored()[:-3], stored(Username=""), stored(ServerURL="hush-hush\n"), stored()]
)
def test_a_refused_store_does_not_say_the_secret(stub: StubService, env: Env, given: bytes) -> None:
    path = "/v1/projects/-/docker-credential/store"
    stub.plant("POST", path, problem("access-denied", 403, "needs write"))

    said = run_program("store", given, env)

    assert said.code == 1
    assert "hush-hush" not in said.out + said.err


def test_a_closed_stdout_is_no_traceback(stub: StubService, env: Env) -> None:
    stub.logins = [login("one")]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            ["/usr/bin/python3", "-ISE", str(HELPER), "get"],
            input=b"registry.example",
            env=env,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=30,
            check=False,
        )

    assert done.returncode == 1
    assert done.stderr == b""
