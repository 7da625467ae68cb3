from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regcred.adapters.sealing import envelope
from regcred.adapters.sealing.box import SUITES
from regcred.adapters.sealing.envelope import (
    MAX_RECORD,
    MIN_RECORD,
    bind,
    digest_of,
    open_record,
    seal_record,
)
from regcred.domain.credential import Delivery
from regcred.domain.errors import SealBroken
from regcred.domain.ports import SealContext
from tests.adapters.sealing.samples import CONTEXT, DELIVERY, FRESH, PROJECT, SEED, root

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)
DELIVERIES = st.builds(
    Delivery,
    TEXT,
    st.none() | TEXT,
    st.lists(TEXT, max_size=3).map(tuple),
    TEXT,
    st.dictionaries(TEXT, TEXT, max_size=3),
)
CONTEXTS = st.builds(SealContext, TEXT, TEXT, TEXT, st.integers(0, 2**64 - 1), DELIVERIES)
GENERATIONS = st.integers(0, 2**32 - 1)

PLAINTEXT = b"correct horse"
RECORD = seal_record(root(), 1, CONTEXT, FRESH, PLAINTEXT)


def refused(record: bytes, context: SealContext = CONTEXT, generation: int = 1) -> bool:
    try:
        open_record(root(), generation, context, record)
    except SealBroken as broken:
        return str(broken) == "the stored secret does not open: it was moved, edited or damaged"
    return False


def test_the_sample_itself_opens() -> None:
    assert open_record(root(), 1, CONTEXT, RECORD) == PLAINTEXT


@given(GENERATIONS, CONTEXTS, st.binary(min_size=44, max_size=44), st.binary(max_size=300))
def test_open_gives_back_what_was_sealed(
    generation: int, context: SealContext, fresh: bytes, plaintext: bytes
) -> None:
    record = seal_record(root(), generation, context, fresh, plaintext)

    assert open_record(root(), generation, context, record) == plaintext
    assert len(record) == MIN_RECORD + len(plaintext)


@given(CONTEXTS, CONTEXTS)
def test_contexts_that_differ_are_bound_differently(one: SealContext, other: SealContext) -> None:
    def canonical(context: SealContext) -> object:
        delivery = context.delivery
        return context[:4], delivery._replace(scopes=tuple(sorted(delivery.scopes)))

    assert (bind(1, 1, one) == bind(1, 1, other)) == (canonical(one) == canonical(other))


def test_no_secret_opens_in_anothers_place() -> None:
    """32 contexts, 992 permutations (A08)."""
    contexts = [
        SealContext(project, credential, field, version, delivery)
        for project, credential, field, version, delivery in product(
            (PROJECT, PROJECT + "2"),
            ("c1", "2c1"),
            ("password", "token"),
            (1, 2),
            (DELIVERY, DELIVERY._replace(username="other")),
        )
    ]
    records = [
        seal_record(root(), 1, context, bytes([at]) * 44, PLAINTEXT)
        for at, context in enumerate(contexts)
    ]
    opened = [
        (at, place)
        for (at, record), (place, context) in product(enumerate(records), enumerate(contexts))
        if not refused(record, context)
    ]

    assert len(contexts) == 32
    assert opened == [(at, at) for at in range(32)]


MOVED = {
    "project": CONTEXT._replace(project_id=PROJECT.upper()),
    "no project": CONTEXT._replace(project_id=""),
    "credential": CONTEXT._replace(credential_id=CONTEXT.credential_id[:-1] + "2"),
    "credential and project exchanged": CONTEXT._replace(
        project_id=CONTEXT.credential_id, credential_id=CONTEXT.project_id
    ),
    "field": CONTEXT._replace(field="token"),
    "boundary moved": CONTEXT._replace(credential_id=CONTEXT.credential_id + "p", field="assword"),
    "older version": CONTEXT._replace(secret_version=0),
    "newer version": CONTEXT._replace(secret_version=2),
    "version beyond 32 bits": CONTEXT._replace(secret_version=1 + 2**32),
    "version that fits no record": CONTEXT._replace(secret_version=2**64),
    "negative version": CONTEXT._replace(secret_version=-1),
    "lone surrogate": CONTEXT._replace(project_id="\ud800"),
}
EDITED: dict[str, dict[str, Any]] = {
    "provider": {"provider": "ecr"},
    "registry": {"registry_url": "https://registry.example.com.evil.test/team"},
    "registry taken away": {"registry_url": None},
    "registry emptied": {"registry_url": ""},
    "scope edited": {"scopes": ("evil.test/team", "mirror.example.com/team")},
    "scope taken away": {"scopes": DELIVERY.scopes[:1]},
    "scope added": {"scopes": (*DELIVERY.scopes, "evil.test")},
    "scopes joined": {"scopes": ("".join(DELIVERY.scopes),)},
    "no scopes": {"scopes": ()},
    "scope twice": {"scopes": (*DELIVERY.scopes, DELIVERY.scopes[0])},
    "username": {"username": "admin"},
    "username emptied": {"username": ""},
    "surrogate in username": {"username": "\udfff"},
    "surrogate in settings": {"settings": {"realm": "\udfff"}},
    "setting's value": {"settings": {**DELIVERY.settings, "realm": "https://evil.test/token"}},
    "setting's name": {"settings": {"realm2": DELIVERY.settings["realm"], "ca": "-----BEGIN"}},
    "setting added": {"settings": {**DELIVERY.settings, "region": "x"}},
    "setting taken away": {"settings": {"ca": "-----BEGIN"}},
    "settings' values exchanged": {
        "settings": {"ca": DELIVERY.settings["realm"], "realm": "-----BEGIN"}
    },
    "no settings": {"settings": {}},
}


@pytest.mark.parametrize("context", MOVED.values(), ids=MOVED)
def test_a_secret_does_not_open_elsewhere(context: SealContext) -> None:
    assert refused(RECORD, context)


@pytest.mark.parametrize("edit", EDITED.values(), ids=EDITED)
def test_a_secret_does_not_open_for_an_edited_delivery(edit: dict[str, Any]) -> None:
    edited = Delivery(**{**DELIVERY._asdict(), **edit})

    assert refused(RECORD, CONTEXT._replace(delivery=edited))


@pytest.mark.parametrize("edit", [e for e in EDITED.values() if "settings" not in e], ids=str)
def test_nor_does_one_without_settings(edit: dict[str, Any]) -> None:
    plain = DELIVERY._replace(settings={})
    record = seal_record(root(), 1, CONTEXT._replace(delivery=plain), FRESH, PLAINTEXT)
    edited = Delivery(**{**plain._asdict(), **edit})

    assert not refused(record, CONTEXT._replace(delivery=plain))
    assert refused(record, CONTEXT._replace(delivery=edited))


def test_the_order_of_scopes_and_settings_does_not_matter() -> None:
    turned = DELIVERY._replace(
        scopes=DELIVERY.scopes[::-1], settings=dict(reversed(list(DELIVERY.settings.items())))
    )

    assert open_record(root(), 1, CONTEXT._replace(delivery=turned), RECORD) == PLAINTEXT


def test_the_order_is_that_of_the_bytes_and_not_of_utf_16() -> None:
    high, highest = "\uff01", "\U0001f600"
    delivery = DELIVERY._replace(scopes=(highest, high), settings={highest: "1", high: "2"})

    assert digest_of(delivery) == digest_of(
        delivery._replace(scopes=(high, highest), settings={high: "2", highest: "1"})
    )


@pytest.mark.parametrize("bit", range(len(RECORD) * 8))
def test_every_flipped_bit_is_noticed(bit: int) -> None:
    flipped = bytearray(RECORD)
    flipped[bit // 8] ^= 1 << bit % 8

    assert refused(bytes(flipped))


@pytest.mark.parametrize("size", range(len(RECORD)))
def test_every_truncation_is_noticed(size: int) -> None:
    assert refused(RECORD[:size])
    assert refused(RECORD[len(RECORD) - size :])


@pytest.mark.parametrize("tail", [b"\0", b"\xff", RECORD], ids=["nul", "ff", "itself"])
def test_nothing_may_follow(tail: bytes) -> None:
    assert refused(RECORD + tail)


@pytest.mark.parametrize("suite", range(256))
def test_every_other_suite_byte_is_refused(suite: int) -> None:
    assert refused(bytes([suite]) + RECORD[1:]) == (suite != 1)


@pytest.mark.parametrize("suite", sorted(set(range(256)) - {1}))
def test_a_plaintext_under_another_suite_byte_never_comes_out(suite: int) -> None:
    assert refused(bytes([suite]) + RECORD[1:5] + PLAINTEXT + bytes(100))


def test_the_suite_is_bound_and_not_only_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second suite of the same shape must not open what the first one sealed."""
    monkeypatch.setitem(SUITES, 2, SUITES[1])

    assert refused(b"\2" + RECORD[1:])


@pytest.mark.parametrize("generation", [0, 2, 2**24 + 1, 2**32 - 1])
def test_the_seeds_generation_must_agree(generation: int) -> None:
    assert refused(RECORD, generation=generation)
    assert refused(RECORD[:1] + generation.to_bytes(4) + RECORD[5:])
    assert refused(RECORD[:1] + generation.to_bytes(4) + RECORD[5:], generation=generation)


def test_a_record_of_another_generation_costs_no_key_derivation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(envelope, "open_box", lambda *_: pytest.fail("a key was derived"))

    assert refused(RECORD, generation=2)
    assert refused(bytes(MAX_RECORD + 1))
    assert refused(RECORD[: MIN_RECORD - 1])


def test_another_seed_opens_nothing() -> None:
    with pytest.raises(SealBroken):
        open_record(root(SEED[::-1]), 1, CONTEXT, RECORD)


def test_the_smallest_and_the_largest_value_are_sealed() -> None:
    for plaintext, size in ((b"", 81), (b"x" * 16384, 16465)):
        record = seal_record(root(), 1, CONTEXT, FRESH, plaintext)

        assert len(record) == size
        assert open_record(root(), 1, CONTEXT, record) == plaintext


def test_a_larger_value_is_neither_sealed_nor_opened() -> None:
    with pytest.raises(SealBroken):
        seal_record(root(), 1, CONTEXT, FRESH, b"x" * 16385)

    assert refused(RECORD + bytes(16384))


def test_a_context_that_no_reader_could_write_is_not_sealed_to() -> None:
    for context in (MOVED["lone surrogate"], MOVED["version that fits no record"]):
        with pytest.raises(SealBroken):
            seal_record(root(), 1, context, FRESH, b"x")


@pytest.mark.parametrize("generation", [-1, 2**32])
def test_a_generation_that_fits_no_record_is_not_sealed_under(generation: int) -> None:
    with pytest.raises(SealBroken):
        seal_record(root(), generation, CONTEXT, FRESH, b"x")
