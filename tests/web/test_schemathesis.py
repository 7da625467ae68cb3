"""Requests made up from the document, good and bad, against the service in memory."""

from __future__ import annotations

import asyncio
from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import checks
from schemathesis.specs.openapi import checks as openapi

from tests.web.operations import targets
from tests.web.world import World

_CHECKS = [
    checks.not_a_server_error,
    openapi.status_code_conformance,
    openapi.content_type_conformance,
    openapi.response_schema_conformance,
    openapi.unsupported_method,
]
# What no schema can say (which characters show, which registries exist) is refused too, so
# "positive data is accepted" is not among the checks.


async def _populated() -> World:
    world = await World().populate()
    await targets(world, "x")
    return world


WORLD = asyncio.run(_populated())
schema = schemathesis.openapi.from_asgi("/v1/openapi.json", WORLD.app)


@schema.parametrize()
@settings(max_examples=10, suppress_health_check=list(HealthCheck))
def test_made_up_requests_are_answered_as_documented(case: schemathesis.Case[Any]) -> None:
    key = {"Authorization": f"Bearer {WORLD.keys['editor']}"}
    response = case.call(headers=key)

    # Any 4xx is a rejection: what is too large or stale is told before what is invalid.
    rejected = 400 <= response.status_code < 500
    more = [] if rejected else [openapi.negative_data_rejection]
    case.validate_response(response, checks=[*_CHECKS, *more], headers=key)
