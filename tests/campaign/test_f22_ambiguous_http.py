"""No request that two readers could take for different ones is understood, in any of its forms."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import uvicorn

from tools.campaign.ambiguous_requests import corpus
from tools.campaign.conversations import WAYS, talk, wrongs
from tools.campaign.echo_servers import bordered, guarded, serving, unguarded

Address = tuple[str, int]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The servers log each refusal: that is theirs to do, and nobody's to read here."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def address() -> Iterator[Address]:
    with serving(guarded()) as bound:
        yield bound


@pytest.mark.parametrize("way", WAYS)
def test_the_corpus_is_refused_or_understood_as_it_says(address: Address, way: str) -> None:
    cases = corpus()
    wrong = {
        case.name: found for case in cases if (found := wrongs(case, talk(address, case, way)))
    }

    assert wrong == {}
    assert len(cases) >= 150


@pytest.mark.parametrize("config", [unguarded(), unguarded(bordered())], ids=["plain", "border"])
def test_without_the_guard_some_of_it_is_understood(config: uvicorn.Config) -> None:
    """The control: the parser alone, and the applications' border alone, are not enough."""
    told = {"target b'http://y/a'", "trailer b'Authorization: Bearer y'"}
    cases = [case for case in corpus() if case.name in told]
    with serving(config) as bound:
        assert all(wrongs(case, talk(bound, case)) for case in cases)

    assert len(cases) == len(told)
