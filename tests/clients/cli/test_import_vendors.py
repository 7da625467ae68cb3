"""regcred import gcore, yotta and sevalla, against answers of their APIs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from regcred.clients.importing import vendors
from tests.clients.cli.conftest import Ran, Regcred
from tests.clients.cli.test_terminal import on_terminal
from tests.clients.raw_server import RawServer, http
from tests.clients.stub_service import StubService, login

SECRET = "canary-typed-for-a-vendor"
VENDOR_KEY = "canary-key-of-a-vendor"

GCORE: dict[str, Any] = {
    "count": 3,
    "results": [
        {"project_id": 7, "name": "hub", "username": "bot", "registry_url": "https://docker.io"},
        {"project_id": 7, "name": "team", "username": "bot", "registry_url": "a.example/team"},
        {"project_id": 7, "name": "words", "username": "bot", "registry_url": "my registry"},
    ],
}
YOTTA = {
    "code": 10000,
    "message": "success",
    "data": [{"id": 1, "name": "hub", "type": "DOCKER_HUB"}, {"id": 2, "name": "bare"}],
}
SEVALLA = {
    "data": [
        {"id": "1", "name": "My Hub", "username": "bot", "registry": "dockerHub"},
        {"id": "2", "name": "Own", "username": "bot", "registry": "custom"},
    ],
    "total": 2,
    "offset": 0,
    "limit": 100,
}

Serve = Callable[..., RawServer]


class Bring(NamedTuple):
    run: Callable[..., Ran]
    requests: list[list[bytes]]

    def __call__(self, *arguments: object) -> Ran:
        return self.run(*arguments)


@pytest.fixture
def bring(regcred: Regcred, serve: Serve) -> Bring:
    """Import from a vendor that answers so."""
    requests: list[list[bytes]] = []

    def run(vendor: str, answer: object, *more: object) -> Ran:
        content = (
            answer if isinstance(answer, bytes) else http("200 OK", json.dumps(answer).encode())
        )
        server = serve(content)
        own = ("--gcore-project", "7") if vendor == "gcore" else ()
        done = regcred(
            *("import", vendor, *own, "--url", server.url, "--key-stdin", *map(str, more)),
            stdin=f"{VENDOR_KEY}\n",
        )
        assert SECRET not in done.out + done.err
        assert VENDOR_KEY not in done.out + done.err
        requests.append(server.requests)
        return done

    return Bring(run, requests)


@pytest.mark.parametrize(
    ("vendor", "below", "answer"),
    [("gcore", "/cloud/v3", "GCORE"), ("yotta", "/v2", "YOTTA"), ("sevalla", "/v3", "SEVALLA")],
)
def test_a_url_may_end_with_what_the_vendor_adds(
    regcred: Regcred, serve: Serve, vendor: str, below: str, answer: str
) -> None:
    content = http("200 OK", json.dumps(globals()[answer]).encode())
    own = ("--gcore-project", "7") if vendor == "gcore" else ()
    asked = []
    for end in ("", "/", below, f"{below}/"):
        server = serve(content)
        url = f"{server.url}{end}"
        done = regcred("import", vendor, *own, "--url", url, "--key-stdin", stdin=VENDOR_KEY)
        assert done.code == 0
        asked.append([request.partition(b" HTTP")[0] for request in server.requests])

    assert asked == [asked[0]] * 4
    assert asked[0][0].startswith(f"GET {below}/".encode())


def secrets_file(tmp_path: Path, content: object, mode: int = 0o600) -> Path:
    file = tmp_path / "secrets.json"
    file.write_text(json.dumps(content))
    file.chmod(mode)
    return file


def stored(stub: StubService) -> list[dict[str, Any]]:
    return [seen.json for seen in stub.seen if seen.method == "POST"]


@pytest.mark.parametrize(
    ("vendor", "answer", "target", "header"),
    [
        (
            "gcore",
            GCORE,
            b"GET /cloud/v3/inference/7/registry_credentials?limit=1000&offset=0 HTTP",
            f"authorization: APIKey {VENDOR_KEY}",
        ),
        ("yotta", YOTTA, b"GET /v2/container-registry-auths HTTP", f"x-api-key: {VENDOR_KEY}"),
        (
            "sevalla",
            SEVALLA,
            b"GET /v3/docker-registries?limit=100&offset=0 HTTP",
            f"authorization: Bearer {VENDOR_KEY}",
        ),
    ],
)
def test_what_must_be_typed_in_is_listed(
    bring: Bring, stub: StubService, vendor: str, answer: object, target: bytes, header: str
) -> None:
    done = bring(vendor, answer, "--apply")

    (request,) = bring.requests[0]
    assert done.code == 0
    assert done.out.count("its password is to be typed in: --ask, or --secrets-file") == 2
    assert request.startswith(target)
    assert header.lower() in request.decode().lower()
    assert stored(stub) == []


def test_a_secrets_file_completes_gcores_logins(
    bring: Bring, stub: StubService, tmp_path: Path
) -> None:
    file = secrets_file(tmp_path, {"hub": SECRET, "team": SECRET, "typo": "x"})

    done = bring("gcore", GCORE, "--secrets-file", file, "--apply")
    again = bring("gcore", GCORE, "--secrets-file", file, "--apply")

    assert (done.code, again.code) == (0, 0)
    assert stored(stub) == [
        {"name": name, "registry_url": registry, "username": "bot", "password": SECRET}
        for name, registry in (("hub", "docker.io"), ("team", "a.example/team"))
    ]
    assert "typo is in the secrets file and not in the account." in done.err
    assert "no registry's address" in done.out
    assert "2 same, 1 skip" in again.err


def test_what_yotta_does_not_show_is_given_too(
    bring: Bring, stub: StubService, tmp_path: Path
) -> None:
    file = secrets_file(
        tmp_path,
        {
            "hub": {"username": "bot", "password": SECRET},
            "bare": {"username": "bot", "password": SECRET, "registry": "https://A.example/"},
        },
    )

    done = bring("yotta", YOTTA, "--secrets-file", file, "--apply")

    assert done.code == 0
    assert stored(stub) == [
        {"name": "hub", "provider": "docker_hub", "username": "bot", "password": SECRET},
        {"name": "bare", "registry_url": "a.example", "username": "bot", "password": SECRET},
    ]


def test_a_password_without_its_user_is_not_stored(
    bring: Bring, stub: StubService, tmp_path: Path
) -> None:
    done = bring(
        "yotta", YOTTA, "--secrets-file", secrets_file(tmp_path, {"hub": SECRET}), "--apply"
    )

    assert done.code == 1
    assert "it has no user name" in done.out
    assert stored(stub) == []


def test_sevallas_words_for_registries_are_families(
    bring: Bring, stub: StubService, tmp_path: Path
) -> None:
    file = secrets_file(tmp_path, {"My Hub": SECRET, "Own": SECRET})

    bring("sevalla", SEVALLA, "--secrets-file", file, "--apply")

    assert stored(stub) == [
        {"name": "My Hub", "provider": "docker_hub", "username": "bot", "password": SECRET},
        {"name": "Own", "username": "bot", "password": SECRET},
    ]


def test_a_name_that_is_another_login_here_differs(bring: Bring, stub: StubService) -> None:
    stub.add("hub", registry_url="quay.io", username="bot")
    stub.add("team", registry_url="a.example/team", username="somebody")

    done = bring("gcore", GCORE)

    assert "this name is stored for bot at quay.io" in done.out
    assert "this name is stored for somebody at a.example/team" in done.out
    assert done.code == 0


def test_update_replaces_the_password_of_a_name(
    bring: Bring, stub: StubService, tmp_path: Path
) -> None:
    made = stub.add("hub", registry_url="docker.io", username="bot")
    stub.logins = [{**login("hub"), "credential": {"id": made["id"], "name": "hub"}}]
    file = secrets_file(tmp_path, {"hub": SECRET})

    done = bring("gcore", GCORE, "--secrets-file", file, "--update", "--apply")

    assert "hub: updated" in done.err
    assert stub.last.json == {"password": SECRET}


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [
        ({"hub": SECRET}, 0o640, "others may read it"),
        ([SECRET], 0o600, "no object"),
        ({"hub": [SECRET]}, 0o600, "neither a password nor"),
        ({"hub": {"passwrd": SECRET}}, 0o600, "neither a password nor"),
        ({"hub": {"password": 7}}, 0o600, "neither a password nor"),
    ],
)
def test_a_secrets_file_that_cannot_be_used_is_refused(
    bring: Bring, stub: StubService, tmp_path: Path, content: object, mode: int, why: str
) -> None:
    done = bring("gcore", GCORE, "--secrets-file", secrets_file(tmp_path, content, mode))

    assert done.code == 2
    assert why in done.err
    assert stub.seen == []


@pytest.mark.parametrize(
    ("answer", "code", "why"),
    [
        (http("401 No", b"{}"), 4, "does not take this key"),
        (http("403 No", b"{}"), 4, "does not take this key"),
        (http("302 Away", b"", "Location: http://127.0.0.1:1/"), 7, "answered 302"),
        (http("200 OK", b"[]"), 7, "no JSON object"),
        (http("200 OK", SECRET.encode()), 7, "no JSON object"),
        (http("200 OK", b'{"results": [{}], "count": 1}'), 7, "is not Gcore's API"),
        (http("200 OK", b'{"results": [3], "count": 1}'), 7, "is not Gcore's API"),
        (http("200 OK", b'{"results": 3, "count": 1}'), 7, "is not Gcore's API"),
        (http("200 OK", b'{"results": [], "count": 1}'), 0, ""),
        (b"nonsense\r\n\r\n", 7, "cannot be reached"),
    ],
)
def test_a_vendor_that_does_not_answer_well_is_named(
    bring: Bring, answer: bytes, code: int, why: str
) -> None:
    done = bring("gcore", answer)

    assert done.code == code
    assert why in done.err


def test_an_account_without_end_is_not_read_on(bring: Bring) -> None:
    page = {"results": [GCORE["results"][0]] * 4000, "count": 10**9}

    done = bring("gcore", page)

    assert (done.code, "more than 10000" in done.err) == (7, True)


def test_an_answer_without_end_is_not_read_on(bring: Bring) -> None:
    done = bring("gcore", http("200 OK", b" " * (16 * 1024 * 1024 + 1)))

    assert (done.code, "without end" in done.err) == (7, True)


def test_an_answer_that_drips_is_not_waited_for(
    regcred: Regcred, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vendors, "_SECONDS", 0.2)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    server = serve(head, *[b" "] * 1000, pause=0.05)

    done = regcred(
        *("import", "yotta", "--url", server.url, "--key-stdin"), stdin=f"{VENDOR_KEY}\n"
    )

    assert (done.code, "took longer than" in done.err) == (7, True)


@pytest.mark.parametrize(
    "more",
    [
        ("--url", "http://vendor.example", "--key-stdin"),
        ("--url", "https://user:word@vendor.example", "--key-stdin"),
        ("--ask", "--key-stdin"),
        ("--ask", "--no-input", "--apply"),
        (),
        ("--key-stdin", "--secrets-file", "missing"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_sent(
    regcred: Regcred, stub: StubService, more: tuple[str, ...]
) -> None:
    assert regcred("import", "yotta", *more, stdin="a-key").code == 2
    assert stub.seen == []


def test_a_key_that_no_header_can_hold_is_refused(regcred: Regcred) -> None:
    done = regcred("import", "yotta", "--key-stdin", "--url", "http://127.0.0.1:1", stdin="a\nb\n")

    assert done.code == 2
    assert "no key of Yotta's" in done.err


def test_passwords_are_asked_for_without_echo(
    stub: StubService, env: dict[str, str], serve: Serve
) -> None:
    answer = {"data": [{"name": "hub", "type": "DOCKER_HUB"}, {"name": "bare", "type": "PRIVATE"}]}
    server = serve(http("200 OK", json.dumps(answer).encode()))

    code, shown = on_terminal(
        env,
        *("import", "yotta", "--url", server.url, "--ask"),
        dialogue=[
            ("Yotta key: ", VENDOR_KEY),
            ("User name of hub: ", "bot"),
            ("Password of hub: ", SECRET),
            ("User name of bare: ", "bot"),
            ("used by its name alone): ", "not a registry"),
            ("Password of bare: ", SECRET),
            ("Store 1?", "y"),
        ],
    )

    assert stored(stub) == [
        {"name": "hub", "provider": "docker_hub", "username": "bot", "password": SECRET}
    ]
    assert code == 1
    assert "its key is no registry" in shown
    assert SECRET not in shown
    assert VENDOR_KEY not in shown
