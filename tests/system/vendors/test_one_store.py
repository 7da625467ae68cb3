"""Four clients, one store: what one of them stored, every other lists, shows and changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.system.vendors.conftest import (
    Sevalla,
    Tenant,
    conversation,
    gcore_speaker,
    yotta_speaker,
)
from tests.tools.vendor_clients import Conversation, Speaker, VendorClient

pytestmark = pytest.mark.system

Conversations = dict[str, Conversation]


@dataclass(frozen=True, slots=True)
class Clients:
    """Every vendor's client with the same project's key."""

    gcore: Speaker
    yotta: Speaker
    yottactl: Speaker
    sevalla: Sevalla

    def names(self) -> list[list[str]]:
        """Return what each of them lists."""
        return [
            self.gcore("iterate", limit=2),
            [one["name"] for one in self.yotta("get_credentials")["data"]],
            [one["name"] for one in self.yottactl("get_credentials")["data"]],
            [one["name"] for page in self.sevalla.pages(limit=2) for one in page["data"]],
        ]

    def shown(self, login: dict[str, Any]) -> list[str]:
        """Return a login's name as each shows it, by name, by number, by number, by id."""
        number = login["number"]
        by_id = self.sevalla.get(login["id"])
        assert by_id
        return [
            self.gcore("get", credential_name=login["name"])["name"],
            self.yotta("get_credential", credential_id=number)["data"]["name"],
            self.yottactl("get_credential", credential_id=number)["data"]["name"],
            by_id["name"],
        ]


@pytest.fixture(scope="module")
def spoken(
    gcore: VendorClient,
    yotta: VendorClient,
    yottactl: VendorClient,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Conversations]:
    homes = tmp_path_factory.mktemp
    with (
        conversation(gcore, homes("gcore"), "gcore_calls.py", "sync") as at_gcore,
        conversation(yotta, homes("yotta"), "yotta_calls.py", "yottaml") as at_yotta,
        conversation(yottactl, homes("yottactl"), "yotta_calls.py", "yotta") as at_yottactl,
    ):
        yield {"gcore": at_gcore, "yotta": at_yotta, "yottactl": at_yottactl}


@pytest.fixture
def clients(spoken: Conversations, tenant: Tenant, sevalla: Sevalla) -> Clients:
    return Clients(
        gcore_speaker(spoken["gcore"], tenant),
        yotta_speaker(spoken["yotta"], tenant),
        yotta_speaker(spoken["yottactl"], tenant),
        sevalla,
    )


def _at_gcore(clients: Clients, name: str, registry_url: str = "docker.io") -> None:
    secret = f"secret-of-{name}"
    clients.gcore("create", name=name, username="robot", password=secret, registry_url=registry_url)


def _at_yotta(clients: Clients, name: str) -> None:
    clients.yotta(
        "create_credential",
        name=name,
        type="DOCKER_HUB",
        username="robot",
        password=f"secret-of-{name}",
    )


def _at_yottactl(clients: Clients, name: str) -> None:
    clients.yottactl("create_credential", name=name, username="robot", token=f"secret-of-{name}")


def _at_sevalla(clients: Clients, name: str) -> None:
    clients.sevalla.create(
        name=name, username="robot", secret=f"secret-of-{name}", registry="dockerHub"
    )


MAKERS: dict[str, Callable[[Clients, str], None]] = {
    "gcore": _at_gcore,
    "yotta": _at_yotta,
    "yottactl": _at_yottactl,
    "sevalla": _at_sevalla,
}


def _stored(tenant: Tenant) -> list[dict[str, Any]]:
    return list(tenant.api.ask("GET", "projects/-/credentials")["items"])


def test_what_each_client_stored_all_of_them_list_in_one_order(clients: Clients) -> None:
    made = [f"from-{name}" for name in MAKERS]
    for name, make in MAKERS.items():
        make(clients, f"from-{name}")

    assert clients.names() == [made] * 4


@pytest.mark.parametrize("maker", MAKERS)
def test_what_one_client_stored_each_finds_by_its_own_kind_of_name(
    clients: Clients, tenant: Tenant, maker: str
) -> None:
    MAKERS[maker](clients, f"from-{maker}")
    [login] = _stored(tenant)

    assert clients.shown(login) == [f"from-{maker}"] * 4


def test_a_name_that_only_one_wire_allows_is_found_by_the_others(
    clients: Clients, tenant: Tenant
) -> None:
    """A name with spaces and capitals, beyond what Gcore and Yotta let anyone create."""
    _at_sevalla(clients, "Docker Hub for the shop (EU)")
    [login] = _stored(tenant)

    assert clients.shown(login) == ["Docker Hub for the shop (EU)"] * 4


@pytest.mark.parametrize("registry_url", ["docker.io", "https://index.docker.io/v1/"])
def test_docker_hub_is_one_registry_in_every_vendors_word(
    clients: Clients, registry_url: str
) -> None:
    _at_gcore(clients, "from-gcore", registry_url)
    _at_yotta(clients, "from-yotta")
    _at_sevalla(clients, "from-sevalla")

    words = [one["registry"] for one in clients.sevalla.pages()[0]["data"]]
    types = [one["type"] for one in clients.yotta("get_credentials")["data"]]
    urls = [
        clients.gcore("get", credential_name=name)["registry_url"]
        for name in ("from-gcore", "from-yotta", "from-sevalla")
    ]

    assert words == ["dockerHub"] * 3
    assert types == ["DOCKER_HUB"] * 3
    assert urls == [registry_url, "docker.io", "docker.io"]


def test_a_puller_gets_what_a_vendors_client_stored(clients: Clients, tenant: Tenant) -> None:
    _at_gcore(clients, "from-gcore", "registry.example.com")
    _at_yotta(clients, "from-yotta")

    private = tenant.api.resolve("registry.example.com/team/app")["logins"]
    hub = tenant.api.resolve("team/app:1.0")["logins"]

    assert [one["password"] for one in private] == ["secret-of-from-gcore"]
    assert [one["password"] for one in hub] == ["secret-of-from-yotta"]


def test_a_change_at_one_client_is_what_all_others_and_pullers_see(
    clients: Clients, tenant: Tenant
) -> None:
    _at_gcore(clients, "from-gcore", "registry.example.com")
    [login] = _stored(tenant)

    clients.yotta("update_credential", credential_id=login["number"], password="from-yotta-now")
    clients.sevalla.update(login["id"], username="renamed")

    shown = clients.gcore("get", credential_name="from-gcore")
    assert (shown["username"], shown["registry_url"]) == ("renamed", "registry.example.com")
    [handed] = tenant.api.resolve("registry.example.com/team/app")["logins"]
    assert (handed["username"], handed["password"]) == ("renamed", "from-yotta-now")


def test_only_yotta_keeps_a_login_that_is_in_use(clients: Clients, tenant: Tenant) -> None:
    for name in ("from-gcore", "from-sevalla"):
        MAKERS[name.removeprefix("from-")](clients, name)
        tenant.use(name)
    first, second = _stored(tenant)

    kept = clients.yotta.refused("delete_credential", credential_id=first["number"])
    clients.gcore("delete", credential_name=first["name"])
    clients.sevalla.delete(second["id"])

    assert kept["error_code"] == 25002
    assert clients.names() == [[]] * 4
