"""Peers that SUMO runs by itself: the shipped program, and its own two actuated controls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sim.controls.base import Prepared, Setup
from sim.controls.programs import is_green, shipped_programs, write_programs
from sim.network.programs import Phase, ShippedProgram

_MIN_GREEN_S = 5.0
_MAX_GREEN_S = 50.0


def fixed(_: Setup) -> Prepared:
    """The program shipped with the network, untouched."""
    return Prepared()


def native(kind: str) -> Callable[[Setup], Prepared]:
    """Every shipped program turned into SUMO's own control of type *kind*, with its defaults.

    Green phases without bounds of their own may last 5 to 50 s; yellow and all-red stay as shipped.
    """

    def prepare(setup: Setup) -> Prepared:
        path = setup.folder / f"{kind}.add.xml"
        programs = [_bounded(program) for program in shipped_programs(setup.scenario)]
        write_programs(programs, kind, f"greenband-{kind}", path)
        return Prepared(additional=(path,))

    return prepare


def _bounded(program: ShippedProgram) -> ShippedProgram:
    return replace(program, phases=tuple(_bounded_phase(phase) for phase in program.phases))


def _bounded_phase(phase: Phase) -> Phase:
    """A phase without bounds reads as one that lasts exactly its duration."""
    if not is_green(phase) or phase.min_s != phase.max_s:
        return phase
    return replace(phase, min_s=_MIN_GREEN_S, max_s=_MAX_GREEN_S)
