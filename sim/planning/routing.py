"""The demand of a scenario as explicit routes, one for each vehicle."""

from __future__ import annotations

from pathlib import Path

from sim.errors import SumoError
from sim.scenario import Scenario
from sim.sumo_home import run_sumo_binary

ROUTES_FILE = "routed.rou.xml"


def routed_demand(scenario: Scenario, folder: Path) -> Path:
    """Trips and flows of *scenario* as routes, by SUMO's duarouter, in a file in *folder*.

    Vehicles that depart within the window are there, those that find no way are not. Raises
    :class:`SumoError` when duarouter cannot read the demand.
    """
    routes = folder / ROUTES_FILE
    vehicle_types = [str(path) for path in scenario.additional_files]
    run_sumo_binary(
        "duarouter",
        [
            *("-n", str(scenario.net_file)),
            *("-r", ",".join(str(path) for path in scenario.route_files)),
            *(["-a", ",".join(vehicle_types)] if vehicle_types else []),
            *("-b", f"{scenario.begin_s:g}", "-e", f"{scenario.end_s:g}"),
            *("-o", str(routes), "--ignore-errors", "--no-warnings", "--no-step-log"),
            *("--named-routes", "false"),
        ],
        folder,
    )
    if not routes.is_file():
        raise SumoError(f"{scenario.name}: duarouter wrote no routes, check the route files")
    return routes
