from __future__ import annotations

import hmac

import pytest

from regcred.adapters.sealing import digests
from regcred.adapters.sealing.digests import PepperedDigests, RequestDigests
from regcred.adapters.sealing.mac import Mac
from tests.adapters.sealing.samples import SEED

DIGESTS = PepperedDigests(SEED)


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
    assert not PepperedDigests(SEED[::-1]).matches("secret", DIGESTS.digest("secret"))


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
