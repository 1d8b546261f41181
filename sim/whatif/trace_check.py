"""Looks at the lamps while a candidate takes over: is anything cut, short or in conflict?

It shares no code with whoever lights them, and holds what SUMO shows against the site's matrices.
What the present itself shows wrongly is not held against the candidate.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.intersection import bits
from sim.network import Junction, Network
from sim.simulation import Simulation
from sim.whatif.lamps import LONG_AGO_S, lit_by, outputs_by
from sim.whatif.present import Present

WATCHED_S = 60.0
TOLERANCE_MS = 300
_LONG_AGO_MS = -round(LONG_AGO_S * 1_000)


class TakeOverCheck:
    """Watches every signal for the first minute."""

    def __init__(self, simulation: Simulation, network: Network, present: Present) -> None:
        self._simulation = simulation
        self._state = simulation.connection.trafficlight.getRedYellowGreenState
        self._begin_ms = simulation.time_ms
        self._sites = [_Site(junction, present) for junction in network.junctions]
        self._led: set[str] | None = None
        self.found: list[str] = []

    def only(self, names: set[str]) -> None:
        """Of SUMO's programs only what the take-over does counts: signals *names* from now on."""
        self._led = names

    def record(self) -> None:
        """Look, after a step: the lamps showed that during the step."""
        passed_ms = self._simulation.time_ms - self._begin_ms
        if passed_ms > WATCHED_S * 1_000:
            return
        lit_ms = passed_ms - round(self._simulation.step_s * 1_000)
        if self._led is not None:
            self._sites = [site for site in self._sites if site.name in self._led]
        for site in self._sites:
            for fault in site.look(str(self._state(site.name)), lit_ms):
                self.found.append(f"{(self._begin_ms + lit_ms) / 1_000:g} s, {site.name}: {fault}")


class _Site:
    """One signal; times in ms from the take-over."""

    def __init__(self, junction: Junction, present: Present) -> None:
        self.name = junction.id
        self._junction = junction
        self._site = junction.intersection
        shown = present.lamps.get(junction.id)
        lit = lit_by(junction, shown)
        known = shown is not None and bool(shown.since_s)
        self._green, self._yellow = lit.green, lit.ending & ~self._site.pedestrian_groups
        self._since = [-age if known else _LONG_AGO_MS for age in lit.since_ms]
        self._ended = [-age if known else _LONG_AGO_MS for age in lit.ended_ms]
        self._before = self._conflicts(self._green)

    def _conflicts(self, green: int) -> set[int]:
        return {i for i in bits(green) if self._site.conflicts[i] & green}

    def look(self, letters: str, now_ms: int) -> Iterator[str]:
        """The faults of what is shown from *now_ms* on."""
        shown = outputs_by(self._junction, letters)
        green, yellow = shown.green, shown.ending
        if green == self._green and yellow == self._yellow:
            return
        groups, vehicles = self._site.groups, ~self._site.pedestrian_groups
        both = self._conflicts(green) - self._before
        if both:
            yield f"{', '.join(groups[i].name for i in sorted(both))} are green in conflict"
        for i in bits(self._green & ~green):
            if vehicles >> i & 1 and not yellow >> i & 1:
                yield f"{groups[i].name} went from green to red without yellow"
            served_ms = now_ms - self._since[i]
            if served_ms < groups[i].min_green_ms - TOLERANCE_MS:
                yield f"{groups[i].name} was green for {served_ms / 1_000:g} s only"
            self._since[i] = self._ended[i] = now_ms
        for i in bits(self._yellow & ~yellow):
            lasted_ms = now_ms - self._since[i]
            if green >> i & 1 or lasted_ms < groups[i].ending_ms - TOLERANCE_MS:
                yield f"{groups[i].name} had {lasted_ms / 1_000:g} s of yellow"
        for j in bits(green & ~self._green):
            self._since[j] = now_ms
            for i in bits(self._site.conflicts[j] & ~green):
                passed_ms = now_ms - self._ended[i]
                if passed_ms < self._site.intergreen_ms[i][j] - TOLERANCE_MS:
                    yield (
                        f"{groups[j].name} began {passed_ms / 1_000:g} s after {groups[i].name} "
                        f"ended, not {self._site.intergreen_ms[i][j] / 1_000:g} s"
                    )
        self._green, self._yellow = green, yellow
