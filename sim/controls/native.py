"""Peers that SUMO runs by itself: the shipped program, and its own two actuated controls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from sim.controls.base import Prepared, Setup
from sim.controls.programs import is_green, shipped_programs, write_programs
from sim.network.programs import Phase, ShippedProgram

_MIN_GREEN_S = 5.0
_MAX_GREEN_S = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """A longest green in place of the network's own, and parameters for SUMO.

    ``of_shipped`` gives it as a multiple of the shipped green. With neither, the network's own
    bounds stay, and greens without bounds may last 5 to 50 s.
    """

    longest_s: float | None = None
    of_shipped: float | None = None
    params: Mapping[str, str] = field(default_factory=dict)

    def bounds_s(self, phase: Phase) -> tuple[float, float]:
        """(shortest, longest) green of *phase*.

        A phase without bounds of its own reads as one that lasts exactly its duration.
        """
        own = phase.min_s != phase.max_s
        shortest_s, longest_s = (phase.min_s, phase.max_s) if own else (_MIN_GREEN_S, _MAX_GREEN_S)
        if self.longest_s is not None:
            longest_s = self.longest_s
        elif self.of_shipped is not None:
            longest_s = self.of_shipped * phase.duration_s
        return shortest_s, max(shortest_s, longest_s)


SUMO_DEFAULTS = Tuning()
SHORTER = Tuning(longest_s=30.0)
AS_SHIPPED = Tuning(of_shipped=1.0)
PAST_STANDING = Tuning(of_shipped=1.5, params={"jam-threshold": "15"})
"""A loop occupied for longer than the threshold (s) no longer holds the green: what stands on it
may be unable to leave in this stage."""


def fixed(_: Setup) -> Prepared:
    """The program shipped with the network, untouched."""
    return Prepared()


def native(kind: str, tuning: Tuning = SUMO_DEFAULTS) -> Callable[[Setup], Prepared]:
    """Every shipped program turned into SUMO's own control of type *kind*, greens as by *tuning*.

    Yellow and all-red stay as shipped.
    """

    def prepare(setup: Setup) -> Prepared:
        path = setup.folder / f"{kind}.add.xml"
        programs = [_bounded(program, tuning) for program in shipped_programs(setup.scenario)]
        write_programs(programs, kind, f"greenband-{kind}", path, tuning.params)
        return Prepared(additional=(path,))

    return prepare


def _bounded(program: ShippedProgram, tuning: Tuning) -> ShippedProgram:
    phases = tuple(_bounded_phase(phase, tuning) for phase in program.phases)
    return replace(program, phases=phases)


def _bounded_phase(phase: Phase, tuning: Tuning) -> Phase:
    if not is_green(phase):
        return phase
    shortest_s, longest_s = tuning.bounds_s(phase)
    return replace(phase, min_s=shortest_s, max_s=longest_s)
