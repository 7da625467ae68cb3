"""Workloads: which service accounts may pull what."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field, JsonValue

from regcred.domain import workload as domain
from regcred.usecases.manage_workloads import WorkloadDraft
from regcred.web.dialects.native.wire.common import Page, Shape
from regcred.web.shapes import example

_GIVEN = {
    "cluster": "prod-1",
    "namespace": "shop",
    "service_account": "web",
    "image_patterns": ["registry.example.com/shop"],
}
_NAME: dict[str, JsonValue] = {"minLength": 1, "maxLength": 253}


class Workload(Shape):
    """A service account that may take the project's logins."""

    model_config = example(
        id="019a9c1e-0000-7000-8000-000000000010", **_GIVEN, created_at="2026-11-21T10:00:00Z"
    )

    id: UUID
    cluster: str
    namespace: str
    service_account: str
    image_patterns: list[str]
    created_at: datetime

    @classmethod
    def of(cls, workload: domain.Workload) -> Workload:
        """Render a workload."""
        return cls(
            id=workload.id,
            cluster=workload.cluster,
            namespace=workload.namespace,
            service_account=workload.service_account,
            image_patterns=[str(pattern) for pattern in workload.image_patterns],
            created_at=workload.created_at,
        )


class WorkloadPage(Page[Workload]):
    """A project's workloads by id."""


class NewWorkload(Shape):
    """A service account to let pull."""

    model_config = example(**_GIVEN)

    cluster: str = Field(json_schema_extra=_NAME, description="A cluster's name.")
    namespace: str = Field(
        json_schema_extra=_NAME, description="Its whole name; `*` alone: every namespace."
    )
    service_account: str = Field(
        json_schema_extra=_NAME, description="Its whole name; `*` alone: every service account."
    )
    image_patterns: list[str] = Field(
        json_schema_extra={"minItems": 1, "maxItems": domain.MAX_PATTERNS},
        description="What it may pull: host[:port][/path], a * per host label. `*` as the only "
        "one: every image of the project.",
    )

    def draft(self) -> WorkloadDraft:
        """Return what the use case takes."""
        return WorkloadDraft(
            self.cluster, self.namespace, self.service_account, tuple(self.image_patterns)
        )
