"""The older `yottactl`, whose ids are text and whose paths are those of v1."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.system.vendors.conftest import Tenant, conversation, yotta_data, yotta_speaker
from tests.tools.vendor_clients import Conversation, Speaker, VendorClient

pytestmark = pytest.mark.system

LOGIN = {"name": "my-reg", "username": "robot", "token": "yottactl-stored-secret"}


@pytest.fixture(scope="module")
def spoken(
    yottactl: VendorClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Conversation]:
    home = tmp_path_factory.mktemp("yottactl")
    with conversation(yottactl, home, "yotta_calls.py", "yotta") as opened:
        yield opened


@pytest.fixture
def logins(spoken: Conversation, tenant: Tenant) -> Speaker:
    return yotta_speaker(spoken, tenant)


def _code(error: dict[str, Any]) -> tuple[int, int]:
    assert error["class"] == "ClientError"
    return error["status_code"], error["error_code"]


def test_a_new_login_is_its_id_as_text(logins: Speaker) -> None:
    made = yotta_data(logins("create_credential", **LOGIN))

    assert isinstance(made, str)
    assert made.isdecimal()


def test_logins_are_shown_by_id_and_name_alone(logins: Speaker) -> None:
    first = yotta_data(logins("create_credential", **LOGIN))
    second = yotta_data(logins("create_credential", **{**LOGIN, "name": "other"}))

    listed = yotta_data(logins("get_credentials"))

    assert listed == [{"id": first, "name": "my-reg"}, {"id": second, "name": "other"}]
    assert yotta_data(logins("get_credentials", page=1, size=1)) == listed
    assert yotta_data(logins("get_credential", credential_id=first)) == listed[0]


def test_deleting_leaves_nothing(logins: Speaker, tenant: Tenant) -> None:
    made = yotta_data(logins("create_credential", **LOGIN))

    assert yotta_data(logins("delete_credential", credential_id=made)) is None

    assert tenant.names() == []
    assert _code(logins.refused("get_credential", credential_id=made)) == (404, 10007)
    assert _code(logins.refused("delete_credential", credential_id=made)) == (404, 10007)


def test_a_login_in_use_stays_and_its_users_are_named(logins: Speaker, tenant: Tenant) -> None:
    made = yotta_data(logins("create_credential", **LOGIN))
    tenant.use("my-reg")

    error = logins.refused("delete_credential", credential_id=made)

    assert _code(error) == (409, 25002)
    assert error["error_message"] == "Credential is in use and cannot be deleted."
    assert error["error_data"] == [{"type": "POD", "id": "jupyter", "name": "jupyter"}]
    tenant.release("my-reg")
    assert yotta_data(logins("delete_credential", credential_id=made)) is None


@pytest.mark.parametrize("changed", [{"name": "9"}, {"token": "t" * 256}, {"username": "u" * 256}])
def test_a_broken_rule_is_refused_with_the_field(logins: Speaker, changed: dict[str, str]) -> None:
    error = logins.refused("create_credential", **{**LOGIN, **changed})

    assert _code(error) == (400, 10001)
    assert error["error_message"].startswith(f"{next(iter(changed))}: ")


def test_names_keys_and_roles_are_refused_as_in_v2(logins: Speaker, tenant: Tenant) -> None:
    logins("create_credential", **LOGIN)
    viewer = logins.using(api_key=tenant.key_of("viewer"))

    assert _code(logins.refused("create_credential", **LOGIN)) == (400, 10001)
    assert _code(viewer.refused("create_credential", **LOGIN)) == (403, 403)
    assert _code(logins.using(api_key="not-a-key").refused("get_credentials")) == (401, 401)
