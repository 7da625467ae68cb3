"""Every fact has an answer in every wire language."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import regcred
from regcred.domain.errors import RegcredError, StartRefused
from regcred.web.dialect import Dialect
from regcred.web.dialects import DIALECTS

# Said before a port is open, so to nobody who could hear it over HTTP.
NEVER_ANSWERED = {StartRefused}


def facts() -> set[type[RegcredError]]:
    """Return every error class of the service, wherever it stands."""
    for module in pkgutil.walk_packages(regcred.__path__, "regcred."):
        # Migrations run inside Alembic's own environment and define no errors.
        if "migrations" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    return set(below(RegcredError)) - NEVER_ANSWERED


def below(cls: type[RegcredError]) -> Iterator[type[RegcredError]]:
    for child in cls.__subclasses__():
        yield child
        yield from below(child)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_every_fact_has_a_status(dialect: Dialect) -> None:
    missing = {fact.__qualname__ for fact in facts() if fact not in dialect.statuses}

    assert missing == set()


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_every_status_is_an_error(dialect: Dialect) -> None:
    assert {status for status in dialect.statuses.values() if not 400 <= status <= 599} == set()


def test_no_two_dialects_claim_one_path() -> None:
    prefixes = [prefix for dialect in DIALECTS for prefix in dialect.prefixes]

    assert len(prefixes) == len(set(prefixes))
    assert not [(a, b) for a in prefixes for b in prefixes if b.startswith(a + "/")]
