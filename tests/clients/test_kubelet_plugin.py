"""The kubelet's exec protocol, spoken as the kubelet speaks it: one process a question."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

import regcred
from regcred.clients import kubelet_plugin
from regcred.clients.node.words import Down, Refused
from tests.clients.helper_runs import INTERPRETER, PLUGIN, Said, provide, provide_here
from tests.clients.raw_server import RawServer, http
from tests.clients.stub_service import KEY, Reply, StubService, problem

PATH = "/v1/projects/-/kubelet-credential"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOlsicmVnY3JlZCJdfQ.c2lnbmF0dXJl"
API = "credentialprovider.kubelet.k8s.io/"
PASSWORD = "pass-of-the-registry"
NOT_A_REQUEST = "standard input is not one CredentialProviderRequest in JSON"

Env = dict[str, str]
Serve = Callable[..., RawServer]


def recorded(version: str = "v1", **more: Any) -> bytes:
    """A request as the kubelet's encoder writes it: one line, this order, a line end."""
    request = {
        "kind": "CredentialProviderRequest",
        "apiVersion": API + version,
        "image": "registry.example/team/app",
        **more,
    }
    return json.dumps(request, separators=(",", ":")).encode() + b"\n"


def response(version: str = "v1") -> bytes:
    login = {"username": "puller", "password": PASSWORD}
    answer = {
        "kind": "CredentialProviderResponse",
        "apiVersion": API + version,
        "cacheKeyType": "Image",
        "cacheDuration": "5m0s",
        "auth": {"registry.example/team/": login},
    }
    return json.dumps(answer).encode()


REQUESTS = {
    "v1": recorded(),
    "v1beta1": recorded("v1beta1"),
    "v1alpha1": recorded("v1alpha1"),
    "v1 with a token": recorded(
        serviceAccountToken=TOKEN, serviceAccountAnnotations={"example.com/team": "blue"}
    ),
}


@pytest.fixture
def ready(stub: StubService) -> StubService:
    """A service that has a login for every image."""
    stub.plant("POST", PATH, Reply(200, response()))
    return stub


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_each_recorded_request_goes_on_as_it_came(
    ready: StubService, env: Env, request_: bytes
) -> None:
    said = provide(request_, env)

    assert said == Said(0, response().decode() + "\n")
    assert ready.last.body == request_.strip()
    assert ready.last.headers["content-type"] == "application/json"
    assert ready.last.headers["authorization"] == f"Bearer {KEY}"
    assert ready.last.headers["user-agent"].startswith("regcred-kubelet-provider/")


def test_the_node_says_its_name(ready: StubService, env: Env) -> None:
    provide_here(recorded(), env)

    assert ready.last.headers["regcred-node"] == os.uname().nodename


def test_a_null_auth_is_an_answer(stub: StubService, env: Env) -> None:
    nothing = b'{"kind":"CredentialProviderResponse","auth":null}'
    stub.plant("POST", PATH, Reply(200, nothing))

    assert provide_here(recorded(), env) == Said(0, nothing.decode())


def test_no_key_is_needed_where_a_pod_says_who_it_is(ready: StubService, env: Env) -> None:
    del env["REGCRED_KEY"]

    said = provide(REQUESTS["v1 with a token"], env)

    assert said.code == 0
    assert "authorization" not in ready.last.headers
    assert ready.last.json["serviceAccountToken"] == TOKEN


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (b"", "nothing on standard input: this is run by the kubelet"),
        (b" \r\n", "nothing on standard input: this is run by the kubelet"),
        (b"\0", NOT_A_REQUEST),
        (recorded().replace(b"team", b"te\0am"), NOT_A_REQUEST),
        (recorded().replace(b"team", b"te\x1bam"), NOT_A_REQUEST),
        (b"hush-hush", NOT_A_REQUEST),
        (b"hush-hush\nhush-hush\n", NOT_A_REQUEST),
        (b"[" + recorded().strip() + b"]", NOT_A_REQUEST),
        (recorded().strip()[:-1], NOT_A_REQUEST),
        (recorded() + b"hush-hush", NOT_A_REQUEST),
        (b"{" + b"x" * 65_535 + b"}", "more than 65536 bytes on standard input"),
        (b"x" * 200_000, "more than 65536 bytes on standard input"),
    ],
)
def test_what_is_no_request_is_refused_unsaid(
    stub: StubService, env: Env, given: bytes, text: str
) -> None:
    assert provide_here(given, env) == Said(1, "", text)
    assert stub.seen == []


def test_the_longest_request_is_sent(ready: StubService, env: Env) -> None:
    longest = b"{" + b" " * 65_534 + b"}"

    assert provide_here(longest, env).code == 0
    assert ready.last.body == longest


def test_a_refusal_is_one_line_on_stderr_and_nothing_on_stdout(env: Env) -> None:
    said = provide(b'{"serviceAccountToken": "hush-hush"', env)

    assert said == Said(1, "", f"regcred-kubelet-provider: {NOT_A_REQUEST}\n")


def test_input_that_does_not_end_is_given_up() -> None:
    read, write = os.pipe()
    os.write(write, b"{")
    try:
        with pytest.raises(Refused, match="did not end"):
            kubelet_plugin.read_request(read, monotonic() + 0.1)
    finally:
        os.close(read)
        os.close(write)


# Answers


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (
            problem("not-authenticated", 401, "this API key is unknown or was revoked."),
            (
                "regcred refused this node: this API key is unknown or was revoked. "
                "Put a valid key where REGCRED_KEY_FILE points"
            ),
        ),
        (
            problem("access-denied", 403, "this key's role does not allow it: needs reveal"),
            "regcred does not let this node pull: this key's role does not allow it: needs reveal",
        ),
        (
            problem("project-not-found", 404, "no such project"),
            "this key reaches no such project: check REGCRED_PROJECT",
        ),
        (
            problem("invalid-input", 422, "apiVersion: is not known"),
            "regcred refused the kubelet's request: apiVersion: is not known",
        ),
        (
            problem("malformed-request", 400, "the body is not JSON"),
            "regcred refused the kubelet's request: the body is not JSON",
        ),
        (
            problem("store-unavailable", 503, "store unavailable: locked"),
            "regcred cannot answer now: store unavailable: locked",
        ),
        (
            problem("internal", 500, "\x1b[31mred\nline"),
            "regcred cannot answer now: ?[31mred?line",
        ),
        (
            Reply(502, b"<html>", "text/html"),
            "regcred is not there: what answers at its URL says 502",
        ),
        (
            Reply(404, b"{}", "application/json"),
            "what answers there is not regcred (404): check the service's URL",
        ),
        (Reply(204), "what answers there is not regcred (204): check the service's URL"),
        *(
            (Reply(200, body, kind), "the answer is not regcred's: check the service's URL")
            for body, kind in (
                (b"{}", "application/json"),
                (b'"CredentialProviderResponse"', "application/json"),
                (b"[" + response() + b"]", "application/json"),
                (response()[:-3], "application/json"),
                (response().replace(b"puller", b"pul\x1bler"), "application/json"),
                (response().replace(b"puller", b"pul\0ler"), "application/json"),
                (response(), "text/html"),
            )
        ),
        (Reply(200, b"x" * 200_000), "the answer is too long: is this regcred's URL?"),
    ],
)
def test_each_answer_has_its_text(stub: StubService, env: Env, reply: Reply, text: str) -> None:
    stub.plant("POST", PATH, reply)

    assert provide_here(recorded(), env) == Said(1, "", text)


def test_a_key_that_was_revoked_is_said_so_for_the_kubelet_s_log(env: Env) -> None:
    said = provide(recorded(), {**env, "REGCRED_KEY": "rgc_revoked"})

    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("regcred-kubelet-provider: regcred refused this node: this API key")
    assert said.err.count("\n") == 1


def test_neither_a_key_nor_a_token_says_how_to_get_one(stub: StubService, env: Env) -> None:
    stub.plant("POST", PATH, problem("not-authenticated", 401, "no key and no token"))
    del env["REGCRED_KEY"]

    said = provide_here(recorded(), env)

    assert said.err == (
        "regcred knows neither a key nor a pod here: no key and no token. "
        "Set REGCRED_KEY_FILE, or tokenAttributes in the kubelet's configuration"
    )


@pytest.mark.parametrize("keyed", [True, False])
def test_a_refused_token_says_where_to_look(stub: StubService, env: Env, keyed: bool) -> None:
    """The token is who asks, whatever key the node has: to set another would change nothing."""
    stub.plant("POST", PATH, problem("not-authenticated", 401, "no valid key or token"))
    env["REGCRED_KEY"] = KEY if keyed else ""

    said = provide_here(REQUESTS["v1 with a token"], env)

    assert said.err == (
        "this pod's token was refused: compare issuer and audience with `regcred cluster ls` "
        "(the service's log says which)"
    )


def test_a_pod_s_token_is_never_said(stub: StubService, env: Env) -> None:
    for status, slug in ((401, "not-authenticated"), (403, "access-denied"), (503, "internal")):
        stub.plant("POST", PATH, problem(slug, status, "no"))

        said = provide(REQUESTS["v1 with a token"], env)

        assert said.code == 1
        assert TOKEN not in said.out + said.err


# A service that is down


@pytest.fixture
def down(env: Env) -> Env:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return {**env, "REGCRED_URL": f"http://127.0.0.1:{port}"}


def test_a_service_that_is_down_is_an_error(down: Env) -> None:
    said = provide(recorded(), down)

    assert (said.code, said.out) == (1, "")
    assert "cannot be reached: Connection refused. Check that it runs" in said.err


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha1"])
def test_a_service_that_is_down_may_mean_that_nothing_fits(down: Env, version: str) -> None:
    """Never to be kept: the next pull asks again."""
    said = provide(recorded(version), down, "--on-error anonymous")

    assert said.code == 0
    assert said.err == ""
    assert json.loads(said.out) == {
        "kind": "CredentialProviderResponse",
        "apiVersion": API + version,
        "cacheKeyType": "Image",
        "cacheDuration": "0s",
        "auth": None,
    }


@pytest.mark.parametrize(
    "given",
    [
        b"{}",
        b"{not json}",
        b'{"a":' + b"[" * 60_000 + b"}",
        recorded("v2"),
        recorded().replace(b"Request", b"Response"),
        recorded().replace(b'"apiVersion":"', b'"apiVersion":["').replace(b'/v1"', b'/v1"]'),
    ],
)
def test_what_is_no_known_request_does_not_mean_that_nothing_fits(down: Env, given: bytes) -> None:
    assert provide_here(given, down, "--on-error=anonymous") == Said(1, "", NOT_A_REQUEST)


def test_the_setting_may_mean_that_nothing_fits(stub: StubService, env: Env) -> None:
    stub.plant("POST", PATH, problem("internal", 500, "internal error"))

    said = provide_here(recorded(), {**env, "REGCRED_ON_ERROR": "anonymous"})

    assert said.code == 0
    assert provide_here(
        recorded(), {**env, "REGCRED_ON_ERROR": "anonymous"}, "--on-error fail"
    ).code


@pytest.mark.parametrize("status", [401, 403, 422])
def test_a_refusal_never_means_that_nothing_fits(stub: StubService, env: Env, status: int) -> None:
    stub.plant("POST", PATH, problem("access-denied", status, "no"))

    assert provide_here(recorded(), env, "--on-error anonymous").code == 1


def test_a_slow_service_has_the_deadline_of_all(serve: Serve) -> None:
    found = {"url": serve(hang_up=False).url}

    with pytest.raises(Down, match="no answer in time"):
        kubelet_plugin.provide(found, recorded(), monotonic() + 0.3)


def test_a_response_over_several_parts_is_whole(serve: Serve, env: Env) -> None:
    server = serve(http("200 OK", response())[:40], http("200 OK", response())[40:], pause=0.01)

    said = provide_here(recorded(), {**env, "REGCRED_URL": server.url})

    assert said == Said(0, response().decode())


# How it is called


def test_settings_may_come_from_a_file_of_the_kubelet_s_own(
    ready: StubService, env: Env, tmp_path: Path
) -> None:
    settings = tmp_path / "regcred.conf"
    settings.write_text(f"url = {ready.url}\nkey = {KEY}\nproject = 7\n")
    settings.chmod(0o600)
    bare = {"PATH": env["PATH"], "HOME": "/nonexistent"}
    ready.plant("POST", "/v1/projects/7/kubelet-credential", Reply(200, response()))

    assert provide(recorded(), bare, f"--config {settings}").code == 0
    assert ready.last.path == "/v1/projects/7/kubelet-credential"


@pytest.mark.parametrize("asked", ["--version", "-v"])
def test_version(env: Env, asked: str) -> None:
    text = f"regcred-kubelet-provider (regcred) {regcred.__version__}"

    assert provide(b"", env, asked) == Said(0, text + "\n")
    assert provide_here(b"", env, asked) == Said(0, text)


def test_help(env: Env) -> None:
    assert provide_here(b"", env, "--help").out.startswith("Usage: regcred-kubelet-provider")


@pytest.mark.parametrize("arguments", ["get", "--what", "--config", "--config=", "--version x"])
def test_what_it_does_not_know_is_usage_on_stderr(env: Env, arguments: str) -> None:
    said = provide_here(recorded(), env, arguments)

    assert (said.code, said.out) == (1, "")
    assert "Usage: regcred-kubelet-provider" in said.err


def test_another_policy_is_refused(env: Env) -> None:
    said = provide_here(recorded(), env, "--on-error ignore")

    assert said == Said(1, "", "on_error must be fail or anonymous")


def test_without_settings_it_says_what_is_missing(env: Env) -> None:
    said = provide_here(recorded(), {"HOME": env["HOME"]})

    assert said.err == (
        "no service is set: set REGCRED_URL in the provider's env (the kubelet's configuration)"
    )


def test_what_a_user_of_the_node_has_logged_in_with_is_not_used(
    ready: StubService, env: Env, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node "without a key" must not pull with its operator's."""
    monkeypatch.setenv("HOME", str(home))
    for kept in (home / "config", home / ".config"):
        path = kept / "regcred" / "client.conf"
        path.parent.mkdir(parents=True)
        path.write_text(f"url = {ready.url}\nkey = {KEY}\n")
        path.chmod(0o600)
    del env["REGCRED_KEY"]
    without_xdg = {name: value for name, value in env.items() if name != "XDG_CONFIG_HOME"}

    for said in (env, without_xdg):
        assert provide_here(recorded(), said).code == 0
        assert "authorization" not in ready.last.headers
    assert provide_here(recorded(), {**env, "REGCRED_URL": ""}).err.startswith("no service is set")


def test_a_configuration_that_is_missing_is_said_so(env: Env, tmp_path: Path) -> None:
    said = provide_here(recorded(), env, f"--config {tmp_path}/none")

    assert said == Said(1, "", f"there is no {tmp_path}/none: --config names it")


def test_a_key_that_could_spoil_a_header_is_refused_without_a_word_of_logging_in(env: Env) -> None:
    said = provide_here(recorded(), {**env, "REGCRED_KEY": "two words"})

    assert said.err == "what is set as the node's key is no regcred key: see REGCRED_KEY_FILE"


def test_an_error_nobody_thought_of_is_one_line(env: Env, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("never shown")

    monkeypatch.setattr("_socket.getaddrinfo", broken)

    assert provide_here(recorded(), env).err == "failed (ZeroDivisionError): please report this"


@pytest.mark.usefixtures("ready")
def test_a_closed_stdout_is_a_failure_without_a_traceback(env: Env) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*INTERPRETER, str(PLUGIN)],
            input=recorded(),
            env=env,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=30,
            check=False,
        )

    assert (done.returncode, done.stderr) == (1, b"")
