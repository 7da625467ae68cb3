from __future__ import annotations

import builtins
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from regcred.adapters.sealing.key_encryption import WrapContext
from regcred.adapters.sealing.key_services.aws import AwsKey, bound
from regcred.domain.errors import KeyringUnavailable, SealBroken, StartRefused
from tests.adapters.sealing.samples import PROJECT, SEED

PLACE = WrapContext("seed", PROJECT, 1)
ARN = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@pytest.mark.parametrize(
    "arn",
    [
        "",
        "alias/regcred",
        "arn:aws:kms:eu-central-1:123456789012:alias/regcred",
        "1234abcd-12ab-34cd-56ef-1234567890ab",
        ARN + "\n",
        ARN.replace("kms", "s3"),
    ],
)
def test_only_a_keys_arn_names_a_key_for_good(arn: str) -> None:
    with pytest.raises(StartRefused, match="key's ARN"):
        AwsKey(arn)


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_keys_of_every_partition_and_of_many_regions_are_taken(partition: str) -> None:
    arn = f"arn:{partition}:kms:eu-west-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab"

    assert AwsKey(arn).kid == f"awskms:{arn}"


def test_the_context_says_purpose_project_and_generation() -> None:
    assert bound(PLACE) == {"purpose": "seed", "subject": PROJECT, "generation": "1"}


@pytest.mark.parametrize(
    ("code", "fact"),
    [
        ("InvalidCiphertextException", SealBroken),
        ("IncorrectKeyException", SealBroken),
        ("AccessDeniedException", KeyringUnavailable),
        ("DisabledException", KeyringUnavailable),
        ("KMSInvalidStateException", KeyringUnavailable),
        ("NotFoundException", KeyringUnavailable),
        ("ThrottlingException", KeyringUnavailable),
        ("KMSInternalException", KeyringUnavailable),
    ],
)
def test_only_what_speaks_of_the_box_breaks_the_seal(
    aws_key: AwsKey, monkeypatch: pytest.MonkeyPatch, code: str, fact: type[Exception]
) -> None:
    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "of 1234"}}, "Decrypt")

    monkeypatch.setattr(aws_key._client, "decrypt", refuse)

    with pytest.raises(fact) as caught:
        aws_key.unwrap(PLACE, b"x")
    assert "1234" not in str(caught.value)


@pytest.mark.usefixtures("aws")
def test_a_key_that_is_not_there_is_away_and_not_broken() -> None:
    with pytest.raises(KeyringUnavailable, match="NotFoundException"):
        AwsKey(ARN).wrap(PLACE, SEED)


def test_what_another_key_wrapped_does_not_open(aws: Any) -> None:
    one, other = (AwsKey(aws.create_key()["KeyMetadata"]["Arn"]) for _ in range(2))

    # Amazon says IncorrectKeyException, moto AccessDeniedException.
    with pytest.raises((SealBroken, KeyringUnavailable)):
        other.unwrap(PLACE, one.wrap(PLACE, SEED))


def test_a_service_that_cannot_be_reached_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    key = AwsKey(ARN, endpoint="http://127.0.0.1:9")

    with pytest.raises(KeyringUnavailable, match="cannot be asked") as caught:
        key.wrap(PLACE, SEED)

    assert caught.value.__context__ is None


def test_an_answer_without_what_was_asked_for_is_no_answer(
    aws_key: AwsKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_key._client, "encrypt", lambda **_: {"CiphertextBlob": "text"})

    with pytest.raises(KeyringUnavailable, match="something else"):
        aws_key.wrap(PLACE, SEED)


@pytest.mark.parametrize("text", ["", "["])
def test_an_identity_that_is_no_good_is_refused_in_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str
) -> None:
    (tmp_path / "config").write_text(text)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "missing")

    with pytest.raises(StartRefused, match="what says who we are is no good"):
        AwsKey(ARN)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking(monkeypatch, "botocore")

    with pytest.raises(StartRefused, match=r"pip install 'regcred\[server,aws\]'"):
        AwsKey(ARN)


def lacking(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Have a package, and what is in it, not be installed."""
    imported = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name.partition(".")[0] == package or name.startswith(package + "."):
            raise ImportError(name)
        return imported(name, *more)

    for name in [name for name in sys.modules if name.startswith(package + ".")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
