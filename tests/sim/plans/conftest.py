"""Networks for the tests of plan files."""

from __future__ import annotations

import pytest

from sim.catalogue import fetch_scenario
from sim.network import Network, derive_network
from sim.scenario import load_scenario
from sim.sumo_home import run_sumo_binary

GRID = ("--grid", "--grid.number", "2", "--grid.attach-length", "150", "--grid.length", "200")
OPTIONS = (*GRID, "-L", "2", "--sidewalks.guess", "--crossings.guess")


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Network:
    """Four signals with pedestrian crossings, made by netgenerate."""
    folder = tmp_path_factory.mktemp("small")
    junctions = ("--default-junction-type", "traffic_light")
    run_sumo_binary(
        "netgenerate", [*OPTIONS, *junctions, "-o", "small.net.xml", "--no-warnings"], folder
    )
    return derive_network(folder / "small.net.xml")


@pytest.fixture(scope="session")
def cologne3() -> Network:
    """Three real junctions, downloaded unless the cache has them."""
    fetch_scenario("cologne3")
    scenario = load_scenario("cologne3")
    return derive_network(scenario.net_file, scenario.additional_files, begin_s=scenario.begin_s)
