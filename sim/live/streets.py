"""The simulated streets: SUMO, the junctions under adaptive control, and their cabinets' calls.

Runs in a process of its own (libsumo takes its process down with it), in step with the clock of
the computer. When the scenario is over it begins anew; its clocks go on.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path

from controller.clock import Instant
from controller.violations import InvalidError
from sim.controls.tactical import TacticalNetwork
from sim.convention import FIELD
from sim.corridors.wiring import CorridorSite
from sim.decisions import DecisionNote
from sim.errors import BenchError
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
from sim.live.site_live import SiteWatch
from sim.live.vehicles import SentVehicles
from sim.network import Network, derive_network, loop_additional, signal_state
from sim.ports import LoopPort, SignalPort
from sim.simulation import Outputs, start, sumo_options

STEP_MS = 1_000
Send = Callable[[FromStreets], None]


@dataclass(slots=True)
class Clocks:
    """Where the clocks of the streets stand when a run begins; they outlast it."""

    mono_ms: int = 0
    gone: tuple[str, ...] = ()
    """Vehicles that were driving when the last run ended."""
    utc_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)


def main(connection: Connection, spec: StreetsSpec) -> None:
    """The process: until the other end of *connection* is closed, or SUMO fails."""
    clocks = Clocks()
    clocks.utc_ms -= round(spec.warm_up_s * 1_000)
    try:
        with tempfile.TemporaryDirectory(prefix="greenband-live-") as folder:
            while True:
                _run(connection, spec, clocks, Path(folder))
    except (EOFError, BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        return
    except (BenchError, InvalidError) as error:
        connection.send(Failed(str(error)))


def _run(connection: Connection, spec: StreetsSpec, clocks: Clocks, folder: Path) -> None:
    """One run of the scenario, in step with the clock once it has warmed up."""
    streets = LiveStreets(spec, clocks, folder)
    steps = round(spec.scenario.end_s - spec.scenario.begin_s)
    unseen = min(steps, round(spec.warm_up_s))
    due_s = time.monotonic()
    for k in range(steps):
        streets.step()
        if k < unseen:
            due_s = time.monotonic()
            continue
        connection.send(streets.second())
        due_s = max(due_s + STEP_MS / 1_000 / spec.speed, time.monotonic() - 1.0)
        _obey(connection, streets, due_s)
    streets.close()
    clocks.gone = streets.driving
    clocks.mono_ms, clocks.utc_ms = streets.now()


def _obey(connection: Connection, streets: LiveStreets, due_s: float) -> None:
    """Do as the centre says until the next step is due."""
    while connection.poll(max(0.0, due_s - time.monotonic())):
        streets.obey(connection.recv(), connection.send)


class LiveStreets:
    """One run of SUMO with our control at every junction."""

    def __init__(self, spec: StreetsSpec, clocks: Clocks, folder: Path) -> None:
        scenario = spec.scenario
        self._clocks = replace(clocks)
        network = network_of(spec)
        loops = folder / "loops.add.xml"
        loops.write_text(loop_additional(network), encoding="utf-8")
        outputs = Outputs.into(folder, detail=False)
        options = sumo_options(scenario, FIELD, spec.seed, outputs, additional=(loops,))
        self._simulation = start(options, scenario)
        self._began_ms = self._simulation.time_ms
        self._junctions = network.junctions
        self._loops = LoopPort(self._simulation, network.junctions)
        self._signals = SignalPort(self._simulation, network.junctions)
        self._vehicles = SentVehicles(self._simulation, clocks.gone)
        self._control = TacticalNetwork(network, self.now())
        self._control.explain_to(self._note)
        sites = [
            CorridorSite(site, junction.shipped_plan.cycle_ms / 1_000.0)
            for junction, site in zip(network.junctions, self._control.sites, strict=True)
        ]
        self._sites = {each.tactical.site.name: each for each in sites}
        self._watches = [SiteWatch(each) for each in sites]
        self._watch_of = {
            junction.intersection.name: watch
            for junction, watch in zip(network.junctions, self._watches, strict=True)
        }

    def now(self) -> Instant:
        """The time of the streets on both clocks."""
        passed_ms = self._simulation.time_ms - self._began_ms
        return Instant(self._clocks.mono_ms + passed_ms, self._clocks.utc_ms + passed_ms)

    @property
    def driving(self) -> tuple[str, ...]:
        """The vehicles that were sent and have not left."""
        return self._vehicles.driving

    def step(self) -> None:
        """A second: read, decide, show, drive."""
        now = self.now()
        for site in self._sites.values():
            site.pass_time(now)
        shown = self._control.step(now, self._loops.read())
        for k, (junction, output) in enumerate(zip(self._junctions, shown, strict=True)):
            self._signals.show(k, signal_state(junction, output))
        self._simulation.step()
        self._vehicles.look()

    def second(self) -> Second:
        """How everything is now."""
        now = self.now()
        views = {name: site.view() for name, site in self._sites.items()}
        return Second(
            now=now,
            sites=tuple(
                watch.live(now, view)
                for watch, view in zip(self._watches, views.values(), strict=True)
            ),
            views=views,
            positions=self._vehicles.positions(now.utc_ms),
            arrived=self._vehicles.arrived(),
        )

    def obey(self, wish: ToStreets, send: Send) -> None:
        """Do what the centre says."""
        if isinstance(wish, Calls):
            for call in wish.calls:
                answer = self._sites[call.site].answer(call, self.now())
                send(Answered(call.site, call.number, answer))
        elif isinstance(wish, Depart):
            self._vehicles.depart(wish.vehicle, wish.route)
        elif isinstance(wish, Turn):
            self._vehicles.turn(wish.vehicle, wish.route)
        elif isinstance(wish, RunOn):
            self._sites[wish.plan.site].tactical.run_on(wish.plan)
            self._watch_of[wish.plan.site].plan = wish.plan.name

    def close(self) -> None:
        """End SUMO."""
        self._simulation.close()

    def _note(self, note: DecisionNote) -> None:
        self._watch_of[note.junction].note = note


def network_of(spec: StreetsSpec) -> Network:
    """The network of the scenario, with loops on every lane."""
    scenario = spec.scenario
    return derive_network(scenario.net_file, scenario.additional_files, FIELD, scenario.begin_s)
