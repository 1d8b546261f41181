"""SUMO's own signal timing tools as peers: Webster splits, and green waves on top of them.

Both read the exact demand of the window beforehand, which no plan in the street could.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from sim.controls.base import Prepared, Setup
from sim.controls.programs import shipped_programs
from sim.errors import SumoError
from sim.network.programs import YELLOW
from sim.planning.routing import routed_demand
from sim.sumo_home import sumo_home

_TOOL_TIMEOUT_S = 300


def webster(setup: Setup) -> Prepared:
    """Cycle and splits from ``tlsCycleAdaptation.py``, every signal on its own."""
    routes = routed_demand(setup.scenario, setup.folder)
    return Prepared(additional=(_splits(setup, routes),))


def webster_coordinated(setup: Setup) -> Prepared:
    """One common cycle, and offsets from ``tlsCoordinator.py``."""
    routes = routed_demand(setup.scenario, setup.folder)
    splits = _splits(setup, routes, "--unified-cycle")
    offsets = setup.folder / "offsets.add.xml"
    _run(
        "tlsCoordinator.py",
        [
            *(sys.executable, str(sumo_home() / "tools" / "tlsCoordinator.py")),
            *("-n", str(setup.scenario.net_file), "-r", str(routes)),
            *("-a", str(splits), "-o", str(offsets)),
        ],
    )
    return Prepared(additional=(splits, offsets))


def _splits(setup: Setup, routes: Path, *options: str) -> Path:
    splits = setup.folder / "splits.add.xml"
    _run(
        "tlsCycleAdaptation.py",
        [
            *(sys.executable, str(sumo_home() / "tools" / "tlsCycleAdaptation.py")),
            *("-n", str(setup.scenario.net_file), "-r", str(routes), "-o", str(splits)),
            *("-b", f"{setup.scenario.begin_s:g}", "-y", f"{_yellow_s(setup)}", *options),
        ],
    )
    return splits


def _yellow_s(setup: Setup) -> int:
    """The convention's yellow, or the longest shipped one: the tool knows one for all signals."""
    if setup.convention.yellow_s is not None:
        return round(setup.convention.yellow_s)
    shipped = [
        phase.duration_s
        for program in shipped_programs(setup.scenario)
        for phase in program.phases
        if YELLOW & set(phase.state)
    ]
    return round(max(shipped, default=3.0))


def _run(tool: str, command: Sequence[str]) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TOOL_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise SumoError(f"SUMO's {tool} did not end within {_TOOL_TIMEOUT_S} s") from None
    if done.returncode:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise SumoError(f"SUMO's {tool} failed: {said[-1] if said else 'it said nothing'}")
