"""No login leaves before its audit row is durable, and none that is not the caller's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from regcred.domain.access import GRANTS, Permission, Role
from regcred.domain.audit import Action, Reveal
from regcred.domain.credential import RegistryCredential
from regcred.domain.errors import (
    AccessDenied,
    InvalidInput,
    InvalidReference,
    KeyringUnavailable,
    NotAuthenticated,
    ProjectNotFound,
    SealBroken,
    StoreUnavailable,
)
from regcred.domain.registry import RegistryAddress
from regcred.domain.secret import Secret
from regcred.domain.token import ApiToken
from regcred.domain.verdict import VerdictKind
from regcred.usecases.open_login import Login
from regcred.usecases.pull import Resolution, question_for_image
from regcred.usecases.serve_docker_helper import question_for_server
from tests.usecases.world import PASSWORD, REGISTRY, START, World, draft, presented

IMAGE = f"{REGISTRY}/team/app:v1"


def got(answer: Resolution) -> list[str]:
    return [login.credential_name for login in answer.logins]


async def kill(world: World, name: str = "hub") -> None:
    """Have a registry refuse a login twice, a minute apart."""
    world.registries.says = VerdictKind.REJECTED
    for _ in range(2):
        await world.verification.stored(world.operator, None, name, None)
        world.clock.forward(seconds=60)


async def test_a_login_is_handed_out_whole(world: World) -> None:
    stored = await world.login(expires_at=START + timedelta(days=1))
    key = await world.key(Role.PULLER)

    answer = await world.pull(key, IMAGE)

    (login,) = answer.logins
    until = START + timedelta(days=1)
    assert login == Login(str(stored.id), "hub", REGISTRY, "ada", Secret(PASSWORD), until, REGISTRY)
    assert login.password.reveal() == PASSWORD
    assert answer.withheld == []
    assert PASSWORD not in repr(answer)


async def test_logins_come_in_rank_order(world: World) -> None:
    for name, registry in [
        ("all", REGISTRY),
        ("glob", "*.example.com"),
        ("team", f"{REGISTRY}/team"),
        ("other", f"{REGISTRY}/teams"),
        ("elsewhere", "other.example.com"),
        ("bare", None),
        ("text", "free text"),
    ]:
        await world.login(name, registry)

    assert got(await world.pull(await world.key(Role.PULLER), IMAGE)) == ["team", "all", "glob"]


async def test_nothing_that_fits_is_an_empty_answer_without_a_row(world: World) -> None:
    answer = await world.pull(await world.key(Role.PULLER), IMAGE)

    assert (list(answer.logins), list(answer.withheld)) == ([], [])
    assert world.store.reveals == []


# Before the answer


async def test_one_row_names_every_login_handed_out(world: World) -> None:
    one, two = await world.login("one"), await world.login("two", f"{REGISTRY}/team")
    key = await world.key(Role.PULLER)

    await world.pull(key, IMAGE)

    (reveal,) = world.store.reveals
    assert reveal.logins == ((str(two.id), 1), (str(one.id), 1))
    assert reveal.principal == f"key:{ApiToken.parse(key).id}"
    assert (reveal.image, reveal.client) == (f"{REGISTRY}/team/app", "test")
    assert (reveal.request_id, reveal.peer) == ("r-pull", "192.0.2.9")
    assert len(await world.events(Action.CREDENTIAL_REVEALED)) == 1


async def test_no_login_without_its_row(world: World) -> None:
    await world.login()
    key = await world.key(Role.PULLER)

    async def full() -> None:
        raise StoreUnavailable("disk full")

    world.store.before["record_reveal"] = [full]

    with pytest.raises(StoreUnavailable):
        await world.pull(key, IMAGE)
    assert got(await world.pull(key, IMAGE)) == ["hub"]


async def test_a_row_that_cannot_be_written_keeps_back_its_own_answer_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.login()
    key = await world.key(Role.PULLER)

    async def all_but_one(reveals: Sequence[Reveal]) -> Sequence[Exception | None]:
        odd = StoreUnavailable("odd")
        return [odd if reveal.image.endswith("/odd") else None for reveal in reveals]

    monkeypatch.setattr(world.store, "record_reveals", all_but_one)
    images = (IMAGE, f"{REGISTRY}/odd", f"{REGISTRY}/even")
    first, odd, last = await asyncio.gather(
        *(world.pull(key, image) for image in images), return_exceptions=True
    )

    assert isinstance(odd, StoreUnavailable)
    for answer in (first, last):
        assert isinstance(answer, Resolution)
        assert got(answer) == ["hub"]


async def test_use_is_remembered_and_moves_no_version(world: World) -> None:
    stored = await world.login()

    await world.pull(await world.key(Role.PULLER), IMAGE)

    present = await world.credentials.get(world.operator, None, stored.id)
    assert present.last_used_at == START
    assert present.version == stored.version


# Who may


@pytest.mark.parametrize("role", Role)
async def test_only_revealing_roles_get_logins(world: World, role: Role) -> None:
    await world.login()
    key = await world.key(role)

    if Permission.REVEAL in GRANTS[role]:
        assert got(await world.pull(key, IMAGE)) == ["hub"]
    else:
        with pytest.raises(AccessDenied):
            await world.pull(key, IMAGE)
        assert world.store.reveals == []


async def refusal(world: World, key: str | None) -> str:
    with pytest.raises(NotAuthenticated) as refused:
        await world.pull(key, IMAGE)
    return refused.value.reason


async def test_a_key_that_opens_nothing_gets_nothing(world: World) -> None:
    await world.login()
    key = await world.key(Role.PULLER, expires_at=START + timedelta(seconds=60))
    token = ApiToken.parse(key)

    assert await refusal(world, None) == "missing"
    assert await refusal(world, "") == "missing"
    assert await refusal(world, key[:-1] + "_") == "malformed"
    assert await refusal(world, ApiToken(token.id, "0" * 43).reveal()) == "unknown"
    assert await refusal(world, ApiToken("0" * 12, token.secret).reveal()) == "unknown"

    await world.keys.update(world.operator, None, token.id, None, {"disabled": True})
    assert await refusal(world, key) == "disabled"
    await world.keys.update(world.operator, None, token.id, None, {"disabled": False})
    world.clock.forward(seconds=60)
    assert await refusal(world, key) == "expired"
    await world.keys.delete(world.operator, None, token.id, None)
    assert await refusal(world, key) == "unknown"
    assert world.store.reveals == []


@pytest.mark.parametrize("role", Role)
async def test_another_project_is_a_missing_one(world: World, role: Role) -> None:
    second = await world.project()
    await world.credentials.create(world.operator, second.id, draft())
    key = await world.key(role)

    for project in (second.id, second.number, 99, UUID(int=9)):
        with pytest.raises(ProjectNotFound):
            await world.pull(key, IMAGE, project=project)
    assert world.store.reveals == []


async def test_an_operator_pulls_from_any_project(world: World) -> None:
    second = await world.project()
    await world.credentials.create(world.operator, second.id, draft("theirs"))
    key = await world.key(Role.ADMIN, operator=True)

    assert got(await world.pull(key, IMAGE, project=second.number)) == ["theirs"]
    assert got(await world.pull(key, IMAGE)) == []


@pytest.mark.parametrize(
    ("pattern", "image", "gets"),
    [
        (f"{REGISTRY}/team", f"{REGISTRY}/team/app", ["hub"]),
        (f"{REGISTRY}/team/app", f"{REGISTRY}/team/app", ["hub"]),
        (f"{REGISTRY}/team", f"{REGISTRY}/teams/app", []),
        (f"{REGISTRY}/team", f"{REGISTRY}/other", []),
        ("*.example.com", f"{REGISTRY}/other", ["hub"]),
        ("other.example.com", f"{REGISTRY}/team/app", []),
    ],
)
async def test_a_narrowed_key_pulls_its_images_alone(
    world: World, pattern: str, image: str, gets: list[str]
) -> None:
    await world.login()

    assert got(await world.pull(await world.key(Role.PULLER, pattern), image)) == gets


# By host alone


async def ask_host(world: World, key: str, server: str) -> list[str]:
    return got(await world.resolve(presented(key), question_for_server(server)))


async def test_by_host_the_whole_registry_comes_first(world: World) -> None:
    await world.login("scoped", f"{REGISTRY}/team")
    key = await world.key(Role.PULLER)
    assert await ask_host(world, key, REGISTRY) == ["scoped"]

    await world.login("also scoped", f"{REGISTRY}/other")
    assert await ask_host(world, key, REGISTRY) == []

    await world.login("whole", REGISTRY)
    assert await ask_host(world, key, REGISTRY) == ["whole"]
    assert world.store.reveals[-1].image == REGISTRY


async def test_by_host_a_narrowed_key_gets_what_it_covers_whole(world: World) -> None:
    await world.login("whole", REGISTRY)
    await world.login("scoped", f"{REGISTRY}/team/app")
    narrowed = await world.key(Role.PULLER, f"{REGISTRY}/team")
    other = await world.key(Role.PULLER, f"{REGISTRY}/other")

    assert await ask_host(world, narrowed, REGISTRY) == ["scoped"]
    assert await ask_host(world, other, REGISTRY) == []
    assert got(await world.pull(narrowed, IMAGE)) == ["scoped", "whole"]


async def test_a_whole_repository_may_be_asked_for_by_server_key(world: World) -> None:
    await world.login("a", f"{REGISTRY}/a")
    await world.login("b", f"{REGISTRY}/b")
    key = await world.key(Role.PULLER)

    assert await ask_host(world, key, f"{REGISTRY}/b/app") == ["b"]


# Withholding


async def test_a_dead_login_is_kept_back_and_named(world: World) -> None:
    stored = await world.login()
    key = await world.key(Role.PULLER)
    await kill(world)

    answer = await world.pull(key, IMAGE)

    assert got(answer) == []
    assert [tuple(w) for w in answer.withheld] == [(str(stored.id), "hub", "rejected", "")]
    assert world.store.reveals == []


async def test_force_hands_out_what_is_kept_back(world: World) -> None:
    await world.login()
    key = await world.key(Role.PULLER)
    await kill(world)

    answer = await world.pull(key, IMAGE, force=True)

    assert got(answer) == ["hub"]
    assert answer.withheld == []
    assert len(world.store.reveals) == 1


async def test_the_next_login_takes_over_from_a_dead_one(world: World) -> None:
    await world.login("old", REGISTRY)
    await world.login("dead", f"{REGISTRY}/team")
    key = await world.key(Role.PULLER)
    await kill(world, "dead")

    answer = await world.pull(key, IMAGE)

    assert got(answer) == ["old"]
    assert [w.credential_name for w in answer.withheld] == ["dead"]


async def test_a_new_password_or_a_good_verdict_frees_a_login(world: World) -> None:
    key = await world.key(Role.PULLER)
    await world.login()
    await kill(world)
    world.registries.says = VerdictKind.OK
    await world.verification.stored(world.operator, None, "hub", None)
    assert got(await world.pull(key, IMAGE)) == ["hub"]

    await kill(world)
    assert got(await world.pull(key, IMAGE)) == []
    await world.credentials.replace(world.operator, None, "hub", None, draft(password="new"))

    assert got(await world.pull(key, IMAGE)) == ["hub"]


# Seals


async def test_an_edited_row_opens_nothing(world: World) -> None:
    stored = await world.login()
    key = await world.key(Role.PULLER)
    event = (await world.events())[0]

    async def edited(row: RegistryCredential) -> None:
        await world.store.update_credential(row, None, None, event)
        with pytest.raises(SealBroken):
            await world.pull(key, f"{row.scopes[0]}/team/app")

    other = draft("x", "evil.example.com")
    await edited(replace(stored, scopes=other.scopes))
    await edited(replace(stored, registry_url="https://evil.example.com"))
    await edited(replace(stored, username="other"))
    await edited(replace(stored, provider="docker_hub"))
    await edited(replace(stored, settings={"realm": "https://evil.example.com"}))
    assert world.store.reveals == []


async def test_without_a_key_ring_there_is_no_answer(world: World) -> None:
    await world.login()
    key = await world.key(Role.PULLER)
    world.sealer.available = False

    with pytest.raises(KeyringUnavailable):
        await world.pull(key, IMAGE)
    assert world.store.reveals == []


# Questions


def test_an_images_question_has_no_tag() -> None:
    reference, question = question_for_image("reg.example.com:443/team/app:v1")

    assert reference.tag == "v1"
    assert question.address == RegistryAddress("reg.example.com")
    assert (question.repository, question.text) == ("team/app", "reg.example.com:443/team/app")


@pytest.mark.parametrize(
    ("image", "error"), [("UPPER", InvalidReference), ("reg.example.com:99999/a", InvalidInput)]
)
def test_what_is_no_image_asks_nothing(image: str, error: type[InvalidInput]) -> None:
    with pytest.raises(error):
        question_for_image(image)
