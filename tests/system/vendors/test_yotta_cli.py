"""The `yotta` command of the yottaml package, as a person or a script runs it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.system.vendors.conftest import Tenant
from tests.tools.programs import Finished, environment, run
from tests.tools.vendor_clients import VendorClient

pytestmark = pytest.mark.system

PASSWORD = "yotta-cli-stored-secret"
CREATE = ("create", "--name", "r1", "--type", "GCR", "--username", "robot", "--password", PASSWORD)


@dataclass(slots=True)
class Yotta:
    """The command with a key and an address in its environment; everything it says is kept."""

    client: VendorClient
    env: dict[str, str]
    said: str = field(default="")

    def run(self, *arguments: str) -> Finished:
        done = run(self.client.program("yotta", "credentials", *arguments), env=self.env)
        self.said += done.text
        return done

    def data(self, *arguments: str) -> Any:
        """Run what must succeed and return the data it prints."""
        done = self.run(*arguments)
        assert (done.code, done.err) == (0, ""), done.text
        envelope = json.loads(done.out)
        assert (envelope["message"], envelope["code"]) == ("success", 10000)
        return envelope["data"]

    def refused(self, *arguments: str) -> str:
        """Run what must fail and return what it says about it."""
        done = self.run(*arguments)
        assert (done.code, done.out) == (1, ""), done.text
        assert done.err.startswith("Error: ")
        return done.err


@pytest.fixture
def cli(yotta: VendorClient, tenant: Tenant, tmp_path: Path) -> Yotta:
    pointed = {"YOTTA_API_KEY": tenant.key, "YOTTA_BASE_URL": tenant.service.url}
    return Yotta(yotta, {**environment(tmp_path), **pointed})


def test_a_life_from_create_to_delete(cli: Yotta, tenant: Tenant) -> None:
    made = cli.data(*CREATE)
    number = str(made["id"])

    assert (made["name"], made["type"]) == ("r1", "GCR")
    assert cli.data("list") == [made]
    assert cli.data("get", number) == made
    assert cli.data("update", number, "--password", f"new-{PASSWORD}") == made
    [login] = tenant.api.resolve("gcr.io/team/app")["logins"]
    assert login["password"] == f"new-{PASSWORD}"
    assert cli.data("update", number, "--name", "r2")["name"] == "r2"
    assert cli.data("delete", number) is None
    assert cli.data("list") == []
    assert PASSWORD not in cli.said
    assert tenant.key not in cli.said


def test_every_refusal_is_an_exit_of_one_with_its_code(cli: Yotta, tenant: Tenant) -> None:
    number = str(cli.data(*CREATE)["id"])
    tenant.use("r1")

    assert "10001" in cli.refused(*CREATE)
    assert "10001" in cli.refused("update", number, "--name", "n" * 21)
    assert "10007" in cli.refused("get", "999999")
    assert "25002" in cli.refused("delete", number)
    cli.env["YOTTA_API_KEY"] = tenant.key_of("viewer")
    assert "403" in cli.refused("delete", number)
    cli.env["YOTTA_API_KEY"] = "not-a-key"
    assert "401" in cli.refused("list")
    assert tenant.names() == ["r1"]


def test_a_refusal_shows_all_headers_and_no_secret_is_among_them(
    cli: Yotta, tenant: Tenant
) -> None:
    cli.data(*CREATE)

    told = cli.refused(*CREATE)

    assert "x-request-id" in told.lower()
    assert PASSWORD not in told
    assert tenant.key not in told
