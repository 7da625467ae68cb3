"""What is told of a request that is not as documented: a path and a rule, and nothing of it.

FastAPI's own answer to an invalid request quotes the whole input, passwords included (security
facts, section 0.4), and its message texts may quote it too. So only the path and a rule from the
table below leave; a message passes only where this package wrote it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import PydanticCustomError
from starlette.routing import BaseRoute

from regcred.domain.errors import InvalidInput, Violation

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


def invalid(errors: Iterable[Mapping[str, Any]]) -> InvalidInput:
    """Return pydantic's errors as one of ours."""
    return InvalidInput.of(violations(errors))


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
