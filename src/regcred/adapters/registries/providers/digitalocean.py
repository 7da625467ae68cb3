"""DigitalOcean's container registry.

An API token mints docker credentials that may only read and that end by themselves
(https://docs.digitalocean.com/reference/api/reference/container-registries/); the token, which
opens the whole account, never reaches a puller.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import timedelta
from urllib.parse import urlencode

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
from regcred.adapters.registries.messages import Attach, Proof, Reply, Request
from regcred.adapters.registries.provider import Provider, Quirks
from regcred.domain.credential import Delivery, Draft
from regcred.domain.errors import InvalidInput
from regcred.domain.registry import Scope
from regcred.domain.secret import Secret
from regcred.domain.verdict import VerdictKind

_HOST = "registry.digitalocean.com"
# Personal tokens and those of applications; before 2022 a token was 64 hex digits and no more.
_API_TOKEN = re.compile(r"(?:do[op]_v1_)?[0-9a-f]{64}\Z")
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
_HOURS = re.compile(r"[1-9][0-9]{0,2}\Z")
_DEFAULT_HOURS, _MAX_HOURS = "12", 720

_NOT_ACCEPTED = (
    "DigitalOcean does not accept the API token: create a new one and replace the password."
)
_WORDS: Words = {
    "Unauthorized": Judgement(VerdictKind.REJECTED, _NOT_ACCEPTED),
    "unauthorized": Judgement(VerdictKind.REJECTED, _NOT_ACCEPTED),
    "Forbidden": Judgement(VerdictKind.DENIED, "The API token needs the scope registry:read."),
    "forbidden": Judgement(VerdictKind.DENIED, "The API token needs the scope registry:read."),
    "not_found": Judgement(
        VerdictKind.DENIED,
        "The token's account has no such registry: check the name in the registry's address.",
    ),
}


def _place(delivery: Delivery, _host: str) -> str | None:
    """An e-mail address stands beside an API token; minted credentials are their own user name."""
    return "" if "@" in delivery.username else None


def _begin(ask: Ask) -> Exchanging:
    origin = ask.origin("digitalocean", "api.digitalocean.com")
    hours = int(ask.delivery.settings.get("lifetime_hours", _DEFAULT_HOURS))
    life = timedelta(hours=hours)
    query = urlencode({"expiry_seconds": int(life.total_seconds()), "read_write": "false"})
    request = Request(
        "GET",
        origin,
        f"/v2/{_registry(ask.delivery)}/docker-credentials?{query}",
        ("application/json",),
        proof=Proof(origin, Attach.BEARER, ask.secret),
    )
    reply = yield from asked(request, _WORDS, _code)
    auths = json_object(reply).get("auths")
    entry = auths.get(_HOST) if isinstance(auths, dict) else None
    auth = entry.get("auth") if isinstance(entry, dict) else None
    try:
        username, _, password = base64.b64decode(str(auth), validate=True).decode().partition(":")
        return Obtained(username, Secret(password), ask.now + life)
    except (ValueError, binascii.Error, InvalidInput):
        raise odd() from None


def _registry(delivery: Delivery) -> str:
    """Return the API's path of the registry: by the name in the address, else the account's own."""
    names = {Scope.parse(text).path.partition("/")[0] for text in delivery.scopes}
    name = names.pop() if len(names) == 1 else ""
    return f"registries/{name}" if _NAME.match(name) else "registry"


def _code(reply: Reply) -> str:
    return str(json_object(reply).get("id", ""))


def _check(draft: Draft) -> None:
    """Keep API tokens out of user names, which are shown to everyone who may list logins."""
    rule = "must be the account's e-mail address beside an API token (which is exchanged)"
    if _API_TOKEN.match(draft.username):
        raise InvalidInput("username", rule + ": user names are shown")
    if "@" not in draft.username and _API_TOKEN.match(draft.password.reveal()):
        raise InvalidInput("username", rule)


def _rejected(username: str) -> str:
    if "@" in username:
        return "Make a new API token with registry:read and replace the password."
    return (
        "Registry credentials past their date or deleted are refused: download new ones, or store "
        "an API token beside the account's e-mail address."
    )


_DENIED = (
    "The token needs the scope registry:read and must be of the team that this registry belongs to."
)


def _lifetime_setting(value: str) -> None:
    if not _HOURS.match(value) or int(value) > _MAX_HOURS:
        raise ValueError(f"must be 1 to {_MAX_HOURS}: hours")


PROVIDER = Provider(
    slug="digitalocean",
    title="DigitalOcean Container Registry",
    hosts=(_HOST,),
    settings={"lifetime_hours": _lifetime_setting},
    check=_check,
    exchange=Exchange(_place, _begin),
    help=(
        "Type in your account's e-mail address and an API token with the scope registry:read: "
        "pullers get read-only credentials of 12 hours (or `lifetime_hours`) that are renewed in "
        "time, never the token. Or type in the user name and password of read-only registry "
        "credentials."
    ),
    lifetime=(
        "An API token until its date, or for ever; registry credentials as long as was asked for."
    ),
    link="https://docs.digitalocean.com/products/container-registry/",
    quirks=Quirks(rejected_note=_rejected, denied_note=_DENIED),
)
