"""The Gcore SDK, both of its clients, with every answer validated against its own types."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.system.vendors.conftest import Host, Tenant, conversation, gcore_speaker, running
from tests.tools.programs import LOOPBACK, free_port
from tests.tools.service import Service
from tests.tools.vendor_clients import Conversation, Speaker, VendorClient

pytestmark = pytest.mark.system

LOGIN = {
    "name": "ci-pull",
    "username": "robot",
    "password": "gcore-stored-secret",
    "registry_url": "https://registry.example.com",
}
_SCRIPT = "gcore_calls.py"


@pytest.fixture(scope="module", params=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def spoken(
    gcore: VendorClient, kind: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Conversation]:
    with conversation(gcore, tmp_path_factory.mktemp(kind), _SCRIPT, kind) as opened:
        yield opened


@pytest.fixture
def logins(spoken: Conversation, tenant: Tenant) -> Speaker:
    return gcore_speaker(spoken, tenant)


def _make(logins: Speaker, count: int) -> list[str]:
    names = [f"login-{number}" for number in range(count)]
    for name in names:
        logins("create", **{**LOGIN, "name": name})
    return names


# What it does


def test_a_stored_login_is_shown_without_its_password(logins: Speaker, tenant: Tenant) -> None:
    made = logins("create", **LOGIN)

    shown = {name: text for name, text in LOGIN.items() if name != "password"}
    assert made == {"project_id": tenant.number, **shown}
    assert logins("get", credential_name="ci-pull") == made


def test_iterating_walks_all_pages(logins: Speaker) -> None:
    names = _make(logins, 5)

    reply = logins.reply("iterate", limit=2)

    assert (reply.value, reply.sent) == (names, 3)
    assert logins("iterate") == names
    assert logins("iterate", limit=2, offset=3) == names[3:]


def test_every_page_tells_how_many_there_are_on_all(logins: Speaker) -> None:
    names = _make(logins, 5)

    pages = logins("pages", limit=2)

    assert [page["names"] for page in pages] == [names[:2], names[2:4], names[4:]]
    assert {page["count"] for page in pages} == {5}


def test_an_empty_project_is_one_empty_page(logins: Speaker) -> None:
    assert logins("pages") == [{"count": 0, "names": []}]


def test_replacing_keeps_the_name_and_moves_all_else(logins: Speaker, tenant: Tenant) -> None:
    logins("create", **LOGIN)
    new = {"username": "robot-2", "registry_url": "other.example.com"}

    replaced = logins("replace", credential_name="ci-pull", password="another-secret", **new)

    assert replaced == {"project_id": tenant.number, "name": "ci-pull", **new}
    assert logins("get", credential_name="ci-pull") == replaced
    [handed] = tenant.api.resolve("other.example.com/team/app")["logins"]
    assert (handed["username"], handed["password"]) == ("robot-2", "another-secret")


def test_deleting_returns_nothing_and_leaves_nothing(logins: Speaker, tenant: Tenant) -> None:
    logins("create", **LOGIN)

    assert logins("delete", credential_name="ci-pull") is None

    assert tenant.names() == []


def test_deleting_a_login_in_use_is_allowed(logins: Speaker, tenant: Tenant) -> None:
    logins("create", **LOGIN)
    tenant.use("ci-pull")

    assert logins("delete", credential_name="ci-pull") is None

    assert tenant.names() == []


def test_the_environment_points_it_here(
    gcore: VendorClient, kind: str, tenant: Tenant, tmp_path: Path
) -> None:
    variables = {
        "GCORE_BASE_URL": tenant.service.url,
        "GCORE_API_KEY": tenant.key,
        "GCORE_CLOUD_PROJECT_ID": str(tenant.number),
    }
    with conversation(gcore, tmp_path, _SCRIPT, kind, **variables) as spoken:
        made = Speaker(spoken, {})("create", **LOGIN)

    assert made["project_id"] == tenant.number
    assert tenant.names() == ["ci-pull"]


# What it raises


def _told(error: dict[str, Any]) -> tuple[str, int, str]:
    assert re.fullmatch("[0-9a-f]{32}", error["body"]["request_id"])
    return error["class"], error["status"], error["body"]["exception_class"]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": "abc"}, "name"),
        ({"name": "-ci-pull"}, "name"),
        ({"name": "CI-PULL"}, "name"),
        ({"username": ""}, "username"),
        ({"password": ""}, "password"),
        ({"registry_url": ""}, "registry_url"),
        ({"extra_body": {"username": 1}}, "username"),
        # What was sent beyond the documented is never repeated, not even its name.
        ({"extra_body": {"unknown": "x"}}, "body"),
    ],
)
def test_a_broken_rule_is_a_bad_request_that_names_the_field(
    logins: Speaker, changed: dict[str, Any], field: str
) -> None:
    error = logins.refused("create", **{**LOGIN, **changed})

    assert _told(error) == ("BadRequestError", 400, "ValidationError")
    assert list(error["body"]["invalid_fields"]) == [field]
    assert LOGIN["password"] not in str(error)


def test_a_page_beyond_the_bounds_is_a_bad_request(logins: Speaker) -> None:
    for query in ({"limit": 0}, {"limit": 1001}, {"offset": -1}):
        assert _told(logins.refused("iterate", **query))[0] == "BadRequestError"


def test_unprocessable_is_never_said(host: Host) -> None:
    """UnprocessableEntityError is for 422, and this wire says 400 where others say 422."""
    document = httpx2.get(f"{host.service.url}/cloud/v3/openapi.json", trust_env=False).json()
    told = {
        status
        for operations in document["paths"].values()
        for operation in operations.values()
        for status in operation["responses"]
    }

    assert {"400", "401", "403", "404", "409", "429", "500", "503"} <= told
    assert "422" not in told


@pytest.mark.parametrize("key", ["1234$abcdef", "My API Key", "rgc_aaaaaaaaaaaa_" + "a" * 49])
def test_an_unknown_key_is_an_authentication_error(logins: Speaker, key: str) -> None:
    error = logins.using(api_key=key).refused("iterate")

    assert _told(error)[:2] == ("AuthenticationError", 401)
    assert _told(error)[2] in {"not_authenticated", "token_not_valid"}
    assert key not in str(error)


def test_a_viewer_that_creates_is_denied_and_may_list(logins: Speaker, tenant: Tenant) -> None:
    viewer = logins.using(api_key=tenant.key_of("viewer"))

    error = viewer.refused("create", **LOGIN)

    assert _told(error) == ("PermissionDeniedError", 403, "ForbiddenError")
    assert viewer("iterate") == []


@pytest.mark.parametrize("call", ["get", "replace", "delete"])
def test_a_missing_login_is_not_found(logins: Speaker, call: str) -> None:
    fields = {name: LOGIN[name] for name in ("username", "password", "registry_url")}

    error = logins.refused(call, credential_name="nobody", **(fields if call == "replace" else {}))

    assert _told(error) == ("NotFoundError", 404, "NotFoundError")


def test_a_project_of_others_is_not_found_as_one_that_is_nowhere(
    logins: Speaker, stranger: Tenant
) -> None:
    stranger.api.add("ci-pull", "registry.example.com", "robot", "their-secret")

    theirs = logins.refused("get", credential_name="ci-pull", project_id=stranger.number)
    nowhere = logins.refused("get", credential_name="ci-pull", project_id=999_999)
    listed = logins.refused("iterate", project_id=stranger.number)

    assert _told(theirs) == _told(nowhere) == _told(listed)
    assert _told(theirs) == ("NotFoundError", 404, "NotFoundError")
    assert theirs["body"]["message"] == nowhere["body"]["message"]


def test_a_taken_name_is_one_attempt(logins: Speaker, tenant: Tenant) -> None:
    """The SDK tries a 409 three times by itself, and the name would stay taken."""
    logins("create", **LOGIN)

    reply = logins.reply("create", **{**LOGIN, "password": "another-secret"})

    assert reply.error is not None
    assert _told(reply.error) == ("ConflictError", 409, "ConflictError")
    assert reply.sent == 1
    [kept] = tenant.api.resolve("registry.example.com/team/app")["logins"]
    assert kept["password"] == LOGIN["password"]


def test_attempts_are_counted_where_there_are_several(logins: Speaker) -> None:
    """Else one attempt would be what the count always says."""
    nobody = logins.using(base_url=f"http://{LOOPBACK}:{free_port()}")

    reply = nobody.reply("get", credential_name="ci-pull")

    assert reply.error is not None
    assert (reply.error["class"], reply.sent) == ("APIConnectionError", 3)


def test_a_body_beyond_the_bound_is_a_plain_status_error(logins: Speaker) -> None:
    error = logins.refused("create", **{**LOGIN, "password": "x" * 70_000})

    assert _told(error) == ("APIStatusError", 413, "HTTPError")


@contextlib.contextmanager
def _held(service: Service) -> Iterator[None]:
    """Keep the store busy, as another process does whose write takes long."""
    store = service.data / "store" / "regcred.db"
    with contextlib.closing(sqlite3.connect(store, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def test_a_busy_store_is_a_server_error_and_stores_nothing(logins: Speaker, tenant: Tenant) -> None:
    with _held(tenant.service):
        error = logins.using(max_retries=0).refused("create", **LOGIN)

    assert _told(error) == ("InternalServerError", 503, "ServiceUnavailableError")
    assert int(error["headers"]["retry-after"]) > 0
    assert tenant.names() == []
    logins("create", **LOGIN)
    assert tenant.names() == ["ci-pull"]


@pytest.fixture(scope="module")
def metered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with running(tmp_path_factory.mktemp("metered"), REGCRED_BUDGETS="gcore=1000/2") as host:
        yield host


def test_a_spent_budget_is_a_rate_limit_with_the_seconds_to_wait(
    spoken: Conversation, metered: Host
) -> None:
    with metered.tenant() as tenant:
        logins = gcore_speaker(spoken, tenant, max_retries=0)
        names = _make(logins, 2)

        error = logins.refused("create", **LOGIN)

        assert _told(error)[:2] == ("RateLimitError", 429)
        assert 1 <= int(error["headers"]["retry-after"]) <= 60
        assert logins("iterate") == names
        assert tenant.names() == names
