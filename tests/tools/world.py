"""All that the proof needs, running: a registry with a private image, the service, a machine."""

from __future__ import annotations

import contextlib
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from tests.tools.api import Api
from tests.tools.oci_image import make_layout
from tests.tools.programs import Daemon
from tests.tools.pullers import Machine, push
from tests.tools.registry import Registry, with_password_file, with_tokens
from tests.tools.service import Service
from tests.tools.token_server import TokenServer

Mode = Literal["htpasswd", "token"]

REPOSITORY = "team/app"
"""The private image that everything is about."""

OTHER = "other/app"
"""Where the user `guest` may pull, and where `puller` may not (in token mode)."""


@dataclass(frozen=True, slots=True)
class World:
    """The programs that run and the people that the registry knows."""

    mode: Mode
    folder: Path
    registry: Registry
    tokens: TokenServer | None
    service: Service
    server: Daemon
    api: Api
    digest: str
    """The manifest digest of the image."""

    passwords: dict[str, str]
    """What the registry believes, for `puller` and (in token mode) `guest`."""

    set_password: Callable[[str, str], None]
    """Change a user's password at the registry."""

    def image(self, repository: str = REPOSITORY, tag: str = "v1") -> str:
        """Return the image as clients name it."""
        return f"{self.registry.address}/{repository}:{tag}"

    @property
    def settings(self) -> dict[str, str]:
        """Return a credential's settings here: the realm is on another port, so it is pinned."""
        return {} if self.tokens is None else {"realm": self.tokens.realm}

    def add(self, name: str, user: str = "puller", password: str | None = None) -> object:
        """Store a login for the registry, by default the right one."""
        return self.api.add(
            name,
            self.registry.address,
            user,
            self.passwords[user] if password is None else password,
            settings=self.settings,
        )

    def machine(self, name: str, *, role: str = "puller") -> tuple[Machine, str]:
        """Make a machine with a key of its own and the helper installed; return the key's id."""
        made = self.api.make_key(name, role)
        machines = self.folder / "machines"
        machines.mkdir(exist_ok=True)
        home = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=machines))
        machine = Machine(home, self.service.url)
        done = machine.login(made["key"])
        if done.code != 0:
            raise RuntimeError(f"regcred login: {done.text}")
        machine.use_helper_for(self.registry.address)
        return machine, made["id"]


@contextlib.contextmanager
def running(
    folder: Path,
    mode: Mode,
    *,
    log_level: str = "info",
    options: Sequence[str] = (),
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[World]:
    """Start everything, push the image, and end everything with the block.

    The service gets the options, and the settings in its environment.
    """
    folder.mkdir(parents=True, exist_ok=True)
    layout = folder / "image"
    make_layout(layout, seed=secrets.token_hex(8))
    with contextlib.ExitStack() as stack:
        registry, tokens, set_password = _registry(stack, folder / "registry", mode)
        passwords = {}
        # Whoever pushes is another user, so that the password under test is in no argument.
        pusher = secrets.token_urlsafe(16)
        set_password("pusher", pusher)
        for user in ("puller", "guest"):
            passwords[user] = secrets.token_urlsafe(24)
            set_password(user, passwords[user])
        if tokens is not None:
            both = {"pull", "push"}
            tokens.rights["pusher"] = {REPOSITORY: both, OTHER: both}
            tokens.rights["puller"] = {REPOSITORY: {"pull"}}
            tokens.rights["guest"] = {OTHER: {"pull"}}
        stack.enter_context(registry.serving())
        digests = {
            push(
                layout,
                f"{registry.address}/{repository}:v1",
                user="pusher",
                password=pusher,
                home=folder / "pusher",
            )
            for repository in (REPOSITORY, OTHER)
        }
        service = Service(folder / "service", log_level=log_level)
        service.init()
        service.env |= settings
        service.followed = False
        server = stack.enter_context(service.serving(*options))
        api = stack.enter_context(service.api())
        yield World(
            mode,
            folder,
            registry,
            tokens,
            service,
            server,
            api,
            digests.pop(),
            passwords,
            set_password,
        )


def _registry(
    stack: contextlib.ExitStack, folder: Path, mode: Mode
) -> tuple[Registry, TokenServer | None, Callable[[str, str], None]]:
    if mode == "htpasswd":
        registry, users = with_password_file(folder)
        return registry, None, users.set
    tokens = stack.enter_context(TokenServer().serving())
    return with_tokens(folder, tokens), tokens, tokens.users.__setitem__
