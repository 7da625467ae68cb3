"""A real server whose seeds a real OpenBao wraps, and what becomes of it while that is away."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.system.conftest import RequireTool
from tests.tools.openbao import bao
from tests.tools.service import Service

pytestmark = pytest.mark.system

IMAGE = {"image": "registry.example.com/team/app:1"}


def test_what_is_remembered_is_served_while_the_key_service_is_away(
    tmp_path: Path, require_tool: RequireTool
) -> None:
    require_tool("bao")
    token = tmp_path / "token"
    service = Service(tmp_path / "regcred")
    with ExitStack() as running, ExitStack() as keys:
        openbao = keys.enter_context(bao(tmp_path / "bao"))
        token.write_text(openbao.token())
        service.env |= {
            "REGCRED_KEYRING": "vault:transit/plain",
            "REGCRED_VAULT_ADDR": openbao.url,
            "REGCRED_VAULT_TOKEN_FILE": str(token),
        }
        service.init()
        server = running.enter_context(service.serving())
        api = running.enter_context(service.api())
        api.add("login", "registry.example.com", "robot", "correct horse")
        cold = api.send("POST", "projects", {"name": "cold"}).json()["number"]
        before = api.send("POST", "projects/-/resolve", IMAGE)

        keys.close()

        served = api.send("POST", "projects/-/resolve", IMAGE)
        changed = api.set_password("login", "another")
        login = {"name": "x", "registry_url": "r.example.com", "username": "u", "password": "p"}
        refused = [
            api.send("POST", f"projects/{cold}/credentials", login),
            api.send("POST", "projects", {"name": "new"}),
        ]
        ready = api.send("GET", "//readyz?verbose")
        again = service.run("serve", "--data", str(service.data), "--port", "0")

    assert before.json()["logins"] == served.json()["logins"] != []
    assert changed["version"] == 2
    for answer in refused:
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert answer.json()["type"].endswith("keyring-unavailable")
    assert ready.status_code == 200
    assert ready.json()["checks"]["key service"]["state"] == "warning"
    assert again.code == 1
    assert "correct horse" not in server.text + again.text
    assert service.run("keys", "status", "--data", str(service.data)).code == 1
    assert not (service.data / "keys" / "keyring.json").exists()
