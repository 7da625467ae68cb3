"""The route class of every sub-application, and the Call that its handlers receive.

In this order: who asks (401), is the query known (422), is the body JSON (415, 400); only then
FastAPI's own validation and the handler. The body itself was read and bounded at the border.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from regcred.domain.access import Caller
from regcred.domain.errors import InvalidInput, MalformedRequest
from regcred.domain.ports import IdempotentRequest
from regcred.web.authentication import PresentedKey, only_header
from regcred.web.conditional import etag, expected_version, idempotency_key
from regcred.web.json_body import JSON, MERGE_PATCH, parse_object, require_media_type
from regcred.web.middleware import peer_of
from regcred.web.services import Services

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

_MEDIA_TYPES = {"PATCH": (JSON, MERGE_PATCH)}


class Call:
    """One authenticated request: who asks, what the headers ask for, and the use cases."""

    __slots__ = ("_request", "caller", "services")

    def __init__(self, caller: Caller, services: Services, request: Request) -> None:
        self.caller = caller
        self.services = services
        self._request = request

    async def expected_version(
        self, read_version: Callable[[], Coroutine[Any, Any, int]]
    ) -> int | None:
        """Return what If-Match expects. Raise InvalidInput and what `read_version` raises."""
        values = self._request.headers.getlist("if-match")
        return await expected_version(", ".join(values) if values else None, read_version)

    def idempotent(self) -> IdempotentRequest | None:
        """Return what makes this request repeatable, if the client said so. Raise InvalidInput."""
        key = idempotency_key(only_header(self._request.scope, b"idempotency-key"))
        if key is None:
            return None
        scope, principal = self._request.scope, str(self.caller.principal)
        digest = self.services.request_digest(
            scope["method"].encode(),
            scope["path"].encode(),
            scope["query_string"],
            principal.encode(),
            _canonical(scope["state"]["body"]),
        )
        return IdempotentRequest(principal, key, digest)


class StrictRoute(APIRoute):
    """Authenticates, refuses unknown query parameters, and reads JSON strictly."""

    def get_route_handler(self) -> Handler:
        """Wrap FastAPI's handler."""
        handle = super().get_route_handler()
        known = _query_names(self)
        takes_json = self.body_field is not None

        async def strict(request: Request) -> Response:
            services, presented_key = _shared(request)
            request.state.call = Call(
                await services.authenticate(
                    presented_key(request.scope),
                    request_id=request.state.request_id,
                    peer=peer_of(request.scope),
                ),
                services,
                request,
            )
            _check_query(request, known)
            body = await request.body()
            if not takes_json and body and not reads_raw_body(self):
                raise MalformedRequest("body", "must be empty")
            return await handle(_Parsed(request, body) if takes_json else request)

        return strict


class _Parsed(Request):
    """A request whose JSON was read by our rules; FastAPI never sees another's reading."""

    def __init__(self, request: Request, body: bytes) -> None:
        super().__init__(request.scope, request.receive)
        self._body = body
        if body:
            accepted = _MEDIA_TYPES.get(request.method, (JSON,))
            require_media_type(request.headers.getlist("content-type"), *accepted)
            self._json = parse_object(body)
        request.state.body = self._json if body else None


def raw_body(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """Mark an endpoint that reads its body itself, as bytes."""
    endpoint.__dict__["raw_body"] = True
    return endpoint


def reads_raw_body(route: APIRoute) -> bool:
    """Whether the endpoint of `route` was marked by `raw_body`."""
    return bool(getattr(route.endpoint, "raw_body", False))


def plain_app() -> FastAPI:
    """Return a FastAPI application without anything of FastAPI's own: no pages, no redirects.

    Its telemetry is off, because it could carry bodies.
    """
    return FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
    )


def share(app: FastAPI, services: Services, presented_key: PresentedKey) -> None:
    """Give the StrictRoutes of `app` what they need."""
    app.state.shared = (services, presented_key)


async def _call(request: Request) -> Call:
    call: Call = request.state.call
    return call


CallNow = Annotated[Call, Depends(_call)]
"""The parameter by which a handler receives its Call."""


def rendered(shape: BaseModel, status: int = 200, *, version: int | None = None) -> Response:
    """Return `shape` as the JSON answer, with the ETag of its version."""
    headers = {} if version is None else {"ETag": etag(version)}
    return Response(shape.model_dump_json(by_alias=True), status, headers, JSON)


def mark_replayed(answer: Response, *, replayed: bool) -> Response:
    """Return `answer`, saying so if an Idempotency-Key had done the work before."""
    if replayed:
        answer.headers["Idempotency-Replayed"] = "true"
    return answer


def _shared(request: Request) -> tuple[Services, PresentedKey]:
    shared: tuple[Services, PresentedKey] = request.app.state.shared
    return shared


def _query_names(route: APIRoute) -> frozenset[str]:
    names: set[str] = set()
    for field in route.dependant.query_params:
        model = field.field_info.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            names |= model.model_fields.keys()
        else:
            names.add(field.alias)
    return frozenset(names)


def _check_query(request: Request, known: frozenset[str]) -> None:
    """Refuse what would be ignored: a mistyped filter must not list everything."""
    if not request.scope["query_string"]:
        return
    seen: set[str] = set()
    for name, _ in request.query_params.multi_items():
        if name not in known:
            raise InvalidInput("query", "has a parameter that this operation does not know")
        if name in seen:
            raise InvalidInput(name, "must be given once")
        seen.add(name)


def _canonical(body: object) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
