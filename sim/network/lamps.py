"""From the controller's lamps to SUMO's state string."""

from __future__ import annotations

from controller.signals import Outputs
from sim.network.model import Junction


def signal_state(junction: Junction, outputs: Outputs) -> str:
    """The SUMO state string that shows *outputs*, one letter per link index.

    ``G`` and ``g`` is green with and without right of way over what else is lit, ``y`` yellow,
    ``r`` red (also a pedestrian clearance: nobody may start to cross), ``o`` flashing.
    """
    if outputs.flash:
        return "o" * len(junction.constant_letters)
    lit = (outputs.green, outputs.ending)
    state = junction.letters.get(lit)
    if state is None:
        state = junction.letters[lit] = _state(junction, *lit)
    return state


def _state(junction: Junction, green: int, ending: int) -> str:
    letters = list(junction.constant_letters)
    pedestrian = junction.intersection.pedestrian_groups
    lit = green | ending
    for link in junction.links:
        if link.group is None:
            continue
        if green >> link.group & 1:
            gives_way = link.always_yields or link.yields_to_groups & lit
            letters[link.index] = "g" if gives_way else "G"
        elif ending >> link.group & 1 and not pedestrian >> link.group & 1:
            letters[link.index] = "y"
    return "".join(letters)
