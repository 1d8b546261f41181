"""Controls of ours: what the loops and buttons report in, aspects out.

A control written for :func:`loop_driven` is handed the derived network once and readings at every
step. It gets no connection to SUMO, so it could not look at a vehicle if it wanted to; the same
control can run at a roadside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from controller.clock import Instant
from controller.detection import SiteReadings
from controller.signals import Outputs
from sim.controls.base import Prepared, Setup, Step
from sim.decisions import Explains, Tell
from sim.detector_faults import DetectorFaults, FaultyDetectors
from sim.detector_layout import with_layout
from sim.network import Network, derive_network, loop_additional, signal_state
from sim.ports import LoopPort, SignalPort
from sim.simulation import Simulation


class NetworkControl(Protocol):
    """Controls all junctions of a network."""

    def step(self, now: Instant, readings: Sequence[SiteReadings]) -> Sequence[Outputs]:
        """What every junction shows from *now* on; both aligned with ``network.junctions``."""


def loop_driven(
    make: Callable[[Network, Instant], NetworkControl],
) -> Callable[[Setup], Prepared]:
    """The ``prepare`` of a control that *make* builds from the network and the starting time."""

    def prepare(setup: Setup) -> Prepared:
        derived = derive_network(
            setup.scenario.net_file,
            setup.scenario.additional_files,
            setup.convention,
            setup.scenario.begin_s,
        )
        network = with_layout(derived, setup.layout)
        loops = setup.folder / "loops.add.xml"
        loops.write_text(loop_additional(network), encoding="utf-8")

        def attach(simulation: Simulation) -> Step:
            driver = LoopDriver(simulation, network, make, setup.faults)
            if setup.tell is not None:
                driver.explain_to(setup.tell)
            return driver.step

        return Prepared(additional=(Path(loops),), attach=attach)

    return prepare


class LoopDriver:
    """Carries readings to a control and its lamps back, once per simulated step.

    The three parts of a step can be called one by one, so that a benchmark can time each.
    """

    def __init__(
        self,
        simulation: Simulation,
        network: Network,
        make: Callable[[Network, Instant], NetworkControl],
        faults: DetectorFaults | None = None,
    ) -> None:
        self._simulation = simulation
        self._junctions = network.junctions
        self._loops = LoopPort(simulation, network.junctions)
        sizes = [len(junction.intersection.detectors) for junction in network.junctions]
        self._faulty = FaultyDetectors(sizes, faults) if faults else None
        self._signals = SignalPort(simulation, network.junctions)
        self._control = make(network, self._now())

    def explain_to(self, tell: Tell) -> None:
        """Let the control tell its decisions, if it can."""
        if isinstance(self._control, Explains):
            self._control.explain_to(tell)

    def step(self) -> None:
        """Read, decide, show."""
        self.show(self.decide(self.read()))

    def read(self) -> tuple[SiteReadings, ...]:
        """What the detectors reported over the last step."""
        readings = self._loops.read()
        return self._faulty.report(readings) if self._faulty else readings

    def decide(self, readings: Sequence[SiteReadings]) -> Sequence[Outputs]:
        """What every junction is to show."""
        return self._control.step(self._now(), readings)

    def show(self, outputs: Sequence[Outputs]) -> None:
        """Light the lamps."""
        for k, (junction, output) in enumerate(zip(self._junctions, outputs, strict=True)):
            self._signals.show(k, signal_state(junction, output))

    def _now(self) -> Instant:
        """SUMO's time on both clocks: its day starts at 0 UTC of 1970-01-01."""
        return Instant(self._simulation.time_ms, self._simulation.time_ms)
