"""The centre of the simulated city: hears its streets, runs the corridor desk, keeps the plans."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from multiprocessing.connection import Connection

from controller.clock import Instant
from controller.plan import TimingPlan, check_plan
from edge.centre.desk_centre import DeskCentre
from edge.centre.values import PlanRecord, SiteFacts, SiteLive, Vehicle
from edge.corridors.desk import CorridorDesk
from edge.corridors.streets import Streets
from edge.corridors.values import Call, Corridor, Wish
from edge.errors import EdgeError
from sim.corridors.streets_from_net import streets_from_net
from sim.errors import BenchError
from sim.live.fleet import fleet_of
from sim.live.messages import (
    Answered,
    Calls,
    Depart,
    Failed,
    FromStreets,
    RunOn,
    Second,
    StreetsSpec,
    ToStreets,
    Turn,
)
from sim.live.site_live import facts_of
from sim.live.streets import main, network_of

READY_S = 90.0
STOP_S = 5.0
DEPART_AFTER_MS = 3_000
"""So long after its corridor was opened a vehicle sets out."""


class LiveCentre(DeskCentre):
    """What :class:`greenband.console.centre.Centre` asks for, over simulated streets.

    An asynchronous context manager: inside, the streets are running.
    """

    def __init__(self, spec: StreetsSpec) -> None:
        network = network_of(spec)
        self._spec = spec
        self._streets = streets_from_net(network)
        self._sites = facts_of(network)
        intersections = {name: each.intersection for name, each in self._sites.items()}
        super().__init__(CorridorDesk(self._streets, lambda: secrets.token_hex(4), intersections))
        self._vehicles = fleet_of(self._streets)
        self._plans = {
            junction.intersection.name: [_shipped(junction.shipped_plan)]
            for junction in network.junctions
        }
        self._live: Mapping[str, SiteLive] = {}
        self._now = Instant(0, 0)
        self._heard_s = 0.0
        self._departs: dict[str, tuple[int, tuple[str, ...]]] = {}
        self._failed = ""
        self._line: Connection | None = None

    async def __aenter__(self) -> LiveCentre:
        context = multiprocessing.get_context("spawn")
        self._line, theirs = context.Pipe()
        self._process = context.Process(
            target=main, args=(theirs, self._spec), name="streets", daemon=True
        )
        self._process.start()
        theirs.close()
        loop = asyncio.get_running_loop()
        self._listener = threading.Thread(
            target=self._listen, args=(loop, self._line), name="streets", daemon=True
        )
        self._listener.start()
        try:
            async with asyncio.timeout(READY_S):
                while not self._live and not self._failed:
                    await self.changed()
        except TimeoutError:
            self._failed = f"the streets did not begin within {READY_S:g} s"
        if self._failed:
            self._end()
            raise BenchError(f"the simulation failed: {self._failed}")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        self._process.terminate()
        self._process.join(STOP_S)
        self._listener.join(STOP_S)  # the end of the process is the end of what it says
        if self._line is not None:
            self._line.close()
            self._line = None

    def _listen(self, loop: asyncio.AbstractEventLoop, line: Connection) -> None:
        """In a thread: hand on what the streets say, in its order."""
        with contextlib.suppress(RuntimeError):  # the loop has ended
            try:
                while True:
                    loop.call_soon_threadsafe(self._hear, line.recv())
            except (EOFError, OSError):
                loop.call_soon_threadsafe(self._hear, Failed("its process has ended"))

    def _hear(self, said: FromStreets) -> None:
        if isinstance(said, Second):
            self._hear_second(said)
        elif isinstance(said, Answered):
            self._desk.hear(self._instant(), said.site, said.number, said.answer)
        else:
            self._failed = said.why
            self._live = {name: replace(each, reachable=False) for name, each in self._live.items()}
        self._tell()

    def _hear_second(self, second: Second) -> None:
        now = self._now = second.now
        self._heard_s = time.monotonic()
        self._live = {each.site: each for each in second.sites}
        for site, view in second.views.items():
            self._desk.see(now, site, view)
        self._report(now, second)
        self._send_off(now)
        self._turn()

    def _report(self, now: Instant, second: Second) -> None:
        for corridor in self._under_way():
            vehicle = corridor.wish.vehicle
            if vehicle in second.positions:
                self._desk.report(now, corridor.id, second.positions[vehicle])
            elif vehicle in second.arrived:
                self._desk.end(now, corridor.id)

    def _under_way(self) -> list[Corridor]:
        under_way = ("pending", "granted", "active")
        return [each for each in self._desk.corridors.values() if each.state.value in under_way]

    def _send_off(self, now: Instant) -> None:
        for vehicle, (at_ms, route) in tuple(self._departs.items()):
            if now.mono_ms >= at_ms:
                del self._departs[vehicle]
                self._say(Depart(vehicle, route))

    def _carry(self, now: Instant, calls: tuple[Call, ...]) -> None:
        del now
        if calls:
            self._say(Calls(calls))

    def _say(self, wish: ToStreets) -> None:
        line = self._reach()
        try:
            line.send(wish)
        except OSError as error:
            raise EdgeError(f"The streets can't be reached: {error}.") from None

    def _reach(self) -> Connection:
        """The line to the streets; raises :class:`EdgeError` if nobody is there any more."""
        if self._line is None or self._failed:
            raise EdgeError(f"The streets can't be reached: {self._failed or 'they have ended'}.")
        return self._line

    def _instant(self) -> Instant:
        """The present; between two seconds it goes on as fast as the simulation."""
        passed_ms = round((time.monotonic() - self._heard_s) * 1_000 * self._spec.speed)
        return self._now.after(min(1_000, max(0, passed_ms)))

    @property
    def name(self) -> str:
        """See :class:`~greenband.console.centre.Centre`, also for what follows."""
        return self._streets.name

    @property
    def note(self) -> str:
        """That nothing of this is real."""
        times = self._spec.speed
        speed = "" if times == 1.0 else f", {times:g} times as fast as a clock"
        return f"Simulated: these streets and vehicles are SUMO's{speed}."

    @property
    def streets(self) -> Streets:
        """The map."""
        return self._streets

    @property
    def sites(self) -> Mapping[str, SiteFacts]:
        """What stands at each site."""
        return self._sites

    @property
    def live(self) -> Mapping[str, SiteLive]:
        """How each site is."""
        return self._live

    @property
    def vehicles(self) -> Mapping[str, Vehicle]:
        """Those that can be sent."""
        return self._vehicles

    async def open(self, wish: Wish, caller: str, route: tuple[str, ...] | None = None) -> Corridor:
        """Open a corridor; its vehicle sets out in a moment."""
        self._reach()
        corridor = await super().open(wish, caller, route)
        leaves_ms = self._instant().mono_ms + DEPART_AFTER_MS
        self._departs[wish.vehicle] = leaves_ms, corridor.route
        return corridor

    async def cancel(self, corridor: str, why: str) -> Corridor:
        """Give all junctions back; a vehicle that has not left stays."""
        cancelled = await super().cancel(corridor, why)
        self._departs.pop(cancelled.wish.vehicle, None)
        return cancelled

    async def end(self, corridor: str) -> Corridor:
        """It has arrived; a vehicle that has not left stays."""
        ended = await super().end(corridor)
        self._departs.pop(ended.wish.vehicle, None)
        return ended

    async def reroute(self, corridor: str, way: tuple[str, ...] | str) -> Corridor:
        """Send a corridor and its vehicle another way."""
        changed = await super().reroute(corridor, way)
        vehicle = changed.wish.vehicle
        if vehicle in self._departs:
            self._departs[vehicle] = self._departs[vehicle][0], changed.route
        else:
            self._say(Turn(vehicle, changed.route))
        return changed

    async def plans(self, site: str) -> tuple[PlanRecord, ...]:
        """The plans of *site*, the newest first."""
        return tuple(reversed(self._plans.get(site, [])))

    async def push_plan(self, plan: TimingPlan, by: str, why: str) -> PlanRecord:
        """Have *plan* be what its site falls back to."""
        history = self._plans[plan.site]
        number = max(each.sequence_no for each in history) + 1
        numbered = replace(plan, sequence_no=number)
        check_plan(numbered, self._sites[plan.site].intersection)
        self._say(RunOn(numbered))
        record = PlanRecord(
            site=plan.site,
            sequence_no=number,
            plan=numbered,
            state="in force",
            sent_utc_ms=time.time_ns() // 1_000_000,
            by=by,
            why=why,
        )
        self._plans[plan.site] = [replace(each, state="earlier") for each in history] + [record]
        self._tell()
        return record


def _shipped(plan: TimingPlan) -> PlanRecord:
    return PlanRecord(
        site=plan.site,
        sequence_no=plan.sequence_no,
        plan=plan,
        state="in force",
        sent_utc_ms=time.time_ns() // 1_000_000,
        by="the network",
        why="as it is shipped",
    )
