"""JSON is read one way, or refused with a rule that says nothing of the body."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regcred.domain.errors import MalformedRequest
from regcred.web.json_body import (
    JSON,
    MAX_DEPTH,
    MERGE_PATCH,
    parse_object,
    require_media_type,
)
from regcred.web.refusals import UnsupportedMediaType
from tests.web.hostile import CANARY, HOSTILE_JSON

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize("body", HOSTILE_JSON.values(), ids=HOSTILE_JSON.keys())
def test_ambiguous_json_is_refused_without_a_word_of_it(body: bytes) -> None:
    with pytest.raises(MalformedRequest) as refusal:
        parse_object(body)

    assert refusal.value.field == "body"
    assert CANARY not in str(refusal.value)
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__


@given(st.dictionaries(st.text(), _JSON, max_size=6))
def test_sane_objects_are_read_as_the_standard_library_reads_them(value: object) -> None:
    text = json.dumps(value)

    assert parse_object(text.encode()) == json.loads(text)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_refused(body: bytes) -> None:
    with contextlib.suppress(MalformedRequest):
        assert isinstance(parse_object(body), dict)


def test_the_deepest_allowed_nesting_is_read() -> None:
    body = b'{"a":' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"}"

    assert "a" in parse_object(body)


def test_many_containers_beside_each_other_are_not_deep() -> None:
    assert len(parse_object(b'{"a":[' + b",".join([b"{}"] * 100) + b"]}")["a"]) == 100


def test_a_pair_of_surrogate_escapes_is_one_character() -> None:
    assert parse_object(rb'{"a":"\ud83d\ude00"}') == {"a": "\N{GRINNING FACE}"}


@pytest.mark.parametrize(
    "sent",
    [
        JSON,
        "Application/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
    ],
)
def test_json_is_json_in_any_spelling(sent: str) -> None:
    require_media_type([sent], JSON)


@pytest.mark.parametrize(
    "sent",
    [
        [],
        [""],
        ["text/plain"],
        ["application/x-www-form-urlencoded"],
        [JSON, JSON],
        [f"{JSON}; charset=utf-16"],
        [f"{JSON}; charset=utf-8; boundary=x"],
        [MERGE_PATCH],
    ],
)
def test_other_media_types_are_refused(sent: list[str]) -> None:
    with pytest.raises(UnsupportedMediaType, match=JSON):
        require_media_type(sent, JSON)


def test_an_object_has_at_most_256_members() -> None:
    most = {str(number): 1 for number in range(256)}

    assert parse_object(json.dumps(most).encode()) == most
    for body in ({**most, "x": 1}, {"inside": {**most, "x": 1}}):
        with pytest.raises(MalformedRequest, match="at most 256 members"):
            parse_object(json.dumps(body).encode())
