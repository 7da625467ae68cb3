"""AWS KMS: a symmetric key, by its ARN.

The context is KMS's encryption context: bound into the ciphertext, compared by KMS itself, and in
CloudTrail's records as text (a purpose, a project's id and a number). Who may use the key is found
as every AWS program finds it: environment, profile, web identity, container, instance.
https://docs.aws.amazon.com/kms/latest/developerguide/encrypt_context.html
"""

from __future__ import annotations

import re
from typing import Any

from regcred.adapters.sealing.key_encryption import WrapContext
from regcred.adapters.sealing.key_services import CONNECT_SECONDS, READ_SECONDS, missing
from regcred.domain.errors import KeyringUnavailable, RegcredError, SealBroken, StartRefused

SCHEME = "awskms"
# An alias can be pointed at another key later, and would then name what it does not open.
_ARN = re.compile(r"arn:aws[a-z-]*:kms:([a-z0-9-]{4,32}):[0-9]{12}:key/[A-Za-z0-9-]{1,64}\Z")
_MACHINE_SECONDS = 1
_BROKEN = {"InvalidCiphertextException", "IncorrectKeyException"}


class AwsKey:
    """Implements KeyService."""

    __slots__ = ("_arn", "_client", "kid")

    def __init__(self, arn: str, *, endpoint: str | None = None) -> None:
        """Set up the client. Raise StartRefused for no ARN of a key, or without the extra."""
        form = _ARN.match(arn)
        if form is None:
            raise StartRefused(
                f"{SCHEME}: must be followed by a key's ARN (arn:aws:kms:REGION:ACCOUNT:key/ID):"
                " an alias may come to mean another key"
            )
        self.kid = f"{SCHEME}:{arn}"
        self._arn = arn
        self._client = _client(form.group(1), endpoint)

    def wrap(self, context: WrapContext, plaintext: bytes) -> bytes:
        """Encrypt. Raise KeyringUnavailable."""
        answer = self._ask(
            self._client.encrypt,
            KeyId=self._arn,
            Plaintext=plaintext,
            EncryptionContext=bound(context),
        )
        return _bytes(answer, "CiphertextBlob")

    def unwrap(self, context: WrapContext, wrapped: bytes) -> bytes:
        """Decrypt with this key alone. Raise SealBroken, KeyringUnavailable."""
        answer = self._ask(
            self._client.decrypt,
            KeyId=self._arn,
            CiphertextBlob=wrapped,
            EncryptionContext=bound(context),
        )
        return _bytes(answer, "Plaintext")

    def _ask(self, operation: Any, **parameters: object) -> Any:
        # Raised after the handler: what botocore raises may hold the request.
        failure: RegcredError
        try:
            return operation(**parameters)
        except self._client.exceptions.ClientError as error:
            failure = _judged(str(error.response.get("Error", {}).get("Code", "unknown")))
        except Exception as error:  # noqa: BLE001  whatever it is, the key cannot be had
            failure = KeyringUnavailable(f"AWS KMS cannot be asked ({type(error).__name__})")
        raise failure


def bound(context: WrapContext) -> dict[str, str]:
    """Return the encryption context."""
    return {name: str(value) for name, value in context._asdict().items()}


def _client(region: str, endpoint: str | None) -> Any:
    try:
        from botocore.config import Config  # noqa: PLC0415  an extra
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415  an extra
        from botocore.httpsession import URLLib3Session  # noqa: PLC0415  an extra
        from botocore.session import Session  # noqa: PLC0415  an extra
    except ImportError:
        raise StartRefused(f"{SCHEME}: {missing('aws')}") from None
    attempts = {"total_max_attempts": 2, "mode": "standard"}
    # A proxy in the environment would get this machine's identity, and what is to be wrapped.
    config = Config(
        connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS, retries=attempts, proxies={}
    )
    session = Session()
    # For what asks who we are, too: STS in the key's region, and the machine's own service.
    session.set_default_client_config(config)
    session.set_config_variable("region", region)
    try:
        machine = session.get_component("credential_provider").get_provider("iam-role")
        machine._role_fetcher._session = URLLib3Session(timeout=_MACHINE_SECONDS)  # noqa: SLF001  no other way
        return session.create_client("kms", endpoint_url=endpoint)
    except BotoCoreError as error:
        raise StartRefused(
            f"{SCHEME}: what says who we are is no good ({type(error).__name__}): look at the"
            " profile, AWS_… in the environment, or the role that is attached"
        ) from None


def _judged(code: str) -> RegcredError:
    if code in _BROKEN:
        return SealBroken("a wrapped key")
    return KeyringUnavailable(f"AWS KMS refuses it ({code})")


def _bytes(answer: Any, name: str) -> bytes:
    found = answer.get(name)
    if not isinstance(found, bytes):
        raise KeyringUnavailable("AWS KMS answers with something else")
    return found
