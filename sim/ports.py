"""The two narrow ports of a control of ours: loops and push buttons in, signal states out.

Nothing else of the simulation passes here. A loop is emulated from SUMO's E1 detector as the
electronics of a cabinet see it: how many vehicles came onto it, how many left it, whether one is
on it now. Which vehicles these are stays in this module.
"""

from __future__ import annotations

from collections.abc import Sequence

from controller.detection import SiteReadings
from sim.network import Button, Junction
from sim.simulation import Connection, Simulation

_TOLERANCE_S = 1e-6
_STANDING_M_PER_S = 0.1


class LoopPort:
    """Reads the loops and push buttons of every junction, once after each simulated step."""

    def __init__(self, simulation: Simulation, junctions: Sequence[Junction]) -> None:
        self._simulation = simulation
        connection = simulation.connection
        self._since_s = connection.inductionloop.getTimeSinceDetection
        self._records = connection.inductionloop.getVehicleData
        self._sites = [_Site(junction) for junction in junctions]
        self._buttons = [[PushButton(connection, b) for b in j.buttons] for j in junctions]

    def read(self) -> tuple[SiteReadings, ...]:
        """Readings of the step just simulated, aligned with the junctions and their detectors."""
        step_s = self._simulation.step_s
        begin_s = self._simulation.time_ms / 1_000 - step_s + _TOLERANCE_S
        busy_below_s = step_s - _TOLERANCE_S
        since_s = self._since_s
        readings = []
        for site, buttons in zip(self._sites, self._buttons, strict=True):
            present = site.present
            busy = [
                k for k, loop in enumerate(site.loops) if present[k] or since_s(loop) < busy_below_s
            ]
            if not busy and not buttons:
                readings.append(site.quiet)
                continue
            seen = _Seen(len(site.quiet.entered))
            for k in busy:
                self._count(site, k, seen, begin_s)
            for k, button in enumerate(buttons, start=len(site.loops)):
                seen.entered[k], seen.occupied[k] = button.read()
            readings.append(seen.frozen())
        return tuple(readings)

    def _count(self, site: _Site, k: int, seen: _Seen, begin_s: float) -> None:
        """One loop with something on it. SUMO repeats a vehicle that left just as a step ended."""
        before = site.present[k]
        came = 0
        now = set()
        for vehicle, _, _, exit_s, _ in self._records(site.loops[k]):
            if exit_s < 0:
                now.add(vehicle)
            elif vehicle not in before and exit_s < begin_s:
                continue
            came += vehicle not in before
        site.present[k] = now
        seen.entered[k] = came
        seen.left[k] = len(before) + came - len(now)
        seen.occupied[k] = bool(now)


class PushButton:
    """The buttons of one crossing: whoever waits to cross presses once, and the call is held.

    This is the one place where a control of ours depends on SUMO's knowledge of persons, because
    SUMO has no push buttons; what comes out is only pressed and held.
    """

    def __init__(self, connection: Connection, button: Button) -> None:
        self._persons = connection.edge.getLastStepPersonIDs
        self._next_edge = connection.person.getNextEdge
        self._speed = connection.person.getSpeed
        self._crossing = button.crossing
        self._walking_areas = button.walking_areas
        self._waiting: set[str] = set()

    def read(self) -> tuple[int, bool]:
        """(presses since the last read, whether somebody still waits)."""
        waiting = {
            person
            for area in self._walking_areas
            for person in self._persons(area)
            if self._next_edge(person) == self._crossing and self._speed(person) < _STANDING_M_PER_S
        }
        presses = len(waiting - self._waiting)
        self._waiting = waiting
        return presses, bool(waiting)


class _Site:
    """The loops of one junction by SUMO's names, and who is on each of them."""

    def __init__(self, junction: Junction) -> None:
        self.loops = tuple(loop.id for loop in junction.loops)
        self.quiet = _Seen(len(junction.intersection.detectors)).frozen()
        self.present: list[set[str]] = [set() for _ in self.loops]


class _Seen:
    """Readings being gathered: nothing moved anywhere until somebody did."""

    __slots__ = ("entered", "left", "occupied")

    def __init__(self, detectors: int) -> None:
        self.entered = [0] * detectors
        self.left = [0] * detectors
        self.occupied = [False] * detectors

    def frozen(self) -> SiteReadings:
        return SiteReadings(tuple(self.entered), tuple(self.left), tuple(self.occupied))


class SignalPort:
    """Sets the lamps of the signals, only where something changes."""

    def __init__(self, simulation: Simulation, junctions: Sequence[Junction]) -> None:
        self._set = simulation.connection.trafficlight.setRedYellowGreenState
        self._names = tuple(junction.id for junction in junctions)
        self._shown: list[str] = ["" for _ in junctions]

    def show(self, k: int, state: str) -> None:
        """Show SUMO state string *state* at the *k*-th junction from the next step on."""
        if state != self._shown[k]:
            self._shown[k] = state
            self._set(self._names[k], state)
