"""The route class of every sub-application, and the Call that its handlers receive.

In this order: who asks (401), is there budget left (429), is the query known, is the body JSON
(415, 400); only then are the fields checked and the operation called. The body itself was read
and bounded at the border, which hands it over whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import lru_cache
from typing import Any, get_origin

import orjson
from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from regcred.domain.access import Caller
from regcred.domain.errors import InvalidInput, MalformedRequest, NotFound
from regcred.domain.ports import IdempotentRequest
from regcred.web.arguments import Arguments
from regcred.web.authentication import PresentedKey, only_header
from regcred.web.budget import take_request
from regcred.web.conditional import etag, expected_version, idempotency_key
from regcred.web.errors import allowed_methods
from regcred.web.json_body import JSON, MERGE_PATCH, parse_object, require_media_type
from regcred.web.middleware import peer_of
from regcred.web.refusals import MethodNotAllowed
from regcred.web.services import Services

_RAW = "reads_its_body_as_bytes"
_MAX_REMEMBERED = 256
"""Characters of a path."""

_MEDIA_TYPES = {"PATCH": (JSON, MERGE_PATCH)}


class Call(Request):
    """One authenticated request: who asks, what the headers ask for, and the use cases.

    A Request, so that FastAPI takes a parameter that is annotated with it for no field.
    """

    def __init__(
        self, scope: Scope, receive: Receive, services: Services, caller: Caller, body: bytes
    ) -> None:
        super().__init__(scope, receive)
        self.caller = caller
        self.services = services
        self._body = body
        self._json: dict[str, Any] | None = None

    def read_json(self) -> dict[str, Any] | None:
        """Read the body as JSON, if there is one. Raise UnsupportedMediaType, MalformedRequest."""
        if self._body:
            accepted = _MEDIA_TYPES.get(self.method, (JSON,))
            sent = [v.decode("latin-1") for k, v in self.scope["headers"] if k == b"content-type"]
            require_media_type(sent, *accepted)
            self._json = parse_object(self._body)
        return self._json

    async def expected_version(
        self, read_version: Callable[[], Coroutine[Any, Any, int]]
    ) -> int | None:
        """Return what If-Match expects. Raise InvalidInput and what `read_version` raises."""
        values = self.headers.getlist("if-match")
        return await expected_version(", ".join(values) if values else None, read_version)

    def idempotent(self) -> IdempotentRequest | None:
        """Return what makes this request repeatable, if the client said so. Raise InvalidInput."""
        key = idempotency_key(only_header(self.scope, b"idempotency-key"))
        if key is None:
            return None
        scope, principal = self.scope, str(self.caller.principal)
        digest = self.services.request_digest(
            scope["method"].encode(),
            scope["path"].encode(),
            scope["query_string"],
            principal.encode(),
            _canonical(self._json),
        )
        return IdempotentRequest(principal, key, digest)


class StrictRoute(APIRoute):
    """Authenticates, counts, refuses unknown query parameters, and reads JSON strictly."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take what FastAPI takes, for the document too; requests are answered here."""
        super().__init__(*args, **kwargs)
        self._known, self._lists = _query_names(self)
        self._arguments = Arguments(self)
        self._takes_bytes = bool(getattr(self.endpoint, _RAW, False))
        self.app = self._answer

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        services, presented_key = _shared(scope)
        caller = await services.authenticate(
            presented_key(scope),
            request_id=scope["state"]["request_id"],
            peer=peer_of(scope),
        )
        services.admission.admit(scope, caller)
        take_request(scope, caller.project_id)
        if scope["query_string"]:
            self.check_query(Request(scope), self._known)
        body: bytes = (await receive())["body"]
        call = Call(scope, receive, services, caller, body)
        read = None
        if self.body_field is not None:
            read = call.read_json()
        elif body and not self._takes_bytes:
            self.check_no_body()
        answer: Response = await self.endpoint(**self._arguments(call, read))
        await answer(scope, receive, send)

    def check_query(self, request: Request, known: frozenset[str]) -> None:
        """Refuse what would be ignored: a mistyped filter must not list everything.

        Raise InvalidInput.
        """
        names = [name for name, _ in request.query_params.multi_items()]
        if not known.issuperset(names):
            raise InvalidInput("query", "has a parameter that this operation does not know")
        if repeated := _first_repeated([name for name in names if name not in self._lists]):
            raise InvalidInput(repeated, "must be given once")

    def check_no_body(self) -> None:
        """Refuse a body where none belongs. Raise MalformedRequest."""
        raise MalformedRequest("body", "must be empty")


class VendorRoute(StrictRoute):
    """A StrictRoute that ignores what an operation does not take, as the vendors do.

    Their lists have no filters that a mistyped parameter could be, and their SDKs send what they
    like. What an operation does take is read as strictly.
    """

    def check_query(self, request: Request, known: frozenset[str]) -> None:
        """Refuse a known parameter that is given twice. Raise MalformedRequest."""
        names = [name for name, _ in request.query_params.multi_items() if name in known]
        if repeated := _first_repeated(names):
            raise MalformedRequest(repeated, "must be given once")

    def check_no_body(self) -> None:
        """Let a body be that nobody looks at."""


def raw_body(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """Mark an endpoint that reads its body itself, as bytes."""
    endpoint.__dict__[_RAW] = True
    return endpoint


class _PlainApp(FastAPI):
    """FastAPI's routes, without what it puts around them and nothing here uses.

    What is raised leaves it: the border tells of that.
    """

    def __init__(self, **settings: Any) -> None:
        """Take what FastAPI takes."""
        super().__init__(**settings)
        # The same few paths come again and again; what strangers ask fills it too.
        self._remembered = lru_cache(maxsize=512)(self._find)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request. Raise NotFound, MethodNotAllowed and what its operation raises."""
        method, path = scope["method"], scope["path"]
        find = self._remembered if len(path) <= _MAX_REMEMBERED else self._find
        route, told = find(method, path)
        scope.update(told)
        scope["app"] = self
        if route is not None:
            await route.app(scope, receive, send)
            return
        allowed = allowed_methods(self.routes, path)
        if not allowed:
            raise NotFound
        if method != "OPTIONS":
            raise MethodNotAllowed(allowed)
        await Response(status_code=204, headers={"Allow": ", ".join(allowed)})(scope, receive, send)

    def _find(self, method: str, path: str) -> tuple[Route | None, Scope]:
        """Return the route that answers, and what scopes are told of it; nobody changes that.

        Without one: what they are told of the first that answers the path by another method.
        """
        partly: Scope | None = None
        for route in self.routes:
            match, told = route.matches({"type": "http", "method": method, "path": path})
            if match is Match.FULL and isinstance(route, Route):
                return route, told
            if match is Match.PARTIAL:
                partly = partly or told
        return None, partly or {}


def plain_app() -> FastAPI:
    """Return a FastAPI application without anything of FastAPI's own: no pages, no redirects.

    Its telemetry is off, because it could carry bodies.
    """
    return _PlainApp(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
    )


def share(app: FastAPI, services: Services, presented_key: PresentedKey) -> None:
    """Give the StrictRoutes of `app` what they need."""
    app.state.shared = (services, presented_key)


class _Rendered(Response):
    """A JSON answer, with the headers that it has and no others looked for."""

    def __init__(self, body: bytes, status: int, version: int | None) -> None:
        self.status_code = status
        self.background = None
        self.body = body
        self.raw_headers = [
            (b"content-length", b"%d" % len(body)),
            (b"content-type", JSON.encode()),
        ]
        if version is not None:
            self.raw_headers.append((b"etag", etag(version).encode()))

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": self.status_code}
        await send({**start, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body})


def rendered(
    shape: BaseModel | Mapping[str, Any], status: int = 200, *, version: int | None = None
) -> Response:
    """Return `shape` as the JSON answer, with the ETag of its version.

    As a mapping it is not checked: whoever made it holds it to what is documented.
    """
    if isinstance(shape, BaseModel):
        body = shape.model_dump_json(by_alias=True).encode()
    else:
        body = orjson.dumps(shape, option=orjson.OPT_UTC_Z)
    return _Rendered(body, status, version)


def mark_replayed(answer: Response, *, replayed: bool) -> Response:
    """Return `answer`, saying so if an Idempotency-Key had done the work before."""
    if replayed:
        answer.headers["Idempotency-Replayed"] = "true"
    return answer


def _shared(scope: Scope) -> tuple[Services, PresentedKey]:
    shared: tuple[Services, PresentedKey] = scope["app"].state.shared
    return shared


def _query_names(route: APIRoute) -> tuple[frozenset[str], frozenset[str]]:
    """Return which parameters a route knows, and which of them may be given more than once."""
    names: set[str] = set()
    lists: set[str] = set()
    for field in route.dependant.query_params:
        model = field.field_info.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            names |= model.model_fields.keys()
            lists |= {
                name
                for name, info in model.model_fields.items()
                if get_origin(info.annotation) is list
            }
        else:
            names.add(field.alias)
    return frozenset(names), frozenset(lists)


def _first_repeated(names: Sequence[str]) -> str | None:
    return next((name for name in names if names.count(name) > 1), None)


def _canonical(body: object) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
