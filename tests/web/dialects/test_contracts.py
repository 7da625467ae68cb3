"""What each face documents of itself agrees with its vendor's own document.

The vendor's is the reference: additions are allowed, contradictions are not. What a face takes must
be what the vendor takes; what it answers may be wider, because it shows what other wires stored.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from tests.web.dialects.contracts import VENDORS, Operation, contract, operations
from tests.web.dialects.driver import Said, Speaker, driver_of
from tests.web.world import World

CONSTRAINTS = (
    "type", "pattern", "enum", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum",
    "format", "default",
)  # fmt: skip
BEYOND = {"401", "403", "404", "405", "413", "415", "429", "500", "503"}
"""Statuses that a face may document beyond its vendor's: the design's, and 404 for a project."""

_READ: dict[str, Any] = {}


async def served(vendor: str) -> Any:
    """Return the document that a face serves; it is the same in every world, and slow to write."""
    if vendor not in _READ:
        speaker = Speaker(await World().populate(), driver_of(vendor))
        path = f"{speaker.driver.root}/openapi.json"
        _READ[vendor] = (await speaker.say(Said("GET", path), who=None)).json()
    return _READ[vendor]


def contradictions(vendors: Any, ours: Any) -> list[str]:
    """Return in what two documents disagree."""
    mine = {(one.method, one.path): one for one in operations(ours)}
    found: list[str] = []
    for one in operations(vendors):
        other = mine.get((one.method, one.path))
        if other is None:
            found.append(f"{one.id}: is not served at {one.method} {one.path}")
        else:
            found += [f"{one.id}: {what}" for what in _operation(one, other)]
    return found


def _operation(one: Operation, other: Operation) -> Iterator[str]:
    if one.id != other.id:
        yield f"is called {other.id}"
    for place, schema in one.parameters.items():
        if place not in other.parameters:
            yield f"lacks the parameter {place}"
        else:
            yield from _taken(schema, other.parameters[place], str(place))
    if (one.body is None) != (other.body is None):
        yield "disagrees about a body"
    elif one.body is not None:
        yield from _taken(one.body, other.body, "body")
    successes = {status for status in one.responses if status < "3"}
    if successes != {status for status in other.responses if status < "3"}:
        yield f"succeeds with {set(other.responses)}, not {successes}"
    if beyond := set(other.responses) - set(one.responses) - BEYOND:
        yield f"answers {beyond} too"
    for status in successes & set(other.responses):
        yield from _answered(one.responses[status], other.responses[status], f"answer {status}")


def _taken(vendors: Any, ours: Any, where: str) -> Iterator[str]:
    """Compare what a face takes: the very same constraints on every field."""
    for name in CONSTRAINTS:
        if vendors.get(name) != ours.get(name) and name in vendors:
            yield f"{where}: {name} is {ours.get(name)!r}, not {vendors[name]!r}"
        if name in ours and name not in vendors and name not in {"format", "default"}:
            yield f"{where}: {name} is {ours[name]!r} beyond the vendor's"
    if set(vendors.get("required", ())) != set(ours.get("required", ())):
        yield f"{where}: requires {ours.get('required')}"
    fields = ours.get("properties", {})
    for name, schema in vendors.get("properties", {}).items():
        if name not in fields:
            yield f"{where}: does not take {name}"
        else:
            yield from _taken(schema, fields[name], f"{where}.{name}")
    if beyond := fields.keys() - vendors.get("properties", {}).keys():
        yield f"{where}: takes {beyond} too"


def _answered(vendors: Any, ours: Any, where: str) -> Iterator[str]:
    """Compare what a face answers: every field the vendor shows, of the vendor's type."""
    if (vendors is None) != (ours is None):
        yield f"{where}: disagrees about a body"
    if not vendors or not ours:
        return
    if "type" in vendors and vendors["type"] != ours.get("type"):
        yield f"{where}: is {ours.get('type')}, not {vendors['type']}"
    if "enum" in vendors and set(ours.get("enum", ())) - set(vendors["enum"]):
        yield f"{where}: shows {ours.get('enum')}"
    if missing := set(vendors.get("required", ())) - set(ours.get("required", ())):
        yield f"{where}: may lack {missing}"
    for name, schema in vendors.get("properties", {}).items():
        if name not in ours.get("properties", {}):
            yield f"{where}: lacks {name}"
        else:
            yield from _answered(schema, ours["properties"][name], f"{where}.{name}")
    if "items" in vendors:
        yield from _answered(vendors["items"], ours.get("items"), f"{where}[]")


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_face_documents_what_its_vendor_does(vendor: str) -> None:
    assert contradictions(contract(vendor), await served(vendor)) == []


def _spoiled(document: Any) -> Iterator[tuple[str, Any]]:
    """Yield copies of a vendor's document, each with one thing in it changed."""
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            here = ("paths", path, method)
            yield _changed(document, (*here, "operationId"))
            for number, parameter in enumerate(told.get("parameters", ())):
                for name in parameter["schema"].keys() & {*CONSTRAINTS}:
                    yield _changed(document, (*here, "parameters", number, "schema", name))
            for status in told["responses"].keys() & {"200", "201", "204"}:
                spoiled = copy.deepcopy(document)
                answers = spoiled["paths"][path][method]["responses"]
                answers["202"] = answers.pop(status)
                yield f"{method} {path} with 202", spoiled
            for content in told.get("requestBody", {}).get("content", {}).values():
                yield from _spoiled_body(document, content["schema"]["$ref"].rpartition("/")[2])


def _spoiled_body(document: Any, schema: str) -> Iterator[tuple[str, Any]]:
    here = ("components", "schemas", schema)
    body = document["components"]["schemas"][schema]
    if "required" in body:
        yield _changed(document, (*here, "required"))
    for field, rules in body["properties"].items():
        for name in rules.keys() & {*CONSTRAINTS}:
            yield _changed(document, (*here, "properties", field, name))


def _changed(document: Any, path: tuple[Any, ...]) -> tuple[str, Any]:
    spoiled = copy.deepcopy(document)
    *way, last = path
    node = spoiled
    for step in way:
        node = node[step]
    value = node[last]
    if isinstance(value, list):
        node[last] = value[1:]
    else:
        node[last] = f"{value}x" if isinstance(value, str) else value + 1
    return ".".join(map(str, path)), spoiled


@pytest.mark.parametrize("vendor", VENDORS)
async def test_nothing_that_the_vendor_says_goes_uncompared(vendor: str) -> None:
    ours = await served(vendor)
    spoiled = list(_spoiled(contract(vendor)))

    unnoticed = [where for where, document in spoiled if not contradictions(document, ours)]

    assert len(spoiled) > 30
    assert unnoticed == []


@pytest.mark.parametrize("vendor", VENDORS)
async def test_answers_are_valid_by_the_vendors_document(vendor: str) -> None:
    speaker = Speaker(await World().populate(), driver_of(vendor))
    driver = speaker.driver
    made = await speaker.say(driver.create("docker-hub"))
    shown = driver.read(made.json())
    said = [
        driver.create("docker-hub-2"),
        driver.create("docker-hub-2"),
        driver.create(""),
        Said("GET", driver.collection),
        speaker.at(shown.ref),
        driver.change(shown, "another-password"),
        speaker.at(shown.ref, "DELETE"),
        speaker.at(shown.ref),
    ]
    seen = set()
    for one in said:
        for who in ("admin", "viewer", None):
            reply = await speaker.say(one, who=who)
            documented = _documented(vendor, one)
            status = str(reply.status_code)
            # Beyond what the vendor documents, errors still have the shape of those it does.
            assert status in {*documented.responses, *BEYOND}
            schema = documented.responses.get(status, documented.responses["401"])
            if schema is None:
                assert reply.content == b""
            else:
                Draft202012Validator(schema).validate(reply.json())
            seen.add((documented.id, status))
    successes = {
        (one.id, status)
        for one in operations(contract(vendor))
        for status in one.responses
        if status < "3"
    }
    assert successes <= seen


def _documented(vendor: str, said: Said) -> Operation:
    whole = said.path == driver_of(vendor).collection
    return next(
        one
        for one in operations(contract(vendor))
        if one.method == said.method and one.path.endswith("}") != whole
    )
