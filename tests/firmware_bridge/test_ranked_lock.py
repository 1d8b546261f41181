"""The lock of a line: by rank, then by arrival, and never lost with a task that is cancelled."""

import asyncio
import random

import pytest

from firmware_bridge.line_load import LineLoad
from firmware_bridge.ranked_lock import RankedLock


def test_the_lowest_rank_comes_first_and_equals_in_the_order_of_arrival():
    async def main():
        lock, order = RankedLock(), []

        async def want(name, rank):
            async with lock.held(rank):
                order.append(name)
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as tasks:
            for name, rank in (("a", 9.0), ("b", 2.0), ("c", 1.0), ("d", 2.0), ("e", 1.0)):
                tasks.create_task(want(name, rank))
        assert order == ["a", "c", "e", "b", "d"]

    asyncio.run(main())


@pytest.mark.parametrize("seed", range(20))
def test_whoever_is_cancelled_leaves_it_to_the_next(seed):
    rng = random.Random(seed)

    async def main():
        lock, inside, most = RankedLock(), 0, 0

        async def want():
            nonlocal inside, most
            async with lock.held(rng.random()):
                inside += 1
                most = max(most, inside)
                try:
                    await asyncio.sleep(0)
                finally:
                    inside -= 1

        tasks = [asyncio.create_task(want()) for _ in range(40)]
        while not all(task.done() for task in tasks):
            await asyncio.sleep(0)
            rng.choice(tasks).cancel()
        assert most == 1
        async with asyncio.timeout(1):
            await want()  # it is free at the end

    asyncio.run(main())


def test_a_plan_that_is_uploaded_waits_behind_the_turns_of_the_others():
    load = LineLoad()
    for begin_s in (0.0, 1.0, 2.0):
        for unit in (1, 2, 3):
            load.begin(unit, begin_s + unit / 100)
            load.spend(unit, 0.1)
    assert load.rank(1, 2.1) < load.rank(2, 2.1) < load.rank(3, 2.1)  # as they came
    load.spend(1, 0.2)  # beyond what its turns take
    assert load.rank(1, 2.4) > load.rank(3, 2.4)
    load.begin(2, 3.02)
    load.begin(3, 3.03)
    load.begin(2, 4.02)
    load.begin(3, 4.03)
    assert load.rank(1, 4.1) < load.rank(2, 4.1)  # and not for ever
    assert load.rank(9, 4.1) == 4.1
