"""Which key rings a start opens, and the way of a store from a file to a key service."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from regcred.bootstrap.first_run import first_run
from regcred.bootstrap.key_rings import open_key_rings
from regcred.bootstrap.state import open_state
from regcred.bootstrap.stores import utc_now
from regcred.domain.errors import KeyringUnavailable, StartRefused
from regcred.settings import Settings
from tests.bootstrap.commands.filled import PASSWORDS, fill, passwords
from tests.bootstrap.conftest import Place
from tests.bootstrap.test_watch import watch_of
from tests.tools.google_kms import KEY as GOOGLE_KEY
from tests.tools.google_kms import google_kms
from tests.tools.openbao import Bao, running_bao
from tests.tools.programs import environment, run

VAULT = "vault:transit/plain"


@pytest.fixture(scope="session")
def openbao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bao]:
    yield from running_bao(tmp_path_factory)


@pytest.fixture
def vault(openbao: Bao, tmp_path: Path) -> dict[str, object]:
    """How the settings name the server and who we are."""
    token = tmp_path / "token"
    token.write_text(openbao.token())
    return {"vault_addr": openbao.url, "vault_token_file": token}


async def opened(settings: Settings, *needed: str, empty: bool = False) -> str:
    ring = await open_key_rings(settings, empty=empty, needed=needed, now=utc_now())
    ring.close()
    return ring.primary


@pytest.mark.parametrize("where", ["fd:", "fd:x", "fd:-1", "fd:٣"])
async def test_a_descriptor_is_a_number(where: str) -> None:
    with pytest.raises(StartRefused, match="number of an open descriptor"):
        await opened(Settings(keyring=(where,)))


async def test_a_ring_comes_by_a_descriptor(place: Place) -> None:
    async with open_state(place.settings, exclusive=True) as state:
        kid = state.keyring.primary
    descriptor = os.open(place.settings.keyring_file, os.O_RDONLY)

    assert await opened(Settings(keyring=(f"fd:{descriptor}",)), kid) == kid


async def test_a_ring_is_made_only_where_it_is_the_first_and_the_store_empty(
    tmp_path: Path,
) -> None:
    first, second = (str(tmp_path / name / "ring.json") for name in ("a", "b"))

    await opened(Settings(keyring=(first,)), empty=True)
    with pytest.raises(StartRefused, match="there is no key ring"):
        await opened(Settings(keyring=(first, second)), empty=True)

    assert not os.path.lexists(second)  # noqa: ASYNC240  a look at one name


async def test_a_key_that_no_ring_has_refuses_the_start_and_is_named(tmp_path: Path) -> None:
    one, other = (str(tmp_path / name / "ring.json") for name in ("a", "b"))
    for ring in (one, other):
        await opened(Settings(keyring=(ring,)), empty=True)

    with pytest.raises(StartRefused, match="lacks kek-9, which wraps seeds of this store"):
        await opened(Settings(keyring=(one, other)), "kek-9")


async def test_a_key_of_amazons_is_opened_and_proven() -> None:
    import boto3  # noqa: PLC0415  a second to load, for this test alone

    with mock_aws():
        arn = boto3.client("kms", region_name="eu-west-1").create_key()["KeyMetadata"]["Arn"]

        assert await opened(Settings(keyring=(f"awskms:{arn}",))) == f"awskms:{arn}"


async def test_a_key_of_googles_is_opened_and_proven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with google_kms(tmp_path) as (service, account):
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account))
        settings = Settings(keyring=(f"gcpkms:{GOOGLE_KEY}",), gcpkms_endpoint=service.url)

        assert await opened(settings) == f"gcpkms:{GOOGLE_KEY}"
        assert service.asked == ["encrypt", "decrypt", "decrypt"]


async def test_a_service_that_is_away_at_the_start_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    settings = Settings(
        keyring=(VAULT,), vault_addr="http://127.0.0.1:9", vault_token_file=tmp_path / "token"
    )

    with pytest.raises(KeyringUnavailable, match="cannot be asked"):
        await opened(settings)


# From a file to a service


def test_a_store_moves_from_its_file_to_a_service_without_a_stop(
    place: Place, vault: dict[str, object]
) -> None:
    place.run("init")
    asyncio.run(fill(place.settings))
    file = str(place.settings.keyring_file)

    behind = place.run("keys_status", "json", keyring=(file, VAULT), **vault)
    before = place.run("keys_status", "json", keyring=(VAULT, file), **vault)
    moved = place.run("keys_rewrap", keyring=(VAULT, file), **vault)
    after = place.run("keys_status", "json", keyring=(VAULT, file), **vault)

    def told(out: str) -> list[tuple[str, int, bool]]:
        keys = json.loads(out)["keys"]
        return [(key["kid"][:6], key["seeds"], key["primary"]) for key in keys]

    assert [(seeds, primary) for _, seeds, primary in told(behind.out)] == [(2, True), (0, False)]
    assert [(seeds, primary) for _, seeds, primary in told(before.out)] == [(0, True), (2, False)]
    assert moved.out == "2 seeds and 1 service keys wrapped anew\n", moved.err
    assert [(seeds, primary) for _, seeds, primary in told(after.out)] == [(2, True), (0, False)]
    alone = Settings(data=place.data, keyring=(VAULT,), **vault)  # type: ignore[arg-type]  # by name
    assert asyncio.run(passwords(alone)) == PASSWORDS
    assert place.run("keys_verify", keyring=(VAULT,), **vault).code == 0


async def test_a_first_start_on_a_service_makes_no_file(
    place: Place, vault: dict[str, object]
) -> None:
    settings = Settings(data=place.data, keyring=(VAULT,), **vault)  # type: ignore[arg-type]  # by name
    async with open_state(settings, exclusive=True) as state:
        await first_run(state)
        assert (await state.store.wrapped_by()).keys() == {VAULT}
        assert (await watch_of(state).needed())["keyring"] == "ok"
        assert (await watch_of(state).watched())["key service"] == "ok"

    assert not place.settings.keyring_file.exists()


async def test_a_service_that_is_away_takes_no_server_out_of_service(
    place: Place, vault: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data=place.data, keyring=(VAULT,), **vault)  # type: ignore[arg-type]  # by name
    async with open_state(settings, exclusive=True) as state:

        async def away() -> bool:
            return True

        monkeypatch.setattr(type(state.keyring), "away", lambda _: away())

        assert (await watch_of(state).needed())["keyring"] == "ok"
        assert "does not answer" in (await watch_of(state).watched())["key service"]


def test_an_unreachable_service_is_told_by_the_status(
    place: Place, vault: dict[str, object]
) -> None:
    place.run("init")
    file = str(place.settings.keyring_file)
    gone = {**vault, "vault_addr": "http://127.0.0.1:9"}

    done = place.run("keys_status", keyring=(VAULT, file), **gone)

    assert done.code == 1
    assert "away: the key service does not answer" in done.out


def test_services_are_imported_only_where_they_are_asked_for(tmp_path: Path) -> None:
    """A start takes what it needs: Amazon's library alone is a tenth of a second."""
    program = (
        "import sys, regcred.bootstrap.operator\n"
        "names = 'botocore', 'google.auth', 'hvac', 'requests', 'shamir_mnemonic'\n"
        "print([name for name in names if name in sys.modules])"
    )

    done = run([sys.executable, "-c", program], env=environment(tmp_path))

    assert done.out.strip() == "[]", done.text
