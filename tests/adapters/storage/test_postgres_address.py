"""Why a database is not reached is said to whoever starts something, before it runs."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from socket import gaierror

import pytest
import trustme

from regcred.adapters.storage.postgres.address import Address, connect_first
from regcred.adapters.storage.postgres.failures import reason
from regcred.domain.errors import StartRefused, StoreUnavailable

_ASKED_FOR_TLS = 8


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@asynccontextmanager
async def answering(authority: trustme.CA, answer: bytes, *names: str) -> AsyncIterator[str]:
    """Play a database as far as TLS, with a certificate for names, and yield where."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    if names:
        authority.issue_cert(*names).configure_cert(context)

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(_ASKED_FOR_TLS)
        writer.write(answer)
        try:
            if answer == b"S":
                await writer.start_tls(context)
        except OSError:
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(answered, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def said(place: str, options: str) -> str:
    with pytest.raises((StartRefused, StoreUnavailable)) as caught:
        await connect_first(Address(f"postgresql://u@{place}/n?{options}"))
    return str(caught.value)


async def test_a_certificate_of_another_authority_is_told_as_that(
    authority: trustme.CA, tmp_path: Path
) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    options = f"sslmode=verify-full&sslrootcert={tmp_path}/ca.pem"

    async with answering(authority, b"S", "127.0.0.1") as place:
        told = await said(place, options)

    assert "its certificate is not believed: unable to get local issuer certificate" in told
    assert told.endswith("check --database and that it runs")
    assert told.count("store unavailable") == 1


async def test_a_certificate_of_another_name_is_told_as_that(
    authority: trustme.CA, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")

    async with answering(authority, b"S", "db.example") as place:
        told = await said(place, f"sslmode=verify-full&sslrootcert={tmp_path}/ca.pem")

    assert "its certificate is not believed: IP address mismatch" in told


async def test_a_database_without_tls_is_told_as_that(authority: trustme.CA) -> None:
    async with answering(authority, b"N") as place:
        assert "(it does not speak TLS)" in await said(place, "sslmode=require")


async def test_what_the_address_names_and_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "bad.pem").write_text("nothing")
    named = f"sslmode=verify-full&sslrootcert={tmp_path}"

    assert "root.crt" in await said("127.0.0.1:1", "sslmode=verify-full")
    assert "No such file or directory" in await said("127.0.0.1:1", f"{named}/none.pem")
    assert "(TLS: NO_CERTIFICATE_OR_CRL_FOUND)" in await said("127.0.0.1:1", f"{named}/bad.pem")
    assert "must be one of: disable, allow" in await said("127.0.0.1:1", "sslmode=none")


@asynccontextmanager
async def refusing(state: str) -> AsyncIterator[str]:
    """Play a database that lets nobody in, with this SQLSTATE, and yield where."""

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(int.from_bytes(await reader.readexactly(4)) - 4)
        fields = f"SFATAL\0C{state}\0Mno\0\0".encode()
        writer.write(b"E" + (4 + len(fields)).to_bytes(4) + fields)
        writer.close()

    async with await asyncio.start_server(answered, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_password_that_is_not_looked_for_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    file = tmp_path / ".pgpass"

    async with refusing("28P01") as place:
        none = await said(place, "sslmode=disable")
        file.write_text("")
        file.chmod(0o644)
        with pytest.warns(UserWarning, match="group or world access"):
            read_by_others = await said(place, "sslmode=disable")
        file.chmod(0o600)
        wrong = await said(place, "sslmode=disable")

    assert "(no password was given: no password file is named, and there is no ~/.pgpass)" in none
    assert f"others may read {file}, which counts at mode 600 alone)" in read_by_others
    assert "the database refused the password: check" in wrong


@pytest.mark.parametrize("state", ["42704", "55P02"])
async def test_a_setting_that_the_database_does_not_know_is_told(state: str) -> None:
    async with refusing(state) as place:
        told = await said(place, "sslmode=disable&no_such=1")

    assert "it knows no such setting: look at what follows the ? in --database" in told


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (gaierror(-2, "Name or service not known"), "its host's name is not known"),
        (TimeoutError(), "it does not answer in time"),
        (ConnectionResetError("at h:1"), ""),
        (None, ""),
    ],
)
def test_what_is_not_known_better_is_not_guessed(error: Exception | None, why: str) -> None:
    assert reason(error) == why
