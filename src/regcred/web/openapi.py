"""OpenAPI 3.1 documents: what FastAPI writes of the routes, and what all operations share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from regcred.web.json_body import JSON

Operation = dict[str, Any]


def describe(
    app: FastAPI, *, title: str, version: str, description: str, security: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the document of `app`; every operation asks for the one `security` scheme."""
    described = get_openapi(
        title=title,
        version=version,
        openapi_version="3.1.0",
        description=description,
        routes=app.routes,
        separate_input_output_schemas=False,
    )
    components = described["components"]
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    components["securitySchemes"] = dict(security)
    described["security"] = [{name: []} for name in security]
    return described


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Operation]]:
    """Yield (path, method, operation)."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def below(document: dict[str, Any], root: str) -> dict[str, Any]:
    """Return the document of a server at `root`: its paths begin there."""
    paths = {path.removeprefix(root): methods for path, methods in document["paths"].items()}
    return {**document, "servers": [{"url": root}], "paths": paths}


def tell_errors(
    document: dict[str, Any],
    error: type[BaseModel],
    every: Iterable[int],
    some: Mapping[str, Iterable[int]],
) -> None:
    """Document each operation's error answers, all of them in the shape `error`.

    Every operation may answer what HTTP and keys bring with them, and `every`; `some` has more by
    the operation's id.
    """
    name = error.__name__
    schema = error.model_json_schema(ref_template="#/components/schemas/{model}")
    document["components"]["schemas"] |= {**schema.pop("$defs", {}), name: schema}
    content = {JSON: {"schema": {"$ref": f"#/components/schemas/{name}"}}}
    for _, _, operation in operations(document):
        operation["responses"].pop("422", None)
        own = some.get(operation["operationId"], ())
        for status in sorted({*_usual_statuses(operation), *every, *own}):
            answer = {"description": HTTPStatus(status).phrase, "content": content}
            operation["responses"][str(status)] = answer


def _usual_statuses(operation: Operation) -> Iterator[int]:
    yield from (401, 403, 429, 500, 503)
    if any(parameter["in"] == "path" for parameter in operation.get("parameters", ())):
        yield 404
    if "requestBody" in operation:
        yield from (413, 415)
