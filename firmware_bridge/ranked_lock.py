"""A lock whose waiters are let in by rank, and by order of arrival where that is the same."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class RankedLock:
    """For the tasks of one loop."""

    def __init__(self) -> None:
        self._taken = False
        self._arrivals = itertools.count()
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def held(self, rank: float) -> AsyncIterator[None]:
        """Have the lock inside; the lowest *rank* of those that wait comes first."""
        await self._take(rank)
        try:
            yield
        finally:
            self._leave()

    async def _take(self, rank: float) -> None:
        if not self._taken:
            self._taken = True
            return
        called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (rank, next(self._arrivals), called))
        try:
            await called
        except asyncio.CancelledError:
            if called.done() and not called.cancelled():
                self._leave()  # it was let in at the same moment
            raise

    def _leave(self) -> None:
        while self._waiting:
            _, _, called = heapq.heappop(self._waiting)
            if not called.done():
                called.set_result(None)
                return
        self._taken = False
