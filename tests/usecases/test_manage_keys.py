"""A key never makes, wakes or prolongs a stronger one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regcred.domain.access import Caller, Role
from regcred.domain.audit import Action
from regcred.domain.errors import (
    AccessDenied,
    IdempotencyConflict,
    InvalidInput,
    KeyNotFound,
    SealBroken,
    StoreUnavailable,
    VersionMismatch,
)
from regcred.domain.ports import SWAP_ATTEMPTS, IdempotentRequest
from regcred.domain.registry import RegistryAddress
from regcred.domain.token import ApiToken
from regcred.usecases.manage_keys import MAX_PATTERNS, KeyDraft
from tests.usecases.world import START, World, patterns

SOON = START + timedelta(days=1)
LATER = START + timedelta(days=2)


def viewer(**fields: object) -> KeyDraft:
    return replace(KeyDraft("ci", Role.VIEWER), **fields)  # type: ignore[arg-type]  # fields of KeyDraft


async def test_a_key_is_shown_once_and_only_its_digest_is_stored(world: World) -> None:
    created = await world.keys.create(world.operator, None, viewer())

    assert created.text is not None
    token = ApiToken.parse(created.text.reveal())
    stored = await world.store.key_for_authentication(token.id)
    assert stored is not None
    assert stored.digest == world.digests.digest(token.secret)
    assert token.secret not in repr(stored) + repr(created)
    assert await world.keys.get(world.operator, None, token.id) == created.key


async def test_making_a_key_is_audited_with_its_role(world: World) -> None:
    created = await world.keys.create(world.operator, None, viewer())

    event = (await world.events(Action.KEY_CREATED))[-1]

    assert (event.target, event.details) == (created.key.id, {"role": "viewer"})


@pytest.mark.parametrize("role", [Role.VIEWER, Role.PULLER, Role.EDITOR])
async def test_only_admins_touch_keys(world: World, role: Role) -> None:
    who = await world.caller(role)

    for act in (
        world.keys.create(who, None, viewer()),
        world.keys.get(who, None, who.principal.id),
        world.keys.list(who, None, "", 10),
        world.keys.update(who, None, who.principal.id, None, {"name": "x"}),
        world.keys.delete(who, None, who.principal.id, None),
    ):
        with pytest.raises(AccessDenied):
            await act


async def test_anyone_sees_its_own_key(world: World) -> None:
    who = await world.caller(Role.VIEWER)

    assert (await world.keys.own(who)).id == who.principal.id


async def test_keys_are_listed_by_id(world: World) -> None:
    for _ in range(3):
        await world.key(Role.VIEWER)

    first = await world.keys.list(world.operator, None, "", 2)
    rest = await world.keys.list(world.operator, None, first[-1].id, 10)

    ids = [key.id for key in [*first, *rest]]
    assert ids == sorted(ids)
    assert len(ids) == 4


async def test_another_projects_key_is_no_key(world: World) -> None:
    second = await world.project()
    foreign = ApiToken.parse(await world.key(Role.VIEWER, project=second)).id
    admin = await world.caller(Role.ADMIN)

    for act in (
        world.keys.get(admin, None, foreign),
        world.keys.update(admin, None, foreign, None, {"disabled": True}),
        world.keys.delete(admin, None, foreign, None),
        world.keys.get(admin, None, "nosuchkey000"),
    ):
        with pytest.raises(KeyNotFound):
            await act


@pytest.mark.parametrize(
    "draft",
    [
        viewer(name="a/b"),
        viewer(image_patterns=("not a pattern",)),
        viewer(image_patterns=("a.example.com",) * (MAX_PATTERNS + 1)),
        viewer(expires_at=START),
        viewer(expires_at=START - timedelta(days=1)),
    ],
)
async def test_a_bad_key_is_refused(world: World, draft: KeyDraft) -> None:
    with pytest.raises(InvalidInput):
        await world.keys.create(world.operator, None, draft)


async def test_a_bad_pattern_is_named_by_its_place(world: World) -> None:
    draft = viewer(image_patterns=("a.example.com", "no good"))

    with pytest.raises(InvalidInput) as refused:
        await world.keys.create(world.operator, None, draft)

    assert refused.value.violations[0].field == "image_patterns.1"


async def test_an_admin_makes_no_operator_and_touches_none(world: World) -> None:
    admin = await world.caller(Role.ADMIN)
    operators = world.operator.principal.id

    for act in (
        world.keys.create(admin, None, viewer(operator=True)),
        world.keys.update(admin, None, operators, None, {"disabled": True}),
        world.keys.delete(admin, None, operators, None),
    ):
        with pytest.raises(AccessDenied):
            await act


async def test_an_operator_makes_operators(world: World) -> None:
    created = await world.keys.create(world.operator, None, viewer(operator=True))

    changed = await world.keys.update(world.operator, None, created.key.id, None, {"name": "new"})

    assert changed.operator
    await world.keys.delete(world.operator, None, created.key.id, changed.version)


async def test_no_expiry_means_the_makers_own(world: World) -> None:
    admin = await world.caller(Role.ADMIN, expires_at=SOON)

    created = await world.keys.create(admin, None, viewer())

    assert created.key.expires_at == SOON
    with pytest.raises(AccessDenied):
        await world.keys.create(admin, None, viewer(expires_at=LATER))


REPOSITORIES = ["a", "a/b", "a/b/c", "ab", "b"]
some_patterns = st.lists(
    st.sampled_from(
        [
            "x.example.com",
            "x.example.com/a",
            "x.example.com/a/b",
            "*.example.com",
            "*.example.com/a",
            "y.example.com",
            "x.example.com/ab",
        ]
    ),
    max_size=2,
)
some_expiry = st.one_of(st.none(), st.integers(1, 4).map(lambda d: START + timedelta(days=d)))


def within(child: Caller, parent: Caller) -> bool:
    """Whether the child pulls nothing and outlives nothing that its parent does not."""
    images = [
        (RegistryAddress(host), repository)
        for host in ("x.example.com", "y.example.com", "z.example.com", "other.org")
        for repository in REPOSITORIES
    ]
    return all(parent.may_pull(*i) for i in images if child.may_pull(*i)) and (
        parent.expires_at is None
        or (child.expires_at is not None and child.expires_at <= parent.expires_at)
    )


@given(some_patterns, some_expiry, some_patterns, some_expiry, st.sampled_from(Role), st.booleans())
async def test_a_child_never_exceeds_its_parent(
    mine: list[str],
    until: datetime | None,
    wanted: list[str],
    wanted_until: datetime | None,
    role: Role,
    operator: bool,
) -> None:
    """Security facts, A04."""
    world = await World().open()
    parent = await world.caller(Role.ADMIN, *mine, expires_at=until)
    draft = KeyDraft("child", role, tuple(wanted), wanted_until, operator=operator)

    try:
        created = await world.keys.create(parent, None, draft)
    except AccessDenied:
        return

    assert created.text is not None
    child = await world.authenticate(created.text.reveal(), request_id="", peer="")
    assert within(child, parent)
    assert child.operator is False
    assert child.project_id == parent.project_id


changes = st.fixed_dictionaries(
    {},
    optional={
        "name": st.just("new"),
        "image_patterns": st.one_of(st.none(), some_patterns),
        "expires_at": some_expiry,
        "disabled": st.booleans(),
    },
)


@given(some_patterns, some_expiry, some_patterns, some_expiry, st.booleans(), changes)
async def test_a_change_never_makes_a_key_stronger_than_who_changes_it(
    mine: list[str],
    until: datetime | None,
    theirs: list[str],
    their_until: datetime | None,
    disabled: bool,
    change: dict[str, object],
) -> None:
    world = await World().open()
    parent = await world.caller(Role.ADMIN, *mine, expires_at=until)
    target = await world.caller(Role.PULLER, *theirs, expires_at=their_until)
    key = await world.keys.update(
        world.operator, None, target.principal.id, None, {"disabled": disabled}
    )

    try:
        changed = await world.keys.update(parent, None, key.id, None, dict(change))
    except AccessDenied:
        assert await world.keys.get(world.operator, None, key.id) == key
        return

    before = target._replace(image_patterns=key.image_patterns, expires_at=key.expires_at)
    after = target._replace(image_patterns=changed.image_patterns, expires_at=changed.expires_at)
    harmless = changed.disabled or (within(after, before) and not key.disabled)
    assert harmless or within(after, parent)


async def test_a_narrowed_admin_neither_wakes_nor_prolongs_a_wider_key(world: World) -> None:
    admin = await world.caller(Role.ADMIN, "x.example.com/a", expires_at=LATER)
    wide = (await world.caller(Role.PULLER, expires_at=SOON)).principal.id
    await world.keys.update(admin, None, wide, None, {"disabled": True, "name": "stopped"})

    stronger: list[dict[str, object]] = [
        {"disabled": False},
        {"expires_at": LATER},
        {"image_patterns": []},
    ]
    for change in stronger:
        with pytest.raises(AccessDenied):
            await world.keys.update(admin, None, wide, None, change)
    narrowed = await world.keys.update(
        admin, None, wide, None, {"disabled": False, "image_patterns": ["x.example.com/a/b"]}
    )

    assert narrowed.image_patterns == patterns("x.example.com/a/b")
    assert not narrowed.disabled


async def test_an_expiring_admin_wakes_no_key_that_outlives_it(world: World) -> None:
    admin = await world.caller(Role.ADMIN, expires_at=SOON)
    lasting = (await world.caller(Role.PULLER)).principal.id
    await world.keys.update(admin, None, lasting, None, {"disabled": True})

    with pytest.raises(AccessDenied):
        await world.keys.update(admin, None, lasting, None, {"disabled": False})
    woken = await world.keys.update(
        admin, None, lasting, None, {"disabled": False, "expires_at": None}
    )

    assert woken.expires_at == SOON


async def test_an_update_changes_what_is_given(world: World) -> None:
    key = (await world.caller(Role.PULLER, "x.example.com", expires_at=SOON)).principal.id

    changed = await world.keys.update(
        world.operator, None, key, 1, {"name": "new", "image_patterns": ["y.example.com"]}
    )
    opened = await world.keys.update(
        world.operator, None, key, 2, {"image_patterns": None, "expires_at": None}
    )

    assert (changed.name, changed.expires_at) == ("new", SOON)
    assert changed.image_patterns == patterns("y.example.com")
    assert (opened.name, opened.image_patterns, opened.expires_at) == ("new", (), None)
    (first, second) = await world.events(Action.KEY_UPDATED)
    assert first.details == {"changed": ("image_patterns", "name")}
    assert second.details == {"changed": ("expires_at", "image_patterns")}
    assert (first.secret_version, second.secret_version) == (changed.version, opened.version)


@pytest.mark.parametrize("version", [0, 7])
async def test_a_stale_version_changes_and_deletes_nothing(world: World, version: int) -> None:
    key = (await world.caller(Role.PULLER)).principal.id

    with pytest.raises(VersionMismatch):
        await world.keys.update(world.operator, None, key, version, {"disabled": True})
    with pytest.raises(VersionMismatch):
        await world.keys.delete(world.operator, None, key, version)

    assert not (await world.keys.get(world.operator, None, key)).disabled


async def test_a_rename_does_not_wake_what_was_disabled_meanwhile(world: World) -> None:
    key = (await world.caller(Role.PULLER)).principal.id

    async def meanwhile() -> None:
        await world.keys.update(world.operator, None, key, None, {"disabled": True})

    world.store.before["update_key"] = [meanwhile]

    changed = await world.keys.update(world.operator, None, key, None, {"name": "new"})

    assert (changed.name, changed.disabled) == ("new", True)


async def test_a_key_that_never_stands_still_is_given_up(world: World) -> None:
    key = (await world.caller(Role.PULLER)).principal.id

    async def meanwhile() -> None:
        present = await world.store.find_key(world.home.id, key)
        next_one = replace(present.key, version=present.key.version + 1)
        stamp = world.digests.stamp(next_one, present.digest)
        event = (await world.events())[0]
        await super(type(world.store), world.store).update_key(
            present._replace(stamp=stamp), None, event
        )

    world.store.before["update_key"] = [meanwhile] * SWAP_ATTEMPTS

    with pytest.raises(StoreUnavailable):
        await world.keys.update(world.operator, None, key, None, {"name": "new"})


async def test_a_change_does_not_make_an_edited_row_genuine(world: World) -> None:
    key = (await world.caller(Role.VIEWER)).principal.id
    stored = await world.store.find_key(world.home.id, key)
    edited = stored._replace(key=replace(stored.key, role=Role.ADMIN))
    world.store.edit_key(edited)

    with pytest.raises(SealBroken):
        await world.keys.update(world.operator, None, key, None, {"name": "new"})
    assert await world.store.find_key(world.home.id, key) == edited

    await world.keys.delete(world.operator, None, key, None)
    assert await world.store.key_for_authentication(key) is None


async def test_a_row_edited_while_it_is_changed_is_not_genuine_either(world: World) -> None:
    key = (await world.caller(Role.VIEWER)).principal.id

    async def meanwhile() -> None:
        stored = await world.store.find_key(world.home.id, key)
        world.store.edit_key(stored._replace(key=replace(stored.key, role=Role.ADMIN)))

    world.store.before["update_key"] = [meanwhile]
    await world.keys.update(world.operator, None, key, None, {"name": "new"})

    assert not world.digests.genuine(await world.store.find_key(world.home.id, key))


async def test_a_changed_key_stays_genuine(world: World) -> None:
    key = (await world.caller(Role.PULLER)).principal.id
    for changes in ({"image_patterns": ["reg.example.com"]}, {"expires_at": SOON}, {"name": "n"}):
        await world.keys.update(world.operator, None, key, None, dict(changes))

        assert world.digests.genuine(await world.store.find_key(world.home.id, key))


async def test_a_repeated_request_makes_one_key_and_shows_it_once(world: World) -> None:
    request = IdempotentRequest("key:K", "once", b"digest")

    first = await world.keys.create(world.operator, None, viewer(), request)
    again = await world.keys.create(world.operator, None, viewer(), request)

    assert first.text is not None
    assert again.text is None
    assert again.key == first.key
    with pytest.raises(IdempotencyConflict):
        await world.keys.create(
            world.operator, None, viewer(), replace(request, digest=b"another request")
        )
