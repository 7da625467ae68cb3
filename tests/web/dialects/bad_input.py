"""Bad input, made from the vendors' documents: every constraint of every field at its boundary."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.web.dialects.contracts import Operation

CANARY = "c4n4ry-Hunter2-never-echoed"
WRONG_TYPES: tuple[Any, ...] = (None, True, 0, 7, 1.5, [], [CANARY], {}, {"x": CANARY})

# A pattern as the contract has it -> what it takes, and what comes near it. A pattern that is not
# here fails the suite: no constraint goes untried.
PATTERNS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$": (
        ("abcd", "a--b", "0123", "a-b-c", "z" * 255),
        (
            "-abcd", "abcd-", "Abcd", "ab_cd", "ab.cd", "ab cd", "abcd\n", "\nabcd", "abcd\r",
            "abc\u00e9", "\u0430bcd", "ab/cd", "abcd\u2028", "abcd\x00", "\u0663" * 4, "----",
        ),
    ),
    "^(?=[A-Za-z])[A-Za-z0-9@._-]{1,20}$": (
        ("a", "Z", "a@b.c_d-e", "a" * 20),
        (
            "a" * 21, "1abc", "@abc", ".abc", "_abc", "-abc", "a b", "abc\n", "\nabc",
            "a" * 20 + "\n", "ab/c", "ab:c", "abc\u00e9", "\u0430bc", "abc\u2028", "abc\x00",
        ),
    ),
    "^(?=.{1,39}$)[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$": (
        ("a", "0", "a.b", "a__b--c..d", "a" * 39),
        (
            "", "a" * 40, ".a", "a.", "_a", "a_", "-a", "a-", "a b", "a@b.c", "a+b", "robot$x",
            "_json_key", "abc\n", "\nabc", "a" * 39 + "\n", "abc\r", "abc\u2028", "abc\u00e9",
            "a:b",
        ),
    ),
    "^.{8,128}$": (
        (
            "12345678", "x" * 128, "        ", "pass word", "\u00e9" * 8, "\U0001f511" * 8,
            "a\tb\x0bcdefg",
        ),
        (
            "1234567", "x" * 129, "", "12345678\n", "\n12345678", "1234\n5678", "1234\r5678",
            "1234\u20285678", "1234\u20295678", "\U0001f511" * 7,
        ),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One body, what is wrong with it, and which field is to be blamed."""

    label: str
    field: str
    body: Any


def refused(operation: Operation, good: dict[str, Any], shown_only: set[str]) -> Iterator[Case]:
    """Yield bodies that break one rule of the contract each."""
    schema = operation.body or {}
    fields: dict[str, Any] = schema["properties"]
    for name in schema.get("required", ()):
        yield Case(f"{name} is missing", name, {k: v for k, v in good.items() if k != name})
    for name, rules in fields.items():
        for value in WRONG_TYPES:
            yield Case(f"{name} is {value!r}", name, {**good, name: value})
        for value in _refused_texts(rules):
            yield Case(f"{name} is {value[:30]!r} ({len(value)})", name, {**good, name: value})
    for name in sorted({"surprise", *shown_only} - fields.keys()):
        yield Case(f"{name} is extra", "body", {**good, name: CANARY})
    for value in ([], [good], CANARY, 1, True):
        yield Case(f"the body is {str(value)[:10]}", "body", value)


def taken(operation: Operation, good: dict[str, Any]) -> Iterator[Case]:
    """Yield bodies that go as far as the contract lets them."""
    for name, rules in (operation.body or {})["properties"].items():
        for value in _taken_texts(rules):
            yield Case(f"{name} is {value[:30]!r} ({len(value)})", name, {**good, name: value})


def _refused_texts(rules: dict[str, Any]) -> Iterator[str]:
    if "pattern" in rules:
        yield from PATTERNS[rules["pattern"]][1]
    if "enum" in rules:
        yield from ("", CANARY, rules["enum"][0].swapcase(), rules["enum"][0] + "\n")
    if rules.get("minLength"):
        yield "a" * (rules["minLength"] - 1)
    if "maxLength" in rules:
        yield (CANARY * rules["maxLength"])[: rules["maxLength"] + 1]


def _taken_texts(rules: dict[str, Any]) -> Iterator[str]:
    if "enum" in rules:
        yield from rules["enum"]
        return
    least, most = rules.get("minLength", 0), rules.get("maxLength")
    texts = PATTERNS[rules["pattern"]][0] if "pattern" in rules else ("a" * max(least, 1),)
    yield from (text for text in texts if len(text) >= least)
    if most is not None and "pattern" not in rules:
        yield "b" * most
