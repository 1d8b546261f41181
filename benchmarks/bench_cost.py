"""What the bench costs: an hour of cologne8 under our control against a plain libsumo run of it.

Run from the root of the repository: ``python -m benchmarks.bench_cost [SCENARIO] [--rounds N]``.

*Plain* is the shipped program stepped by libsumo with the outputs that every run is measured by
(trips, emissions); *bare* is the same without any output. *Ours* is everything that the bench does
in a run: deriving the network, SUMO, reading the loops, the control with its monitor, the lamps,
and reading the trips. All alternate in one process; of each, the round with the least processor
time counts.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from controller.clock import Instant
from sim.catalogue import fetch_scenario
from sim.controls.base import Setup
from sim.controls.loop_driven import LoopDriver, NetworkControl
from sim.controls.splits import SplitsControl
from sim.controls.tactical import TacticalNetwork
from sim.convention import FIELD
from sim.metrics import figures, read_trips
from sim.network import Network, derive_network, loop_additional
from sim.scenario import Scenario, load_scenario
from sim.simulation import Outputs, start, sumo_options

Result = TypeVar("Result")
MakeControl = Callable[[Network, Instant], NetworkControl]
CONTROLS: dict[str, MakeControl] = {"splits": SplitsControl, "adaptive": TacticalNetwork}
PARTS = ("derive the network", "SUMO", "read loops", "control", "lamps", "read trips")


class Clock:
    """Adds up the time that each part takes."""

    def __init__(self) -> None:
        self.spent_s = dict.fromkeys(PARTS, 0.0)

    def time(self, part: str, work: Callable[[], Result]) -> Result:
        """Do *work* on the account of *part*."""
        began_s = time.process_time()
        result = work()
        self.spent_s[part] += time.process_time() - began_s
        return result


def plain_run_s(scenario: Scenario, options: list[str]) -> float:
    """Seconds of a run of the window under *options*, with nothing but steps."""
    began_s = time.process_time()
    simulation = start(options, scenario)
    for _ in range(_steps(scenario)):
        simulation.step()
    simulation.close()
    return time.process_time() - began_s


def bare_options(scenario: Scenario) -> list[str]:
    """The scenario as it is, teleports off, nothing written."""
    return [
        *("-c", str(scenario.config_file), "--time-to-teleport", "-1", "--seed", "1"),
        *("--no-step-log", "true", "--no-warnings", "true"),
    ]


def controlled_run(scenario: Scenario, folder: Path, make: MakeControl) -> dict[str, float]:
    """Seconds of a run under a control of ours, by part."""
    clock = Clock()
    setup = Setup(scenario=scenario, convention=FIELD, folder=folder)
    network = clock.time("derive the network", lambda: _derive(setup))
    loops = folder / "loops.add.xml"
    loops.write_text(loop_additional(network), encoding="utf-8")
    outputs = Outputs.into(folder, detail=False)
    options = sumo_options(scenario, FIELD, 1, outputs, additional=(loops,))
    simulation = clock.time("SUMO", lambda: start(options, scenario))
    driver = clock.time("control", lambda: LoopDriver(simulation, network, make))
    for _ in range(_steps(scenario)):
        readings = clock.time("read loops", driver.read)
        lamps = clock.time("control", partial(driver.decide, readings))
        clock.time("lamps", partial(driver.show, lamps))
        clock.time("SUMO", simulation.step)
    clock.time("SUMO", simulation.close)
    clock.time("read trips", lambda: figures(read_trips(outputs.trips, scenario.end_s)))
    return clock.spent_s


def _derive(setup: Setup) -> Network:
    scenario = setup.scenario
    return derive_network(
        scenario.net_file, scenario.additional_files, setup.convention, scenario.begin_s
    )


def _steps(scenario: Scenario) -> int:
    return round((scenario.end_s - scenario.begin_s) / scenario.step_s)


def main() -> None:
    """Print the ratio and where the time goes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenario", nargs="?", default="cologne8")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    fetch_scenario(arguments.scenario)
    scenario = load_scenario(arguments.scenario)
    bare_s, plain_s = float("inf"), float("inf")
    ours = {name: dict.fromkeys(PARTS, float("inf")) for name in CONTROLS}
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory(prefix="greenband-") as folder:
            measured = Outputs.into(Path(folder), detail=False)
            bare_s = min(bare_s, plain_run_s(scenario, bare_options(scenario)))
            options = sumo_options(scenario, FIELD, 1, measured)
            plain_s = min(plain_s, plain_run_s(scenario, options))
            for name, make in CONTROLS.items():
                spent_s = controlled_run(scenario, Path(folder), make)
                ours[name] = min(ours[name], spent_s, key=lambda parts: sum(parts.values()))
    print(f"{arguments.scenario}, {_steps(scenario)} steps, best of {arguments.rounds}")
    print(f"bare libsumo        {bare_s:6.2f} s")
    print(f"plain libsumo       {plain_s:6.2f} s")
    for name, parts in ours.items():
        total_s = sum(parts.values())
        print(f"under {name:14s}{total_s:6.2f} s   {total_s / plain_s:.2f} times plain, ", end="")
        print(f"{total_s / bare_s:.2f} times bare")
        for part, spent in parts.items():
            print(f"  {part:18s}{spent:6.2f} s   {spent / total_s:4.0%}")


if __name__ == "__main__":
    main()
