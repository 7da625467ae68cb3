"""The OpenAPI document says what the service does, and the page shows it without help."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from tests.web.operations import OPERATIONS, Operation, perform, targets
from tests.web.world import World, problem

_READ: dict[str, Any] = {}


async def _document(world: World) -> Any:
    """Return the document; it is the same in every world, and slow to write."""
    if not _READ:
        reply = await world.send("GET", "/v1/openapi.json", key=None)
        assert reply.headers["content-type"] == "application/json"
        _READ.update(reply.json())
    return _READ


async def test_it_is_openapi_3_1_with_a_key_for_everything(world: World) -> None:
    document = await _document(world)

    assert document["openapi"].startswith("3.1")
    assert document["security"] == [{"key": []}]
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"


async def test_every_operation_is_described_and_every_reference_leads_somewhere(
    world: World,
) -> None:
    document = await _document(world)
    schemas = document["components"]["schemas"]
    for methods in document["paths"].values():
        for operation in methods.values():
            assert operation["description"].endswith(".")
            assert operation["tags"]
            for response in operation["responses"].values():
                assert response["description"]
            for parameter in operation["parameters"]:
                assert parameter["in"] in {"path", "query", "header"}

    references = set(re.findall(r"#/components/schemas/([A-Za-z_]+)", str(document)))
    assert references - {*schemas} == set()
    assert {*schemas} - references <= {"Problem"} | {*schemas}


async def test_every_example_is_valid_by_its_own_schema(world: World) -> None:
    document = await _document(world)
    for schema in document["components"]["schemas"].values():
        whole = {**schema, "components": document["components"]}
        for example in schema.get("examples", ()):
            Draft202012Validator(whole).validate(example)


async def test_framework_shapes_that_echo_input_are_not_documented(world: World) -> None:
    assert "ValidationError" not in str(await _document(world))


def _schema_of(document: Any, operation: Operation, status: int) -> Any:
    content = document["paths"][operation.path][operation.method.lower()]["responses"]
    for described in content[str(status)].get("content", {}).values():
        return {**described["schema"], "components": document["components"]}
    return None


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda op: op.id)
async def test_answers_are_as_documented(world: World, operation: Operation) -> None:
    document = await _document(world)
    names = await targets(world, "x")
    if operation.id == "deleteProject":
        names["project"] = str((await world.make_project("p")).number)
    if operation.id == "deleteCredential":
        await world.send("DELETE", f"{operation.at(**names)}/uses/deployment/web")

    done = await perform(world, operation, who="operator", **names)
    refused = await perform(world, operation, who=None, **names)

    assert done.status_code == operation.status
    schema = _schema_of(document, operation, operation.status)
    if done.content:
        is_json = done.headers["content-type"] == "application/json"
        Draft202012Validator(schema).validate(done.json() if is_json else done.text)
    else:
        assert schema is None
    Draft202012Validator(_schema_of(document, operation, 401)).validate(refused.json())


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda op: op.id)
async def test_requests_that_succeed_are_as_documented(world: World, operation: Operation) -> None:
    document = await _document(world)
    body = document["paths"][operation.path][operation.method.lower()].get("requestBody")
    if operation.body is None:
        assert body is None
        return

    for content in body["content"].values():
        whole = {**content["schema"], "components": document["components"]}
        Draft202012Validator(whole).validate(operation.body)


class _Page(HTMLParser):
    """Collects what a page would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


async def test_the_page_needs_nothing_but_itself(world: World) -> None:
    reply = await world.send("GET", "/v1/docs", key=None)
    page = _Page()
    page.feed(reply.text)

    assert reply.headers["content-type"].startswith("text/html")
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "object", "form"}
    for _, attributes in page.tags:
        assert not {name for name in attributes if name.startswith("on") or name == "style"}
        assert attributes.get("href") in {None, "openapi.json"}
    assert "http://" not in reply.text


async def test_the_page_shows_every_operation(world: World) -> None:
    text = (await world.send("GET", "/v1/docs", key=None)).text

    for operation in OPERATIONS:
        assert f"<code>{operation.method} {operation.path}</code>" in text
    assert "a-token-with-pull-rights" in text


async def test_the_page_and_document_need_no_key_and_take_no_other_method(world: World) -> None:
    for path in ("/v1/docs", "/v1/openapi.json"):
        assert problem(await world.send("POST", path, {}, key=None)) == "method-not-allowed"
