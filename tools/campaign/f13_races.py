"""F13 and F14: two who act at once have the outcomes of one after the other, whoever is first.

Requests meet inside a whole service: they interleave wherever it waits, and their writes meet in
the writer's batches. After each round what is left is looked at: in the answers, in the lists, and
for what dangles in the tables themselves.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from tools.campaign import plants
from tools.campaign.places import KINDS, Kind, Place, Plant, every_kind
from tools.campaign.report import Control, Report
from tools.campaign.running import memory, scaled, workspace
from tools.campaign.whole import Answer, Whole, prepared

NAME = "f13 races"
SEED = 13
ROUNDS = 2_000
_CONTROL_ROUNDS = 20
_LOGINS = "projects/-/credentials"
IMAGE = "r.example/x/app"
_REFUSALS = {401, 429}
"""What a key that opens nothing is told; told often, it is to wait."""


@dataclass
class Race:
    """One service, and what was seen in it."""

    whole: Whole
    random: Random
    seen: list[str]
    numbers: Any

    async def login(self, **more: Any) -> str:
        """Store a login of a name of its own and return its id."""
        body = {**self.body(), **more}
        answer = await self.whole.send("POST", _LOGINS, body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def body(self, registry: str = "r.example") -> dict[str, Any]:
        """Return what stores a login."""
        name = f"login-{next(self.numbers)}"
        return {"name": name, "registry_url": registry, "username": "u", "password": f"of {name}"}

    async def at_once(self, *acts: Awaitable[Answer]) -> list[Answer]:
        """Act at the same time: begun in any order, some steps of the loop apart."""

        async def later(steps: int, act: Awaitable[Answer]) -> Answer:
            for _ in range(steps):
                await asyncio.sleep(0)
            return await act

        return list(await asyncio.gather(*(later(self.random.randrange(12), act) for act in acts)))

    def demand(self, good: object, what: str, *answers: Answer) -> None:
        """Keep a violation unless it is as it should be."""
        if not good:
            told = [(one.status_code, one.text[:200]) for one in answers]
            self.seen.append(f"{what}: {told}")


async def delete_and_register(race: Race) -> None:
    """A login that is deleted gets no use, and one that got a use is not deleted."""
    id_ = await race.login()
    path = f"{_LOGINS}/{id_}"
    used, deleted = await race.at_once(
        race.whole.send("PUT", f"{path}/uses/pod/web", {}), race.whole.send("DELETE", path)
    )
    statuses = (used.status_code, deleted.status_code)
    race.demand(statuses in {(200, 409), (404, 204)}, "delete/register", used, deleted)
    left = await race.whole.send("GET", f"{path}/uses")
    race.demand(left.status_code == used.status_code, "a use without its login", left)
    race.demand(race.whole.place.dangling() == 0, "a use dangles", used, deleted)
    await race.whole.send("DELETE", f"{path}?force=true")


async def delete_and_delete(race: Race) -> None:
    """One of two deletes; the other finds nothing."""
    path = f"{_LOGINS}/{await race.login()}"
    both = await race.at_once(race.whole.send("DELETE", path), race.whole.send("DELETE", path))
    race.demand(_statuses(both) == [204, 404], "delete/delete", *both)
    gone = await race.whole.send("GET", path)
    race.demand(gone.status_code == 404, "it is still there", gone)


async def create_and_create(race: Race) -> None:
    """A name is taken once."""
    body = race.body()
    both = await race.at_once(
        race.whole.send("POST", _LOGINS, body), race.whole.send("POST", _LOGINS, body)
    )
    race.demand(_statuses(both) == [201, 409], "create/create", *both)
    listed = await race.whole.send("GET", f"{_LOGINS}?name={body['name']}")
    race.demand(len(listed.json()["items"]) == 1, "not one of the name", listed)
    await race.whole.send("DELETE", f"{_LOGINS}/{body['name']}")


async def update_and_update(race: Race) -> None:
    """Of two who read the same version one writes, and what it wrote stays."""
    path = f"{_LOGINS}/{await race.login()}"
    match = {"If-Match": '"1"'}
    both = await race.at_once(
        *(
            race.whole.send("PATCH", path, {"description": text}, headers=match)
            for text in ("one", "two")
        )
    )
    race.demand(_statuses(both) == [200, 412], "update/update", *both)
    left = await race.whole.send("GET", path)
    wrote = [one.json()["description"] for one in both if one.status_code == 200]
    race.demand([left.json()["description"]] == wrote[-1:], "an update is lost", left, *both)
    race.demand(left.json()["version"] == 2, "not one update", left)
    await race.whole.send("DELETE", path)


async def change_and_change(race: Race) -> None:
    """Without If-Match both write, and neither undoes the other's field."""
    path = f"{_LOGINS}/{await race.login()}"
    both = await race.at_once(
        race.whole.send("PATCH", path, {"description": "kept"}),
        race.whole.send("PATCH", path, {"labels": {"kept": "too"}}),
    )
    left = (await race.whole.send("GET", path)).json()
    kept = (left["description"], left["labels"], left["version"])
    race.demand(kept == ("kept", {"kept": "too"}, 3), f"a change is lost: {kept}", *both)
    await race.whole.send("DELETE", path)


async def revoke_and_resolve(race: Race) -> None:
    """A pull that meets a revoke gets its login or is refused; the next one is refused."""
    made = (
        await race.whole.send("POST", "projects/-/keys", {"name": "k", "role": "puller"})
    ).json()
    asked = {"image": IMAGE}
    revoked, *pulled = await race.at_once(
        race.whole.send("DELETE", f"projects/-/keys/{made['id']}"),
        *(race.whole.send("POST", "projects/-/resolve", asked, key=made["key"]) for _ in range(3)),
    )
    after = await race.whole.send("POST", "projects/-/resolve", asked, key=made["key"])
    race.demand(revoked.status_code == 204, "revoke", revoked)
    race.demand({one.status_code for one in pulled} <= {200, *_REFUSALS}, "pulls", *pulled)
    race.demand(after.status_code in _REFUSALS, "a revoked key pulls", after)


async def replace_and_resolve(race: Race) -> None:
    """A pull that meets a new password gets one of the two whole; the next one gets the new."""
    registry = f"r{next(race.numbers)}.example"
    body = race.body(registry)
    await race.whole.send("POST", _LOGINS, body)
    path, asked = f"{_LOGINS}/{body['name']}", {"image": f"{registry}/app"}
    new = {"username": "new", "password": "the new one"}
    changed, *pulled = await race.at_once(
        race.whole.send("PATCH", path, new),
        *(race.whole.send("POST", "projects/-/resolve", asked) for _ in range(3)),
    )
    after = await race.whole.send("POST", "projects/-/resolve", asked)
    pairs = {(body["username"], body["password"]), ("new", "the new one")}
    race.demand(changed.status_code == 200, "replace", changed)
    race.demand({_pair(one) for one in pulled} <= pairs, "halves of two logins", *pulled)
    race.demand(_pair(after) == ("new", "the new one"), "the old password", after)
    await race.whole.send("DELETE", path)


async def the_same_request_again(race: Race) -> None:
    """A creation that is sent two to five times at once happens once, and all are told of it."""
    body, times = race.body(), race.random.randint(2, 5)
    once = {"Idempotency-Key": f"once-{next(race.numbers)}"}
    answers = await race.at_once(
        *(race.whole.send("POST", _LOGINS, body, headers=once) for _ in range(times))
    )
    ids = {one.json().get("id") for one in answers}
    race.demand(_statuses(answers) == [201] * times and len(ids) == 1, "the same again", *answers)
    listed = (await race.whole.send("GET", f"{_LOGINS}?name={body['name']}")).json()["items"]
    race.demand([one["id"] for one in listed] == list(ids), "not one effect", *answers)
    rows = await race.whole.send("GET", f"projects/-/audit?target={listed[0]['id']}")
    race.demand(len(rows.json()["items"]) == 1, "not one audit row", rows)
    await race.whole.send("DELETE", f"{_LOGINS}/{body['name']}")


RACES: Mapping[str, Callable[[Race], Awaitable[None]]] = {
    "delete/register": delete_and_register,
    "delete/delete": delete_and_delete,
    "create/create": create_and_create,
    "update/update": update_and_update,
    "change/change": change_and_change,
    "revoke/resolve": revoke_and_resolve,
    "replace/resolve": replace_and_resolve,
    "repeated POST": the_same_request_again,
}

# What is planted -> (the race that has to see it, how a place gets it).
_PLANTS: Mapping[str, tuple[str, Callable[[Place], Plant]]] = {
    "a store without the foreign key": (
        "delete/register", lambda place: place.without_foreign_key(),
    ),
    "a store that takes any version": (
        "change/change", lambda _: plants.planting(plants.TakesAnyVersion),
    ),
    "a store that remembers no request": (
        "repeated POST", lambda _: plants.planting(plants.RemembersNoRequest),
    ),
    "a store that forgets a revoke": (
        "revoke/resolve", lambda _: plants.planting(plants.ForgetsRevokes),
    ),
}  # fmt: skip


def run(scale: float, kinds: Sequence[Kind] | None = None) -> Report:
    """Run 2,000 rounds of each race on each store at scale 1, and see every planted defect."""
    report = Report(NAME, SEED)
    with ExitStack() as held:
        folder = held.enter_context(workspace(NAME.replace(" ", "-"), below=memory()))
        for kind in kinds or held.enter_context(every_kind()):
            asyncio.run(_run(report, folder, kind, scaled(ROUNDS, scale)))
    report.demands = dict.fromkeys(
        (f"{name} on {kind}" for kind in KINDS for name in RACES), ROUNDS
    )
    return report


async def _run(report: Report, folder: Path, kind: Kind, rounds: int) -> None:
    place, keys = await prepared(folder, kind)
    for number, (name, race) in enumerate(RACES.items()):
        whole = Whole(place.copied(folder / f"{kind.name}-{number}"), keys)
        seen = await _rounds(whole, race, rounds)
        report.violations += [f"{kind.name}: {one}" for one in seen]
        report.counts[f"{name} on {kind.name}"] = rounds
    for number, (what, (name, planted)) in enumerate(_PLANTS.items()):
        there = place.copied(folder / f"{kind.name}-control-{number}")
        whole = Whole(there, keys, planted(there))
        seen = await _rounds(whole, RACES[name], _CONTROL_ROUNDS)
        found = f"{len(seen)} seen in {_CONTROL_ROUNDS} rounds"
        report.controls.append(Control(f"{what}, {kind.name}", bool(seen), found))


async def _rounds(whole: Whole, race: Callable[[Race], Awaitable[None]], rounds: int) -> list[str]:
    seen: list[str] = []
    await whole.open()
    try:
        racing = Race(whole, Random(SEED), seen, itertools.count(1))
        await racing.login(registry_url="r.example/x")
        for _ in range(rounds):
            await race(racing)
    finally:
        await whole.close()
    return seen


def _statuses(answers: list[Answer]) -> list[int]:
    return sorted(one.status_code for one in answers)


def _pair(answer: Answer) -> tuple[str, str] | None:
    logins = answer.json().get("logins", [])
    return (logins[0]["username"], logins[0]["password"]) if len(logins) == 1 else None
