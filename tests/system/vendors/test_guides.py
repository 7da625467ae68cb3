"""The clients' lines on the pages "moving from …" do run, as they stand there.

Only what every reader puts in its place is put in: the address, the project's number, and a key
of the role that the pages tell people to make.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from tests.house.source import ROOT
from tests.system.conftest import RequireTool
from tests.system.vendors.conftest import Tenant
from tests.tools.programs import Finished, environment, run
from tests.tools.vendor_clients import VendorClient

pytestmark = pytest.mark.system

PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
SHELL = re.compile(r"(?:^    .*\n)+", re.MULTILINE)


def page(vendor: str, tenant: Tenant) -> str:
    """Return a guide with the reader's own values."""
    text = (ROOT / "docs" / f"moving-from-{vendor}.md").read_text()
    assert "regcred key create NAME --role editor" in text
    for shown, own in (
        ("https://regcred.example.com", tenant.service.url),
        ("rgc_…", tenant.key_of("editor")),
        ("cloud_project_id=1,", f"cloud_project_id={tenant.number},"),
        ("/inference/1/", f"/inference/{tenant.number}/"),
    ):
        text = text.replace(shown, own)
    return text


def shell(text: str, word: str) -> str:
    """Return the page's commands that mention a word."""
    [found] = [block for block in SHELL.findall(PYTHON.sub("", text)) if word in block]
    return textwrap.dedent(found)


def run_python(client: VendorClient, code: str, home: Path) -> Finished:
    program = home / "program.py"
    program.write_text(code)
    return run([*client.script(str(program))], env=environment(home))


def run_shell(commands: str, home: Path) -> Finished:
    return run(["bash", "-euo", "pipefail", "-c", commands], env=environment(home))


def test_gcores_sdk(tenant: Tenant, gcore: VendorClient, tmp_path: Path) -> None:
    [code] = PYTHON.findall(page("gcore", tenant))

    done = run_python(gcore, code, tmp_path)

    assert (done.code, done.out) == (0, "['docker-io']\n"), done
    assert tenant.names() == ["docker-io"]


def test_gcores_curl(tenant: Tenant, require_tool: RequireTool, tmp_path: Path) -> None:
    require_tool("curl")

    done = run_shell(shell(page("gcore", tenant), "curl"), tmp_path)

    assert (done.code, done.out) == (0, '{"count":0,"results":[]}'), done


def test_yottas_sdk(tenant: Tenant, yotta: VendorClient, tmp_path: Path) -> None:
    code, _ = PYTHON.findall(page("yotta", tenant))

    done = run_python(yotta, code, tmp_path)

    assert done.code == 0, done
    assert done.out.startswith("1 [{'id': 1, 'name': 'hub', 'type': 'DOCKER_HUB'")
    assert tenant.names() == ["hub"]


def test_yottas_command_line(tenant: Tenant, yotta: VendorClient, tmp_path: Path) -> None:
    commands = shell(page("yotta", tenant), "yotta credentials")
    installed = " ".join(yotta.program("yotta"))

    done = run_shell(f'yotta() {{ {installed} "$@"; }}\n{commands}', tmp_path)

    assert done.code == 0, done
    assert done.out.count('"hub-cli"') == 2
    assert tenant.names() == ["hub-cli"]


def test_yottactl(tenant: Tenant, yottactl: VendorClient, tmp_path: Path) -> None:
    _, code = PYTHON.findall(page("yotta", tenant))

    done = run_python(yottactl, code, tmp_path)

    assert done.code == 0, done
    assert tenant.names() == ["old"]


def test_sevallas_curl(tenant: Tenant, require_tool: RequireTool, tmp_path: Path) -> None:
    require_tool("curl")

    done = run_shell(shell(page("sevalla", tenant), "curl"), tmp_path)

    assert done.code == 0, done
    assert '"registry":"dockerHub"' in done.out
    assert '"total":1' in done.out
    assert tenant.names() == ["My Hub"]
