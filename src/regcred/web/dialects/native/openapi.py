"""The native API's OpenAPI 3.1 document, and a page to read it on that needs nothing else.

FastAPI writes the operations and shapes; what every operation shares (the key, the problems it
may answer, the headers) is added here from one table.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, Field

from regcred.domain.errors import RegcredError
from regcred.web import refusals
from regcred.web.destination import FORM
from regcred.web.dialects.native.problems import MEDIA_TYPE, TABLE, URN, slug
from regcred.web.dialects.native.wire.common import Shape
from regcred.web.dialects.native.wire.verdicts import Verdict
from regcred.web.openapi import describe, operations
from regcred.web.shapes import example

_ALWAYS = (400, 401, 403, 408, 414, 422, 429, 431, 500, 503)
_WITH_BODY = (413, 415)
_VERSIONED = {"put", "patch", "delete"}
_UNVERSIONED = {"putUse", "deleteUse", "withdrawWorkload"}
_NAMING = {
    "createProject",
    "updateProject",
    "deleteProject",
    "createCredential",
    "replaceCredential",
    "updateCredential",
    "deleteCredential",
    "dockerCredentialStore",
    "dockerCredentialErase",
    "createWebhook",
    "deleteCluster",
    "allowWorkload",
}
_HANDING_OUT = {"resolveImage", "dockerCredentialGet", "kubeletCredential"}
_KEPT = "hand-outs"
_REPEATABLE = {"createProject", "createCredential", "createKey", "createWebhook", "allowWorkload"}

_HANDED_OUT = {
    name: {"description": description, "schema": {"type": "string"}}
    for name, description in (
        ("ETag", "Of just this content."),
        ("Regcred-Expires-At", "When the first of its logins ends; absent if none does."),
        ("Regcred-Withheld", "`name (verdict), …` of logins that were kept back."),
        ("Regcred-Left-Out", "`name (why), …` of logins that this form cannot express."),
    )
}

_DESCRIPTION = """\
regcred keeps the logins with which deployments pull private container images.

Send `Authorization: Bearer KEY`. Errors are problem documents (RFC 9457). Every answer has an
`X-Request-Id`. Lists have `limit` and `cursor`. Single resources carry an ETag; changes take it
in `If-Match`. What is not yours is not found.
"""


class FieldRule(BaseModel):
    """A rule that was broken; never the value."""

    field: str
    rule: str


class UseName(BaseModel):
    """Who uses a credential."""

    kind: str
    name: str
    expires_at: str | None


class Problem(BaseModel):
    """RFC 9457."""

    model_config = example(
        type=f"{URN}invalid-input",
        title="The input breaks a rule",
        status=422,
        detail="username: must not contain a colon (RFC 7617, section 2)",
        request_id="019a9c1e000070008000000000000001",
        errors=[{"field": "username", "rule": "must not contain a colon (RFC 7617, section 2)"}],
    )

    type: str = Field(description=f"`{URN}` and the name of what happened.")
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[FieldRule] = Field(default=[], description="What broke which rule.")
    uses: list[UseName] = Field(default=[], description="Who uses it (credential-in-use).")
    verdict: Verdict | None = Field(default=None, description="Why it was rejected.")


def document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of `app`."""
    key = {"type": "http", "scheme": "bearer", "description": "An API key: rgc_…"}
    described = describe(
        app, title="regcred", version="1", description=_DESCRIPTION, security={"key": key}
    )
    components = described["components"]
    components["schemas"] |= _problem_schemas()
    # FastAPI drops every null from the document, also where an example shows one.
    examples = dict(_examples(Shape))
    for name in examples.keys() & components["schemas"].keys():
        components["schemas"][name]["examples"] = examples[name]
    for path, method, operation in operations(described):
        _complete(path, method, operation)
    return described


def _problem_schemas() -> dict[str, Any]:
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs"), "Problem": schema}


def _examples(shape: type[Shape]) -> Iterator[tuple[str, Any]]:
    """Yield every shape's name with its examples."""
    for each in shape.__subclasses__():
        yield from _examples(each)
        if not each.__pydantic_generic_metadata__["parameters"]:
            schema = each.model_json_schema()
            if "examples" in schema:
                yield each.__name__, schema["examples"]


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    name = operation["operationId"]
    statuses = {*_ALWAYS}
    if "{" in path:
        statuses.add(404)
    if "requestBody" in operation:
        statuses |= {*_WITH_BODY}
    if name in _NAMING:
        statuses.add(409)
    parameters = operation.setdefault("parameters", [])
    if method in _VERSIONED and name not in _UNVERSIONED:
        statuses |= {412, 428}
        parameters.append(_header("If-Match", "The ETag that was read, `*`, or several.", '"3"'))
    if name in _REPEATABLE:
        parameters.append(
            _header("Idempotency-Key", "Sent again within 24 hours, nothing is done twice.", "a1")
        )
    if name in _HANDING_OUT or _KEPT in operation["tags"]:
        _complete_hand_out(operation)
    if name == "dockerCredentialGet":
        operation["responses"]["204"] = {"description": "No login: say not found."}
    if method == "patch":
        content = operation["requestBody"]["content"]
        content["application/merge-patch+json"] = content["application/json"]
    operation["responses"].pop("422", None)
    for status in sorted(statuses):
        operation["responses"][str(status)] = _problem(status)


def _complete_hand_out(operation: dict[str, Any]) -> None:
    parameters = operation["parameters"]
    parameters += [_destination("Regcred-Node"), _destination("Regcred-Namespace")]
    if _KEPT not in operation["tags"]:
        return
    parameters.append(_header("If-None-Match", "The ETag of what you have.", '"0f3c"'))
    operation["responses"]["200"]["headers"] = _HANDED_OUT
    operation["responses"]["304"] = {
        "description": "You have it: nothing was handed out, and nothing is recorded."
    }


def _destination(name: str) -> dict[str, Any]:
    where = name.removeprefix("Regcred-").lower()
    header = _header(name, f"The {where} that the logins are for, if known.", f"{where}-1")
    header["schema"] |= {"pattern": f"^{FORM}$"}
    return header


def _header(name: str, description: str, value: str) -> dict[str, Any]:
    schema = {"type": "string", "examples": [value]}
    return {"name": name, "in": "header", "description": description, "schema": schema}


def _problem(status: int) -> dict[str, Any]:
    facts = [f"`{slug(f)}`" for f, row in TABLE.items() if row.status == status and _told(f)]
    return {
        "description": ", ".join(facts),
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def _told(fact: type[RegcredError]) -> bool:
    """Whether a client can meet the fact by this name."""
    return fact not in {RegcredError, refusals.MethodNotAllowed}
