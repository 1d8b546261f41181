"""Controls of ours: what the loops and buttons report in, aspects out.

A control written for :func:`loop_driven` is handed the derived network once and readings at every
step. It gets no connection to SUMO, so it could not look at a vehicle if it wanted to; the same
control can run at a roadside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from controller.clock import Instant
from controller.detection import SiteReadings
from controller.signals import Outputs
from controller.take_over import Lit, legal_part
from sim.controls.base import Prepared, Setup, Step
from sim.decisions import Explains, Tell
from sim.detector_faults import DetectorFaults, FaultyDetectors
from sim.detector_layout import with_layout
from sim.errors import BenchError
from sim.network import Network, derive_network, loop_additional, signal_state
from sim.ports import LoopPort, SignalPort
from sim.simulation import Simulation, instant
from sim.whatif.hearing import heard_steps
from sim.whatif.lamps import lit_by
from sim.whatif.present import Present
from sim.whatif.yellows import Yellows


class NetworkControl(Protocol):
    """Controls all junctions of a network."""

    def step(self, now: Instant, readings: Sequence[SiteReadings]) -> Sequence[Outputs]:
        """What every junction shows from *now* on; both aligned with ``network.junctions``."""


@runtime_checkable
class GoesOn(Protocol):
    """A control that can go on where another one has been until now."""

    def listen(
        self, now: Instant, readings: Sequence[SiteReadings], shown: Sequence[Outputs]
    ) -> None:
        """What the detectors reported, and the lamps showed, while another control decided."""

    def take_over(self, now: Instant, lamps: Sequence[Lit]) -> None:
        """From *now* on the lamps are ours; they show *lamps*, aligned with the junctions."""


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
            if setup.present is not None:
                driver.go_on_from(setup.present)
            return driver.step

        return Prepared(additional=(Path(loops),), attach=attach, takes_over=True)

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
        self._yellows: list[Yellows] = []

    def explain_to(self, tell: Tell) -> None:
        """Let the control tell its decisions, if it can."""
        if isinstance(self._control, Explains):
            self._control.explain_to(tell)

    def go_on_from(self, present: Present) -> None:
        """Hear what the loops saw until now, and take over the lamps as they are.

        Raises :class:`BenchError` for a control that can only begin in the dark.
        """
        if not isinstance(self._control, GoesOn):
            raise BenchError(
                f"{type(self._control).__name__} can't go on from a present state: leave it out"
            )
        now = self._now()
        for then, readings, shown in heard_steps(present, self._junctions, self._simulation.step_s):
            self._control.listen(then, readings, shown)
        self._loops.read()  # who stands on a loop already has been counted
        lit = [lit_by(each, present.lamps.get(each.id)) for each in self._junctions]
        parts = [
            legal_part(each.intersection, lamps)
            for each, lamps in zip(self._junctions, lit, strict=True)
        ]
        self._yellows = [
            Yellows(each, cut, now.mono_ms)
            for each, (_, cut) in zip(self._junctions, parts, strict=True)
        ]
        self._control.take_over(now, [lamps for lamps, _ in parts])

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
            state = signal_state(junction, output)
            if self._yellows:
                state = self._yellows[k].over(state, self._simulation.time_ms)
            self._signals.show(k, state)

    def _now(self) -> Instant:
        return instant(self._simulation)
