"""Hand-outs: whose logins, which of them, and what the audit says of it."""

from __future__ import annotations

from typing import Any

import pytest

from regcred.domain.access import Caller, Role
from regcred.domain.audit import Action
from regcred.domain.errors import (
    AccessDenied,
    CredentialNotFound,
    InvalidInput,
    LoginUnavailable,
    NoLogin,
    NotAuthenticated,
    ProjectNotFound,
    StoreUnavailable,
)
from regcred.domain.handout import Filled, Gathered
from regcred.domain.verdict import VerdictKind
from regcred.usecases import hand_out_logins, open_handout
from regcred.usecases.hand_out_logins import Asking, HandedOut
from tests.usecases.test_resolve_image import kill
from tests.usecases.world import PASSWORD, REGISTRY, World

AWS = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
KEY_ID, KEY = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


@pytest.fixture
async def admin(world: World) -> Caller:
    return await world.caller(Role.ADMIN)


def listed(gathered: Gathered) -> Filled:
    """Fill in a form that shows each login's name, scope and whether it was opened."""
    lines = [f"{e.name} {e.scope or '-'}" for e in gathered.entries if e.opened]
    return Filled(
        "\n".join(lines).encode(), tuple(e for e in gathered.entries if e.opened is not None)
    )


async def ask(world: World, caller: Caller, **asking: Any) -> HandedOut:
    more = {"project": asking.pop("project", None), "known": asking.pop("known", False)}
    return await world.hand_out(
        caller, more["project"], Asking(**asking), listed, "a form", lambda *_: bool(more["known"])
    )


async def lines(world: World, caller: Caller, **asking: Any) -> list[str]:
    return (await ask(world, caller, **asking)).filled.body.decode().splitlines()


async def test_without_a_question_all_logins_are_handed_out_the_best_first(
    world: World, admin: Caller
) -> None:
    for name, registry in [
        ("all", REGISTRY),
        ("glob", "*.example.com"),
        ("team", f"{REGISTRY}/team"),
        ("bare", None),
    ]:
        await world.login(name, registry)

    assert await lines(world, admin) == [
        f"team {REGISTRY}/team",
        f"all {REGISTRY}",
        "glob *.example.com",
    ]


async def test_logins_are_named_by_id_or_name_and_one_without_a_registry_is_had_so(
    world: World, admin: Caller
) -> None:
    bare = await world.login("bare", None)
    await world.login("team", f"{REGISTRY}/team")
    await world.login("other", REGISTRY)

    found = await lines(world, admin, credentials=[str(bare.id), "team"])

    assert found == [f"team {REGISTRY}/team", "bare -"]


async def test_images_get_what_resolve_would_hand_out_at_their_own_registries(
    world: World, admin: Caller
) -> None:
    await world.login("team", f"{REGISTRY}/team")
    await world.login("glob", "*.example.com")
    await world.login("other", f"{REGISTRY}/other")

    found = await lines(world, admin, images=[f"{REGISTRY}/team/app:1", "q.example.com/app"])

    assert found == [f"team {REGISTRY}/team", f"glob {REGISTRY}", "glob q.example.com"]


async def test_names_and_images_narrow_together(world: World, admin: Caller) -> None:
    await world.login("team", f"{REGISTRY}/team")
    await world.login("all", REGISTRY)
    image = f"{REGISTRY}/team/app"

    assert await lines(world, admin, images=[image], credentials=["all"]) == [f"all {REGISTRY}"]


async def test_a_login_with_several_scopes_stands_at_each(world: World, admin: Caller) -> None:
    await world.login("gcp", None, provider="gcp")

    scopes = [line.split()[1] for line in await lines(world, admin)]

    assert len(scopes) > 1
    assert len({*scopes}) == len(scopes)


async def test_one_row_names_every_login_before_the_answer_leaves(
    world: World, admin: Caller
) -> None:
    one, two = await world.login("one", "a.example.com"), await world.login("two", "b.example.com")

    await ask(world, admin)

    (event,) = await world.events(Action.CREDENTIAL_REVEALED)
    assert {*event.details["logins"]} == {f"{one.id}:1", f"{two.id}:1"}  # type: ignore[misc]  # a tuple
    assert event.details["client"] == "a form"
    assert (event.request_id, event.peer) == ("r-test", "192.0.2.1")


async def test_the_row_names_the_one_image(world: World, admin: Caller) -> None:
    await world.login()

    await ask(world, admin, images=[f"{REGISTRY}/app:1"])

    (event,) = await world.events(Action.CREDENTIAL_REVEALED)
    assert event.details["image"] == f"{REGISTRY}/app"


async def test_of_several_images_each_has_a_row_with_its_own_logins(
    world: World, admin: Caller
) -> None:
    one, two = await world.login("one", "a.example.com"), await world.login("two", "b.example.com")

    await ask(world, admin, images=["a.example.com/x:1", "b.example.com/y", "c.example.com/z"])

    events = await world.events(Action.CREDENTIAL_REVEALED)
    assert {event.details["image"]: event.details["logins"] for event in events} == {
        "a.example.com/x": (f"{one.id}:1",),
        "b.example.com/y": (f"{two.id}:1",),
    }


async def test_a_key_that_was_just_revoked_gets_what_it_asked_for_and_not_nothing(
    world: World,
) -> None:
    await world.login()
    gone = await world.caller(Role.PULLER)
    await world.keys.delete(world.operator, None, gone.principal.id, None)

    assert await lines(world, gone, images=[f"{REGISTRY}/app"]) == [f"hub {REGISTRY}"]


async def test_what_cannot_be_recorded_is_not_handed_out(world: World, admin: Caller) -> None:
    await world.login()

    async def fails() -> None:
        raise StoreUnavailable("full")

    world.store.before["record_reveal"] = [fails]
    with pytest.raises(StoreUnavailable):
        await ask(world, admin)


async def test_what_the_client_has_already_is_no_reveal(world: World, admin: Caller) -> None:
    await world.login()

    handed = await ask(world, admin, known=True)

    assert handed.unchanged
    assert await world.events(Action.CREDENTIAL_REVEALED) == []


async def test_what_the_client_has_already_is_used_all_the_same(
    world: World, admin: Caller
) -> None:
    """A cluster that polls by ETag needs its logins: they are not to be found unused."""
    login = await world.login()

    await ask(world, admin, known=True)

    found = await world.store.find_credential(world.home.id, login.id)
    assert found.last_used_at == world.clock()
    (fetch,) = await world.store.list_fetches(world.home.id, login.id, None, None, 10)
    assert (fetch.client, fetch.last_at) == ("a form", world.clock())


async def test_nothing_handed_out_is_no_reveal_either(world: World, admin: Caller) -> None:
    for asking in ({}, {"images": [f"{REGISTRY}/app"]}):
        with pytest.raises(NoLogin):
            await lines(world, admin, **asking)
    assert await world.events(Action.CREDENTIAL_REVEALED) == []


async def test_a_dead_login_is_withheld_and_named_unless_it_is_forced(
    world: World, admin: Caller
) -> None:
    await world.login("dead")
    await kill(world, "dead")
    await world.login("good", "b.example.com")

    handed = await ask(world, admin)

    assert handed.filled.body == b"good b.example.com"
    assert handed.withheld == (("dead", "rejected"),)
    assert f"dead {REGISTRY}" in await lines(world, admin, force=True)


async def test_an_exchanged_login_is_handed_out_and_the_stored_secret_is_not(
    world: World, admin: Caller
) -> None:
    await world.login("aws", AWS, provider="ecr", username=KEY_ID, password=KEY)

    handed = await ask(world, admin)

    (entry,) = handed.filled.used
    assert entry.opened is not None
    assert entry.opened.username == "AWS"
    assert entry.opened.password.reveal().startswith("fresh login")
    assert handed.filled.expires_at is not None


@pytest.mark.parametrize("gone", [True, False])
async def test_a_key_that_is_revoked_while_it_waits_for_an_exchange_is_handed_nothing(
    world: World, gone: bool
) -> None:
    await world.login("aws", AWS, provider="ecr", username=KEY_ID, password=KEY)
    caller = await world.caller(Role.PULLER)

    async def revoke() -> None:
        key_id = caller.principal.id
        if gone:
            await world.keys.delete(world.operator, None, key_id, None)
        else:
            await world.keys.update(world.operator, None, key_id, None, {"disabled": True})

    world.registries.meanwhile = revoke

    with pytest.raises(NotAuthenticated):
        await ask(world, caller)

    assert world.store.reveals == []


async def test_a_failed_exchange_is_named_and_fails_only_what_would_be_empty(
    world: World, admin: Caller
) -> None:
    await world.login("aws", AWS, provider="ecr", username=KEY_ID, password=KEY)
    world.registries.exchange_says = VerdictKind.DENIED

    with pytest.raises(LoginUnavailable):
        await ask(world, admin)
    await world.login("good")
    handed = await ask(world, admin)

    assert handed.filled.body.decode() == f"good {REGISTRY}"
    assert handed.withheld == (("aws", "denied"),)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR])
async def test_only_who_may_resolve_is_handed_anything(world: World, role: Role) -> None:
    await world.login()
    caller = await world.caller(role)

    with pytest.raises(AccessDenied):
        await ask(world, caller)


async def test_another_project_is_not_found(world: World, admin: Caller) -> None:
    second = await world.project()

    with pytest.raises(ProjectNotFound):
        await ask(world, admin, project=second.id)


async def test_a_narrowed_key_gets_what_its_patterns_cover_whole(world: World) -> None:
    for name, registry in [
        ("team", f"{REGISTRY}/team"),
        ("all", REGISTRY),
        ("bare", None),
        ("other", "b.example.com"),
    ]:
        await world.login(name, registry)
    narrow = await world.caller(Role.PULLER, f"{REGISTRY}/team")

    assert await lines(world, narrow) == [f"team {REGISTRY}/team"]
    with pytest.raises(NoLogin):
        await ask(world, narrow, credentials=["all"])
    for hidden in ("other", "bare", "missing"):
        with pytest.raises(CredentialNotFound):
            await ask(world, narrow, credentials=[hidden])
    # As resolve: the image is its own, and so is every login of it.
    assert await lines(world, narrow, images=[f"{REGISTRY}/team/app"]) == [
        f"team {REGISTRY}/team",
        f"all {REGISTRY}",
    ]
    with pytest.raises(NoLogin):
        await ask(world, narrow, images=[f"{REGISTRY}/other"])


async def test_more_than_five_hundred_logins_have_to_be_narrowed(
    world: World, admin: Caller
) -> None:
    for number in range(501):
        await world.login(f"login-{number}", f"r{number}.example.com")
    narrow = await world.caller(Role.PULLER, "r500.example.com")

    with pytest.raises(InvalidInput) as refused:
        await ask(world, admin)
    assert refused.value.violations[0].field == "credential"
    assert "more than 500" in str(refused.value)
    assert await lines(world, narrow) == ["login-500 r500.example.com"]
    assert await lines(world, admin, credentials=["login-7"]) == ["login-7 r7.example.com"]


async def test_many_logins_for_many_images_have_to_be_narrowed(
    world: World, admin: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hand_out_logins, "MOST", 5)
    for number in range(3):
        await world.login(f"login-{number}", "*.example.com")
    images = [f"r{number}.example.com/app" for number in range(2)]

    assert len(await lines(world, admin, images=images[:1])) == 3
    with pytest.raises(InvalidInput) as refused:
        await ask(world, admin, images=images)
    assert refused.value.violations[0].field == "image"
    assert "more than 5 logins" in str(refused.value)


async def test_longer_than_a_secret_holds_is_refused_before_it_is_rendered(
    world: World, admin: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_handout, "MAX_BYTES", 100)
    await world.login("one", "one.example.com", password="\u00e4" * 30)
    images = [f"one.example.com/app-{number}" for number in range(20)]

    assert await lines(world, admin) == ["one one.example.com"]
    assert await lines(world, admin, images=images) == ["one one.example.com"]
    await world.login("two", "two.example.com", password="\u00e4" * 30)
    with pytest.raises(InvalidInput) as refused:
        await ask(world, admin)
    assert refused.value.violations[0].field == "credential"
    assert "more than 100 bytes" in str(refused.value)
    assert await lines(world, admin, credentials=["two"]) == ["two two.example.com"]


@pytest.mark.parametrize(
    ("asking", "field"),
    [
        ({"images": ["UPPER/Case:x"]}, "image"),
        ({"images": [f"{REGISTRY}/app"] * 33}, "image"),
        ({"credentials": ["x"] * 101}, "credential"),
    ],
)
async def test_a_question_that_is_none_is_named(
    world: World, admin: Caller, asking: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await ask(world, admin, **asking)

    assert refused.value.violations[0].field == field


async def test_nothing_of_it_shows_a_password(world: World, admin: Caller) -> None:
    await world.login()

    assert PASSWORD not in repr(await ask(world, admin))
