from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regcred.adapters.sealing.box import Root
from regcred.adapters.sealing.envelope import seal_record
from regcred.adapters.sealing.key_encryption import MAX_KID, MAX_WRAPPED, WrapContext
from regcred.adapters.sealing.sealer import EnvelopeSealer
from regcred.adapters.sealing.seed_cache import SeedCache
from regcred.domain.errors import KeyringUnavailable, SealBroken
from regcred.domain.ports import Sealer, WrappedSeed
from regcred.domain.secret import Secret
from tests.adapters.sealing.samples import (
    CONTEXT,
    OTHER_PROJECT,
    PROJECT,
    SEED,
    Predictable,
    keyring,
    root,
)


class CountingKeys:
    """A key service that counts, and that can go away. It protects nothing."""

    primary = "counting"
    kids = frozenset({"counting"})

    def __init__(self, answer: bytes | None = None) -> None:
        self.asked: list[tuple[str, WrapContext, bytes]] = []
        self.away = False
        self.answer = answer

    async def wrap(self, context: WrapContext, plaintext: bytes) -> tuple[str, bytes]:
        return self.primary, repr(context).encode() + plaintext

    async def unwrap(self, kid: str, context: WrapContext, wrapped: bytes) -> bytes:
        self.asked.append((kid, context, wrapped))
        if self.away:
            raise KeyringUnavailable("away")
        if self.answer is not None:
            return self.answer
        if kid != self.primary or not wrapped.startswith(repr(context).encode()):
            raise SealBroken("a wrapped key")
        return wrapped[-32:]


class Hand:
    """A monotonic clock that is moved by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def sealer(keys: CountingKeys | None = None, **sizes: float) -> EnvelopeSealer:
    return EnvelopeSealer(keys or keyring(), Predictable(), Hand(), **sizes)  # type: ignore[arg-type]  # sizes by name


async def test_it_is_the_domains_sealer() -> None:
    port: Sealer = sealer()
    seed = await port.new_seed(PROJECT)

    sealed = await port.seal(seed, CONTEXT, Secret("correct horse"))

    assert (await port.open(seed, CONTEXT, sealed)).reveal() == "correct horse"


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
)
async def test_open_gives_back_what_was_sealed(text: str) -> None:
    port = sealer()
    seed = await port.new_seed(PROJECT)

    assert await port.open(seed, CONTEXT, await port.seal(seed, CONTEXT, Secret(text))) == Secret(
        text
    )


async def test_a_seed_is_fresh_wrapped_and_of_the_first_generation() -> None:
    random = Predictable()
    port = EnvelopeSealer(keyring(), random, Hand())

    one, other = await port.new_seed(PROJECT), await port.new_seed(PROJECT)

    assert one.generation == other.generation == 1
    assert one.kid == "kek-1"
    assert one.wrapped != other.wrapped
    assert [len(drawn) for drawn in random.drawn] == [32, 32]
    assert all(drawn not in one.wrapped + other.wrapped for drawn in random.drawn)


async def test_two_seals_of_one_secret_share_no_ciphertext() -> None:
    port = sealer()
    seed = await port.new_seed(PROJECT)

    one = await port.seal(seed, CONTEXT, Secret("correct horse"))
    other = await port.seal(seed, CONTEXT, Secret("correct horse"))

    assert one[:5] == other[:5]
    assert one[5:37] != other[5:37]
    assert one[37:53] != other[37:53]
    assert one[65:] != other[65:]


async def test_a_seed_opens_nothing_for_another_project() -> None:
    port = sealer()
    seed = await port.new_seed(PROJECT)
    moved = CONTEXT._replace(project_id=OTHER_PROJECT)

    with pytest.raises(SealBroken):
        await port.seal(seed, moved, Secret("x"))


@pytest.mark.parametrize(
    "edit",
    [
        {"generation": 2},
        {"wrapped": b""},
        {"wrapped": bytes(109)},
        {"kid": "kek-2"},
    ],
    ids=str,
)
async def test_an_edited_seed_does_not_open(edit: dict[str, object]) -> None:
    port = sealer()
    seed = await port.new_seed(PROJECT)
    sealed = await port.seal(seed, CONTEXT, Secret("x"))

    with pytest.raises((SealBroken, KeyringUnavailable)):
        await port.open(seed._replace(**edit), CONTEXT, sealed)  # type: ignore[arg-type]  # a table of edits


async def test_a_remembered_seed_still_checks_the_project() -> None:
    """The cache of unwrapped keys must never stand in for the context (A14)."""
    keys = CountingKeys()
    port = sealer(keys)
    seed = await port.new_seed(PROJECT)
    sealed = await port.seal(seed, CONTEXT, Secret("x"))
    elsewhere = CONTEXT._replace(project_id=OTHER_PROJECT)

    with pytest.raises(SealBroken, match="wrapped key"):
        await port.open(seed, elsewhere, sealed)

    assert [asked[1].subject for asked in keys.asked] == [PROJECT, OTHER_PROJECT]


@pytest.mark.parametrize(
    "edit", [{"generation": 2}, {"kid": "other"}, {"wrapped": b"other" + SEED}], ids=str
)
async def test_a_remembered_seed_is_found_only_whole(edit: dict[str, object]) -> None:
    keys = CountingKeys()
    port = sealer(keys)
    seed = await port.new_seed(PROJECT)
    sealed = await port.seal(seed, CONTEXT, Secret("x"))
    edited: WrappedSeed = seed._replace(**edit)  # type: ignore[arg-type]  # a table of edits

    with pytest.raises(SealBroken):
        await port.open(edited, CONTEXT, sealed)

    place = WrapContext("seed", PROJECT, edited.generation)
    assert keys.asked[1:] == [(edited.kid, place, edited.wrapped)]


async def test_the_key_service_is_asked_once_per_seed() -> None:
    keys = CountingKeys()
    port = sealer(keys)
    seed = await port.new_seed(PROJECT)

    sealed = await port.seal(seed, CONTEXT, Secret("x"))
    for _ in range(10):
        await port.open(seed, CONTEXT, sealed)

    assert len(keys.asked) == 1


async def test_a_remembered_seed_outlives_the_key_service_until_its_time_is_up() -> None:
    keys, clock = CountingKeys(), Hand()
    port = EnvelopeSealer(keys, Predictable(), clock, cache_ttl=60)
    seed = await port.new_seed(PROJECT)
    sealed = await port.seal(seed, CONTEXT, Secret("x"))
    keys.away = True

    clock.now = 59.9
    assert (await port.open(seed, CONTEXT, sealed)).reveal() == "x"
    clock.now = 60.0
    with pytest.raises(KeyringUnavailable):
        await port.open(seed, CONTEXT, sealed)
    with pytest.raises(KeyringUnavailable):
        await port.seal(seed, CONTEXT, Secret("x"))

    keys.away = False
    assert (await port.open(seed, CONTEXT, sealed)).reveal() == "x"


async def test_what_opens_now_is_what_no_key_service_is_needed_for() -> None:
    keys, clock = CountingKeys(), Hand()
    port = EnvelopeSealer(keys, Predictable(), clock, cache_ttl=60)
    seed = await port.new_seed(PROJECT)
    sealed = await port.seal(seed, CONTEXT, Secret("x"))

    opened = port.open_now(seed, CONTEXT, sealed)
    assert opened is not None
    assert opened.reveal() == "x"
    with pytest.raises(SealBroken):
        port.open_now(seed, CONTEXT, sealed[:-1])
    assert port.failures["open"] == 1

    clock.now = 60.0
    asked = list(keys.asked)
    assert port.open_now(seed, CONTEXT, sealed) is None
    assert keys.asked == asked


@pytest.mark.parametrize("generation", [-1, 0, 2**32])
@pytest.mark.parametrize("act", ["seal", "open"])
async def test_a_generation_outside_the_format_is_not_even_unwrapped(
    generation: int, act: str
) -> None:
    keys = CountingKeys()
    seed = (await sealer(keys).new_seed(PROJECT))._replace(generation=generation)

    with pytest.raises(SealBroken, match="the project's seed"):
        await getattr(sealer(keys), act)(seed, CONTEXT, Secret("x"))

    assert keys.asked == []


@pytest.mark.parametrize("generation", [1, 2**32 - 1])
async def test_the_first_and_the_last_generation_open(generation: int) -> None:
    port = sealer(CountingKeys(answer=SEED))
    seed = WrappedSeed("k", generation, b"")

    sealed = await port.seal(seed, CONTEXT, Secret("x"))

    assert (await port.open(seed, CONTEXT, sealed)).reveal() == "x"


async def test_sizes_are_bounded_before_the_key_service_sees_them() -> None:
    keys = CountingKeys()
    port = sealer(keys)

    assert MAX_WRAPPED == MAX_KID == 1024
    for seed in (
        WrappedSeed("k", 1, bytes(MAX_WRAPPED + 1)),
        WrappedSeed("k" * (MAX_KID + 1), 1, SEED),
    ):
        with pytest.raises(SealBroken):
            await port.open(seed, CONTEXT, bytes(100))
    assert keys.asked == []

    with pytest.raises(SealBroken):
        await port.open(WrappedSeed("k" * MAX_KID, 1, bytes(MAX_WRAPPED)), CONTEXT, bytes(100))
    assert len(keys.asked) == 1


@pytest.mark.parametrize("size", [0, 16, 31, 33])
async def test_a_key_service_that_answers_with_something_else_is_not_believed(size: int) -> None:
    port = sealer(CountingKeys(answer=bytes(size)))

    with pytest.raises(SealBroken, match="the project's seed"):
        await port.open(WrappedSeed("k", 1, SEED), CONTEXT, bytes(100))


@pytest.mark.parametrize("plaintext", [b"", b"\0", b"a\0b", b"\xff\xfe"], ids=repr)
async def test_a_sealed_value_that_is_no_secret_is_broken(plaintext: bytes) -> None:
    port = sealer(CountingKeys(answer=SEED))
    sealed = seal_record(root(), 1, CONTEXT, bytes(44), plaintext)

    with pytest.raises(SealBroken) as caught:
        await port.open(WrappedSeed("k", 1, SEED), CONTEXT, sealed)

    assert caught.value.__context__ is None


# The cache by itself.


def seed_of(project: int) -> tuple[str, WrappedSeed]:
    return f"p{project}", WrappedSeed("k", 1, bytes([project]))


def test_the_cache_is_bounded_and_forgets_the_oldest() -> None:
    cache = SeedCache(Hand(), ttl=60, maximum=3)
    roots = [Root(SEED, b"") for _ in range(5)]
    for project in range(5):
        cache.put(*seed_of(project), roots[project])

    assert len(cache) == 3
    assert [cache.get(*seed_of(project)) for project in range(5)] == [None, None, *roots[2:]]


def test_the_cache_drops_what_has_expired_when_something_is_added() -> None:
    clock = Hand()
    cache = SeedCache(clock, ttl=60, maximum=10)
    cache.put(*seed_of(1), Root(SEED, b""))
    clock.now = 30
    cache.put(*seed_of(2), Root(SEED, b""))
    clock.now = 60

    cache.put(*seed_of(3), Root(SEED, b""))

    assert len(cache) == 2
    assert cache.get(*seed_of(1)) is None


def test_a_renewed_entry_is_the_youngest() -> None:
    cache = SeedCache(Hand(), ttl=60, maximum=3)
    for project in (1, 2, 1, 3, 4):
        cache.put(*seed_of(project), Root(SEED, b""))

    assert cache.get(*seed_of(1)) is not None
    assert cache.get(*seed_of(2)) is None


def test_a_hit_does_not_prolong_an_entry() -> None:
    clock = Hand()
    cache = SeedCache(clock, ttl=60, maximum=2)
    cache.put(*seed_of(1), Root(SEED, b""))
    for now in (20, 40, 59):
        clock.now = now
        assert cache.get(*seed_of(1)) is not None

    clock.now = 60

    assert cache.get(*seed_of(1)) is None
