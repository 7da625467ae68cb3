"""One login for one image, whoever asks: every face gives the same, or says why it cannot.

A face whose protocol carries the whole image gives what resolve gives. One that is asked by host
alone follows the host-only rule. Explain says what each of them does.
"""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from random import Random
from typing import Any

import httpx2
import pytest

from regcred.domain import keyring, selection
from regcred.domain.access import Role
from regcred.domain.audit import Action, AuditEvent
from regcred.domain.credential import Draft
from regcred.domain.ports import Candidate
from regcred.domain.project import Project
from regcred.domain.registry import ImagePattern
from regcred.domain.secret import Secret
from regcred.domain.verdict import Verdict, VerdictKind
from regcred.usecases import resolving
from tests.web.made_up_stores import (
    MadeUp,
    MadeUpImage,
    MadeUpStore,
    make_up_image,
    make_up_store,
)
from tests.web.world import START, World

STORES = 600
IMAGES = 1
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

    async def get(self, form: str, **query: str) -> Any:
        """Return a hand-out's text; "" where there is no login, or none that fits the form."""
        reply = await self.client.get(f"{self.at}/{form}", params=query, headers=self.headers)
        if reply.status_code in {404, 409}:
            assert reply.json()["type"].endswith((":no-login", ":logins-withheld"))
            return ""
        if reply.status_code == 422:
            assert reply.json()["errors"][0]["field"] == "credential"
            return ""
        assert reply.status_code == 200, reply.text
        return reply.text

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


async def plugin(asking: Asking, image: MadeUpImage) -> list[str]:
    """What the kubelet tries of its plugin's answer."""
    request = {
        "kind": "CredentialProviderRequest",
        "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
        "image": f"{image.registry}/{image.repository}",
    }
    auth = (await asking.post("kubelet-credential", request))["auth"] or {}
    tried = keyring.lookup(sorted(auth), f"{image.registry}/{image.repository}")
    assert len(tried) == len(auth)
    return [auth[key]["password"] for key in tried]


def pull_secret(form: str, **query: str) -> Face:
    """Return what the kubelet tries first of a pull secret that was made for the image."""

    async def ask(asking: Asking, image: MadeUpImage) -> list[str]:
        text = await asking.get(form, image=image.written, **query)
        if not text:
            return []
        said = json.loads(text)
        if form == "external-secrets":
            said = json.loads(said["dockerconfigjson"])
        elif form == "kubernetes-secret":
            said = json.loads(base64.b64decode(said["data"][".dockerconfigjson"]))
        name = f"{image.registry}/{image.repository}"
        tried = keyring.lookup(sorted(said["auths"]), name)
        return [said["auths"][key]["password"] for key in tried[:1]]

    return ask


async def all_the_projects(asking: Asking, image: MadeUpImage) -> list[str]:
    """What the kubelet tries, in order, of a pull secret that was made for no image."""
    text = await asking.get("kubernetes-secret", name="regcred")
    if not text:
        return []
    auths = json.loads(base64.b64decode(json.loads(text)["data"][".dockerconfigjson"]))["auths"]
    tried = keyring.lookup(sorted(auths), f"{image.registry}/{image.repository}")
    return [auths[key]["password"] for key in tried]


def auth_file(*, made_for_the_image: bool) -> Face:
    """Return what podman takes of an auth.json: the longest key of whole components."""

    async def ask(asking: Asking, image: MadeUpImage) -> list[str]:
        query = {"image": image.written} if made_for_the_image else {}
        text = await asking.get("auth.json", **query)
        auths = json.loads(text)["auths"] if text else {}
        components = f"{image.registry}/{image.repository}".split("/")
        for depth in range(len(components), 0, -1):
            if (found := auths.get("/".join(components[:depth]))) is not None:
                return [found.get("identitytoken") or _password(found["auth"])]
        return []

    return ask


async def argocd(asking: Asking, image: MadeUpImage) -> list[str]:
    said = await asking.get("argocd", image=image.written)
    return [said.partition(":")[2]] if said else []


async def nomad(asking: Asking, image: MadeUpImage) -> list[str]:
    said = await asking.get("nomad", image=image.written)
    return re.findall(r'^  password = "([^"]*)"$', said, re.MULTILINE)


async def hosts_toml(asking: Asking, image: MadeUpImage) -> list[str]:
    said = await asking.get("hosts.toml", image=image.written)
    return [_password(pair) for pair in re.findall(r'"Basic ([^"]*)"', said)]


def docker_auth_config(*, made_for_the_image: bool) -> Face:
    """Return what docker finds by host in DOCKER_AUTH_CONFIG."""

    async def ask(asking: Asking, image: MadeUpImage) -> list[str]:
        query = {"image": image.written} if made_for_the_image else {}
        text = await asking.get("docker-auth-config", **query)
        auths = json.loads(text)["auths"] if text else {}
        server = HUB_SPELLINGS["docker"] if image.registry == "docker.io" else image.registry
        return [_password(auths[server]["auth"])] if server in auths else []

    return ask


def _password(pair: str) -> str:
    return base64.b64decode(pair).decode().partition(":")[2]


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


def first_usable_by_a_node(logins: Sequence[MadeUp], image: MadeUpImage) -> list[MadeUp]:
    return usable_by_a_node(logins, image)[:1]


def first_if_a_password(logins: Sequence[MadeUp], image: MadeUpImage) -> list[MadeUp]:
    """The first, unless it is an identity token: forms of one login say that it does not fit."""
    del image
    return [login for login in logins[:1] if not login.token]


def first_beside_docker_hub(logins: Sequence[MadeUp], image: MadeUpImage) -> list[MadeUp]:
    """The same, where the registry takes Basic itself."""
    return [] if image.registry == "docker.io" else first_if_a_password(logins, image)


Share = Callable[[Sequence[MadeUp], MadeUpImage], list[MadeUp]]
"""Which of an image's logins a protocol can carry."""

WHOLE_IMAGE: dict[str, tuple[Face, Share]] = {
    "resolve": (resolve, all_of),
    "explain's ranks": (ranked, all_of),
    "docker-credential get, a repository": (crane, first_of),
    "explain of the kubelet's plugin": (explained("kubelet-plugin"), usable_by_a_node),
    "kubelet-credential": (plugin, usable_by_a_node),
    "dockerconfigjson": (pull_secret("dockerconfigjson"), first_usable_by_a_node),
    "kubernetes-secret": (pull_secret("kubernetes-secret", name="s"), first_usable_by_a_node),
    "external-secrets": (pull_secret("external-secrets"), first_usable_by_a_node),
    "auth.json": (auth_file(made_for_the_image=True), first_of),
    "argocd": (argocd, first_if_a_password),
    "nomad": (nomad, first_if_a_password),
    "hosts.toml": (hosts_toml, first_beside_docker_hub),
    "docker-auth-config": (docker_auth_config(made_for_the_image=True), first_if_a_password),
}


def asked_by_host(store: MadeUpStore, image: MadeUpImage) -> list[MadeUp]:
    return store.for_host(image.registry)[:1]


def written_by_host(store: MadeUpStore, image: MadeUpImage) -> list[MadeUp]:
    """The same, where some login names the host, as a file has no patterns; no identity token."""
    named = any(login.registry == image.registry for login in store.receivable())
    return [one for one in asked_by_host(store, image) if named and not one.token]


HOST_ALONE: dict[str, tuple[Face, Callable[[MadeUpStore, MadeUpImage], list[MadeUp]]]] = {
    "docker-credential get, as docker": (by_host("docker"), asked_by_host),
    "docker-credential get, as podman": (by_host("podman"), asked_by_host),
    "docker-auth-config of all logins": (
        docker_auth_config(made_for_the_image=False),
        written_by_host,
    ),
    "explain of docker": (explained("docker"), asked_by_host),
    "explain of podman": (explained("podman"), asked_by_host),
    "explain of nerdctl": (explained("nerdctl"), asked_by_host),
    "explain of nomad": (explained("nomad"), asked_by_host),
}


SAME: dict[str, tuple[Face, Face]] = {
    "a pull secret of all logins": (all_the_projects, explained("kubelet")),
    "an auth.json of all logins": (auth_file(made_for_the_image=False), explained("auth.json")),
}
"""What explain says of forms that are made for no image, and what comes of them."""


async def differences(
    numbers: Iterable[int], counts: Counter[str], only: Collection[str] = ()
) -> list[str]:
    """Return which face gave what else, over the stores of these numbers."""
    world = await World().populate()
    found = []
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=world.app),
        base_url="http://regcred.test",
        trust_env=False,
    ) as client:
        for number in numbers:
            random = Random(number)  # noqa: S311  the same stores every time
            store = make_up_store(random)
            project = await world.make_project(f"project {number}")
            asking = await Asking(world, client, store).open(project)
            for _ in range(IMAGES):
                image = make_up_image(random, store)
                where = f"store {number}, {image}"
                found += await _compared(asking, image, where, counts, only)
    return found


async def _compared(
    asking: Asking, image: MadeUpImage, where: str, counts: Counter[str], only: Collection[str]
) -> list[str]:
    wanted = asking.store.for_image(image.registry, image.repository)
    expected = {
        **{name: (face, share(wanted, image)) for name, (face, share) in WHOLE_IMAGE.items()},
        **{name: (face, rule(asking.store, image)) for name, (face, rule) in HOST_ALONE.items()},
    }
    counts["images"] += 1
    counts["images with a login"] += bool(wanted)
    counts["images with several"] += len(wanted) > 1
    by_host = asked_by_host(asking.store, image)
    counts["images that host alone answers otherwise"] += wanted[:1] != by_host
    found = []
    for name, (face, logins) in expected.items():
        if only and name not in only:
            continue
        given = await face(asking, image)
        counts["answers"] += 1
        if given != [login.password for login in logins]:
            found.append(f"{where}: {name} gives {given}, not {[one.name for one in logins]}")
    for name, (face, foretold) in SAME.items() if not only else ():
        given, said = await face(asking, image), await foretold(asking, image)
        counts["answers"] += 1
        if given != said:
            found.append(f"{where}: {name} gives {given}, and explain says {said}")
    return found


@pytest.mark.parametrize("chunk", range(CHUNKS))
async def test_every_face_gives_the_same_login(chunk: int, record_property: Any) -> None:
    counts: Counter[str] = Counter()

    found = await differences(range(chunk, STORES, CHUNKS), counts)

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
    monkeypatch.setattr(resolving, "rank", wrong)

    asked = {"resolve", "docker-credential get, a repository", "explain's ranks"}

    found = await differences(range(STORES // 2), Counter(), asked)

    caught = {name for name in WHOLE_IMAGE for line in found if f": {name} gives" in line}
    assert caught == {"resolve", "docker-credential get, a repository"}
