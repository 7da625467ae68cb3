"""The client of the native API: what it sends, and what it raises."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from regcred.clients.api import RegcredClient
from regcred.clients.calls import segment
from regcred.clients.config import ClientConfig
from regcred.clients.problems import ApiProblem, InvalidName, NotRegcred, ServiceUnreachable
from tests.clients.raw_server import RawServer, http
from tests.clients.stub_service import KEY, Reply, StubService, problem, verdict

WHOAMI = "/v1/whoami"


@pytest.fixture
def api(stub: StubService) -> Iterator[RegcredClient]:
    with RegcredClient(ClientConfig(stub.url, KEY)) as client:
        yield client


def test_a_request_carries_the_key_and_asks_for_json(stub: StubService, api: RegcredClient) -> None:
    assert api.whoami()["principal"] == "key:own"
    assert stub.last.headers["authorization"] == f"Bearer {KEY}"
    assert stub.last.headers["accept"] == "application/json"


def test_lists_are_read_to_their_end(stub: StubService, api: RegcredClient) -> None:
    for number in range(5):
        stub.add(f"c{number}")

    names = [one["name"] for one in api.credentials({"provider": "generic", "label": None})]

    assert names == ["c0", "c1", "c2", "c3", "c4"]
    assert [seen.query.get("cursor") for seen in stub.seen] == [None, "2", "4"]
    assert stub.last.query == {"provider": "generic", "limit": "200", "cursor": "4"}


def test_providers_come_on_one_page(stub: StubService, api: RegcredClient) -> None:
    assert [*api.providers()] == stub.providers
    assert api.provider("quay") == stub.providers[1]
    assert [seen.path for seen in stub.seen] == ["/v1/providers", "/v1/providers/quay"]


@pytest.mark.parametrize("name", ["ü", "a b", "a%2fb", "a?b#c", "x:y", "@", "中"])
def test_names_are_one_segment_of_the_path(
    stub: StubService, api: RegcredClient, name: str
) -> None:
    stub.add(name)

    assert api.credential(name)["name"] == name
    assert "?" not in stub.last.path
    assert stub.last.path.count("/") == 5


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "../..", "\ud800"])
def test_a_name_cannot_climb_the_path(stub: StubService, api: RegcredClient, name: str) -> None:
    with pytest.raises(InvalidName):
        api.delete_credential(name, 1)
    assert stub.seen == []


def test_a_project_cannot_climb_either(stub: StubService) -> None:
    with pytest.raises(InvalidName):
        RegcredClient(ClientConfig(stub.url, KEY, ".."))
    assert segment("-") == "-"


def test_what_was_read_is_what_is_changed(stub: StubService, api: RegcredClient) -> None:
    stub.add("one", version=9)

    api.update_credential("one", {"password": "new"}, 9)

    assert stub.last.headers["if-match"] == '"9"'
    assert stub.last.json == {"password": "new"}


def test_a_problem_is_raised_with_its_parts(stub: StubService, api: RegcredClient) -> None:
    planted = problem(
        "credential-rejected",
        422,
        "not stored",
        errors=[{"field": "name", "rule": "must be printable"}, "nonsense"],
        uses=[{"kind": "deployment", "name": "web", "expires_at": None}],
        verdict=verdict("rejected"),
    )
    stub.plant("GET", WHOAMI, planted)

    with pytest.raises(ApiProblem) as raised:
        api.whoami()

    found = raised.value
    assert (found.status, found.slug, str(found)) == (422, "credential-rejected", "not stored")
    assert found.title == "credential rejected"
    assert found.errors == (("name", "must be printable"),)
    assert found.request_id == "request-1"
    assert [use["name"] for use in found.uses] == ["web"]
    assert found.verdict["verdict"] == "rejected"


def test_a_problem_of_another_shape_is_still_one(stub: StubService, api: RegcredClient) -> None:
    body = {"errors": "none", "verdict": 7, "type": None}
    stub.plant("GET", WHOAMI, Reply(418, body, "application/problem+json"))

    with pytest.raises(ApiProblem) as raised:
        api.whoami()

    found = raised.value
    assert (str(found), found.errors, found.verdict, found.slug) == ("status 418", (), {}, "")


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b"<html>", "text/html"),
        Reply(200, b"{", "application/json"),
        Reply(200, b"[]", "application/json"),
        Reply(200, b"[" * 100_000, "application/json"),
        Reply(500, b"", "text/plain"),
        Reply(302, b"", "text/plain", (("Location", "https://elsewhere.example/"),)),
        Reply(404, {"detail": "Not Found"}),
        Reply(404, b"", "application/problem+json"),
    ],
)
def test_another_server_is_noticed(stub: StubService, api: RegcredClient, reply: Reply) -> None:
    stub.plant("GET", WHOAMI, reply)

    with pytest.raises(NotRegcred):
        api.whoami()
    assert len(stub.seen) == 1


def test_a_list_without_items_is_not_regcreds(stub: StubService, api: RegcredClient) -> None:
    for path, ask in (("/v1/projects", api.projects), ("/v1/providers", api.providers)):
        stub.plant("GET", path, Reply(200, {"data": []}))

        with pytest.raises(NotRegcred):
            list(ask())


def test_an_endless_answer_is_not_read_on(serve: Callable[..., RawServer]) -> None:
    server = serve(b"HTTP/1.1 200 OK\r\n\r\n", *[b"x" * 1_000_000] * 40)

    with (
        RegcredClient(ClientConfig(server.url, KEY)) as api,
        pytest.raises(NotRegcred, match="without end"),
    ):
        api.whoami()


def test_a_service_that_is_down_is_unreachable() -> None:
    with (
        RegcredClient(ClientConfig("http://127.0.0.1:1", KEY)) as api,
        pytest.raises(ServiceUnreachable, match=r"127\.0\.0\.1:1 cannot be reached"),
    ):
        api.whoami()


def test_proxies_of_the_environment_do_not_count(
    stub: StubService, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    with RegcredClient(ClientConfig(stub.url, KEY)) as api:
        assert api.whoami()["role"] == "admin"


@pytest.mark.parametrize(
    ("host", "trusted"), [("127.0.0.1", True), ("other.example", False)], ids=["right", "wrong"]
)
def test_the_certificate_is_verified(
    serve: Callable[..., RawServer], tmp_path: Path, host: str, trusted: bool
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    server = serve(http("200 OK", json.dumps({"role": "admin"}).encode()), tls=context)

    def ask(ca_file: str) -> Any:
        with RegcredClient(ClientConfig(server.url, KEY, ca_file=ca_file)) as api:
            return api.whoami()

    if trusted:
        assert ask(str(tmp_path / "ca.pem"))["role"] == "admin"
    else:
        with pytest.raises(ServiceUnreachable, match="certificate"):
            ask(str(tmp_path / "ca.pem"))
    seen = len(server.requests)
    with pytest.raises(ServiceUnreachable, match="certificate"):
        ask("")
    assert len(server.requests) == seen


def test_a_ca_file_without_a_certificate_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")

    for name in ("ca.pem", "none.pem"):
        with pytest.raises(ServiceUnreachable, match=f"{name} holds no readable CA"):
            RegcredClient(ClientConfig("https://a.example", KEY, ca_file=str(tmp_path / name)))


def test_a_hand_out_is_a_body_or_that_nothing_changed(stub: StubService) -> None:
    with RegcredClient(ClientConfig(stub.url, KEY)) as api:
        first = api.hand_out("kubernetes-secret", {"name": "a", "image": ["b", "c"]})
        again = api.hand_out("kubernetes-secret", {"name": "a"}, first.headers["etag"])

    assert (first.unchanged, again.unchanged, again.body) == (False, True, b"")
    assert first.json()["metadata"] == {"name": "a"}
    assert stub.queries == ["name=a&image=b&image=c", "name=a"]


@pytest.mark.parametrize("status", [301, 304])
def test_a_hand_out_that_leads_elsewhere_is_not_regcreds(stub: StubService, status: int) -> None:
    stub.plant("GET", "/v1/projects/-/nomad", Reply(status))

    with (
        RegcredClient(ClientConfig(stub.url, KEY)) as api,
        pytest.raises(NotRegcred, match=f"an answer {status}"),
    ):
        api.hand_out("nomad", {})
