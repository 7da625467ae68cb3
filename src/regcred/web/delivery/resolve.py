"""`POST /v1/projects/{project}/resolve`: the logins for an image, as JSON."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any, NamedTuple

import orjson

from regcred.domain.errors import InvalidInput
from regcred.domain.registry import ImageReference
from regcred.usecases.open_login import Login, Withheld
from regcred.usecases.pull import Presented, Question, Resolution, question_for_image
from regcred.usecases.resolve_image import ResolveImage
from regcred.usecases.resolving import Asked, Found
from regcred.web.delivery.exchange import JSON_HEADERS
from regcred.web.delivery.exchange import Asked as Request
from regcred.web.delivery.fast_path import Taken
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

    async def __call__(self, asked: Request) -> Answer:
        """Answer one question. Raise any RegcredError."""
        ask = _ask(asked.json_body())
        resolution = await self._resolve(asked.presented(ask.client), ask.question, force=ask.force)
        return Answer(200, JSON_HEADERS, _rendered(ask.reference, resolution))

    def at_once(self, presented: Presented, body: bytes, taken: Taken) -> bool:
        """Have `taken` told, or return False. Raise any RegcredError. See `FastPath`."""
        reference, question, client, force = _ask(body)
        if client:
            presented = presented._replace(client=client)
        asked = self._resolve.at_once(presented, question, force=force)
        if asked is None:
            return False
        self._resolve.join(_Waiting(self._resolve, asked, reference, taken))
        return True


class _Waiting:
    """A request that was taken, in its wave."""

    __slots__ = ("_reference", "_resolve", "_taken", "asked")

    def __init__(
        self, resolve: ResolveImage, asked: Asked, reference: ImageReference, taken: Taken
    ) -> None:
        self.asked = asked
        self._resolve = resolve
        self._reference = reference
        self._taken = taken

    def done(self, answer: Resolution | Found) -> None:
        """Answer, or go on in a task with what was found."""
        if isinstance(answer, Found):
            self._go_on(answer)
        else:
            self._taken.answered(partial(_rendered, self._reference, answer))

    def failed(self, error: BaseException) -> None:
        """Tell what is wrong, in a task."""
        self._go_on(error)

    def _go_on(self, outcome: Found | BaseException) -> None:
        async def rest() -> Answer:
            resolution = await self._resolve.conclude(self.asked, outcome)
            return Answer(200, JSON_HEADERS, _rendered(self._reference, resolution))

        self._taken.goes_on(rest)


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
