"""What a cluster did not do, in words that hold no login."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import httpx2
import lightkube
from lightkube.core.exceptions import ConfigError

from regcred.clients.kubernetes.names import is_name

_T = TypeVar("_T")
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _CONFLICT, _BUSY = 401, 403, 404, 409, 429
_SHOWN = 80


class ClusterError(Exception):
    """Something that the cluster did not do."""


class ClusterUnreachable(ClusterError):
    """No API server answered, it knows this client not at all, or it is too busy."""

    unknown = False
    """Whether it answered, and does not know this client."""


@dataclass(eq=False)  # Not frozen: what passes an exception on sets its traceback.
class ClusterRefused(ClusterError):
    """One request that the API server refused."""

    what: str
    status: int
    reason: str
    detail: str = ""
    terminating: bool = False
    """Whether it is because the namespace is on its way out."""

    def __str__(self) -> str:
        if self.status == _FORBIDDEN and not self.detail:
            return f"this client may not {self.what}"
        return f"could not {self.what}: {self.detail or f'{self.status} {self.reason}'}"

    @property
    def conflict(self) -> bool:
        """Whether somebody else was faster, or owns what was to be set."""
        return self.status == _CONFLICT


@contextmanager
def asking(what: str, *names: str, quoted: bool = True) -> Iterator[None]:
    """Turn what lightkube raises into words. Without `quoted` the API server's are left out.

    `names` are those that are asked for: nothing is asked when one of them can be none.
    """
    for name in names:
        if not is_name(name):
            raise ClusterRefused(what, 0, "", f"{name[:_SHOWN]!r} is no name in Kubernetes")
    try:
        yield
    except lightkube.ApiError as error:
        status = error.status
        code = status.code or error.response.status_code
        if code in {_UNAUTHORIZED, _BUSY}:
            refused = ClusterUnreachable(f"could not {what}: {code} {status.reason}")
            refused.unknown = code == _UNAUTHORIZED
            raise refused from None
        causes = (status.details.causes if status.details else None) or ()
        raise ClusterRefused(
            what,
            code,
            status.reason or "",
            (status.message or "") if quoted else "",
            any(cause.reason == "NamespaceTerminating" for cause in causes),
        ) from None
    except httpx2.HTTPStatusError as error:
        raise ClusterRefused(what, error.response.status_code, "without a reason") from None
    except (httpx2.HTTPError, ConfigError, OSError, ValueError, KeyError) as error:
        # A decoder's words may quote what it read.
        told = isinstance(error, httpx2.HTTPError | ConfigError | OSError)
        why = (str(error) if told else "") or type(error).__name__
        raise ClusterUnreachable(f"could not {what}: {why}") from None


def or_none(ask: Callable[[], _T]) -> _T | None:
    """Return what is there, None when it is not. Raise as lightkube does."""
    try:
        return ask()
    except lightkube.ApiError as error:
        if error.status.code != _NOT_FOUND:
            raise
        return None
