"""Stored passwords, for a key that may see them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from regcred.clients.api import RegcredClient
from regcred.clients.config import ClientConfig
from regcred.clients.importing.reading_back import ReadingBack
from regcred.clients.problems import ApiProblem
from tests.clients.stub_service import KEY, REVEALED, StubService, login, problem


@pytest.fixture
def read_back(stub: StubService) -> Iterator[ReadingBack]:
    with RegcredClient(ClientConfig(stub.url, KEY)) as api:
        yield ReadingBack(api)


@pytest.mark.parametrize(
    ("scope", "image"),
    [
        ("a.example", "a.example/any"),
        ("a.example/team", "a.example/team"),
        ("*.a.example", "any.a.example/any"),
    ],
)
def test_each_place_is_asked_about_once(
    stub: StubService, read_back: ReadingBack, scope: str, image: str
) -> None:
    made = stub.add("one", registry_url=scope)
    stub.logins = [{**login("one"), "credential": {"id": made["id"], "name": "one"}}]

    assert [read_back(made), read_back(made)] == [REVEALED, REVEALED]
    assert [seen.json for seen in stub.seen] == [
        {"image": image, "client": "regcred-cli", "force": True}
    ]


def test_what_is_used_by_its_name_alone_is_not_asked_about(
    stub: StubService, read_back: ReadingBack
) -> None:
    assert read_back(stub.add("one", scopes=[])) is None
    assert stub.seen == []


def test_what_is_exchanged_for_another_login_is_not_compared(
    stub: StubService, read_back: ReadingBack
) -> None:
    made = stub.add("one", username="access-key")
    stub.logins = [{**login("one"), "credential": {"id": made["id"], "name": "one"}}]

    assert read_back(made) is None


def test_a_key_that_may_not_see_passwords_is_refused(
    stub: StubService, read_back: ReadingBack
) -> None:
    stub.plant("POST", "/v1/projects/-/resolve", problem("access-denied", 403, "may not reveal"))

    with pytest.raises(ApiProblem):
        read_back(stub.add("one"))
