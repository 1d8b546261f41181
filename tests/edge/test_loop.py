import asyncio
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.clock import Instant
from edge.loop import LockStepClock, RealClock, Tick, Ticker

START = Instant(5_000, 1_700_000_000_000)


class Steered:
    """A clock that the test moves; nobody has to wait."""

    def __init__(self):
        self.instant = START
        self.sleeps_ms = []

    def now(self):
        return self.instant

    async def sleep_until(self, mono_ms):
        self.sleeps_ms.append(mono_ms)
        left_ms = max(0, mono_ms - self.instant.mono_ms)
        self.instant = self.instant.after(left_ms)

    def pass_ms(self, elapsed_ms):
        self.instant = self.instant.after(elapsed_ms)


def ticks(clock, works, ticker=None):
    """The ticks of a loop whose bodies take *works* (callables or ms)."""

    async def run():
        seen = []
        beats = aiter(ticker or Ticker(clock))
        for work in works:
            seen.append(await anext(beats))
            work() if callable(work) else clock.pass_ms(work)
        seen.append(await anext(beats))
        return seen

    return asyncio.run(run())


def test_it_does_not_drift():
    seen = ticks(Steered(), [300, 999, 0, 700, 1_000, 5])
    assert [each.now.mono_ms for each in seen] == [6_000 + 1_000 * k for k in range(7)]
    assert [each.number for each in seen] == list(range(1, 8))
    assert [each.worked_ms for each in seen] == [0, 300, 999, 0, 700, 1_000, 5]
    assert not any(each.missed or each.late_ms or each.clock_step_ms for each in seen)


def test_a_slow_tick_is_reported_and_what_it_missed_left_out():
    ticker_clock = Steered()
    ticker = Ticker(ticker_clock)
    seen = ticks(ticker_clock, [3_400, 100, 0], ticker)
    assert seen[1] == Tick(4, START.after(4_400), 400, missed=2, worked_ms=3_400)
    assert seen[2].now.mono_ms == START.mono_ms + 5_000
    assert (ticker.overruns, ticker.missed) == (1, 2)


def test_no_burst_after_a_long_sleep_of_the_computer():
    clock = Steered()
    seen = ticks(clock, [0, 3_600_250, 0, 0])
    assert seen[2].missed == 3_599
    assert seen[3].now.mono_ms - seen[2].now.mono_ms == 750
    assert seen[4].now.mono_ms - seen[3].now.mono_ms == 1_000


def test_steps_of_the_wall_clock_are_reported_and_change_nothing():
    clock = Steered()

    def step(by_ms):
        return lambda: setattr(
            clock, "instant", clock.instant._replace(utc_ms=clock.instant.utc_ms + by_ms)
        )

    seen = ticks(clock, [step(3_600_000), step(-86_400_000), step(20), 0])
    assert [each.clock_step_ms for each in seen] == [0, 3_600_000, -86_400_000, 0, 0]
    assert [each.number for each in seen] == [1, 2, 3, 4, 5]


@given(st.lists(st.integers(0, 9_000), max_size=30))
def test_every_tick_is_on_the_beat_or_says_how_late_it_is(works):
    clock = Steered()
    ticker = Ticker(clock)
    seen = ticks(clock, works, ticker)
    origin_ms = START.mono_ms
    for before, tick in zip([Tick(0, START, 0), *seen], seen, strict=False):
        assert tick.now.mono_ms == origin_ms + 1_000 * tick.number + tick.late_ms
        assert 0 <= tick.late_ms < 1_000
        assert tick.number == before.number + 1 + tick.missed
    assert ticker.overruns == sum(work > 1_000 for work in works)
    assert ticker.missed == sum(each.missed for each in seen)


def test_the_real_clock_keeps_the_beat_under_work_that_blocks():
    async def run():
        late = []
        ticker = Ticker(RealClock(), period_ms=20)
        async for tick in ticker:
            late.append(tick.late_ms + 20 * tick.missed)
            time.sleep(0.008)
            if tick.number >= 40:
                break
        return late, tick, ticker

    began = time.monotonic()
    late, last, ticker = asyncio.run(run())
    took_s = time.monotonic() - began
    assert took_s == pytest.approx(0.02 * last.number, abs=0.5)
    assert sorted(late)[len(late) // 2] <= 20
    assert len(late) + ticker.missed == last.number


def test_lock_step_waits_until_everybody_has_done_his_work():
    async def run():
        clock = LockStepClock(START)
        log = []

        async def worker(name, rests):
            async for tick in Ticker(clock):
                for _ in range(rests):
                    await asyncio.sleep(0.001)
                log.append((name, tick.number))
                if name == "short" and tick.number == 2:
                    return

        tasks = [asyncio.create_task(worker(*each)) for each in (("slow", 5), ("short", 0))]
        await asyncio.sleep(0)
        for k in range(1, 5):
            await clock.advance(START.after(1_000 * k))
            assert log[-1][1] == k
            assert sum(number == k for _, number in log) == (2 if k <= 2 else 1)
        before = list(log)
        await clock.advance(START.after(4_400))
        assert log == before
        await clock.advance(START.after(9_900))
        assert log[-1] == ("slow", 9)
        tasks[0].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await clock.advance(START.after(20_000))
        with pytest.raises(ValueError, match="go back"):
            await clock.advance(START)

    asyncio.run(asyncio.wait_for(run(), 10))


def test_a_worker_that_fails_does_not_stop_time():
    async def run():
        clock = LockStepClock(START)

        async def worker():
            async for _ in Ticker(clock):
                raise RuntimeError

        task = asyncio.create_task(worker())
        await asyncio.sleep(0)
        await clock.advance(START.after(1_000))
        assert isinstance(task.exception(), RuntimeError)
        await clock.advance(START.after(2_000))

    asyncio.run(asyncio.wait_for(run(), 10))


@settings(max_examples=30)
@given(st.lists(st.integers(0, 5_000), min_size=1, max_size=20))
def test_lock_step_gives_the_same_ticks_every_time(steps):
    async def run():
        clock, seen = LockStepClock(START), []

        async def worker():
            async for tick in Ticker(clock):
                seen.append(tick)

        task = asyncio.create_task(worker())
        await asyncio.sleep(0)
        at = START
        for step_ms in steps:
            at = at.after(step_ms)
            await clock.advance(at)
        task.cancel()
        return seen, at

    seen, at = asyncio.run(run())
    assert asyncio.run(run())[0] == seen
    assert (seen[-1].number if seen else 0) == (at.mono_ms - START.mono_ms) // 1_000
    numbers = [each.number for each in seen]
    assert numbers == sorted(set(numbers))
