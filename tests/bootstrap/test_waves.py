"""What is asked in one turn of the loop is answered together, and each for itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from regcred.bootstrap.waves import FewWaves, Wave
from regcred.domain.ports import Waiting


async def test_what_waits_in_one_turn_is_one_wave() -> None:
    waves: list[list[int]] = []

    async def double(wave: Sequence[Waiting[int, int]]) -> None:
        waves.append([waiting.asked for waiting in wave])
        for waiting in wave:
            waiting.done(2 * waiting.asked)

    ask = Wave[int, int](double)

    assert list(await asyncio.gather(ask(1), ask(2), ask(3))) == [2, 4, 6]
    assert await ask(4) == 8
    assert waves == [[1, 2, 3], [4]]


async def test_a_wave_does_not_wait_for_the_one_before_it() -> None:
    gate = asyncio.Event()

    async def slow_for_one(wave: Sequence[Waiting[int, int]]) -> None:
        if wave[0].asked == 1:
            await gate.wait()
        for waiting in wave:
            waiting.done(waiting.asked)

    ask = Wave[int, int](slow_for_one)
    first = ask(1)
    await asyncio.sleep(0)

    assert await ask(2) == 2
    assert not first.done()
    gate.set()
    assert await first == 1


async def test_an_error_is_its_own_and_of_those_without_an_answer() -> None:
    async def one_fails(wave: Sequence[Waiting[int, int]]) -> None:
        wave[0].done(1)
        wave[1].failed(ValueError("its own"))
        raise RuntimeError("of the rest")

    ask = Wave[int, int](one_fails)

    one, two, three = await asyncio.gather(ask(1), ask(2), ask(3), return_exceptions=True)

    assert one == 1
    assert [str(two), str(three)] == ["its own", "of the rest"]


async def test_who_left_is_not_answered_and_holds_up_nobody() -> None:
    async def echo(wave: Sequence[Waiting[int, int]]) -> None:
        for waiting in wave:
            waiting.done(waiting.asked)
            waiting.failed(ValueError("too late"))

    ask = Wave[int, int](echo)
    gone, stays = ask(1), ask(2)
    gone.cancel()

    assert await stays == 2
    assert gone.cancelled()


async def test_a_wave_that_is_cancelled_leaves_nobody_waiting() -> None:
    async def hangs(_wave: Sequence[Waiting[int, int]]) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await Wave(hangs)(1)


async def test_what_is_asked_alike_is_read_once_and_side_by_side() -> None:
    begun: list[int] = []
    both = asyncio.Event()

    async def half(number: int) -> int:
        begun.append(number)
        if len(begun) == 3:
            both.set()
        await both.wait()
        if number % 2:
            raise ValueError(str(number))
        return number // 2

    found = await Wave.each(half, [4, 3, 4, 8, 3])

    assert begun == [4, 3, 8]
    assert (found[4], str(found[3]), found[8]) == (2, "3", 4)


async def test_few_waves_gather_while_two_are_under_way() -> None:
    waves: list[list[int]] = []
    gates = [asyncio.Event() for _ in range(2)]

    async def wait(wave: Sequence[Waiting[int, int]]) -> None:
        waves.append([waiting.asked for waiting in wave])
        if len(waves) <= len(gates):
            await gates[len(waves) - 1].wait()
        for waiting in wave:
            waiting.done(waiting.asked)

    ask = FewWaves[int, int](wait)
    answers = []
    for asked in range(5):
        answers.append(ask(asked))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert waves == [[0], [1]]

    gates[0].set()
    assert list(await asyncio.gather(*answers[2:])) == [2, 3, 4]
    assert waves == [[0], [1], [2, 3, 4]]
    gates[1].set()
    assert await answers[1] == 1


async def test_few_waves_do_not_wait_for_long_for_those_that_are_stuck() -> None:
    stuck = asyncio.Event()

    async def wait(wave: Sequence[Waiting[int, int]]) -> None:
        if wave[0].asked < 2:
            await stuck.wait()
        for waiting in wave:
            waiting.done(waiting.asked)

    ask = FewWaves[int, int](wait)
    held = []
    for asked in range(2):
        held.append(ask(asked))
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    assert await ask(2) == 2
    stuck.set()
    assert list(await asyncio.gather(*held)) == [0, 1]
