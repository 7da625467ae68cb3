"""Gcore's operations on registry credentials."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import AfterValidator
from starlette.responses import Response

from regcred.domain.errors import ProjectNotFound
from regcred.web.dialects.gcore.wire import (
    NAME,
    Credential,
    CredentialPage,
    CredentialUpdate,
    NewCredential,
)
from regcred.web.references import nfc
from regcred.web.routing import Call, VendorRoute, rendered
from regcred.web.shapes import WholeNumber

_ABOUT = "The project's number."
Project = Annotated[int, WholeNumber("project_id"), Path(description=_ABOUT)]
# The vendor documents no 400 for deleting: what is wrong with the path of a login is not found.
ProjectOfLogin = Annotated[
    int, WholeNumber("project_id", refusal=ProjectNotFound), Path(description=_ABOUT)
]
Name = Annotated[
    str,
    AfterValidator(nfc),
    Path(
        description="The login's name: also one that another wire gave it, or its id.",
        json_schema_extra={"minLength": 4, "pattern": NAME},
    ),
]
Limit = Annotated[
    int,
    WholeNumber("limit", minimum=1, maximum=1000, schema={"exclusiveMinimum": 0, "maximum": 1000}),
]
Offset = Annotated[int, WholeNumber("offset", minimum=0, schema={"minimum": 0})]

router = APIRouter(
    route_class=VendorRoute,
    tags=["Everywhere Inference"],
    prefix="/cloud/v3/inference/{project_id}/registry_credentials",
)


@router.get(
    "", operation_id="InferenceRegistryCredentialsHandler.get", response_model=CredentialPage
)
async def list_credentials(
    call: Call, project_id: Project, limit: Limit = 1000, offset: Offset = 0
) -> Response:
    """List logins in the order in which they were made."""
    found, total = await call.services.credentials.page(call.caller, project_id, offset, limit)
    shown = [Credential.of(project_id, credential) for credential in found]
    return rendered(CredentialPage(count=total, results=shown))


@router.post("", operation_id="InferenceRegistryCredentialsHandler.post", response_model=Credential)
async def create_credential(call: Call, project_id: Project, body: NewCredential) -> Response:
    """Store a login. Its password is sealed and never shown here."""
    made = await call.services.credentials.create(call.caller, project_id, body.draft())
    return rendered(Credential.of(project_id, made))


@router.get(
    "/{credential_name}",
    operation_id="InferenceRegistryCredentialHandler.get",
    response_model=Credential,
)
async def get_credential(call: Call, project_id: ProjectOfLogin, credential_name: Name) -> Response:
    """Show a login without its password."""
    found = await call.services.credentials.get(call.caller, project_id, credential_name)
    return rendered(Credential.of(project_id, found))


@router.put(
    "/{credential_name}",
    operation_id="InferenceRegistryCredentialHandler.put",
    response_model=Credential,
)
async def replace_credential(
    call: Call, project_id: ProjectOfLogin, credential_name: Name, body: CredentialUpdate
) -> Response:
    """Replace username, password and registry; the name and all that this wire cannot say stay."""
    families = call.services.families
    stored = await call.services.credentials.patch(
        call.caller, project_id, credential_name, None, lambda old: body.change_of(old, families)
    )
    return rendered(Credential.of(project_id, stored))


@router.delete(
    "/{credential_name}",
    operation_id="InferenceRegistryCredentialHandler.delete",
    status_code=204,
)
async def delete_credential(
    call: Call, project_id: ProjectOfLogin, credential_name: Name
) -> Response:
    """Delete a login, and the uses that were declared of it."""
    await call.services.credentials.delete(
        call.caller, project_id, credential_name, None, with_uses=True
    )
    return Response(status_code=204)
