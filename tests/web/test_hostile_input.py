"""Bad input is a 4xx that names field and rule; nothing that was sent comes back, ever."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.web.hostile import CANARY, HOSTILE_JSON, HOSTILE_TEXTS, ODD_TYPES
from tests.web.operations import BY_ID, OPERATIONS, WITH_JSON, Operation, perform, targets
from tests.web.world import Reply, World, problem

_RESPONSE_ONLY: dict[str, tuple[str, ...]] = {
    "createProject": ("Project", "NewProject"),
    "updateProject": ("Project", "ProjectPatch"),
    "createKey": ("MadeKey", "NewKey"),
    "updateKey": ("Key", "KeyPatch"),
    "createCredential": ("Credential", "NewCredential"),
    "replaceCredential": ("Credential", "NewCredential"),
    "updateCredential": ("Credential", "CredentialPatch"),
    "verifyLogin": ("Verdict", "VerifyTypedIn"),
    "verifyCredential": ("Verdict", "VerifyStored"),
    "probeRegistry": ("Probe", "ProbeRegistry"),
    "putUse": ("Use", "PutUse"),
    "explainImage": ("Explained", "AskExplain"),
    "resolveImage": ("Resolution", "AskResolve"),
    "kubeletCredential": ("KubeletAnswer", "AskKubelet"),
    "dockerCredentialStore": ("Credential", "DockerLogin"),
    "createWebhook": ("MadeWebhook", "NewWebhook"),
    "updateWebhook": ("MadeWebhook", "WebhookPatch"),
    "rotateWebhookSecret": ("MadeWebhook", "RotateSecret"),
    "allowWorkload": ("Workload", "NewWorkload"),
    "putCluster": ("Cluster", "NewCluster"),
}


def _refused(reply: Reply) -> Reply:
    """Check that an answer is a clean refusal."""
    assert 400 <= reply.status_code < 500, reply.text
    problem(reply)
    assert CANARY not in reply.text
    assert CANARY not in str(reply.headers)
    return reply


async def _raw(
    world: World, operation: Operation, body: bytes, names: dict[str, str], media_type: str
) -> Reply:
    return await world.send(
        operation.method,
        operation.at(**names),
        content=body,
        headers={"Content-Type": media_type},
    )


@pytest.mark.parametrize("operation", WITH_JSON, ids=lambda op: op.id)
async def test_ambiguous_json_is_refused_by_every_operation(
    world: World, operation: Operation
) -> None:
    names = await targets(world, "x")
    for label, body in HOSTILE_JSON.items():
        if body == b"" and operation.id in {"verifyCredential", "putUse", "rotateWebhookSecret"}:
            continue  # their bodies may be left away
        reply = _refused(await _raw(world, operation, body, names, "application/json"))

        assert reply.status_code in {400, 422}, label
        assert reply.json()["errors"], label


@pytest.mark.parametrize("operation", WITH_JSON, ids=lambda op: op.id)
@pytest.mark.parametrize(
    "media_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
     "application/json; charset=utf-16", "application/problem+json", "", "application/xml"],
)  # fmt: skip
async def test_other_media_types_are_not_read(
    world: World, operation: Operation, media_type: str
) -> None:
    names = await targets(world, "x")
    body = json.dumps({**operation.body, "x": CANARY}).encode()

    reply = _refused(await _raw(world, operation, body, names, media_type))

    assert problem(reply) == "unsupported-media-type"


@pytest.mark.parametrize("operation", WITH_JSON, ids=lambda op: op.id)
async def test_odd_texts_and_types_in_any_field_break_nothing(
    world: World, operation: Operation
) -> None:
    names = await targets(world, "x")
    for field in operation.body:
        values: list[Any] = [*HOSTILE_TEXTS.values(), *ODD_TYPES]
        values += [f"{CANARY}{text}{CANARY}" for text in HOSTILE_TEXTS.values()]
        for value in values:
            reply = await perform(world, operation, body={**operation.body, field: value}, **names)
            assert reply.status_code < 500, (field, value)
            if reply.status_code >= 400:
                assert CANARY not in reply.text, (field, value)


@pytest.mark.parametrize("operation", WITH_JSON, ids=lambda op: op.id)
async def test_a_refusal_never_repeats_what_was_sent(world: World, operation: Operation) -> None:
    names = await targets(world, "x")
    secret = {"password": CANARY, "Secret": CANARY}
    bodies: list[Any] = [
        {},
        {CANARY: 1},
        {**operation.body, CANARY: CANARY},
        {**operation.body, **secret, "unknown": CANARY},
        {**operation.body, "password": [CANARY]},
        {**operation.body, "password": {"value": CANARY}},
        {**operation.body, "password": f"{CANARY}\x00"},
        {**operation.body, "password": CANARY * 1000},
        {**operation.body, "labels": {"team": CANARY * 100}},
        {**operation.body, "labels": {CANARY: 1}},
        {**operation.body, "labels": {f"{CANARY} ": CANARY}},
        {**operation.body, "labels": {"a": {"b": CANARY}}},
        {**operation.body, "settings": {CANARY: CANARY}},
        {**operation.body, "settings": {f"{CANARY}": [CANARY]}},
        {**operation.body, "settings": [CANARY]},
        {**operation.body, "registry_url": f"https://user:{CANARY}@registry.example.com"},
        {**operation.body, "registry_url": f"ftp://{CANARY}"},
        {**operation.body, "provider": CANARY},
        {**operation.body, "expires_at": CANARY},
        {**operation.body, "role": CANARY},
        {**operation.body, "image": f"registry.example.com/{CANARY}"},
        {**operation.body, "image_patterns": [f"{CANARY} {CANARY}"]},
        {**operation.body, "lease_seconds": CANARY},
        {**operation.body, "url": f"https://user:{CANARY}@hooks.example.com"},
        {**operation.body, "url": CANARY},
        {**operation.body, "kinds": [CANARY]},
        {**operation.body, "secret": CANARY},
        {**operation.body, "secret": f"whsec_{CANARY}"},
        [operation.body, CANARY],
        CANARY,
    ]
    for body in bodies:
        reply = await perform(world, operation, body=json.loads(json.dumps(body)), **names)
        if isinstance(body, str):
            reply = await _raw(
                world, operation, json.dumps(body).encode(), names, "application/json"
            )
        if reply.status_code >= 300:
            _refused(reply)


@pytest.mark.parametrize("operation", WITH_JSON, ids=lambda op: op.id)
async def test_what_is_only_shown_is_never_taken(world: World, operation: Operation) -> None:
    """Mass assignment: every response-only field in every write."""
    names = await targets(world, "x")
    document = (await world.send("GET", "/v1/openapi.json", key=None)).json()
    shown, taken = (
        document["components"]["schemas"][name]["properties"]
        for name in _RESPONSE_ONLY[operation.id]
    )
    own = {"tenant_id", "role_id", "is_admin", "standing", "secret_version", "withheld"}
    before = await _state(world)

    for field in {*shown, *own} - {*taken}:
        values: list[Any] = [None, True, 7, "x", {}, str(world.foreign.id)]
        for value in values:
            reply = await perform(world, operation, body={**operation.body, field: value}, **names)

            assert problem(reply) == "invalid-input", (field, value)
            assert reply.json()["errors"][0]["field"] == "body"

    assert await _state(world) == before


async def _state(world: World) -> list[Any]:
    paths = ("/v1/projects/-", "/v1/projects/-/keys", "/v1/projects/-/credentials",
             "/v1/projects/-/credentials/target-x/uses", "/v1/projects/-/webhooks",
             "/v1/projects/-/workloads",
             "/v1/projects/-/audit")  # fmt: skip
    return [(await world.send("GET", path)).json() for path in paths]


# The client itself resolves a literal `.` or `..`; tests/web/test_guard.py sends those.
_VECTORS = [
    "%2f", "a%2fb", "%2F", "..%2f..%2f", "%2e%2e%2f", "%2e%2e", "%2e", "%00", "a%00b", "%0a",
    "%0d%0aX:1", "%09", "%1b", "%7f", "%5c", "..%5c", "a;b", ";x=1", "%ff", "%c0%af",
    "%ed%a0%80", "%f4%90%80%80", "%E2%80%AE", "%EF%BB%BF", "%C2%85", "*", "'%20OR%201=1--",
    "%27%3B%20DROP%20TABLE", "$%7B7*7%7D", "%7B%7B7*7%7D%7D", "=cmd%7C", "%25", "%2525", "%252f",
    "%25%32%66", "null", "None", "undefined", "-", "0", "-1", "9" * 40, "1e9", "NaN", "true",
    "a" * 255, "a" * 256, "a" * 3000, quote("名" * 255), "%F0%9F%98%80", ":verify", "x:verify",
    "a:b", "::", "credentials", "019a9c1e-ffff-7fff-bfff-ffffffffffff",
    "019a9c1effff7fffbfffffffffffffff", "%7B019a9c1e-ffff-7fff-bfff-ffffffffffff%7D",
    "urn:uuid:019a9c1e-ffff-7fff-bfff-ffffffffffff", "~root", "con", "...", "a%20", "%20a",
]  # fmt: skip


@pytest.mark.parametrize(
    "operation", [op for op in OPERATIONS if "{" in op.path], ids=lambda op: op.id
)
async def test_path_parameters_are_decoded_once_or_refused(
    world: World, operation: Operation
) -> None:
    names = await targets(world, "x")
    for parameter in ("project", "credential", "key", "kind", "name", "provider", "webhook"):
        if f"{{{parameter}}}" not in operation.path:
            continue
        for vector in _VECTORS:
            if (parameter, vector) == ("project", "-"):
                continue
            reply = await perform(world, operation, **{**names, parameter: vector})
            assert reply.status_code < 500, (parameter, vector)
            if reply.status_code >= 400:
                problem(reply)
            else:
                # Only what may be named freely was taken: a use's kind and name.
                assert operation.id == "putUse", (parameter, vector)
                assert parameter in {"kind", "name"}, vector


async def test_a_use_is_stored_under_the_name_that_was_sent(world: World) -> None:
    await world.add()
    path = "/v1/projects/-/credentials/ci-pull/uses"
    put = await world.send("PUT", f"{path}/cafe%CC%81/%252f")

    assert (put.json()["kind"], put.json()["name"]) == ("caf\u00e9", "%2f")
    assert (await world.send("DELETE", f"{path}/caf%C3%A9/%252f")).status_code == 204


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda op: op.id)
async def test_unknown_query_parameters_are_refused(world: World, operation: Operation) -> None:
    if operation.id in {"resolveImage", "dockerCredentialGet"}:
        return  # the hot path has no query
    names = await targets(world, "x")
    reply = await world.send(
        operation.method, f"{operation.at(**names)}?{CANARY}={CANARY}", operation.body
    )

    assert problem(_refused(reply)) == "invalid-input"


@pytest.mark.parametrize(
    "operation", [op for op in OPERATIONS if op.body is None], ids=lambda op: op.id
)
async def test_a_body_where_none_is_read_is_refused(world: World, operation: Operation) -> None:
    names = await targets(world, "x")

    reply = await perform(world, operation, body={"a": CANARY}, **names)

    assert problem(_refused(reply)) == "malformed-request"


@pytest.mark.parametrize("key", [None, "admin"])
@pytest.mark.parametrize("size", [64 * 1024 + 1, 10_000_000])
async def test_a_large_body_is_refused_before_the_key_is_looked_at(
    world: World, key: str | None, size: int
) -> None:
    reply = await world.send(
        "POST", "/v1/projects/-/credentials", content=b"x" * size, key=key,
        headers={"Content-Type": "application/json"},
    )  # fmt: skip

    assert problem(reply) == "body-too-large"
    assert reply.headers["connection"] == "close"


async def test_a_body_at_the_limit_is_read(world: World) -> None:
    head = b'{"name": "n", "username": "u", "password": "p", "description": "'
    body = head + b"x" * (64 * 1024 - len(head) - 2) + b'"}'
    reply = await world.send(
        "POST", "/v1/projects/-/credentials", content=body,
        headers={"Content-Type": "application/json"},
    )  # fmt: skip

    assert reply.json()["errors"][0]["field"] == "description"


@pytest.mark.parametrize(
    "password",
    ["x", " ", "a:b\nc\td", "\u202e", "p" * 16384, "\u00e9" * 8192, "\U0001f600", '"\\', "{}"],
)
async def test_a_password_is_opaque(world: World, password: str) -> None:
    await world.add(password=password)

    reply = await perform(world, BY_ID["resolveImage"])

    assert reply.json()["logins"][0]["password"] == password
