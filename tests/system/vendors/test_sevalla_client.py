"""A client of the form of Sevalla's own, with every answer checked by the recorded contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.system.vendors.conftest import Host, Sevalla, Tenant, check_headers, running

pytestmark = pytest.mark.system

REGISTRIES = ("gcr", "ecr", "dockerHub", "github", "gitlab", "digitalOcean", "custom")
LOGIN = {
    "name": "My Hub",
    "username": "robot",
    "secret": "sevalla-stored-secret",
    "registry": "dockerHub",
}
NOBODY = "019a9c1e-0000-7000-8000-0000000000ff"
NIL = "00000000-0000-0000-0000-000000000000"
MOST_ATTEMPTS = 4


# What it does


@pytest.mark.parametrize("registry", REGISTRIES)
def test_each_registry_is_created_and_shown_without_its_secret(
    sevalla: Sevalla, tenant: Tenant, registry: str
) -> None:
    answer = sevalla.send("POST", body={**LOGIN, "registry": registry})
    made = answer.json()

    assert answer.status_code == 201
    assert (made["name"], made["username"], made["registry"]) == ("My Hub", "robot", registry)
    assert made["company_id"] == tenant.project["id"]
    assert made["created_at"] == made["updated_at"]
    assert len(made) == 7
    assert sevalla.get(made["id"]) == made


def test_without_a_registry_it_is_a_custom_one(sevalla: Sevalla) -> None:
    login = {name: text for name, text in LOGIN.items() if name != "registry"}

    assert sevalla.create(**login)["registry"] == "custom"


def test_a_list_is_read_over_three_pages(sevalla: Sevalla, tenant: Tenant) -> None:
    names = [f"Login {number}" for number in range(201)]
    for name in names:
        tenant.api.add(name, "registry.example.com", "robot", "a-stored-secret")

    pages = sevalla.pages()

    assert [len(page["data"]) for page in pages] == [100, 100, 1]
    assert [one["name"] for page in pages for one in page["data"]] == names
    assert {(page["total"], page["limit"]) for page in pages} == {(201, 100)}


def test_the_commands_first_page_is_of_25(sevalla: Sevalla) -> None:
    made = sevalla.create(**LOGIN)

    listed = sevalla.send("GET", query={"limit": 25, "offset": 0}).json()

    assert listed == {"data": [made], "total": 1, "offset": 0, "limit": 25}
    assert sevalla.send("GET").json() == listed


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "Your Hub"),
        ("username", "robot-2"),
        ("secret", "another-secret"),
        ("registry", "github"),
    ],
)
def test_a_field_that_changed_is_sent_alone_and_changes_alone(
    sevalla: Sevalla, tenant: Tenant, field: str, value: str
) -> None:
    made = sevalla.create(**LOGIN)

    changed = sevalla.update(made["id"], **{field: value})

    expected = {**made, **({} if field == "secret" else {field: value})}
    assert {**changed, "updated_at": ""} == {**expected, "updated_at": ""}
    assert changed["updated_at"] >= made["updated_at"]
    assert sevalla.get(made["id"]) == changed
    image = "ghcr.io/team/app" if field == "registry" else "team/app"
    [handed] = tenant.api.resolve(image)["logins"]
    assert handed["username"] == changed["username"]
    assert handed["password"] == (value if field == "secret" else LOGIN["secret"])


def test_deleting_says_so_and_then_it_is_gone(sevalla: Sevalla) -> None:
    made = sevalla.create(**LOGIN)

    assert sevalla.delete(made["id"]) == {"message": "Docker registry credential deleted"}

    assert sevalla.get(made["id"]) is None
    assert sevalla.pages()[0]["data"] == []


def test_deleting_a_login_in_use_is_allowed(sevalla: Sevalla, tenant: Tenant) -> None:
    made = sevalla.create(**LOGIN)
    tenant.use("My Hub")

    sevalla.delete(made["id"])

    assert tenant.names() == []


# What it is told


def _told(answer: httpx2.Response) -> tuple[int, str]:
    told: dict[str, Any] = answer.json()
    assert told["status"] == answer.status_code
    assert told["message"]
    assert LOGIN["secret"] not in answer.text
    return answer.status_code, told["data"]["code"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("name", "", id="no name"),
        pytest.param("name", "n" * 256, id="long name"),
        pytest.param("username", "_json_key", id="user of a key file"),
        pytest.param("username", "robot@example.com", id="user with an at sign"),
        pytest.param("username", "u" * 40, id="long user"),
        pytest.param("secret", "7-chars", id="short secret"),
        pytest.param("secret", "s" * 129, id="long secret"),
        pytest.param("secret", "two\nlines", id="secret of two lines"),
        pytest.param("registry", "quay", id="unknown registry"),
    ],
)
def test_a_broken_rule_is_unprocessable(sevalla: Sevalla, field: str, value: str) -> None:
    made = sevalla.create(**LOGIN)

    created = sevalla.send("POST", body={**LOGIN, "name": "Another", field: value})
    updated = sevalla.send("PATCH", made["id"], body={field: value})

    for answer in (created, updated):
        assert _told(answer) == (422, "INVALID_INPUT")
        assert answer.json()["message"].startswith(f"{field}: ")
    assert sevalla.get(made["id"]) == made


@pytest.mark.parametrize("missing", ["name", "username", "secret"])
def test_a_missing_field_is_unprocessable(sevalla: Sevalla, missing: str) -> None:
    login = {name: text for name, text in LOGIN.items() if name != missing}

    answer = sevalla.send("POST", body=login)

    assert _told(answer) == (422, "INVALID_INPUT")
    assert answer.json()["message"].startswith(f"{missing}: ")


def test_a_taken_name_is_unprocessable(sevalla: Sevalla) -> None:
    sevalla.create(**LOGIN)

    assert _told(sevalla.send("POST", body=LOGIN)) == (422, "NAME_TAKEN")


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 101}, {"offset": -1}], ids=str)
def test_a_page_beyond_the_bounds_is_a_bad_request(sevalla: Sevalla, query: dict[str, int]) -> None:
    assert _told(sevalla.send("GET", query=query)) == (400, "MALFORMED_REQUEST")


def test_an_id_that_is_none_is_a_bad_request(sevalla: Sevalla) -> None:
    assert _told(sevalla.send("GET", "my-hub")) == (400, "MALFORMED_REQUEST")


@pytest.mark.parametrize("id_", [NOBODY, NIL])
def test_a_missing_login_is_gone(sevalla: Sevalla, id_: str) -> None:
    assert sevalla.get(id_) is None
    assert _told(sevalla.send("PATCH", id_, body={"name": "x"}))[0] == 404
    assert _told(sevalla.send("DELETE", id_))[0] == 404


def test_a_login_of_others_is_as_one_that_is_nowhere(sevalla: Sevalla, stranger: Tenant) -> None:
    theirs = stranger.api.add("Theirs", "registry.example.com", "robot", "their-secret")["id"]

    for call, body in (("GET", None), ("PATCH", {"name": "x"}), ("DELETE", None)):
        refused = sevalla.send(call, theirs, body=body)
        assert refused.json() == sevalla.send(call, NOBODY, body=body).json()
        assert refused.status_code == 404
    assert stranger.names() == ["Theirs"]


def test_an_unknown_key_is_unauthorized(tenant: Tenant) -> None:
    stranger = Sevalla.of(tenant, key="svl_" + "0" * 64)
    with stranger.http:
        assert _told(stranger.send("GET")) == (401, "NOT_AUTHENTICATED")


def test_a_viewer_that_creates_is_denied_and_may_list(tenant: Tenant) -> None:
    viewer = Sevalla.of(tenant, tenant.key_of("viewer"))
    with viewer.http:
        assert _told(viewer.send("POST", body=LOGIN)) == (403, "ACCESS_DENIED")
        assert viewer.pages()[0]["total"] == 0


def test_every_answer_tells_the_budget_and_its_own_id(sevalla: Sevalla) -> None:
    """Those that no operation of the contract gives, too: the client asserts it of the rest."""
    answers = [sevalla.http.get("/nothing"), sevalla.http.put("/docker-registries")]

    assert [answer.status_code for answer in answers] == [404, 405]
    for answer in answers:
        check_headers(answer)
        _told(answer)
    ids = [sevalla.send("GET").headers["x-request-id"] for _ in range(2)]
    assert len(set(ids)) == 2


# The vendor's budget


@pytest.fixture(scope="module")
def metered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder: Path = tmp_path_factory.mktemp("metered")
    with running(folder, REGCRED_BUDGETS="sevalla=vendor") as host:
        yield host


def _wait(answer: httpx2.Response) -> int:
    """Return how long the vendor's provider would wait before it asks again."""
    assert _told(answer) == (429, "QUOTA_EXCEEDED")
    assert answer.headers["x-ratelimit-remaining"] == "0"
    assert answer.headers["x-ratelimit-reset"] == answer.headers["retry-after"]
    seconds = int(answer.headers["retry-after"])
    assert 1 <= seconds <= 60
    return seconds


def test_thirty_writes_pass_and_the_next_waits(metered: Host) -> None:
    with metered.tenant() as tenant, metered.tenant() as other:
        client, another = Sevalla.of(tenant), Sevalla.of(other)
        with client.http, another.http:
            made = [
                client.send("POST", body={**LOGIN, "name": f"Hub {number}"}) for number in range(30)
            ]
            waits = [_wait(client.send("POST", body=LOGIN)) for _ in range(MOST_ATTEMPTS)]

            assert [answer.headers["x-ratelimit-remaining"] for answer in made] == [
                str(left) for left in reversed(range(30))
            ]
            assert {answer.headers["x-ratelimit-limit"] for answer in made} == {"30"}
            # Asking early costs nothing: the window ends when it was said to end.
            assert waits == sorted(waits, reverse=True)
            assert client.pages()[0]["total"] == 30
            assert another.create(**LOGIN)["name"] == LOGIN["name"]


def test_four_hundred_reads_pass_and_the_next_waits(metered: Host) -> None:
    with metered.tenant() as tenant:
        client = Sevalla.of(tenant)
        with client.http:
            reads = [client.send("GET") for _ in range(400)]

            _wait(client.send("GET"))
            assert {answer.status_code for answer in reads} == {200}
            assert reads[0].headers["x-ratelimit-limit"] == "400"
            assert reads[-1].headers["x-ratelimit-remaining"] == "0"
            assert client.create(**LOGIN)["name"] == LOGIN["name"]
