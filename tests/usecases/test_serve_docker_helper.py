"""docker login keeps one login a server key, and touches nobody else's."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from regcred.domain.access import Role
from regcred.domain.errors import (
    AccessDenied,
    CredentialInUse,
    CredentialNotFound,
    InvalidInput,
    NameTaken,
)
from regcred.domain.registry import HUB_SERVER_URL, RegistryAddress
from regcred.domain.secret import Secret
from regcred.usecases.change_credential import Change
from regcred.usecases.pull import Question
from regcred.usecases.serve_docker_helper import question_for_server
from tests.usecases.world import REGISTRY, World, draft, presented

HUB = RegistryAddress("docker.io")


@pytest.mark.parametrize(
    ("server", "question"),
    [
        ("reg.example.com", Question(RegistryAddress(REGISTRY), None, REGISTRY)),
        ("https://reg.example.com", Question(RegistryAddress(REGISTRY), None, REGISTRY)),
        (" reg.example.com\n", Question(RegistryAddress(REGISTRY), None, REGISTRY)),
        ("reg.example.com:443", Question(RegistryAddress(REGISTRY), None, REGISTRY)),
        ("127.0.0.1:5000", Question(RegistryAddress("127.0.0.1", 5000), None, "127.0.0.1:5000")),
        (
            "reg.example.com/team/app",
            Question(RegistryAddress(REGISTRY), "team/app", "reg.example.com/team/app"),
        ),
        (HUB_SERVER_URL, Question(HUB, None, "docker.io")),
        ("index.docker.io/v1/", Question(HUB, None, "docker.io")),
        ("docker.io", Question(HUB, None, "docker.io")),
        ("index.docker.io", Question(HUB, None, "docker.io")),
        ("registry-1.docker.io/v2/", Question(HUB, None, "docker.io")),
        ("index.docker.io/library/app", Question(HUB, "library/app", "docker.io/library/app")),
    ],
)
def test_a_server_key_is_a_host_or_a_repository(server: str, question: Question) -> None:
    assert question_for_server(server) == question


@pytest.mark.parametrize(
    "server",
    ["", " ", "*.example.com", "ftp://reg.example.com", "a b", "user@reg.example.com", "x" * 3000],
)
def test_what_is_no_server_key_is_refused(server: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        question_for_server(server)

    assert refused.value.violations[0].field == "ServerURL"


async def stored(world: World, server: str, username: str, password: str) -> None:
    await world.docker.store(world.operator, None, server, username, Secret(password))


async def passwords(world: World, servers: Iterable[str]) -> list[str | None]:
    key = await world.key(Role.PULLER)
    found = []
    for server in servers:
        answer = await world.resolve(presented(key), question_for_server(server))
        found.append(answer.logins[0].password.reveal() if answer.logins else None)
    return found


async def test_what_login_stores_a_pull_gets(world: World) -> None:
    await stored(world, REGISTRY, "ada", "one")
    await stored(world, "localhost:5000", "ada", "two")

    assert await passwords(world, [REGISTRY, "localhost:5000"]) == ["one", "two"]


async def test_logging_in_again_replaces(world: World) -> None:
    await stored(world, HUB_SERVER_URL, "ada", "one")
    await stored(world, "docker.io", "grace", "two")

    assert await world.docker.list(world.operator, None) == {
        HUB_SERVER_URL: "grace",
        "docker.io": "grace",
    }
    assert await passwords(world, [HUB_SERVER_URL]) == ["two"]


async def test_servers_that_look_alike_stay_apart(world: World) -> None:
    servers = [
        "a-b.io",
        "a.io/b",
        "a.io:80/b",
        "a.io-80",
        "[::1]:5000",
        "a.io/b-c",
        "a.io/b/c",
        "a.io/b_c",
    ]
    for server in servers:
        await stored(world, server, "ada", f"for {server}")

    assert await passwords(world, servers) == [f"for {server}" for server in servers]


async def test_a_person_s_login_is_neither_replaced_nor_erased(world: World) -> None:
    await stored(world, REGISTRY, "ada", "one")
    name = f"docker-login-{REGISTRY}"
    await world.credentials.replace(world.operator, None, name, None, draft(name))

    with pytest.raises(NameTaken):
        await stored(world, REGISTRY, "grace", "two")
    with pytest.raises(CredentialNotFound):
        await world.docker.erase(world.operator, None, REGISTRY)

    assert await passwords(world, [REGISTRY]) == ["the password"]


async def test_a_password_never_follows_an_edit_to_another_registry(world: World) -> None:
    await stored(world, REGISTRY, "ada", "one")
    moved = Change(frozenset({"registry_url"}), registry_url="other.example.com")
    await world.credentials.patch(world.operator, None, f"docker-login-{REGISTRY}", None, moved)

    with pytest.raises(NameTaken):
        await stored(world, REGISTRY, "ada", "meant for the first alone")

    assert await passwords(world, ["other.example.com"]) == ["one"]


async def test_erase_forgets_what_was_stored(world: World) -> None:
    await stored(world, REGISTRY, "ada", "one")

    await world.docker.erase(world.operator, None, f"https://{REGISTRY}/")

    assert await world.docker.list(world.operator, None) == {}
    with pytest.raises(CredentialNotFound):
        await world.docker.erase(world.operator, None, REGISTRY)


async def test_what_is_in_use_is_not_erased(world: World) -> None:
    await stored(world, REGISTRY, "ada", "one")
    await world.uses.put(world.operator, None, f"docker-login-{REGISTRY}", "pod", "web")

    with pytest.raises(CredentialInUse):
        await world.docker.erase(world.operator, None, REGISTRY)


async def test_docker_can_log_in_where_versions_are_demanded(world: World) -> None:
    await world.projects.update(world.operator, None, None, require_if_match=True)
    await stored(world, REGISTRY, "ada", "one")
    await stored(world, REGISTRY, "ada", "two")
    assert await passwords(world, [REGISTRY]) == ["two"]

    await world.docker.erase(world.operator, None, REGISTRY)


async def test_the_list_has_usernames_newest_first_and_both_names_of_hub(world: World) -> None:
    await world.login("old", REGISTRY, username="old")
    await world.login("new", REGISTRY, username="new")
    await world.login("hub", "docker.io", username="hubby")
    await world.login("acme", "docker.io/acme", username="acme")
    await world.login("glob", "*.example.com")
    await world.login("bare", None)

    assert await world.docker.list(world.operator, None) == {
        REGISTRY: "new",
        HUB_SERVER_URL: "hubby",
        "docker.io": "hubby",
        "docker.io/acme": "acme",
    }


async def test_the_list_goes_on_over_pages(world: World) -> None:
    for n in range(201):
        await world.login(f"n{n}", f"r{n}.example.com")

    assert len(await world.docker.list(world.operator, None)) == 201


async def test_a_narrowed_puller_lists_its_own(world: World) -> None:
    await world.login("mine", REGISTRY)
    await world.login("other", "other.example.com")

    listed = await world.docker.list(await world.caller(Role.PULLER, REGISTRY), None)

    assert listed == {REGISTRY: "ada"}


@pytest.mark.parametrize("role", [Role.VIEWER, Role.PULLER])
async def test_readers_store_and_erase_nothing(world: World, role: Role) -> None:
    await stored(world, REGISTRY, "ada", "one")
    who = await world.caller(role)

    for act in (
        world.docker.store(who, None, REGISTRY, "eve", Secret("x")),
        world.docker.store(who, None, "other.example.com", "eve", Secret("x")),
        world.docker.erase(who, None, REGISTRY),
    ):
        with pytest.raises(AccessDenied):
            await act


async def test_a_token_login_keeps_docker_s_own_username(world: World) -> None:
    await stored(world, REGISTRY, "<token>", "refresh")

    assert await world.docker.list(world.operator, None) == {REGISTRY: "<token>"}
