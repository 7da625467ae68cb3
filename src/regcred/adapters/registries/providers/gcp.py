"""Google's registries: Artifact Registry, and the Container Registry names that it took over.

A service account's key signs an assertion, for which Google gives an access token of an hour
(https://developers.google.com/identity/protocols/oauth2/service-account). The key never leaves.
"""

from __future__ import annotations

import base64
import binascii
import json
from datetime import timedelta

from regcred.adapters.registries import signing
from regcred.adapters.registries.bearer import read_token
from regcred.adapters.registries.exchange import (
    Ask,
    Exchange,
    Exchanging,
    Obtained,
    Words,
    asked,
    json_object,
    odd,
)
from regcred.adapters.registries.judgement import Judgement
from regcred.adapters.registries.messages import Attach, GoogleProof, Reply, Request
from regcred.adapters.registries.provider import Provider, Quirks
from regcred.domain.credential import Delivery, Draft
from regcred.domain.errors import InvalidInput
from regcred.domain.secret import Secret
from regcred.domain.verdict import VerdictKind

_DAY = 86400
_TOKEN_USER = "oauth2accesstoken"  # noqa: S105  a user name
_PLAIN, _ENCODED = "_json_key", "_json_key_base64"
_RULES = {
    _PLAIN: "must be a service account's whole JSON key with the user name _json_key",
    _ENCODED: "must be a service account's JSON key in base64 with that user name",
}
_ELSEWHERE = (
    "its token_uri must be Google's (https://oauth2.googleapis.com/token): keys of other "
    "universes are not exchanged"
)
_TOKEN_URIS = {
    None,
    signing.GOOGLE_AUDIENCE,
    "https://accounts.google.com/o/oauth2/token",  # in keys of many years ago
}

_WRONG_KEY = (
    "Google does not accept the key: it was deleted or disabled, or its account was. "
    "Create a new key and replace the password."
)
_WORDS: Words = {
    "invalid_grant": Judgement(VerdictKind.REJECTED, _WRONG_KEY),
    "invalid_client": Judgement(VerdictKind.REJECTED, _WRONG_KEY),
    "clock": Judgement(
        VerdictKind.UNREACHABLE,
        "Google says that the time is wrong: check the clock of this server.",
        "clock",
    ),
    "unauthorized_client": Judgement(
        VerdictKind.DENIED,
        "Google does not let this account get tokens: look at it in the Cloud console.",
    ),
}


def _place(delivery: Delivery, _host: str) -> str | None:
    return "" if delivery.username in _RULES else None


def _begin(ask: Ask) -> Exchanging:
    origin = ask.origin("gcp", "oauth2.googleapis.com")
    request = Request(
        "POST",
        origin,
        "/token",
        form=(("grant_type", Attach.ASSERTION.value),),
        proof=GoogleProof(origin, Attach.ASSERTION, _stored_key(ask), issued_at=ask.now),
    )
    reply = yield from asked(request, _WORDS, _code)
    token, told = read_token(reply.body), json_object(reply)
    seconds = told.get("expires_in")
    if token is None or not isinstance(seconds, int) or not 0 < seconds <= _DAY:
        raise odd()
    return Obtained(_TOKEN_USER, token.secret, ask.now + timedelta(seconds=seconds))


def _code(reply: Reply) -> str:
    told = json_object(reply)
    # It comes with the code for a wrong key; a wrong clock must not condemn every key.
    clock = "reasonable timeframe" in str(told.get("error_description", ""))
    return "clock" if clock else str(told.get("error", ""))


def _stored_key(ask: Ask) -> Secret:
    text = _plain(ask.secret.reveal(), encoded=ask.delivery.username == _ENCODED)
    return Secret(text) if text else ask.secret


def _check(draft: Draft) -> None:
    """Refuse what these user names never go with: half a key, or its id alone."""
    rule = _RULES.get(draft.username)
    if rule is None:
        return
    key = _key(draft.password.reveal(), encoded=draft.username == _ENCODED)
    if key is None:
        raise InvalidInput("password", rule)
    if len(str(key["private_key"])) > signing.MAX_PRIVATE_KEY:
        raise InvalidInput("password", "its private_key must be RSA of at most 3072 bits")
    if key.get("token_uri") not in _TOKEN_URIS:
        raise InvalidInput("password", _ELSEWHERE)


def _key(text: str, *, encoded: bool) -> dict[str, object] | None:
    try:
        key = json.loads(_plain(text, encoded=encoded))
    except (ValueError, RecursionError):
        return None
    whole = isinstance(key, dict) and {"client_email", "private_key"} <= key.keys()
    return key if whole else None


def _plain(text: str, *, encoded: bool) -> str:
    """Return the JSON of a key as it was typed in; "" for what is not base64."""
    if not encoded:
        return text
    try:
        return base64.b64decode(text, validate=False).decode()
    except (ValueError, binascii.Error):
        return ""


def _rejected(username: str) -> str:
    if username == _TOKEN_USER:
        return "An access token works for an hour at most: store the service account's key."
    if username in _RULES:
        return "The key or its service account was deleted or disabled: make a new key."
    return "Google takes three user names: _json_key, _json_key_base64 and oauth2accesstoken."


_DENIED = (
    "The account needs the role Artifact Registry Reader on this repository. Google says the same "
    "of a repository that is not there."
)

PROVIDER = Provider(
    slug="gcp",
    title="Google Artifact Registry",
    hosts=("gcr.io", "*.gcr.io", "*.pkg.dev"),
    check=_check,
    exchange=Exchange(_place, _begin, signing.GOOGLE, "gcp"),
    help=(
        "Type in _json_key and a service account's whole JSON key, or _json_key_base64 and the key "
        "in base64: pullers get an access token of an hour that is renewed in time, never the key. "
        "Or type in oauth2accesstoken and an access token. The account needs the role Artifact "
        "Registry Reader."
    ),
    lifetime="A JSON key until it is deleted; an access token for an hour.",
    link="https://cloud.google.com/artifact-registry/docs/docker/authentication",
    quirks=Quirks(rejected_note=_rejected, denied_note=_DENIED),
)
