"""Hand-outs: what is asked for, and the headers that say what came of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, ClassVar
from urllib.parse import quote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from regcred.domain.handout import Filled
from regcred.usecases.hand_out_logins import MOST_IMAGES, MOST_NAMED, Asking
from regcred.web.dialects.native.wire.common import Flag, Shape
from regcred.web.errors import rule
from regcred.web.references import nfc
from regcred.web.shapes import example
from regcred.web.times import timestamp

_SUBDOMAIN = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*\Z")
_MAX_SUBDOMAIN, _MAX_LABEL = 253, 63
_MAX_NAMES = 2048
"""Characters of a header that names logins: programs take few kilobytes of headers."""

_SAFE = "!#$&'*+-.^_`|~/:@=?[]{}<> "
"""Of ASCII, what a name keeps in a header: everything but `%`, `"`, `\\`, `;`, `,` and brackets."""


class HandOutQuery(BaseModel):
    """Which logins: those named, those that images get, or (without either) all."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)

    credential: list[str] = Field(
        default=[], description=f"Ids or names of logins; up to {MOST_NAMED}."
    )
    image: list[str] = Field(
        default=[],
        description=f"What these images get, at their own registries; up to {MOST_IMAGES}.",
    )
    force: Flag = Field(default=False, description="Hand out withheld logins too.")

    def asking(self, node: str, namespace: str) -> Asking:
        """Return the question, and where the logins are to go."""
        names = [nfc(name) for name in self.credential]
        return Asking(names, self.image, self.force, node, namespace)


def _secret_name(value: str) -> str:
    if len(value) > _MAX_SUBDOMAIN or not _SUBDOMAIN.match(value):
        raise rule(f"must be 1 to {_MAX_SUBDOMAIN} of a-z 0-9 - . as Kubernetes has it")
    return value


def _namespace(value: str) -> str:
    if len(value) > _MAX_LABEL or "." in value or not _SUBDOMAIN.match(value):
        raise rule(f"must be 1 to {_MAX_LABEL} of a-z 0-9 - as Kubernetes has it")
    return value


class SecretQuery(HandOutQuery):
    """The logins, and what the Secret is called."""

    name: Annotated[str, AfterValidator(_secret_name)] = Field(
        default="regcred", description="The Secret's name."
    )
    namespace: Annotated[str, AfterValidator(_namespace)] | None = Field(
        default=None, description="Its namespace; left away, whoever applies it says."
    )


def headers(filled: Filled, withheld: Iterable[tuple[str, str]], tag: str) -> dict[str, str]:
    """Return the headers of a hand-out, the same with and without a body."""
    told = {"ETag": tag}
    if filled.expires_at is not None:
        told["Regcred-Expires-At"] = timestamp(filled.expires_at)
    if names := _named(withheld):
        told["Regcred-Withheld"] = names
    if names := _named(filled.left_out):
        told["Regcred-Left-Out"] = names
    return told


def _named(pairs: Iterable[tuple[str, str]]) -> str:
    """Return `name (why), …`, percent-encoded where a header would not carry a name."""
    named = [f"{quote(name, safe=_SAFE)} ({why})" for name, why in pairs]
    shown: list[str] = []
    for one in named:
        if sum(map(len, shown)) + len(one) > _MAX_NAMES:
            return ", ".join([*shown, f"and {len(named) - len(shown)} more"])
        shown.append(one)
    return ", ".join(shown)


class PullLogin(Shape):
    """A login in docker's configuration."""

    username: str
    password: str
    auth: str = Field(description="base64 of `username:password`.")


class DockerConfig(Shape):
    """A `.dockerconfigjson`."""

    model_config = example(
        auths={
            "registry.example.com/team/": {
                "username": "robot",
                "password": "a-token-with-pull-rights",
                "auth": "cm9ib3Q6YS10b2tlbi13aXRoLXB1bGwtcmlnaHRz",
            }
        }
    )

    auths: dict[str, PullLogin]


class AuthFileLogin(Shape):
    """A login in containers-auth.json(5)."""

    auth: str = Field(description="base64 of `username:password`.")
    identitytoken: str = Field(default="", description="Where the login is one; else absent.")


class AuthFile(Shape):
    """An auth.json for podman, buildah and skopeo."""

    model_config = example(
        auths={"registry.example.com/team": {"auth": "cm9ib3Q6YS10b2tlbi13aXRoLXB1bGwtcmlnaHRz"}}
    )

    auths: dict[str, AuthFileLogin]


class SecretMetadata(Shape):
    """A Secret's name."""

    name: str
    namespace: str = ""
    creationTimestamp: None  # noqa: N815  Kubernetes' name


class SecretManifest(Shape):
    """A Secret of type kubernetes.io/dockerconfigjson, as kubectl prints one."""

    kind: str
    apiVersion: str  # noqa: N815  Kubernetes' name
    metadata: SecretMetadata
    data: dict[str, str]
    type: str


class ExternalSecret(Shape):
    """Texts for External Secrets' webhook provider."""

    dockerconfigjson: str
    expires_at: str = Field(default="", description="When the first login ends, if one does.")
    username: str = Field(default="", description="If one login was asked for, and so below.")
    password: str = ""
    registry: str = ""
