"""What a sync asks of a cluster, through lightkube.

What the API server says is repeated only where the request held no login.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import httpx2
import lightkube
import yaml
from lightkube import operators
from lightkube.core.client import LabelValue
from lightkube.core.exceptions import ConfigError
from lightkube.models.core_v1 import LocalObjectReference
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace, Secret, ServiceAccount
from lightkube.types import PatchType

from regcred.clients.kubernetes.bounds import bound_answers, whole
from regcred.clients.kubernetes.names import is_name
from regcred.clients.kubernetes.refusals import (
    ClusterRefused,
    ClusterUnreachable,
    asking,
    or_none,
)
from regcred.clients.kubernetes.wanted import (
    ACCOUNTS,
    FIELD_MANAGER,
    KEY,
    LABEL,
    LABEL_VALUE,
    TYPE,
    Logins,
    Sync,
)

_TIMES = httpx2.Timeout(10, connect=5)
_PAGE = 500


class Space(NamedTuple):
    """A namespace."""

    name: str
    terminating: bool


@dataclass(frozen=True, slots=True)
class Present:
    """A Secret as it is. Its data shows in no repr."""

    namespace: str
    owned: bool
    type: str
    immutable: bool
    data: dict[str, str] = field(repr=False)
    annotations: dict[str, str]
    uid: str
    version: str

    @property
    def accounts(self) -> frozenset[str]:
        """The service accounts into whose lists the sync has put it.

        Whoever may edit the Secret may have written anything there.
        """
        return frozenset(filter(is_name, self.annotations.get(ACCOUNTS, "").split(",")))

    @property
    def odd(self) -> bool:
        """Whether something else stands among them."""
        text = self.annotations.get(ACCOUNTS, "")
        return bool(text) and not all(map(is_name, text.split(",")))


class Account(NamedTuple):
    """A service account's list of pull secrets."""

    namespace: str
    name: str
    secrets: tuple[str, ...]
    version: str


class Cluster:
    """A cluster as one sync sees it. Every method raises ClusterRefused, ClusterUnreachable."""

    def __init__(self, sync: Sync, client: lightkube.Client) -> None:
        self._sync = sync
        self._client = client

    def namespaces(self, selector: str) -> list[Space]:
        """Return the namespaces that a selector takes in, written as for kubectl."""
        # A key alone is sent as it is, so the API server judges the whole text.
        labels: dict[str, LabelValue] = {selector: operators.exists()}
        with asking("list namespaces"):
            found = whole(self._client.list(Namespace, labels=labels, chunk_size=_PAGE))
        return [
            Space(
                _meta(one).name or "", one.status is not None and one.status.phase == "Terminating"
            )
            for one in found
        ]

    def secret(self, namespace: str) -> Present | None:
        """Return what has the sync's name in a namespace."""
        name = self._sync.secret
        with asking(what := f"get secrets in {namespace}", namespace, name):
            found = or_none(lambda: self._client.get(Secret, name, namespace=namespace))
        if found is None:
            return None
        _check_is(found, namespace, name, what)
        return self._present(found)

    def own_secrets(self) -> list[Present]:
        """Return the sync's Secrets in all namespaces, wherever they are."""
        # By name, so that a right that is narrowed to this name is enough.
        with asking("list secrets in all namespaces"):
            found = self._client.list(
                Secret,
                namespace="*",
                labels={LABEL: LABEL_VALUE},
                fields={"metadata.name": self._sync.secret},
                chunk_size=_PAGE,
            )
            present = [
                self._present(one) for one in whole(found) if _meta(one).name == self._sync.secret
            ]
        return [one for one in present if one.owned]

    def apply(
        self, namespace: str, logins: Logins, accounts: frozenset[str], over: Present | None
    ) -> None:
        """Write the Secret by server-side apply, in place.

        Over one of its own, fields that others changed are taken back; where there was none,
        nothing is forced, so that what somebody made in between stays theirs.
        """
        wanted = Secret(
            metadata=ObjectMeta(
                name=self._sync.secret,
                namespace=namespace,
                labels={LABEL: LABEL_VALUE},
                annotations=self._sync.annotations(accounts),
                resourceVersion=over.version if over else None,
            ),
            data={KEY: logins.data},
            type=TYPE,
        )
        with asking(f"patch secrets in {namespace}", namespace, self._sync.secret, quoted=False):
            self._client.apply(wanted, field_manager=FIELD_MANAGER, force=over is not None)

    def delete(self, present: Present) -> None:
        """Delete a Secret that was read before; a conflict when somebody changed it since.

        That it is gone already is as good.
        """
        with asking(f"delete secrets in {present.namespace}", present.namespace, self._sync.secret):
            or_none(lambda: self._delete(present))

    def _delete(self, present: Present) -> None:
        # lightkube's own `delete` sends no body, and preconditions stand in one.
        inner = self._client._client  # noqa: SLF001  as above; a test holds it to the body
        request = inner.prepare_request(
            "delete", Secret, name=self._sync.secret, namespace=present.namespace
        )
        request.data = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": present.uid, "resourceVersion": present.version},
        }
        answer = inner.send(inner.build_adapter_request(request))
        inner.handle_response("delete", answer, request)

    def account(self, namespace: str, name: str) -> Account | None:
        """Return a service account."""
        with asking(what := f"get serviceaccounts in {namespace}", namespace, name):
            found = or_none(lambda: self._client.get(ServiceAccount, name, namespace=namespace))
        if found is None:
            return None
        _check_is(found, namespace, name, what)
        listed = tuple(one.name or "" for one in found.imagePullSecrets or ())
        return Account(namespace, name, listed, _meta(found).resourceVersion or "")

    def set_pull_secrets(self, account: Account, secrets: Sequence[str]) -> None:
        """Replace a list that was read before; a conflict when somebody changed it since.

        Neither server-side apply nor a strategic merge can add one entry: the list is atomic
        (ServiceAccount v1), so either would drop everybody else's.
        """
        listed = [LocalObjectReference(name=name) for name in secrets]
        change = {
            "metadata": {"resourceVersion": account.version},
            "imagePullSecrets": listed or None,
        }
        with asking(
            f"patch serviceaccounts in {account.namespace}", account.namespace, account.name
        ):
            self._client.patch(
                ServiceAccount,
                account.name,
                change,
                namespace=account.namespace,
                patch_type=PatchType.MERGE,
                field_manager=FIELD_MANAGER,
            )

    def _present(self, found: Secret) -> Present:
        meta = _meta(found)
        labels, annotations = meta.labels or {}, meta.annotations or {}
        return Present(
            meta.namespace or "",
            self._sync.owns(labels, annotations),
            found.type or "",
            bool(found.immutable),
            found.data or {},
            annotations,
            meta.uid or "",
            meta.resourceVersion or "",
        )


def connect() -> lightkube.Client:
    """Return a client of the pod's own cluster, or of kubeconfig's. Raise ClusterUnreachable."""
    try:
        return bound_answers(lightkube.Client(timeout=_TIMES, field_manager=FIELD_MANAGER))
    except yaml.YAMLError:
        # Its words quote the file, which may hold a token.
        raise ClusterUnreachable("no cluster is configured: kubeconfig is no YAML") from None
    except (ConfigError, OSError, ValueError, KeyError, TypeError, AssertionError) as error:
        why = str(error) or type(error).__name__
        raise ClusterUnreachable(f"no cluster is configured: {why}") from None


def _check_is(found: Secret | ServiceAccount, namespace: str, name: str, what: str) -> None:
    """Raise ClusterRefused for an answer about another thing than the one that was asked for."""
    meta = _meta(found)
    if (meta.namespace, meta.name) != (namespace, name):
        raise ClusterRefused(what, 0, "", f"the answer is not about {name}")


def _meta(found: Namespace | Secret | ServiceAccount) -> ObjectMeta:
    return found.metadata or ObjectMeta()
