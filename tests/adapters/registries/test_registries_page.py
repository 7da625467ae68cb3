"""The page for those who store a login says of every family what the code does."""

from __future__ import annotations

import re

import pytest

from regcred.adapters.registries import providers
from regcred.adapters.registries.provider import Provider
from tests.adapters.registries.replay import transcripts
from tests.house.source import ROOT

PAGE = (ROOT / "docs" / "registries.md").read_text()
SECTIONS = dict(re.findall(r"(?s)\n## [^\n]*\(`(\w+)`\)\n(.*?)(?=\n## )", PAGE))
HEADINGS = ("Which token", "User name", "Lifetime", "Verdicts", "Traps")
ALIKE = {"ok", "missing", "public", "unreachable"}
"""Said once, above the sections."""


def test_every_family_has_a_section_and_no_other_has() -> None:
    assert list(SECTIONS) == [provider.slug for provider in providers.PROVIDERS]


@pytest.mark.parametrize("provider", providers.PROVIDERS, ids=lambda provider: provider.slug)
def test_a_section_says_what_there_is_to_say(provider: Provider) -> None:
    section = SECTIONS[provider.slug]
    found = re.findall(r"^\*\*([A-Z][^*.]+)\.\*\*", section, re.MULTILINE)
    told = set(re.findall(r"^\* `(\w+)`", section, re.MULTILINE))
    shown = {one.verdict.value for one in transcripts() if one.provider == provider.slug}

    assert tuple(found) == HEADINGS
    assert told - ALIKE == shown - ALIKE
    assert re.search(r"\]\(https://", section)
    assert "**" in section.partition("**Which token.**")[2].partition("**User name.**")[0]
    everywhere = SECTIONS["generic"]
    assert all(f"`{name}`" in section or f"`{name}`" in everywhere for name in provider.settings)


def test_the_page_names_every_host_pattern_that_people_type() -> None:
    table = PAGE.partition("\n## ")[0]

    for provider in providers.PROVIDERS:
        assert f"`{provider.slug}`" in table
