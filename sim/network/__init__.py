"""Derives signal controllers, their stages and their loops from any SUMO network."""

from sim.network.additional import loop_additional
from sim.network.derive import derive_network
from sim.network.lamps import signal_state
from sim.network.model import Button, Finding, Junction, Loop, Network, SignalLink
from sim.network.programs import Phase, ShippedProgram

__all__ = [
    "Button",
    "Finding",
    "Junction",
    "Loop",
    "Network",
    "Phase",
    "ShippedProgram",
    "SignalLink",
    "derive_network",
    "loop_additional",
    "signal_state",
]
