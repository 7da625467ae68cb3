"""Which tokens are believed: the vectors of security facts A35, and every bit of a good one."""

from __future__ import annotations

import hmac
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from regcred.adapters.identity.compact import MAX_TOKEN
from regcred.adapters.identity.pod_tokens import LEEWAY, LONGEST, PodTokenVerifier
from regcred.domain.errors import InvalidInput, NotAuthenticated
from regcred.domain.workload import MAX_JWKS, Pod, TokenIssuer
from tests.adapters.identity.conftest import NOW, Seconds, a_cluster, web_pod, why_refused
from tests.tools.issuer import (
    ALGORITHMS,
    AUDIENCE,
    ISSUER,
    Issuer,
    based,
    ec_jwk,
    rsa_jwk,
    rsa_key,
)

SECONDS = int(NOW.timestamp())


async def refusal(verifier: PodTokenVerifier, token: str, issuer: Issuer, **cluster: Any) -> str:
    """Return why the log says that a token was refused, wherever that happens."""

    async def ask() -> Pod:
        verifier.read(token)
        return await verifier.verify(token, a_cluster(issuer, **cluster), NOW)

    return await why_refused(ask)


async def test_a_pods_token_says_which_pod_and_node(
    verifier: PodTokenVerifier, issuer: Issuer
) -> None:
    token = issuer.token()

    assert verifier.read(token) == TokenIssuer(ISSUER, AUDIENCE, "shop", "web")
    assert await verifier.verify(token, a_cluster(issuer), NOW) == web_pod()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_rsa_and_ecdsa_verify_with_the_keys_own_algorithm(
    verifier: PodTokenVerifier, issuer: Issuer, algorithm: str
) -> None:
    if algorithm.startswith("ES"):
        issuer.keys = [ec_jwk(algorithm, "key-1")]
    else:
        issuer.keys = [rsa_jwk(issuer.key, "key-1")]
    token = issuer.token(header={"alg": algorithm})

    assert await verifier.verify(token, a_cluster(issuer), NOW) == web_pod()


async def test_what_a_token_is_bound_to_may_be_left_away(
    verifier: PodTokenVerifier, issuer: Issuer
) -> None:
    absent: dict[str, Any] = {"kubernetes.io": None, "nbf": None, "aud": AUDIENCE}
    account: dict[str, Any] = {"namespace": "shop", "serviceaccount": {"name": "web"}}
    bare, without_pod = issuer.token(**absent), issuer.token(**{"kubernetes.io": account})

    for token in (bare, without_pod):
        pod = await verifier.verify(token, a_cluster(issuer), NOW)
        assert pod == Pod("shop", "web", NOW + timedelta(hours=1))


def _hmac_with_the_public_key(issuer: Issuer) -> str:
    pem = issuer.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = based(json.dumps({"alg": "HS256", "kid": "key-1"}).encode())
    data = f"{head}.{based(json.dumps(issuer.claims()).encode())}"
    return f"{data}.{based(hmac.digest(pem, data.encode(), 'sha256'))}"


@pytest.mark.parametrize(
    "name", ["none", "None", "NONE", "nOnE", "", None, "HS256", "PS256", 7], ids=repr
)
async def test_no_other_algorithm_is_known(
    verifier: PodTokenVerifier, issuer: Issuer, name: Any
) -> None:
    token = issuer.token(header={"alg": name})
    unsigned = token.rpartition(".")[0] + "."

    assert await refusal(verifier, token, issuer)
    assert await refusal(verifier, unsigned, issuer)


async def test_a_public_key_is_never_the_secret_of_an_hmac(
    verifier: PodTokenVerifier, issuer: Issuer
) -> None:
    token = _hmac_with_the_public_key(issuer)

    assert await refusal(verifier, token, issuer)
    # Nor where the operator's key set leaves the algorithm open.
    issuer.keys = [rsa_jwk(issuer.key, "key-1")]
    assert await refusal(verifier, token, issuer)


async def test_a_key_verifies_by_its_own_algorithm_alone(
    verifier: PodTokenVerifier, issuer: Issuer
) -> None:
    token = issuer.token(header={"alg": "RS512"})

    assert "no key of this id" in await refusal(verifier, token, issuer)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"aud": ["other"]}, "issuer or audience"),
        ({"aud": [AUDIENCE, "other"]}, "not one text"),
        ({"aud": []}, "not one text"),
        ({"aud": [[AUDIENCE]]}, "not one text"),
        ({"aud": {AUDIENCE: 1}}, "not one text"),
        ({"aud": None}, "not one text"),
        ({"aud": AUDIENCE + "/"}, "issuer or audience"),
        ({"iss": "https://elsewhere.example"}, "issuer or audience"),
        ({"iss": ISSUER + "/"}, "issuer or audience"),
        ({"iss": ISSUER.upper()}, "issuer or audience"),
        ({"iss": [ISSUER]}, "not one text"),
        ({"iss": None}, "not one text"),
        ({"exp": SECONDS - LEEWAY}, "expired"),
        ({"exp": None}, "no time"),
        ({"exp": str(SECONDS + 60)}, "no time"),
        ({"exp": True}, "no time"),
        ({"exp": 10**400}, "no time"),
        ({"exp": -1}, "no time"),
        ({"iat": None}, "no time"),
        ({"nbf": [SECONDS]}, "no time"),
        ({"nbf": SECONDS + LEEWAY + 1}, "not count yet"),
        ({"iat": SECONDS + LEEWAY + 1}, "not count yet"),
        ({"exp": SECONDS + LONGEST + 1}, "too long"),
        ({"sub": "system:serviceaccount:shop"}, "no service account"),
        ({"sub": "system:serviceaccount:shop:web:more"}, "no service account"),
        ({"sub": "system:serviceaccount:Shop:web"}, "no service account"),
        ({"sub": "system:serviceaccount:*:*"}, "no service account"),
        ({"sub": "system:serviceaccount:shop:web\n"}, "no service account"),
        ({"sub": "system:node:n1"}, "no service account"),
        ({"sub": ["system:serviceaccount:shop:web"]}, "no service account"),
        ({"sub": None}, "no service account"),
        ({"kubernetes.io": "x"}, "claims are none"),
        ({"kubernetes.io": {"pod": "web"}}, "claims are none"),
        ({"kubernetes.io": {"node": {"name": 7}}}, "claims are none"),
        ({"kubernetes.io": {"node": {"name": "n" * 254}}}, "claims are none"),
        ({"kubernetes.io": {"node": {"name": "a\nb"}}}, "claims are none"),
        ({"kubernetes.io": {"namespace": "other"}}, "differ"),
        ({"kubernetes.io": {"serviceaccount": {"name": "admin"}}}, "differ"),
    ],
    ids=str,
)
async def test_a_signed_token_with_the_wrong_claim_is_refused(
    verifier: PodTokenVerifier, issuer: Issuer, changes: dict[str, Any], why: str
) -> None:
    token = issuer.token(**changes)

    assert why in await refusal(verifier, token, Issuer(NOW))


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ({"kid": None}, "names no key"),
        ({"kid": 7}, "names no key"),
        ({"kid": "key-2"}, "no key of this id"),
        ({"kid": ""}, "no key of this id"),
        ({"crit": ["exp"]}, "extensions"),
        ({"crit": []}, "extensions"),
        ({"b64": False}, "extensions"),
        ({"typ": "at+jwt"}, "another kind"),
        ({"typ": 1}, "another kind"),
    ],
    ids=str,
)
async def test_a_header_that_asks_for_more_is_refused(
    verifier: PodTokenVerifier, issuer: Issuer, header: dict[str, Any], why: str
) -> None:
    token = issuer.token(header=header)

    assert why in await refusal(verifier, token, issuer)


@pytest.mark.parametrize("name", ["jku", "x5u", "jwk", "x5c"])
async def test_a_token_does_not_bring_its_own_key(
    verifier: PodTokenVerifier, issuer: Issuer, name: str
) -> None:
    """The attacker's key is signed with and named in the header: the cluster's key decides."""
    attacker = Issuer(NOW, key=rsa_key("attacker"))
    own = {
        "jku": "https://attacker.example/jwks",
        "x5u": "https://attacker.example/chain",
        "jwk": rsa_jwk(attacker.key, "key-1"),
        "x5c": ["MIIB"],
    }

    forged = attacker.token(header={name: own[name]})
    honest = issuer.token(header={name: own[name]})

    assert "signature" in await refusal(verifier, forged, issuer)
    assert await verifier.verify(honest, a_cluster(issuer), NOW) == web_pod()


async def test_another_clusters_key_verifies_nothing_here(verifier: PodTokenVerifier) -> None:
    ours, theirs = Issuer(NOW), Issuer(NOW, kid="theirs", key=rsa_key("theirs"))

    assert "no key of this id" in await refusal(verifier, theirs.token(), ours)
    theirs.kid = ours.kid
    assert "signature" in await refusal(verifier, theirs.token(), ours)


async def test_clocks_may_differ_by_half_a_minute(
    verifier: PodTokenVerifier, issuer: Issuer
) -> None:
    token = issuer.token(exp=SECONDS + 600)

    for off in (-LEEWAY, 600 + LEEWAY - 1):
        now = NOW + timedelta(seconds=off)
        pod = await verifier.verify(token, a_cluster(issuer), now)
        assert pod == replace(web_pod(), ends=NOW + timedelta(seconds=600))


@pytest.mark.parametrize(
    "claims",
    [
        b'{"iss":"a","iss":"b"}',
        b'{"kubernetes.io":{"namespace":"a","namespace":"b"}}',
        b"[]",
        b'"text"',
        b"{",
        b"\xff\xfe",
        b'{"exp":NaN}',
        b'{"exp":Infinity}',
        b"[" * 5000,
        b"",
    ],
    ids=range(10),
)
async def test_claims_that_read_in_two_ways_are_no_token(
    verifier: PodTokenVerifier, issuer: Issuer, claims: bytes
) -> None:
    assert "compact form" in await refusal(verifier, issuer.signed(claims), issuer)


async def test_a_name_twice_in_the_header_is_no_token(
    verifier: PodTokenVerifier, issuer: Issuer
) -> None:
    _, claims, signature = issuer.token().split(".")
    head = based(b'{"alg":"RS256","kid":"key-1","kid":"key-2"}')

    assert "compact form" in await refusal(verifier, f"{head}.{claims}.{signature}", issuer)


@pytest.mark.parametrize(
    "spoilt",
    ["{0}.{1}", "{0}.{1}.{2}.{2}", "{0}.{1}.{2}=", " {0}.{1}.{2}", "{0}.{1}.{2}\n", "{0}..{2}",
     "{0}.{1}.", "{0}.{1}+.{2}", "{0}.{1}.{2}\u0661", "..", "a.b.c", "{0}.{1}.A"],
)  # fmt: skip
async def test_no_other_form_is_read(
    verifier: PodTokenVerifier, issuer: Issuer, spoilt: str
) -> None:
    token = spoilt.format(*issuer.token().split("."))

    assert "compact form" in await refusal(verifier, token, issuer)


async def test_a_huge_token_is_not_even_looked_at(
    verifier: PodTokenVerifier, issuer: Issuer
) -> None:
    token = issuer.token(more="x" * MAX_TOKEN)

    assert "too long" in await refusal(verifier, token, issuer)


@given(data=st.data())
@settings(deadline=None, max_examples=200)
async def test_any_bit_flipped_is_refused(data: st.DataObject) -> None:
    token = bytearray(Issuer(NOW).token().encode())
    at = data.draw(st.integers(0, len(token) * 8 - 1))
    token[at // 8] ^= 1 << at % 8

    with pytest.raises(NotAuthenticated):
        await PodTokenVerifier(Seconds()).verify(
            token.decode("latin-1"), a_cluster(Issuer(NOW)), NOW
        )


async def test_the_last_character_has_no_spare_spelling(
    verifier: PodTokenVerifier, issuer: Issuer
) -> None:
    """The bits that base64 leaves over decode to the same signature."""
    token = issuer.token()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    others = [token[:-1] + other for other in alphabet if other != token[-1]]

    for other in others:
        assert await refusal(verifier, other, issuer)


# Keys and bundles that a cluster is set up with


def test_usable_keys_and_no_keys_at_all_can_be_set_up(
    verifier: PodTokenVerifier, issuer: Issuer
) -> None:
    issuer.keys = [rsa_jwk(issuer.key, "a", key_ops=["verify"]), ec_jwk("ES384", "b")]

    verifier.check(a_cluster(issuer))
    verifier.check(a_cluster(issuer, jwks=None))


@pytest.mark.parametrize(
    ("keys", "field"),
    [
        ([rsa_jwk(rsa_key(bits=1024), "weak")], "jwks.keys.0"),
        ([rsa_jwk(rsa_key(), "a"), rsa_jwk(rsa_key(), "b", use="enc")], "jwks.keys.1"),
        ([rsa_jwk(rsa_key(), "a", key_ops=["encrypt"])], "jwks.keys.0"),
        ([rsa_jwk(rsa_key(), "a", key_ops="verify")], "jwks.keys.0"),
        ([rsa_jwk(rsa_key(), "a", alg="PS256")], "jwks.keys.0"),
        ([rsa_jwk(rsa_key(), "a", alg="none")], "jwks.keys.0"),
        ([rsa_jwk(rsa_key(), "a", d="AQAB")], "jwks.keys.0"),
        ([rsa_jwk(rsa_key(), "a", n="!")], "jwks.keys.0"),
        ([rsa_jwk(rsa_key(), "a", n=7)], "jwks.keys.0"),
        ([rsa_jwk(rsa_key(), "")], "jwks.keys.0"),
        ([ec_jwk("ES256", "a", alg="ES384")], "jwks.keys.0"),
        ([ec_jwk("ES256", "a", crv="secp256k1")], "jwks.keys.0"),
        ([ec_jwk("ES256", "a", crv=["P-256"])], "jwks.keys.0"),
        ([ec_jwk("ES256", "a", x=based(b"\1" * 32))], "jwks.keys.0"),
        ([{"kty": "oct", "kid": "a", "k": "c2VjcmV0"}], "jwks.keys.0"),
        ([{"kty": "OKP", "kid": "a", "crv": "Ed25519", "x": "AAAA"}], "jwks.keys.0"),
        (["text"], "jwks.keys.0"),
        ([], "jwks.keys"),
        ([rsa_jwk(rsa_key(), "a"), rsa_jwk(rsa_key("other"), "a")], "jwks"),
        ([rsa_jwk(rsa_key(), str(n)) for n in range(33)], "jwks"),
        ({"a": rsa_jwk(rsa_key(), "a")}, "jwks"),
        ([rsa_jwk(rsa_key(), "a", x5c=["M" * MAX_JWKS])], "jwks"),
    ],
)
def test_keys_that_could_verify_nothing_are_named(
    verifier: PodTokenVerifier, issuer: Issuer, keys: Any, field: str
) -> None:
    issuer.keys = keys

    with pytest.raises(InvalidInput) as caught:
        verifier.check(a_cluster(issuer))
    assert caught.value.violations[0].field == field


@pytest.mark.parametrize("bundle", ["", "text", "-----BEGIN CERTIFICATE-----\nAA==\n", "\0", "é"])
def test_a_bundle_without_certificates_is_refused(
    verifier: PodTokenVerifier, issuer: Issuer, bundle: str
) -> None:
    with pytest.raises(InvalidInput, match="ca_bundle"):
        verifier.check(a_cluster(issuer, jwks=None, ca_bundle=bundle))


async def test_keys_of_an_older_rule_verify_nothing(
    verifier: PodTokenVerifier, issuer: Issuer
) -> None:
    cluster = replace(a_cluster(issuer), jwks="[]")

    async def ask() -> Pod:
        return await verifier.verify(issuer.token(), cluster, NOW)

    assert "cannot be used" in await why_refused(ask)
