"""What is typed in for the families that exchange: checks, ends, and where it may go."""

from __future__ import annotations

import base64
import json
import sys
from datetime import UTC, datetime, timedelta

import pytest
import trustme

from regcred.adapters.registries import signing
from regcred.domain.credential import Draft
from regcred.domain.errors import InvalidInput, QuotaExceeded
from regcred.domain.fresh_login import FreshLogin
from regcred.domain.registry import ImageReference, RegistryAddress
from regcred.domain.secret import Secret
from regcred.domain.verdict import Verdict
from regcred.domain.verdict import VerdictKind as V
from tests.adapters.registries.asking import NOW, ask, draft, registries
from tests.adapters.registries.scripted import Says, Server, jwt

KEY_ID = "AKIAIOSFODNN7EXAMPLE"
SESSION_ID = "ASIAIOSFODNN7EXAMPLE"
PRINCIPAL = "8ab4c4f7-3f5e-4a44-9d2a-0a4f1b5f9a11"
NULL = "00000000-0000-0000-0000-000000000000"
ECR = "https://123456789012.dkr.ecr.eu-west-1.amazonaws.com"
ACR = "https://contoso.azurecr.io"
DIGITALOCEAN = "https://registry.digitalocean.com/acme"
API_TOKEN = "dop_v1_" + "0123456789abcdef" * 4
ROLE = "arn:aws:iam::123456789012:role/team/pull"
PEM = trustme.CA().cert_pem.bytes().decode()
LATER = NOW + timedelta(hours=12)


def ecr(username: str = KEY_ID, password: str = "a secret access key", **settings: str) -> Draft:
    return draft(ECR, username=username, password=password, provider="ecr", **settings)


def acr(username: str = PRINCIPAL, registry: str | None = ACR, **settings: str) -> Draft:
    return draft(registry, username=username, provider="acr", **settings)


def docean(username: str, password: str = API_TOKEN, **settings: str) -> Draft:
    return draft(
        DIGITALOCEAN, username=username, password=password, provider="digitalocean", **settings
    )


def google(**more: object) -> str:
    return json.dumps({"client_email": "a@b", "private_key": "k", **more})


def gcp(password: str) -> Draft:
    return draft("https://gcr.io", username="_json_key", password=password, provider="gcp")


@pytest.mark.parametrize(
    ("typed", "field", "words"),
    [
        (ecr(region="frankfurt"), "settings.region", "eu-central-1"),
        (ecr(role_arn="pull"), "settings.role_arn", "ARN"),
        (ecr(external_id="a b"), "settings.external_id", "letters"),
        (ecr("AWS", role_arn=ROLE), "settings.role_arn", "access key"),
        (ecr(password="{}"), "password", "secret access key"),
        (ecr(password='{"SecretAccessKey": ""}'), "password", "JSON of a session"),
        (ecr(password='["a"]'), "", ""),
        (ecr(password="{not json"), "password", "secret access key"),
        (
            ecr(password=json.dumps({"SecretAccessKey": "s", "AccessKeyId": SESSION_ID})),
            "password",
            "another access key",
        ),
        (gcp(google(token_uri="https://evil.example/token")), "password", "token_uri"),
        (gcp(json.dumps({"client_email": "half"})), "password", "whole JSON key"),
        (acr(tenant_id="/../x"), "settings.tenant_id", "domains"),
        (acr("admin", tenant_id="contoso.com"), "settings.tenant_id", "service principal"),
        (acr(NULL, tenant_id="contoso.com"), "settings.tenant_id", "service principal"),
        (acr("admin", repositories="a"), "settings.repositories", "tenant_id"),
        (acr(tenant_id="t.com", repositories="UPPER"), "settings.repositories", "1 to 64"),
        (acr(tenant_id="t.com", repositories=" ,"), "settings.repositories", "1 to 64"),
        (acr(registry=None, tenant_id="t.com"), "registry_url", "must name one registry"),
        (
            acr(registry="*.azurecr.io", tenant_id="t.com"),
            "registry_url",
            "must name one registry",
        ),
        (gcp(google(private_key="k" * 2601)), "password", "3072 bits"),
        (docean(API_TOKEN), "username", "are shown"),
        (
            draft(DIGITALOCEAN, username=API_TOKEN, password=API_TOKEN),
            "username",
            "are shown",
        ),
        (draft("https://gcr.io", username="_json_key", password="half"), "password", "whole"),
        (draft(ACR, username="admin", tenant_id="t.com"), "settings.tenant_id", "principal"),
        (draft(ACR, username=PRINCIPAL, region="x"), "settings.region", "provider generic"),
        (docean("ada"), "username", "e-mail"),
        (docean("ada@x.example", lifetime_hours="0"), "settings.lifetime_hours", "1 to 720"),
        (docean("ada@x.example", lifetime_hours="721"), "settings.lifetime_hours", "1 to 720"),
    ],
)
def test_what_cannot_work_is_refused_by_field_and_rule(
    typed: Draft, field: str, words: str
) -> None:
    if not field:
        registries().check(typed)
        return
    with pytest.raises(InvalidInput) as refused:
        registries().check(typed)

    (violation,) = refused.value.violations
    assert violation.field == field
    assert words in violation.rule
    assert typed.password.reveal() not in violation.rule


@pytest.mark.parametrize(
    "typed",
    [
        ecr(region="us-gov-east-1", role_arn=ROLE, external_id="tenant:7"),
        ecr("AWS"),
        ecr("anything"),
        ecr(SESSION_ID, json.dumps({"SecretAccessKey": "s", "SessionToken": "t"})),
        gcp(google(token_uri=signing.GOOGLE_AUDIENCE)),
        gcp(google()),
        acr(tenant_id="contoso.onmicrosoft.com", repositories="team/app, team/db_x"),
        acr("scope-map-token"),
        draft(ACR, username=PRINCIPAL, tenant_id="t.com", ca_bundle=PEM),
        draft(ECR, username="AWS", ca_bundle=PEM),
        acr(registry=None),
        docean("ada@example.com", lifetime_hours="720"),
        docean("minted", "minted"),
    ],
)
def test_what_can_work_passes(typed: Draft) -> None:
    assert registries().check(typed).name == typed.name


def ecr_token(ends: object) -> str:
    return base64.b64encode(json.dumps({"payload": "p", "expiration": ends}).encode()).decode()


def session(ends: str) -> str:
    return json.dumps({"SecretAccessKey": "s", "SessionToken": "t", "Expiration": ends})


@pytest.mark.parametrize(
    ("typed", "ends"),
    [
        (ecr("AWS", ecr_token(LATER.timestamp())), LATER),
        (ecr("AWS", ecr_token("soon")), None),
        (ecr("AWS", ecr_token(1e300)), None),
        (ecr("AWS", "opaque"), None),
        (ecr("someone", ecr_token(LATER.timestamp())), None),
        (ecr(SESSION_ID, session("2026-11-22T00:00:00Z")), datetime(2026, 11, 22, tzinfo=UTC)),
        (ecr(SESSION_ID, session("2026-11-22T00:00:00")), None),
        (ecr(SESSION_ID, session("soon")), None),
        (ecr(), None),
        (
            draft(ACR, username=NULL, password=jwt(exp=LATER.timestamp()), provider="acr"),
            LATER,
        ),
        (
            draft(ACR, username="token", password=jwt(exp=LATER.timestamp()), provider="acr"),
            None,
        ),
        (draft(ACR, username=NULL, password=jwt(exp="soon"), provider="acr"), None),
    ],
)
def test_the_end_is_found_out_where_the_secret_says_it(typed: Draft, ends: datetime | None) -> None:
    assert registries().check(typed).expires_at == ends


def test_what_the_secret_says_is_truer_than_what_was_typed_in() -> None:
    typed = Draft(
        "aws",
        "AWS",
        Secret(ecr_token(LATER.timestamp())),
        ECR,
        provider="ecr",
        expires_at=NOW + timedelta(days=900),
    )

    assert registries().check(typed).expires_at == LATER


# What the operator allows


HOST = RegistryAddress("gcr.io")


def test_a_family_that_the_operator_allows_raw_is_handed_over_as_it_is() -> None:
    about = gcp(google()).delivery

    assert registries().place(about, HOST) == ""
    assert registries(allow_raw=("gcp", "acr")).place(about, HOST) is None


@pytest.mark.parametrize("family", ["ecr", "quay", "generic", "nonsense"])
def test_a_family_without_a_choice_is_refused(family: str) -> None:
    with pytest.raises(ValueError, match="acr, digitalocean, gcp"):
        registries(allow_raw=(family,))


@pytest.mark.parametrize(
    ("endpoints", "words"),
    [
        ({"gcp": "localhost:1"}, "endpoints: gcp is not an absolute"),
        ({"gcp": "http://localhost:1/token"}, "must have no path"),
        ({"gcs": "http://localhost:1"}, "the services are acr, azure"),
    ],
)
def test_an_endpoint_that_cannot_be_used_is_refused(endpoints: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        registries(endpoints=endpoints)


def test_a_generic_login_at_a_familys_host_is_that_familys() -> None:
    about = draft("https://gcr.io", username="_json_key", password=google()).delivery

    assert registries().place(about, None) == ""
    assert registries().place(draft("https://r.example").delivery, None) is None


def test_what_a_newer_program_stored_is_handed_over_as_it_is() -> None:
    unknown = gcp(google()).delivery._replace(provider="harbor_next")

    assert registries().place(unknown, HOST) is None


async def test_no_exchange_is_made_for_what_has_none() -> None:
    outcome = await registries().exchange(draft("https://r.example").delivery, Secret("x"), "")

    assert isinstance(outcome, Verdict)
    assert outcome.kind is V.UNSUPPORTED


async def test_a_server_without_the_extra_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "google.auth.jwt", None)  # as if it were not installed

    outcome = await registries().exchange(gcp(google()).delivery, Secret(google()), "")

    assert isinstance(outcome, Verdict)
    assert (outcome.kind, "regcred[gcp]" in outcome.reason) == (V.UNSUPPORTED, True)


BROKEN_KEYS = [
    google(private_key="k" * 8000),
    google(private_key=7),
    google(client_email=None),
    google(
        private_key="-----BEGIN PRIVATE KEY-----\n"
        "MC4CAQAwBQYDK2VuBCIEIHBgJSkzrG56SpsOsmMsWgQKhyV624aaPszD0WtyTyZH\n"
        "-----END PRIVATE KEY-----"
    ),
    "[" * 15_000,
    "\ud800".encode("utf-8", "replace").decode(),
]


@pytest.mark.parametrize("key", BROKEN_KEYS)
async def test_what_is_no_key_ends_in_a_verdict_at_once_and_is_sent_nowhere(key: str) -> None:
    about = draft("https://gcr.io", username="_json_key", password=key).delivery
    async with Server().serving() as server:
        outcome = await registries(endpoints={"gcp": server.url}).exchange(about, Secret(key), "")

    assert isinstance(outcome, Verdict)
    assert outcome.kind in (V.REJECTED, V.UNSUPPORTED)
    assert server.seen == []


@pytest.mark.parametrize("password", ["{}", '{"SecretAccessKey": "a\\u0000"}', "{" * 9000])
async def test_what_is_no_session_ends_in_a_verdict(password: str) -> None:
    about = ecr().delivery
    async with Server().serving() as server:
        asked = registries(endpoints={"ecr": server.url})
        outcome = await asked.exchange(about, Secret(password), "eu-west-1")

    assert isinstance(outcome, Verdict)
    assert outcome.kind is V.UNSUPPORTED
    assert server.seen == []


# The bounds


def minting(_: object) -> Says:
    auth = base64.b64encode(b"minted:minted").decode()
    body = {"auths": {"registry.digitalocean.com": {"auth": auth}}}
    return Says(200, (), json.dumps(body).encode())


async def test_too_many_exchanges_with_a_cloud_are_our_refusal_and_not_the_clouds() -> None:
    about = docean("ada@example.com").delivery
    async with Server(script=minting).serving() as server:
        asked = registries(endpoints={"digitalocean": server.url}, exchange_rate=2)
        outcomes = [await asked.exchange(about, Secret(API_TOKEN), "") for _ in range(2)]
        with pytest.raises(QuotaExceeded):
            await asked.exchange(about, Secret(API_TOKEN), "")

    assert [type(outcome) for outcome in outcomes] == [FreshLogin, FreshLogin]
    assert len(server.seen) == 2


@pytest.mark.parametrize("login", ["with\ta tab:minted", "minted:" + "x" * 16384])
async def test_a_login_that_cannot_be_kept_is_a_verdict(login: str) -> None:
    auth = base64.b64encode(login.encode()).decode()
    body = json.dumps({"auths": {"registry.digitalocean.com": {"auth": auth}}}).encode()
    async with Server(script=lambda _: Says(200, (), body)).serving() as server:
        asked = registries(endpoints={"digitalocean": server.url})
        outcome = await asked.exchange(docean("a@b").delivery, Secret(API_TOKEN), "")

    assert isinstance(outcome, Verdict)
    assert outcome.kind is V.UNSUPPORTED
    assert "minted" not in outcome.reason


async def test_a_key_that_is_exchanged_is_sent_to_no_registry_whose_region_one_cannot_tell() -> (
    None
):
    about = ecr().delivery
    image = ImageReference.parse("123456789012.dkr.ecr.foo.amazonaws.com/team/app:1")
    anywhere = about._replace(registry_url=None, scopes=("*.dkr.ecr.*.amazonaws.com",))

    verdict = await registries().verify(anywhere, Secret("a secret"), image)

    assert verdict.kind is V.UNSUPPORTED
    assert "does not say where" in verdict.reason


async def test_the_secret_goes_to_the_cloud_alone_and_the_login_to_the_registry() -> None:
    """A check exchanges first; the registry sees what came of it and never the API token."""
    async with (
        Server(script=minting).serving() as cloud,
        Server(
            script=lambda _: Says(401, (("WWW-Authenticate", 'Basic realm="r"'),))
        ).serving() as registry,
    ):
        asked = registries(endpoints={"digitalocean": cloud.url})
        about = docean("ada@example.com").delivery._replace(
            registry_url=None, scopes=(registry.authority,)
        )
        verdict = await asked.verify(about, Secret(API_TOKEN), None)

    assert verdict.kind is V.REJECTED
    assert verdict.evidence["exchanged"] is True
    assert cloud.authorizations == [f"Bearer {API_TOKEN}"]
    assert registry.authorizations == ["Basic " + base64.b64encode(b"minted:minted").decode()]


async def test_a_check_whose_exchange_fails_ends_there() -> None:
    async with (
        Server(script=lambda _: Says(401, (), b'{"id": "Unauthorized"}')).serving() as cloud,
        Server().serving() as registry,
    ):
        asked = registries(endpoints={"digitalocean": cloud.url})
        about = docean("ada@example.com").delivery._replace(
            registry_url=None, scopes=(registry.authority,)
        )
        verdict = await asked.verify(about, Secret(API_TOKEN), None)

    assert verdict.kind is V.REJECTED
    assert verdict.evidence["exchange_error"] == "Unauthorized"
    assert registry.seen == []


async def test_a_cloud_on_a_network_that_is_not_allowed_is_not_connected_to() -> None:
    async with Server(script=minting).serving() as server:
        asked = registries(allow_networks=(), endpoints={"digitalocean": server.url})
        outcome = await asked.exchange(docean("a@b").delivery, Secret(API_TOKEN), "")

    assert isinstance(outcome, Verdict)
    assert outcome.kind is V.UNREACHABLE
    assert server.connections == 0


async def test_a_login_that_is_handed_over_is_checked_without_an_exchange() -> None:
    async with Server(script=lambda _: Says(200, (), b"{}")).serving() as registry:
        verdict = await ask(registries(), draft(registry.url))

    assert "exchanged" not in verdict.evidence


async def test_guesses_at_one_account_are_not_all_tried_unasked() -> None:
    """People are not held up, nor do theirs count: they have their project's allowance."""
    refuse = {None: Says(401, (("WWW-Authenticate", 'Basic realm="r"'),))}
    async with Server(script=lambda _: refuse[None]).serving() as registry:
        asked = registries()
        unasked = asked.unasked()
        about = draft(registry.url)
        for _ in range(4):
            await ask(asked, about)
        kinds = [(await ask(unasked, about)).kind for _ in range(3)]
        with pytest.raises(QuotaExceeded) as refused:
            await ask(unasked, about)
        other = await ask(unasked, draft(registry.url, username="another"))
        by_a_person = await ask(asked, about)

    assert kinds == [V.REJECTED] * 3
    assert 1 <= refused.value.retry_after <= 300
    assert other.kind is by_a_person.kind is V.REJECTED
