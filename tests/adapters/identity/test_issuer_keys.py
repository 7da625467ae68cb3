"""Keys that are fetched: from where the operator said, seldom, bounded, kept for a while."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from regcred.adapters.identity import issuer_keys
from regcred.adapters.identity.issuer_keys import ASK_EVERY, FRESH, KEPT
from regcred.adapters.identity.pod_tokens import PodTokenVerifier
from regcred.domain.workload import Cluster, Pod
from tests.adapters.identity.conftest import NOW, Seconds, a_cluster, web_pod, why_refused
from tests.tools.issuer import Issuer, Served, rsa_jwk, rsa_key, serving

KEYS = "/openid/v1/jwks"
DISCOVERY = "/.well-known/openid-configuration"


@pytest.fixture
def served(issuer: Issuer) -> Iterator[Served]:
    with serving(issuer) as server:
        yield server


@pytest.fixture
def cluster(issuer: Issuer, served: Served) -> Cluster:
    return fetching(issuer, served)


def fetching(issuer: Issuer, served: Served, **more: Any) -> Cluster:
    return a_cluster(issuer, **{"jwks": None, "ca_bundle": served.ca, **more})


async def refusal(verifier: PodTokenVerifier, token: str, cluster: Cluster) -> str:
    async def ask() -> Pod:
        return await verifier.verify(token, cluster, NOW)

    return await why_refused(ask)


async def test_discovery_says_where_the_keys_are(
    verifier: PodTokenVerifier, issuer: Issuer, served: Served, cluster: Cluster
) -> None:
    verifier.check(cluster)
    assert await verifier.verify(issuer.token(), cluster, NOW) == web_pod()
    assert served.asked == [DISCOVERY, KEYS]


async def test_the_operator_may_say_where_the_keys_are(
    verifier: PodTokenVerifier, issuer: Issuer, served: Served
) -> None:
    cluster = fetching(issuer, served, jwks_uri=f"{served.url}{KEYS}")

    assert await verifier.verify(issuer.token(), cluster, NOW) == web_pod()
    assert served.asked == [KEYS]


async def test_keys_are_fetched_once_for_many_tokens(
    verifier: PodTokenVerifier, issuer: Issuer, served: Served, cluster: Cluster
) -> None:
    token = issuer.token()

    pods = await asyncio.gather(*(verifier.verify(token, cluster, NOW) for _ in range(20)))

    assert pods == [web_pod()] * 20
    assert served.asked == [DISCOVERY, KEYS]


async def test_an_unknown_key_id_asks_again_at_most_every_half_minute(
    verifier: PodTokenVerifier,
    issuer: Issuer,
    served: Served,
    cluster: Cluster,
    seconds: Seconds,
) -> None:
    await verifier.verify(issuer.token(), cluster, NOW)
    issuer.kid, issuer.key = "key-2", rsa_key("rotated")

    assert "no key of this id" in await refusal(verifier, issuer.token(), cluster)
    for number in range(5):
        made_up = issuer.token(header={"kid": f"made-up-{number}"})
        assert "no key of this id" in await refusal(verifier, made_up, cluster)
    assert served.asked == [DISCOVERY, KEYS]
    seconds.now += ASK_EVERY
    assert await verifier.verify(issuer.token(), cluster, NOW) == web_pod()
    assert served.asked == [DISCOVERY, KEYS] * 2


async def test_old_keys_are_fetched_anew_and_withdrawn_ones_forgotten(
    verifier: PodTokenVerifier,
    issuer: Issuer,
    served: Served,
    cluster: Cluster,
    seconds: Seconds,
) -> None:
    old = issuer.token()
    await verifier.verify(old, cluster, NOW)
    issuer.kid, issuer.key = "key-2", rsa_key("rotated")

    seconds.now += FRESH - 1
    assert await verifier.verify(old, cluster, NOW) == web_pod()
    seconds.now += 2
    assert "no key of this id" in await refusal(verifier, old, cluster)
    assert served.asked == [DISCOVERY, KEYS] * 2


async def test_old_keys_are_believed_while_the_issuer_is_down_but_not_for_ever(
    verifier: PodTokenVerifier,
    issuer: Issuer,
    served: Served,
    cluster: Cluster,
    seconds: Seconds,
) -> None:
    await verifier.verify(issuer.token(), cluster, NOW)
    served.planted[DISCOVERY] = (503, {}, b"")

    seconds.now += FRESH + 1
    assert await verifier.verify(issuer.token(), cluster, NOW) == web_pod()
    assert await verifier.verify(issuer.token(), cluster, NOW) == web_pod()
    assert served.asked == [DISCOVERY, KEYS, DISCOVERY]
    seconds.now += KEPT
    assert "200 in plain bytes" in await refusal(verifier, issuer.token(), cluster)


async def test_who_has_a_known_key_does_not_wait_for_a_slow_issuer(
    verifier: PodTokenVerifier,
    issuer: Issuer,
    served: Served,
    cluster: Cluster,
    seconds: Seconds,
) -> None:
    await verifier.verify(issuer.token(), cluster, NOW)
    seconds.now += FRESH + 1
    served.hold = threading.Event()

    first = asyncio.create_task(verifier.verify(issuer.token(), cluster, NOW))
    assert await asyncio.to_thread(served.holding.wait, 10)
    assert await verifier.verify(issuer.token(), cluster, NOW) == web_pod()
    assert not first.done()
    served.hold.set()

    assert await first == web_pod()


async def test_only_so_many_wait_for_a_silent_issuer_and_the_others_are_refused_at_once(
    verifier: PodTokenVerifier,
    issuer: Issuer,
    served: Served,
    cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(issuer_keys, "MAX_WAITING", 3)
    served.hold = threading.Event()
    waiting = [asyncio.create_task(verifier.verify(issuer.token(), cluster, NOW)) for _ in range(3)]
    assert await asyncio.to_thread(served.holding.wait, 10)

    made_up = issuer.token(header={"kid": "made-up"})
    for _ in range(20):
        assert "too many wait" in await refusal(verifier, made_up, cluster)
    assert not any(task.done() for task in waiting)
    served.hold.set()

    assert await asyncio.gather(*waiting) == [web_pod()] * 3
    assert served.asked == [DISCOVERY, KEYS]


async def test_it_says_beforehand_whether_it_will_ask(
    verifier: PodTokenVerifier,
    issuer: Issuer,
    served: Served,
    cluster: Cluster,
    seconds: Seconds,
) -> None:
    token, made_up = issuer.token(), issuer.token(header={"kid": "made-up"})

    assert not verifier.asks(token, a_cluster(issuer))
    assert verifier.asks(token, cluster)
    await verifier.verify(token, cluster, NOW)
    assert not verifier.asks(token, cluster)
    assert not verifier.asks(made_up, cluster)
    seconds.now += ASK_EVERY
    assert verifier.asks(made_up, cluster)
    assert not verifier.asks(token, cluster)
    seconds.now += FRESH
    assert verifier.asks(token, cluster)
    served.planted[DISCOVERY] = (503, {}, b"")
    await verifier.verify(token, cluster, NOW)
    assert not verifier.asks(token, cluster)


async def test_a_changed_cluster_forgets_what_was_fetched_for_the_old_one(
    verifier: PodTokenVerifier, issuer: Issuer, served: Served, cluster: Cluster
) -> None:
    await verifier.verify(issuer.token(), cluster, NOW)
    changed = fetching(issuer, served, version=2, ca_bundle=None)

    assert "certificate is not trusted" in await refusal(verifier, issuer.token(), changed)


async def test_only_so_many_clusters_are_remembered(
    verifier: PodTokenVerifier,
    issuer: Issuer,
    served: Served,
    cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(issuer_keys, "_REMEMBERED", 1)
    await verifier.verify(issuer.token(), cluster, NOW)
    await verifier.verify(issuer.token(), fetching(issuer, served, version=2), NOW)

    assert len(verifier._fetched._known) == 1


def _document(**changes: Any) -> tuple[int, dict[str, str], bytes]:
    return 200, {}, json.dumps(changes).encode()


@pytest.mark.parametrize(
    ("path", "answer", "why"),
    [
        (DISCOVERY, (302, {"Location": KEYS}, b""), "200 in plain bytes"),
        (DISCOVERY, (404, {}, b""), "200 in plain bytes"),
        (DISCOVERY, (200, {}, b"text"), "no discovery document"),
        (DISCOVERY, _document(issuer="https://other.example", jwks_uri="x"), "another issuer's"),
        (KEYS, (301, {"Location": DISCOVERY}, b""), "200 in plain bytes"),
        (KEYS, (200, {"Content-Encoding": "gzip"}, b"\x1f\x8b"), "200 in plain bytes"),
        (KEYS, (200, {}, b" " * 65_537), "too long"),
        (KEYS, (200, {}, b'{"keys":[],"keys":[]}'), "no key set"),
        (KEYS, (200, {}, b"{}"), "no key set"),
        (KEYS, _document(keys=[]), "no usable key"),
        (KEYS, _document(keys=[rsa_jwk(rsa_key(bits=1024), "key-1")]), "no usable key"),
    ],
    ids=range(11),
)
async def test_an_issuer_that_answers_something_else_is_not_believed(
    verifier: PodTokenVerifier,
    issuer: Issuer,
    served: Served,
    cluster: Cluster,
    path: str,
    answer: tuple[int, dict[str, str], bytes],
    why: str,
) -> None:
    served.planted[path] = answer

    assert why in await refusal(verifier, issuer.token(), cluster)
    assert served.asked[-1] == path


@pytest.mark.parametrize(
    "where", ["http://127.0.0.1/keys", "file:///etc/passwd", "https://a@b/", 7, None]
)
async def test_discovery_points_to_https_alone(
    verifier: PodTokenVerifier, issuer: Issuer, served: Served, cluster: Cluster, where: Any
) -> None:
    served.planted[DISCOVERY] = _document(issuer=issuer.name, jwks_uri=where)

    assert "no discovery document" in await refusal(verifier, issuer.token(), cluster)
    assert served.asked == [DISCOVERY]


@pytest.mark.parametrize("where", ["https://127.0.0.1/keys", "https://localhost:{port}/keys"])
async def test_discovery_points_to_the_issuer_itself_alone(
    verifier: PodTokenVerifier, issuer: Issuer, served: Served, cluster: Cluster, where: str
) -> None:
    """Else an issuer could have the service ask what it can reach and the issuer cannot."""
    port = served.url.rpartition(":")[2]
    elsewhere = where.format(port=port)
    served.planted[DISCOVERY] = _document(issuer=issuer.name, jwks_uri=elsewhere)

    assert "keys are elsewhere" in await refusal(verifier, issuer.token(), cluster)
    assert served.asked == [DISCOVERY]


async def test_an_issuers_port_may_be_written_out_in_one_place_alone() -> None:
    assert issuer_keys._place("https://Issuer.example:443/keys") == issuer_keys._place(
        "https://issuer.example/id/1"
    )


async def test_a_usable_key_beside_others_is_used(
    verifier: PodTokenVerifier, issuer: Issuer, cluster: Cluster
) -> None:
    issuer.keys = [{"kty": "OKP", "kid": "x"}, rsa_jwk(issuer.key, "key-1")]

    assert await verifier.verify(issuer.token(), cluster, NOW) == web_pod()


async def test_neither_proxies_nor_the_systems_authorities_count(
    verifier: PodTokenVerifier, issuer: Issuer, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")

    assert await verifier.verify(issuer.token(), cluster, NOW) == web_pod()


async def test_an_issuer_that_does_not_answer_is_given_up(
    verifier: PodTokenVerifier,
    issuer: Issuer,
    served: Served,
    cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(issuer_keys, "_DEADLINE", 0.05)
    served.hold = threading.Event()

    assert "issuer" in await refusal(verifier, issuer.token(), cluster)
    served.hold.set()


async def test_nothing_is_listening(verifier: PodTokenVerifier, issuer: Issuer) -> None:
    with serving(issuer) as served:
        pass

    why = await refusal(verifier, issuer.token(), fetching(issuer, served))

    assert "cannot be reached" in why
