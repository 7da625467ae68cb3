"""A store that has something in every table, made by the real server, and what it decides.

Two projects hold logins for one and the same registry and user, so that nothing but its own place
tells one sealed secret from another.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from hmac import compare_digest
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from regcred.bootstrap.state import State, open_state
from regcred.domain.errors import SealBroken
from regcred.domain.ports import Candidate, LoginPlace
from regcred.domain.registry import RegistryAddress
from regcred.domain.secret import Secret
from regcred.domain.token import ApiToken
from regcred.domain.workload import TokenIssuer
from regcred.settings import Settings
from regcred.usecases.authenticate import caller_behind
from regcred.usecases.kept_login import seal_place
from regcred.usecases.seal_webhook import current_webhook
from tests.tools.inside import keeper_of
from tests.tools.issuer import ISSUER, ec_jwk
from tools.campaign.client import Client
from tools.campaign.installation import Installation
from tools.campaign.reading import Also, Reading, had, open_login
from tools.campaign.story import Unexpected

HOST = "one.example"
LOGINS = 16
"""Of each project."""

KEPT = 4
"""The one that was exchanged for another login, which is kept."""

NOTHING = "nothing"
"""What a decision is when there is nothing to decide about: nobody gets in, nothing goes out."""

_CLOSED = "127.0.0.1:1"
"""A registry that nobody answers for."""

_AUDIENCE = "regcred-prod"
_PLACE = "here"
_ANCHORED_SECONDS = 1.5
_PAGE = 200


class FullStore(NamedTuple):
    """The data folder, the same as it was halfway, and the texts of its keys by name."""

    data: Path
    earlier: Path
    tokens: Mapping[str, str]


async def make(folder: Path) -> FullStore:
    """Fill a store, keep a copy, change and delete much of it, and kill the server."""
    installation = Installation(folder / "service")
    data, earlier = installation.service.data, folder / "earlier"
    tokens: dict[str, str] = {}
    async with _serving(installation) as client:
        await _fill(client, tokens)
    await _kept_logins(data)
    shutil.copytree(data, earlier)
    async with _serving(installation) as client:
        await _change(client)
    return FullStore(data, earlier, tokens)


@asynccontextmanager
async def _serving(installation: Installation) -> AsyncIterator[Client]:
    daemon = installation.start()
    client = Client(installation.port, installation.key)
    try:
        await installation.ready()
        yield client
        await asyncio.sleep(_ANCHORED_SECONDS)
        await client.close()
    finally:
        daemon.kill()


async def _do(client: Client, method: str, path: str, body: object = None, **more: str) -> Any:
    answer = await client.ask(method, f"/v1/{path}", body, headers=more)
    if answer.status >= 300:  # noqa: PLR2004  anything but a success
        raise Unexpected(f"{method} {path}: {answer.status} {answer.body!r}")
    return dict(answer.json) if answer.body else {}


async def _fill(client: Client, tokens: dict[str, str]) -> None:
    await _do(client, "POST", "projects", {"name": "second"})
    await _do(client, "PUT", "clusters/prod", _cluster("ES256"))
    for project in (1, 2):
        at = f"projects/{project}"
        for n in range(LOGINS):
            login = {
                "name": f"login-{n}",
                "registry_url": f"https://{HOST}/team-{n}",
                "username": "robot",
                "password": f"pw-{project}-{n}",
                "description": "of a team",
                "labels": {"team": f"t{n}"},
                "expires_at": "2031-01-01T00:00:00Z",
            }
            key = {"Idempotency-Key": f"{project}-{n}"}
            await _do(client, "POST", f"{at}/credentials", login, **key)
            await _do(client, "POST", f"{at}/resolve", {"image": f"{HOST}/team-{n}/app"})
        closed = {"name": "closed", "registry_url": _CLOSED, "username": "u", "password": "pw-c"}
        await _do(client, "POST", f"{at}/credentials", closed)
        await _do(client, "POST", f"{at}/credentials/closed:verify", {})
        await _do(client, "PUT", f"{at}/credentials/login-0/uses/job/a", {"lease_seconds": 86400})
        hook = {"url": "https://hooks.example/a", "kinds": ["verdict.changed"]}
        await _do(client, "POST", f"{at}/webhooks", hook)
        pod = {"cluster": "prod", "namespace": "shop", "service_account": "web"}
        await _do(client, "POST", f"{at}/workloads", {**pod, "image_patterns": [f"{HOST}/team-1"]})
        for name, more in (
            ("narrow", {"role": "puller", "image_patterns": [f"{HOST}/team-1"]}),
            ("ends", {"role": "admin", "expires_at": "2031-01-01T00:00:00Z"}),
            ("looks", {"role": "viewer"}),
        ):
            made = await _do(client, "POST", f"{at}/keys", {"name": f"{name}-{project}", **more})
            tokens[made["name"]] = made["key"]


async def _change(client: Client) -> None:
    """Do what a copy from before would take back."""
    at = "projects/1"
    await _do(client, "PATCH", f"{at}/credentials/login-2", {"password": "pw-newer"})
    await _do(client, "DELETE", f"{at}/credentials/login-3")
    for key in (await _do(client, "GET", f"{at}/keys"))["items"]:
        if key["name"] == "ends-1":
            await _do(client, "PATCH", f"{at}/keys/{key['id']}", {"disabled": True})
        if key["name"] == "narrow-1":
            await _do(client, "DELETE", f"{at}/keys/{key['id']}")
    hook = (await _do(client, "GET", f"{at}/webhooks"))["items"][0]
    await _do(client, "PATCH", f"{at}/webhooks/{hook['id']}", {"url": "https://hooks.example/b"})
    pod = (await _do(client, "GET", f"{at}/workloads"))["items"][0]
    await _do(client, "DELETE", f"{at}/workloads/{pod['id']}")
    await _do(client, "PUT", "clusters/prod", _cluster("ES384"))


def _cluster(algorithm: str) -> dict[str, object]:
    """Return a cluster that believes a key of its own."""
    return {
        "issuer": ISSUER,
        "audience": _AUDIENCE,
        "jwks": {"keys": [ec_jwk(algorithm, algorithm, alg=algorithm)]},
    }


async def _kept_logins(data: Path) -> None:
    """Put in what only clouds and registries bring about: an exchanged login, an event."""
    async with open_state(Settings(data=data), exclusive=True) as state:
        for project in await state.store.list_projects(0, _PAGE):
            one = await candidate(state, project.id, KEPT)
            assert one is not None  # noqa: S101  it was just made
            place = LoginPlace(str(project.id), one.id, _PLACE)
            context = seal_place(place, one.secret_version, one.delivery)
            sealed = await state.sealer.seal(one.seed, context, Secret("fresh"))
            with closing(sqlite3.connect(data / "store" / "regcred.db")) as database, database:
                database.execute(
                    "INSERT INTO credential_logins (project_id, credential_id, place,"
                    " secret_version, seed_generation, sealed, expires_at, refresh_at)"
                    " VALUES (?, ?, ?, ?, ?, ?, 1, 1)",
                    (*place, one.secret_version, one.seed.generation, sealed),
                )
                database.execute(
                    "INSERT INTO events (project_id, at, kind, credential_id, credential_name,"
                    " details) VALUES (?, 1, 'verdict.changed', ?, 'login-4', '{}')",
                    (str(project.id), one.id),
                )
                database.execute(
                    "INSERT INTO webhook_deliveries (event_number, project_id, webhook_id, due_at)"
                    " SELECT max(e.number), w.project_id, w.id, 9e15 FROM events e, webhooks w"
                    " WHERE w.project_id = ? GROUP BY w.id",
                    (str(project.id),),
                )


def decisions(tokens: Mapping[str, str]) -> Also:
    """Return what reads everything that decides something; two stores that agree are one."""

    async def read(state: State, reading: Reading) -> None:
        await keeper_of(state).verify_all()

        async def keep(what: str, coming: object) -> None:
            found = await had(reading, ("decides", what), coming)  # type: ignore[arg-type]  # of text
            if found is not None:
                reading.found["decides", what] = found

        for name, text in tokens.items():
            await keep(f"key {name}", _caller(state, text))
        for project in await state.store.list_projects(0, _PAGE):
            for n in range(LOGINS):
                await keep(f"login {project.number} {n}", login(state, project.id, n))
            for one in await state.store.list_webhooks(project.id, "", _PAGE):
                await keep(f"webhook {project.number}", webhook(state, project.id, one.id))
            await keep(f"kept login {project.number}", kept(state, project.id))
            await keep(f"pod {project.number}", _pod(state, project.id))

    return read


async def candidate(state: State, project_id: UUID, n: int) -> Candidate | None:
    """Find a login as a pull does."""
    address = RegistryAddress(HOST)
    read = await state.store.read_for_resolve(None, project_id, address, f"team-{n}/app")
    return read.candidates[0] if read.candidates else None


async def login(state: State, project_id: UUID, n: int) -> str:
    """Return what a pull gets. Raise SealBroken."""
    one = await candidate(state, project_id, n)
    if one is None:
        return NOTHING
    password = await open_login(state, str(project_id), one)
    return f"{one.matched} {one.delivery.username} {password} {one.standing.withheld}"


async def _caller(state: State, text: str) -> str:
    token = ApiToken.parse(text)
    stored = await state.store.key_for_authentication(token.id)
    caller = caller_behind(
        token, stored, state.digests, state.clock(), request_id="campaign", peer="127.0.0.1"
    )
    return f"{caller.principal} {caller.project_id} {caller.role} {caller.image_patterns}"


async def webhook(state: State, project_id: UUID, webhook_id: UUID) -> str:
    """Return where its messages go, and what signs them. Raise SealBroken."""
    found, secret = await current_webhook(state.store, state.sealer, project_id, webhook_id)
    return f"{found.url} {secret.reveal()}"


async def kept(state: State, project_id: UUID) -> str:
    """Return the login that a stored secret was exchanged for. Raise SealBroken."""
    one = await candidate(state, project_id, KEPT)
    if one is None:
        return NOTHING
    place = LoginPlace(str(project_id), one.id, _PLACE)
    found = await state.store.find_login(place)
    if found is None or found.sealed is None or found.seed is None:
        return NOTHING
    if found.secret_version != one.secret_version:
        return NOTHING
    context = seal_place(place, found.secret_version, one.delivery)
    return (await state.sealer.open(found.seed, context, found.sealed)).reveal()


async def _pod(state: State, project_id: UUID) -> str:
    claimed = TokenIssuer(ISSUER, _AUDIENCE, "shop", "web")
    read = await state.store.read_for_pod(claimed, project_id)
    if read.cluster is None:
        return NOTHING
    cluster, stamp = read.cluster
    if not compare_digest(state.keys.pod_stamps.cluster(cluster), stamp):
        raise SealBroken("a cluster")
    for workload, stamp in read.workloads:
        if not compare_digest(state.keys.pod_stamps.workload(workload), stamp):
            raise SealBroken("a workload")
    if not read.workloads:
        return NOTHING
    return f"{cluster.jwks} {[workload.image_patterns for workload, _ in read.workloads]}"
