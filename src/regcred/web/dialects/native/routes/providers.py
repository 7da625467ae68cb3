"""What is known of each family of registries: the same for everybody, so any key may ask."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from regcred.domain.errors import NotFound
from regcred.web.dialects.native.wire.providers import Provider, ProviderList
from regcred.web.routing import Call, StrictRoute, rendered

router = APIRouter(route_class=StrictRoute, tags=["providers"], prefix="/v1/providers")

ProviderPath = Annotated[str, Path(description="The provider's slug.", examples=["ghcr"])]


@router.get("", operation_id="listProviders", response_model=ProviderList)
async def list_providers(call: Call) -> Response:
    """List the families of registries, the one of any registry last."""
    families = call.services.families.catalogue()
    return rendered(ProviderList(items=[Provider.of(family) for family in families]))


@router.get("/{provider}", operation_id="getProvider", response_model=Provider)
async def get_provider(call: Call, provider: ProviderPath) -> Response:
    """Show where a family of registries is, what to type in, and how long that works."""
    for family in call.services.families.catalogue():
        if family.slug == provider:
            return rendered(Provider.of(family))
    raise NotFound
