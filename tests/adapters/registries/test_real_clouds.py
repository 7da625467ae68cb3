"""Exchanges with what the clouds' own libraries and moto hold for right, over real sockets.

moto checks Amazon's signatures; google-auth verifies our assertion and asks as we do; Azure's own
client asks the same authority, over TLS, as we do.
"""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
import trustme
from azure.identity import ClientSecretCredential
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from google.auth import jwt as google_jwt
from google.auth.transport.requests import Request as GoogleTransport
from google.oauth2 import service_account

from regcred.adapters.registries import client, signing
from regcred.adapters.registries.registries import RealRegistries
from regcred.domain.credential import Delivery
from regcred.domain.fresh_login import FreshLogin
from regcred.domain.registry import ImageReference
from regcred.domain.secret import Secret
from regcred.domain.verdict import Verdict
from regcred.domain.verdict import VerdictKind as V
from tests.adapters.registries.scripted import LOOPBACK, Says, Server, jwt
from tests.tools import aws
from tests.tools.programs import find
from tests.tools.registry import with_password_file

REGION = "eu-central-1"
PUBLIC = "public.ecr.aws"
ANY_ECR = ("*.dkr.ecr.*.amazonaws.com",)


def registries(now: datetime, endpoints: dict[str, str], **more: Any) -> RealRegistries:
    return RealRegistries(
        lambda: now,
        time.monotonic,
        allow_networks=("127.0.0.0/8",),
        allow_http=(LOOPBACK, "123456789012.dkr.ecr.eu-central-1.amazonaws.com"),
        endpoints=endpoints,
        **more,
    )


# Amazon


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[aws.Moto]:
    with aws.moto(tmp_path_factory.mktemp("moto")) as running:
        yield running


async def at_amazon(
    moto: aws.Moto, secret: str, username: str = "", **settings: str
) -> FreshLogin | Verdict:
    about = Delivery("ecr", None, ANY_ECR, username or moto.key_id, settings)
    asked = registries(aws.NOW, moto.endpoints)
    return await asked.exchange(about, Secret(secret), REGION)


def login_of(outcome: FreshLogin | Verdict) -> tuple[str, str]:
    assert isinstance(outcome, FreshLogin), outcome
    return outcome.username, outcome.password.reveal()


def verdict_of(outcome: FreshLogin | Verdict) -> tuple[V, object]:
    assert isinstance(outcome, Verdict), outcome
    return outcome.kind, outcome.evidence.get("exchange_error")


async def test_moto_takes_our_signature(moto: aws.Moto) -> None:
    outcome = await at_amazon(moto, moto.secret)

    assert login_of(outcome) == aws.LOGIN
    assert isinstance(outcome, FreshLogin)
    assert outcome.expires_at == aws.ENDS


async def test_moto_takes_our_signature_of_a_roles_session(moto: aws.Moto) -> None:
    assert login_of(await at_amazon(moto, moto.secret, role_arn=moto.role)) == aws.LOGIN


async def test_moto_takes_a_session_that_was_typed_in_as_sts_prints_it(moto: aws.Moto) -> None:
    sts: Any = boto3.client(
        "sts",
        endpoint_url=moto.url,
        region_name=REGION,
        aws_access_key_id=moto.key_id,
        aws_secret_access_key=moto.secret,
    )
    printed = sts.assume_role(RoleArn=moto.role, RoleSessionName="typed")["Credentials"]
    text = json.dumps({"Credentials": printed}, default=str)

    assert login_of(await at_amazon(moto, text, printed["AccessKeyId"])) == aws.LOGIN


async def test_moto_refuses_a_wrong_secret_and_an_unknown_key(moto: aws.Moto) -> None:
    wrong = await at_amazon(moto, aws.another(moto.secret))
    unknown = await at_amazon(moto, moto.secret, "AKIAIOSFODNN7EXAMPLE")

    assert verdict_of(wrong) == (V.REJECTED, "SignatureDoesNotMatch")
    assert verdict_of(unknown) == (V.REJECTED, "InvalidClientTokenId")


async def test_a_login_that_has_ended_already_blames_the_clock(moto: aws.Moto) -> None:
    about = Delivery("ecr", None, ANY_ECR, moto.key_id, {})
    asked = registries(aws.ENDS + timedelta(days=1), moto.endpoints)

    outcome = await asked.exchange(about, Secret(moto.secret), REGION)

    assert isinstance(outcome, Verdict)
    assert outcome.kind is V.UNREACHABLE
    assert "clock" in outcome.reason


@pytest.mark.system
async def test_what_amazon_gave_opens_a_real_registry(
    moto: aws.Moto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key is exchanged at moto, and the login tried at Distribution under ECR's own name."""
    find("docker-registry")
    host = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
    registry, users = with_password_file(tmp_path)
    users.set(*aws.LOGIN)
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda name, *rest, **more: real(LOOPBACK if name == host else name, *rest, **more),
    )
    place = f"{host}:{registry.port}"
    image = ImageReference.parse(f"{place}/team/app:absent")
    about = Delivery("ecr", None, (place,), moto.key_id, {})
    asked = registries(aws.NOW, moto.endpoints)

    with registry.serving():
        right = await asked.verify(about, Secret(moto.secret), image)
        wrong = await asked.verify(about, Secret(aws.another(moto.secret)), image)

    assert right.kind is V.MISSING
    assert right.evidence["exchanged"] is True
    assert right.evidence["login_expires_at"] == "2015-01-01T00:00:00Z"
    assert right.evidence["scheme"] == "basic"
    assert wrong.kind is V.REJECTED
    assert "ping_status" not in wrong.evidence


# Google


@pytest.fixture(scope="module")
def google_key() -> tuple[str, bytes]:
    """A service account's key file, and the certificate that Google would publish of it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "puller")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    text = {
        "type": "service_account",
        "client_email": "puller@shop.iam.gserviceaccount.com",
        "private_key_id": "key-1",
        "private_key": pem.decode(),
        "token_uri": signing.GOOGLE_AUDIENCE,
    }
    return json.dumps(text), certificate.public_bytes(serialization.Encoding.PEM)


async def at_google(server: Server, key: str, username: str = "_json_key") -> FreshLogin | Verdict:
    about = Delivery("gcp", None, ("europe-docker.pkg.dev",), username, {})
    return await registries(datetime.now(UTC), {"gcp": server.url}).exchange(about, Secret(key), "")


def granted() -> Says:
    return Says(200, (), json.dumps({"access_token": "ya29.token", "expires_in": 3599}).encode())


async def test_googles_own_library_verifies_what_the_key_signed(
    google_key: tuple[str, bytes],
) -> None:
    key, certificate = google_key
    async with Server(script=lambda _: granted()).serving() as server:
        outcome = await at_google(server, key)

    assert login_of(outcome) == ("oauth2accesstoken", "ya29.token")
    (seen,) = server.seen
    claims = google_jwt.decode(
        seen.form["assertion"][0], certs={"key-1": certificate}, audience=signing.GOOGLE_AUDIENCE
    )
    assert claims["iss"] == "puller@shop.iam.gserviceaccount.com"
    assert claims["scope"].endswith("/devstorage.read_only")
    assert "PRIVATE KEY" not in seen.body.decode()


async def test_googles_own_library_asks_as_we_do(google_key: tuple[str, bytes]) -> None:
    """Same method, path, grant and claims; only the times may differ."""
    key, certificate = google_key
    async with Server(script=lambda _: granted()).serving() as server:
        await at_google(server, key)
        told = {**json.loads(key), "token_uri": f"{server.url}/token"}
        make: Any = service_account.Credentials.from_service_account_info
        theirs = make(told, scopes=[signing.GOOGLE_SCOPE])
        await _in_thread(lambda: theirs.refresh(GoogleTransport()))

    ours, google = server.seen
    assert (ours.method, ours.path) == (google.method, google.path) == ("POST", "/token")
    assert ours.form["grant_type"] == google.form["grant_type"]
    both = [
        google_jwt.decode(
            one.form["assertion"][0],
            certs={"key-1": certificate},
            audience=signing.GOOGLE_AUDIENCE,
        )
        for one in (ours, google)
    ]
    for claims in both:
        assert claims.pop("exp") - claims.pop("iat") == 3600
    assert both[0] == both[1]


async def test_a_damaged_private_key_is_refused_and_nothing_is_sent(
    google_key: tuple[str, bytes],
) -> None:
    key = json.dumps({**json.loads(google_key[0]), "private_key": "-----BEGIN PRIVATE KEY-----\nx"})
    async with Server(script=lambda _: granted()).serving() as server:
        outcome = await at_google(server, key)

    assert verdict_of(outcome)[0] is V.REJECTED
    assert server.seen == []


async def test_a_key_in_base64_signs_too(google_key: tuple[str, bytes]) -> None:
    encoded = base64.b64encode(google_key[0].encode()).decode()
    async with Server(script=lambda _: granted()).serving() as server:
        outcome = await at_google(server, encoded, "_json_key_base64")

    assert login_of(outcome)[1] == "ya29.token"


# Azure


TENANT, PRINCIPAL = "8ab4c4f7-3f5e-4a44-9d2a-0a4f1b5f9a11", "0b1c2d3e-3f5e-4a44-9d2a-0a4f1b5f9a22"
AZURE_SECRET = "azure~secret"


def azure(seen: Any) -> Says:
    """Answer as Entra and as the registry do."""
    if seen.path.endswith("/.well-known/openid-configuration"):
        here = f"https://{seen.headers['host']}/{TENANT}"
        endpoints = {
            "issuer": f"{here}/v2.0",
            "authorization_endpoint": f"{here}/oauth2/v2.0/authorize",
            "token_endpoint": f"{here}/oauth2/v2.0/token",
        }
        return Says(200, (), json.dumps(endpoints).encode())
    if seen.path.endswith("/oauth2/v2.0/token"):
        right = seen.form.get("client_secret") == [AZURE_SECRET]
        body = {"access_token": "entra", "expires_in": 3599, "token_type": "Bearer"}
        wrong = {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid secret."}
        return Says(200 if right else 401, (), json.dumps(body if right else wrong).encode())
    if seen.path == "/oauth2/exchange" and seen.form.get("access_token") == ["entra"]:
        token = jwt(exp=int(time.time()) + 10800)
        return Says(200, (), json.dumps({"refresh_token": token}).encode())
    return Says(404)


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS for localhost, whose authority the machine trusts for now."""
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    bundle = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(bundle)
    trusted = ssl.create_default_context(cafile=bundle)
    monkeypatch.setattr(client, "tls_context", lambda _: trusted)
    return context, bundle


async def at_azure(server: Server, secret: str) -> FreshLogin | Verdict:
    host = "contoso.azurecr.io"
    about = Delivery("acr", f"https://{host}", (host,), PRINCIPAL, {"tenant_id": TENANT})
    asked = registries(datetime.now(UTC), {"azure": server.url, "acr": server.url})
    return await asked.exchange(about, Secret(secret), host)


async def test_a_service_principal_gets_a_login_over_tls(
    authority: tuple[ssl.SSLContext, Path],
) -> None:
    async with Server(script=azure, tls=authority[0], name="localhost").serving() as server:
        right = await at_azure(server, AZURE_SECRET)
        wrong = await at_azure(server, "azure~wrong")

    assert login_of(right)[0] == "00000000-0000-0000-0000-000000000000"
    assert verdict_of(wrong) == (V.REJECTED, "invalid_client")


async def test_azures_own_client_asks_entra_as_we_do(
    authority: tuple[ssl.SSLContext, Path],
) -> None:
    context, bundle = authority
    async with Server(script=azure, tls=context, name="localhost").serving() as server:
        await at_azure(server, AZURE_SECRET)
        ours = next(one for one in server.seen if one.path.endswith("/token"))
        server.seen.clear()
        await _in_thread(lambda: _ask_with_azures_client(server.url, bundle))
        theirs = next(one for one in server.seen if one.path.endswith("/token"))

    assert (ours.method, ours.path) == (theirs.method, theirs.path)
    asked = ("grant_type", "client_id", "client_secret", "scope")
    assert {n: ours.form[n] for n in asked} == {n: theirs.form[n].copy() for n in asked}


def _ask_with_azures_client(authority_url: str, bundle: Path) -> None:
    with ClientSecretCredential(
        TENANT,
        PRINCIPAL,
        AZURE_SECRET,
        authority=authority_url,
        disable_instance_discovery=True,
        connection_verify=str(bundle),
    ) as theirs:
        theirs.get_token("https://containerregistry.azure.net/.default")


async def _in_thread(ask: Callable[[], object]) -> None:
    """Let a library that blocks talk to a server of this loop."""
    await asyncio.to_thread(ask)
