"""`POST /v1/projects/{project}/kubelet-credential`: the kubelet's exec protocol, finished.

The plugin hands on what the kubelet wrote to it and prints what comes back, in the version that
was asked. The kubelet drops an answer with a field too many, so there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from regcred.domain.errors import InvalidInput, NotAuthenticated, RegcredError
from regcred.domain.secret import Secret
from regcred.domain.workload import is_pod_token
from regcred.usecases.serve_kubelet import KubeletAnswer, ServeKubelet
from regcred.web.delivery.exchange import JSON_HEADERS, Asked
from regcred.web.dialect import Answer
from regcred.web.json_body import parse_object

GROUP = "credentialprovider.kubelet.k8s.io"
VERSIONS = tuple(f"{GROUP}/{version}" for version in ("v1", "v1beta1", "v1alpha1"))
REQUEST, RESPONSE = "CredentialProviderRequest", "CredentialProviderResponse"
TOKEN, ANNOTATIONS = "serviceAccountToken", "serviceAccountAnnotations"
_FIELDS = ("apiVersion", "kind", "image", TOKEN, ANNOTATIONS)


@dataclass(frozen=True, slots=True)
class KubeletRequest:
    """A CredentialProviderRequest."""

    api_version: str
    image: str
    token: Secret | None = None
    """The pod's service account token, where the plugin is configured to get it."""


class KubeletCredential:
    """Parse, resolve, render."""

    def __init__(self, serve: ServeKubelet) -> None:
        self._serve = serve

    async def __call__(self, asked: Asked) -> Answer:
        """Answer one question. Raise any RegcredError."""
        request = read_request(asked.json_body())
        presented = asked.presented("kubelet")
        if request.token is not None:
            presented = presented._replace(key=_identity(request.token))
        answer = await self._serve(presented, request.image)
        return Answer(200, JSON_HEADERS, orjson.dumps(_rendered(request.api_version, answer)))


def _identity(token: Secret) -> str:
    """Return the token that stands in a key's place, and is none. Raise NotAuthenticated."""
    text = token.reveal()
    if not is_pod_token(text):
        raise NotAuthenticated("token", "it is no token in compact form")
    return text


def token_in(body: bytes) -> str | None:
    """Return the token that a request carries, whatever else is wrong with it."""
    try:
        token = _token(parse_object(body))
    except RegcredError:
        return None
    return None if token is None else token.reveal()


def read_request(body: bytes) -> KubeletRequest:
    """Read a request strictly. Raise MalformedRequest, InvalidInput naming the field.

    `image` is not looked at: what it means is the use case's to say.
    """
    parsed = parse_object(body)
    api_version, image = parsed.get("apiVersion"), parsed.get("image")
    if parsed.get("kind") != REQUEST:
        raise InvalidInput("kind", f"must be {REQUEST}")
    if api_version not in VERSIONS:
        raise InvalidInput("apiVersion", f"must be one of {', '.join(VERSIONS)}")
    # v1alpha1 and v1beta1 know an image alone (k8s.io/kubelet, apis/credentialprovider).
    fields = _FIELDS if api_version == VERSIONS[0] else _FIELDS[:3]
    for name in parsed:
        if name not in fields:
            raise InvalidInput(
                name if name in _FIELDS else "body",
                f"must have no other fields than {', '.join(fields)} in {api_version}",
            )
    if not isinstance(image, str):
        raise InvalidInput("image", "must be given, as text")
    _require_annotations(parsed)
    return KubeletRequest(api_version, image, _token(parsed))


def _token(parsed: Mapping[str, Any]) -> Secret | None:
    token = parsed.get(TOKEN)
    if token is None:
        return None
    if not isinstance(token, str):
        raise InvalidInput(TOKEN, "must be text")
    return Secret(token, field=TOKEN)


def _require_annotations(parsed: Mapping[str, Any]) -> None:
    """Pass if they are what the kubelet writes, or not there; nothing is decided by them."""
    annotations = parsed.get(ANNOTATIONS)
    if annotations is not None and (
        not isinstance(annotations, dict)
        or not all(isinstance(value, str) for value in annotations.values())
    ):
        raise InvalidInput(ANNOTATIONS, "must be an object of texts")


def _rendered(api_version: str, answer: KubeletAnswer) -> dict[str, Any]:
    rendered: dict[str, Any] = {
        "kind": RESPONSE,
        "apiVersion": api_version,
        "cacheKeyType": "Registry" if answer.whole_registry else "Image",
    }
    if answer.keep_for is not None:
        rendered["cacheDuration"] = f"{int(answer.keep_for.total_seconds())}s"
    rendered["auth"] = {
        key: {"username": login.username, "password": login.password.reveal()}
        for key, login in answer.logins
    } or None
    return rendered
