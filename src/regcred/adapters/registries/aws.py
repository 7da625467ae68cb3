"""Amazon's API as far as logins need it: access keys, sessions of roles, what its errors mean."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from typing import NamedTuple
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

from regcred.adapters.registries.exchange import Ask, Refused, Words, asked, json_object, odd
from regcred.adapters.registries.judgement import Judgement
from regcred.adapters.registries.messages import (
    Attach,
    AWSProof,
    Dialogue,
    Finding,
    Reply,
    Request,
    Unanswered,
)
from regcred.adapters.registries.origins import Origin
from regcred.domain.errors import InvalidInput
from regcred.domain.secret import Secret
from regcred.domain.verdict import VerdictKind

_OK = 200

# Which domain the API of a region is in: that of its partition.
_PARTITIONS = (
    ("cn-", "amazonaws.com.cn"),
    ("us-iso-", "c2s.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("", "amazonaws.com"),
)

_WRONG_KEY = "Amazon does not accept the access key: create a new one and replace the password."
_ENDED = "The session's time is over: store an access key, or a new session."
_MAY_NOT = (
    "The key may not ask for registry logins: let it, or the role, do "
    "ecr:GetAuthorizationToken (AmazonEC2ContainerRegistryPullOnly)."
)
_LIMITED = "Amazon limits requests: it is asked again later."
_SKEWED = "Amazon says that the time is wrong: check the clock of this server."
# Amazon says it with the code for a wrong signature; a wrong clock must not condemn every key.
_CLOCK_WORDS = (b"signature expired", b"signature not yet current")

WORDS: Words = {
    **dict.fromkeys(
        (
            "InvalidClientTokenId",
            "UnrecognizedClientException",
            "SignatureDoesNotMatch",
            "InvalidSignatureException",
            "IncompleteSignature",
            "AuthFailure",
        ),
        Judgement(VerdictKind.REJECTED, _WRONG_KEY),
    ),
    "ExpiredToken": Judgement(VerdictKind.EXPIRED, _ENDED),
    "ExpiredTokenException": Judgement(VerdictKind.EXPIRED, _ENDED),
    "AccessDenied": Judgement(VerdictKind.DENIED, _MAY_NOT),
    "AccessDeniedException": Judgement(VerdictKind.DENIED, _MAY_NOT),
    "Throttling": Judgement(VerdictKind.RATE_LIMITED, _LIMITED),
    "ThrottlingException": Judgement(VerdictKind.RATE_LIMITED, _LIMITED),
    "TooManyRequestsException": Judgement(VerdictKind.RATE_LIMITED, _LIMITED),
    "RequestExpired": Judgement(VerdictKind.UNREACHABLE, _SKEWED, "clock"),
    "RequestTimeTooSkewed": Judgement(VerdictKind.UNREACHABLE, _SKEWED, "clock"),
}


PUBLIC_WORDS: Words = {
    **WORDS,
    **dict.fromkeys(
        ("AccessDenied", "AccessDeniedException"),
        Judgement(
            VerdictKind.DENIED,
            "The key may not ask for logins of the public registry: let it do "
            "ecr-public:GetAuthorizationToken and sts:GetServiceBearerToken.",
        ),
    ),
}

_UNKNOWN_KEY = frozenset({"UnrecognizedClientException", "InvalidClientTokenId"})
"""What a region says of a key that is wrong, and of one that it does not know."""

# By the beginning of a region's name: one of its partition that knows every key of it. Partitions
# behind their own walls have none that can be asked from here.
_HOMES = (
    ("us-gov-", "us-gov-west-1"),
    ("cn-", "cn-north-1"),
    ("us-iso", None),
    ("", "us-east-1"),
)

_NOT_THERE = (
    "The key is good, and this region does not know it: it is switched off for the account, or "
    "belongs to another partition."
)

_MAY_NOT_ASSUME = (
    "The key may not become the role: let it do sts:AssumeRole, and let the role's trust policy "
    "name it (with the external id, if the policy asks for one)."
)
_ROLE_WORDS: Words = {
    **WORDS,
    "AccessDenied": Judgement(VerdictKind.DENIED, _MAY_NOT_ASSUME),
    "AccessDeniedException": Judgement(VerdictKind.DENIED, _MAY_NOT_ASSUME),
}


class AccessKey(NamedTuple):
    """An access key, and the token of its session if it has one."""

    id: str
    secret: Secret
    session_token: Secret | None = None


def assume_role(
    ask: Ask, key: AccessKey, region: str, role: str
) -> Generator[Request, Reply, AccessKey]:
    """Return a session of the role.

    https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
    """
    origin = ask.origin("sts", f"sts.{region}.{domain_of(region)}")
    fields = {
        "Action": "AssumeRole",
        "Version": "2011-06-15",
        "RoleArn": role,
        "RoleSessionName": "regcred",
    }
    if external := ask.delivery.settings.get("external_id"):
        fields["ExternalId"] = external
    request = Request(
        "POST",
        origin,
        "/",
        proof=signed_by(origin, key, "sts", region),
        headers=(("Content-Type", "application/x-www-form-urlencoded"),),
        content=urlencode(fields).encode(),
    )
    reply = yield from asked(request, _ROLE_WORDS, error_code)
    told = _xml_texts(reply.body)
    try:
        return AccessKey(
            told["AccessKeyId"], Secret(told["SecretAccessKey"]), Secret(told["SessionToken"])
        )
    except (KeyError, InvalidInput):
        raise odd() from None


def sure_that_it_is_wrong(
    ask: Ask, key: AccessKey, refused: Refused, region: str
) -> Dialogue[Refused]:
    """Return what a region's refusal comes to, once those were asked that know every key.

    A region that is switched off says of a good key what all say of a wrong one. The partition of
    the region must say so too; another one's silence says nothing, since many networks do not
    reach it. Raise Unanswered.
    """
    own = next(home for prefix, home in _HOMES if region.startswith(prefix))
    if refused.code not in _UNKNOWN_KEY or own is None:
        return refused
    others = [home for _, home in _HOMES if home not in (own, None)]
    for home in (own, *others):
        try:
            yield from _introduce(ask, key, home)
        except Refused as answer:
            if answer.finding.kind is not VerdictKind.REJECTED:
                return answer
        except Unanswered:
            if home == own:
                raise
        else:
            return Refused(
                Finding(VerdictKind.DENIED, {**refused.finding.evidence, "note": _NOT_THERE})
            )
    return refused


def _introduce(ask: Ask, key: AccessKey, region: str) -> Generator[Request, Reply, None]:
    """Ask whose the key is. Raise Refused, Unanswered.

    https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
    """
    origin = ask.origin("sts", f"sts.{region}.{domain_of(region)}")
    request = Request(
        "POST",
        origin,
        "/",
        proof=signed_by(origin, key, "sts", region),
        headers=(("Content-Type", "application/x-www-form-urlencoded"),),
        content=b"Action=GetCallerIdentity&Version=2011-06-15",
    )
    yield from asked(request, WORDS, error_code)


def signed_by(origin: Origin, key: AccessKey, service: str, region: str) -> AWSProof:
    """Return the proof of a request to one service in one region."""
    return AWSProof(
        origin, Attach.AWS_SIGNATURE, key.secret, key.id, service, region, key.session_token
    )


def domain_of(region: str) -> str:
    """Return the domain that a region's services are in."""
    return next(domain for prefix, domain in _PARTITIONS if region.startswith(prefix))


def error_code(reply: Reply) -> str:
    """Return the error code, which is JSON or XML by which of Amazon's walls refuses."""
    if any(words in reply.body.lower() for words in _CLOCK_WORDS):
        return "RequestTimeTooSkewed"
    told = json_object(reply)
    kind = told.get("__type") or told.get("code")
    if isinstance(kind, str):
        return kind.rpartition("#")[2].partition(":")[0]
    return _xml_texts(reply.body).get("Code", "")


def _xml_texts(body: bytes) -> Mapping[str, str]:
    """Return the text of each element by its name without the namespace; {} for what is no XML."""
    try:
        root = ET.fromstring(body)  # noqa: S314  64 KiB at most; expat bounds what entities grow to
    except (ET.ParseError, ValueError):
        return {}
    return {element.tag.rpartition("}")[2]: element.text or "" for element in root.iter()}


def stored_key(username: str, secret: Secret) -> AccessKey:
    """Return the access key of what was typed in: its secret half, or what `aws sts` prints."""
    told = session_fields(secret.reveal())
    if told is None:
        return AccessKey(username, secret)
    token = told.get("SessionToken")
    return AccessKey(
        username, Secret(told["SecretAccessKey"]), Secret(token) if token is not None else None
    )


def session_fields(text: str) -> Mapping[str, str] | None:
    """Return the fields of the JSON that `aws sts` prints, None for any other text.

    https://docs.aws.amazon.com/STS/latest/APIReference/API_Credentials.html
    """
    if not text.lstrip().startswith("{"):
        return None
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if isinstance(told, dict) and isinstance(told.get("Credentials"), dict):
        told = told["Credentials"]
    if not isinstance(told, dict):
        return {}
    return {name: value for name, value in told.items() if isinstance(value, str)}
