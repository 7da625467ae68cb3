"""What an operation is called with: the fields that FastAPI found in it, read without detours.

FastAPI itself enters three exit stacks, walks a tree of dependencies and looks at every field's
annotation for each request; that is most of what a small request costs. No operation here has
dependencies, so it is called with its own fields alone, which are checked as FastAPI has them.
"""

from __future__ import annotations

from typing import Any

from fastapi.dependencies.utils import request_params_to_args
from fastapi.routing import APIRoute
from starlette.requests import Request

from regcred.web.errors import invalid

_MISSING = {"type": "missing", "loc": ("body",), "msg": "Field required"}


class Arguments:
    """Reads them for one route, whose function is a coroutine that returns its answer."""

    def __init__(self, route: APIRoute) -> None:
        """Raise TypeError for a function that takes something else."""
        self._of = route.dependant
        self._body = route.body_field
        if (
            self._of.dependencies
            or self._of.header_params
            or self._of.cookie_params
            or self._of.request_param_name is None
            or self._of.body_params != ([] if self._body is None else [self._body])
        ):
            raise TypeError(f"{route.path}: takes more than a call, a path, a query and a body")
        self._path = [(field, field.alias, ("path", field.alias)) for field in self._of.path_params]
        self._unasked = request_params_to_args(self._of.query_params, {})
        """What stands for a query that is not there; nobody changes it."""

    def __call__(self, request: Request, body: object) -> dict[str, Any]:
        """Return them by name; a `body` of None is none. Raise InvalidInput."""
        values: dict[str, Any] = {self._of.request_param_name or "": request}
        errors: list[Any] = []
        sent = request.scope["path_params"]
        for field, alias, place in self._path:
            values[field.name], wrong = field.validate(sent[alias], loc=place)
            errors += wrong
        asked, wrong = self._unasked
        if request.scope["query_string"]:
            asked, wrong = request_params_to_args(self._of.query_params, request.query_params)
        values |= asked
        errors += wrong
        if (whole := self._body) is not None:
            if body is not None:
                values[whole.name], wrong = whole.validate(body, loc=("body",))
                errors += wrong
            elif whole.field_info.is_required():
                errors.append(_MISSING)
            else:
                values[whole.name] = whole.get_default()
        if errors:
            raise invalid(errors)
        return values
