"""Acme's shapes."""

from __future__ import annotations

from typing import Annotated

from regcred.domain.credential import Draft, RegistryCredential
from regcred.domain.secret import Secret
from regcred.usecases.change_credential import Change
from regcred.web.references import shown_registry
from regcred.web.shapes import SecretText, StrictShape, Text, example


class NewLogin(StrictShape):
    """A login to store."""

    model_config = example(login="ci-pull", user="robot", token="a-token", host="ghcr.io")  # noqa: S106  example

    login: Annotated[str, Text(pattern="^[a-z-]{3,40}$", rule="must be 3 to 40 of a-z and -")]
    user: Annotated[str, Text(minimum=1)]
    token: Annotated[Secret, SecretText(minimum=1)]
    host: Annotated[str, Text(minimum=1)]

    def draft(self) -> Draft:
        """Return what the use case takes. Raise InvalidInput."""
        return Draft(self.login, self.user, self.token, self.host)


class NewToken(StrictShape):
    """Another user and token for a login."""

    user: Annotated[str, Text(minimum=1)]
    token: Annotated[Secret, SecretText(minimum=1)]

    def change(self) -> Change:
        """Return what the use case takes."""
        given = frozenset({"username", "password"})
        return Change(given, username=self.user, password=self.token)


class Login(StrictShape):
    """A stored login without its token."""

    login: str
    user: str
    host: str

    @classmethod
    def of(cls, credential: RegistryCredential) -> Login:
        """Render a credential."""
        return cls(login=credential.name, user=credential.username, host=shown_registry(credential))


class LoginList(StrictShape):
    """One page, and how many there are on all of them."""

    logins: list[Login]
    total: int
