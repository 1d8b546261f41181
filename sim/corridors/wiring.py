"""The corridor desk beside the junctions of a bench, in one process.

What takes the way over broker, edge and line in a street is a call here; the priority calls of the
cabinets themselves are the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

from controller.clock import Instant
from controller.core import Mode
from controller.detection import SiteReadings
from controller.intersection import bits
from controller.signals import Outputs
from edge.corridors.desk import CorridorDesk
from edge.corridors.streets import Streets
from edge.corridors.values import (
    Answer,
    Call,
    CallAnswer,
    Passage,
    SiteView,
    Wish,
)
from firmware_bridge.codes import PriorityState
from firmware_bridge.priority import PriorityCalls
from sim.controls.base import Control, Prepared, Setup, Step
from sim.controls.loop_driven import loop_driven
from sim.controls.tactical import TacticalNetwork, TacticalSite
from sim.corridors.avl import Fleet, Receivers
from sim.corridors.streets_from_net import streets_from_net
from sim.corridors.values import (
    EmergencyPlan,
    EmergencyResult,
    EmergencyTrip,
    Recovery,
    SiteBurden,
)
from sim.decisions import Tell
from sim.errors import BenchError
from sim.network import Network
from sim.simulation import Simulation

COMING_S = 20
"""Who is on the way and due within this time counts as being in front of the vehicle."""
MAX_DURATION_S = 1_800.0
_ANSWERS = {
    PriorityState.ACTIVATED: Answer.ACTIVATED,
    PriorityState.QUEUED: Answer.QUEUED,
    PriorityState.TIMED_OUT: Answer.TIMED_OUT,
}


class CorridorSite:
    """A junction with the priority calls of its cabinet, and how it gets over them."""

    def __init__(self, tactical: TacticalSite, cycle_s: float) -> None:
        self.tactical = tactical
        self.calls = tactical.calls = PriorityCalls()
        self.cycle_s = cycle_s
        self._violations = 0
        self._held_s = 0.0
        self._longest_wait_s = 0.0
        self._owed = 0
        """Groups that waited when the last call was over, and have not been green since."""
        self._latched = False
        self._last_ms: int | None = None

    def pass_time(self, now: Instant) -> None:
        """Before each step: what the last one brought, and which call is served now."""
        state = self.tactical.state
        latched = state.mode is Mode.LATCHED
        self._violations += latched and not self._latched
        self._latched = latched
        if self.calls.active is not None:
            self._owed = state.calls.called
            self._held_s += (now.mono_ms - (self._last_ms or now.mono_ms)) / 1_000.0
        self._last_ms = now.mono_ms
        self._owed &= ~state.shown.green
        for group in bits(self._owed):
            waited_ms = state.clock_ms - state.calls.since_ms[group]
            self._longest_wait_s = max(self._longest_wait_s, waited_ms / 1_000.0)
        if self.calls.all:
            self.calls.pass_time(now.mono_ms)

    def burden(self) -> SiteBurden:
        """What it had to bear so far."""
        return SiteBurden(
            site=self.tactical.site.name,
            held_s=self._held_s,
            longest_wait_cycles=self._longest_wait_s / self.cycle_s,
            violations=self._violations,
        )

    def view(self) -> SiteView:
        """As the desk sees it."""
        running = self.tactical.running()
        traffic = self.tactical.control.tactical.traffic
        queue, arrivals = traffic.forecast(COMING_S)
        site, state = self.tactical.site, self.tactical.state
        return SiteView(
            stage=None if running.stage is None else site.stages[running.stage].name,
            green_ms=running.green_s * 1_000,
            next_stage=self.tactical.next_stage,
            green=state.lamps.green,
            ending=state.lamps.ending,
            queue_veh=tuple(queue.tolist()),
            coming_veh=tuple(arrivals.sum(axis=1).tolist()),
            in_step=self.calls.active is None and not self._owed,
            cycle_s=self.cycle_s,
        )

    def answer(self, call: Call, now: Instant) -> CallAnswer:
        """Take *call* as the cabinet does, and say what became of it."""
        stage = self.tactical.site.stage_index(call.stage)
        if not self.calls.take(call.number, call.level, stage, call.ttl_ms, now.mono_ms):
            return CallAnswer(Answer.REFUSED, "the cabinet has no room for more calls")
        known = next((each for each in self.calls.all if each.call == call.number), None)
        if known is None:
            return CallAnswer(Answer.ACKNOWLEDGED)
        return CallAnswer(_ANSWERS.get(known.state, Answer.COMPLETED))


class CorridorNetwork:
    """Our adaptive control with a corridor desk beside it."""

    def __init__(
        self, network: Network, now: Instant, streets: Streets, plan: EmergencyPlan
    ) -> None:
        self.tactical = TacticalNetwork(network, now)
        self.sites = {
            junction.id: CorridorSite(site, junction.shipped_plan.cycle_ms / 1_000.0)
            for junction, site in zip(network.junctions, self.tactical.sites, strict=True)
        }
        numbers = itertools.count(1)
        self.desk = CorridorDesk(
            streets,
            lambda: f"corridor-{next(numbers)}",
            {name: site.tactical.site for name, site in self.sites.items()},
        )
        self.receivers: Receivers | None = None
        self._coming = sorted(plan.trips, key=lambda trip: trip.depart_s, reverse=True)
        self._corridor_of: dict[str, str] = {}

    def step(self, now: Instant, readings: Sequence[SiteReadings]) -> Sequence[Outputs]:
        """See :class:`sim.controls.loop_driven.NetworkControl`."""
        for site in self.sites.values():
            site.pass_time(now)
        self._open_due(now)
        self._hear_vehicles(now)
        self._run_desk(now)
        return self.tactical.step(now, readings)

    def explain_to(self, tell: Tell) -> None:
        """See :class:`sim.decisions.Explains`."""
        self.tactical.explain_to(tell)

    def _open_due(self, now: Instant) -> None:
        while self._coming and self._coming[-1].depart_s * 1_000 <= now.mono_ms:
            trip = self._coming.pop()
            opened = self.desk.open(now, wish_of(trip), "bench", trip.route)
            self._corridor_of[trip.name] = opened.id

    def _hear_vehicles(self, now: Instant) -> None:
        if self.receivers is None:
            return
        for trip, position in self.receivers.reports(now.utc_ms):
            corridor = self.desk.corridor(self._corridor_of[trip.name])
            if not corridor.state.is_over and corridor.state.value != "recovering":
                self.desk.report(now, corridor.id, position)

    def _run_desk(self, now: Instant) -> None:
        for name in self._asked_sites():
            self.desk.see(now, name, self.sites[name].view())
        for call in self.desk.turn(now):
            said = self.sites[call.site].answer(call, now)
            self.desk.hear(now, call.site, call.number, said)

    def _asked_sites(self) -> list[str]:
        """Sites that a corridor has still to do with."""
        living = (each for each in self.desk.corridors.values() if not each.state.is_over)
        return sorted({passage.site for each in living for passage in each.passages})

    def recoveries(self) -> tuple[Recovery, ...]:
        """How every junction that was held has got over it."""
        return tuple(
            self._recovery(corridor.id, passage)
            for corridor in self.desk.corridors.values()
            for passage in corridor.passages
            if passage.released_utc_ms is not None
        )

    def _recovery(self, corridor: str, passage: Passage) -> Recovery:
        cycles = None
        if passage.back_utc_ms is not None and passage.released_utc_ms is not None:
            taken_s = (passage.back_utc_ms - passage.released_utc_ms) / 1_000.0
            cycles = taken_s / self.sites[passage.site].cycle_s
        return Recovery(site=passage.site, corridor=corridor, cycles=cycles)

    def result(self, rides: EmergencyResult) -> EmergencyResult:
        """*rides* with what the corridors did to the junctions."""
        return replace(
            rides,
            recoveries=self.recoveries(),
            states=tuple(each.state.value for each in self.desk.corridors.values()),
            burdens=tuple(site.burden() for site in self.sites.values()),
        )


def prepare(setup: Setup) -> Prepared:
    """The ``prepare`` of the adaptive control with corridors for ``setup.emergency``.

    Raises :class:`BenchError` if there are no emergency vehicles.
    """
    emergency = setup.emergency
    if emergency is None:
        raise BenchError(
            "adaptive_corridors opens corridors for emergency vehicles, and there are none: "
            "run it by greenband corridor bench"
        )
    made: list[CorridorNetwork] = []

    def make(network: Network, now: Instant) -> CorridorNetwork:
        made.append(CorridorNetwork(network, now, streets_from_net(network), emergency.plan))
        emergency.complete = made[-1].result
        return made[-1]

    prepared = loop_driven(make)(setup)

    def attach(simulation: Simulation) -> Step | None:
        step = prepared.attach(simulation)
        made[-1].receivers = Receivers(Fleet(simulation, emergency.plan), emergency.plan)
        return step

    return replace(prepared, attach=attach)


ADAPTIVE_CORRIDORS = Control(
    name="adaptive_corridors",
    sees="three loops per approach lane, and push buttons; where its emergency vehicles are",
    summary="ours: as adaptive, and a green corridor for every emergency vehicle",
    prepare=prepare,
    ours=True,
    explains=True,
)


def wish_of(trip: EmergencyTrip) -> Wish:
    """What the dispatcher of *trip* asks for."""
    return Wish(
        vehicle=trip.name,
        role=trip.role,
        level=trip.level,
        origin=trip.route[0],
        destination=trip.route[-1],
        route=trip.route,
        reason="bench",
        max_duration_s=MAX_DURATION_S,
    )
