"""Network plans beside SUMO's own: an arterial of seven signals, made here, and arterial4x4.

``python -m benchmarks.arterial7 [--seeds 1-5] [--scenario arterial4x4] [--trials 2]`` compares the
shipped plan, SUMO's Webster with ``tlsCoordinator``, SUMO's actuated control, and a plan of ours:
the model's first choice or, with ``--trials``, the one that does best in so many runs of SUMO (with
seeds from 9001 on). The arterial has two lanes each way with left-turn pockets, uneven distances,
and side streets that differ.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from itertools import accumulate, pairwise
from pathlib import Path

from greenband.selection import parse_seeds
from optimizer.planning.maker import make_plan
from sim.compare import compare
from sim.convention import FIELD
from sim.network import derive_network
from sim.planning.demand import demand_of
from sim.planning.from_net import planning_network
from sim.planning.trials import best_of, rivals, tried
from sim.plans.plan_json import to_json
from sim.scenario import Scenario, load_scenario
from sim.sumo_home import run_sumo_binary

SPACINGS_M = (220, 340, 180, 410, 260, 300)
SIDES_VEH_H = (180, 260, 140, 320, 220, 160, 280)
EASTBOUND_VEH_H, WESTBOUND_VEH_H = 900, 700
END_M, SIDE_M, POCKET_M = 400, 250, 70
HORIZON_S = 3600
CONTROLS = ("fixed", "webster", "webster_coordinated", "actuated", "planned")
PLACES_M = tuple(accumulate(SPACINGS_M, initial=0))
STOPS = ("west", *(f"s{k}" for k in range(len(PLACES_M))), "east")


def build(folder: Path) -> Path:
    """Write the arterial into *folder*; its ``.sumocfg``."""
    for name, lines in (
        ("a.nod.xml", _nodes()),
        ("a.edg.xml", _edges()),
        ("a.rou.xml", _routes()),
    ):
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    run_sumo_binary(
        "netconvert",
        [
            *("-n", "a.nod.xml", "-e", "a.edg.xml", "-o", "a.net.xml", "--no-turnarounds"),
            *("--tls.cycle.time", "90", "--tls.yellow.time", "3", "--tls.allred.time", "1"),
            *("--tls.left-green.time", "8", "--no-warnings"),
        ],
        folder,
    )
    config = folder / "arterial7.sumocfg"
    config.write_text(
        '<configuration><net-file value="a.net.xml"/><route-files value="a.rou.xml"/>'
        f'<begin value="0"/><end value="{HORIZON_S}"/></configuration>\n',
        encoding="utf-8",
    )
    return config


def _nodes() -> Iterator[str]:
    yield "<nodes>"
    yield f'<node id="west" x="{-END_M}" y="0"/>'
    yield f'<node id="east" x="{PLACES_M[-1] + END_M}" y="0"/>'
    for k, x_m in enumerate(PLACES_M):
        yield f'<node id="s{k}" x="{x_m}" y="0" type="traffic_light"/>'
        for arm, y_m in (("n", SIDE_M), ("s", -SIDE_M)):
            yield f'<node id="s{k}{arm}" x="{x_m}" y="{y_m}"/>'
    yield "</nodes>"


def _edges() -> Iterator[str]:
    yield "<edges>"
    for west, east in pairwise(STOPS):
        yield _street(west, east, 2, 13.89, 3)
        yield _street(east, west, 2, 13.89, 3)
    for k in range(len(PLACES_M)):
        for arm in "ns":
            yield _street(f"s{k}{arm}", f"s{k}", 1, 11.11, 1)
            yield _street(f"s{k}", f"s{k}{arm}", 1, 11.11, 1)
    yield "</edges>"


def _street(start: str, end: str, lanes: int, speed: float, priority: int) -> str:
    """A street; before a signal it widens by a pocket on the left."""
    about = f'id="{start}-{end}" from="{start}" to="{end}" speed="{speed}" priority="{priority}"'
    if not (end[0] == "s" and end[1:].isdigit()):
        return f'<edge {about} numLanes="{lanes}"/>'
    few = " ".join(str(lane) for lane in range(lanes))
    return (
        f'<edge {about} numLanes="{lanes + 1}"><split pos="0" lanes="{few}"/>'
        f'<split pos="{-POCKET_M}" lanes="{few} {lanes}"/></edge>'
    )


def _routes() -> Iterator[str]:
    yield '<routes><vType id="car" length="4.5" speedFactor="normc(1,0.1,0.7,1.3)"/>'
    for number, (start, end, veh_h) in enumerate(_flows()):
        yield (
            f'<flow id="f{number}" type="car" from="{start}" to="{end}" begin="0" '
            f'end="{HORIZON_S}" period="exp({veh_h / 3600:.6f})" departLane="best" '
            'departSpeed="max"/>'
        )
    yield "</routes>"


def _flows() -> Iterator[tuple[str, str, float]]:
    """(from, to, veh/h): through, from every side street both ways and across, and back."""
    first, last = "s0", f"s{len(PLACES_M) - 1}"
    west_in, east_in = f"west-{first}", f"east-{last}"
    west_out, east_out = f"{first}-west", f"{last}-east"
    yield west_in, east_out, EASTBOUND_VEH_H * 0.6
    yield east_in, west_out, WESTBOUND_VEH_H * 0.6
    share = 0.4 / (2 * len(PLACES_M))
    for k, side in enumerate(SIDES_VEH_H):
        for arm, other in (("n", "s"), ("s", "n")):
            inbound, outbound = f"s{k}{arm}-s{k}", f"s{k}-s{k}{arm}"
            yield inbound, east_out, side * 0.3
            yield inbound, west_out, side * 0.3
            yield inbound, f"s{k}-s{k}{other}", side * 0.4
            yield west_in, outbound, EASTBOUND_VEH_H * share
            yield east_in, outbound, WESTBOUND_VEH_H * share


def _plan_file(scenario: Scenario, path: Path, trials: int, workers: int) -> str:
    """Our plan, made once for all seeds; of several that were tried in SUMO, with other seeds."""
    network = derive_network(scenario.net_file, scenario.additional_files, begin_s=scenario.begin_s)
    planning = planning_network(network, demand_of(scenario, network))
    made = make_plan(planning)
    if trials:
        plans = tuple(rivals(made, lambda cycle_s: make_plan(planning, cycles_s=(cycle_s,))))
        found = tried(
            plans,
            scenario,
            trials,
            convention=FIELD,
            workers=workers,
            on_progress=lambda step: print(f"trial {step.done} of {step.total}", file=sys.stderr),
        )
        made = best_of(found, "index").made
    path.write_text(to_json(made.plan), encoding="utf-8")
    return str(path)


def main() -> None:
    """Compare and print a table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seeds", default="1-5")
    options.add_argument("--scenario", help="another scenario in place of the arterial")
    options.add_argument("--controls", default=",".join(CONTROLS))
    options.add_argument("--trials", type=int, default=0, help="runs to choose our plan by")
    options.add_argument("--workers", type=int, default=1)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="greenband-") as folder:
        scenario = load_scenario(asked.scenario or str(build(Path(folder))))
        plan = _plan_file(scenario, Path(folder) / "planned.json", asked.trials, asked.workers)
        controls = [plan if name == "planned" else name for name in asked.controls.split(",")]
        found = compare(scenario, controls, parse_seeds(asked.seeds), workers=asked.workers)
    print("| control | delay s | stops | finished |\n|---|---|---|---|")
    for control in found.controls:
        runs = control.runs
        means = [
            sum(getattr(run, name) for run in runs) / len(runs)
            for name in ("delay_s", "stops", "finished")
        ]
        print(f"| {Path(control.name).stem} | {means[0]:.1f} | {means[1]:.2f} | {means[2]:.0f} |")
    for failure in found.failed:
        print(f"{failure.name} could not run: {failure.reason}")


if __name__ == "__main__":
    main()
