"""What the helper makes of each answer, and of a service that does not answer well."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from regcred.clients.node.answers import parse, unchunk
from regcred.clients.node.service import Question, addresses, ask
from regcred.clients.node.words import Down, Refused
from tests.clients.helper_runs import run_here, run_program
from tests.clients.raw_server import RawServer, http
from tests.clients.stub_service import KEY, Reply, StubService, problem

LOGIN = json.dumps({"ServerURL": "a", "Username": "b", "Secret": "c"}).encode()
NOT_FOUND = "credentials not found in native keychain"
GET = "/v1/projects/-/docker-credential/get"
QUESTION = Question("a-program", "POST", "docker-credential/get", b"a")

Env = dict[str, str]
Serve = Callable[..., RawServer]


def asking(env: Env, url: str, **more: str) -> Env:
    return {**env, "REGCRED_URL": url, **more}


# Problems


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (
            problem("not-authenticated", 401, "this API key is unknown or was revoked."),
            (
                "regcred refused this key: this API key is unknown or was revoked. "
                "Get a valid one and run `regcred login`"
            ),
        ),
        (
            problem("access-denied", 403, "this key's role does not allow it: needs reveal"),
            "regcred does not let this key get: this key's role does not allow it: needs reveal",
        ),
        (
            problem("project-not-found", 404, "no such project"),
            "this key reaches no such project: check REGCRED_PROJECT or log in again",
        ),
        (problem("credential-not-found", 404, "no such credential"), NOT_FOUND),
        (
            problem("invalid-input", 422, "ServerURL: must name one registry"),
            "regcred refused to get: ServerURL: must name one registry",
        ),
        (
            problem("quota-exceeded", 429, ""),
            "regcred refused to get: quota exceeded",
        ),
        (
            problem("store-unavailable", 503, "store unavailable: locked"),
            "regcred cannot answer now: store unavailable: locked. Try again",
        ),
        (
            problem("internal", 500, "\x1b[31mred\u202e" + "x" * 400),
            "regcred cannot answer now: ?[31mred?" + "x" * 291 + ". Try again",
        ),
        (
            Reply(502, b"<html>", "text/html"),
            "regcred is not there: what answers at its URL says 502. Try again",
        ),
        (
            Reply(404, b"{}", "application/json"),
            "what answers there is not regcred (404): check the service's URL",
        ),
        (
            Reply(302, b"", "text/html"),
            "what answers there is not regcred (302): check the service's URL",
        ),
        (
            Reply(400, b"[" * 60_000, "application/problem+json"),
            "what answers there is not regcred (400): check the service's URL",
        ),
        (
            Reply(400, b"[1]", "application/problem+json"),
            "what answers there is not regcred (400): check the service's URL",
        ),
        (
            Reply(200, b"{}", "application/json"),
            "the answer is not regcred's: check the service's URL",
        ),
        (
            Reply(200, LOGIN[:-1], "application/json"),
            "the answer is not regcred's: check the service's URL",
        ),
        (Reply(200, LOGIN, "text/html"), "the answer is not regcred's: check the service's URL"),
        *(
            (
                Reply(200, LOGIN.replace(b"b", control), "application/json"),
                "the answer is not regcred's: check the service's URL",
            )
            for control in (b"\x00", b"\x08", b"\x0b", b"\x1b[2J", b"\x1f")
        ),
        (Reply(200, b"x" * 65_537), "the answer is too long: is this regcred's URL?"),
        (Reply(200, b"x" * 200_000), "the answer is too long: is this regcred's URL?"),
    ],
)
def test_each_answer_has_its_text(stub: StubService, env: Env, reply: Reply, text: str) -> None:
    stub.plant("POST", GET, reply)

    said = run_here("get", b"registry.example", env)

    assert (said.code, said.out) == (1, text)


def test_a_problem_leaves_stderr_empty(env: Env) -> None:
    said = run_program("get", b"registry.example", {**env, "REGCRED_KEY": "rgc_revoked"})

    assert said.code == 1
    assert said.out.startswith("regcred refused this key: this API key is unknown or was revoked")
    assert said.err == ""


@pytest.mark.parametrize("verb", ["store", "erase"])
def test_storing_and_erasing_print_nothing(stub: StubService, env: Env, verb: str) -> None:
    path = f"/v1/projects/-/docker-credential/{verb}"
    stub.plant("POST", path, Reply(200, {"anything": "else"}))

    assert run_here(verb, LOGIN if verb == "store" else b"a", env).out == ""


# The wire


@pytest.mark.parametrize(
    "parts",
    [
        (http("200 OK", LOGIN),),
        (http("200", LOGIN).replace(b"HTTP/1.1", b"HTTP/1.0"),),
        (b"HTTP/1.1 200 OK\r\ncontent-type:application/json; charset=utf-8\r\n\r\n" + LOGIN,),
        tuple(bytes([byte]) for byte in http("200 OK", LOGIN)),
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n5;x=y\r\n" + LOGIN[:5] + b"\r\n",
            b"%x\r\n" % len(LOGIN[5:]) + LOGIN[5:9],
            LOGIN[9:],
            b"\r\n0\r\n\r\n",
        ),
        (http("200 OK", LOGIN) + b"more than was announced",),
    ],
    ids=["length", "1.0", "until the end", "byte by byte", "chunked", "surplus"],
)
def test_each_way_to_end_an_answer_is_read(serve: Serve, env: Env, parts: tuple[bytes]) -> None:
    said = run_here("get", b"a", asking(env, serve(*parts).url))

    assert (said.code, said.out) == (0, LOGIN.decode())


def test_an_answer_is_done_when_it_is_whole(serve: Serve, env: Env) -> None:
    """A server that keeps the connection open is not waited for."""
    server = serve(http("200 OK", LOGIN), hang_up=False)

    assert run_here("get", b"a", asking(env, server.url)).code == 0


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 +20 OK\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"\r\n\r\n",
    ],
)
def test_what_does_not_speak_http_is_refused(serve: Serve, env: Env, answer: bytes) -> None:
    said = run_here("get", b"a", asking(env, serve(answer).url))

    text = "what answers there does not speak HTTP as regcred does: check its URL"
    assert (said.code, said.out) == (1, text)


@pytest.mark.parametrize("length", ["-1", "x", "", "9999999999"])
def test_a_senseless_length_is_refused(serve: Serve, env: Env, length: str) -> None:
    server = serve(f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{{}}".encode())

    assert "no sensible length" in run_here("get", b"a", asking(env, server.url)).out


@pytest.mark.parametrize("size", ["x", "", "-1", "fffffffff"])
def test_broken_chunks_are_refused(serve: Serve, env: Env, size: str) -> None:
    head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    server = serve(f"{head}{size}\r\nabc\r\n".encode())

    assert "chunks are broken" in run_here("get", b"a", asking(env, server.url)).out


@pytest.mark.parametrize(
    "part", [b"", b"HTTP/1.1 200 OK\r\n", http("200 OK", LOGIN)[:-1]], ids=["none", "head", "body"]
)
def test_an_answer_that_breaks_off_is_no_answer(serve: Serve, env: Env, part: bytes) -> None:
    said = run_here("get", b"a", asking(env, serve(part).url))

    assert (said.code, said.out) == (1, "regcred's answer broke off: try again")


def test_an_endless_answer_is_not_read_on(serve: Serve, env: Env) -> None:
    server = serve(b"HTTP/1.1 200 OK\r\n\r\n", *[b"x" * 65_536] * 100)

    said = run_here("get", b"a", asking(env, server.url))

    assert said.out == "the answer is too long: is this regcred's URL?"


@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_break_the_parser(data: bytes, ended: bool) -> None:
    try:
        parsed = parse(b"HTTP/1.1 200 OK\r\n" + data, ended)
    except Refused:
        return
    assert parsed is None or parsed[0] == 200


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=5))
def test_chunks_join_to_what_was_cut(pieces: list[bytes]) -> None:
    wire = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)

    assert unchunk(wire + b"0\r\n\r\n") == b"".join(pieces)
    assert unchunk(wire) is None
    assert unchunk(wire[:-3]) is None


# A service that is down


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_service_that_is_down_is_an_error(env: Env) -> None:
    port = closed_port()

    said = run_program("get", b"a", asking(env, f"http://127.0.0.1:{port}"))

    assert said.code == 1
    assert said.out == (
        f"regcred at 127.0.0.1:{port} cannot be reached: Connection refused. "
        "Check that it runs and the URL in REGCRED_URL\n"
    )
    assert said.err == ""


def test_a_service_that_is_down_may_mean_anonymous(env: Env) -> None:
    down = asking(env, f"http://127.0.0.1:{closed_port()}", REGCRED_ON_ERROR="anonymous")

    assert run_here("get", b"a", down).out == NOT_FOUND
    assert "cannot be reached" in run_here("erase", b"a", down).out


def test_a_failing_service_may_mean_anonymous(stub: StubService, env: Env) -> None:
    stub.plant("POST", GET, problem("internal", 500, "internal error"))

    said = run_here("get", b"a", {**env, "REGCRED_ON_ERROR": "anonymous"})

    assert said.out == NOT_FOUND


def test_a_refused_key_never_means_anonymous(env: Env) -> None:
    anonymous = {**env, "REGCRED_ON_ERROR": "anonymous", "REGCRED_KEY": "rgc_revoked"}

    assert run_here("get", b"a", anonymous).out.startswith("regcred refused this key")


def test_another_policy_is_refused(env: Env) -> None:
    said = run_here("get", b"a", {**env, "REGCRED_ON_ERROR": "ignore"})

    assert (said.code, said.out) == (1, "on_error must be fail or anonymous")


@pytest.mark.parametrize(
    "how",
    [
        {"hang_up": False},
        {"pause": 0.05},
    ],
    ids=["silent", "a byte at a time"],
)
def test_the_whole_exchange_has_one_deadline(serve: Serve, how: dict[str, Any]) -> None:
    """Each byte of a slow answer comes in time; the answer does not."""
    parts = [b"x"] * 200 if "pause" in how else []
    server = serve(*parts, **how)
    found = {"url": server.url, "key": KEY}

    with pytest.raises(Down, match="no answer in time"):
        ask(found, QUESTION, monotonic() + 0.3)


def test_no_time_left_is_no_time_to_begin(stub: StubService) -> None:
    found = {"url": stub.url, "key": KEY}

    with pytest.raises(Down, match="no answer in time"):
        ask(found, QUESTION, monotonic())
    assert stub.seen == []


def test_a_host_that_takes_no_connection_is_given_up() -> None:
    with socket.socket() as full, socket.socket() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting.connect(full.getsockname())
        found = {"url": f"http://127.0.0.1:{full.getsockname()[1]}", "key": KEY}

        with pytest.raises(Down, match="no answer in time"):
            ask(found, QUESTION, connect=0.1)


def test_the_next_address_is_tried(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(http("200 OK", LOGIN))
    real = socket.getaddrinfo("127.0.0.1", server.port, 0, socket.SOCK_STREAM)
    dead = socket.getaddrinfo("127.0.0.1", closed_port(), 0, socket.SOCK_STREAM)
    monkeypatch.setattr("_socket.getaddrinfo", lambda *_: dead + real)

    answer = ask({"url": server.url, "key": KEY}, QUESTION)

    assert answer == (200, b"application/json", LOGIN)


def test_a_host_without_addresses_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("_socket.getaddrinfo", lambda *_: [])

    with pytest.raises(Down, match="no address"):
        ask({"url": "https://a.example", "key": KEY}, QUESTION)


def test_a_name_is_resolved(serve: Serve, env: Env) -> None:
    server = serve(http("200 OK", LOGIN))

    said = run_here("get", b"a", asking(env, f"http://localhost:{server.port}"))

    assert said.code == 0


def test_a_name_that_does_not_resolve_is_said_so(env: Env, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "never shown")

    monkeypatch.setattr("_socket.getaddrinfo", unknown)

    said = run_here("get", b"a", asking(env, "https://regcred.example"))

    assert said.out == (
        "regcred at regcred.example:443 cannot be reached: its name does not resolve. "
        "Check that it runs and the URL in REGCRED_URL"
    )


def test_a_slow_resolver_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()

    def resolve(*asked: Any) -> list[Any]:
        if asked[-1] == socket.AI_NUMERICHOST:
            raise socket.gaierror
        done.wait(10)
        return []

    monkeypatch.setattr("_socket.getaddrinfo", resolve)
    with pytest.raises(TimeoutError):
        addresses("slow.example", 80, monotonic() + 0.1)
    done.set()


def test_an_error_nobody_thought_of_is_one_line(env: Env, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("never shown")

    monkeypatch.setattr("_socket.getaddrinfo", broken)

    said = run_here("get", b"a", env)

    text = "docker-credential-regcred failed (ZeroDivisionError): please report this"
    assert (said.code, said.out) == (1, text)


# TLS


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
def secure(authority: trustme.CA, serve: Serve) -> Iterator[Callable[[str], RawServer]]:
    def start(host: str) -> RawServer:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(host).configure_cert(context)
        return serve(http("200 OK", LOGIN), tls=context)

    return start  # type: ignore[return-value]  # closed by `serve`


Secure = Callable[[str], RawServer]


def test_a_certificate_of_the_right_host_and_ca_is_trusted(
    secure: Secure, env: Env, ca_file: str
) -> None:
    server = secure("127.0.0.1")
    trusting = asking(env, server.url, REGCRED_CA_FILE=ca_file)

    assert run_program("get", b"a", trusting).out == LOGIN.decode() + "\n"
    assert run_here("get", b"a", trusting).code == 0


@pytest.mark.parametrize(
    ("host", "with_ca"), [("other.example", True), ("127.0.0.1", False)], ids=["host", "ca"]
)
def test_another_certificate_is_not_trusted_and_gets_no_key(
    secure: Secure, env: Env, ca_file: str, host: str, with_ca: bool
) -> None:
    server = secure(host)
    more = {"REGCRED_CA_FILE": ca_file} if with_ca else {}

    said = run_here("get", b"a", asking(env, server.url, **more))

    assert said.code == 1
    assert said.out.startswith("the certificate of regcred at 127.0.0.1 is not trusted: ")
    assert server.requests == []


def test_a_doubtful_certificate_never_means_anonymous(secure: Secure, env: Env) -> None:
    anonymous = asking(env, secure("127.0.0.1").url, REGCRED_ON_ERROR="anonymous")

    assert "not trusted" in run_here("get", b"a", anonymous).out


def test_a_ca_file_without_a_certificate_is_named(env: Env, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    with_nothing = asking(
        env,
        env["REGCRED_URL"].replace("http:", "https:"),
        REGCRED_CA_FILE=str(tmp_path / "empty.pem"),
    )

    said = run_here("get", b"a", with_nothing)

    assert said.out.endswith("empty.pem holds no readable CA certificate: see ca_file")


def test_https_to_a_plain_server_says_that_there_is_no_tls(serve: Serve, env: Env) -> None:
    server = serve(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    said = run_here("get", b"a", asking(env, server.url.replace("http:", "https:")))

    assert "no TLS there" in said.out
