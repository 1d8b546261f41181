"""Scenarios for the bench's tests: one crossroads made on the spot, and cologne8, fetched once."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sim.catalogue import fetch_scenario
from sim.scenario import Scenario, load_scenario
from sim.sumo_home import sumo_binary

APPROACHES = ("A1B1", "C1B1", "B0B1", "B2B1")
EXITS = ("B1C1", "B1A1", "B1B2", "B1B0")


@pytest.fixture(scope="session")
def crossroads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration: a signal with four approaches, a vehicle every 4 s for ten minutes."""
    folder = tmp_path_factory.mktemp("crossroads")
    subprocess.run(
        [
            *(str(sumo_binary("netgenerate")), "--grid", "--grid.x-number", "3"),
            *("--grid.y-number", "3", "--grid.length", "150", "--default.lanenumber", "2"),
            *("--tls.set", "B1", "--default-junction-type", "priority"),
            *("--no-turnarounds", "true", "--output-file", str(folder / "crossroads.net.xml")),
        ],
        check=True,
        capture_output=True,
    )
    trips = [
        f'<trip id="{k}" depart="{k * 4}" from="{APPROACHES[k % 4]}" to="{EXITS[(k // 4) % 4]}"/>'
        for k in range(150)
        if EXITS[(k // 4) % 4] != APPROACHES[k % 4][2:] + APPROACHES[k % 4][:2]
    ]
    routes = folder / "crossroads.rou.xml"
    routes.write_text("<routes>" + "\n".join(trips) + "</routes>")
    config = folder / "crossroads.sumocfg"
    config.write_text(
        "<configuration><input>"
        '<net-file value="crossroads.net.xml"/><route-files value="crossroads.rou.xml"/>'
        '</input><time><begin value="0"/><end value="600"/></time></configuration>'
    )
    return config


@pytest.fixture(scope="session")
def cologne8() -> Scenario:
    """The real network, downloaded unless the cache has it."""
    fetch_scenario("cologne8")
    return load_scenario("cologne8")
