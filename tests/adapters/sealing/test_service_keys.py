from __future__ import annotations

import pytest

from regcred.adapters.sealing.key_encryption import WrapContext
from regcred.adapters.sealing.service_keys import ServiceKeys, unlock
from regcred.domain.errors import KeyringUnavailable, StartRefused
from regcred.domain.ports import Cursors, KeyDigests, WrappedSeed
from tests.adapters.sealing.samples import PROJECT, SEED, Predictable, keyring


class Rows:
    """The store's table of service keys, in memory."""

    def __init__(self, found: WrappedSeed | None = None) -> None:
        self.rows: dict[str, WrappedSeed] = {} if found is None else {"service": found}

    async def service_key(self, purpose: str) -> WrappedSeed | None:
        return self.rows.get(purpose)

    async def put_service_key(self, purpose: str, key: WrappedSeed) -> None:
        self.rows.setdefault(purpose, key)


async def made() -> Rows:
    """Return the rows of a store that was started once."""
    rows = Rows()
    await unlock(keyring(), rows, store_is_empty=True, random=Predictable())
    return rows


async def test_an_empty_store_gets_a_key_and_keeps_it() -> None:
    rows = Rows()

    first = await unlock(keyring(), rows, store_is_empty=True, random=Predictable())
    again = await unlock(keyring(), rows, store_is_empty=False, random=Predictable())

    assert list(rows.rows) == ["service"]
    assert first.key_digests.digest("x") == again.key_digests.digest("x")


async def test_a_first_start_that_was_cut_off_goes_on_with_the_key_it_made() -> None:
    """The store still counts as empty, and already has a service key."""

    class Written(Rows):
        async def put_service_key(self, purpose: str, key: WrappedSeed) -> None:
            pytest.fail("the key was made again")

    before = await made()

    await unlock(
        keyring(), Written(before.rows["service"]), store_is_empty=True, random=Predictable()
    )


async def test_the_root_stands_in_the_store_only_wrapped() -> None:
    rows, random = Rows(), Predictable()

    await unlock(keyring(), rows, store_is_empty=True, random=random)

    stored = rows.rows["service"]
    assert len(random.drawn[0]) == 32
    assert random.drawn[0] not in stored.wrapped
    assert (
        await keyring().unwrap(stored.kid, WrapContext("service", "root", 1), stored.wrapped)
        == (random.drawn[0])
    )


async def test_a_store_that_is_emptied_by_hand_of_its_key_gets_no_other() -> None:
    rows = Rows()

    with pytest.raises(StartRefused, match="restore the store from a backup"):
        await unlock(keyring(), rows, store_is_empty=False, random=Predictable())

    assert rows.rows == {}


async def test_of_two_first_starts_the_one_that_the_store_kept_counts() -> None:
    class Raced(Rows):
        async def put_service_key(self, purpose: str, key: WrappedSeed) -> None:
            self.rows[purpose] = (await made()).rows[purpose]
            await super().put_service_key(purpose, key)

    rows = Raced()
    draws = Predictable()
    draws(32)

    loser = await unlock(keyring(), rows, store_is_empty=True, random=draws)
    winner = await unlock(keyring(), rows, store_is_empty=False, random=Predictable())

    assert loser.key_digests.digest("x") == winner.key_digests.digest("x")


async def test_a_store_that_keeps_nothing_is_refused() -> None:
    class Forgetful(Rows):
        async def put_service_key(self, purpose: str, key: WrappedSeed) -> None:
            pass

    with pytest.raises(StartRefused):
        await unlock(keyring(), Forgetful(), store_is_empty=True, random=Predictable())


async def test_a_ring_without_the_key_refuses_the_start() -> None:
    rows = await made()

    with pytest.raises(StartRefused, match="has no key 'kek-1'"):
        await unlock(keyring(kid="kek-2"), rows, store_is_empty=False, random=Predictable())


async def test_another_key_of_the_same_id_refuses_the_start() -> None:
    rows = await made()
    before = dict(rows.rows)

    with pytest.raises(StartRefused, match="does not open this store") as refusal:
        await unlock(keyring(SEED), rows, store_is_empty=False, random=Predictable())

    assert rows.rows == before
    assert "restore it from your backup" in str(refusal.value)


async def test_an_edited_row_refuses_the_start() -> None:
    stored = (await made()).rows["service"]
    for edited in (
        stored._replace(wrapped=stored.wrapped[:-1]),
        stored._replace(wrapped=bytes(109)),
        stored._replace(generation=2),
    ):
        with pytest.raises(StartRefused):
            await unlock(keyring(), Rows(edited), store_is_empty=False, random=Predictable())


async def test_a_projects_seed_does_not_pass_for_the_root() -> None:
    kid, wrapped = await keyring().wrap(WrapContext("seed", PROJECT, 1), SEED)

    with pytest.raises(StartRefused):
        await unlock(
            keyring(),
            Rows(WrappedSeed(kid, 1, wrapped)),
            store_is_empty=False,
            random=Predictable(),
        )


async def test_a_key_service_that_is_away_is_not_taken_for_a_wrong_one() -> None:
    class Away:
        primary = "kek-1"
        kids = frozenset({"kek-1"})

        async def wrap(self, context: WrapContext, plaintext: bytes) -> tuple[str, bytes]:
            raise KeyringUnavailable("away")

        async def unwrap(self, kid: str, context: WrapContext, wrapped: bytes) -> bytes:
            raise KeyringUnavailable("away")

    for rows, empty in ((await made(), False), (Rows(), True)):
        with pytest.raises(KeyringUnavailable):
            await unlock(Away(), rows, store_is_empty=empty, random=Predictable())


def test_every_purpose_has_a_key_of_its_own() -> None:
    keys = ServiceKeys.derive(SEED, Predictable())
    head = bytes(32)
    macs = [
        keys.key_digests.digest("x"),
        keys.request_digests.digest(b"x"),
        keys.audit_signer.sign(b"x"),
        keys.audit_chain.link(head, [keys.audit_signer.sign(b"x")]),
    ]

    assert len(set(macs)) == len(macs)


def test_they_are_the_domains_ports() -> None:
    keys = ServiceKeys.derive(SEED, Predictable())
    digests: KeyDigests = keys.key_digests
    cursors: Cursors = keys.cursors

    assert digests.matches("x", digests.digest("x"))
    assert cursors.open("p", "l", cursors.seal("p", "l", "1")) == "1"


def test_another_root_gives_other_keys() -> None:
    one = ServiceKeys.derive(SEED, Predictable())
    other = ServiceKeys.derive(SEED[::-1], Predictable())

    assert one.key_digests.digest("x") != other.key_digests.digest("x")
    assert other.audit_signer.sign(b"x") != one.audit_signer.sign(b"x")
    heads = {keys.audit_chain.link(bytes(32), [bytes(32)]) for keys in (one, other)}
    assert len(heads) == 2
