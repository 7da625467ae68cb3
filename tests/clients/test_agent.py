"""The helper through an agent: the same answers, over connections that stay open."""

from __future__ import annotations

import json
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from regcred.clients import agent as agent_module
from regcred.clients.agent import Agent, Lines, written
from regcred.clients.node import agent_door
from regcred.clients.node.settings import settings_path
from tests.clients.agents import agent_for, runtime_folder
from tests.clients.helper_runs import Said, run_program
from tests.clients.raw_server import RawServer, http
from tests.clients.stub_service import KEY, REVEALED, Reply, StubService, login, problem

GET = "/v1/projects/-/docker-credential/get"
NOT_FOUND = "credentials not found in native keychain"
LOGIN = json.dumps({"ServerURL": "a", "Username": "b", "Secret": "c"}).encode()

Env = dict[str, str]


@pytest.fixture
def lasting() -> Iterator[StubService]:
    """A service that keeps connections open."""
    service = StubService(keep_alive=True)
    service.logins = [login("one")]
    yield service
    service.close()


@pytest.fixture
def user(home: Path) -> Iterator[Env]:
    """A user's environment, with a folder for sockets and no setting of ours."""
    with runtime_folder() as runtime:
        yield {
            "PATH": "/usr/bin:/bin",
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_RUNTIME_DIR": str(runtime),
        }


def keep(env: Env, url: str, key: str = KEY, *more: str) -> None:
    """Write what `regcred login` writes."""
    path = Path(settings_path(env))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([f"url = {url}", f"key = {key}", *more, ""]))
    path.chmod(0o600)


def through_agent(stub: StubService) -> bool:
    """Whether the last request came by an agent, which keeps its connection."""
    return stub.last.headers["connection"] == "keep-alive"


def test_get_prints_what_the_service_answers(lasting: StubService, user: Env) -> None:
    keep(user, lasting.url)

    with agent_for(user):
        said = run_program("get", b"registry.example\n", user)

    assert (said.code, said.err) == (0, "")
    assert json.loads(said.out)["Secret"] == REVEALED
    assert lasting.last.body == b"registry.example"
    assert lasting.last.headers["authorization"] == f"Bearer {KEY}"
    assert lasting.last.headers["regcred-node"] == os.uname().nodename
    assert through_agent(lasting)


def test_questions_share_one_connection(lasting: StubService, user: Env) -> None:
    keep(user, lasting.url)

    with agent_for(user) as agent:
        answers = {agent.forward(b"registry.example") for _ in range(3)}

    assert [status for status, _, _ in answers] == [200]
    assert (len(lasting.seen), lasting.connections) == (3, 1)


def test_a_service_that_hangs_up_is_asked_over_a_new_connection(
    stub: StubService, user: Env
) -> None:
    keep(user, stub.url)

    with agent_for(user) as agent:
        answers = [agent.forward(b"registry.example")[0] for _ in range(3)]

    assert answers == [204, 204, 204]
    assert stub.connections == 3


def test_a_connection_whose_other_end_is_gone_without_a_word_is_asked_once_and_given_up(
    lasting: StubService, user: Env, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(user, lasting.url)
    monkeypatch.setattr("regcred.clients.agent._REUSED_SECONDS", 0.1)
    ours, theirs = socket.socketpair()

    with theirs, agent_for(user) as running:
        running.lines.keep((lasting.url, ""), ours)
        # The service may be at it still: the helper asks it, and not the agent once more.
        with pytest.raises(TimeoutError):
            running.forward(b"registry.example")
        answer = running.forward(b"registry.example")
        sent = theirs.recv(4)

    assert (answer[0], sent) == (200, b"POST")
    assert ours.fileno() == -1


def test_nothing_is_remembered(lasting: StubService, user: Env) -> None:
    """A key that was revoked, a login that was withdrawn: the next question knows."""
    keep(user, lasting.url)

    with agent_for(user) as agent:
        first = agent.forward(b"registry.example")[0]
        lasting.logins = []
        second = agent.forward(b"registry.example")[0]
        lasting.plant("POST", GET, problem("not-authenticated", 401, "was revoked"))
        third = agent.forward(b"registry.example")[0]

    assert [first, second, third] == [200, 204, 401]


def test_a_new_login_counts_at_once(lasting: StubService, stub: StubService, user: Env) -> None:
    keep(user, lasting.url)

    with agent_for(user):
        run_program("get", b"registry.example", user)
        keep(user, stub.url, KEY, "project = 2")
        said = run_program("get", b"registry.example", user)

    assert said == Said(1, NOT_FOUND + "\n")
    assert stub.last.path == "/v1/projects/2/docker-credential/get"
    assert len(lasting.seen) == 1


@pytest.mark.parametrize(
    "reply",
    [
        Reply(204),
        Reply(200, LOGIN),
        Reply(200, LOGIN[:-1]),
        Reply(200, LOGIN, "text/html"),
        Reply(200, LOGIN.replace(b"b", b"\x1b")),
        Reply(200, b"x" * 70_000),
        Reply(502, b"<html>", "text/html"),
        problem("not-authenticated", 401, "this API key is unknown or was revoked"),
        problem("access-denied", 403, "needs reveal"),
        problem("credential-not-found", 404, "no such credential"),
        problem("login-unavailable", 503, "the credential one has no login now: ask again"),
    ],
)
def test_every_answer_is_the_same_as_without_it(
    lasting: StubService, user: Env, reply: Reply
) -> None:
    keep(user, lasting.url)
    lasting.plant("POST", GET, reply)
    without = run_program("get", b"registry.example", user)

    with agent_for(user):
        said = run_program("get", b"registry.example", user)

    assert said == without


@pytest.mark.parametrize(
    "asked", [b"", b"\n", b"good.example\n.evil.example", b"a\0", b"a" * 2049, b"a" * 100_000]
)
def test_bad_input_is_refused_the_same(lasting: StubService, user: Env, asked: bytes) -> None:
    keep(user, lasting.url)
    without = run_program("get", asked, user)

    with agent_for(user):
        said = run_program("get", asked, user)

    assert said == without
    assert said.code == 1
    assert lasting.seen == []


@pytest.mark.parametrize("line", ["", "on_error = anonymous"])
def test_a_service_that_is_down_is_said_the_same(user: Env, line: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        keep(user, f"http://127.0.0.1:{probe.getsockname()[1]}", KEY, line)
    without = run_program("get", b"registry.example", user)

    with agent_for(user):
        said = run_program("get", b"registry.example", user)

    assert said == without
    assert (said.out == NOT_FOUND + "\n") == bool(line)


# When the helper goes its own way


@pytest.mark.parametrize(
    "more", [{"REGCRED_PROJECT": "-"}, {"REGCRED_KEY": KEY}, {"REGCRED_INSECURE_HTTP": "no"}]
)
def test_a_setting_in_the_environment_passes_it_by(
    lasting: StubService, user: Env, more: Env
) -> None:
    keep(user, lasting.url)

    with agent_for(user):
        said = run_program("get", b"registry.example", {**user, **more})

    assert said.code == 0
    assert not through_agent(lasting)


def test_what_to_do_on_errors_does_not(lasting: StubService, user: Env) -> None:
    keep(user, lasting.url)

    with agent_for(user):
        run_program("get", b"registry.example", {**user, "REGCRED_ON_ERROR": "anonymous"})

    assert through_agent(lasting)


def test_the_agent_of_other_settings_does_not_answer(lasting: StubService, user: Env) -> None:
    other = {**user, "XDG_CONFIG_HOME": user["HOME"] + "/other"}
    keep(user, "http://127.0.0.1:1")
    keep(other, lasting.url)

    with agent_for(user):
        said = run_program("get", b"registry.example", other)

    assert said.code == 0
    assert not through_agent(lasting)


def test_an_agent_that_is_gone_is_not_missed(lasting: StubService, user: Env) -> None:
    keep(user, lasting.url)
    with agent_for(user):
        place = Path(user["XDG_RUNTIME_DIR"], "regcred", "agent.sock")
        left_behind = place.with_name("kept")
        place.rename(left_behind)
    left_behind.rename(place)

    assert run_program("get", b"registry.example", user).code == 0
    assert not through_agent(lasting)


def test_a_place_that_others_can_write_is_not_trusted(lasting: StubService, user: Env) -> None:
    keep(user, lasting.url)
    folder = Path(user["XDG_RUNTIME_DIR"], "regcred")

    with agent_for(user):
        for mode in (0o720, 0o702, 0o777):
            folder.chmod(mode)
            run_program("get", b"registry.example", user)
            assert not through_agent(lasting)


def test_only_the_user_s_own_socket_or_root_s_is_safe(user: Env) -> None:
    keep(user, "http://127.0.0.1:1")
    place = Path(user["XDG_RUNTIME_DIR"], "regcred", "agent.sock")
    me, stranger = os.geteuid(), 4_000_000

    with agent_for(user):
        assert agent_door.is_safe(bytes(place), me)
        assert agent_door.is_safe(bytes(place), stranger) == (me == 0)
        if me == 0:
            os.chown(place, stranger, -1)
            assert not agent_door.is_safe(bytes(place), me)
            assert agent_door.is_safe(bytes(place), stranger)
        place.unlink()
        place.write_text("no socket")
        assert not agent_door.is_safe(bytes(place), me)


def test_a_folder_behind_a_link_is_not_safe(user: Env) -> None:
    keep(user, "http://127.0.0.1:1")
    real = Path(user["XDG_RUNTIME_DIR"], "regcred")
    link = real.with_name("link")

    with agent_for(user):
        link.symlink_to(real)
        assert not agent_door.is_safe(bytes(link / "agent.sock"), os.geteuid())


def in_bytes(env: Env) -> dict[bytes, bytes]:
    return {name.encode(): value.encode() for name, value in env.items()}


def asked_by(env: Env, user: int, seconds: float = 5) -> tuple[bytes, bytes]:
    """Ask an agent as the helper does, in this process."""
    read, write = os.pipe()
    os.write(write, b"registry.example")
    os.close(write)
    try:
        return agent_door.through_agent(in_bytes(env), read, user, monotonic() + seconds)
    finally:
        os.close(read)


def test_a_listener_of_another_user_is_told_nothing(
    lasting: StubService, user: Env, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(user, lasting.url)
    monkeypatch.setattr(agent_door, "peer", lambda _: 4_000_000)

    with agent_for(user):
        assert asked_by(user, os.geteuid()) == (b"", b"")
    assert lasting.seen == []


def test_the_agent_answers_its_own_user_alone(lasting: StubService, user: Env) -> None:
    keep(user, lasting.url)

    with agent_for(user, user=4_000_000):
        assert asked_by(user, os.geteuid()) == (b"registry.example", b"")
    assert lasting.seen == []


def test_an_agent_that_is_silent_is_given_up(user: Env) -> None:
    keep(user, "http://127.0.0.1:1")
    with socket.socket(socket.AF_UNIX) as listener:
        folder = Path(user["XDG_RUNTIME_DIR"], "regcred")
        folder.mkdir(mode=0o700)
        listener.bind(str(folder / "agent.sock"))
        listener.listen()

        assert asked_by(user, os.geteuid(), 0.1) == (b"registry.example", b"")


def test_a_stuck_agent_is_no_error(lasting: StubService, user: Env) -> None:
    """One that listens and never answers: so do eight busy workers."""
    keep(user, lasting.url)
    with socket.socket(socket.AF_UNIX) as listener:
        folder = Path(user["XDG_RUNTIME_DIR"], "regcred")
        folder.mkdir(mode=0o700)
        listener.bind(str(folder / "agent.sock"))
        listener.listen()
        said = run_program("get", b"registry.example\n", user)

    assert (said.code, json.loads(said.out)["Secret"]) == (0, REVEALED)
    assert not through_agent(lasting)


@pytest.mark.parametrize("begun", [b"", b"registry.example"])
def test_input_that_does_not_end_is_given_up(lasting: StubService, user: Env, begun: bytes) -> None:
    keep(user, lasting.url)
    read, write = os.pipe()
    os.write(write, begun)
    try:
        with agent_for(user):
            until = monotonic() + 0.1
            heard = agent_door.through_agent(in_bytes(user), read, os.geteuid(), until)
    finally:
        os.close(read)
        os.close(write)

    assert heard == (b"", b"")
    assert lasting.seen == []


def test_both_mean_the_same_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    for env in (
        {"HOME": str(tmp_path)},
        {"HOME": str(tmp_path), "XDG_CONFIG_HOME": "relative"},
        {"HOME": str(tmp_path), "XDG_CONFIG_HOME": "/etc/somewhere"},
    ):
        assert agent_door.settings_file(in_bytes(env)).decode() == settings_path(env)


def test_without_a_folder_for_sockets_there_is_no_agent(user: Env) -> None:
    for folder in ("", "relative"):
        assert asked_by({**user, "XDG_RUNTIME_DIR": folder}, 0) == (b"", b"")


def test_a_system_that_does_not_say_who_listens_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("_socket.SO_PEERCRED")

    with socket.socket(socket.AF_UNIX) as line:
        assert agent_door.peer(line) == -1


# What goes over the socket


def sent(place: Path, text: bytes) -> bytes:
    """Send an agent any bytes and return what it says."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(10)
        line.connect(str(place))
        heard = b""
        try:
            line.sendall(text)
            line.shutdown(socket.SHUT_WR)
            while part := line.recv(65536):
                heard += part
        except ConnectionError:
            return b""
        return heard


def test_the_agent_answers_one_question_and_nothing_else(lasting: StubService, user: Env) -> None:
    keep(user, lasting.url)
    path = settings_path(user).encode()
    place = Path(user["XDG_RUNTIME_DIR"], "regcred", "agent.sock")

    with agent_for(user):
        for text in (
            b"",
            b"\n",
            b"get",
            b"store " + path + b"\nregistry.example",
            b"list " + path + b"\n",
            b"GET /v1/whoami HTTP/1.1\r\n\r\n",
            b"get /etc/passwd\nregistry.example",
            b"get " + path + b"\n",
            b"get " + path + b"\ngood.example\n.evil.example",
            b"get " + path + b"\ngood.example\r\nX-Header: y",
            b"get " + path + b"\n" + b"a" * 3000,
            b"a" * 1_000_000,
        ):
            assert sent(place, text) == b""
        assert lasting.seen == []
        assert REVEALED.encode() in sent(place, b"get " + path + b"\nregistry.example")


@given(
    st.sampled_from([200, 204, 401, 503]),
    st.sampled_from([b"application/json", b"text/html", b""]),
    st.binary(max_size=40) | st.just(LOGIN),
    st.integers(min_value=1, max_value=60),
)
def test_an_answer_that_broke_off_is_no_answer(
    status: int, kind: bytes, body: bytes, missing: int
) -> None:
    whole = written((status, kind, body))

    assert agent_door.reply(whole[:-missing]) is None
    if body == LOGIN and kind == b"application/json" and status == 200:
        assert agent_door.reply(whole) == (0, LOGIN)


@given(st.binary(max_size=200))
def test_no_bytes_of_an_agent_break_the_helper(heard: bytes) -> None:
    agent_door.reply(heard)
    agent_door.reply(b"HTTP/1.1 200\r\n" + heard)


# Connections that wait


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


HERE = ("https://regcred.example", "")


def test_a_connection_is_taken_once(pair: tuple[socket.socket, socket.socket]) -> None:
    lines = Lines()
    lines.keep(HERE, pair[0])

    assert lines.take(HERE) is pair[0]
    assert lines.take(HERE) is None


@pytest.mark.parametrize("what", ["end", "bytes", "another service"])
def test_a_connection_that_is_not_as_it_was_left_is_closed(
    pair: tuple[socket.socket, socket.socket], what: str
) -> None:
    """An answer that nobody waits for must never be read as the next question's."""
    lines = Lines()
    lines.keep(HERE, pair[0])
    if what == "end":
        pair[1].close()
    elif what == "bytes":
        pair[1].sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    asked = ("https://other.example", "") if what == "another service" else HERE

    assert lines.take(asked) is None
    assert pair[0].fileno() == -1


def test_idle_connections_are_dropped(pair: tuple[socket.socket, socket.socket]) -> None:
    lines = Lines()
    lines.keep(HERE, pair[0])

    lines.drop(monotonic() - 60)
    assert len(lines) == 1
    lines.drop(monotonic() + 1)
    assert len(lines) == 0
    assert pair[0].fileno() == -1


def test_a_connection_that_ends_under_the_question_is_replaced(
    lasting: StubService, user: Env, pair: tuple[socket.socket, socket.socket]
) -> None:
    keep(user, lasting.url)

    with agent_for(user) as agent:
        agent.lines.keep((lasting.url, ""), pair[0])
        pair[0].shutdown(socket.SHUT_WR)
        answer = agent.forward(b"registry.example")

    assert answer[0] == 200


# TLS


@pytest.fixture
def ca() -> trustme.CA:
    return trustme.CA()


def secured(authority: trustme.CA, serve: Callable[..., RawServer]) -> RawServer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return serve(http("200 OK", LOGIN), tls=context)


def test_the_service_s_certificate_is_verified(
    serve: Callable[..., RawServer], user: Env, ca: trustme.CA, tmp_path: Path
) -> None:
    file = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(file))
    good, bad = secured(ca, serve), secured(trustme.CA(), serve)

    with agent_for(user):
        keep(user, good.url, KEY, f"ca_file = {file}")
        trusted = [run_program("get", b"a", user).code for _ in range(2)]
        keep(user, bad.url, KEY, f"ca_file = {file}")
        said = run_program("get", b"a", user)

    assert trusted == [0, 0]
    assert said.out.startswith("the certificate of regcred at 127.0.0.1 is not trusted")
    assert bad.requests == []


def test_another_ca_in_the_same_file_counts_at_once(
    serve: Callable[..., RawServer], user: Env, ca: trustme.CA, tmp_path: Path
) -> None:
    file, other = tmp_path / "ca.pem", trustme.CA()
    first, second = secured(ca, serve), secured(other, serve)

    with agent_for(user) as agent:
        for authority, server in ((ca, first), (other, second)):
            authority.cert_pem.write_to_path(str(file))
            keep(user, server.url, KEY, f"ca_file = {file}")
            assert agent.forward(b"a")[0] == 200


def test_an_agent_ends_when_nobody_asks(user: Env) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(user["XDG_RUNTIME_DIR"] + "/s")
        listener.listen()
        agent = Agent(listener, "", os.geteuid())
        agent.last_asked = monotonic() - 100

        agent.run(threading.Event(), idle=99, turn=0.01)


def test_a_question_that_drips_holds_no_worker(
    lasting: StubService, user: Env, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole question has one deadline: a byte now and then buys no more time."""
    monkeypatch.setattr(agent_module, "AGENT_SECONDS", 0.3)
    keep(user, lasting.url)
    place = str(Path(user["XDG_RUNTIME_DIR"], "regcred", "agent.sock"))
    with agent_for(user):
        slow = [socket.socket(socket.AF_UNIX) for _ in range(agent_module.WORKERS)]
        for line in slow:
            line.connect(place)
        for _ in range(200):
            slow = [line for line in slow if drips(line)]
            threading.Event().wait(0.05)
            if not slow:
                break
        left = len(slow)
        for line in slow:
            line.close()

    assert left == 0


def drips(line: socket.socket) -> bool:
    """Send a byte, and return whether the other end still listens."""
    try:
        line.sendall(b"g")
    except OSError:
        line.close()
        return False
    return True
