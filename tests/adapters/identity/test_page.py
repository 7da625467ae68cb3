"""What docs/pod-identity.md says is what the code says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from regcred.adapters.identity.compact import MAX_TOKEN
from regcred.adapters.identity.issuer_keys import ASK_EVERY, FRESH, KEPT
from regcred.adapters.identity.key_set import ALGORITHMS
from regcred.adapters.identity.pod_tokens import LEEWAY, LONGEST

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "pod-identity.md").read_text()
SOURCES = "".join(
    path.read_text()
    for path in (
        *(ROOT / "src/regcred/adapters/identity").glob("*.py"),
        ROOT / "src/regcred/usecases/authenticate_pod.py",
    )
)
REASONS = re.findall(r"^\| `(.+?)`(?:, `(.+?)`)? \|", PAGE, re.MULTILINE)


@pytest.mark.parametrize("reason", [reason for row in REASONS for reason in row if " " in reason])
def test_every_reason_of_the_page_is_one_of_the_log(reason: str) -> None:
    assert reason.removesuffix(" …") in SOURCES


def test_the_numbers_are_the_codes() -> None:
    assert f"{', '.join(ALGORITHMS[:-1])} or {ALGORITHMS[-1]}" in " ".join(PAGE.split())
    assert (ASK_EVERY, FRESH, KEPT) == (30, 600, 24 * 3600)
    assert (LEEWAY, LONGEST, MAX_TOKEN) == (30, 24 * 3600, 16 * 1024)


def test_the_kubelet_asks_for_the_audience_that_the_cluster_has_and_may() -> None:
    plugins = (ROOT / "docs" / "kubelet-plugin.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", plugins, re.DOTALL)
    documents: list[Any] = [one for block in blocks for one in yaml.safe_load_all(block)]
    _, config, role, binding = documents
    found = re.search(r"--audience (\S+) --jwks", PAGE)
    assert found is not None

    (provider,) = config["providers"]
    assert provider["tokenAttributes"]["serviceAccountTokenAudience"] == found[1]
    assert re.findall(r"--service-account-audience (\S+)", PAGE) == [found[1]]
    assert role["rules"][0]["resources"] == [found[1]]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert f"`{role['metadata']['name']}`" in PAGE
