"""Clusters: public keys and addresses alone, so that everything given is shown again."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import orjson
from pydantic import Field, PlainValidator, WithJsonSchema

from regcred.domain import workload as domain
from regcred.usecases.manage_clusters import ClusterDraft
from regcred.web.dialects.native.wire.common import Page, Shape
from regcred.web.errors import rule
from regcred.web.shapes import example

_JWKS = {
    "keys": [
        {
            "kty": "EC",
            "kid": "key-1",
            "use": "sig",
            "alg": "ES256",
            "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        }
    ]
}
_GIVEN = {
    "issuer": "https://kubernetes.default.svc.cluster.local",
    "audience": "https://regcred.example.com/prod-1",
    "jwks": _JWKS,
}
CLUSTER = {
    "name": "prod-1",
    **_GIVEN,
    "jwks_uri": None,
    "ca_bundle": None,
    "created_at": "2026-11-21T10:00:00Z",
    "updated_at": "2026-11-21T10:00:00Z",
    "version": 1,
}


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise rule("must be an object: a JSON Web Key Set")
    return value


KeySet = Annotated[
    dict[str, Any],
    PlainValidator(_object),
    WithJsonSchema(
        {
            "type": "object",
            "description": "A JSON Web Key Set (RFC 7517) of public keys, such as `kubectl get "
            "--raw /openid/v1/jwks` prints. Left away, the keys are fetched.",
        }
    ),
]


class Cluster(Shape):
    """A cluster whose service-account tokens are believed."""

    model_config = example(**CLUSTER)

    name: str
    issuer: str
    audience: str
    jwks: dict[str, Any] | None = Field(description="The keys; null: they are fetched.")
    jwks_uri: str | None = Field(description="Where; null: the discovery document says it.")
    ca_bundle: str | None = Field(description="PEM; null: the system's authorities.")
    created_at: datetime
    updated_at: datetime
    version: int = Field(description="The number in the ETag.")

    @classmethod
    def of(cls, cluster: domain.Cluster) -> Cluster:
        """Render a cluster."""
        return cls(
            name=cluster.name,
            issuer=cluster.issuer,
            audience=cluster.audience,
            jwks=None if cluster.jwks is None else orjson.loads(cluster.jwks),
            jwks_uri=cluster.jwks_uri,
            ca_bundle=cluster.ca_bundle,
            created_at=cluster.created_at,
            updated_at=cluster.updated_at,
            version=cluster.version,
        )


class ClusterPage(Page[Cluster]):
    """Clusters by name."""


class NewCluster(Shape):
    """A cluster to set up, whole."""

    model_config = example(**_GIVEN)

    issuer: str = Field(
        json_schema_extra={"minLength": 1, "maxLength": 1024},
        description="The tokens' `iss`, character by character: https, without query or fragment.",
    )
    audience: str = Field(
        json_schema_extra={"minLength": 1, "maxLength": 255},
        description="The tokens' only `aud`. With the same issuer, every cluster has its own.",
    )
    jwks: KeySet | None = None
    jwks_uri: str | None = Field(
        default=None,
        json_schema_extra={"maxLength": 1024},
        description="Where keys are fetched; without it, where the issuer's discovery document "
        "says. https.",
    )
    ca_bundle: str | None = Field(
        default=None,
        json_schema_extra={"maxLength": domain.MAX_CA_BUNDLE},
        description="Authorities to trust when fetching, in PEM, instead of the system's.",
    )

    def draft(self) -> ClusterDraft:
        """Return what the use case takes."""
        jwks = None if self.jwks is None else orjson.dumps(self.jwks).decode()
        return ClusterDraft(self.issuer, self.audience, jwks, self.jwks_uri, self.ca_bundle)
