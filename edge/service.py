"""``greenband edge run``: the daemon with everything around it, from the start to a clean stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Iterator

import structlog

from controller.clock import Instant
from edge.alarms import Alarms
from edge.beat import Beat, is_set
from edge.config import EdgeConfig
from edge.daemon import Daemon
from edge.garbage import Garbage
from edge.health import HealthServer, Pulse
from edge.lockstep import BenchClock, LockStepServer
from edge.loop import RealClock, Tick, Ticker
from edge.store import Retention, Store
from edge.systemd import Notifier

BUS_STOP_S = 2.0

Tell = Callable[[str], None]
_log = structlog.get_logger("edge.service")


async def run(config: EdgeConfig, version: str = "") -> None:
    """Control until SIGTERM or SIGINT. Raises :class:`~edge.errors.EdgeError` at the start."""
    for remark in config.remarks:
        _log.warning("note", what=remark)
    stop = _stopped_by_signals()
    clock, alarms, notifier = RealClock(), Alarms(), Notifier()
    with _store(config, alarms) as store:
        daemon = Daemon(config, clock, alarms, store, version=version)
        pulse = Pulse(clock)
        http, report = config.http, daemon.reporter
        async with (
            HealthServer(
                *(http.host, http.port),
                alive=pulse.faults,
                ready=report.reasons,
                metrics=report.metrics.text,
                rest=daemon.rest,
            ) as health,
            _connected(daemon),
        ):
            where = f"{http.host}:{health.port}"
            _log.info("started", edge=config.name, cabinets=len(daemon.agents), http=where)
            try:
                await _control(daemon, Ticker(clock), stop, pulse, notifier)
            finally:
                notifier.stopping()
                await daemon.close(clock.now())
    _log.info("stopped", edge=config.name)


async def run_lockstep(
    config: EdgeConfig, address: tuple[str, int], tell: Tell, version: str = ""
) -> None:
    """Serve a bench at *address* until SIGTERM or SIGINT; *tell* gets a line when it may come.

    Every cabinet is identified before: what its detectors count from now on belongs to the first
    instant. No health is served, as time stands still.
    """
    stop = _stopped_by_signals()
    clock, alarms = BenchClock(), Alarms()
    with _store(config, alarms) as store:
        daemon = Daemon(config, clock, alarms, store, lockstep=True, version=version)

        async def turn(now: Instant) -> None:
            await daemon.turn(Beat(now))

        async with _connected(daemon):
            try:
                await daemon.meet()
                async with LockStepServer(*address, clock, turn) as bench:
                    tell(f"listening: lockstep {bench.address}")
                    await stop.wait()
            finally:
                await daemon.close(clock.now())


async def _control(
    daemon: Daemon, ticker: Ticker, stop: asyncio.Event, pulse: Pulse, notifier: Notifier
) -> None:
    is_ready, garbage = False, Garbage()
    async for tick in ticker:
        if stop.is_set():
            return
        daemon.reporter.note_tick(tick)
        await daemon.turn(_beat(tick))
        pulse.beat()
        if not is_ready:
            is_ready = True
            garbage.settle()
            notifier.ready()
        notifier.alive(daemon.reporter.summary())
        garbage.clear()


def _beat(tick: Tick) -> Beat:
    due = tick.now.after(-tick.late_ms)
    return Beat(due, tick.clock_step_ms, is_set(due.utc_ms))


def _stopped_by_signals() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


@contextlib.contextmanager
def _store(config: EdgeConfig, alarms: Alarms) -> Iterator[Store | None]:
    if config.store is None:
        yield None
        return
    store = Store(config.store.path, Retention.of(config.store), alarms)
    try:
        yield store
    finally:
        store.close()


@contextlib.asynccontextmanager
async def _connected(daemon: Daemon) -> AsyncIterator[None]:
    """The broker's line beside whatever happens inside."""
    task = None if daemon.bus is None else asyncio.create_task(daemon.bus.run())
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            await asyncio.wait([task], timeout=BUS_STOP_S)
