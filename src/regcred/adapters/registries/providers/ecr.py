"""Amazon's registries: the private one of each account and region, and the public one.

A registry takes a password of 12 hours that an access key gets from Amazon's API
(https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html). The
key signs the question and is never sent. With a role the key first gets a session of that role.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from datetime import UTC, datetime

from regcred.adapters.registries import signing
from regcred.adapters.registries.aws import (
    PUBLIC_WORDS,
    WORDS,
    AccessKey,
    assume_role,
    domain_of,
    error_code,
    session_fields,
    signed_by,
    stored_key,
    sure_that_it_is_wrong,
)
from regcred.adapters.registries.exchange import (
    Ask,
    Exchange,
    Exchanging,
    Obtained,
    Refused,
    asked,
    json_object,
    odd,
)
from regcred.adapters.registries.judgement import Judgement, Row, Step
from regcred.adapters.registries.messages import Request
from regcred.adapters.registries.provider import Provider, Quirks
from regcred.domain.credential import Delivery, Draft
from regcred.domain.errors import InvalidInput
from regcred.domain.ports import UNKNOWN_PLACE
from regcred.domain.secret import Secret
from regcred.domain.verdict import VerdictKind

_LOGIN_USER = "AWS"
_PUBLIC = "public.ecr.aws"
_PUBLIC_REGION = "us-east-1"
"""The one region whose tokens the public registry takes."""

_ACCESS_KEY = re.compile(r"A[KS]IA[A-Z0-9]{12,124}\Z")
_REGION = re.compile(r"[a-z]{2,4}(?:-[a-z]+){1,3}-[0-9]{1,2}\Z")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]{1,512}\Z", re.ASCII)
_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}\Z", re.ASCII)
# <account>.dkr.ecr[-fips].<region>.<suffix>, and <account>.dkr-ecr[-fips].<region>.on.<suffix>
_HOST = re.compile(r"[^.]+\.dkr[.-]ecr(?:-fips)?\.([^.]+)\.(?:on\.)?(.+)\Z")


def _place(delivery: Delivery, host: str) -> str | None:
    """Return the region that gives the login; None for a login that Amazon gave already."""
    if not _ACCESS_KEY.match(delivery.username):
        return None
    if host == _PUBLIC or delivery.scopes == (_PUBLIC,):
        return _PUBLIC
    named = _HOST.match(host)
    region = named[1] if named else delivery.settings.get("region", "")
    return region if _REGION.match(region) else UNKNOWN_PLACE


def _begin(ask: Ask) -> Exchanging:
    key = stored_key(ask.delivery.username, ask.secret)
    region = _PUBLIC_REGION if ask.place == _PUBLIC else ask.place
    role = ask.delivery.settings.get("role_arn")
    try:
        if role is not None:
            key = yield from assume_role(ask, key, region, role)
        return (yield from _login(ask, key, region))
    except Refused as refused:
        raise (yield from sure_that_it_is_wrong(ask, key, refused, region)) from None


def _login(ask: Ask, key: AccessKey, region: str) -> Exchanging:
    public = ask.place == _PUBLIC
    service = "ecr-public" if public else "ecr"
    target = "SpencerFrontendService" if public else "AmazonEC2ContainerRegistry_V20150921"
    host = f"api.{service}.{region}.{domain_of(region)}"
    request = Request(
        "POST",
        origin := ask.origin(service, host),
        "/",
        ("application/json",),
        proof=signed_by(origin, key, service, region),
        headers=(
            ("Content-Type", "application/x-amz-json-1.1"),
            ("X-Amz-Target", f"{target}.GetAuthorizationToken"),
        ),
        content=b"{}",
    )
    reply = yield from asked(request, PUBLIC_WORDS if public else WORDS, error_code)
    data = json_object(reply).get("authorizationData")
    # The private API answers with a list of one, the public with the one itself.
    data = data[0] if isinstance(data, list) and data else data
    if not isinstance(data, dict):
        raise odd()
    try:
        login = base64.b64decode(str(data.get("authorizationToken")), validate=True).decode()
        username, _, password = login.partition(":")
        ends = datetime.fromtimestamp(float(data.get("expiresAt", "")), UTC)
        return Obtained(username, Secret(password), ends)
    except (ValueError, TypeError, OverflowError, OSError, binascii.Error, InvalidInput):
        raise odd() from None


_OWN = {"region", "role_arn", "external_id"}


def _check(draft: Draft) -> None:
    """Refuse half a session, and settings that only an exchange has use for."""
    if not _ACCESS_KEY.match(draft.username):
        if own := _OWN & draft.settings.keys():
            first = min(own)
            raise InvalidInput(f"settings.{first}", "goes with an access key as user name alone")
        return
    told = session_fields(draft.password.reveal())
    if told is None:
        return
    if not told.get("SecretAccessKey"):
        raise InvalidInput("password", "must be the secret access key, or the JSON of a session")
    if told.get("AccessKeyId", draft.username) != draft.username:
        raise InvalidInput("password", "is the session of another access key than the user name")


def _expiry(draft: Draft) -> datetime | None:
    """Return when a session ends, or the token that Amazon gave: both say so themselves."""
    text = draft.password.reveal()
    if _ACCESS_KEY.match(draft.username):
        return _time((session_fields(text) or {}).get("Expiration", ""))
    if draft.username != _LOGIN_USER:
        return None
    try:
        told = json.loads(base64.b64decode(text, validate=True))
        return datetime.fromtimestamp(float(told["expiration"]), UTC)
    except (ValueError, TypeError, KeyError, OverflowError, OSError, RecursionError):
        return None


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time.astimezone(UTC) if time.tzinfo is not None else None


def _region_setting(value: str) -> None:
    if not _REGION.match(value):
        raise ValueError("must be a region's name, as eu-central-1")


def _role_setting(value: str) -> None:
    if not _ROLE.match(value):
        raise ValueError("must be a role's ARN, as arn:aws:iam::123456789012:role/NAME")


def _external_id_setting(value: str) -> None:
    if not _EXTERNAL_ID.match(value):
        raise ValueError("must be 2 to 1224 letters, digits or + = , . @ : / - _")


def _rejected(username: str) -> str:
    if username != _LOGIN_USER:
        return (
            "Amazon's user name with a token is AWS, in capitals; or store an access key (AKIA…)."
        )
    return (
        "The token is of another region or another kind of registry, or a shell added something "
        "to it: ask for it anew in the registry's region."
    )


_QUIRKS = Quirks(
    rejected_note=_rejected,
    denied_note=(
        "Who asked for the token needs ecr:BatchGetImage and ecr:GetDownloadUrlForLayer on this "
        "repository (AmazonEC2ContainerRegistryPullOnly); in another account's registry, the "
        "repository's own policy must allow it as well."
    ),
    # What is no token of this registry at all is answered like a broken request.
    rows=tuple(
        Row(step, {400}, Judgement(VerdictKind.REJECTED))
        for step in (Step.LOGIN, Step.TOKEN, Step.SCOPED_TOKEN)
    ),
)

PROVIDER = Provider(
    slug="ecr",
    title="Amazon ECR",
    # As the kubelet's own provider configuration lists them, FIPS and isolated regions included.
    hosts=(
        "*.dkr.ecr.*.amazonaws.com",
        "*.dkr.ecr-fips.*.amazonaws.com",
        "*.dkr.ecr.*.amazonaws.com.cn",
        "*.dkr-ecr.*.on.aws",
        "*.dkr-ecr-fips.*.on.aws",
        "*.dkr-ecr.*.on.amazonwebservices.com.cn",
        "*.dkr.ecr.us-iso-east-1.c2s.ic.gov",
        "*.dkr.ecr.us-isob-east-1.sc2s.sgov.gov",
        _PUBLIC,
    ),
    settings={
        "region": _region_setting,
        "role_arn": _role_setting,
        "external_id": _external_id_setting,
    },
    check=_check,
    expiry=_expiry,
    exchange=Exchange(_place, _begin, signing.AWS, "aws", as_stored=False),
    help=(
        "Type in an access key's id (AKIA…) and its secret access key; pullers get a login of 12 "
        "hours that is renewed in time, never the key. Let it do ecr:GetAuthorizationToken and "
        "pull (AmazonEC2ContainerRegistryPullOnly). For a session type in its id (ASIA…) and the "
        "JSON that `aws sts` prints. `role_arn` names a role to become first, `external_id` what "
        "its trust policy asks for, `region` the region if the registry's name does not say it. "
        "Or type in AWS and what `aws ecr get-login-password` prints, for 12 hours."
    ),
    lifetime="An access key until it is deleted; a session or a login as long as it says itself.",
    link="https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html",
    quirks=_QUIRKS,
)
