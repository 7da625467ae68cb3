"""Names and free texts show everything they hold."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regcred.domain import text
from regcred.domain.errors import InvalidInput

HIDDEN = {
    "NUL": "a\0b",
    "tab": "a\tb",
    "line feed": "a\nb",
    "delete": "a\x7fb",
    "C1": "a\x85b",
    "zero width": "a\N{ZERO WIDTH SPACE}b",
    "joiner": "a\N{ZERO WIDTH JOINER}b",
    "bidi override": "a\N{RIGHT-TO-LEFT OVERRIDE}b",
    "soft hyphen": "a\N{SOFT HYPHEN}b",
    "line separator": "a\N{LINE SEPARATOR}b",
    "surrogate": "a\ud800b",
    "private use": "a\ue000b",
    "unassigned": "a\U000e0fffb",
    "byte order mark": "\ufeffab",
}


@pytest.mark.parametrize("kind", HIDDEN)
def test_hidden_characters_are_refused_everywhere(kind: str) -> None:
    for rule in (text.name, text.username):
        with pytest.raises(InvalidInput, match="printable") as refused:
            rule(HIDDEN[kind])
        assert HIDDEN[kind] not in str(refused.value)


@pytest.mark.parametrize(
    "good",
    [
        "a",
        "x" * 255,
        "prod docker hub",
        "b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher",
        "\N{HIRAGANA LETTER A}",
        "reg:5000",
        "a:b1",
        "a:",
        "...",
        "a%2fb",
        "01890000-0000-7000-8000-000000000001",
    ],
)
def test_a_name_is_1_to_255_printable_characters(good: str) -> None:
    assert text.name(good) == good


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "x" * 256,
        "a/b",
        "a\\b",
        " a",
        "a ",
        "\N{NO-BREAK SPACE}a",
        ".",
        "..",
        "a:verify",
        ":x",
        "a:b:C",
    ],
)
def test_a_name_survives_a_path(bad: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        text.name(bad, field="the_field")

    assert refused.value.violations[0].field == "the_field"
    assert len(bad) < 3 or bad not in str(refused.value)


def test_names_are_normalised_to_nfc() -> None:
    decomposed = "e\N{COMBINING ACUTE ACCENT}"

    assert text.name(decomposed) == "\N{LATIN SMALL LETTER E WITH ACUTE}"
    assert text.name(decomposed * 255) == "\N{LATIN SMALL LETTER E WITH ACUTE}" * 255


@pytest.mark.parametrize(
    "good", ["u", "_json_key", "AWS", "<token>", "robot$ci", "a@b.c", "x" * 1024]
)
def test_a_username_is_what_registries_take(good: str) -> None:
    assert text.username(good) == good


@pytest.mark.parametrize(
    ("bad", "rule"),
    [("a:b", "RFC 7617"), (":", "RFC 7617"), ("", "1 to 1024"), ("x" * 1025, "1 to 1024")],
)
def test_a_username_has_no_colon(bad: str, rule: str) -> None:
    with pytest.raises(InvalidInput, match=rule):
        text.username(bad)


@given(st.text(max_size=300))
def test_an_accepted_name_is_stable_and_visible(given_text: str) -> None:
    try:
        name = text.name(given_text)
    except InvalidInput:
        return

    assert text.name(name) == name
    assert unicodedata.is_normalized("NFC", name)
    assert name.isprintable() or any(unicodedata.category(c) == "Zs" for c in name)
    name.encode()


@pytest.mark.parametrize(
    "piled",
    [
        "a" + "\u0301" * 31,
        "\u0301" * 16_000 + "\u0316" * 16_000,
        *("a" + mark * 20_000 for mark in "\u0f73\u0f75\u0f81"),
    ],
    ids=["31", "two kinds", "U+0F73", "U+0F75", "U+0F81"],
)
def test_marks_do_not_pile_up_on_a_letter(piled: str) -> None:
    """Normalising sorts a run of them in time that grows with its square: seconds for a body."""
    for rule in (text.name, text.username):
        with pytest.raises(InvalidInput, match="marks"):
            rule(piled)


def test_as_many_marks_as_writing_needs_are_taken() -> None:
    assert text.name("a" + "\u0323\u0301" * 15 + "b").startswith("\u1ea1")
