"""Whoever keeps a key-encryption key keeps the same promises."""

from __future__ import annotations

import asyncio
import logging
import os
import time
import traceback
from base64 import b64encode

import pytest

from regcred.adapters.sealing.joined_rings import Ring
from regcred.adapters.sealing.key_encryption import MAX_WRAPPED, KeyEncryption, WrapContext
from regcred.adapters.sealing.rewrapping import Rewrapping
from regcred.adapters.sealing.sealer import EnvelopeSealer
from regcred.adapters.sealing.service_ring import ServiceRing
from regcred.domain.errors import KeyringUnavailable, RegcredError, SealBroken
from regcred.domain.ports.rotation import StoredSeed
from regcred.domain.secret import Secret
from tests.adapters.sealing.key_services.conftest import Counted
from tests.adapters.sealing.samples import CONTEXT, OTHER_PROJECT, PROJECT

SEED = bytes(range(7, 39))
PLACE = WrapContext("seed", PROJECT, 1)


async def test_what_was_wrapped_opens(ring: Ring) -> None:
    port: KeyEncryption = ring

    kid, wrapped = await port.wrap(PLACE, SEED)

    assert kid == port.primary
    assert kid in port.kids
    assert ring.knows(kid)
    assert len(wrapped) <= MAX_WRAPPED
    assert SEED not in wrapped
    assert b64encode(SEED) not in wrapped
    assert await port.unwrap(kid, PLACE, wrapped) == SEED


async def test_two_wrappings_of_one_seed_are_different(ring: Ring) -> None:
    assert await ring.wrap(PLACE, SEED) != await ring.wrap(PLACE, SEED)


@pytest.mark.parametrize(
    "elsewhere",
    [
        PLACE._replace(purpose="service"),
        PLACE._replace(subject=OTHER_PROJECT),
        PLACE._replace(generation=2),
    ],
    ids=lambda place: f"{place.purpose}-{place.subject[-1]}-{place.generation}",
)
async def test_a_wrapped_key_opens_in_its_place_alone(ring: Ring, elsewhere: WrapContext) -> None:
    kid, wrapped = await ring.wrap(PLACE, SEED)

    with pytest.raises(SealBroken):
        await ring.unwrap(kid, elsewhere, wrapped)


async def test_an_unknown_key_is_refused(ring: Ring) -> None:
    _, wrapped = await ring.wrap(PLACE, SEED)

    assert not ring.knows("kek-9")
    with pytest.raises(KeyringUnavailable):
        await ring.unwrap("kek-9", PLACE, wrapped)


async def test_damaged_boxes_do_not_open(ring: Ring, kind: str) -> None:
    # moto keeps the key's id in the box, and calls what names another one's a lack of access.
    refused = (SealBroken, KeyringUnavailable) if kind == "aws" else SealBroken
    kid, wrapped = await ring.wrap(PLACE, SEED)
    middle = len(wrapped) // 2
    damaged = {
        b"",
        b"\xff",
        wrapped[:1],
        wrapped[:-1],
        wrapped[:-4],
        wrapped[:middle],
        wrapped[1:],
        wrapped + b"\0" * MAX_WRAPPED,
        bytes((*wrapped[:middle], wrapped[middle] ^ 1, *wrapped[middle + 1 :])),
        bytes(len(wrapped)),
    }

    for box in damaged:
        with pytest.raises(refused):
            await ring.unwrap(kid, PLACE, box)


async def test_swapped_boxes_do_not_open(ring: Ring) -> None:
    there = PLACE._replace(subject=OTHER_PROJECT)
    kid, mine = await ring.wrap(PLACE, SEED)
    _, theirs = await ring.wrap(there, SEED[::-1])

    for place, box in ((PLACE, theirs), (there, mine)):
        with pytest.raises(SealBroken):
            await ring.unwrap(kid, place, box)


@pytest.mark.parametrize("size", [0, 16, 31, 33, 64])
async def test_only_whole_keys_are_wrapped(ring: Ring, size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        await ring.wrap(PLACE, bytes(size))


async def test_nothing_secret_is_in_an_error_a_repr_or_a_log(
    ring: Ring, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    kid, wrapped = await ring.wrap(PLACE, SEED)
    await ring.unwrap(kid, PLACE, wrapped)

    said = [repr(ring)]
    for elsewhere in (PLACE._replace(generation=2), PLACE._replace(subject="x")):
        with pytest.raises(RegcredError) as caught:
            await ring.unwrap(kid, elsewhere, wrapped)
        said += traceback.format_exception(caught.value)
        assert caught.value.__cause__ is None
    said += [caplog.text, *capfd.readouterr()]

    text = "\n".join(said)
    for secret in (SEED, b64encode(SEED), wrapped):
        assert str(secret)[2:-1] not in text
        assert secret.hex() not in text


async def test_a_key_moves_from_any_ring_to_any_other_and_opens_what_it_sealed(ring: Ring) -> None:
    sealer = EnvelopeSealer(ring, os.urandom, time.monotonic)
    seed = await sealer.new_seed(PROJECT)
    sealed = await sealer.seal(seed, CONTEXT, Secret("correct horse"))

    again = await Rewrapping(ring, os.urandom).rewrap(StoredSeed(PROJECT, seed))

    assert again.wrapped != seed.wrapped
    assert (await sealer.open(again, CONTEXT, sealed)).reveal() == "correct horse"


# Those that are services


SERVICES = pytest.mark.parametrize(
    "kind", ["aws", "google", "vault", "vault-derived"], indirect=True
)


@SERVICES
async def test_a_service_is_asked_for_projects_and_not_for_rows(
    ring: Ring, counted: Counted
) -> None:
    sealer = EnvelopeSealer(ring, os.urandom, time.monotonic)
    projects = [f"{PROJECT[:-1]}{number}" for number in range(3)]
    for project in projects:
        seed = await sealer.new_seed(project)
        place = CONTEXT._replace(project_id=project)
        sealed = [await sealer.seal(seed, place, Secret(f"s{row}")) for row in range(20)]
        opened = await asyncio.gather(*(sealer.open(seed, place, one) for one in sealed))
        assert [secret.reveal() for secret in opened] == [f"s{row}" for row in range(20)]

    assert counted.asked == ["wrap", "unwrap"] * len(projects)


@SERVICES
async def test_a_cold_start_asks_once_for_a_project(ring: Ring, counted: Counted) -> None:
    first = EnvelopeSealer(ring, os.urandom, time.monotonic)
    seed = await first.new_seed(PROJECT)
    sealed = await first.seal(seed, CONTEXT, Secret("correct horse"))
    cold = EnvelopeSealer(ring, os.urandom, time.monotonic)
    counted.asked.clear()

    opened = await asyncio.gather(*(cold.open(seed, CONTEXT, sealed) for _ in range(50)))

    assert {secret.reveal() for secret in opened} == {"correct horse"}
    assert counted.asked == ["unwrap"]


@SERVICES
async def test_a_service_that_binds_what_it_wraps_is_believed(ring: Ring) -> None:
    assert isinstance(ring, ServiceRing)

    await ring.prove(os.urandom)

    assert ring.remote
    assert not await ring.away()
