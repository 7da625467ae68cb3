"""regcred import kubernetes, with what kubectl writes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.clients.cli.conftest import Regcred
from tests.system.conftest import require_tool

SECRET = "canary-in-a-manifest"


def test_the_command_plans_what_kubectl_wrote(regcred: Regcred, tmp_path: Path) -> None:
    require_tool("kubectl")
    written = subprocess.run(
        [
            *("kubectl", "create", "secret", "docker-registry", "hub", "--docker-username=bot"),
            *(f"--docker-password={SECRET}", "--dry-run=client", "-o", "yaml"),
        ],
        env={"HOME": str(tmp_path), "PATH": "/usr/local/bin:/usr/bin:/bin"},
        capture_output=True,
        check=True,
    )

    done = regcred("import", "kubernetes", "-", "-o", "json", stdin=written.stdout)

    (row,) = json.loads(done.out)
    assert (done.code, row["action"], row["registry"]) == (0, "create", "docker.io")
    assert row["sources"] == [
        {"where": "standard input, hub", "key": "https://index.docker.io/v1/"}
    ]
    assert SECRET not in done.out + done.err


def test_a_file_that_is_no_manifest_is_named(regcred: Regcred, tmp_path: Path) -> None:
    (tmp_path / "broken").write_text(f"a: [{SECRET}")

    done = regcred("import", "kubernetes", str(tmp_path / "broken"), str(tmp_path / "missing"))

    assert done.code == 1
    assert "neither JSON nor YAML" in done.out
    assert "No such file" in done.out
    assert SECRET not in done.out + done.err
