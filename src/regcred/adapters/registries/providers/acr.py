"""Azure's container registries, one host a registry.

A service principal's secret gets a token of Microsoft Entra, which the registry exchanges for a
refresh token of about three hours, and that, if the login is for some repositories alone, for an
access token of about an hour that opens these and nothing else
(https://github.com/Azure/acr/blob/main/docs/AAD-OAuth.md). Both serve as a docker password.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from datetime import datetime

from regcred.adapters.registries.bearer import expiry_of, read_bearer
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
from regcred.adapters.registries.judgement import Judgement, Row, says
from regcred.adapters.registries.messages import Attach, Proof, Reply, Request
from regcred.adapters.registries.origins import Origin
from regcred.adapters.registries.provider import Provider, Quirks
from regcred.domain.credential import Delivery, Draft
from regcred.domain.errors import InvalidInput
from regcred.domain.ports import UNKNOWN_PLACE
from regcred.domain.secret import Secret
from regcred.domain.verdict import VerdictKind

TOKEN_USER = "00000000-0000-0000-0000-000000000000"  # noqa: S105  what Azure calls the null GUID
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.IGNORECASE)
_TENANT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?\Z")
_REPOSITORY = re.compile(r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*\Z")
_MAX_REPOSITORIES = 64

# Which Entra, and for whom its token is, by the cloud that the registry is in.
_CLOUDS = {
    ".azurecr.io": ("login.microsoftonline.com", "https://containerregistry.azure.net/.default"),
    ".azurecr.us": ("login.microsoftonline.us", "https://management.usgovcloudapi.net/.default"),
    ".azurecr.cn": ("login.chinacloudapi.cn", "https://management.chinacloudapi.cn/.default"),
}

_NOT_ACCEPTED = (
    "Entra does not accept the service principal's secret: create a new one and replace the "
    "password. It asks for the secret's value, not its id."
)
_ENTRA_WORDS: Words = {
    "invalid_client": Judgement(VerdictKind.REJECTED, _NOT_ACCEPTED),
    "unauthorized_client": Judgement(
        VerdictKind.REJECTED,
        "The tenant has no such application: check the user name and `tenant_id`.",
    ),
    "invalid_request": Judgement(
        VerdictKind.UNSUPPORTED,
        "Entra does not understand the question: check `tenant_id`.",
    ),
    "invalid_resource": Judgement(
        VerdictKind.DENIED,
        "Entra gives this application no token for container registries.",
    ),
}
_FIREWALL = Judgement(
    VerdictKind.UNREACHABLE,
    "The registry's firewall does not let this server in: allow its address there.",
    "firewall",
)
_REGISTRY_WORDS: Words = {
    "FIREWALL": _FIREWALL,
    "UNAUTHORIZED": Judgement(
        # Entra has accepted the secret by then.
        VerdictKind.DENIED,
        "The registry does not take Entra's token: is the service principal in its tenant?",
    ),
    "DENIED": Judgement(
        VerdictKind.DENIED,
        "The registry lets the service principal do nothing: give it the role AcrPull.",
    ),
}
_REFRESH_WORDS: Words = {
    **_REGISTRY_WORDS,
    "UNAUTHORIZED": Judgement(
        VerdictKind.REJECTED,
        "The registry does not take the refresh token: it ends after about three hours. Store a "
        "service principal instead.",
    ),
}
_FIREWALL_WORDS = b"is not allowed access"


def _place(delivery: Delivery, host: str) -> str | None:
    """Return the registry that gives the login; None for a secret that has no exchange."""
    principal = _UUID.match(delivery.username) and "tenant_id" in delivery.settings
    narrowed = delivery.username == TOKEN_USER and "repositories" in delivery.settings
    if not (principal or narrowed):
        return None
    return host if host.endswith(tuple(_CLOUDS)) else UNKNOWN_PLACE


def _begin(ask: Ask) -> Exchanging:
    registry = ask.origin("acr", ask.place)
    token = ask.secret
    if ask.delivery.username != TOKEN_USER:
        token = yield from _refresh_token(ask, registry, (yield from _entra_token(ask)))
    if "repositories" in ask.delivery.settings:
        token = yield from _narrowed(ask, registry, token)
    ends = expiry_of(token)
    if ends is None:
        raise odd("The registry's token does not say when it ends.")
    return Obtained(TOKEN_USER, token, ends)


def _entra_token(ask: Ask) -> Generator[Request, Reply, Secret]:
    """Return an access token of Entra for container registries.

    https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
    """
    host, audience = next(c for suffix, c in _CLOUDS.items() if ask.place.endswith(suffix))
    origin = ask.origin("azure", host)
    request = Request(
        "POST",
        origin,
        f"/{ask.delivery.settings['tenant_id']}/oauth2/v2.0/token",
        form=(("grant_type", Attach.CLIENT_GRANT.value), ("scope", audience)),
        proof=Proof(origin, Attach.CLIENT_GRANT, ask.secret, ask.delivery.username),
    )
    return _bearer((yield from asked(request, _ENTRA_WORDS, _entra_code)), "access_token")


def _refresh_token(ask: Ask, registry: Origin, token: Secret) -> Generator[Request, Reply, Secret]:
    request = Request(
        "POST",
        registry,
        "/oauth2/exchange",
        form=(
            ("grant_type", "access_token"),
            ("service", ask.place),
            ("tenant", ask.delivery.settings["tenant_id"]),
        ),
        proof=Proof(registry, Attach.ACCESS_TOKEN, token),
    )
    return _bearer((yield from asked(request, _REGISTRY_WORDS, _registry_code)), "refresh_token")


def _narrowed(ask: Ask, registry: Origin, token: Secret) -> Generator[Request, Reply, Secret]:
    scopes = (f"repository:{name}:pull" for name in _names(ask.delivery.settings["repositories"]))
    request = Request(
        "POST",
        registry,
        "/oauth2/token",
        form=(
            ("grant_type", Attach.REFRESH_GRANT.value),
            ("service", ask.place),
            ("scope", " ".join(scopes)),
        ),
        proof=Proof(registry, Attach.REFRESH_GRANT, token),
    )
    stored = ask.delivery.username == TOKEN_USER
    words = _REFRESH_WORDS if stored else _REGISTRY_WORDS
    return _bearer((yield from asked(request, words, _registry_code)), "access_token")


def _bearer(reply: Reply, name: str) -> Secret:
    token = read_bearer(json_object(reply).get(name))
    if token is None:
        raise odd()
    return token


def _entra_code(reply: Reply) -> str:
    return str(json_object(reply).get("error", ""))


def _registry_code(reply: Reply) -> str:
    """Return the code of the first error, as the distribution specification has them."""
    if _FIREWALL_WORDS in reply.body:
        return "FIREWALL"
    errors = json_object(reply).get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    return str(first.get("code", "")) if isinstance(first, dict) else ""


def _names(value: str) -> list[str]:
    return value.replace(",", " ").split()


def _rejected(username: str) -> str:
    if username == TOKEN_USER:
        return "Such a token works for about three hours: store a service principal instead."
    return (
        "A secret past its date is refused, a service principal's secret id in place of its value, "
        "and the admin user while it is switched off."
    )


_QUIRKS = Quirks(
    rejected_note=_rejected,
    denied_note=(
        "A service principal needs the role AcrPull (Container Registry Repository Reader where "
        "the registry asks for roles by repository); a token's scope map needs content/read on "
        "this repository."
    ),
    rows=(Row(None, {403}, _FIREWALL, says(_FIREWALL_WORDS.decode())),),
)


def _tenant_setting(value: str) -> None:
    if not _TENANT.match(value):
        raise ValueError("must be the tenant's id or one of its domains")


def _repositories_setting(value: str) -> None:
    names = _names(value)
    if not 1 <= len(names) <= _MAX_REPOSITORIES or not all(map(_REPOSITORY.match, names)):
        raise ValueError(f"must be 1 to {_MAX_REPOSITORIES} repositories, separated by commas")


_OWN = {"tenant_id", "repositories"}


def _check(draft: Draft) -> None:
    """Refuse settings that the login could make no use of."""
    username, settings = draft.username, draft.settings
    if "tenant_id" in settings and not (_UUID.match(username) and username != TOKEN_USER):
        raise InvalidInput(
            "settings.tenant_id", "goes with a service principal: its application id as user name"
        )
    if "repositories" in settings and "tenant_id" not in settings and username != TOKEN_USER:
        raise InvalidInput(
            "settings.repositories", "needs `tenant_id` beside it, or a refresh token as password"
        )
    if settings.keys() & _OWN and (
        draft.registry_url is None or any(scope.pattern for scope in draft.scopes)
    ):
        raise InvalidInput("registry_url", "must name one registry: it gives the logins")


def _expiry(draft: Draft) -> datetime | None:
    return expiry_of(draft.password) if draft.username == TOKEN_USER else None


PROVIDER = Provider(
    slug="acr",
    title="Azure Container Registry",
    hosts=tuple(f"*{suffix}" for suffix in _CLOUDS),
    settings={"tenant_id": _tenant_setting, "repositories": _repositories_setting},
    check=_check,
    expiry=_expiry,
    exchange=Exchange(_place, _begin),
    help=(
        "Type in a service principal's application id and secret (role AcrPull), with its "
        "`tenant_id`: pullers get a login of three hours that is renewed in time, never the "
        "secret; with `repositories` one of an hour that opens these alone. Or type in the name "
        "and password of a token whose scope map has content/read on the repositories."
    ),
    lifetime=(
        "A service principal's secret until its date; "
        "a token's password until its own, or for ever."
    ),
    link="https://learn.microsoft.com/azure/container-registry/container-registry-authentication",
    quirks=_QUIRKS,
)
