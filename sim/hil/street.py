"""The street: SUMO with its loops and lamps, the same for the bench and for its reference."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from controller.clock import Instant
from controller.detection import SiteReadings
from controller.signals import Outputs
from sim.convention import Convention
from sim.errors import SumoError
from sim.metrics import delay_by_departure, figures, read_incidents, read_trips
from sim.network import Network, loop_additional, signal_state
from sim.ports import LoopPort, SignalPort
from sim.results import RunResult
from sim.scenario import Scenario
from sim.simulation import Outputs as OutputFiles
from sim.simulation import Simulation, one_line, start, sumo_options
from sim.worker import JAMMED_S

BIN_S = 60.0
"""Length of an interval of the delays by departure."""
Lamps = tuple[int, int, bool]
"""What a junction shows: groups that are green, that are ending, and whether it flashes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreetRecord:
    """What a run has left behind.

    ``lamps[t][k]`` is what junction *k* showed from second *t* of the window on, ``standing[t][k]``
    the vehicles that stood on its approaches after that second. ``delays``: (start of the minute of
    departure in s, mean delay in s, trips).
    """

    result: RunResult
    lamps: list[tuple[Lamps, ...]]
    standing: list[tuple[int, ...]]
    delays: tuple[tuple[float, float, int], ...]


class Street:
    """A running SUMO; its files are in *folder*. Raises :class:`SumoError` as it fails."""

    def __init__(
        self,
        scenario: Scenario,
        network: Network,
        convention: Convention,
        folder: Path,
        *,
        seed: int,
        scale: float,
    ) -> None:
        self._scenario = scenario
        self._seed = seed
        self._files = OutputFiles.into(folder, detail=False)
        loops = folder / "loops.add.xml"
        loops.write_text(loop_additional(network), encoding="utf-8")
        options = sumo_options(
            scenario, convention, seed, self._files, scale=scale, additional=(loops,)
        )
        self._began_s = time.perf_counter()
        self._simulation = start(options, scenario)
        self._junctions = network.junctions
        self._loops = LoopPort(self._simulation, network.junctions)
        self._signals = SignalPort(self._simulation, network.junctions)
        self._approaches = [
            tuple(dict.fromkeys(link.from_edge for link in junction.links))
            for junction in network.junctions
        ]
        self._notes = _Notes()
        self._open = True
        self.steps = round((scenario.end_s - scenario.begin_s) / scenario.step_s)

    @property
    def now(self) -> Instant:
        """SUMO's time on both clocks: its day starts at 0 UTC of 1970-01-01."""
        return Instant(self._simulation.time_ms, self._simulation.time_ms)

    @property
    def simulation(self) -> Simulation:
        """The running SUMO, for who has more vehicles on the road."""
        return self._simulation

    @property
    def second(self) -> int:
        """Whole seconds since the window began."""
        return round(self._simulation.time_ms / 1_000 - self._scenario.begin_s)

    def read(self) -> tuple[SiteReadings, ...]:
        """What the detectors reported over the last step."""
        return self._loops.read()

    def step(self, shown: Sequence[Outputs]) -> None:
        """Light the lamps and simulate one step."""
        for k, (junction, outputs) in enumerate(zip(self._junctions, shown, strict=True)):
            self._signals.show(k, signal_state(junction, outputs))
        try:
            self._simulation.step()
        except sumo_failures() as error:
            at_s = self._simulation.time_ms / 1_000
            raise SumoError(f"SUMO stopped at {at_s:g} s: {one_line(error)}") from None
        self._notes.lamps.append(tuple((each.green, each.ending, each.flash) for each in shown))
        halting = self._simulation.connection.edge.getLastStepHaltingNumber
        self._notes.standing.append(
            tuple(sum(halting(edge) for edge in edges) for edges in self._approaches)
        )

    def finish(self, control_s: float) -> StreetRecord:
        """End SUMO and read what it wrote; *control_s* is the time spent in the control."""
        jammed = self._is_jammed()
        self.abandon()
        trips = read_trips(self._files.trips, self._scenario.end_s)
        found = figures(trips)
        collisions, teleports = read_incidents(self._files.statistics)
        result = RunResult(
            seed=self._seed,
            **{name: getattr(found, name) for name in found.__slots__},
            jammed=jammed,
            control_ms_per_step=control_s * 1_000 / self.steps,
            collisions=collisions,
            teleports=teleports,
            wall_s=time.perf_counter() - self._began_s,
        )
        delays = delay_by_departure(trips, BIN_S)
        return StreetRecord(
            result=result, lamps=self._notes.lamps, standing=self._notes.standing, delays=delays
        )

    def abandon(self) -> None:
        """End SUMO."""
        if self._open:
            self._open = False
            self._simulation.close()

    def _is_jammed(self) -> bool:
        vehicle = self._simulation.connection.vehicle
        return any(
            vehicle.getWaitingTime(name) >= JAMMED_S and not vehicle.isStopped(name)
            for name in vehicle.getIDList()
        )


@dataclass(slots=True)
class _Notes:
    """What is written down in every step."""

    lamps: list[tuple[Lamps, ...]] = field(default_factory=list)
    standing: list[tuple[int, ...]] = field(default_factory=list)


def sumo_failures() -> tuple[type[BaseException], ...]:
    """What a running SUMO raises."""
    module = sys.modules["libsumo"]
    return (module.TraCIException, module.FatalTraCIError)
