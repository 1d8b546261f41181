"""What no signal control can get below: every link always green, and nobody gives way to anyone.

What remains is speed limits, turning and following each other. It is no control and has no place
in a table of peers: ``python -m benchmarks.matrix --controls bound``. Each driver's speed mode
leaves out right of way and red lights, at junctions and inside them.
"""

from __future__ import annotations

from dataclasses import replace

from sim.controls.base import Control, Prepared, Setup, Step
from sim.controls.programs import shipped_programs, write_programs
from sim.network.programs import Phase, ShippedProgram
from sim.simulation import Simulation

LABEL = "bound"
_NOBODY_GIVES_WAY = 0b100111
"""SUMO's speed mode: safe speed, acceleration and braking, but no right of way and no red light."""
_PHASE_S = 90.0


def _all_green(setup: Setup) -> Prepared:
    path = setup.folder / "green.add.xml"
    programs = [_green(program) for program in shipped_programs(setup.scenario)]
    write_programs(programs, "static", "greenband-bound", path)
    return Prepared(additional=(path,), attach=_attach)


def _green(program: ShippedProgram) -> ShippedProgram:
    links = len(program.phases[0].state)
    return replace(program, phases=(Phase(_PHASE_S, "G" * links, _PHASE_S, _PHASE_S),))


def _attach(simulation: Simulation) -> Step:
    connection = simulation.connection

    def step() -> None:
        for name in connection.simulation.getDepartedIDList():
            connection.vehicle.setSpeedMode(name, _NOBODY_GIVES_WAY)

    return step


BOUND = Control(
    name=LABEL,
    sees="nothing",
    summary="no control: all links green, conflicts ignored",
    prepare=_all_green,
)
BOUND_CONTROLS = {LABEL: "benchmarks.bound:BOUND"}
"""Where the bench finds it; see :func:`sim.controls.find_control`."""
