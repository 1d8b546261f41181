"""The present out of counts: streets filled by vehicles that were drawn from what was counted.

Nobody knows where the vehicles are that the loops have counted. So every seed draws its own, warms
the streets up with them under the control of the present, and goes on from there: what differs
between the seeds is what the counts don't say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from sim.convention import Convention
from sim.network.net_file import read_net
from sim.planning.demand import Demand
from sim.planning.drawn_routes import drawn_routes
from sim.run import RunSpec
from sim.scenario import Scenario
from sim.whatif.asking import Start, in_parallel, saved_at
from sim.whatif.keep import Keep

WARM_UP_S = 900.0
"""Long enough to cross most networks, and for queues to be those of the demand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """What is to be drawn: *demand* on the streets of *scenario*, until *now_s* and beyond."""

    scenario: Scenario
    demand: Demand
    now_s: float
    minutes: float
    control: str
    """What the signals run until now."""
    convention: Convention


def starts_from_counts(
    drawing: Drawing, seeds: Sequence[int], folder: Path, workers: int
) -> dict[int, Start]:
    """By seed, streets warmed up until the present; files go to *folder*."""
    return in_parallel({seed: partial(_start, drawing, seed, folder) for seed in seeds}, workers)


def _start(drawing: Drawing, seed: int, folder: Path) -> Start:
    begin_s = max(0.0, drawing.now_s - WARM_UP_S)
    now_s = begin_s + WARM_UP_S
    end_s = now_s + drawing.minutes * 60
    routes = folder / f"drawn-{seed}.rou.xml"
    net = read_net(drawing.scenario.net_file)
    routes.write_text(drawn_routes(drawing.demand, net, begin_s, end_s, seed), encoding="utf-8")
    scenario = replace(drawing.scenario, route_files=(routes,), begin_s=begin_s, end_s=end_s)
    spec = RunSpec(
        scenario=scenario, control=drawing.control, seed=seed, convention=drawing.convention
    )
    return saved_at(scenario, Keep(now_s, folder / f"present-{seed}.xml.gz"), spec)
