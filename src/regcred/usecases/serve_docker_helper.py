"""The docker credential helper's verbs, as the service answers them.

The helper hands over what docker gave it and prints what comes back; which spelling of Docker
Hub was meant, and whether a host or a whole repository was named, is decided here.
"""

from __future__ import annotations

from regcred.domain.access import Caller
from regcred.domain.credential import Draft, RegistryCredential
from regcred.domain.errors import CredentialNotFound, InvalidInput, NameTaken
from regcred.domain.ports import CredentialFilter, ProjectRef
from regcred.domain.registry import HUB, HUB_ALIASES, HUB_SERVER_URL, RegistryAddress, Scope
from regcred.domain.secret import Secret
from regcred.usecases.change_credential import Change
from regcred.usecases.manage_credentials import ManageCredentials
from regcred.usecases.pull import Question

CREATED_BY = "regcred.dev/created-by"
HELPER = "docker-credential-regcred"
_PAGE = 200
_MAX_LISTED = 10_000


def question_for_server(server: str) -> Question:
    """Read docker's server key: a host, a URL, or (crane) a whole repository.

    Raise InvalidInput naming `ServerURL`.
    """
    scope = _server_scope(server)
    address = RegistryAddress(scope.host, scope.port)
    return Question(address, scope.path or None, str(scope))


class ServeDockerHelper:
    """list, store and erase; get is `ResolveImage` with `question_for_server`."""

    def __init__(self, credentials: ManageCredentials) -> None:
        self._credentials = credentials

    async def list(self, caller: Caller, ref: ProjectRef | None) -> dict[str, str]:
        """Return {server key: username}, newest login first, never a secret.

        Docker Hub stands under both of its spellings: docker reads one, podman the other.
        """
        listed: dict[str, str] = {}
        after: int | None = 0
        newest_first: list[RegistryCredential] = []
        while after is not None and len(newest_first) < _MAX_LISTED:
            page, after = await self._credentials.list(
                caller, ref, CredentialFilter(), after, _PAGE
            )
            newest_first = [*reversed(page), *newest_first]
        for credential in newest_first:
            for scope in credential.scopes:
                for server in _server_keys(scope):
                    listed.setdefault(server, credential.username)
        return listed

    async def store(
        self, caller: Caller, ref: ProjectRef | None, server: str, username: str, password: Secret
    ) -> None:
        """Keep what `docker login` hands over, replacing what an earlier one stored.

        Raise InvalidInput, AccessDenied, ProjectNotFound, NameTaken (a person's credential has
        the name under which it would be kept).
        """
        scope = _server_scope(server)
        name = _stored_name(scope)
        try:
            present = await self._credentials.get(caller, ref, name)
        except CredentialNotFound:
            draft = Draft(
                name=name,
                username=username,
                password=password,
                registry_url=str(scope),
                description="Stored by docker login",
                labels={CREATED_BY: HELPER},
            )
            await self._credentials.create(caller, ref, draft)
            return
        if not _stored_by_login(present, scope):
            raise NameTaken("credential")
        change = Change(frozenset({"username", "password"}), username=username, password=password)
        # The version that was read: docker knows no If-Match, and a project may demand it.
        await self._credentials.patch(caller, ref, name, present.version, change)

    async def erase(self, caller: Caller, ref: ProjectRef | None, server: str) -> None:
        """Delete what an earlier `store` kept, and nothing else.

        Raise CredentialNotFound, CredentialInUse, AccessDenied, ProjectNotFound.
        """
        scope = _server_scope(server)
        name = _stored_name(scope)
        present = await self._credentials.get(caller, ref, name)
        if not _stored_by_login(present, scope):
            raise CredentialNotFound
        await self._credentials.delete(caller, ref, name, present.version)


def _server_scope(server: str) -> Scope:
    scope = Scope.parse(server.strip(), field="ServerURL")
    if scope.pattern:
        raise InvalidInput("ServerURL", "must name one registry")
    # Without a scheme the parser cannot know that Hub's v1/ is an API version, not a path.
    if scope.host in HUB_ALIASES and scope.path in {"v1", "v2"}:
        return Scope(scope.host, scope.port)
    return scope


def _server_keys(scope: Scope) -> tuple[str, ...]:
    if scope.pattern:
        return ()
    if scope == Scope(HUB):
        return (HUB_SERVER_URL, HUB)
    return (str(scope),)


def _stored_name(scope: Scope) -> str:
    """Return a name that no other scope has: neither `_` nor `+` can stand in a host."""
    return "docker-login-" + str(scope).translate(str.maketrans("/:", "+_"))


def _stored_by_login(credential: RegistryCredential, scope: Scope) -> bool:
    """Whether it is what `docker login` keeps for `scope`, not edited to go elsewhere since."""
    return credential.labels.get(CREATED_BY) == HELPER and credential.scopes == (scope,)
