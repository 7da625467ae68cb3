"""F21: time does not tell what the answers do not: the characters of a key, or others' things.

Two kinds of question that get the same answer are asked by turns at random inside the process,
where nothing hides a difference. They are judged as dudect does, by Welch's t over all times and
over those below several quantiles: |t| below 4.5 is no difference. With enough samples t finds
what nobody outside could, the look at one row more for one; so a larger t is a violation only if
the means differ by more than the pair is allowed, and both stand in the counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, cast
from uuid import UUID

from regcred.adapters.identity.pod_tokens import PodTokenVerifier
from regcred.bootstrap.waves import Wave
from regcred.domain.access import Caller
from regcred.domain.errors import NotAuthenticated, RegcredError
from regcred.domain.ports import CredentialFilter, KeyDigests, Store
from regcred.domain.token import RANDOM_BYTES, ApiToken
from regcred.usecases.authenticate import Authenticate
from regcred.usecases.authenticate_pod import AuthenticatePod
from regcred.usecases.lock_out import LockOut
from regcred.usecases.manage_projects import ManageProjects
from regcred.usecases.pull import Presented, question_for_image
from regcred.usecases.resolve_image import ResolveImage
from tests.fakes.registries import ScriptedRegistries
from tests.tools.inside import use_cases
from tools.campaign import plants
from tools.campaign.places import OnSqlite
from tools.campaign.report import Control, Report
from tools.campaign.running import memory, scaled, workspace
from tools.campaign.whole import PROJECTS, Whole, prepared

NAME = "f21 timing"
SEED = 21
SAMPLES = 100_000
_CONTROL_SAMPLES = 4_000
NO_DIFFERENCE = 4.5
_QUANTILES = (1.0, 0.99, 0.9, 0.75, 0.5)
_LOGINS_OF_OTHERS = 20
_MISSING_NUMBER = 998
_FEW = 500.0
"""Nanoseconds: a row that is found in an index and not taken."""

_A_ROW = 5_000.0
"""Nanoseconds: a row that is read, and then refused."""

_MISSING = UUID("019a9c1e-ffff-7fff-bfff-ffffffffffff")

Ask = Callable[[], Awaitable[object]]


class Difference(NamedTuple):
    """The largest |t|, and by how many nanoseconds the means differ there."""

    t: float
    nanoseconds: float


async def difference(one: Ask, other: Ask, samples: int) -> Difference:
    """Ask by turns and return how far apart the times are."""
    random = Random(SEED)
    times: tuple[list[int], list[int]] = ([], [])
    gc.disable()
    try:
        for _ in range(samples):
            which = random.getrandbits(1)
            ask = (one, other)[which]
            began = time.perf_counter_ns()
            with contextlib.suppress(RegcredError):
                await ask()
            times[which].append(time.perf_counter_ns() - began)
    finally:
        gc.enable()
    both = sorted(times[0] + times[1])
    limits = [both[int(len(both) * quantile) - 1] for quantile in _QUANTILES]
    return max((_welch(*times, limit) for limit in limits), key=lambda found: abs(found.t))


def _welch(one: Sequence[int], other: Sequence[int], limit: int) -> Difference:
    """Return Welch's t of the times up to a limit."""
    means, shares = [], []
    for times in (one, other):
        kept = [value for value in times if value <= limit]
        if len(kept) < 2:
            return Difference(0.0, 0.0)
        mean = sum(kept) / len(kept)
        variance = sum((value - mean) ** 2 for value in kept) / (len(kept) - 1)
        means.append(mean)
        shares.append(variance / len(kept))
    apart = means[0] - means[1]
    return Difference(apart / math.sqrt(sum(shares) or 1.0), apart)


def run(scale: float) -> Report:
    """Take 100,000 samples of each pair at scale 1."""
    report = Report(NAME, SEED, demands={"samples of each pair": SAMPLES})
    with workspace(NAME.replace(" ", "-"), below=memory()) as folder:
        asyncio.run(_run(report, folder, scaled(SAMPLES, scale)))
    return report


async def _run(report: Report, folder: Path, samples: int) -> None:
    place, keys = await prepared(folder, OnSqlite())
    whole = await Whole(place.copied(folder / "asked"), keys).open()
    try:
        await _fill(whole)
        pairs = await _pairs(whole)
        report.counts["samples of each pair"] = samples
        for name, (one, other, allowed) in pairs.items():
            found = await difference(one, other, samples)
            report.counts[f"|t| {name}"] = round(abs(found.t), 1)
            report.counts[f"ns {name}"] = round(abs(found.nanoseconds))
            if abs(found.t) >= NO_DIFFERENCE and abs(found.nanoseconds) > allowed:
                report.violations.append(f"{name}: {found}")
        for what, (one, other) in (await _controls(whole)).items():
            seen = await difference(one, other, _CONTROL_SAMPLES)
            caught = abs(seen.t) >= NO_DIFFERENCE and abs(seen.nanoseconds) > _FEW
            report.controls.append(Control(what, caught, f"|t| {abs(seen.t):.0f}"))
    finally:
        await whole.close()


async def _fill(whole: Whole) -> None:
    """Give the other project logins for the image that will be asked for."""
    for number in range(_LOGINS_OF_OTHERS):
        body = {"name": f"n{number}", "registry_url": "r.example", "username": "u", "password": "p"}
        answer = await whole.send("POST", "projects/-/credentials", body, key=PROJECTS[1])
        assert answer.status_code == 201, answer.text


async def _pairs(whole: Whole) -> Mapping[str, tuple[Ask, Ask, float]]:
    """Return two questions with one answer each, and by how much they may differ."""
    store, key = whole.state.store, whole.keys[PROJECTS[0]]
    authenticate = Authenticate(store, whole.state.digests, whole.state.clock, _NOT_COUNTED, Wave)
    caller = await authenticate(key, request_id="r", peer="p")
    foreign = await authenticate(whole.keys[PROJECTS[1]], request_id="r", peer="p")
    theirs = await store.find_project(foreign.project_id)
    [login, *_] = await store.list_credentials(theirs.id, CredentialFilter(), 0, 1)
    cases = _UseCases(whole, caller)
    return {
        "first or last character of a key": (
            _with_key(authenticate, _changed(key, 0)),
            _with_key(authenticate, _changed(key, -1)),
            _FEW,
        ),
        "another's login or none": (
            cases.login(login.id), cases.login(_MISSING), _FEW,
        ),
        "a pull from another's project or none": (
            cases.pull(key, theirs.number), cases.pull(key, _MISSING_NUMBER), _FEW,
        ),
        # Whoever has a number knows that the ones below it were given out.
        "another's project or none": (
            cases.project(theirs.number), cases.project(_MISSING_NUMBER), _A_ROW,
        ),
        # A key's id is 71 random bits that its own project's admins are shown.
        "a key's id that is there or not": (
            _with_key(authenticate, _changed(key, -1)),
            _with_key(authenticate, ApiToken.mint(bytes(range(RANDOM_BYTES))).reveal()),
            _A_ROW,
        ),
    }  # fmt: skip


async def _controls(whole: Whole) -> Mapping[str, tuple[Ask, Ask]]:
    """Return questions to broken parts: each must be found to differ."""
    key = whole.keys[PROJECTS[0]]
    state = whole.state
    digests = cast("KeyDigests", _Impatient(state.digests, ApiToken.parse(key).secret))
    impatient = Authenticate(state.store, digests, state.clock, _NOT_COUNTED, Wave)
    caller = await Authenticate(state.store, state.digests, state.clock, _NOT_COUNTED, Wave)(
        key, request_id="r", peer="p"
    )
    reading = plants.planting(plants.ReadsThenRefuses)(state.store)
    cases = _UseCases(whole, caller, reading)
    [theirs] = [p for p in await state.store.list_projects(0, 10) if p.name == PROJECTS[1]]
    return {
        "a comparison that stops at the first difference": (
            _with_key(impatient, _changed(key, 0)), _with_key(impatient, _changed(key, -1)),
        ),
        "a store that reads what is then refused": (
            cases.pull(key, theirs.number), cases.pull(key, _MISSING_NUMBER),
        ),
    }  # fmt: skip


class _NotCounted(LockOut):
    """Counts no wrong key: a lock-out would answer quickly, and that is no secret."""

    def __init__(self) -> None: ...

    async def refused(self, why: NotAuthenticated, key_id: str, peer: str) -> None: ...


_NOT_COUNTED = _NotCounted()


class _UseCases:
    """What is asked of the inside, by one caller."""

    def __init__(self, whole: Whole, caller: Caller, store: Store | None = None) -> None:
        state = whole.state
        store = store or state.store
        registries = ScriptedRegistries(state.clock)
        inside = use_cases(state, registries)
        pods = AuthenticatePod(
            store, PodTokenVerifier(time.monotonic), state.keys.pod_stamps, state.clock
        )
        self._caller = caller
        self._projects = ManageProjects(store, state.sealer, state.clock, state.new_id)
        self._credentials = inside.credentials
        self._resolve = ResolveImage(
            store,
            state.sealer,
            state.digests,
            state.clock,
            registries,
            inside.exchanges,
            pods,
            _NOT_COUNTED,
            Wave,
        )

    def login(self, id_: UUID) -> Ask:
        """Read a login of the own project."""
        return lambda: self._credentials.get(self._caller, None, id_)

    def project(self, number: int) -> Ask:
        """Read a project."""
        return lambda: self._projects.get(self._caller, number)

    def pull(self, key: str, number: int) -> Ask:
        """Pull from a project."""
        _, question = question_for_image("r.example/x/app")
        presented = Presented(key, number, "test", "r", "p")
        return lambda: self._resolve(presented, question)


class _Impatient:
    """Compares the secret itself, character by character, for as long as they agree."""

    def __init__(self, good: KeyDigests, secret: str) -> None:
        self._good = good
        self._secret = secret

    def __getattr__(self, name: str) -> Any:
        return getattr(self._good, name)

    def matches(self, secret: str, digest: bytes | None) -> bool:
        del digest
        pairs = zip(self._secret, secret, strict=True)
        return all(ours == theirs for ours, theirs in pairs)


def _with_key(authenticate: Authenticate, key: str) -> Ask:
    return lambda: authenticate(key, request_id="r", peer="p")


def _changed(key: str, position: int) -> str:
    """Return a key with another character at that position of its secret, and a good checksum."""
    token = ApiToken.parse(key)
    characters = list(token.secret)
    characters[position] = "B" if characters[position] == "A" else "A"
    return ApiToken(token.id, "".join(characters)).reveal()
