from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regcred.adapters.registries.bearer import Token, read_token
from regcred.domain.secret import Secret
from tests.adapters.registries.scripted import grant, jwt


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ({"token": "a"}, "a"),
        ({"access_token": "b"}, "b"),
        ({"token": "a", "access_token": "b"}, "a"),
        ({"token": "", "access_token": "b"}, "b"),
        ({"token": "aA0-._~+/=="}, "aA0-._~+/=="),
    ],
)
def test_the_token_is_found(answer: dict[str, str], text: str) -> None:
    token = read_token(json.dumps(answer).encode())

    assert token is not None
    assert token.secret == Secret(text)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"x",
        b"\xff",
        b'{"token": 1}',
        b'{"token": ["a"]}',
        b'{"token": "a b"}',
        b'{"token": "a\\r\\nX: y"}',
        b'{"token": "\\u0000"}',
        b"[" * 60_000,
        b'{"token": "' + b"a" * 17_000 + b'"}',
        b'{"token": ' + b"9" * 5000 + b"}",
    ],
)
def test_anything_else_is_no_token(body: bytes) -> None:
    assert read_token(body) is None


@pytest.mark.parametrize(
    ("text", "actions"),
    [
        (grant("team/app", "pull"), ("pull",)),
        (grant("team/app", "push", "pull"), ("pull", "push")),
        (grant("team/app", "*"), ("*",)),
        (grant("team/app"), ()),
        (grant("team/other", "pull"), ()),
        (jwt([]), ()),
        (jwt([{"type": "registry", "name": "team/app", "actions": ["pull"]}]), ()),
        (jwt([None, {"type": "repository", "name": "team/app", "actions": "pull"}]), ()),
        (grant("team/app", "pull", "<script>", "x" * 99), ("pull",)),
        (jwt(exp=1), None),
        (jwt("all"), None),
        ("opaque", None),
        ("a.b.c", None),
        ("a.!.c", None),
        ("a.W10.c", None),
    ],
)
def test_what_a_token_says_it_grants(text: str, actions: tuple[str, ...] | None) -> None:
    assert Token(Secret(text)).actions("team/app") == actions


@given(st.binary(max_size=200))
def test_no_body_breaks_the_reader(body: bytes) -> None:
    token = read_token(body)
    if token is not None:
        token.actions("team/app")


@given(st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", max_size=40))
def test_no_payload_breaks_the_reader(payload: str) -> None:
    Token(Secret(f"e30.{payload}.sig")).actions("team/app")


def test_a_token_does_not_show_itself() -> None:
    assert "canary" not in repr(read_token(b'{"token": "canary"}'))
