"""The transit engine of HashiCorp Vault or OpenBao: a named key at a mount.

A key that is `derived` binds the context by deriving a key from it; any other binds it as
associated data. Which of the two is read from the key and never tried: a server too old for
associated data ignores it without a word, which is what `ServiceRing.prove` is there to notice.
https://openbao.org/api-docs/secret/transit/
"""

from __future__ import annotations

import ipaddress
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from regcred.adapters.sealing.key_encryption import WrapContext
from regcred.adapters.sealing.key_services import CONNECT_SECONDS, READ_SECONDS, missing
from regcred.domain.errors import KeyringUnavailable, RegcredError, SealBroken, StartRefused

SCHEME = "vault"
POD_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
_PLACE = re.compile(r"((?:[A-Za-z0-9_.-]{1,64}/){1,4})([A-Za-z0-9_.-]{1,128})\Z")
_MAX_TOKEN = 16 * 1024
_CIPHERTEXT = re.compile(rb"vault:v[0-9]{1,9}:[A-Za-z0-9+/=]+\Z")
_NOT_TAKEN = object()
# Of a 400's text, which is all that tells a damaged ciphertext from a key that is not there.
_BROKEN = ("message authentication failed", "invalid ciphertext", "invalid base64")


class VaultAccess(NamedTuple):
    """Where the server is, and how we prove who we are: by a token, an AppRole or a pod."""

    address: str
    namespace: str | None = None
    ca_file: Path | None = None
    token_file: Path | None = None
    role_id: str | None = None
    secret_id_file: Path | None = None
    kubernetes_role: str | None = None


class VaultKey:
    """Implements KeyService."""

    __slots__ = ("_access", "_client", "_derived", "_key", "_mount", "kid")

    def __init__(self, place: str, access: VaultAccess) -> None:
        """Set up the client. Raise StartRefused for what cannot be right."""
        form = _PLACE.match(place)
        if form is None:
            raise StartRefused(f"{SCHEME}: must be followed by MOUNT/KEY, such as transit/regcred")
        self._mount, self._key = form.group(1).rstrip("/"), form.group(2)
        self.kid = f"{SCHEME}:{self._mount}/{self._key}"
        self._access = access
        self._client = _client(access)
        self._derived: bool | None = None

    def wrap(self, context: WrapContext, plaintext: bytes) -> bytes:
        """Encrypt. Raise KeyringUnavailable."""
        text = b64encode(plaintext).decode()
        answer = self._ask("encrypt_data", context, plaintext=text)
        ciphertext = answer.get("ciphertext")
        if not isinstance(ciphertext, str):
            raise KeyringUnavailable("the Vault server answers with something else")
        return ciphertext.encode()

    def unwrap(self, context: WrapContext, wrapped: bytes) -> bytes:
        """Decrypt. Raise SealBroken, KeyringUnavailable."""
        # What has another form was never its answer.
        if not _CIPHERTEXT.match(wrapped):
            raise SealBroken("a wrapped key")
        answer = self._ask("decrypt_data", context, ciphertext=wrapped.decode())
        try:
            return b64decode(answer["plaintext"], validate=True)
        except (KeyError, TypeError, ValueError):
            pass
        raise KeyringUnavailable("the Vault server answers with something else")

    def _ask(self, verb: str, context: WrapContext, **text: str) -> dict[str, Any]:
        bound = b64encode(context.associated_data(self.kid)).decode()
        binding = {"context" if self._is_derived() else "associated_data": bound}
        transit = self._client.secrets.transit
        return self._logged_in(
            lambda: getattr(transit, verb)(self._key, mount_point=self._mount, **text, **binding)
        )

    def _is_derived(self) -> bool:
        if self._derived is None:
            transit = self._client.secrets.transit
            key = self._logged_in(lambda: transit.read_key(self._key, mount_point=self._mount))
            self._derived = key.get("derived") is True
        return self._derived

    def _logged_in(self, call: Callable[[], Any]) -> dict[str, Any]:
        """Ask, logging in where there is no token yet, and again where it is no longer taken."""
        if not self._client.token:
            self._attempt(self._log_in)
        outcome = self._outcome(call)
        if outcome is _NOT_TAKEN:
            self._attempt(self._log_in)
            outcome = self._outcome(call)
        _raise(outcome)
        data = outcome.get("data") if isinstance(outcome, dict) else None
        if not isinstance(data, dict):
            raise KeyringUnavailable("the Vault server answers with something else")
        return data

    def _attempt(self, call: Callable[[], object]) -> None:
        _raise(self._outcome(call))

    def _outcome(self, call: Callable[[], object]) -> object:
        """Return the answer or the refusal. Not raised here: what hvac raises holds the request."""
        from hvac import exceptions  # noqa: PLC0415  an extra

        try:
            return call()
        except exceptions.InvalidRequest as error:
            if any(words in str(error) for words in _BROKEN):
                return SealBroken("a wrapped key")
            return KeyringUnavailable("the Vault server refuses it (HTTP 400)")
        except exceptions.Forbidden:
            return _NOT_TAKEN
        except Exception as error:  # noqa: BLE001  whatever it is, the key cannot be had
            return KeyringUnavailable(f"the Vault server cannot be asked ({type(error).__name__})")

    def _log_in(self) -> None:
        access, auth = self._access, self._client.auth
        if access.role_id is not None and access.secret_id_file is not None:
            auth.approle.login(access.role_id, _read(access.secret_id_file))
        elif access.kubernetes_role is not None:
            auth.kubernetes.login(access.kubernetes_role, _read(POD_TOKEN))
        elif access.token_file is not None:
            # Read anew each time: an agent beside us may renew it.
            self._client.token = _read(access.token_file)


def _raise(outcome: object) -> None:
    if outcome is _NOT_TAKEN:
        raise KeyringUnavailable("the Vault server refuses our token, or its policy does")
    if isinstance(outcome, RegcredError):
        raise outcome


def _client(access: VaultAccess) -> Any:
    if not _private(access.address):
        raise StartRefused(
            "REGCRED_VAULT_ADDR: must be https://HOST[:PORT] (http on loopback alone)"
        )
    if not (
        access.token_file or access.kubernetes_role or (access.role_id and access.secret_id_file)
    ):
        raise StartRefused(
            f"{SCHEME}: set REGCRED_VAULT_TOKEN_FILE, or REGCRED_VAULT_ROLE_ID with"
            " REGCRED_VAULT_SECRET_ID_FILE, or REGCRED_VAULT_KUBERNETES_ROLE"
        )
    try:
        import hvac  # noqa: PLC0415  an extra
        from requests import Session  # noqa: PLC0415  as above

        from regcred.adapters.sealing.key_services.bounded import bound  # noqa: PLC0415  as above
    except ImportError:
        raise StartRefused(f"{SCHEME}: {missing('vault')}") from None
    verify = str(access.ca_file) if access.ca_file else True
    session = bound(Session())
    session.verify = verify  # hvac takes the session's before its own
    return hvac.Client(
        url=access.address,
        token="",  # none, and none out of the environment either
        namespace=access.namespace,
        verify=verify,
        timeout=(CONNECT_SECONDS, READ_SECONDS),
        # A redirect would take the token and the key to wherever it says.
        allow_redirects=False,
        session=session,
    )


def _private(address: str) -> bool:
    parts = urlsplit(address)
    if parts.scheme == "https":
        return parts.hostname is not None
    try:
        return parts.scheme == "http" and ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def _read(path: Path) -> str:
    with path.open(encoding="ascii") as file:
        return file.read(_MAX_TOKEN).strip()
