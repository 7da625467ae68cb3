"""What each cloud is asked, and what its answers come to: the exchanges, answer by answer."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from regcred.adapters.registries import providers
from regcred.adapters.registries.exchange import Ask, Obtained, exchanged
from regcred.adapters.registries.messages import (
    AWSProof,
    Finding,
    GoogleProof,
    Reply,
    Request,
    Unanswered,
    Unreadable,
    UnusableKey,
)
from regcred.domain.credential import Delivery
from regcred.domain.ports import UNKNOWN_PLACE
from regcred.domain.secret import Secret
from regcred.domain.verdict import VerdictKind as V
from tests.adapters.registries.scripted import jwt

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
KEY_ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
ECR = ("*.dkr.ecr.*.amazonaws.com",)
PRINCIPAL, TENANT = "8ab4c4f7-3f5e-4a44-9d2a-0a4f1b5f9a11", "contoso.onmicrosoft.com"
ACR = ("contoso.azurecr.io",)
NULL = "00000000-0000-0000-0000-000000000000"
DIGITALOCEAN = ("registry.digitalocean.com/acme",)

Step = Reply | Exception


def delivery(provider: str, scopes: tuple[str, ...], username: str, **settings: str) -> Delivery:
    return Delivery(provider, None, scopes, username, settings)


def run(
    about: Delivery, place: str, *answers: Step, secret: str = SECRET, **endpoints: str
) -> tuple[list[Request], Obtained | Finding]:
    """Run an exchange against answers; return what was asked, and what it came to."""
    exchange = providers.find(about.provider).exchange
    assert exchange is not None
    dialogue = exchanged(Ask(about, Secret(secret), place, NOW, endpoints), exchange)
    asked: list[Request] = []
    try:
        request = next(dialogue)
        for answer in answers:
            asked.append(request)
            if isinstance(answer, Exception):
                request = dialogue.throw(answer)
            else:
                request = dialogue.send(answer)
    except StopIteration as end:
        assert len(asked) == len(answers), "it stopped before the last answer"
        return asked, end.value
    raise AssertionError(f"it asks on: {request}")


def says(status: int, body: object = None, *headers: tuple[str, str]) -> Reply:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, tuple(headers), text)


def obtained(outcome: Obtained | Finding) -> tuple[str, str, datetime]:
    assert isinstance(outcome, Obtained), outcome
    return outcome.username, outcome.secret.reveal(), outcome.expires_at


def found(outcome: Obtained | Finding) -> tuple[V, str]:
    assert isinstance(outcome, Finding), outcome
    return outcome.kind, str(outcome.evidence.get("note"))


# Amazon


def ecr(username: str = KEY_ID, **settings: str) -> Delivery:
    return delivery("ecr", ECR, username, **settings)


def ecr_answer(login: str = "AWS:a long password", ends: object = 1_795_000_000.25) -> Reply:
    token = base64.b64encode(login.encode()).decode()
    data = {"authorizationToken": token, "expiresAt": ends, "proxyEndpoint": "https://x"}
    return says(200, {"authorizationData": [data]})


@pytest.mark.parametrize(
    ("place", "host"),
    [
        ("eu-central-1", "api.ecr.eu-central-1.amazonaws.com"),
        ("us-gov-west-1", "api.ecr.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "api.ecr.cn-north-1.amazonaws.com.cn"),
        ("us-iso-east-1", "api.ecr.us-iso-east-1.c2s.ic.gov"),
        ("us-isob-east-1", "api.ecr.us-isob-east-1.sc2s.sgov.gov"),
        ("public.ecr.aws", "api.ecr-public.us-east-1.amazonaws.com"),
    ],
)
def test_amazon_is_asked_in_the_region_of_the_registry(place: str, host: str) -> None:
    (request,), outcome = run(ecr(), place, ecr_answer())

    assert obtained(outcome) == (
        "AWS",
        "a long password",
        datetime.fromtimestamp(1_795_000_000.25, UTC),
    )
    assert (request.method, str(request.origin), request.target) == ("POST", f"https://{host}", "/")
    assert isinstance(request.proof, AWSProof)
    assert request.proof.origin == request.origin
    assert (request.proof.username, request.proof.secret) == (KEY_ID, Secret(SECRET))


def test_the_public_registry_answers_with_one_login_and_not_a_list() -> None:
    token = base64.b64encode(b"AWS:public").decode()
    answer = says(200, {"authorizationData": {"authorizationToken": token, "expiresAt": 2e9}})
    (request,), outcome = run(ecr(), "public.ecr.aws", answer)

    assert obtained(outcome)[:2] == ("AWS", "public")
    assert dict(request.headers)["X-Amz-Target"].startswith("SpencerFrontendService.")


ASSUMED = b"""<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleResult><AssumedRoleUser><Arn>arn</Arn></AssumedRoleUser><Credentials>
<AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>role secret</SecretAccessKey>
<SessionToken>role token</SessionToken><Expiration>2026-11-21T13:00:00Z</Expiration>
</Credentials></AssumeRoleResult></AssumeRoleResponse>"""
ROLE = "arn:aws:iam::123456789012:role/pull"


def test_a_role_is_become_first_and_its_session_asks_for_the_login() -> None:
    about = ecr(role_arn=ROLE, external_id="tenant-7")
    (first, second), outcome = run(about, "eu-west-1", says(200, ASSUMED), ecr_answer())

    assert obtained(outcome)[0] == "AWS"
    assert str(first.origin) == "https://sts.eu-west-1.amazonaws.com"
    assert first.content is not None
    for part in (b"Action=AssumeRole", b"role%2Fpull", b"ExternalId=tenant-7"):
        assert part in first.content
    assert isinstance(second.proof, AWSProof)
    assert second.proof.username == "ASIAROLE"
    assert second.proof.secret == Secret("role secret")
    assert second.proof.session_token == Secret("role token")


@pytest.mark.parametrize(
    "password",
    [
        json.dumps({"SecretAccessKey": "half", "SessionToken": "token", "AccessKeyId": KEY_ID}),
        json.dumps({"Credentials": {"SecretAccessKey": "half", "SessionToken": "token"}}),
        ' \n{"SecretAccessKey":"half","SessionToken":"token","Version":1}',
    ],
)
def test_what_aws_sts_prints_is_a_key_with_its_session(password: str) -> None:
    (request,), _ = run(ecr("ASIAIOSFODNN7EXAMPLE"), "eu-west-1", ecr_answer(), secret=password)

    assert isinstance(request.proof, AWSProof)
    assert request.proof.secret == Secret("half")
    assert request.proof.session_token == Secret("token")


def amazon(code: str, *, status: int = 400, message: str = "") -> Reply:
    return says(status, {"__type": f"com.amazonaws.ecr#{code}", "message": message})


def wall(code: str, *, status: int = 403) -> Reply:
    return says(
        status, f"<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>".encode()
    )


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (amazon("InvalidSignatureException"), V.REJECTED, "create a new one"),
        (wall("SignatureDoesNotMatch"), V.REJECTED, "create a new one"),
        (amazon("ExpiredTokenException"), V.EXPIRED, "session's time is over"),
        (amazon("AccessDeniedException"), V.DENIED, "ecr:GetAuthorizationToken"),
        (amazon("ThrottlingException"), V.RATE_LIMITED, "later"),
        (
            amazon("InvalidSignatureException", message="Signature expired: 20261121 is earlier"),
            V.UNREACHABLE,
            "clock",
        ),
        (amazon("ServerException", status=500), V.UNREACHABLE, "later"),
        (amazon("SomethingNew", status=403), V.DENIED, "does not let"),
        (says(401, b"not json"), V.REJECTED, "does not accept"),
        (says(302, b""), V.UNSUPPORTED, "redirect"),
        (says(200, b"<html>"), V.UNSUPPORTED, "no login"),
        (says(200, {"authorizationData": []}), V.UNSUPPORTED, "no login"),
        (ecr_answer(ends="tomorrow"), V.UNSUPPORTED, "no login"),
        (ecr_answer(ends=1e300), V.UNSUPPORTED, "no login"),
        (ecr_answer(login="AWS"), V.UNSUPPORTED, "no login"),
        (says(200, {"authorizationData": [{"authorizationToken": "%%%"}]}), V.UNSUPPORTED, "login"),
        (Unanswered("dns"), V.UNREACHABLE, "did not answer"),
        (Unreadable("An answer is compressed."), V.UNSUPPORTED, "compressed"),
    ],
)
def test_what_amazon_says_becomes_a_verdict(answer: Step, kind: V, words: str) -> None:
    _, outcome = run(ecr(), "eu-west-1", answer)

    assert found(outcome)[0] is kind
    assert words in found(outcome)[1]


CALLER = says(200, b"<GetCallerIdentityResponse/>")
UNKNOWN_KEY = wall("InvalidClientTokenId")


@pytest.mark.parametrize("refusal", [amazon("UnrecognizedClientException"), UNKNOWN_KEY])
def test_a_key_that_every_partition_refuses_is_wrong(refusal: Reply) -> None:
    asked, outcome = run(ecr(), "af-south-1", refusal, *[UNKNOWN_KEY] * 3)

    assert found(outcome)[0] is V.REJECTED
    assert "does not accept the access key" in found(outcome)[1]
    assert [request.origin.host for request in asked[1:]] == [
        "sts.us-east-1.amazonaws.com",
        "sts.us-gov-west-1.amazonaws.com",
        "sts.cn-north-1.amazonaws.com.cn",
    ]


@pytest.mark.parametrize("homes", [0, 1, 2])
def test_a_good_key_in_a_region_that_does_not_know_it_is_not_called_wrong(homes: int) -> None:
    """It must not be withheld in the regions where it works."""
    refusals = [UNKNOWN_KEY] * homes
    _, outcome = run(ecr(), "af-south-1", amazon("UnrecognizedClientException"), *refusals, CALLER)

    assert found(outcome)[0] is V.DENIED
    assert "switched off" in found(outcome)[1]


def test_a_key_is_not_called_wrong_while_its_partition_cannot_be_asked() -> None:
    _, outcome = run(
        ecr(), "af-south-1", amazon("UnrecognizedClientException"), Unanswered("timeout")
    )

    assert found(outcome)[0] is V.UNREACHABLE


@pytest.mark.parametrize("busy", [says(503, b""), amazon("ThrottlingException")])
def test_a_key_is_not_called_wrong_by_a_partition_that_is_busy(busy: Reply) -> None:
    _, outcome = run(ecr(), "af-south-1", amazon("UnrecognizedClientException"), busy)

    assert found(outcome)[0] in (V.UNREACHABLE, V.RATE_LIMITED)


def test_a_partition_that_this_network_does_not_reach_makes_no_wrong_key_good() -> None:
    silent = [Unanswered("dns")] * 2
    asked, outcome = run(
        ecr(), "cn-northwest-1", amazon("UnrecognizedClientException"), UNKNOWN_KEY, *silent
    )

    assert asked[1].origin.host == "sts.cn-north-1.amazonaws.com.cn"
    assert found(outcome)[0] is V.REJECTED


def test_a_partition_behind_its_own_walls_is_not_asked_about_in_others() -> None:
    asked, outcome = run(ecr(), "us-iso-east-1", amazon("UnrecognizedClientException"))

    assert len(asked) == 1
    assert found(outcome)[0] is V.REJECTED


def test_what_the_public_registry_wants_is_said_of_it() -> None:
    _, outcome = run(ecr(), "public.ecr.aws", amazon("AccessDeniedException"))

    assert "ecr-public:GetAuthorizationToken" in found(outcome)[1]


def test_a_cloud_says_how_long_to_leave_it_alone() -> None:
    busy = says(429, {}, ("retry-after", "120"))
    _, outcome = run(ecr(), "eu-west-1", busy)

    assert isinstance(outcome, Finding)
    assert outcome.evidence["retry_after"] == 120


def test_a_role_that_may_not_be_become_is_told_from_a_login_that_may_not_be_had() -> None:
    about = ecr(role_arn=ROLE)

    _, refused = run(about, "eu-west-1", wall("AccessDenied"))
    _, halfway = run(about, "eu-west-1", says(200, ASSUMED), amazon("AccessDeniedException"))
    _, odd = run(about, "eu-west-1", says(200, b"<AssumeRoleResponse/>"))

    assert "trust policy" in found(refused)[1]
    assert "GetAuthorizationToken" in found(halfway)[1]
    assert found(odd)[0] is V.UNSUPPORTED


def test_an_answer_that_grows_when_it_is_read_is_no_answer() -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<!DOCTYPE x [<!ENTITY e0 "lol">{entities}]><x>&e11;</x>'.encode()

    _, outcome = run(ecr(role_arn=ROLE), "eu-west-1", says(200, bomb))

    assert found(outcome)[0] is V.UNSUPPORTED


def test_an_error_code_is_evidence_only_in_the_form_of_one() -> None:
    _, plain = run(ecr(), "eu-west-1", amazon("AccessDeniedException"))
    _, strange = run(ecr(), "eu-west-1", says(403, {"__type": "<script>" + SECRET}))

    assert isinstance(plain, Finding)
    assert plain.evidence["exchange_error"] == "AccessDeniedException"
    assert isinstance(strange, Finding)
    assert "exchange_error" not in strange.evidence
    assert SECRET not in str(strange)


# Google


KEY = json.dumps(
    {"type": "service_account", "client_email": "p@x.iam.gserviceaccount.com", "private_key": "k"}
)


@pytest.mark.parametrize(
    ("username", "secret"),
    [("_json_key", KEY), ("_json_key_base64", base64.b64encode(KEY.encode()).decode())],
)
def test_google_gives_an_hour_for_what_the_key_signed(username: str, secret: str) -> None:
    about = delivery("gcp", ("europe-docker.pkg.dev",), username)
    answer = says(200, {"access_token": "ya29.c.b0A", "expires_in": 3599, "token_type": "Bearer"})
    (request,), outcome = run(about, "", answer, secret=secret)

    assert obtained(outcome) == ("oauth2accesstoken", "ya29.c.b0A", NOW + timedelta(seconds=3599))
    assert (str(request.origin), request.target) == ("https://oauth2.googleapis.com", "/token")
    assert request.form == (("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),)
    assert isinstance(request.proof, GoogleProof)
    assert (request.proof.secret, request.proof.issued_at) == (Secret(KEY), NOW)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (says(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}),
         V.REJECTED, "deleted or disabled"),
        (says(400, {"error": "invalid_grant", "error_description":
                    "Invalid JWT: Token must be a short-lived token (60 minutes) and in a "
                    "reasonable timeframe. Check your iat and exp values in the JWT claim."}),
         V.UNREACHABLE, "clock"),
        (says(401, {"error": "invalid_client"}), V.REJECTED, "deleted or disabled"),
        (says(401, {"error": "unauthorized_client"}), V.DENIED, "does not let"),
        (says(429, {}), V.RATE_LIMITED, "later"),
        (says(503, b""), V.UNREACHABLE, "later"),
        (says(200, {"access_token": "t"}), V.UNSUPPORTED, "no login"),
        (says(200, {"access_token": "t", "expires_in": 0}), V.UNSUPPORTED, "no login"),
        (says(200, {"access_token": "a b", "expires_in": 60}), V.UNSUPPORTED, "no login"),
        (UnusableKey("The key cannot sign."), V.REJECTED, "cannot sign"),
        (Unanswered("timeout"), V.UNREACHABLE, "did not answer"),
    ],
)  # fmt: skip
def test_what_google_says_becomes_a_verdict(answer: Step, kind: V, words: str) -> None:
    about = delivery("gcp", ("gcr.io",), "_json_key")
    _, outcome = run(about, "", answer, secret=KEY)

    assert found(outcome)[0] is kind
    assert words in found(outcome)[1]


# Azure


def acr(username: str = PRINCIPAL, **settings: str) -> Delivery:
    return delivery("acr", ACR, username, **settings)


def ends(hours: int, **more: object) -> str:
    return jwt(exp=int((NOW + hours * HOUR).timestamp()), **more)


def test_a_service_principal_gets_a_refresh_token_of_the_registry() -> None:
    about = acr(tenant_id=TENANT)
    (entra, registry), outcome = run(
        about,
        ACR[0],
        says(200, {"access_token": "entra-token", "expires_in": 3599}),
        says(200, {"refresh_token": ends(3)}),
    )

    assert obtained(outcome) == (NULL, ends(3), NOW + 3 * HOUR)
    assert str(entra.origin) == "https://login.microsoftonline.com"
    assert entra.target == f"/{TENANT}/oauth2/v2.0/token"
    assert dict(entra.form or ()) == {
        "grant_type": "client_credentials",
        "scope": "https://containerregistry.azure.net/.default",
    }
    assert (str(registry.origin), registry.target) == (
        "https://contoso.azurecr.io",
        "/oauth2/exchange",
    )
    assert registry.proof is not None
    assert registry.proof.secret == Secret("entra-token")


def test_repositories_narrow_the_login_to_pulling_these() -> None:
    about = acr(tenant_id=TENANT, repositories="team/app, team/db")
    (_, _, narrowed), outcome = run(
        about,
        ACR[0],
        says(200, {"access_token": "entra-token"}),
        says(200, {"refresh_token": ends(3)}),
        says(200, {"access_token": ends(1)}),
    )

    assert obtained(outcome) == (NULL, ends(1), NOW + HOUR)
    assert narrowed.target == "/oauth2/token"
    assert dict(narrowed.form or ())["scope"] == (
        "repository:team/app:pull repository:team/db:pull"
    )


def test_a_refresh_token_is_narrowed_without_entra() -> None:
    about = acr(NULL, repositories="team/app")
    (request,), outcome = run(about, ACR[0], says(200, {"access_token": ends(1)}), secret=ends(3))

    assert obtained(outcome)[2] == NOW + HOUR
    assert request.proof is not None
    assert request.proof.secret == Secret(ends(3))


def test_a_refresh_token_past_its_end_is_refused() -> None:
    about = acr(NULL, repositories="team/app")
    answer = says(401, {"errors": [{"code": "UNAUTHORIZED"}]})
    _, outcome = run(about, ACR[0], answer, secret=ends(3))

    assert found(outcome)[0] is V.REJECTED
    assert "three hours" in found(outcome)[1]


@pytest.mark.parametrize(
    ("host", "entra"),
    [
        ("x.azurecr.us", "https://login.microsoftonline.us"),
        ("x.azurecr.cn", "https://login.chinacloudapi.cn"),
    ],
)
def test_other_clouds_have_their_own_entra(host: str, entra: str) -> None:
    about = delivery("acr", (host,), PRINCIPAL, tenant_id=TENANT)
    (request,), _ = run(about, host, says(400, {"error": "invalid_client"}))

    assert str(request.origin) == entra


ENTRA_OK = says(200, {"access_token": "entra-token"})


@pytest.mark.parametrize(
    ("answers", "kind", "words"),
    [
        ([says(401, {"error": "invalid_client"})], V.REJECTED, "secret's value, not its id"),
        ([says(400, {"error": "unauthorized_client"})], V.REJECTED, "no such application"),
        ([says(400, {"error": "invalid_request"})], V.UNSUPPORTED, "tenant_id"),
        ([says(400, {"error": "invalid_resource"})], V.DENIED, "no token"),
        ([says(200, {"token_type": "Bearer"})], V.UNSUPPORTED, "no login"),
        ([ENTRA_OK, says(401, {"errors": [{"code": "UNAUTHORIZED"}]})], V.DENIED, "tenant"),
        (
            [
                ENTRA_OK,
                says(
                    403,
                    {
                        "errors": [
                            {
                                "code": "DENIED",
                                "message": "client with IP '192.0.2.1' is not allowed access.",
                            }
                        ]
                    },
                ),
            ],
            V.UNREACHABLE,
            "firewall",
        ),
        ([ENTRA_OK, says(403, {"errors": [{"code": "DENIED"}]})], V.DENIED, "AcrPull"),
        ([ENTRA_OK, says(403, {"errors": "none"})], V.DENIED, "does not let"),
        ([ENTRA_OK, says(200, {"refresh_token": "opaque"})], V.UNSUPPORTED, "when it ends"),
        ([ENTRA_OK, says(200, {"refresh_token": jwt(exp=1e300)})], V.UNSUPPORTED, "when it ends"),
        ([ENTRA_OK, Unanswered("connect")], V.UNREACHABLE, "did not answer"),
    ],
)
def test_what_azure_says_becomes_a_verdict(answers: Sequence[Step], kind: V, words: str) -> None:
    _, outcome = run(acr(tenant_id=TENANT), ACR[0], *answers)

    assert found(outcome)[0] is kind
    assert words in found(outcome)[1]


# DigitalOcean


def docean(**settings: str) -> Delivery:
    return delivery("digitalocean", DIGITALOCEAN, "ada@example.com", **settings)


def minted(auth: object, host: str = "registry.digitalocean.com") -> Reply:
    return says(200, {"auths": {host: {"auth": auth}}})


AUTH = base64.b64encode(b"minted:minted").decode()


@pytest.mark.parametrize(("settings", "hours"), [({}, 12), ({"lifetime_hours": "2"}, 2)])
def test_an_api_token_mints_credentials_that_may_only_read(
    settings: dict[str, str], hours: int
) -> None:
    (request,), outcome = run(docean(**settings), "", minted(AUTH), secret="dop_v1_" + "a" * 64)

    assert obtained(outcome) == ("minted", "minted", NOW + hours * HOUR)
    assert str(request.origin) == "https://api.digitalocean.com"
    assert request.target == (
        f"/v2/registries/acme/docker-credentials?expiry_seconds={hours * 3600}&read_write=false"
    )
    assert request.proof is not None
    assert request.proof.attach == "bearer"


def test_without_a_name_the_accounts_own_registry_is_meant() -> None:
    about = delivery("digitalocean", ("registry.digitalocean.com",), "ada@example.com")
    (request,), _ = run(about, "", minted(AUTH))

    assert request.target.startswith("/v2/registry/docker-credentials?")


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (says(401, {"id": "Unauthorized"}), V.REJECTED, "create a new one"),
        (says(403, {"id": "Forbidden"}), V.DENIED, "registry:read"),
        (says(404, {"id": "not_found"}), V.DENIED, "no such registry"),
        (says(429, {"id": "too_many_requests"}), V.RATE_LIMITED, "later"),
        (minted("%%"), V.UNSUPPORTED, "no login"),
        (minted(AUTH, "elsewhere"), V.UNSUPPORTED, "no login"),
        (says(200, {"auths": 7}), V.UNSUPPORTED, "no login"),
    ],
)
def test_what_digitalocean_says_becomes_a_verdict(answer: Step, kind: V, words: str) -> None:
    _, outcome = run(docean(), "", answer)

    assert found(outcome)[0] is kind
    assert words in found(outcome)[1]


# Where a secret is exchanged, and where it is handed over as it is


@pytest.mark.parametrize(
    ("about", "host", "place"),
    [
        (ecr(), "1.dkr.ecr.eu-west-1.amazonaws.com", "eu-west-1"),
        (ecr(), "1.dkr.ecr-fips.us-gov-east-1.amazonaws.com", "us-gov-east-1"),
        (ecr(), "1.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        (ecr(), "1.dkr-ecr.eu-west-1.on.aws", "eu-west-1"),
        (ecr(), "public.ecr.aws", "public.ecr.aws"),
        (ecr(), "", UNKNOWN_PLACE),
        (ecr(region="eu-west-3"), "", "eu-west-3"),
        (ecr(region="eu-west-3"), "1.dkr.ecr.eu-west-1.amazonaws.com", "eu-west-1"),
        (ecr(), "1.dkr.ecr.evil.amazonaws.com", UNKNOWN_PLACE),
        (ecr(), "1.dkr.ecr.a-b-1@evil.amazonaws.com", UNKNOWN_PLACE),
        (ecr("AWS"), "1.dkr.ecr.eu-west-1.amazonaws.com", None),
        (ecr("ASIAIOSFODNN7EXAMPLE"), "1.dkr.ecr.eu-west-1.amazonaws.com", "eu-west-1"),
        (ecr("ci-pull"), "1.dkr.ecr.eu-west-1.amazonaws.com", None),
        (delivery("gcp", ("gcr.io",), "_json_key"), "gcr.io", ""),
        (delivery("gcp", ("gcr.io",), "_json_key_base64"), "", ""),
        (delivery("gcp", ("gcr.io",), "oauth2accesstoken"), "gcr.io", None),
        (acr(tenant_id=TENANT), ACR[0], ACR[0]),
        (acr(tenant_id=TENANT), "", UNKNOWN_PLACE),
        (acr(tenant_id=TENANT), "azurecr.io.evil.example", UNKNOWN_PLACE),
        (acr(), ACR[0], None),
        (acr(NULL), ACR[0], None),
        (acr(NULL, repositories="a"), ACR[0], ACR[0]),
        (acr("scope-map-token"), ACR[0], None),
        (docean(), "registry.digitalocean.com", ""),
        (delivery("digitalocean", DIGITALOCEAN, "minted"), "registry.digitalocean.com", None),
    ],
)
def test_where_a_secret_is_exchanged(about: Delivery, host: str, place: str | None) -> None:
    exchange = providers.find(about.provider).exchange
    assert exchange is not None

    assert exchange.place(about, host) == place


def test_the_operator_says_where_a_cloud_is_reached() -> None:
    (request,), _ = run(ecr(), "eu-west-1", ecr_answer(), ecr="http://127.0.0.1:5621")

    assert str(request.origin) == "http://127.0.0.1:5621"
    assert isinstance(request.proof, AWSProof)
    assert request.proof.origin == request.origin


def test_no_family_sends_a_secret_to_a_place_that_a_tenant_chose() -> None:
    """Whatever the login says, what is asked first is the cloud's own host."""
    hosts: set[str] = set()
    cases: list[tuple[Delivery, str, dict[str, Any]]] = [
        (ecr(region="eu-west-1", role_arn=ROLE), "eu-west-1", {}),
        (delivery("gcp", ("evil.example",), "_json_key"), "",
         {"secret": KEY.replace('"k"', '"k", "token_uri": "https://evil.example/token"')}),
        (acr(tenant_id="evil.example"), ACR[0], {}),
        (delivery("digitalocean", ("evil.example/x",), "a@evil.example"), "", {}),
    ]  # fmt: skip
    for about, place, more in cases:
        (request,), _ = run(about, place, Unanswered("dns"), **more)
        hosts.add(request.origin.host)

    assert hosts == {
        "sts.eu-west-1.amazonaws.com",
        "oauth2.googleapis.com",
        "login.microsoftonline.com",
        "api.digitalocean.com",
    }
