"""The first start: project 1, its seed, and an operator's key that is shown once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from regcred.bootstrap.state import State
from regcred.domain.access import ApiKey, Role
from regcred.domain.audit import Action, AuditEvent
from regcred.domain.ports import Clock, KeyDigests, NewId, RandomBytes, Sealer, Store, StoredKey
from regcred.domain.project import Project
from regcred.domain.secret import Secret
from regcred.domain.token import RANDOM_BYTES, ApiToken

OPERATOR = "operator:cli"
"""Who acts when the command line works on the store itself."""

PASTE = """
Paste these, with your own registry, to store a login, prove it, and pull with it:
{path}
  regcred login --url {url}      (asks for the key)
  regcred credential add my-login --registry REGISTRY --username USER
  regcred credential verify my-login --image REGISTRY/REPOSITORY:TAG
  regcred docker install --registry REGISTRY

The last one puts the helper in place and has docker, podman and skopeo ask it.
"""


def first_commands(url: str, programs: Path, search_path: str) -> str:
    """Return what a person does next, ready to paste.

    `programs` is where this program's commands are; they are named in a line of their own when
    `search_path` (PATH) does not lead to them.
    """
    found = str(programs) in search_path.split(os.pathsep)
    path = "" if found else f'\n  export PATH="{programs}:$PATH"'
    return PASTE.format(url=url, path=path)


@dataclass(frozen=True, slots=True)
class FirstRun:
    """What the first start made; `key` is never to be had again."""

    project: Project
    key: Secret


async def first_run(state: State) -> FirstRun:
    """Make project 1 and its operator's key in a fresh store."""
    return await make_first_project(
        state.store, state.sealer, state.digests, state.clock, state.new_id, state.random
    )


async def make_first_project(
    store: Store,
    sealer: Sealer,
    digests: KeyDigests,
    clock: Clock,
    new_id: NewId,
    random: RandomBytes,
) -> FirstRun:
    """Make project 1 and an operator's key whose home it is."""
    now = clock()
    project = Project(new_id(), 0, "default", now, now)
    seed = await sealer.new_seed(str(project.id))
    event = AuditEvent(Action.PROJECT_CREATED, project.id, OPERATOR, now, str(project.id))
    project = await store.create_project(project, seed, event)
    key = await make_operator_key(store, digests, clock, random, project)
    return FirstRun(project, key)


async def make_operator_key(
    store: Store, digests: KeyDigests, clock: Clock, random: RandomBytes, project: Project
) -> Secret:
    """Make an operator's admin key in `project` and return its text, which is shown once."""
    now = clock()
    token = ApiToken.mint(random(RANDOM_BYTES))
    key = ApiKey(token.id, project.id, "operator", Role.ADMIN, now, operator=True)
    event = AuditEvent(
        Action.KEY_CREATED,
        project.id,
        OPERATOR,
        now,
        key.id,
        key.version,
        details={"role": str(key.role)},
    )
    digest = digests.digest(token.secret)
    await store.create_key(StoredKey(key, digest, digests.stamp(key, digest)), event)
    return Secret(token.reveal(), field="key")
