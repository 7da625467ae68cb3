"""Texts and numbers as wires constrain them, by their owners' own patterns."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from regcred.domain.errors import MalformedRequest, ProjectNotFound
from regcred.web.shapes import SecretText, Text, WholeNumber, ecma


@pytest.mark.parametrize(
    ("pattern", "matches", "misses"),
    [
        ("^a$", ["a"], ["a\n", "\na", "ba", "ab"]),
        ("^.$", ["x", "\u00e9", "\t", "\x0b", "\x85"], ["", "\n", "\r", "\u2028", "\u2029", "xy"]),
        (r"^\.$", ["."], ["x"]),
        ("^[.$^]$", [".", "$", "^"], ["x"]),
        (r"^[\]]$", ["]"], ["\\"]),
        (r"^\d$", ["1"], ["\u0663"]),
        (r"^\w$", ["a"], ["\u00e9"]),
        ("b", ["abc"], ["ac"]),
    ],
)
def test_patterns_mean_what_ecma_262_says(
    pattern: str, matches: list[str], misses: list[str]
) -> None:
    assert [text for text in matches if not ecma(pattern).search(text)] == []
    assert [text for text in misses if ecma(pattern).search(text)] == []


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=140))
def test_eight_to_128_characters_of_one_line(text: str) -> None:
    one_line = not set(text) & set("\n\r\u2028\u2029")

    assert bool(ecma("^.{8,128}$").search(text)) == (one_line and 8 <= len(text) <= 128)


@given(st.from_regex(re.compile(r"\A[A-Za-z0-9._@\n-]{0,45}\Z"), fullmatch=True))
def test_a_user_name_of_1_to_39_with_firm_ends(text: str) -> None:
    pattern = "^(?=.{1,39}$)[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$"
    allowed = all(c.isascii() and (c.isalnum() or c in "._-") for c in text)
    firm = text[:1].isalnum() and text[-1:].isalnum()

    assert bool(ecma(pattern).search(text)) == (1 <= len(text) <= 39 and allowed and firm)


@pytest.mark.parametrize("attack", ["a" + "-" * 60_000, "-" * 60_000, "a" * 60_000 + "\n"])
@pytest.mark.parametrize(
    "pattern",
    [
        "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        "^(?=[A-Za-z])[A-Za-z0-9@._-]{1,20}$",
        "^(?=.{1,39}$)[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$",
        "^.{8,128}$",
    ],
)
@pytest.mark.timeout(5)
def test_no_text_makes_a_pattern_run_away(pattern: str, attack: str) -> None:
    assert not ecma(pattern).search(attack)


@pytest.mark.parametrize("value", [None, 1, True, 1.5, [], {}, b"x"])
def test_only_text_is_text(value: object) -> None:
    with pytest.raises(PydanticCustomError, match="must be text"):
        Text().check(value)


@pytest.mark.parametrize(
    ("rules", "bad", "said"),
    [
        (Text(minimum=1), "", "must not be empty"),
        (Text(minimum=2), "z", "at least 2 characters"),
        (Text(minimum=1, maximum=3), "abcd", "1 to 3 characters"),
        (Text(maximum=3), "abcd", "0 to 3 characters"),
        (Text(pattern="^x$", rule="must be x"), "y", "must be x"),
    ],
)
def test_a_broken_rule_is_told_in_words_without_the_value(rules: Text, bad: str, said: str) -> None:
    with pytest.raises(PydanticCustomError, match=said) as refused:
        rules.check(bad)

    assert not bad or bad not in refused.value.message()


def test_a_secret_is_wrapped_before_anyone_sees_it() -> None:
    secret = SecretText(minimum=1).wrap("Hunter2")

    assert "Hunter2" not in repr(secret)
    assert secret.reveal() == "Hunter2"


@pytest.mark.parametrize("text", ["", "a\0b", "x" * 16385])
def test_a_secret_keeps_the_domains_rules_too(text: str) -> None:
    with pytest.raises(PydanticCustomError, match="must"):
        SecretText().wrap(text)


@given(st.integers())
def test_a_number_is_itself_within_its_bounds(number: int) -> None:
    bounded = WholeNumber("n", minimum=0, maximum=10_000)

    if 0 <= number <= 10_000:
        assert bounded.check(str(number)) == number
    else:
        with pytest.raises(MalformedRequest):
            bounded.check(str(number))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "1.0",
        "01",
        "-0",
        "+1",
        " 1",
        "1 ",
        "1\n",
        "1_0",
        "\u0663",
        "0x1",
        "1" * 41 + "x",
        1,
    ],
)
def test_only_plain_decimal_digits_are_a_number(text: object) -> None:
    with pytest.raises(MalformedRequest, match="n: must be a whole number"):
        WholeNumber("n").check(text)


def test_a_number_without_an_end_stops_at_what_a_store_holds() -> None:
    for huge in (2**80, 10**60, 10**4000):
        assert WholeNumber("n", minimum=0).check(str(huge)) == 2**63 - 1
    with pytest.raises(MalformedRequest):
        WholeNumber("n", minimum=0).check(f"-{10**60}")
    assert WholeNumber("n", minimum=0).check("0") == 0


def test_a_number_may_be_refused_as_another_fact() -> None:
    with pytest.raises(ProjectNotFound):
        WholeNumber("n", refusal=ProjectNotFound).check("x")


def test_rules_pass_through_pydantic_by_their_own_words() -> None:
    from typing import Annotated  # noqa: PLC0415  one use

    adapter = TypeAdapter(Annotated[str, Text(minimum=1)])

    assert adapter.validate_python("x") == "x"
    with pytest.raises(ValidationError, match="must not be empty"):
        adapter.validate_python("")
    assert adapter.json_schema() == {"type": "string", "minLength": 1}
