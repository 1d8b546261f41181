"""All signals green for everybody: for a vehicle that is alone in a network, and for no other."""

from __future__ import annotations

from sim.controls.base import Control, Prepared, Setup, Step
from sim.simulation import Simulation


def _prepare(setup: Setup) -> Prepared:
    del setup
    return Prepared(attach=_attach)


def _attach(simulation: Simulation) -> Step | None:
    lights = simulation.connection.trafficlight
    for name in lights.getIDList():
        lights.setRedYellowGreenState(name, "G" * len(lights.getRedYellowGreenState(name)))
    return None


ALL_GREEN = Control(
    name="all_green",
    sees="nothing",
    summary="every signal green; only for a vehicle that is alone",
    prepare=_prepare,
)
