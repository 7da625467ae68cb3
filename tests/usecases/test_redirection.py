"""A stored password goes nowhere new for someone who may not see it."""

from __future__ import annotations

from typing import Any

import pytest

from regcred.domain.access import Role
from regcred.domain.audit import Action
from regcred.domain.errors import AccessDenied, CredentialNotFound, InvalidInput
from regcred.domain.ports import CredentialFilter
from regcred.domain.secret import Secret
from regcred.usecases.change_credential import Change
from tests.usecases.world import World, draft


def change(**fields: Any) -> Change:
    return Change(frozenset(fields), **fields)


ELSEWHERE = [
    {"registry_url": "evil.example.com"},
    {"registry_url": None},
    {"provider": "gitlab"},
    {"settings": {"realm": "https://evil.example.com/token"}},
]


@pytest.mark.parametrize("fields", ELSEWHERE)
@pytest.mark.parametrize("proven", [False, True])
async def test_an_editor_cannot_point_a_stored_password_elsewhere(
    world: World, fields: dict[str, Any], *, proven: bool
) -> None:
    await world.login()
    editor = await world.caller(Role.EDITOR)
    before = await world.credentials.get(editor, None, "hub")

    with pytest.raises(InvalidInput) as refused:
        await world.credentials.patch(editor, None, "hub", None, change(**fields), proven=proven)

    assert refused.value.violations[0].field == "password"
    assert await world.credentials.get(editor, None, "hub") == before
    assert not await world.events(Action.CREDENTIAL_UPDATED)


@pytest.mark.parametrize("fields", ELSEWHERE[:2])
async def test_with_the_password_given_again_an_editor_may(
    world: World, fields: dict[str, Any]
) -> None:
    await world.login()
    editor = await world.caller(Role.EDITOR)

    moved = await world.credentials.patch(
        editor, None, "hub", None, change(**fields, password=Secret("typed in"))
    )

    assert moved.registry_url == fields["registry_url"]


async def test_who_may_see_the_password_may_move_it_and_the_audit_says_whereto(
    world: World,
) -> None:
    await world.login()
    admin = await world.caller(Role.ADMIN)

    await world.credentials.patch(admin, None, "hub", None, change(registry_url="new.example.com"))

    (event,) = await world.events(Action.CREDENTIAL_UPDATED)
    assert event.details["registry"] == "new.example.com"
    assert event.details["registry_before"] == "reg.example.com"


async def test_a_key_narrowed_to_images_cannot_bring_another_login_into_them(
    world: World,
) -> None:
    await world.login()
    narrowed = await world.caller(Role.ADMIN, "mine.example.com")
    mine = change(registry_url="mine.example.com")

    with pytest.raises(CredentialNotFound):
        await world.credentials.patch(narrowed, None, "hub", None, mine)
    with pytest.raises(CredentialNotFound):
        await world.credentials.replace(
            narrowed, None, "hub", None, draft("hub", "mine.example.com")
        )
    with pytest.raises(CredentialNotFound):
        await world.credentials.delete(narrowed, None, "hub", None)
    with pytest.raises(CredentialNotFound):
        await world.verification.stored(narrowed, None, "hub", None)
    with pytest.raises(AccessDenied):
        await world.credentials.create(narrowed, None, draft("n", "reg.example"))

    own = await world.credentials.create(narrowed, None, draft("own", "mine.example.com"))
    assert own.name == "own"


async def test_a_narrowed_key_is_not_told_that_there_are_other_logins(world: World) -> None:
    for n in range(5):
        await world.login(f"other-{n}")
    await world.login("mine-1", "mine.example.com")
    await world.login("mine-2", "mine.example.com")
    narrowed = await world.caller(Role.PULLER, "mine.example.com")

    async def page(after: int) -> tuple[list[str], int | None]:
        seen, more = await world.credentials.list(narrowed, None, CredentialFilter(), after, 1)
        return [credential.name for credential in seen], more

    first, more = await page(0)
    assert (first, more is not None) == (["mine-1"], True)
    assert await page(more or 0) == (["mine-2"], None)
    hidden, none = await world.credentials.list(
        narrowed, None, CredentialFilter(name="other-1"), 0, 1
    )
    assert (list(hidden), none) == ([], None)


async def test_a_tenants_admin_cannot_try_out_other_projects_names(world: World) -> None:
    admin = await world.caller(Role.ADMIN)

    with pytest.raises(AccessDenied, match="operator"):
        await world.projects.update(admin, None, None, name="tenant-b")
    changed = await world.projects.update(admin, None, None, require_if_match=True)

    assert changed.require_if_match
