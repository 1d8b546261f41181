"""Ending tasks for certain.

Up to Python 3.11 ``asyncio.wait_for`` may take a cancellation for itself when what it waits for is
done at the same moment: the task goes on as if nobody had cancelled it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

AGAIN_S = 1.0
"""A task that is still there so long after it was cancelled is cancelled once more."""


async def end(tasks: Iterable[asyncio.Task[object]]) -> None:
    """Cancel *tasks*, and return when all of them are over; what they raise is not raised here."""
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        over, left = await asyncio.wait(left, timeout=AGAIN_S)
        for task in over:
            if not task.cancelled():
                task.exception()  # seen: asyncio has nothing to complain of
