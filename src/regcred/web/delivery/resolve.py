"""`POST /v1/projects/{project}/resolve`: the logins for an image, as JSON."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from regcred.domain.errors import InvalidInput
from regcred.domain.registry import ImageReference
from regcred.usecases.open_login import Login, Withheld
from regcred.usecases.pull import Presented, Question, Resolution, question_for_image
from regcred.usecases.resolve_image import ResolveImage
from regcred.web.delivery.exchange import JSON_HEADERS, Asked
from regcred.web.dialect import Answer
from regcred.web.json_body import parse_object
from regcred.web.times import timestamp

_FIELDS = frozenset({"image", "client", "force"})
_MAX_CLIENT = 64
_MAX_REMEMBERED = 512


class _Ask(NamedTuple):
    """What a body asks for."""

    reference: ImageReference
    question: Question
    client: str
    force: bool


class Resolve:
    """Parse, resolve, render."""

    def __init__(self, resolve: ResolveImage) -> None:
        self._resolve = resolve

    async def __call__(self, asked: Asked) -> Answer:
        """Answer one question. Raise any RegcredError."""
        ask = _ask(asked.json_body())
        resolution = await self._resolve(asked.presented(ask.client), ask.question, force=ask.force)
        return Answer(200, JSON_HEADERS, _rendered(ask.reference, resolution))

    def at_once(
        self,
        presented: Presented,
        body: bytes,
        answered: Callable[[bytes], None],
        otherwise: Callable[[], None],
    ) -> bool:
        """Have one of the two called, or return False; see `FastPath`. Raise any RegcredError."""
        reference, question, client, force = _ask(body)
        if client:
            presented = presented._replace(client=client)

        def resolved(resolution: Resolution) -> None:
            answered(_rendered(reference, resolution))

        return self._resolve.at_once(presented, question, resolved, otherwise, force=force)


def _ask(body: bytes) -> _Ask:
    return _remembered(body) if len(body) <= _MAX_REMEMBERED else _read(body)


def _read(content: bytes) -> _Ask:
    body = parse_object(content)
    if not body.keys() <= _FIELDS:
        raise InvalidInput("body", f"must have no other fields than {', '.join(sorted(_FIELDS))}")
    image, client, force = body.get("image"), body.get("client", ""), body.get("force", False)
    if not isinstance(image, str):
        raise InvalidInput("image", "must be given, as text")
    if not (isinstance(client, str) and len(client) <= _MAX_CLIENT and client.isprintable()):
        raise InvalidInput("client", f"must be at most {_MAX_CLIENT} printable characters")
    if not isinstance(force, bool):
        raise InvalidInput("force", "must be true or false")
    return _Ask(*question_for_image(image), client, force)


# A pure function of bytes without a secret, which many nodes send again and again.
# Small: what strangers send fills it too, before anyone looks at a key.
_remembered = lru_cache(maxsize=2048)(_read)


def _rendered(reference: ImageReference, resolution: Resolution) -> bytes:
    shown = {
        "reference": {
            "registry": reference.registry,
            "repository": reference.repository,
            "tag": reference.tag,
            "digest": reference.digest,
        },
        "logins": [_login(login) for login in resolution.logins],
        "withheld": [_withheld(login) for login in resolution.withheld],
    }
    return orjson.dumps(shown)


def _login(login: Login) -> dict[str, Any]:
    return {
        "credential": {"id": login.credential_id, "name": login.credential_name},
        "registry": login.registry,
        "username": login.username,
        "password": login.password.reveal(),
        "expires_at": None if login.expires_at is None else timestamp(login.expires_at),
    }


def _withheld(login: Withheld) -> dict[str, Any]:
    return {
        "credential": {"id": login.credential_id, "name": login.credential_name},
        "verdict": login.verdict,
        **({"reason": login.reason} if login.reason else {}),
    }
