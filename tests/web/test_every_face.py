"""One login for one image, whoever asks: every face gives the same, or says why it cannot.

A face whose protocol carries the whole image gives what resolve gives. One that is asked by host
alone follows the host-only rule. Explain says what each of them does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any

import httpx2
import pytest

from regcred.domain import selection
from regcred.domain.access import Role
from regcred.domain.audit import Action, AuditEvent
from regcred.domain.credential import Draft
from regcred.domain.ports import Candidate
from regcred.domain.project import Project
from regcred.domain.registry import ImagePattern
from regcred.domain.secret import Secret
from regcred.domain.verdict import Verdict, VerdictKind
from regcred.usecases import resolve_image
from tests.web.made_up_stores import (
    MadeUp,
    MadeUpImage,
    MadeUpStore,
    make_up_image,
    make_up_store,
)
from tests.web.world import START, World

STORES = 900
IMAGES = 2
"""Asked for in each store."""

CHUNKS = 6
"""The stores are dealt out, so that several workers share the work."""

HUB_SPELLINGS = {"docker": "https://index.docker.io/v1/", "podman": "docker.io"}


class Asking:
    """One made-up store, stored, and a key that asks."""

    def __init__(self, world: World, client: httpx2.AsyncClient, store: MadeUpStore) -> None:
        self.world = world
        self.client = client
        self.store = store
        self._explained: tuple[MadeUpImage | None, Any] = (None, None)

    async def open(self, project: Project) -> Asking:
        """Store the logins, and kill the dead ones."""
        self.at = f"/v1/projects/{project.number}"
        admin = await self.world.make_key(project, Role.ADMIN)
        caller = await self.world.services.authenticate(admin, request_id="r", peer="192.0.2.7")
        create = self.world.services.credentials.create
        for login in self.store.logins:
            draft = Draft(login.name, login.username, Secret(login.password), login.written)
            created = await create(caller, project.id, draft)
            if login.dead:
                await self._kill(project, created.id)
        narrowed = tuple(map(ImagePattern.parse, self.store.narrowed))
        key = await self.world.make_key(project, Role.PULLER, image_patterns=narrowed)
        self.headers = {"Authorization": f"Bearer {key}"}
        return self

    async def post(self, path: str, json: object = None, content: str | None = None) -> Any:
        """Return the answer's JSON; None where there is nothing."""
        kind = {"Content-Type": "text/plain"} if json is None else {}
        reply = await self.client.post(
            f"{self.at}/{path}", json=json, content=content, headers={**self.headers, **kind}
        )
        assert reply.status_code in {200, 204}, reply.text
        return reply.json() if reply.content else None

    async def explain(self, image: MadeUpImage) -> Any:
        """Return what explain says; asked once for each image."""
        if self._explained[0] != image:
            self._explained = (image, await self.post("explain", {"image": image.written}))
        return self._explained[1]

    async def _kill(self, project: Project, credential: Any) -> None:
        event = AuditEvent(Action.CREDENTIAL_VERIFIED, project.id, "t", START, str(credential))
        for minute in (0, 5):
            at = START.replace(minute=minute)
            verdict = Verdict(VerdictKind.REJECTED, at, None, {})
            await self.world.store.record_verdict(project.id, credential, 1, verdict, event)


Face = Callable[[Asking, MadeUpImage], Awaitable[list[str]]]
"""Asks for an image and returns the passwords that it gives, in the order of use."""


async def resolve(asking: Asking, image: MadeUpImage) -> list[str]:
    said = await asking.post("resolve", {"image": image.written})
    return [login["password"] for login in said["logins"]]


async def crane(asking: Asking, image: MadeUpImage) -> list[str]:
    """As docker's helper is asked by crane: the whole repository, no tag."""
    registry = "index.docker.io" if image.registry == "docker.io" else image.registry
    said = await asking.post("docker-credential/get", content=f"{registry}/{image.repository}")
    return [] if said is None else [said["Secret"]]


def by_host(client: str) -> Face:
    """Return a helper that is asked by host alone."""

    async def ask(asking: Asking, image: MadeUpImage) -> list[str]:
        server = HUB_SPELLINGS[client] if image.registry == "docker.io" else image.registry
        said = await asking.post("docker-credential/get", content=server)
        return [] if said is None else [said["Secret"]]

    return ask


def explained(client: str, most: int = 64) -> Face:
    """Return what explain says of a client."""

    async def ask(asking: Asking, image: MadeUpImage) -> list[str]:
        said = await asking.explain(image)
        tried = said["clients"][client]["tried"][:most]
        return [f"password of {one['credential']['name']}" for one in tried]

    return ask


async def ranked(asking: Asking, image: MadeUpImage) -> list[str]:
    """What explain ranks."""
    said = await asking.explain(image)
    names = [
        one["credential"]["name"]
        for one in said["candidates"]
        if one["rank"] is not None and not one["withheld"]
    ]
    return [f"password of {name}" for name in names]


def all_of(logins: Sequence[MadeUp], image: MadeUpImage) -> list[MadeUp]:
    del image
    return list(logins)


def first_of(logins: Sequence[MadeUp], image: MadeUpImage) -> list[MadeUp]:
    del image
    return list(logins[:1])


def usable_by_a_node(logins: Sequence[MadeUp], image: MadeUpImage) -> list[MadeUp]:
    """All but identity tokens, as far as the image has room for keys."""
    room = len(image.repository.split("/")) + 1
    return [login for login in logins if not login.token][:room]


Share = Callable[[Sequence[MadeUp], MadeUpImage], list[MadeUp]]
"""Which of an image's logins a protocol can carry."""

WHOLE_IMAGE: dict[str, tuple[Face, Share]] = {
    "resolve": (resolve, all_of),
    "explain's ranks": (ranked, all_of),
    "docker-credential get, a repository": (crane, first_of),
    "explain of the kubelet's plugin": (explained("kubelet-plugin"), usable_by_a_node),
}
HOST_ALONE: dict[str, Face] = {
    "docker-credential get, as docker": by_host("docker"),
    "docker-credential get, as podman": by_host("podman"),
    "explain of docker": explained("docker"),
    "explain of podman": explained("podman"),
    "explain of nerdctl": explained("nerdctl"),
    "explain of nomad": explained("nomad"),
}


async def differences(chunk: int, stores: int, counts: Counter[str]) -> list[str]:
    """Return which face gave what else, over the stores of a chunk."""
    world = await World().populate()
    found = []
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=world.app),
        base_url="http://regcred.test",
        trust_env=False,
    ) as client:
        for number in range(chunk, stores, CHUNKS):
            random = Random(number)  # noqa: S311  the same stores every time
            store = make_up_store(random)
            project = await world.make_project(f"project {number}")
            asking = await Asking(world, client, store).open(project)
            for _ in range(IMAGES):
                image = make_up_image(random, store)
                found += await _compared(asking, image, f"store {number}, {image}", counts)
    return found


async def _compared(
    asking: Asking, image: MadeUpImage, where: str, counts: Counter[str]
) -> list[str]:
    wanted = asking.store.for_image(image.registry, image.repository)
    by_host = asking.store.for_host(image.registry)[:1]
    expected = {
        **{name: (face, share(wanted, image)) for name, (face, share) in WHOLE_IMAGE.items()},
        **{name: (face, by_host) for name, face in HOST_ALONE.items()},
    }
    counts["images"] += 1
    counts["images with a login"] += bool(wanted)
    counts["images with several"] += len(wanted) > 1
    counts["images that host alone answers otherwise"] += wanted[:1] != by_host
    found = []
    for name, (face, logins) in expected.items():
        given = await face(asking, image)
        counts["answers"] += 1
        if given != [login.password for login in logins]:
            found.append(f"{where}: {name} gives {given}, not {[one.name for one in logins]}")
    return found


@pytest.mark.parametrize("chunk", range(CHUNKS))
async def test_every_face_gives_the_same_login(chunk: int, record_property: Any) -> None:
    counts: Counter[str] = Counter()

    found = await differences(chunk, STORES, counts)

    for name, number in counts.items():
        record_property(name, number)
    print(dict(counts))  # noqa: T201  how much was compared, for who looks (pytest -s)
    assert found == []
    assert counts["images"] == STORES * IMAGES // CHUNKS
    # The stores are worth comparing: most have a login for what is asked, and many have several.
    assert counts["images with a login"] > counts["images"] / 3
    assert counts["images with several"] > counts["images"] / 8
    assert counts["images that host alone answers otherwise"] > counts["images"] / 8


def _oldest_first(candidates: Sequence[Candidate]) -> list[Candidate]:
    return sorted(selection.rank(candidates), key=lambda c: c.created_at)


def _longest_first(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Rank a longer path before an exact host: near enough to be overlooked."""
    return sorted(selection.rank(candidates), key=lambda c: -c.matched.count("/"))


@pytest.mark.parametrize("wrong", [_oldest_first, _longest_first])
async def test_a_ranking_that_is_wrong_is_caught(
    monkeypatch: pytest.MonkeyPatch, wrong: Callable[[Sequence[Candidate]], list[Candidate]]
) -> None:
    monkeypatch.setattr(resolve_image, "rank", wrong)

    found = await differences(0, STORES, Counter())

    caught = {name for name in WHOLE_IMAGE for line in found if f": {name} gives" in line}
    assert {"resolve", "docker-credential get, a repository"} <= caught
    assert not any(name.startswith("explain") for name in caught)
