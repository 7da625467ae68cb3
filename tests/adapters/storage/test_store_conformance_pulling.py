"""What every store promises about verdicts, uses, pulling and the audit."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from regcred.domain.access import Role
from regcred.domain.audit import Action, AuditEvent
from regcred.domain.errors import CredentialNotFound, UseNotFound
from regcred.domain.ports import AuditFilter, ResolveQuestion
from regcred.domain.registry import RegistryAddress
from regcred.domain.verdict import Standing, Verdict, VerdictKind
from tests.adapters.storage.samples import (
    ALL_AUDIT,
    HOST,
    START,
    World,
    a_reveal,
    a_use,
    a_verdict,
    event,
    new_id,
    sealed,
    seed,
    stored,
)

MINUTE = timedelta(minutes=1)


class TestVerdicts:
    async def _record(self, world: World, id_: UUID, verdict: Verdict, version: int = 1) -> None:
        verified = event(Action.CREDENTIAL_VERIFIED, world.id, id_)
        await world.store.record_verdict(world.id, id_, version, verdict, verified)

    async def test_a_verdict_joins_the_history_and_moves_the_standing(self, world: World) -> None:
        login = await world.add()
        verdict = a_verdict(
            VerdictKind.DENIED,
            image="r.example/app",
            evidence={"status": 403, "hosts": ("a", "b"), "ms": 1.5, "tls": True, "realm": None},
        )
        await self._record(world, login.id, verdict)
        found = await world.store.find_credential(world.id, login.id)

        assert [v for _, v in await world.store.list_verdicts(world.id, login.id, 0, 10)] == [
            verdict
        ]
        assert found.standing == Standing().after(verdict)
        assert found.version == 1
        assert (await world.actions())[-1] is Action.CREDENTIAL_VERIFIED

    async def test_two_refusals_a_minute_apart_withhold(self, world: World) -> None:
        login = await world.add()
        await self._record(world, login.id, a_verdict(VerdictKind.REJECTED))
        await self._record(world, login.id, a_verdict(VerdictKind.UNREACHABLE, START + MINUTE))
        once = await world.store.find_credential(world.id, login.id)
        await self._record(world, login.id, a_verdict(VerdictKind.EXPIRED, START + MINUTE))
        twice = await world.store.find_credential(world.id, login.id)
        await self._record(world, login.id, a_verdict(VerdictKind.OK, START + 2 * MINUTE))
        healed = await world.store.find_credential(world.id, login.id)

        assert [c.standing.withheld for c in (once, twice, healed)] == [False, True, False]

    async def test_a_verdict_on_a_replaced_secret_joins_the_history_alone(
        self, world: World
    ) -> None:
        login = await world.add()
        replaced = event(Action.CREDENTIAL_REPLACED, world.id, login.id)
        await world.store.update_credential(login, None, sealed(2), replaced)
        await self._record(world, login.id, a_verdict(VerdictKind.REJECTED), version=1)
        found = await world.store.find_credential(world.id, login.id)

        assert found.standing == Standing()
        assert len(await world.store.list_verdicts(world.id, login.id, 0, 10)) == 1

    async def test_the_history_keeps_the_newest_hundred_and_pages_back(self, world: World) -> None:
        login, other = await world.add("a"), await world.add("b")
        await self._record(world, other.id, a_verdict(VerdictKind.OK))
        for n in range(103):
            verdict = a_verdict(VerdictKind.OK, START + timedelta(seconds=n))
            await self._record(world, login.id, verdict)

        first = await world.store.list_verdicts(world.id, login.id, 0, 60)
        rest = await world.store.list_verdicts(world.id, login.id, first[-1][0], 60)

        seconds = [(v.checked_at - START).seconds for _, v in [*first, *rest]]
        assert seconds == list(range(102, 2, -1))
        assert len(await world.store.list_verdicts(world.id, other.id, 0, 60)) == 1

    async def test_no_credential_no_verdict(self, world: World) -> None:
        missing = new_id()
        with pytest.raises(CredentialNotFound):
            await self._record(world, missing, a_verdict(VerdictKind.OK))

        assert await world.actions() == [Action.PROJECT_CREATED]


class TestUses:
    async def test_uses_are_listed_by_kind_and_name(self, world: World) -> None:
        login = await world.add()
        for name in ("web", "api"):
            await world.store.put_use(
                world.id, login.id, a_use(name), event(Action.USE_PUT, world.id, login.id)
            )

        found = await world.store.list_uses(world.id, login.id, START)
        assert [use.name for use in found] == ["api", "web"]
        assert (await world.actions()).count(Action.USE_PUT) == 2

    async def test_renewing_keeps_when_it_began(self, world: World) -> None:
        login = await world.add()
        put = event(Action.USE_PUT, world.id, login.id)
        lease = a_use("job", START + MINUTE)
        renewed = a_use("job", START + 3 * MINUTE, START + MINUTE / 2)
        await world.store.put_use(world.id, login.id, lease, put)
        await world.store.put_use(world.id, login.id, renewed, put)

        assert await world.store.list_uses(world.id, login.id, START + 2 * MINUTE) == [
            replace(renewed, created_at=START)
        ]

    async def test_an_expired_lease_is_no_use(self, world: World) -> None:
        login = await world.add()
        lease = a_use("job", START + MINUTE)
        put = event(Action.USE_PUT, world.id, login.id)
        await world.store.put_use(world.id, login.id, lease, put)
        released = event(Action.USE_DELETED, world.id, login.id, START + MINUTE)

        assert await world.store.list_uses(world.id, login.id, START + MINUTE) == []
        with pytest.raises(UseNotFound):
            await world.store.delete_use(world.id, login.id, "deployment", "job", released)
        again = a_use("job", None, START + 2 * MINUTE)
        await world.store.put_use(world.id, login.id, again, put)
        assert await world.store.list_uses(world.id, login.id, START + 3 * MINUTE) == [again]

    async def test_delete_releases_one_use(self, world: World) -> None:
        login = await world.add()
        put = event(Action.USE_PUT, world.id, login.id)
        released = event(Action.USE_DELETED, world.id, login.id)
        for name in ("a", "b"):
            await world.store.put_use(world.id, login.id, a_use(name), put)
        await world.store.delete_use(world.id, login.id, "deployment", "a", released)

        with pytest.raises(UseNotFound):
            await world.store.delete_use(world.id, login.id, "deployment", "a", released)
        with pytest.raises(UseNotFound):
            await world.store.delete_use(world.id, login.id, "pod", "b", released)
        assert await world.store.list_uses(world.id, login.id, START) == [a_use("b")]
        assert (await world.actions()).count(Action.USE_DELETED) == 1

    async def test_uses_need_their_credential(self, world: World) -> None:
        with pytest.raises(CredentialNotFound):
            await world.store.list_uses(world.id, new_id(), START)

    async def test_a_use_and_a_delete_never_leave_a_use_of_nothing(self, world: World) -> None:
        for n in range(20):
            login = await world.add(f"c{n}")
            outcomes = await asyncio.gather(
                world.store.put_use(world.id, login.id, a_use(), event(Action.USE_PUT, world.id)),
                world.store.delete_credential(
                    world.id, login.id, None, event(Action.CREDENTIAL_DELETED, world.id)
                ),
                return_exceptions=True,
            )

            assert sum(isinstance(outcome, Exception) for outcome in outcomes) == 1


class TestResolve:
    async def test_one_read_brings_key_project_seed_and_secret(self, world: World) -> None:
        key = await world.add_key(role=Role.PULLER)
        login = await world.add("login", "r.example/team", settings={"a": "b"}, expires_at=START)
        read = await world.store.read_for_resolve(key.id, None, HOST, "team/app")
        (found,) = read.candidates

        assert read.key == stored(key)
        assert read.project_id == str(world.id)
        assert (found.id, found.name, found.matched) == (str(login.id), "login", "r.example/team")
        assert (found.created_at, found.expires_at) == (START, START)
        assert found.delivery == login.delivery
        assert found.matched in found.delivery.scopes
        assert found.standing == Standing()
        assert (found.secret_version, found.seed, found.sealed) == (1, seed("alpha"), b"login")

    async def test_of_many_questions_each_is_answered_as_if_alone(self, world: World) -> None:
        key = await world.add_key(role=Role.PULLER)
        await world.add("login", "r.example/team")
        questions = [
            ResolveQuestion(key.id, None, HOST, "team/app"),
            ResolveQuestion("nobody", None, HOST, "team/app"),
            ResolveQuestion(None, world.id, HOST, None),
            ResolveQuestion(None, None, HOST, None),
            ResolveQuestion(key.id, None, HOST, "other"),
            ResolveQuestion(key.id, None, HOST, "team/app"),
        ]

        together = await world.store.read_for_resolves(questions)

        assert together == [await world.store.read_for_resolve(*alone) for alone in questions]
        assert await world.store.read_for_resolves([]) == []

    async def test_no_key_no_answer(self, world: World) -> None:
        await world.add()

        assert await world.store.read_for_resolve("nobody", None, HOST, "app") == (None, None, ())

    async def test_the_project_is_the_one_that_is_named(self, world: World) -> None:
        other = await world.add_project("beta")
        await world.add("ours")
        await world.add("theirs", project_id=other.id)
        key = await world.add_key(role=Role.ADMIN, operator=True)
        names = {}
        for ref in (None, world.id, 1, other.id, 2):
            read = await world.store.read_for_resolve(key.id, ref, HOST, "app")
            names[ref] = [candidate.name for candidate in read.candidates]

        assert names == {
            None: ["ours"],
            world.id: ["ours"],
            1: ["ours"],
            other.id: ["theirs"],
            2: ["theirs"],
        }

    @pytest.mark.parametrize("role", Role)
    async def test_of_anothers_project_nothing_is_read(self, world: World, role: Role) -> None:
        """What is read and then refused shows in the time: foreign would differ from missing."""
        other = await world.add_project("beta")
        await world.add("theirs", project_id=other.id)
        key = await world.add_key(role=role)

        for ref in (other.id, 2):
            for repository in ("app", None):
                read = await world.store.read_for_resolve(key.id, ref, HOST, repository)
                assert read == (stored(key), None, ())

    @pytest.mark.parametrize("ref", [9, 0, 2**80, -(2**80)])
    async def test_a_project_that_is_not_there_leaves_the_key(self, world: World, ref: int) -> None:
        key = await world.add_key()
        read = await world.store.read_for_resolve(key.id, ref, HOST, "app")

        assert read == (stored(key), None, ())

    async def test_nothing_matches(self, world: World) -> None:
        await world.add("login", "r.example/team")
        key = await world.add_key()
        read = await world.store.read_for_resolve(key.id, None, HOST, "other")

        assert (read.project_id, list(read.candidates)) == (str(world.id), [])

    @pytest.mark.parametrize(
        ("scopes", "address", "repository", "matched"),
        [
            (["r.example"], "r.example", "a/b", ["r.example"]),
            (["r.example/a"], "r.example", "a/b/c", ["r.example/a"]),
            (["r.example/a/b"], "r.example", "a/b", ["r.example/a/b"]),
            (["r.example/a/b/c"], "r.example", "a/b", []),
            (["r.example/a"], "r.example", "ab", []),
            (["r.example/a"], "r.example", "a-b/c", []),
            (["r.example:5000"], "r.example", "a", []),
            (["r.example:5000"], "r.example:5000", "a", ["r.example:5000"]),
            (["r.example:443"], "r.example", "a", ["r.example"]),
            (["*.example"], "r.example", "a", ["*.example"]),
            (["*.example/a"], "r.example", "a/b", ["*.example/a"]),
            (["*.example/a"], "r.example", "b", []),
            (["*.other"], "r.example", "a", []),
            (["*.example"], "x.r.example", "a", []),
            (["*.*.example"], "x.r.example", "a", ["*.*.example"]),
            (["*.example:5000"], "r.example:5000", "a", ["*.example:5000"]),
            (["index.docker.io"], "docker.io", "library/x", ["docker.io"]),
            (["[::1]:5000/a"], "[::1]:5000", "a", ["[::1]:5000/a"]),
            (["r.example/a", "r.example/b"], "r.example", "b", ["r.example/b"]),
            (["*.example", "r.example"], "r.example", "b", ["r.example", "*.example"]),
        ],
    )
    async def test_matching(
        self,
        world: World,
        scopes: list[str],
        address: str,
        repository: str,
        matched: list[str],
    ) -> None:
        await world.add("login", None, scopes=scopes)
        found = await world.matched(repository, RegistryAddress.parse(address))

        assert found == [f"login {scope}" for scope in matched]

    async def test_by_host_alone_every_scope_there_is_found(self, world: World) -> None:
        await world.add("a", "r.example/x/y")
        await world.add("b", "r.example")
        await world.add("c", "*.example/z")
        await world.add("d", "q.example")

        assert sorted(await world.matched(None)) == [
            "a r.example/x/y",
            "b r.example",
            "c *.example/z",
        ]

    async def test_the_limit_keeps_the_closest_and_newest(self, world: World) -> None:
        key = await world.add_key()
        await world.add("close", "r.example/team/app")
        for n in range(70):
            await world.add(f"pattern{n}", "*.example/team")
            await world.add(f"wide{n}", "r.example")

        found = await world.matched("team/app", key=key)
        assert len(found) == 64
        assert found[0] == "close r.example/team/app"
        assert found[1:] == [f"wide{n} r.example" for n in range(69, 6, -1)]

    async def test_a_crowd_of_patterns_for_other_hosts_hides_no_login(self, world: World) -> None:
        key = await world.add_key()
        await world.add("ours", "*.example/team")
        await asyncio.gather(*(world.add(f"c{n}", f"*.other{n}") for n in range(90)))

        assert await world.matched("team/app", key=key) == ["ours *.example/team"]

    async def test_the_host_limit_keeps_logins_for_the_whole_registry(self, world: World) -> None:
        key = await world.add_key()
        await world.add("whole", "r.example")
        await asyncio.gather(*(world.add(f"c{n}", f"r.example/t{n}") for n in range(260)))

        found = await world.matched(None, key=key)
        assert len(found) == 256
        assert "whole r.example" in found

    async def test_a_revoked_key_and_a_new_secret_count_at_once(self, world: World) -> None:
        key, login = await world.add_key(), await world.add()
        before = await world.store.read_for_resolve(key.id, None, HOST, "app")
        replaced = event(Action.CREDENTIAL_REPLACED, world.id, login.id)
        await world.store.update_credential(login, None, sealed(2, "new"), replaced)
        after = await world.store.read_for_resolve(key.id, None, HOST, "app")
        gone = event(Action.KEY_DELETED, world.id, key.id)
        await world.store.delete_key(world.id, key.id, None, gone)

        assert [(c.secret_version, c.sealed) for c in before.candidates] == [(1, b"login")]
        assert [(c.secret_version, c.sealed) for c in after.candidates] == [(2, b"new")]
        assert (await world.store.read_for_resolve(key.id, None, HOST, "app")).key is None

    async def test_the_standing_comes_along(self, world: World) -> None:
        key, login = await world.add_key(), await world.add()
        verified = event(Action.CREDENTIAL_VERIFIED, world.id, login.id)
        for at in (START, START + MINUTE):
            await world.store.record_verdict(
                world.id, login.id, 1, a_verdict(VerdictKind.REJECTED, at), verified
            )
        (found,) = (await world.store.read_for_resolve(key.id, None, HOST, "app")).candidates

        assert found.standing.withheld
        assert found.standing.last is VerdictKind.REJECTED


class TestReadingLogins:
    async def test_a_login_stands_there_at_each_of_its_scopes(self, world: World) -> None:
        login = await world.add("login", None, scopes=["r.example/a", "*.example"])
        await world.add("other")

        found = await world.store.read_logins(world.id, [login.id, new_id()])

        assert sorted(candidate.matched for candidate in found) == ["*.example", "r.example/a"]
        for candidate in found:
            assert (candidate.id, candidate.name) == (str(login.id), "login")
            assert candidate.delivery == login.delivery
            assert (candidate.secret_version, candidate.seed, candidate.sealed) == (
                1,
                seed("alpha"),
                b"login",
            )

    async def test_one_without_a_registry_is_found_too(self, world: World) -> None:
        login = await world.add("bare", None)

        (found,) = await world.store.read_logins(world.id, [login.id])

        assert (found.name, found.matched) == ("bare", "")

    async def test_no_ids_no_logins_and_none_of_another_project(self, world: World) -> None:
        other = await world.add_project("beta")
        theirs = await world.add("theirs", project_id=other.id)

        assert list(await world.store.read_logins(world.id, [])) == []
        assert list(await world.store.read_logins(world.id, [theirs.id])) == []

    async def test_many_are_read_at_once(self, world: World) -> None:
        made = [await world.add(f"login{n}", f"r{n}.example") for n in range(300)]

        found = await world.store.read_logins(world.id, [login.id for login in made])

        assert {candidate.id for candidate in found} == {str(login.id) for login in made}


class TestReveals:
    async def test_a_reveal_leaves_one_row_that_names_every_login(self, world: World) -> None:
        first, second = await world.add("a"), await world.add("b")
        await world.store.record_reveal(a_reveal(world.id, first.id, second.id))
        (row,) = await world.store.list_audit(
            world.id, AuditFilter(action="credential.revealed"), 0, 10
        )

        assert row.event == AuditEvent(
            Action.CREDENTIAL_REVEALED,
            world.id,
            "key:puller",
            START,
            str(first.id),
            1,
            "req-1",
            "192.0.2.1",
            {
                "image": "r.example/team/app",
                "client": "docker",
                "logins": (f"{first.id}:1", f"{second.id}:1"),
            },
        )
        assert (row.count, row.last_request_id) == (1, "req-1")

    async def test_every_login_of_a_reveal_is_a_target(self, world: World) -> None:
        first, second = await world.add("a"), await world.add("b")
        await world.store.record_reveal(a_reveal(world.id, first.id, second.id))

        for login in (first, second):
            narrowed = AuditFilter(action="credential.revealed", target=str(login.id))
            assert len(await world.store.list_audit(world.id, narrowed, 0, 10)) == 1

    async def test_alike_reveals_lose_nobody(self, world: World) -> None:
        login = await world.add()
        await asyncio.gather(
            *(
                world.store.record_reveal(a_reveal(world.id, login.id, request_id=f"req-{n}"))
                for n in range(50)
            )
        )
        rows = await world.store.list_audit(
            world.id, AuditFilter(action="credential.revealed"), 0, 100
        )

        assert sum(row.count for row in rows) == 50
        assert rows[-1].event.request_id == "req-0"
        assert rows[0].last_request_id == "req-49"

    @pytest.mark.parametrize(
        "other",
        [
            {"principal": "key:other"},
            {"image": "r.example/other"},
            {"client": "podman"},
            {"peer": "192.0.2.9"},
            {"node": "node-1"},
            {"namespace": "shop"},
        ],
    )
    async def test_reveals_that_differ_have_rows_of_their_own(
        self, world: World, other: dict[str, Any]
    ) -> None:
        login = await world.add()
        await asyncio.gather(
            world.store.record_reveal(a_reveal(world.id, login.id)),
            world.store.record_reveal(a_reveal(world.id, login.id, **other)),
        )
        rows = await world.store.list_audit(
            world.id, AuditFilter(action="credential.revealed"), 0, 100
        )

        assert [row.count for row in rows] == [1, 1]

    async def test_the_last_use_moves_once_a_minute(self, world: World) -> None:
        login, key = await world.add(), await world.add_key()
        used = []
        for seconds in (0, 59, 60):
            at = START + timedelta(seconds=seconds)
            reveal = a_reveal(world.id, login.id, at=at, principal=f"key:{key.id}")
            await world.store.record_reveal(reveal)
            found = await world.store.find_credential(world.id, login.id)
            its_key = (await world.store.find_key(world.id, key.id)).key
            used.append((found.last_used_at, its_key.last_used_at))
            assert found.last_used_by == f"key:{key.id}"
            assert (found.version, its_key.version) == (1, 1)

        assert used == [(START, START), (START, START), (START + MINUTE, START + MINUTE)]

    async def test_a_reveal_outlives_its_credential_and_its_key(self, world: World) -> None:
        gone = new_id()
        await world.store.record_reveal(a_reveal(world.id, gone, principal="pod:ns/x"))

        assert await world.actions() == [Action.PROJECT_CREATED, Action.CREDENTIAL_REVEALED]


class TestAudit:
    async def test_a_row_comes_back_as_it_was_recorded(self, world: World) -> None:
        told = event(
            Action.LOGIN_VERIFIED,
            world.id,
            "target",
            secret_version=3,
            details={"verdict": "ok", "n": 5, "yes": True, "none": None, "list": ("a", "ż")},
        )
        await world.store.record(told)
        row = (await world.store.list_audit(world.id, ALL_AUDIT, 0, 1))[0]

        assert row.event == told
        assert (row.count, row.last_request_id) == (1, told.request_id)

    async def test_rows_page_back_from_the_newest(self, world: World) -> None:
        for n in range(5):
            await world.store.record(event(Action.LOGIN_VERIFIED, world.id, f"t{n}"))

        first = await world.store.list_audit(world.id, ALL_AUDIT, 0, 2)
        rest = await world.store.list_audit(world.id, ALL_AUDIT, first[-1].number, 10)
        targets = [row.event.target for row in [*first, *rest]]

        assert targets == ["t4", "t3", "t2", "t1", "t0", str(world.id)]
        numbers = [row.number for row in [*first, *rest]]
        assert numbers == sorted(numbers, reverse=True)

    async def test_a_project_sees_its_own_rows(self, world: World) -> None:
        other = await world.add_project("beta")

        assert await world.actions(other.id) == [Action.PROJECT_CREATED]
        assert await world.actions() == [Action.PROJECT_CREATED]

    @pytest.mark.parametrize(
        ("narrowed", "expected"),
        [
            (AuditFilter(action="login.verified"), ["a", "b"]),
            (AuditFilter(action="key.deleted"), []),
            (AuditFilter(principal="key:other"), ["c"]),
            (AuditFilter(target="b"), ["b"]),
            (AuditFilter(since=START + MINUTE), ["b", "c"]),
            (AuditFilter(until=START + MINUTE), ["a"]),
            (AuditFilter(since=START + MINUTE, until=START + 2 * MINUTE), ["b"]),
            (AuditFilter(action="login.verified", target="a", principal="key:tester"), ["a"]),
        ],
    )
    async def test_filters(self, world: World, narrowed: AuditFilter, expected: list[str]) -> None:
        for n, (action, target) in enumerate(
            [
                (Action.LOGIN_VERIFIED, "a"),
                (Action.LOGIN_VERIFIED, "b"),
                (Action.KEY_UPDATED, "c"),
            ]
        ):
            told = event(action, world.id, target, START + n * MINUTE)
            if target == "c":
                told = replace(told, principal="key:other")
            await world.store.record(told)
        rows = await world.store.list_audit(world.id, narrowed, 0, 10)
        found = [row.event.target for row in reversed(rows)]

        assert [target for target in found if target in {"a", "b", "c"}] == expected

    async def test_a_healthy_store_says_so(self, world: World) -> None:
        await world.store.check()
