"""Members are set and removed in the text, and every other byte stays."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regcred.clients.wiring.json_edit import masked, put, remove
from regcred.clients.wiring.json_object import Broken

PATH = ("credHelpers", "ghcr.io")

names = st.text(max_size=6).filter(lambda name: name.casefold() not in {"credhelpers", "x"})
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    # A lone surrogate is JSON, and nothing that a file can hold.
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(names, values, min_size=1, max_size=4)
styles = st.sampled_from([None, 0, 2, "\t", "    "])


def written(value: Any, style: int | str | None, ends: str = "\n") -> str:
    return json.dumps(value, indent=style).replace("\n", ends)


@given(objects, styles, st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", "\n", " \n\n"]))
def test_what_was_put_and_removed_leaves_the_same_text(
    value: dict[str, Any], style: int | str | None, ends: str, tail: str
) -> None:
    text = written(value, style, ends) + tail

    assert remove(put(text, PATH, "regcred"), PATH) == text


@given(objects, styles, st.dictionaries(names, st.text(max_size=3), max_size=3))
def test_what_is_put_is_read_beside_all_that_was_there(
    value: dict[str, Any], style: int | str | None, helpers: dict[str, str]
) -> None:
    text = written({"x": 1, "credHelpers": helpers, **value}, style)

    changed = json.loads(put(text, PATH, "regcred"))

    expected = {"x": 1, "credHelpers": {**helpers, "ghcr.io": "regcred"}, **value}
    assert changed == expected


@given(objects, styles)
def test_putting_twice_is_putting_once(value: dict[str, Any], style: int | str | None) -> None:
    once = put(written(value, style), PATH, "regcred")

    assert put(once, PATH, "regcred") == once


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{}", '{\n\t"credHelpers": {\n\t\t"ghcr.io": "regcred"\n\t}\n}'),
        ("{}\n", '{\n\t"credHelpers": {\n\t\t"ghcr.io": "regcred"\n\t}\n}\n'),
        ('{"a":1}', '{"a":1,"credHelpers":{"ghcr.io": "regcred"}}'),
        (
            '{\n  "credHelpers": {}\n}',
            '{\n  "credHelpers": {\n    "ghcr.io": "regcred"\n  }\n}',
        ),
        ('{ "credHelpers": null }', '{ "credHelpers": {"ghcr.io": "regcred"} }'),
        ('{"CREDHELPERS": {"a": "b"}}', '{"CREDHELPERS": {"a": "b","ghcr.io": "regcred"}}'),
        ('{"credHelpers": {"ghcr.io": "other"}}', '{"credHelpers": {"ghcr.io": "regcred"}}'),
        (
            '{"credHelpers": {"\\u0067hcr.io": "other"}, "n": 1e3}',
            '{"credHelpers": {"\\u0067hcr.io": "regcred"}, "n": 1e3}',
        ),
    ],
)
def test_the_style_of_the_file_is_kept(before: str, after: str) -> None:
    assert put(before, PATH, "regcred") == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"a": 1, "credHelpers": {"ghcr.io": "regcred"}, "b": 2}', '{"a": 1, "b": 2}'),
        ('{"credHelpers": {"ghcr.io": "r", "a": "b"}}', '{"credHelpers": {"a": "b"}}'),
        ('{"credHelpers": {"a": "b", "ghcr.io": "r"}}', '{"credHelpers": {"a": "b"}}'),
        ('{"credHelpers": {"ghcr.io": "r"}}', "{}"),
        ('{"credHelpers": {"a": "b"}}', '{"credHelpers": {"a": "b"}}'),
        ('{"credHelpers": "ghcr.io"}', '{"credHelpers": "ghcr.io"}'),
        ("{}", "{}"),
    ],
)
def test_what_is_removed_takes_its_comma_and_an_empty_parent_along(before: str, after: str) -> None:
    assert remove(before, PATH) == after


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "[]",
        "1",
        "{",
        '{"a": 1} x',
        '{"a": NaN}',
        "\ufeff{}",
        '{"credHelpers": []}',
        '{"credHelpers": "x"}',
        '{"credHelpers": {}, "credhelpers": {}}',
        '{"credHelpers": {"ghcr.io": "a", "ghcr.io": "b"}}',
        '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}",
    ],
)
def test_what_cannot_be_edited_safely_is_refused(text: str) -> None:
    with pytest.raises(Broken):
        put(text, PATH, "regcred")


def test_every_text_is_masked_but_what_is_known_to_be_harmless() -> None:
    text = (
        '{"auths": {"h": {"auth": "one", "\\u0061uth": "two"}}, "HttpHeaders": {"A": ["three"]}, '
        '"credsStore": "pass", "CREDHELPERS": {"ghcr.io": "regcred"}, "n": [1, "four", [], {}]}'
    )

    shown = masked(text, frozenset({"credhelpers", "credsstore"}))

    assert not any(secret in shown for secret in ("one", "two", "three", "four"))
    assert shown.count('"…"') == 4
    assert '"credsStore": "pass", "CREDHELPERS": {"ghcr.io": "regcred"}, "n": [1, ' in shown
    assert json.loads(shown)["auths"] == {"h": {"auth": "…"}}


@given(objects, styles)
def test_masking_keeps_the_lines(value: dict[str, Any], style: int | str | None) -> None:
    text = written(value, style)

    assert len(masked(text, frozenset()).splitlines()) == len(text.splitlines())
