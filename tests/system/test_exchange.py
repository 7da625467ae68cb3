"""A server that exchanges: what leaves it and what does not, and many workers on one store."""

from __future__ import annotations

import json
import multiprocessing
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.system.exchanging_worker import fill, renew
from tests.tools.api import Api
from tests.tools.canary import Canary, Scanner
from tests.tools.minter import HOST, USER, Minter
from tests.tools.service import Service

pytestmark = pytest.mark.system

IMAGE = f"{HOST}/acme/app:1"


@pytest.fixture
def minter() -> Iterator[Minter]:
    with Minter().serving() as running:
        yield running


def started(folder: Path, minter: Minter) -> Service:
    service = Service(folder, log_level="debug")
    service.init()
    service.env["REGCRED_ENDPOINTS"] = f"digitalocean={minter.url}"
    return service


def add(api: Api, secret: str, name: str = "docean") -> Any:
    return api.add(name, f"https://{HOST}/acme", USER, secret, provider="digitalocean")


def test_the_secret_leaves_nowhere_and_the_login_only_to_pullers(
    tmp_path: Path, minter: Minter
) -> None:
    scanner = Scanner()
    secret, minted = (Canary.fresh(what) for what in ("api token", "minted login"))
    scanner.add(secret)
    scanner.add(minted)
    minter.mint = lambda _: minted.secret
    service = started(tmp_path, minter)

    def heard(answer: httpx2.Response) -> None:
        head = str(answer.headers.multi_items()).encode()
        scanner.scan(f"answer: {answer.request.url.path}", head, answer.content)

    with service.serving() as server, service.api(heard=heard) as api:
        made = add(api, secret.secret)
        with service.api() as unscanned:
            (login,) = unscanned.resolve(IMAGE)["logins"]
        api.verify("docean", IMAGE)
        api.explain(IMAGE)
        for listing in ("credentials/docean", "credentials/docean/verdicts", "audit"):
            api.send("GET", f"projects/-/{listing}")
        minter.good = lambda _: False
        api.set_password("docean", secret.secret + "x")
        refused = api.resolve(IMAGE)
        scanner.scan_process("server", server.pid)
        scanner.scan_tree("files", tmp_path)
        api.remove("docean")

    assert (login["username"], login["password"]) == ("minted", minted.secret)
    assert login["expires_at"] is not None
    assert made["expires_at"] is None
    assert "create a new one" in refused["withheld"][0]["reason"]
    assert scanner.hits == []
    assert set(minter.asked) == {secret.secret, secret.secret + "x"}


def test_a_login_is_ready_soon_after_it_was_stored(tmp_path: Path, minter: Minter) -> None:
    service = started(tmp_path, minter)
    with service.serving(), service.api() as api:
        add(api, "a token")
        deadline = time.monotonic() + 20
        while not minter.asked and time.monotonic() < deadline:
            time.sleep(0.05)
        minter.good = lambda _: False
        (login,) = api.resolve(IMAGE)["logins"]

    assert login["password"] == "minted-1"
    assert len(minter.asked) == 1


def test_a_secret_is_handed_over_raw_only_where_the_operator_says_so(
    tmp_path: Path, minter: Minter
) -> None:
    service = started(tmp_path, minter)
    service.env["REGCRED_ALLOW_RAW"] = "digitalocean"
    with service.serving(), service.api() as api:
        add(api, "a token")
        (login,) = api.resolve(IMAGE)["logins"]

    assert (login["username"], login["password"]) == (USER, "a token")
    assert minter.asked == []


@pytest.mark.parametrize(
    "wrong", [{"REGCRED_ALLOW_RAW": "ecr"}, {"REGCRED_ENDPOINTS": "digitalocean=nonsense"}]
)
def test_what_the_operator_mistyped_stops_the_start(
    tmp_path: Path, minter: Minter, wrong: dict[str, str]
) -> None:
    service = started(tmp_path, minter)
    service.env |= wrong
    server = service.start()

    assert server.wait() != 0
    assert "Traceback" not in server.text
    assert next(iter(wrong)).removeprefix("REGCRED_").lower() in server.text


def test_four_workers_on_one_store_exchange_each_login_once(tmp_path: Path, minter: Minter) -> None:
    """Processes of their own, on one file: only the store can keep them apart."""
    tokens = [f"{secrets.token_hex(8)}-{n}" for n in range(100)]
    fill(tmp_path, tokens)
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=renew, args=(tmp_path, minter.url)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)

    assert [worker.exitcode for worker in workers] == [0] * 4
    assert sorted(minter.asked) == sorted(tokens)
    assert json.loads((tmp_path / "left.json").read_text()) == 0
