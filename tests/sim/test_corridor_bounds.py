"""A corridor of two junctions under strategic bounds, in SUMO: the wave finds its green."""

from __future__ import annotations

from itertools import groupby

import libsumo

from optimizer.bounds import CoordinationWindow, StrategicBounds
from optimizer.tactical import TacticalSettings
from sim.controls.base import Setup
from sim.controls.loop_driven import loop_driven
from sim.controls.tactical import TacticalSite
from sim.convention import FIELD
from sim.network import derive_network
from sim.scenario import Scenario
from sim.simulation import Outputs as Files
from sim.simulation import start, sumo_options
from tests.sim.networks import convert

SECONDS = 480
CYCLE_S, GREEN_S, TOLERANCE_S = 70.0, 24.0, 3.0
BETWEEN_S = 25.0
"""From the window of the first junction to that of the second: the travel time of the street."""

PLACES = {"w": (-300, 0), "a": (0, 0), "b": (350, 0), "e": (650, 0)} | {
    f"{x}{arm}": (at, y) for x, at in (("a", 0), ("b", 350)) for arm, y in (("n", 250), ("s", -250))
}
STREETS = ("w a", "a b", "b e", "an a", "as a", "bn b", "bs b")
NODES = "".join(
    f'<node id="{name}" x="{x}" y="{y}" type="{"traffic_light" if name in "ab" else "priority"}"/>'
    for name, (x, y) in PLACES.items()
)
EDGES = "".join(
    f'<edge id="{x}-{y}" from="{x}" to="{y}" numLanes="1" speed="13.9"/>'
    for street in STREETS
    for x, y in (street.split(), street.split()[::-1])
)
FLOWS = (
    ("w-a", "b-e", 500),
    ("e-b", "a-w", 300),
    ("an-a", "a-as", 250),
    ("as-a", "a-b", 100),
    ("bn-b", "b-bs", 250),
    ("bs-b", "b-e", 100),
)


def scenario_in(folder):
    net = convert(folder, NODES, EDGES)
    routes = folder / "flows.rou.xml"
    flows = "".join(
        f'<flow id="{k}" begin="0" end="{SECONDS}" from="{x}" to="{y}" vehsPerHour="{flow}"/>'
        for k, (x, y, flow) in enumerate(FLOWS)
    )
    routes.write_text(f"<routes>{flows}</routes>")
    return Scenario(
        name="corridor",
        net_file=net,
        route_files=(routes,),
        additional_files=(),
        begin_s=0.0,
        end_s=float(SECONDS),
        config_file=None,
    )


def main_stage(junction):
    """The stage that has every group of the street from the west."""
    site = junction.intersection
    street = {"a": "w-a", "b": "a-b"}[junction.id]
    wanted = 0
    for link in junction.links:
        if link.from_edge == street and link.group is not None:
            wanted |= 1 << link.group
    return next(k for k, mask in enumerate(site.stage_masks) if mask & wanted == wanted)


class Corridor:
    """Both junctions, each within its window; notes what they show."""

    def __init__(self, network, now, bound):
        self.shown = {}
        self.sites = []
        self.windows = {}
        for junction in network.junctions:
            site = TacticalSite(junction, now, TacticalSettings())
            stage = main_stage(junction)
            begin_s = 5.0 + (BETWEEN_S if junction.id == "b" else 0.0)
            window = CoordinationWindow(
                stage=junction.intersection.stages[stage].name,
                cycle_s=CYCLE_S,
                begin_s=begin_s,
                end_s=begin_s + GREEN_S,
                tolerance_s=TOLERANCE_S,
            )
            if bound:
                site.control.bound(
                    StrategicBounds(
                        site=junction.id,
                        sequence_no=1,
                        valid_from_utc_ms=0,
                        valid_to_utc_ms=10**9,
                        window=window,
                    )
                )
            self.sites.append(site)
            self.windows[junction.id] = window, junction.intersection.stage_masks[stage]
            self.shown[junction.id] = []

    def step(self, now, readings):
        outputs = [site.step(now, seen) for site, seen in zip(self.sites, readings, strict=True)]
        for (name, shown), output in zip(self.shown.items(), outputs, strict=True):
            window, mask = self.windows[name]
            since_s = (now.utc_ms / 1000.0 - window.begin_s) % window.cycle_s
            shown.append((now.utc_ms / 1000.0, since_s, output.green & mask == mask))
        return outputs


def run(folder, bound):
    folder.mkdir()
    scenario, made = scenario_in(folder), []

    def make(network, now):
        made.append(Corridor(network, now, bound))
        return made[0]

    prepared = loop_driven(make)(Setup(scenario=scenario, convention=FIELD, folder=folder))
    files = Files.into(folder, detail=False)
    options = sumo_options(scenario, FIELD, 1, files, additional=prepared.additional)
    simulation = start(options, scenario)
    try:
        step = prepared.attach(simulation)
        for _ in range(SECONDS):
            step()
            simulation.step()
        still_there = libsumo.vehicle.getIDCount()
    finally:
        libsumo.close()
    return made[0], still_there


def kept(corridor):
    """Per junction, the windows from the third cycle on, and how many were kept in full."""
    found = {}
    for name, shown in corridor.shown.items():
        rows = [row for row in shown if row[0] > 2 * CYCLE_S and row[1] < GREEN_S]
        windows = groupby(rows, key=lambda row: round(row[0] - row[1]))
        full = [
            all(green for _, since_s, green in window if since_s > TOLERANCE_S)
            for _, window in windows
        ]
        found[name] = len(full), sum(full)
    return found


def test_both_junctions_keep_their_windows_and_serve_the_side_streets(tmp_path):
    assert len(derive_network(scenario_in(tmp_path).net_file).junctions) == 2
    corridor, still_there = run(tmp_path / "bound", bound=True)
    for windows, full in kept(corridor).values():
        assert windows >= 4
        assert full == windows
    # About 1,500 veh/h on streets of 25 to 70 s: who is there drives, nobody is stuck.
    assert still_there < 60
    free, _ = run(tmp_path / "free", bound=False)
    assert any(full < windows for windows, full in kept(free).values())
