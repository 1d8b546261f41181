"""The beat of the daemon: once a second by monotonic time, whatever the wall clock does.

:class:`Ticker` says when it is time. It doesn't drift (ticks are counted from where it began, not
from the last one), and what it misses, by a slow tick or a computer that slept, it leaves out:
ticks never come in a burst.

Time itself comes from a :class:`Clock`: the computer's own, or one that is led by messages, so that
a simulation and the daemon go through the same seconds in step, as fast as they can.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Protocol

from controller.clock import Instant

PERIOD_MS = 1_000
CLOCK_STEP_MS = 50
"""Both clocks are read one after the other; less than this is no step."""


class TimeSource(Protocol):
    """What the daemon takes the time from."""

    def now(self) -> Instant:
        """This moment on both clocks."""
        ...


class Clock(TimeSource, Protocol):
    """One that can be waited for."""

    async def sleep_until(self, mono_ms: int) -> None:
        """Return once monotonic time has reached *mono_ms*."""
        ...


class RealClock:
    """The computer's clocks."""

    def now(self) -> Instant:
        """See :class:`Clock`."""
        return Instant(time.monotonic_ns() // 1_000_000, time.time_ns() // 1_000_000)

    async def sleep_until(self, mono_ms: int) -> None:
        """See :class:`Clock`."""
        while (left_ms := mono_ms - self.now().mono_ms) > 0:
            await asyncio.sleep(left_ms / 1_000)


class LockStepClock:
    """Time stands still until :meth:`advance` moves it, and moves on only when all is done.

    Every task that waits in :meth:`sleep_until` takes part: ``advance`` wakes those whose time has
    come, and returns when each of them waits again or has ended.
    """

    def __init__(self, start: Instant) -> None:
        self._now = start
        self._order = itertools.count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None], asyncio.Task[Any]]] = []
        self._awake: set[asyncio.Task[Any]] = set()
        self._all_asleep = asyncio.Event()
        self._all_asleep.set()

    def now(self) -> Instant:
        """See :class:`Clock`."""
        return self._now

    async def sleep_until(self, mono_ms: int) -> None:
        """See :class:`Clock`."""
        if mono_ms <= self._now.mono_ms:
            await asyncio.sleep(0)
            return
        task = asyncio.current_task()
        assert task is not None
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (mono_ms, next(self._order), woken, task))
        self._rest(task)
        await woken

    async def advance(self, to: Instant) -> None:
        """Let it be *to*; raises :class:`ValueError` if monotonic time would go back."""
        if to.mono_ms < self._now.mono_ms:
            raise ValueError(f"monotonic time can't go back, to {to.mono_ms} ms")
        self._now = to
        while self._sleepers and self._sleepers[0][0] <= to.mono_ms:
            _, _, woken, task = heapq.heappop(self._sleepers)
            if not woken.done():  # who was cancelled sleeps no more
                woken.set_result(None)
                self._wake(task)
        await self._all_asleep.wait()

    def _wake(self, task: asyncio.Task[Any]) -> None:
        self._awake.add(task)
        self._all_asleep.clear()
        task.add_done_callback(self._rest)

    def _rest(self, task: asyncio.Task[Any]) -> None:
        task.remove_done_callback(self._rest)
        self._awake.discard(task)
        if not self._awake:
            self._all_asleep.set()


@dataclass(frozen=True, slots=True)
class Tick:
    """It is time: the how-manieth, when, and what went wrong since the last one."""

    number: int
    """Periods since the beginning; jumps where ticks were left out."""
    now: Instant
    late_ms: int
    """How long after it was due."""
    missed: int = 0
    """Ticks left out since the last one."""
    worked_ms: int = 0
    """What the last tick took."""
    clock_step_ms: int = 0
    """How far UTC moved against monotonic time since the last tick; 0 for what is no step."""


class Ticker:
    """An endless supply of ticks, one every *period_ms*: ``async for tick in Ticker(clock)``."""

    def __init__(self, clock: Clock, period_ms: int = PERIOD_MS) -> None:
        self._clock = clock
        self._period_ms = period_ms
        self.overruns = 0
        """Ticks that took longer than a period."""
        self.missed = 0
        """Ticks that were left out."""

    async def __aiter__(self) -> AsyncIterator[Tick]:
        last = self._clock.now()
        origin_ms, number, worked_ms = last.mono_ms, 0, 0
        while True:
            due = number + 1
            await self._clock.sleep_until(origin_ms + due * self._period_ms)
            now = self._clock.now()
            number, late_ms = divmod(now.mono_ms - origin_ms, self._period_ms)
            missed = number - due
            self.missed += missed
            yield Tick(number, now, late_ms, missed, worked_ms, _clock_step_ms(last, now))
            worked_ms = self._clock.now().mono_ms - now.mono_ms
            self.overruns += worked_ms > self._period_ms
            last = now


def _clock_step_ms(before: Instant, now: Instant) -> int:
    step_ms = (now.utc_ms - before.utc_ms) - (now.mono_ms - before.mono_ms)
    return step_ms if abs(step_ms) >= CLOCK_STEP_MS else 0
