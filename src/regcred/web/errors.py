"""Make a FastAPI sub-application tell every error as its dialect does, and echo nothing.

FastAPI's own answer to an invalid request quotes the whole input, passwords included (security
facts, section 0.4), and its message texts may quote it too. So only the path and a rule from the
table below leave; a message passes only where this package wrote it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic_core import PydanticCustomError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from regcred.domain.errors import InvalidInput, NotFound, RegcredError, Violation
from regcred.web.border import SERVER_ERROR, log_failure
from regcred.web.dialect import RenderError
from regcred.web.refusals import Internal, MethodNotAllowed

OWN_RULE = "regcred_rule"
"""The pydantic error type whose message is a rule of ours and may be shown."""

_RULES: Mapping[str, str] = {
    "missing": "must be given",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "list_type": "must be an array",
    "tuple_type": "must be an array",
    "enum": "must be one of the documented values",
    "literal_error": "must be one of the documented values",
    "extra_forbidden": "has a field that this operation does not know",
}
_ANY_RULE = "is not as documented"
_PARTS = frozenset({"body", "query", "path", "header", "cookie"})


def rule(text: str) -> PydanticCustomError:
    """Return an error to raise in a validator; `text` must not depend on the value."""
    return PydanticCustomError(OWN_RULE, text)


def violations(errors: Iterable[Mapping[str, Any]]) -> list[Violation]:
    """Return pydantic's errors as violations: paths and rules, nothing that was sent."""
    # One for all unknown fields of an object: their names are the sender's.
    return list(dict.fromkeys(Violation(_field(error), _rule(error)) for error in errors))


def install_errors(app: FastAPI, render_error: RenderError) -> None:
    """Answer every error of `app` through `render_error`."""

    def respond(request: Request, error: RegcredError) -> Response:
        answer = render_error(error, request.state.request_id)
        if answer.status >= SERVER_ERROR and not isinstance(error, Internal):
            log_failure(request.state.request_id, error)
        response = Response(answer.body, answer.status)
        response.raw_headers += answer.headers
        return response

    async def refused(request: Request, error: Exception) -> Response:
        return respond(request, error if isinstance(error, RegcredError) else Internal())

    async def invalid(request: Request, error: Exception) -> Response:
        found = error.errors() if isinstance(error, RequestValidationError) else []
        return respond(request, InvalidInput.of(violations(found)))

    async def unrouted(request: Request, _error: Exception) -> Response:
        allowed = allowed_methods(request.app.routes, request.scope["path"])
        if allowed and request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": ", ".join(allowed)})
        # The router refuses in two ways alone: no such path, or no such method on it.
        return respond(request, MethodNotAllowed(allowed) if allowed else NotFound())

    app.add_exception_handler(RegcredError, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, unrouted)


def allowed_methods(routes: Iterable[BaseRoute], path: str) -> tuple[str, ...]:
    """Return every method that some route answers at `path`, HEAD and OPTIONS with them."""
    methods: set[str] = set()
    for route in routes:
        if (regex := getattr(route, "path_regex", None)) is not None and regex.match(path):
            methods |= getattr(route, "methods", None) or set()
    if not methods:
        return ()
    if "GET" in methods:
        methods.add("HEAD")
    return tuple(sorted({*methods, "OPTIONS"}))


def _rule(error: Mapping[str, Any]) -> str:
    kind = str(error["type"])
    return str(error["msg"]) if kind == OWN_RULE else _RULES.get(kind, _ANY_RULE)


def _field(error: Mapping[str, Any]) -> str:
    """Return the dotted path, without names that the sender chose.

    Those are an unknown field's, and the keys of maps, which stand two deep.
    """
    location = list(error["loc"])
    if error["type"] == "extra_forbidden":
        location = location[:-1]
    if len(location) > 1 and location[0] in _PARTS:
        location = location[1:]
    field, *inside = map(str, location)
    return ".".join([field, *(part if part.isdigit() else "*" for part in inside)])
