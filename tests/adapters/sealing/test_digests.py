from __future__ import annotations

import builtins
import hmac
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from regcred.adapters.sealing import digests
from regcred.adapters.sealing.digests import PepperedDigests, RequestDigests
from regcred.adapters.sealing.mac import Mac
from regcred.domain.access import ApiKey, Role
from regcred.domain.ports import StoredKey
from regcred.domain.registry import ImagePattern
from tests.adapters.sealing.samples import NOW, OTHER_PROJECT, PROJECT, SEED

ROW = SEED[::-1]
DIGESTS = PepperedDigests(SEED, ROW)
DIGEST = b"d" * 32
KEY = ApiKey(
    "0a1B2c3D4e5F",
    UUID(PROJECT),
    "ci",
    Role.PULLER,
    NOW,
    image_patterns=(ImagePattern.parse("r.example/team"), ImagePattern.parse("b.example")),
    expires_at=NOW,
)
DECIDES: dict[str, Any] = {
    "id": "0a1B2c3D4e5G",
    "project_id": UUID(OTHER_PROJECT),
    "role": Role.VIEWER,
    "operator": True,
    "image_patterns": (ImagePattern.parse("r.example/team"),),
    "expires_at": NOW + timedelta(microseconds=1),
    "disabled": True,
    "version": 7,
}
DECIDES_NOTHING: dict[str, Any] = {
    "name": "other",
    "created_at": NOW + timedelta(days=1),
    "last_used_at": NOW,
}


def stamped(key: ApiKey = KEY, digest: bytes = DIGEST) -> StoredKey:
    return StoredKey(key, digest, DIGESTS.stamp(key, digest))


@pytest.fixture
def macs(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What was authenticated, each time that it was."""
    made: list[bytes] = []
    of = Mac.of

    def watched(mac: Mac, data: bytes) -> bytes:
        made.append(data)
        return of(mac, data)

    monkeypatch.setattr(Mac, "of", watched)
    return made


def test_a_secret_matches_its_own_digest_alone() -> None:
    digest = DIGESTS.digest("secret")

    assert len(digest) == 32
    assert DIGESTS.matches("secret", digest)
    assert not DIGESTS.matches("Secret", digest)
    assert not DIGESTS.matches("", digest)


@pytest.mark.parametrize("cut", [0, 1, 31])
def test_a_shortened_digest_matches_nothing(cut: int) -> None:
    assert not DIGESTS.matches("secret", DIGESTS.digest("secret")[:cut])


def test_the_pepper_decides() -> None:
    assert not PepperedDigests(SEED[::-1], ROW).matches("secret", DIGESTS.digest("secret"))


def test_an_unknown_key_never_matches_and_costs_the_same_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work: list[str] = []
    of = Mac.of

    def watched_mac(mac: Mac, data: bytes) -> bytes:
        work.append("digest")
        return of(mac, data)

    def watched_compare(one: bytes, other: bytes) -> bool:
        work.append(f"compare {len(one)} {len(other)}")
        return hmac.compare_digest(one, other)

    stored = DIGESTS.digest("other")
    monkeypatch.setattr(Mac, "of", watched_mac)
    monkeypatch.setattr(digests, "compare_digest", watched_compare)

    assert not DIGESTS.matches("secret", stored)
    assert not DIGESTS.matches("secret", None)
    assert work == ["digest", "compare 32 32"] * 2


def test_an_unknown_key_does_not_match_even_the_digest_it_is_compared_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(digests, "compare_digest", lambda *_: True)

    assert DIGESTS.matches("secret", bytes(32))
    assert not DIGESTS.matches("secret", None)


def test_every_field_of_a_key_is_stamped_or_decides_nothing() -> None:
    assert sorted([*DECIDES, *DECIDES_NOTHING]) == sorted(f.name for f in fields(ApiKey))


@pytest.mark.parametrize("field", DECIDES)
def test_what_decides_is_in_the_stamp(field: str) -> None:
    stored = stamped()
    edited = stored._replace(key=replace(KEY, **{field: DECIDES[field]}))

    assert len(stored.stamp) == 32
    assert DIGESTS.genuine(stored)
    assert not DIGESTS.genuine(edited)


@pytest.mark.parametrize("field", DECIDES_NOTHING)
def test_the_rest_is_not(field: str) -> None:
    assert DIGESTS.genuine(stamped()._replace(key=replace(KEY, **{field: DECIDES_NOTHING[field]})))


@pytest.mark.parametrize(
    "expires_at", [None, datetime(1960, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]
)
def test_every_end_can_be_stamped(expires_at: datetime | None) -> None:
    stored = stamped(replace(KEY, expires_at=expires_at))

    assert DIGESTS.genuine(stored)
    assert stored.stamp != stamped().stamp


def test_a_stamp_is_for_one_digest_and_one_row_key() -> None:
    stored = stamped()

    assert not DIGESTS.genuine(stored._replace(digest=b"e" * 32))
    assert not DIGESTS.genuine(stored._replace(stamp=stored.stamp[:31]))
    assert not DIGESTS.genuine(stored._replace(stamp=b""))
    assert not PepperedDigests(SEED, SEED).genuine(stored)


def test_a_genuine_key_is_verified_once(macs: list[bytes]) -> None:
    digests, stored = PepperedDigests(SEED, ROW), stamped()
    macs.clear()

    assert all(digests.genuine(stored) for _ in range(3))
    assert len(macs) == 1


def test_an_equal_key_in_another_object_is_verified_anew(macs: list[bytes]) -> None:
    """What is remembered is an object, so nothing that an edited row becomes can pass for it."""
    stored = stamped()
    assert DIGESTS.genuine(stored)
    macs.clear()

    assert DIGESTS.genuine(StoredKey(*stored))
    assert not DIGESTS.genuine(stored._replace(key=replace(KEY, role=Role.ADMIN)))
    assert len(macs) == 2


def test_what_is_not_genuine_is_never_remembered(macs: list[bytes]) -> None:
    broken = stamped()._replace(digest=b"e" * 32)
    macs.clear()

    assert not any(DIGESTS.genuine(broken) for _ in range(3))
    assert len(macs) == 3


def test_an_id_that_came_back_is_another_object(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if every object had one id, only the very one that was verified would pass."""
    monkeypatch.setattr(builtins, "id", lambda _: 1)
    digests, stored = PepperedDigests(SEED, ROW), stamped()

    assert digests.genuine(stored)
    assert not digests.genuine(stored._replace(digest=b"e" * 32))
    assert digests.genuine(stored)


def test_few_keys_are_remembered(monkeypatch: pytest.MonkeyPatch, macs: list[bytes]) -> None:
    monkeypatch.setattr(digests, "_REMEMBERED", 2)
    own = PepperedDigests(SEED, ROW)
    one, two, three = (stamped() for _ in range(3))
    for stored in (one, two, three):
        assert own.genuine(stored)
    macs.clear()

    assert own.genuine(three)
    assert macs == []
    assert own.genuine(one)
    assert len(macs) == 1


def test_a_request_is_the_same_only_if_every_part_is() -> None:
    requests = RequestDigests(SEED)
    same = requests.digest(b"POST", b"/v1/projects", b"{}")

    assert requests.digest(b"POST", b"/v1/projects", b"{}") == same
    for other in (
        (b"POST", b"/v1/projects", b"{ }"),
        (b"POST", b"/v1/project", b"s{}"),
        (b"POST/v1/projects{}",),
        (b"POST", b"/v1/projects", b"{}", b""),
    ):
        assert requests.digest(*other) != same
    assert RequestDigests(SEED[::-1]).digest(b"POST", b"/v1/projects", b"{}") != same
