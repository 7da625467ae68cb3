"""A secret stays bound to where it may go, through every change and every race."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from regcred.domain.access import Role
from regcred.domain.audit import Action
from regcred.domain.credential import Draft, RegistryCredential
from regcred.domain.errors import (
    AccessDenied,
    CredentialInUse,
    CredentialNotFound,
    CredentialRejected,
    InvalidInput,
    NameTaken,
    SealBroken,
    StoreUnavailable,
    VersionMismatch,
    VersionRequired,
)
from regcred.domain.ports import SWAP_ATTEMPTS, SealedSecret
from regcred.domain.secret import Secret
from regcred.domain.verdict import Standing, VerdictKind
from regcred.usecases.change_credential import Change
from regcred.usecases.seal_secret import PASSWORD_FIELD, open_current, seal_context
from tests.usecases.world import PASSWORD, START, World, draft

REJECTED_TWICE = 61
CHECKED_CHANGES: list[dict[str, Any]] = [
    {"username": "ada"},
    {"password": Secret("x")},
    {"registry_url": "reg.example.com"},
    {"provider": "generic"},
    {"settings": {}},
    {"expires_at": None},
]
PEM = trustme.CA().cert_pem.bytes().decode()


def change(**fields: Any) -> Change:
    return Change(frozenset(fields), **fields)


async def sealed(world: World, credential: RegistryCredential) -> SealedSecret:
    return await world.store.sealed_secret(credential.project_id, credential.id)


async def patched(world: World, **fields: Any) -> RegistryCredential:
    return await world.credentials.patch(world.operator, None, "hub", None, change(**fields))


# What seals again, and what does not


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "new"},
        {"description": "words"},
        {"labels": {"team": "core"}},
        {"expires_at": START + timedelta(days=1)},
        {"registry_url": "reg.example.com"},
        {"username": "ada"},
        {"settings": {}},
        {"settings": {"absent": None}},
        {},
    ],
    ids=repr,
)
async def test_a_change_that_moves_no_delivery_keeps_the_ciphertext(
    world: World, fields: dict[str, Any]
) -> None:
    before = await sealed(world, await world.login())

    after = await patched(world, **fields)

    assert await sealed(world, after) == before
    assert (after.secret_version, after.version) == (1, 2)
    assert await world.password(after) == PASSWORD


@pytest.mark.parametrize(
    "fields",
    [
        {"registry_url": "other.example.com"},
        {"registry_url": "https://reg.example.com"},
        {"registry_url": None},
        {"username": "grace"},
        {"provider": "gitlab"},
        {"settings": {"realm": "https://auth.example.com"}},
        {"password": Secret("another")},
        {"password": Secret(PASSWORD)},
    ],
    ids=["host", "scheme", "no registry", "username", "provider", "settings", "new", "same"],
)
async def test_a_change_of_delivery_or_password_seals_again(
    world: World, fields: dict[str, Any]
) -> None:
    old = await world.login()
    before = await sealed(world, old)

    after = await patched(world, **fields)

    stored = await sealed(world, after)
    assert stored.sealed != before.sealed
    assert (stored.secret_version, after.secret_version, after.version) == (2, 2, 2)
    expected = fields["password"].reveal() if "password" in fields else PASSWORD
    assert await world.password(after) == expected


async def test_a_secret_sealed_for_one_place_opens_in_no_other(world: World) -> None:
    one = await world.login("one", username="ada")
    two = await world.login("two", "other.example.com", username="grace")
    second = await world.project()
    stored = await sealed(world, one)
    right = seal_context(one, one.delivery, 1)

    assert (await world.sealer.open(stored.seed, right, stored.sealed)).reveal() == PASSWORD
    for wrong in (
        right._replace(project_id=str(second.id)),
        right._replace(credential_id=str(two.id)),
        right._replace(field=f"{PASSWORD_FIELD}2"),
        right._replace(secret_version=2),
        right._replace(delivery=two.delivery),
        right._replace(delivery=one.delivery._replace(settings={"realm": "x"})),
        seal_context(two, two.delivery, 1),
    ):
        with pytest.raises(SealBroken):
            await world.sealer.open(stored.seed, wrong, stored.sealed)


async def test_a_new_secret_has_no_standing_and_a_rename_keeps_it(world: World) -> None:
    world.registries.says = VerdictKind.REJECTED
    await world.login()
    for _ in range(2):
        await world.verification.stored(world.operator, None, "hub", None)
        world.clock.forward(seconds=REJECTED_TWICE)

    renamed = await patched(world, description="still the same secret")
    replaced = await patched(world, password=Secret("new"))

    assert renamed.standing.withheld
    assert replaced.standing == Standing()


# Replace


async def test_replace_keeps_id_number_and_history(world: World) -> None:
    old = await world.login()
    await world.verification.stored(world.operator, None, "hub", None)
    world.clock.forward(hours=1)
    written = draft("new", "other.example.com", username="grace", password="another")

    new = await world.credentials.replace(world.operator, None, "hub", old.version, written)

    assert (new.id, new.number, new.created_at) == (old.id, old.number, old.created_at)
    assert (new.name, new.username, new.version, new.secret_version) == ("new", "grace", 2, 2)
    assert new.updated_at > old.updated_at
    assert await world.password(new) == "another"
    assert len(await world.verification.history(world.operator, None, old.id, 0, 10)) == 1
    (event,) = await world.events(Action.CREDENTIAL_REPLACED)
    assert (event.target, event.secret_version, event.details) == (str(old.id), 2, {"name": "new"})


async def test_replace_forgets_what_is_not_written(world: World) -> None:
    await world.login(description="words", labels={"a": "b"}, settings={"realm": "https://a.b"})

    new = await world.credentials.replace(world.operator, None, "hub", None, draft())

    assert (new.description, new.labels, new.settings) == ("", {}, {})


async def test_a_replaced_secret_is_what_the_next_pull_gets(world: World) -> None:
    key = await world.key(Role.PULLER)
    await world.login()
    await world.credentials.replace(world.operator, None, "hub", None, draft(password="fresh"))

    answer = await world.pull(key, "reg.example.com/app")

    assert [login.password.reveal() for login in answer.logins] == ["fresh"]


# Patch


async def test_patch_merges_settings_and_labels(world: World) -> None:
    await world.login(
        settings={"realm": "https://a.b", "ca_bundle": PEM}, labels={"a": "1", "b": "2"}
    )

    merged = await patched(
        world, settings={"ca_bundle": None, "realm": "https://c.d"}, labels={"a": "3", "c": "4"}
    )
    emptied = await patched(world, settings=None, labels=None)

    assert merged.settings == {"realm": "https://c.d"}
    assert merged.labels == {"a": "3", "b": "2", "c": "4"}
    assert (emptied.settings, emptied.labels) == ({}, {})


async def test_patch_names_what_changed_and_no_value(world: World) -> None:
    await world.login()

    await patched(world, username="grace", password=Secret("c4n4ry"))

    (event,) = await world.events(Action.CREDENTIAL_UPDATED)
    assert event.details == {
        "name": "hub",
        "changed": ("password", "username"),
        "registry": "reg.example.com",
        "registry_before": "reg.example.com",
    }
    assert "c4n4ry" not in repr(event)
    assert event.secret_version == 2


async def test_a_new_password_mends_a_secret_that_does_not_open(world: World) -> None:
    old = await world.login()
    broken = replace(old, username="edited behind the seal")
    event = (await world.events())[0]
    await world.store.update_credential(broken, None, None, event)

    with pytest.raises(SealBroken):
        await patched(world, description="words")
    mended = await patched(world, password=Secret("new"))

    assert await world.password(mended) == "new"


@pytest.mark.parametrize(
    "fields", [{"name": "a/b"}, {"username": "a:b"}, {"provider": "nosuch"}, {"registry_url": ""}]
)
async def test_a_bad_change_changes_nothing(world: World, fields: dict[str, Any]) -> None:
    old = await world.login()

    with pytest.raises(InvalidInput):
        await patched(world, **fields)

    assert await world.credentials.get(world.operator, None, old.id) == old


values: dict[str, st.SearchStrategy[Any]] = {
    "name": st.sampled_from(["hub", "new"]),
    "username": st.sampled_from(["ada", "grace"]),
    "password": st.sampled_from(["one", "two"]).map(Secret),
    "registry_url": st.sampled_from(["reg.example.com", "other.example.com", None]),
    "provider": st.sampled_from(["generic", "gitlab"]),
    "settings": st.sampled_from([None, {"realm": "https://a.b"}, {"realm": None}]),
    "description": st.sampled_from(["", "words"]),
}


@given(st.lists(st.fixed_dictionaries({}, optional=values), max_size=5))
async def test_after_any_changes_the_secret_opens_where_it_stands(
    steps: list[dict[str, Any]],
) -> None:
    world = await World().open()
    present, password = await world.login(), PASSWORD
    for fields in steps:
        before = present
        present = await world.credentials.patch(
            world.operator, None, present.id, None, change(**fields)
        )
        password = fields["password"].reveal() if "password" in fields else password

        assert await world.password(present) == password
        resealed = "password" in fields or present.delivery != before.delivery
        assert present.secret_version == before.secret_version + resealed
        assert present.version == before.version + 1


# If-Match


async def test_a_stale_version_is_refused_before_the_registry_is_asked(world: World) -> None:
    await world.login()
    await patched(world, description="moved on")

    with pytest.raises(VersionMismatch):
        await world.credentials.replace(world.operator, None, "hub", 1, draft(), proven=True)
    with pytest.raises(VersionMismatch):
        await world.credentials.patch(
            world.operator, None, "hub", 1, change(password=Secret("x")), proven=True
        )
    with pytest.raises(VersionMismatch):
        await world.credentials.delete(world.operator, None, "hub", 1)

    assert world.registries.asked == []


async def test_a_project_may_demand_the_version(world: World) -> None:
    await world.login()
    await world.projects.update(world.operator, None, None, require_if_match=True)

    for act in (
        world.credentials.replace(world.operator, None, "hub", None, draft()),
        world.credentials.patch(world.operator, None, "hub", None, change(name="x")),
        world.credentials.delete(world.operator, None, "hub", None),
    ):
        with pytest.raises(VersionRequired):
            await act
    moved = await world.credentials.patch(world.operator, None, "hub", 1, change(name="x"))

    await world.credentials.delete(world.operator, None, "x", moved.version)


# Races


async def racing(world: World) -> None:
    await world.credentials.patch(
        world.operator, None, "hub", None, change(username="racer", password=Secret("raced"))
    )


async def test_without_a_version_a_slower_change_lands_on_the_faster_one(world: World) -> None:
    await world.login()
    world.store.before["update_credential"] = [lambda: racing(world)]

    after = await patched(world, description="slower")

    assert (after.username, after.description, after.version) == ("racer", "slower", 3)
    assert await world.password(after) == "raced"


async def test_a_change_is_decided_anew_by_what_it_lands_on(world: World) -> None:
    await world.login()
    seen: list[str] = []

    def add_to(old: RegistryCredential) -> Change:
        seen.append(old.username)
        return change(description=f"was {old.username}")

    world.store.before["update_credential"] = [lambda: racing(world)]
    after = await world.credentials.patch(world.operator, None, "hub", None, add_to)

    assert seen == ["ada", "racer"]
    assert (after.username, after.description, after.version) == ("racer", "was racer", 3)
    assert await world.password(after) == "raced"


async def test_a_change_between_reading_a_login_and_its_secret_is_not_missed(world: World) -> None:
    await world.login()
    world.store.before["sealed_secret"] = [lambda: racing(world)]

    after = await world.credentials.patch(
        world.operator, None, "hub", None, lambda old: change(description=f"was {old.username}")
    )

    assert (after.username, after.description) == ("racer", "was racer")
    assert await world.password(after) == "raced"


async def test_without_a_version_a_slower_replace_wins_whole(world: World) -> None:
    await world.login()
    world.store.before["update_credential"] = [lambda: racing(world)]

    after = await world.credentials.replace(
        world.operator, None, "hub", None, draft(password="slower"), proven=True
    )

    assert (after.username, after.secret_version, after.version) == ("ada", 3, 3)
    assert await world.password(after) == "slower"
    assert len(world.registries.asked) == 1


async def test_with_a_version_a_slower_change_loses(world: World) -> None:
    old = await world.login()
    for act in (
        world.credentials.patch(world.operator, None, old.id, 1, change(description="x")),
        world.credentials.replace(world.operator, None, old.id, 2, draft()),
    ):
        world.store.before["update_credential"] = [lambda: racing(world)]
        with pytest.raises(VersionMismatch):
            await act

    present = await world.credentials.get(world.operator, None, "hub")
    assert (present.username, present.version) == ("racer", 3)


async def test_a_login_that_never_stands_still_is_given_up(world: World) -> None:
    await world.login()

    async def again() -> None:
        present = await world.store.find_credential(world.home.id, "hub")
        event = (await world.events())[0]
        await super(type(world.store), world.store).update_credential(present, None, None, event)

    for act in (
        world.credentials.patch(world.operator, None, "hub", None, change(description="x")),
        world.credentials.replace(world.operator, None, "hub", None, draft()),
    ):
        world.store.before["update_credential"] = [again] * SWAP_ATTEMPTS
        with pytest.raises(StoreUnavailable):
            await act


async def test_a_replace_between_two_reads_breaks_no_seal(world: World) -> None:
    await world.login()
    world.store.before["sealed_secret"] = [lambda: racing(world)]

    found, secret = await open_current(world.store, world.sealer, world.home.id, "hub")

    assert (found.username, secret.reveal()) == ("racer", "raced")


async def test_two_versions_that_never_agree_are_a_broken_seal(world: World) -> None:
    await world.login()
    world.store.before["sealed_secret"] = [lambda: racing(world)] * SWAP_ATTEMPTS

    with pytest.raises(SealBroken):
        await open_current(world.store, world.sealer, world.home.id, "hub")


# Proof


@pytest.mark.parametrize("kind", [VerdictKind.REJECTED, VerdictKind.DENIED, VerdictKind.PUBLIC])
async def test_what_the_registry_does_not_take_changes_nothing(
    world: World, kind: VerdictKind
) -> None:
    old = await world.login()
    world.registries.says = kind

    for act in (
        world.credentials.replace(
            world.operator, None, "hub", None, draft(password="x"), proven=True
        ),
        world.credentials.patch(
            world.operator, None, "hub", None, change(password=Secret("x")), proven=True
        ),
    ):
        with pytest.raises(CredentialRejected):
            await act

    assert await world.credentials.get(world.operator, None, "hub") == old
    assert await world.password(old) == PASSWORD


async def test_a_login_that_a_later_rule_refuses_can_be_renamed_and_nothing_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await world.login()

    def refuse(_draft: Draft) -> Draft:
        raise InvalidInput("username", "must be something else")

    monkeypatch.setattr(world.registries, "check", refuse)
    found = await patched(world, name="hub", description="words", labels={"team": "core"})

    assert (found.scopes, found.delivery) == (old.scopes, old.delivery)
    assert found.description == "words"
    for fields in CHECKED_CHANGES:
        with pytest.raises(InvalidInput):
            await patched(world, **fields)


async def test_a_proven_change_is_proven_once_with_what_will_be_stored(world: World) -> None:
    await world.login()
    written = change(username="grace")

    after = await world.credentials.patch(world.operator, None, "hub", None, written, proven=True)

    assert [delivery for delivery, _ in world.registries.asked] == [after.delivery]
    assert after.standing.last == VerdictKind.OK


async def test_a_retry_proves_again_only_what_changed(world: World) -> None:
    await world.login()

    async def elsewhere() -> None:
        await patched(world, description="no matter to the registry")

    world.store.before["update_credential"] = [elsewhere]
    await world.credentials.patch(
        world.operator, None, "hub", None, change(name="new"), proven=True
    )
    assert len(world.registries.asked) == 1

    world.store.before["update_credential"] = [
        lambda: world.credentials.patch(world.operator, None, "new", None, change(username="racer"))
    ]
    await world.credentials.patch(
        world.operator, None, "new", None, change(description="x"), proven=True
    )

    assert [delivery.username for delivery, _ in world.registries.asked] == ["ada", "ada", "racer"]


# Delete


async def test_a_login_in_use_stays_and_says_who_needs_it(world: World) -> None:
    await world.login()
    await world.uses.put(world.operator, None, "hub", "deployment", "web")

    with pytest.raises(CredentialInUse) as refused:
        await world.credentials.delete(world.operator, None, "hub", None)

    assert [(use.kind, use.name) for use in refused.value.uses] == [("deployment", "web")]


async def test_force_takes_login_and_uses_together(world: World) -> None:
    old = await world.login()
    await world.uses.put(world.operator, None, "hub", "deployment", "web")

    await world.credentials.delete(world.operator, None, "hub", None, with_uses=True)

    with pytest.raises(CredentialNotFound):
        await world.credentials.get(world.operator, None, old.id)
    (event,) = await world.events(Action.CREDENTIAL_DELETED)
    assert (event.target, event.secret_version) == (str(old.id), 1)


async def test_an_expired_lease_holds_nothing(world: World) -> None:
    await world.login()
    await world.uses.put(world.operator, None, "hub", "pod", "web", lease_seconds=60)
    world.clock.forward(seconds=60)

    await world.credentials.delete(world.operator, None, "hub", None)


# Taken names, and who may


async def test_a_rename_to_a_taken_name_is_refused(world: World) -> None:
    await world.login()
    await world.login("other")

    with pytest.raises(NameTaken):
        await patched(world, name="other")
    with pytest.raises(NameTaken):
        await world.credentials.replace(world.operator, None, "hub", None, draft("other"))


@pytest.mark.parametrize("role", [Role.VIEWER, Role.PULLER])
async def test_readers_change_nothing(world: World, role: Role) -> None:
    old = await world.login()
    who = await world.caller(role)

    for act in (
        world.credentials.replace(who, None, "hub", None, draft()),
        world.credentials.patch(who, None, "hub", None, change(name="x")),
        world.credentials.delete(who, None, "hub", None),
    ):
        with pytest.raises(AccessDenied):
            await act

    assert await world.credentials.get(who, None, "hub") == old


@pytest.mark.parametrize("ref", ["nosuch", "01890000-0000-7000-8000-000000000001"])
async def test_what_is_not_there_is_not_changed(world: World, ref: str) -> None:
    for act in (
        world.credentials.replace(world.operator, None, ref, None, draft()),
        world.credentials.patch(world.operator, None, ref, None, change(name="x")),
        world.credentials.patch(world.operator, None, ref, None, change(password=Secret("x"))),
        world.credentials.delete(world.operator, None, ref, None),
    ):
        with pytest.raises(CredentialNotFound):
            await act
