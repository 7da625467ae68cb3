"""One run of schemathesis through all its phases, and what came of it.

The engine itself is driven, in this process: its events tell which phase sent what, which its
test-function interface does not.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from schemathesis import Case, CheckContext, HookContext, Response
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.engine.recorder import CaseNode, Interaction, ScenarioRecorder

from tests.system.generated.documents import EXAMPLE_NAMES, Document, operations, success

PHASES = ("examples", "coverage", "fuzzing", "stateful")
SECRETS = {"password", "secret", "token"}
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "unsupported_method",
    "negative_data_rejection",
    "ignored_auth",
    "use_after_free",
    "secret_stays_inside",
)
# No schema says which characters show or that a name is taken, so "valid data is accepted" is not
# among them. What the documents can say of success is in `Run.never_succeeded`.

_LEAST = 8
"""Shorter texts stand in answers by chance."""

_LONG = 32


@dataclass
class Run:
    """What was sent, what succeeded, and what was wrong with the answers."""

    operations: set[str]
    cases: Counter[str] = field(default_factory=Counter)
    """Answered requests, by phase."""

    secrets: Counter[str] = field(default_factory=Counter)
    """Requests with a secret that would be recognised in an answer, by phase."""

    succeeded: Counter[str] = field(default_factory=Counter)
    """Answers with an operation's success status, by operation."""

    followed: Counter[str] = field(default_factory=Counter)
    """Those of them whose request was made from an earlier answer."""

    failed: Counter[str] = field(default_factory=Counter)
    """Failures, by check."""

    failures: list[str] = field(default_factory=list)
    """Each kind of failure once, with its request and answer."""

    @property
    def never_succeeded(self) -> set[str]:
        """Return the operations of which the run proved nothing."""
        return self.operations - self.succeeded.keys()


def run(
    document: Document,
    url: str,
    headers: Mapping[str, str],
    *,
    phases: tuple[str, ...] = PHASES,
) -> Run:
    """Send what schemathesis makes of `document` to `url`, in the same order every time."""
    config = SchemathesisConfig.from_dict(
        {
            "seed": 1,
            "base-url": url,
            "headers": dict(headers),
            "continue-on-failure": True,
            "request-timeout": 10,
            "cache": {"enabled": False},
            "checks": {"enabled": False, **{name: {"enabled": True} for name in CHECKS}},
            "phases": {
                "enabled": False,
                **{name: {"enabled": True} for name in phases},
                # What is done with a login that was just made is the point of links.
                "stateful": {
                    "enabled": "stateful" in phases,
                    "generation": {"mode": "positive", "max-examples": 60},
                },
            },
            "generation": {"max-examples": 20, "no-shrink": True, "database": "none"},
            "operations": _shadowed(document),
        }
    )
    succeeds = {
        f"{method.upper()} {path}": success(operation)
        for path, method, operation in operations(document)
    }
    schema = schemathesis.openapi.from_dict(document, config=config)
    schema.hook("map_case")(Edited())
    done = Run(set(succeeds))
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            for answered in _answered(event.recorder):
                _count(done, str(event.phase), succeeds, *answered)
            _judge(done, event.recorder)
        elif isinstance(event, events.NonFatalError):
            done.failures.append(f"error: {event.label}: {event.value!r}")
        elif isinstance(event, events.FatalError):
            raise event.exception
    return done


class Edited:
    """Edits bodies on their way: with secrets to recognise, and names that are not taken yet.

    A secret that keeps its wire's rules becomes a text that is found nowhere else, the same for the
    same body. Of those too short to be recognised one in four stays.
    """

    def __init__(self) -> None:
        self._made = itertools.count(1)

    def __call__(self, context: HookContext, case: Case[Any]) -> Case[Any]:
        """Return the case with its body edited."""
        body = case.body
        if not isinstance(body, dict):
            return case
        digest = hashlib.sha256(repr(sorted(body.items(), key=repr)).encode(errors="replace"))
        text = base64.b32encode(digest.digest()).decode().rstrip("=").lower() * 5
        for name in SECRETS & body.keys():
            value = body[name]
            if not isinstance(value, str) or not value.isprintable():
                continue
            if _LEAST <= len(value) <= len(text):
                body[name] = text[: len(value)]
            elif _keeps_rules(name, value) and digest.digest()[0] % 4:
                body[name] = text[:_LONG]
        if case.method == "POST" and body.get("name") in EXAMPLE_NAMES:
            body["name"] = f"made-up-{next(self._made)}"
        return case


def _keeps_rules(name: str, value: str) -> bool:
    """Whether a secret shorter than _LEAST is valid: the wire that says "secret" allows none."""
    return bool(value) and name != "secret"


@schemathesis.check
def secret_stays_inside(_context: CheckContext, response: Response, _case: Case[Any]) -> None:
    """No answer holds the secret of its request, unless that was also sent as something else."""
    head = "\n".join(f"{name}: {', '.join(of)}" for name, of in response.headers.items())
    answer = head.encode() + b"\n" + (response.content or b"")
    for secret in recognisable(response.request.body, str(response.request.url)):
        forms = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
        assert not any(form.encode(errors="replace") in answer for form in forms), (
            "the answer holds the secret that was sent"
        )


def recognisable(body: object, elsewhere: str) -> set[str]:
    """Return the secrets of a JSON body that stand nowhere else in the request."""
    try:
        sent = json.loads(body) if isinstance(body, (bytes, str)) else None
    except ValueError:
        return set()
    secrets: set[str] = set()
    others = [elsewhere]
    for name, text in _texts(sent, ""):
        if name in SECRETS and len(text) >= _LEAST:
            secrets.add(text)
        else:
            others.append(text)
    return {secret for secret in secrets if not any(secret in other for other in others)}


def _texts(value: object, name: str) -> Iterator[tuple[str, str]]:
    """Yield every text with the name of the member that holds it, and every member's name."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, name)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield "", key
            yield from _texts(item, key)


def _shadowed(document: Document) -> list[dict[str, Any]]:
    """Return the settings of operations whose path is one of a template's too.

    `/openapi/v1/credentials/list` is also where a login with the id "list" would be: it answers
    the template's methods with 400, where "unsupported method" wants 405.
    """
    paths = document["paths"]
    templates = [re.compile(re.sub(r"{.*?}", "[^/]+", path)) for path in paths if "{" in path]
    return [
        {"include-path": path, "checks": {"unsupported_method": {"enabled": False}}}
        for path in paths
        if "{" not in path and any(template.fullmatch(path) for template in templates)
    ]


def _answered(recorder: ScenarioRecorder) -> Iterator[tuple[CaseNode, Interaction, int]]:
    for case_id, node in recorder.cases.items():
        interaction = recorder.interactions.get(case_id)
        if interaction is not None and interaction.response is not None:
            yield node, interaction, interaction.response.status_code


def _count(
    done: Run,
    phase: str,
    succeeds: Mapping[str, int],
    node: CaseNode,
    interaction: Interaction,
    status: int,
) -> None:
    case = node.value
    done.cases[phase] += 1
    if recognisable(interaction.request.body, interaction.request.uri):
        done.secrets[phase] += 1
    label = f"{case.method.upper()} {case.path}"
    if status == succeeds.get(label):
        done.succeeded[label] += 1
        if node.transition is not None and node.is_transition_applied:
            done.followed[label] += 1


def _judge(done: Run, recorder: ScenarioRecorder) -> None:
    for case_id, checks in recorder.checks.items():
        for check in checks:
            if check.failure_info is None:
                if check.status != "success":
                    done.failures.append(f"{check.name} broke")
                continue
            done.failed[check.name] += 1
            failure = check.failure_info.failure
            told = _told(recorder.interactions[failure.case_id or case_id])
            kind = f"{check.name}: {recorder.label}: {told[1]}"
            if not any(known.startswith(kind) for known in done.failures):
                done.failures.append(f"{kind} {told[2]}\n  to {told[0]}\n  {failure.message}")


def _told(interaction: Interaction) -> tuple[str, int, str]:
    """Return the request, the status and the answer's body."""
    request, response = interaction.request, interaction.response
    assert response is not None
    said = (response.content or b"").decode(errors="replace")
    return f"{request.method} {request.uri} {request.body!r}", response.status_code, said
