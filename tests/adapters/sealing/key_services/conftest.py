"""Every keeper of key-encryption keys, as a ring that the conformance suite can ask."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from regcred.adapters.sealing.file_keyring import FileKeyring
from regcred.adapters.sealing.joined_rings import JoinedRings, Ring
from regcred.adapters.sealing.key_encryption import WrapContext
from regcred.adapters.sealing.key_services.aws import AwsKey
from regcred.adapters.sealing.key_services.google import GoogleKey
from regcred.adapters.sealing.key_services.vault import VaultAccess, VaultKey
from regcred.adapters.sealing.service_ring import KeyService, ServiceRing
from tests.adapters.sealing.samples import NOW
from tests.tools.google_kms import KEY, GoogleKms, google_kms
from tests.tools.openbao import Bao, running_bao

RINGS = ("file", "aws", "google", "vault", "vault-derived", "joined")


class Counted:
    """A key service that counts what it is asked."""

    def __init__(self, service: KeyService) -> None:
        self.service = service
        self.kid = service.kid
        self.asked: list[str] = []

    def wrap(self, context: WrapContext, plaintext: bytes) -> bytes:
        self.asked.append("wrap")
        return self.service.wrap(context, plaintext)

    def unwrap(self, context: WrapContext, wrapped: bytes) -> bytes:
        self.asked.append("unwrap")
        return self.service.unwrap(context, wrapped)


@pytest.fixture(scope="session")
def openbao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bao]:
    yield from running_bao(tmp_path_factory)


@pytest.fixture(scope="session")
def google_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GoogleKms, Path]]:
    with google_kms(tmp_path_factory.mktemp("google")) as running:
        yield running


@pytest.fixture
def google(
    google_files: tuple[GoogleKms, Path], monkeypatch: pytest.MonkeyPatch
) -> Iterator[GoogleKms]:
    service, account = google_files
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account))
    service.asked.clear()
    yield service
    service.spoil, service.refuse = {}, None


@pytest.fixture
def google_key(google: GoogleKms) -> GoogleKey:
    return GoogleKey(KEY, endpoint=google.url)


@pytest.fixture(scope="module")
def aws() -> Iterator[Any]:
    """Amazon's key service as moto plays it, in this process."""
    import boto3  # noqa: PLC0415  a second to load, for these tests alone

    with mock_aws():
        yield boto3.client("kms", region_name="eu-central-1")


@pytest.fixture(scope="module")
def aws_key(aws: Any) -> AwsKey:
    return AwsKey(aws.create_key()["KeyMetadata"]["Arn"])


@pytest.fixture
def token_file(openbao: Bao, tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(openbao.token() + "\n")
    return file


@pytest.fixture
def vault_key(openbao: Bao, token_file: Path) -> VaultKey:
    return VaultKey("transit/plain", VaultAccess(openbao.url, token_file=token_file))


@pytest.fixture
def counted(request: pytest.FixtureRequest) -> Counted:
    """The service that `ring` asks, where there is one."""
    kind = request.getfixturevalue("kind")
    if kind == "vault-derived":
        bao_: Bao = request.getfixturevalue("openbao")
        access = VaultAccess(bao_.url, token_file=request.getfixturevalue("token_file"))
        return Counted(VaultKey("transit/derived", access))
    name = {"aws": "aws_key", "google": "google_key", "vault": "vault_key"}[kind]
    return Counted(request.getfixturevalue(name))


@pytest.fixture(params=RINGS)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def ring(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ring]:
    def file(name: str) -> FileKeyring:
        return FileKeyring.create(tmp_path / name / "k", random=os.urandom, now=NOW)

    opened: Ring
    if kind == "file":
        opened = file("keys")
    elif kind == "joined":
        opened = JoinedRings([file("keys"), file("older")])
    else:
        opened = ServiceRing(request.getfixturevalue("counted"), time.monotonic)
    yield opened
    opened.close()
