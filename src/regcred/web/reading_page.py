"""An OpenAPI document as a page to read: no script, no image, nothing from anywhere else."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color:#1a1a1a;background:#fff}code,pre{font-family:ui-monospace,monospace}"
    "pre{background:#f4f4f4;padding:.75rem;overflow-x:auto}summary{cursor:pointer}"
    "table{border-collapse:collapse}td,th{text-align:left;padding:.1rem 1rem .1rem 0;"
    "vertical-align:top}details{margin:.5rem 0;padding-left:.5rem;border-left:3px solid #ddd}"
    "@media(prefers-color-scheme:dark){body{color:#eee;background:#161616}"
    "pre{background:#262626}a{color:#8ab4ff}details{border-color:#444}}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page(document: Mapping[str, Any]) -> str:
    """Return the whole page."""
    info = document["info"]
    title = escape(f"{info['title']} API, version {info['version']}")
    return "".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width">',
            f"<title>{title}</title><style>{_STYLE}</style></head><body><h1>{title}</h1>",
            *(f"<p>{escape(part)}</p>" for part in info["description"].split("\n\n")),
            '<p>For programs: <a href="openapi.json">openapi.json</a></p>',
            *_operations(document),
            "</body></html>",
        ]
    )


def _operations(document: Mapping[str, Any]) -> Iterator[str]:
    heading = None
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            tag = operation.get("tags", [""])[0]
            if tag != heading:
                heading = tag
                yield f"<h2>{escape(tag)}</h2>"
            yield f"<details><summary><code>{method.upper()} {escape(path)}</code> "
            yield f"{escape(operation.get('description', ''))}</summary>"
            yield from _parameters(operation)
            yield from _body(document, operation)
            yield from _answers(document, operation)
            yield "</details>"


def _parameters(operation: Mapping[str, Any]) -> Iterator[str]:
    if not operation.get("parameters"):
        return
    yield "<h3>Parameters</h3><table>"
    for parameter in operation["parameters"]:
        name, where = escape(parameter["name"]), escape(parameter["in"])
        about = escape(parameter.get("description", ""))
        yield f"<tr><td><code>{name}</code></td><td>{where}</td><td>{about}</td></tr>"
    yield "</table>"


def _body(document: Mapping[str, Any], operation: Mapping[str, Any]) -> Iterator[str]:
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<h3>Body <code>{escape(media_type)}</code></h3>{_example(document, content)}"


def _answers(document: Mapping[str, Any], operation: Mapping[str, Any]) -> Iterator[str]:
    yield "<h3>Answers</h3><table>"
    for status, answer in operation["responses"].items():
        about = escape(answer["description"])
        yield f"<tr><td><code>{escape(status)}</code></td><td>{about}</td></tr>"
    yield "</table>"
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            for content in answer.get("content", {}).values():
                yield _example(document, content)


def _example(document: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    if "example" in content:
        return f"<pre>{escape(content['example'])}</pre>"
    schema = content["schema"]
    alternatives = [schema, *schema.get("anyOf", ())]
    for name in (each["$ref"].rpartition("/")[2] for each in alternatives if "$ref" in each):
        for example in document["components"]["schemas"][name].get("examples", ()):
            return f"<pre>{escape(json.dumps(example, indent=2, ensure_ascii=False))}</pre>"
    return ""
