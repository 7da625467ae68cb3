"""What an operation may take, and how it is told what it was sent."""

from __future__ import annotations

from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, Header, Path
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from regcred.domain.errors import InvalidInput, Violation
from regcred.web.arguments import Arguments


class Body(BaseModel):
    n: int = 1


async def _whole(
    call: Request, name: Annotated[str, Path(alias="id")], body: Body, page: int = 5
) -> Response:
    return Response(f"{call.method}{name}{body.n}{page}")


async def _optional(call: Request, body: Body | None = None) -> Response:
    return Response(f"{call.method}{body}")


def _never() -> str:
    raise AssertionError


async def _with_header(call: Request, x: Annotated[str, Header()]) -> Response:
    return Response(f"{call.method}{x}")


async def _with_dependency(call: Request, x: Annotated[str, Depends(_never)]) -> Response:
    return Response(f"{call.method}{x}")


async def _without_call(body: Body) -> Response:
    return Response(str(body.n))


async def _two_bodies(call: Request, one: Body, two: Body) -> Response:
    return Response(f"{call.method}{one.n}{two.n}")


def _route(function: object, path: str = "/x") -> APIRoute:
    router = APIRouter()
    router.add_api_route(path, function, methods=["POST"], response_model=None)  # type: ignore[arg-type]  # some are refused
    route = router.routes[0]
    assert isinstance(route, APIRoute)
    return route


def _request(query: bytes = b"", **sent: str) -> Request:
    return Request(
        {"type": "http", "method": "POST", "headers": [], "query_string": query}
        | {"path_params": sent}
    )


@pytest.mark.parametrize("function", [_with_header, _with_dependency, _without_call, _two_bodies])
def test_what_would_not_be_read_is_refused_at_the_start(function: object) -> None:
    with pytest.raises(TypeError, match="/x: takes more than"):
        Arguments(_route(function))


def test_everything_is_read_and_checked_as_it_is_declared() -> None:
    arguments, request = Arguments(_route(_whole, "/{id}")), _request(b"page=7", id="a")

    assert arguments(request, {"n": 2}) == {
        "call": request,
        "name": "a",
        "body": Body(n=2),
        "page": 7,
    }


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(InvalidInput) as told:
        Arguments(_route(_whole, "/{id}"))(_request(b"page=x", id="a"), {"n": "x"})

    assert [broken.field for broken in told.value.violations] == ["page", "n"]


def test_a_body_that_must_be_there_is_missed() -> None:
    with pytest.raises(InvalidInput) as told:
        Arguments(_route(_whole, "/{id}"))(_request(id="a"), None)

    assert told.value.violations == (Violation("body", "must be given"),)


def test_what_is_left_away_has_its_default() -> None:
    request = _request()

    assert Arguments(_route(_optional))(request, None) == {"call": request, "body": None}
    assert Arguments(_route(_whole, "/{id}"))(_request(id="a"), {})["page"] == 5
