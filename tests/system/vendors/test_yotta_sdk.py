"""The `yottaml` SDK against the v2 operations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.system.vendors.conftest import Tenant, conversation, yotta_data, yotta_speaker
from tests.tools.vendor_clients import Conversation, Speaker, VendorClient

pytestmark = pytest.mark.system

TYPES = ("DOCKER_HUB", "GCR", "ECR", "ACR", "PRIVATE")
LOGIN = {
    "name": "my-reg",
    "type": "DOCKER_HUB",
    "username": "robot",
    "password": "yotta-stored-secret",
}
NOBODY = 999_999


@pytest.fixture(scope="module")
def spoken(yotta: VendorClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Conversation]:
    home = tmp_path_factory.mktemp("yotta")
    with conversation(yotta, home, "yotta_calls.py", "yottaml") as opened:
        yield opened


@pytest.fixture
def logins(spoken: Conversation, tenant: Tenant) -> Speaker:
    return yotta_speaker(spoken, tenant)


def _make(logins: Speaker, **changed: str) -> int:
    number = yotta_data(logins("create_credential", **{**LOGIN, **changed}))["id"]
    assert type(number) is int
    return int(number)


def _password(tenant: Tenant, image: str = "team/app") -> tuple[str, str]:
    [login] = tenant.api.resolve(image)["logins"]
    return login["username"], login["password"]


# What it does


@pytest.mark.parametrize("type_", TYPES)
def test_each_type_is_taken_and_shown_without_the_login(logins: Speaker, type_: str) -> None:
    made = yotta_data(logins("create_credential", **{**LOGIN, "type": type_}))

    assert made.keys() == {"id", "name", "type", "createdAt"}
    assert (made["name"], made["type"]) == ("my-reg", type_)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", made["createdAt"])
    assert yotta_data(logins("get_credential", credential_id=made["id"])) == made


def test_an_id_is_a_number_that_comes_back_as_it_went(logins: Speaker) -> None:
    number = _make(logins)

    as_number = yotta_data(logins("get_credential", credential_id=number))
    as_text = yotta_data(logins("get_credential", credential_id=str(number)))

    assert as_number == as_text
    assert as_number["id"] == number


@pytest.mark.parametrize("query", [{}, {"page": 1, "size": 2}], ids=["bare", "paged"])
def test_a_list_is_whole_whatever_page_is_asked_for(logins: Speaker, query: dict[str, int]) -> None:
    made = [(_make(logins, name=f"reg-{type_}", type=type_), type_) for type_ in TYPES]

    listed = yotta_data(logins("get_credentials", **query))

    assert [(one["id"], one["type"]) for one in listed] == made


def test_an_empty_project_is_an_empty_list(logins: Speaker) -> None:
    assert yotta_data(logins("get_credentials")) == []


def test_the_password_alone_is_updated(logins: Speaker, tenant: Tenant) -> None:
    number = _make(logins)
    before = yotta_data(logins("get_credential", credential_id=number))

    after = yotta_data(logins("update_credential", credential_id=number, password="another-secret"))

    assert after == before
    assert _password(tenant) == ("robot", "another-secret")


def test_the_name_alone_is_updated(logins: Speaker, tenant: Tenant) -> None:
    number = _make(logins)

    after = yotta_data(logins("update_credential", credential_id=number, name="renamed"))

    assert (after["id"], after["name"], after["type"]) == (number, "renamed", "DOCKER_HUB")
    assert _password(tenant) == ("robot", LOGIN["password"])


def test_the_username_alone_is_updated(logins: Speaker, tenant: Tenant) -> None:
    number = _make(logins)

    logins("update_credential", credential_id=number, username="robot-2")

    assert _password(tenant) == ("robot-2", LOGIN["password"])


def test_deleting_answers_in_the_envelope_and_leaves_nothing(
    logins: Speaker, tenant: Tenant
) -> None:
    number = _make(logins)

    assert yotta_data(logins("delete_credential", credential_id=number)) is None

    assert tenant.names() == []
    assert _code(logins.refused("get_credential", credential_id=number)) == (404, 10007)


# What it raises


def _code(error: dict[str, Any]) -> tuple[int, int]:
    assert error["class"] == "ClientError"
    assert error["error_message"]
    return error["status_code"], error["error_code"]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": "1-begins-with-digit"}, "name"),
        ({"name": "a" * 21}, "name"),
        ({"name": "with space"}, "name"),
        ({"type": "QUAY"}, "type"),
        ({"username": "u" * 256}, "username"),
        ({"password": "p" * 256}, "password"),
    ],
)
def test_a_broken_rule_is_refused_with_the_field(
    logins: Speaker, changed: dict[str, str], field: str
) -> None:
    error = logins.refused("create_credential", **{**LOGIN, **changed})

    assert _code(error) == (400, 10001)
    assert error["error_message"].startswith(f"{field}: ")
    assert error["error_data"] is None


def test_a_taken_name_is_refused(logins: Speaker, tenant: Tenant) -> None:
    _make(logins)

    error = logins.refused("create_credential", **{**LOGIN, "password": "another-secret"})

    assert _code(error) == (400, 10001)
    assert _password(tenant) == ("robot", LOGIN["password"])


def test_a_name_that_is_taken_is_no_new_name(logins: Speaker, tenant: Tenant) -> None:
    _make(logins)
    number = _make(logins, name="other")

    error = logins.refused("update_credential", credential_id=number, name="my-reg")

    assert _code(error) == (400, 10001)
    assert tenant.names() == ["my-reg", "other"]


def test_an_unknown_key_is_refused(logins: Speaker) -> None:
    error = logins.using(api_key="not-a-key").refused("get_credentials")

    assert _code(error) == (401, 401)
    assert "not-a-key" not in error["text"]


def test_a_viewer_that_creates_is_denied_and_may_list(logins: Speaker, tenant: Tenant) -> None:
    viewer = logins.using(api_key=tenant.key_of("viewer"))

    assert _code(viewer.refused("create_credential", **LOGIN)) == (403, 403)
    assert yotta_data(viewer("get_credentials")) == []


@pytest.mark.parametrize(
    ("call", "more"),
    [
        ("get_credential", {}),
        ("update_credential", {"password": "another-secret"}),
        ("delete_credential", {}),
    ],
)
def test_a_missing_login_is_not_found(logins: Speaker, call: str, more: dict[str, str]) -> None:
    assert _code(logins.refused(call, credential_id=NOBODY, **more)) == (404, 10007)


def test_a_login_in_use_stays_and_its_users_are_named(logins: Speaker, tenant: Tenant) -> None:
    number = _make(logins)
    tenant.use("my-reg")

    error = logins.refused("delete_credential", credential_id=number)

    assert _code(error) == (409, 25002)
    assert error["error_message"] == "Credential is in use and cannot be deleted."
    assert error["error_data"] == [{"type": "POD", "id": "jupyter", "name": "jupyter"}]
    assert tenant.names() == ["my-reg"]
    tenant.release("my-reg")
    assert yotta_data(logins("delete_credential", credential_id=number)) is None


def test_what_an_exception_tells_holds_no_secret(logins: Speaker, tenant: Tenant) -> None:
    """Its text has all headers of the answer, and programs print it."""
    _make(logins)

    told = logins.refused("create_credential", **LOGIN)["text"]

    assert "x-request-id" in told.lower()
    assert LOGIN["password"] not in told
    assert tenant.key not in told
