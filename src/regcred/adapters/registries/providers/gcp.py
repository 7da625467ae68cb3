"""Google's registries: Artifact Registry, and the Container Registry names that it took over."""

from __future__ import annotations

import base64
import binascii
import json

from regcred.adapters.registries.provider import Provider
from regcred.domain.credential import Draft
from regcred.domain.errors import InvalidInput

_RULES = {
    "_json_key": "must be a service account's whole JSON key with the user name _json_key",
    "_json_key_base64": "must be a service account's JSON key in base64 with that user name",
}


def _check(draft: Draft) -> None:
    """Refuse what these user names never go with: half a key, or its id alone."""
    rule = _RULES.get(draft.username)
    if rule and not _is_key(draft.password.reveal(), encoded=draft.username != "_json_key"):
        raise InvalidInput("password", rule)


def _is_key(text: str, *, encoded: bool) -> bool:
    try:
        key = json.loads(base64.b64decode(text, validate=False) if encoded else text)
    except (ValueError, binascii.Error, RecursionError):
        return False
    return isinstance(key, dict) and {"client_email", "private_key"} <= key.keys()


PROVIDER = Provider(
    slug="gcp",
    title="Google Artifact Registry",
    hosts=("gcr.io", "*.gcr.io", "*.pkg.dev"),
    check=_check,
    help=(
        "Type in _json_key and a service account's whole JSON key, or _json_key_base64 and the key "
        "in base64, or oauth2accesstoken and an access token (which lives for an hour). The "
        "account needs the role Artifact Registry Reader."
    ),
    lifetime="A JSON key until it is deleted; an access token for an hour.",
    link="https://cloud.google.com/artifact-registry/docs/docker/authentication",
)
