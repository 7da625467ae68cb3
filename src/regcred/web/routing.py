"""The route class of every sub-application, and the Call that its handlers receive.

In this order: who asks (401), is there budget left (429), is the query known, is the body JSON
(415, 400); only then FastAPI's own validation and the handler. The body itself was read and
bounded at the border.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, get_origin

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from regcred.domain.access import Caller
from regcred.domain.errors import InvalidInput, MalformedRequest
from regcred.domain.ports import IdempotentRequest
from regcred.web.authentication import PresentedKey, only_header
from regcred.web.budget import take_request
from regcred.web.conditional import etag, expected_version, idempotency_key
from regcred.web.json_body import JSON, MERGE_PATCH, parse_object, require_media_type
from regcred.web.middleware import peer_of
from regcred.web.services import Services

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

_RAW = "reads_its_body_as_bytes"
_MEDIA_TYPES = {"PATCH": (JSON, MERGE_PATCH)}


class Call(Request):
    """One authenticated request: who asks, what the headers ask for, and the use cases.

    A Request, so that FastAPI hands it to whichever parameter is annotated with it, and so that
    what FastAPI reads as the body is what was parsed here.
    """

    def __init__(self, request: Request, caller: Caller, body: bytes) -> None:
        super().__init__(request.scope, request.receive)
        self.caller = caller
        self.services, _ = _shared(request)
        self._body = body

    def read_json(self) -> None:
        """Read the body as JSON, if there is one. Raise UnsupportedMediaType, MalformedRequest."""
        if self._body:
            accepted = _MEDIA_TYPES.get(self.method, (JSON,))
            require_media_type(self.headers.getlist("content-type"), *accepted)
            self._json = parse_object(self._body)

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
            _canonical(self._json if self._body else None),
        )
        return IdempotentRequest(principal, key, digest)


class StrictRoute(APIRoute):
    """Authenticates, counts, refuses unknown query parameters, and reads JSON strictly."""

    def get_route_handler(self) -> Handler:
        """Wrap FastAPI's handler."""
        handle = super().get_route_handler()
        known, self._lists = _query_names(self)
        takes_json = self.body_field is not None
        takes_bytes = bool(getattr(self.endpoint, _RAW, False))

        async def strict(request: Request) -> Response:
            services, presented_key = _shared(request)
            caller = await services.authenticate(
                presented_key(request.scope),
                request_id=request.state.request_id,
                peer=peer_of(request.scope),
            )
            services.admission.admit(request.scope, caller)
            take_request(request.scope, caller.project_id)
            self.check_query(request, known)
            call = Call(request, caller, await request.body())
            if takes_json:
                call.read_json()
            elif not takes_bytes and await call.body():
                self.check_no_body()
            return await handle(call)

        return strict

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
