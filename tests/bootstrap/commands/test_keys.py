"""`regcred keys` on a real store: what hangs on which key, and how another takes its place."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from regcred.bootstrap.commands import keys, rotations
from regcred.bootstrap.first_run import first_run
from regcred.bootstrap.state import open_state
from regcred.bootstrap.stores import utc_now
from regcred.domain.audit import NO_PROJECT, Action
from regcred.domain.errors import StartRefused
from regcred.domain.ports import AuditFilter, WrappedSeed
from regcred.domain.ports.leases import Lease, LeaseLost
from regcred.settings import Settings
from regcred.usecases import rewrap_keys
from regcred.usecases.reseal_project import ResealProject
from tests.bootstrap.commands.filled import PASSWORDS, fill, passwords
from tests.bootstrap.conftest import Place
from tests.tools.programs import Finished

_ID = r"[0-9a-f-]{36}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two projects and a sealed value of each kind, made once: copying is faster."""
    settings = Settings(data=tmp_path_factory.mktemp("filled") / "data")

    async def make() -> None:
        async with open_state(settings, exclusive=True) as state:
            await first_run(state)
        await fill(settings)

    asyncio.run(make())
    return settings.data


@pytest.fixture
def filled(place: Place, made: Path) -> Place:
    """A store of its own with all that."""
    shutil.copytree(made, place.data)
    return place


def statuses(place: Place) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(place.run("keys_status", "json").out)["keys"]
    return found


def kids(place: Place) -> list[str]:
    return [key["kid"] for key in statuses(place)]


def refusal(done: Finished) -> str:
    assert (done.code, done.out) == (1, ""), done.text
    return done.err


def edit(place: Place, statement: str, *parameters: str) -> int:
    with closing(sqlite3.connect(place.settings.store_directory / "regcred.db")) as file, file:
        return file.execute(statement, parameters).rowcount


def counted(place: Place) -> list[tuple[int, int]]:
    return [(key["seeds"], key["service_keys"]) for key in statuses(place)]


# status


def test_a_first_key_wraps_everything(filled: Place) -> None:
    done = filled.run("keys_status")

    assert done.code == 0
    head, row = done.out.splitlines()
    assert head.split() == ["KEY", "SEEDS", "SERVICE", "KEYS", "STATE"]
    assert row.split()[1:4] == ["2", "1", "primary:"]


def test_a_key_that_the_ring_lacks_is_named_and_the_service_refuses_to_start(
    filled: Place,
) -> None:
    [kid] = kids(filled)
    filled.run("keys_rotate")
    ring = json.loads(filled.settings.keyring_file.read_text())
    ring["keys"] = ring["keys"][1:]
    filled.settings.keyring_file.write_text(json.dumps(ring))

    done = filled.run("keys_status")

    assert done.code == 1
    assert [line for line in done.out.splitlines() if kid in line and "MISSING" in line]
    assert f"lacks {kid}" in refusal(filled.run("operator_key"))


def test_another_key_of_the_same_id_is_told(filled: Place) -> None:
    edit(filled, "UPDATE project_seeds SET wrapped = zeroblob(109)")

    done = filled.run("keys_status")

    assert done.code == 1
    assert "WRONG" in done.out


# rotate


def test_a_key_is_made_and_wraps_from_then_on(filled: Place) -> None:
    [old] = kids(filled)

    done = filled.run("keys_rotate")

    new = done.out.strip()
    assert done.code == 0
    assert "regcred keys rewrap" in done.err
    assert [(key["kid"], key["primary"]) for key in statuses(filled)] == [(new, True), (old, False)]
    assert counted(filled) == [(0, 0), (2, 1)]


def test_in_two_steps_the_key_is_readable_everywhere_before_it_wraps(filled: Place) -> None:
    [old] = kids(filled)

    assert "--prepare" in refusal(filled.run("keys_rotate", "promote"))
    new = filled.run("keys_rotate", "prepare").out.strip()
    prepared = statuses(filled)
    assert filled.run("keys_rotate", "prepare").out.strip() == new
    done = filled.run("keys_rotate", "promote")
    promoted = done.out.strip()

    assert [(key["kid"], key["waiting"]) for key in prepared] == [(old, False), (new, True)]
    assert promoted == new
    assert "copy the file to every server again, then regcred keys rewrap" in done.err
    assert statuses(filled)[0]["kid"] == new


def test_where_several_servers_may_be_the_two_steps_are_asked_for(filled: Place) -> None:
    shared = {"database": "postgresql://regcred@127.0.0.1:9/regcred"}

    assert "rotate --prepare" in refusal(filled.run("keys_rotate", **shared))
    new = filled.run("keys_rotate", "prepare", **shared).out
    assert filled.run("keys_rotate", "promote", **shared).out == new


def test_keys_of_a_service_are_not_made_here(filled: Place) -> None:
    for command, *words in (("keys_rotate",), ("keys_remove", "x")):
        said = refusal(filled.run(command, *words, keyring=("vault:transit/regcred",)))
        assert "docs/keys.md" in said


# rewrap


async def _opened(place: Place) -> list[str]:
    return await passwords(place.settings)


def test_everything_is_wrapped_anew_and_opens(filled: Place) -> None:
    new = filled.run("keys_rotate").out.strip()

    done = filled.run("keys_rewrap")

    assert (done.code, done.out) == (0, "2 seeds and 1 service keys wrapped anew\n")
    assert counted(filled) == [(2, 1), (0, 0)]
    assert kids(filled)[0] == new
    assert asyncio.run(_opened(filled)) == PASSWORDS
    assert filled.run("keys_verify").code == 0


def test_a_second_run_has_nothing_to_do(filled: Place) -> None:
    filled.run("keys_rotate")
    filled.run("keys_rewrap")

    assert filled.run("keys_rewrap").out == "0 seeds and 0 service keys wrapped anew\n"


def test_a_run_that_was_stopped_goes_on(filled: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    filled.run("keys_rotate")
    monkeypatch.setattr(rewrap_keys, "PAGE", 1)
    swaps = rewrap_keys.RewrapKeys._swap
    taken: list[object] = []

    async def once(self: Any, stored: Any, done: Any) -> Any:
        if taken:
            raise KeyboardInterrupt
        taken.append(stored)
        return await swaps(self, stored, done)

    monkeypatch.setattr(rewrap_keys.RewrapKeys, "_swap", once)
    with pytest.raises(KeyboardInterrupt):
        filled.run("keys_rewrap")
    assert counted(filled) == [(1, 1), (1, 0)]

    monkeypatch.setattr(rewrap_keys.RewrapKeys, "_swap", swaps)
    assert filled.run("keys_rewrap").out == "1 seeds and 0 service keys wrapped anew\n"


def test_seeds_that_do_not_open_are_named_and_stop_nothing(filled: Place) -> None:
    filled.run("keys_rotate")
    project = asyncio.run(_second(filled))
    edit(filled, "UPDATE project_seeds SET wrapped = zeroblob(109) WHERE project_id = ?", project)

    done = filled.run("keys_rewrap")

    assert done.code == 1
    assert done.out.startswith("1 seeds and 1 service keys")
    assert done.err == f"does not open: {project}\n"
    assert counted(filled) == [(1, 1), (1, 0)]


async def _second(place: Place) -> str:
    async with open_state(place.settings, exclusive=False) as state:
        return str((await state.store.find_project(2)).id)


def test_a_change_of_keys_stands_in_the_audit(filled: Place) -> None:
    new = filled.run("keys_rotate").out.strip()
    filled.run("keys_rewrap")

    async def read() -> Any:
        async with open_state(filled.settings, exclusive=False) as state:
            return await state.store.list_audit(NO_PROJECT, AuditFilter(), 0, 10)

    [row] = asyncio.run(read())
    assert (row.event.action, row.event.principal) == (Action.KEYS_REWRAPPED, "operator:cli")
    assert row.event.details == {"kid": new, "seeds": 2, "service_keys": 1}


# The lease


async def test_a_rotation_waits_for_another_and_takes_over_what_was_left(
    filled: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rotations, "_LOOK_EVERY", 0.01)
    async with open_state(filled.settings, exclusive=False) as state:
        soon = utc_now() + timedelta(milliseconds=100)
        assert await state.store.take_lease("rewrap", "dead", utc_now(), soon) is not None

        async with rotations.held(state, "rewrap") as lease:
            assert lease.token == 2

    assert capsys.readouterr().err.count("waiting") == 1


async def test_a_rotation_that_another_keeps_is_refused_in_the_end(
    filled: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotations, "_LOOK_EVERY", 0.01)
    monkeypatch.setattr(rotations, "LEASE", timedelta())
    async with open_state(filled.settings, exclusive=False) as state:
        soon = utc_now() + timedelta(seconds=60)
        await state.store.take_lease("rewrap", "alive", utc_now(), soon)

        with pytest.raises(StartRefused, match="wait until it is done"):
            async with rotations.held(state, "rewrap"):
                pytest.fail("two have it")


async def test_a_rotation_that_was_taken_over_says_so(filled: Place) -> None:
    async with open_state(filled.settings, exclusive=False) as state:
        with pytest.raises(StartRefused, match="run it again"):
            async with rotations.held(state, "rewrap"):
                raise LeaseLost


def test_progress_is_told_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    moments = iter([0.0, 1.9, 2.0, 2.0, 3.0, 9.0, 9.0])
    monkeypatch.setattr(
        "regcred.bootstrap.commands.rotations.time.monotonic", lambda: next(moments)
    )
    tell = rotations.now_and_then(lambda count: f"{count} so far")

    for count in (1, 2, 3, 4):
        tell(count)

    assert capsys.readouterr().err.splitlines() == ["2 so far", "4 so far"]


# When an old key may go


def test_an_old_key_may_go_once_nothing_needs_it(filled: Place) -> None:
    [old] = kids(filled)
    filled.run("keys_rotate")

    assert "stays" in refusal(filled.run("keys_remove", old))
    filled.run("keys_rewrap")
    [_, gone] = statuses(filled)
    done = filled.run("keys_remove", old)

    assert gone["state"].startswith("may be removed once no backup from before 20")
    assert gone["unused_since"][:16] in done.err.replace(" ", "T")
    assert old not in kids(filled)
    assert filled.run("keys_verify").code == 0
    assert "stays" in refusal(filled.run("keys_remove", "kek-9"))


def test_a_key_of_which_it_is_not_known_since_when_stays(filled: Place) -> None:
    filled.run("keys_rotate")
    filled.run("keys_rewrap")
    old = kids(filled)[1]
    edit(filled, "DELETE FROM unused_keys")

    assert "notes since when" in statuses(filled)[1]["state"]
    assert "stays" in refusal(filled.run("keys_remove", old))
    filled.run("keys_rewrap")
    assert filled.run("keys_remove", old).code == 0


def test_no_key_goes_while_something_does_not_open_with_the_others(filled: Place) -> None:
    [old] = kids(filled)
    filled.run("keys_rotate")
    filled.run("keys_rewrap")
    edit(
        filled,
        "UPDATE project_seeds SET wrapped = zeroblob(109)"
        " WHERE project_id = (SELECT max(project_id) FROM project_seeds)",
    )
    before = filled.settings.keyring_file.read_bytes()

    said = refusal(filled.run("keys_remove", old))

    assert f"{old} stays: seed 1 of project" in said
    assert filled.settings.keyring_file.read_bytes() == before


# verify


def test_everything_is_opened_and_nothing_shown(filled: Place) -> None:
    done = filled.run("keys_verify")

    assert (done.code, done.err) == (0, "")
    assert done.out == "1 service keys, 2 seeds, 2 passwords, 1 logins, 1 webhooks open\n"


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        ("UPDATE credential_secrets SET sealed = zeroblob(90)", "password "),
        ("UPDATE credentials SET username = 'eve' WHERE number = 1", "password "),
        ("UPDATE credential_logins SET sealed = zeroblob(90)", "login "),
        ("UPDATE webhooks SET url = 'https://evil.example/'", "webhook "),
    ],
)
def test_what_does_not_open_is_named_by_id_alone(filled: Place, harm: str, named: str) -> None:
    assert edit(filled, harm) >= 1

    done = filled.run("keys_verify", "json")

    found = json.loads(done.out)["broken"]
    assert done.code == 1
    assert found
    assert any(broken.startswith(named) for broken in found)
    assert all(re.match(rf"\w+ of {_ID} in project {_ID}: ", broken) for broken in found)
    assert not any(password in done.text for password in PASSWORDS)


def test_a_seed_that_does_not_open_is_named_with_all_that_hangs_on_it(filled: Place) -> None:
    edit(filled, "UPDATE project_seeds SET wrapped = zeroblob(109)")

    done = filled.run("keys_verify")

    assert done.code == 1
    assert len([line for line in done.err.splitlines() if "WRONG: seed " in line]) == 2
    assert len([line for line in done.err.splitlines() if "WRONG: password " in line]) == 2


# reseal


def reseal(place: Place, project: str = "1") -> Finished:
    return place.run("keys_reseal", project, 0.0)  # type: ignore[arg-type]  # a word that is a number


async def _seeds(place: Place, number: int) -> list[WrappedSeed]:
    async with open_state(place.settings, exclusive=False) as state:
        project = await state.store.find_project(number)
        return list(await state.store.project_seeds(project.id))


def test_a_project_gets_another_seed_and_the_old_one_is_destroyed(filled: Place) -> None:
    [before] = asyncio.run(_seeds(filled, 1))

    done = reseal(filled)

    [after] = asyncio.run(_seeds(filled, 1))
    assert (done.code, done.out) == (0, "3 sealed anew, 1 old seeds destroyed\n")
    assert (after.generation, after.wrapped != before.wrapped) == (2, True)
    assert asyncio.run(_opened(filled)) == PASSWORDS
    assert filled.run("keys_verify").out.startswith("1 service keys, 2 seeds, 2 passwords")


def test_a_project_is_named_by_its_id_too(filled: Place) -> None:
    project = asyncio.run(_second(filled))

    assert reseal(filled, project).out == "1 sealed anew, 1 old seeds destroyed\n"
    assert "number or its id" in refusal(reseal(filled, "default"))
    assert "no such project" in refusal(reseal(filled, "99"))


def test_a_run_that_was_stopped_goes_on_with_the_seed_it_made(
    filled: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(ResealProject, "move", stopped)
        with pytest.raises(KeyboardInterrupt):
            reseal(filled)
    assert [seed.generation for seed in asyncio.run(_seeds(filled, 1))] == [1, 2]

    assert reseal(filled).out == "3 sealed anew, 1 old seeds destroyed\n"
    assert [seed.generation for seed in asyncio.run(_seeds(filled, 1))] == [2]


def test_what_does_not_open_keeps_the_seed_it_may_yet_need(filled: Place) -> None:
    edit(filled, "UPDATE webhooks SET url = 'https://evil.example/'")

    done = reseal(filled)

    assert done.code == 1
    assert done.out == "2 sealed anew, 0 old seeds destroyed\n"
    assert "keeps its old seed: webhook " in done.err
    assert [seed.generation for seed in asyncio.run(_seeds(filled, 1))] == [1, 2]


def test_a_project_with_a_row_that_does_not_open_gets_another_seed_each_time(
    filled: Place,
) -> None:
    edit(filled, "UPDATE webhooks SET url = 'https://evil.example/'")
    reseal(filled)

    assert reseal(filled).out == "2 sealed anew, 1 old seeds destroyed\n"
    assert [seed.generation for seed in asyncio.run(_seeds(filled, 1))] == [1, 3]


def test_the_lease_is_kept_while_requests_under_way_are_waited_for(
    filled: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "KEEP", 0.02)
    kept = []
    keep = ResealProject.keep

    async def counted(run: ResealProject, lease: Lease) -> None:
        await keep(run, lease)
        kept.append(lease)

    monkeypatch.setattr(ResealProject, "keep", counted)
    done = filled.run("keys_reseal", "1", 0.1)  # type: ignore[arg-type]  # a word that is a number

    assert done.code == 0
    assert len(kept) >= 5
