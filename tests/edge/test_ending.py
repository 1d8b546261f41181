"""Tasks end for certain, those that let a cancellation pass included."""

import asyncio

from edge.ending import end


def test_a_task_that_swallows_a_cancellation_ends_all_the_same():
    swallowed = []

    async def deaf():
        while len(swallowed) < 2:
            try:
                await asyncio.sleep(60.0)
            except asyncio.CancelledError:
                swallowed.append(True)
        await asyncio.sleep(60.0)

    async def failing():
        await asyncio.sleep(0.0)
        raise ValueError("it went wrong")

    async def main():
        tasks = [asyncio.create_task(each()) for each in (deaf, failing)]
        await asyncio.sleep(0.01)
        await asyncio.wait_for(end(tasks), 10.0)
        return tasks

    tasks = asyncio.run(main())
    assert len(swallowed) == 2
    assert tasks[0].cancelled()
    assert isinstance(tasks[1].exception(), ValueError)
