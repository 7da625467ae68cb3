"""Every wall of pyproject.toml stands, and each falls over when something is built through it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.house.source import ROOT, SRC

INWARDS = "Dependencies point inwards"
NO_IO = "Domain and use cases do no I/O"
PORTS = "Adapters implement ports and never call use cases"
DIALECTS = "A dialect knows no other dialect"
PROVIDERS = "A registry provider knows no other provider"
CLIENTS = "Client programs import nothing of the server"
ON_NODES = "Programs on nodes are the standard library alone"
MODELS = "What models a client reads no disk"
SQL = "Only storage speaks SQL"
NOUNS = "The store's nouns know neither database"
DATABASES = "A database knows no other database"
CRYPTOGRAPHY = "Only sealing touches cryptography"
CLOUDS = "Clouds' own libraries only sign and wrap keys"
METRICS = "Only metrics counts for Prometheus"
TRACES = "Only tracing speaks OpenTelemetry"
TOKENS = "Only identity reads tokens"
CALLS_OUT = "Only the guarded transport and the clients call out"
CLUSTERS = "Only the sync and one import speak to clusters"
CYCLES = "No cycles between siblings"

Plants = Mapping[str, str]

# What breaks: the lines to add, by file under src/regcred.
VIOLATIONS: list[tuple[str, Plants]] = [
    (INWARDS, {"domain/planted.py": "import regcred.usecases"}),
    (INWARDS, {"usecases/planted.py": "import regcred.web"}),
    (INWARDS, {"web/planted.py": "import regcred.adapters.storage"}),
    (INWARDS, {"adapters/planted.py": "import regcred.web"}),
    (INWARDS, {"adapters/planted.py": "import regcred.settings"}),
    (INWARDS, {"settings.py": "import regcred.bootstrap"}),
    (INWARDS, {"utils.py": ""}),
    (NO_IO, {"domain/planted.py": "import pathlib"}),
    (NO_IO, {"usecases/planted.py": "from asyncio import sleep"}),
    (NO_IO, {"usecases/planted.py": "def late():\n    import os"}),
    (PORTS, {"adapters/planted.py": "import regcred.usecases.resolve_image"}),
    (
        DIALECTS,
        {
            "web/dialects/planted/__init__.py": "",
            "web/dialects/planted/wire.py": "import regcred.web.dialects.native",
        },
    ),
    (
        PROVIDERS,
        {
            "adapters/registries/providers/planted.py": "",
            "adapters/registries/providers/planted_too.py": (
                "import regcred.adapters.registries.providers.planted"
            ),
        },
    ),
    (CLIENTS, {"clients/planted.py": "import regcred.domain.errors"}),
    (CLIENTS, {"clients/cli/planted.py": "from regcred.usecases import resolve_image"}),
    (CLIENTS, {"clients/planted.py": "import pydantic"}),
    (ON_NODES, {"clients/docker_helper.py": "import httpx2"}),
    (ON_NODES, {"clients/node/words.py": "import yaml"}),
    (MODELS, {"clients/wiring/lookup.py": "import pathlib"}),
    (MODELS, {"clients/wiring/docker_config.py": "import regcred.clients.wiring.machine"}),
    (SQL, {"web/planted.py": "import sqlite3"}),
    (SQL, {"adapters/sealing/planted.py": "from sqlalchemy import select"}),
    (NOUNS, {"adapters/storage/sql/planted.py": "import sqlite3"}),
    (NOUNS, {"adapters/storage/sql/planted.py": "import asyncpg"}),
    (
        DATABASES,
        {"adapters/storage/postgres/planted.py": "import regcred.adapters.storage.sqlite.place"},
    ),
    (CRYPTOGRAPHY, {"adapters/storage/planted.py": "from cryptography.hazmat import primitives"}),
    (CRYPTOGRAPHY, {"bootstrap/planted.py": "import shamir_mnemonic"}),
    (CLOUDS, {"bootstrap/planted.py": "import hvac"}),
    (CLOUDS, {"adapters/sealing/planted.py": "from botocore.session import Session"}),
    (METRICS, {"usecases/planted.py": "import prometheus_client"}),
    (METRICS, {"adapters/storage/planted.py": "from prometheus_client import Counter"}),
    (TRACES, {"web/planted.py": "from opentelemetry import trace"}),
    (TOKENS, {"adapters/sealing/planted.py": "import jwt"}),
    (TOKENS, {"web/planted.py": "from jwt import decode"}),
    (CALLS_OUT, {"web/planted.py": "import httpx2"}),
    (CALLS_OUT, {"adapters/sealing/planted.py": "import httpcore2"}),
    (CLUSTERS, {"clients/api.py": "import lightkube"}),
    (CLUSTERS, {"clients/cli/kubernetes.py": "from lightkube import Client"}),
    (
        CYCLES,
        {
            "domain/planted.py": "import regcred.domain.planted_too",
            "domain/planted_too.py": "import regcred.domain.planted",
        },
    ),
]


def broken_contracts(root: Path) -> set[str]:
    """Return the names of the contracts that the tree at `root` breaks."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root / "src"), "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    verdicts = dict(re.findall(r"^(.+?) (KEPT|BROKEN)\b", done.stdout, re.MULTILINE))
    assert set(verdicts) == set(contracts()), done.stdout + done.stderr
    broken = {name for name, verdict in verdicts.items() if verdict == "BROKEN"}
    assert (done.returncode != 0) == bool(broken)
    return broken


def contracts() -> list[str]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return [contract["name"] for contract in settings["tool"]["importlinter"]["contracts"]]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source tree and its contracts, where tests may spoil them and mend them again."""
    root = tmp_path_factory.mktemp("copy")
    shutil.copy(ROOT / "pyproject.toml", root)
    shutil.copytree(SRC, root / "src", ignore=shutil.ignore_patterns("__pycache__"))
    return root


@contextmanager
def planted(root: Path, plants: Plants) -> Iterator[None]:
    """Add lines to files, or make them, and take all of it back."""
    paths = {root / "src" / "regcred" / file: text for file, text in plants.items()}
    before = {path: path.read_text() if path.exists() else None for path in paths}
    made = {parent for path in paths for parent in path.parents if not parent.exists()}
    try:
        for path, text in paths.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{before[path] or ''}\n{text}\n")
        yield
    finally:
        for path, text_before in before.items():
            if text_before is None:
                path.unlink()
            else:
                path.write_text(text_before)
        for folder in made:
            shutil.rmtree(folder)


def test_every_wall_stands(copy: Path) -> None:
    assert broken_contracts(copy) == set()


@pytest.mark.parametrize(("contract", "plants"), VIOLATIONS)
def test_a_violation_is_found_and_named(copy: Path, contract: str, plants: Plants) -> None:
    with planted(copy, plants):
        broken = broken_contracts(copy)

    assert contract in broken
    # An import that points outwards often closes a circle as well.
    assert broken <= {contract, CYCLES}


def test_what_was_planted_is_gone_again(copy: Path) -> None:
    """Else a test above could have found what another planted."""
    files = {path.relative_to(copy): path.read_text() for path in copy.rglob("*.py")}

    assert files == {path.relative_to(ROOT): path.read_text() for path in SRC.rglob("*.py")}


def test_every_wall_was_tried() -> None:
    assert {contract for contract, _ in VIOLATIONS} == set(contracts())
