"""What a change of keys reads and writes: only over what was read, and only under the lease."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from regcred.adapters.storage.postgres.store import PostgresStore
from regcred.adapters.storage.sqlite import SqliteStore
from regcred.domain.audit import NO_PROJECT, Action, AuditEvent
from regcred.domain.errors import ProjectNotFound
from regcred.domain.ports import LoginPlace, SealedLogin, SealedSecret, WrappedSeed
from regcred.domain.ports.leases import BELIEVED, Lease, LeaseLost
from regcred.domain.ports.rotation import Resealed, StoredSeed, Swap, Wrapped
from regcred.domain.ports.sealed_rows import BEGINNING, SealedKind
from tests.adapters.storage.samples import START, Clock, World, a_project, event, new_id

Nouns = SqliteStore | PostgresStore
UNTIL = START + timedelta(seconds=60)
REWRAPPED = AuditEvent(Action.KEYS_REWRAPPED, NO_PROJECT, "operator:cli", START)


@pytest.fixture(params=["sqlite", "postgres"])
def rotating(request: pytest.FixtureRequest) -> Nouns:
    """A store; the fake of the tests has no part in changes of keys."""
    made: Nouns = request.getfixturevalue(f"{request.param}_store")
    return made


@pytest.fixture
async def rotated_world(rotating: Nouns, clock: Clock) -> World:
    return await World(rotating, clock).begin()


def seed_by(kid: str, generation: int = 1) -> WrappedSeed:
    return WrappedSeed(kid, generation, f"wrapped by {kid}".encode())


async def add(store: Nouns, kid: str) -> str:
    """Store a project whose seed `kid` wraps, and return its id."""
    project = a_project(f"p-{new_id()}")
    created = event(Action.PROJECT_CREATED, project.id, project.id)
    await store.create_project(project, seed_by(kid), created)
    return str(project.id)


async def take(store: Nouns, owner: str = "one", clock: Clock | None = None) -> Lease:
    now = (clock or Clock())()
    lease = await store.take_lease("rewrap", owner, now, now + timedelta(seconds=60))
    assert lease is not None
    return lease


def seed_added(project: str) -> AuditEvent:
    return event(Action.SEED_ADDED, UUID(project), project)


# Reading


async def test_every_key_is_counted_with_what_hangs_on_it(rotating: Nouns) -> None:
    assert await rotating.wrapped_by() == {}
    for kid in ("old", "old", "new"):
        await add(rotating, kid)
    await rotating.put_service_key("service", seed_by("old"))

    assert await rotating.wrapped_by() == {"old": Wrapped(2, 1), "new": Wrapped(1, 0)}
    assert await rotating.service_keys() == {"service": seed_by("old")}
    assert not Wrapped(0, 1).none
    assert Wrapped().none


async def test_seeds_come_in_pages_that_meet(rotating: Nouns) -> None:
    kids = ["old", "new", "old", "old", "new"]
    stored = sorted([(await add(rotating, kid), kid) for kid in kids])

    found: list[StoredSeed] = []
    while page := await rotating.seeds(found[-1] if found else None, 2):
        found += page
    others = await rotating.seeds(None, 10, not_by="new")

    assert [(one.project_id, one.seed.kid) for one in found] == stored
    assert [(one.project_id, one.seed.kid) for one in others] == [
        one for one in stored if one[1] != "new"
    ]


# The lease


async def test_of_two_rotations_one_has_the_lease(rotating: Nouns) -> None:
    first = await take(rotating)

    assert await rotating.take_lease("rewrap", "two", START, UNTIL) is None
    assert await rotating.take_lease("reseal x", "two", START, UNTIL) is not None
    await rotating.give_lease(first)
    assert await rotating.take_lease("rewrap", "two", START, UNTIL) == Lease("rewrap", 2)


async def test_a_lease_that_was_left_is_taken_and_its_holder_writes_nothing_any_more(
    rotating: Nouns,
) -> None:
    project = await add(rotating, "old")
    dead = await take(rotating)
    clock = Clock(UNTIL)

    alive = await take(rotating, "two", clock)
    swap = Swap(project, seed_by("old"), seed_by("new"))
    with pytest.raises(LeaseLost):
        await rotating.swap_seeds(dead, UNTIL, [swap])
    with pytest.raises(LeaseLost):
        await rotating.swap_service_key(dead, UNTIL, "service", swap.old, swap.new)
    with pytest.raises(LeaseLost):
        await rotating.note_unused(dead, ["old"], START, REWRAPPED)
    with pytest.raises(LeaseLost):
        await rotating.add_seed(dead, UNTIL, UUID(project), seed_by("x", 2), seed_added(project))
    with pytest.raises(LeaseLost):
        await rotating.reseal(dead, UNTIL, [])
    with pytest.raises(LeaseLost):
        await rotating.drop_seeds(dead, UUID(project), 9, seed_added(project))
    await rotating.give_lease(dead)

    assert alive.token == dead.token + 1
    assert await rotating.wrapped_by() == {"old": Wrapped(1, 0)}
    assert await rotating.unused_since() == {}
    assert await rotating.take_lease("rewrap", "three", clock(), UNTIL) is None


async def test_every_write_keeps_the_lease(rotating: Nouns) -> None:
    lease = await take(rotating)
    later = UNTIL + timedelta(seconds=60)

    await rotating.swap_seeds(lease, later, [])

    assert await rotating.take_lease("rewrap", "two", UNTIL, later) is None
    assert await rotating.take_lease("rewrap", "two", later, later) is not None


async def test_a_lease_that_ends_too_late_to_be_true_keeps_nobody_away(rotating: Nouns) -> None:
    for late, believed in ((BELIEVED, True), (BELIEVED + timedelta(microseconds=1), False)):
        name = str(believed)
        forged = await rotating.take_lease(name, "one", START, START + late)
        taken = await rotating.take_lease(name, "two", START, UNTIL)

        assert forged is not None
        assert (taken is None) == believed


# Swaps


@pytest.mark.parametrize(
    "read",
    [
        seed_by("old")._replace(wrapped=b"other"),
        seed_by("old")._replace(kid="other"),
        seed_by("old")._replace(generation=2),
    ],
    ids=["wrapped", "kid", "generation"],
)
async def test_a_seed_is_swapped_only_for_what_was_read(rotating: Nouns, read: WrappedSeed) -> None:
    project, other = await add(rotating, "old"), await add(rotating, "old")
    lease = await take(rotating)

    swaps = [
        Swap(project, read, seed_by("new")),
        Swap(other, seed_by("old"), seed_by("new")),
        Swap(str(new_id()), seed_by("old"), seed_by("new")),
    ]

    assert await rotating.swap_seeds(lease, UNTIL, swaps) == 1
    assert await rotating.project_seed(UUID(project)) == seed_by("old")
    assert await rotating.project_seed(UUID(other)) == seed_by("new")


async def test_the_services_key_is_swapped_only_for_what_was_read(
    rotating: Nouns,
) -> None:
    await rotating.put_service_key("service", seed_by("old"))
    lease = await take(rotating)

    for read, swapped in ((seed_by("other"), False), (seed_by("old"), True)):
        assert (
            await rotating.swap_service_key(lease, UNTIL, "service", read, seed_by("new"))
            is swapped
        )
    assert await rotating.service_key("service") == seed_by("new")


# When a key is no longer needed


async def test_a_key_is_known_to_be_unused_since_it_was_noticed_first(
    rotating: Nouns,
) -> None:
    await add(rotating, "used")
    lease = await take(rotating)

    await rotating.note_unused(lease, ["unused", "used"], START, REWRAPPED)
    await rotating.note_unused(lease, ["unused", "used"], UNTIL, REWRAPPED)
    assert await rotating.unused_since() == {"unused": START}

    await add(rotating, "unused")
    await rotating.note_unused(lease, ["unused"], UNTIL, REWRAPPED)
    assert await rotating.unused_since() == {}


async def test_a_change_of_keys_leaves_a_trace(rotated_world: World) -> None:
    store = rotated_world.store
    assert isinstance(store, Nouns)
    lease = await take(store)

    await store.note_unused(lease, [], START, REWRAPPED)

    assert await rotated_world.actions(NO_PROJECT) == [Action.KEYS_REWRAPPED]


# Generations of a project's seed


async def test_a_generation_is_added_once(rotating: Nouns) -> None:
    project = await add(rotating, "old")
    lease = await take(rotating)

    for added in (True, False):
        assert (
            await rotating.add_seed(
                lease, UNTIL, UUID(project), seed_by("new", 2), seed_added(project)
            )
            is added
        )
    assert await rotating.project_seeds(UUID(project)) == [seed_by("old"), seed_by("new", 2)]
    assert await rotating.project_seed(UUID(project)) == seed_by("new", 2)


async def test_a_project_that_is_gone_gets_no_seed(rotating: Nouns) -> None:
    lease, gone = await take(rotating), new_id()

    with pytest.raises(ProjectNotFound):
        await rotating.add_seed(lease, UNTIL, gone, seed_by("k", 2), seed_added(str(gone)))
    with pytest.raises(ProjectNotFound):
        await rotating.project_seeds(gone)


async def test_old_seeds_are_destroyed_when_no_row_needs_them(rotated_world: World) -> None:
    store, project = rotated_world.store, rotated_world.id
    assert isinstance(store, Nouns)
    await rotated_world.add("login")
    lease = await take(store)
    new = WrappedSeed("kid-1", 2, b"second")
    await store.add_seed(lease, UNTIL, project, new, seed_added(str(project)))
    destroyed = event(Action.SEEDS_DESTROYED, project, project)

    assert await store.drop_seeds(lease, project, 2, destroyed) == 0
    [row] = await store.sealed_rows(SealedKind.PASSWORD, BEGINNING, 10, below=2)
    assert await store.reseal(lease, UNTIL, [Resealed(row, 2, b"again")]) == 1
    assert await store.drop_seeds(lease, project, 2, destroyed) == 1

    found = await store.sealed_secret(project, UUID(row.owner_id))
    assert found == SealedSecret(1, new, b"again")
    assert await store.project_seeds(project) == [new]
    actions = await rotated_world.actions()
    assert actions.count(Action.SEEDS_DESTROYED) == actions.count(Action.SEED_ADDED) == 1


# Sealed values


async def test_a_sealed_value_is_read_with_all_that_it_is_bound_to(rotated_world: World) -> None:
    store = rotated_world.store
    assert isinstance(store, Nouns)
    login = await rotated_world.add("login", settings={"realm": "https://a.example/token"})

    [row] = await store.sealed_rows(SealedKind.PASSWORD, BEGINNING, 10)

    assert row.delivery == login.delivery
    assert row.position == (str(rotated_world.id), str(login.id), "current")
    stored = await store.sealed_secret(rotated_world.id, login.id)
    assert (row.secret_version, row.seed, row.sealed) == stored


async def test_sealed_values_come_in_pages_that_meet(rotated_world: World) -> None:
    store = rotated_world.store
    assert isinstance(store, Nouns)
    logins = [await rotated_world.add(f"login-{number}") for number in range(5)]
    other = await rotated_world.add_project("other")

    found, after = [], BEGINNING
    while page := await store.sealed_rows(
        SealedKind.PASSWORD, after, 2, project_id=str(rotated_world.id)
    ):
        found += [row.owner_id for row in page]
        after = page[-1].position

    assert found == sorted(str(login.id) for login in logins)
    assert (
        await store.sealed_rows(SealedKind.PASSWORD, BEGINNING, 2, project_id=str(other.id)) == []
    )


@pytest.mark.parametrize("kind", [SealedKind.PASSWORD, SealedKind.LOGIN])
async def test_a_sealed_value_is_swapped_only_for_what_was_read(
    rotated_world: World, kind: SealedKind
) -> None:
    store, project = rotated_world.store, rotated_world.id
    assert isinstance(store, Nouns)
    login = await rotated_world.add("login")
    await _keep_login(store, rotated_world, login.id)
    lease = await take(store)
    new = WrappedSeed("kid-1", 2, b"second")
    await store.add_seed(lease, UNTIL, project, new, seed_added(str(project)))
    [row] = await store.sealed_rows(kind, BEGINNING, 10)

    for stale in (
        row._replace(sealed=b"other"),
        row._replace(secret_version=2),
        row._replace(seed=new),
        row._replace(part="other"),
        row._replace(owner_id=str(new_id())),
    ):
        assert await store.reseal(lease, UNTIL, [Resealed(stale, 2, b"lost")]) == 0
    assert await store.reseal(lease, UNTIL, [Resealed(row, 2, b"again")]) == 1

    [again] = await store.sealed_rows(kind, BEGINNING, 10)
    assert again == row._replace(seed=new, sealed=b"again")


async def _keep_login(store: Nouns, world: World, credential_id: UUID) -> None:
    place = LoginPlace(str(world.id), str(credential_id), "eu-central-1")
    await store.plan_login(place, 1, START)
    await store.claim_due_logins("claim", START, UNTIL, 10)
    seed = await store.project_seed(world.id)
    kept = SealedLogin(1, seed, b"sealed login", UNTIL, UNTIL)
    exchanged = event(Action.CREDENTIAL_EXCHANGED, world.id, credential_id)
    assert await store.keep_login(place, "claim", kept, exchanged)
