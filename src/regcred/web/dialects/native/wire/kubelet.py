"""The kubelet's exec protocol, as the document tells it; `web/delivery/kubelet.py` speaks it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from regcred.web.dialects.native.wire.common import Shape
from regcred.web.shapes import example

_VERSION = "credentialprovider.kubelet.k8s.io/v1"

ApiVersion = Literal[
    "credentialprovider.kubelet.k8s.io/v1",
    "credentialprovider.kubelet.k8s.io/v1beta1",
    "credentialprovider.kubelet.k8s.io/v1alpha1",
]


class AskKubelet(Shape):
    """A CredentialProviderRequest, as the kubelet wrote it to its plugin."""

    model_config = example(
        kind="CredentialProviderRequest",
        apiVersion=_VERSION,
        image="registry.example.com/team/app",
    )

    kind: Literal["CredentialProviderRequest"]
    apiVersion: ApiVersion  # noqa: N815  Kubernetes' name
    image: str
    serviceAccountToken: str | None = Field(  # noqa: N815  Kubernetes' name
        default=None, description="The pod's token; v1 alone.", json_schema_extra={"minLength": 1}
    )
    serviceAccountAnnotations: dict[str, str] | None = Field(  # noqa: N815  Kubernetes' name
        default=None, description="v1 alone."
    )


class NodeLogin(Shape):
    """A login as the kubelet takes it."""

    username: str
    password: str


class KubeletAnswer(Shape):
    """A CredentialProviderResponse in the version that was asked, for the plugin to print."""

    model_config = example(
        kind="CredentialProviderResponse",
        apiVersion=_VERSION,
        cacheKeyType="Image",
        cacheDuration="3540s",
        auth={
            "registry.example.com/team/": {
                "username": "robot",
                "password": "a-token-with-pull-rights",
            }
        },
    )

    kind: Literal["CredentialProviderResponse"]
    apiVersion: ApiVersion  # noqa: N815  Kubernetes' name
    cacheKeyType: Literal["Image", "Registry"] = Field(  # noqa: N815  Kubernetes' name
        description="`Registry` where every image of the registry gets this one login."
    )
    cacheDuration: str = Field(  # noqa: N815  Kubernetes' name
        default="", description="In seconds, 43200 at most; absent where no login ends."
    )
    auth: dict[str, NodeLogin] | None = Field(description="null: no login fits.")
