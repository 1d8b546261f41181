"""What the commands that simulate share: prepare, run with progress, and hand over the results."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from greenband.comparison_json import comparison_document
from greenband.decisions import DecisionPrinter, require_explained
from greenband.extras import require_report, require_sumo
from greenband.failures import UsageError
from greenband.files import ensure_writable
from greenband.names import scenario_name
from greenband.progress import watching
from greenband.saved_state import parse_save_state
from greenband.selection import (
    derive_scenario_network,
    get_scenario,
    parse_controls,
    parse_seeds,
)
from greenband.table import print_table
from greenband.terminal import STANDARD_OUTPUT, print_json, say

if TYPE_CHECKING:
    from sim.network import Network
    from sim.results import Comparison
    from sim.scenario import Scenario
    from sim.street_record import Watch
    from sim.whatif.keep import Keep

GUI_DELAY_MS = 100
"""Pause between two steps in SUMO's window, so that one can follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A comparison as the user asked for it; ``json_to`` is a file, ``-``, or None."""

    scenario: str
    controls: str
    seeds: str
    convention: str = "field"
    scale: float = 1.0
    begin_s: float | None = None
    end_s: float | None = None
    routes: tuple[Path, ...] = field(default=())
    workers: int | None = None
    report: Path | None = None
    json_to: str | None = None
    svg: Path | None = None
    """A folder for the pictures of the report, each as a file of its own."""
    gui: bool = False
    """Show the run in SUMO's window; for one control and one seed."""
    explain: str | None = None
    """The junction whose decisions are to be explained, or ``all``; one control, one seed."""
    explain_to: Path | None = None
    """The file for that; standard output if None."""
    save_state: str | None = None
    """``S:FILE``: save the state at that second; one control, one seed."""

    @property
    def draws(self) -> bool:
        """Whether pictures are wanted, for which runs keep their detail."""
        return self.report is not None or self.svg is not None

    def command(self) -> str:
        """The command that repeats this comparison."""
        words = ["greenband", "compare", self.scenario]
        words += ["--control", self.controls, "--seeds", self.seeds]
        words += ["--convention", self.convention]
        if self.scale != 1.0:
            words += ["--scale", f"{self.scale:g}"]
        if self.begin_s is not None:
            words += ["--begin", f"{self.begin_s:g}"]
        if self.end_s is not None:
            words += ["--end", f"{self.end_s:g}"]
        for route in self.routes:
            words += ["--routes", str(route)]
        return shlex.join(words)


def carry_out(request: Request) -> None:
    """Compare as *request* says, print the table, and write what it asks for."""
    require_sumo()
    from sim.controls import CONTROLS
    from sim.convention import convention

    controls = parse_controls(request.controls, tuple(CONTROLS))
    seeds = parse_seeds(request.seeds)
    rules = convention(request.convention)
    if request.draws:
        require_report()
    scenario = _scenario(request)
    network = derive_scenario_network(scenario, rules)
    if request.explain is not None:
        require_explained(controls[0], request.explain, network)
    inside = request.svg / "picture.svg" if request.svg else None
    for path in (request.report, request.json_to, request.explain_to, inside):
        if path is not None and path != STANDARD_OUTPUT:
            ensure_writable(Path(path))
    keep = parse_save_state(request.save_state, scenario)
    if request.gui or request.explain is not None or keep is not None:
        comparison = _run_alone(request, scenario, network, (controls[0], seeds[0]), keep)
    else:
        comparison = _compare(request, scenario, network, controls, seeds)
    if request.json_to != STANDARD_OUTPUT:
        print_table(comparison)
    if request.json_to is not None:
        compact = request.explain is not None and request.explain_to is None
        print_json(comparison_document(comparison), request.json_to, compact=compact)
    if request.report is not None:
        _report(comparison, network, request, request.report)
    if keep is not None:
        say(f"state: {keep.path}")
    if request.svg is not None:
        from sim.report import write_street_pictures

        written = write_street_pictures(comparison, network, request.svg)
        say(f"wrote {len(written)} pictures to {request.svg}")


def default_report(scenario: str) -> Path:
    """Where the report of *scenario* goes if nobody says: ``out/<name>-report.html``."""
    return Path("out") / f"{scenario_name(scenario)}-report.html"


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _scenario(request: Request) -> Scenario:
    for name, value in (
        ("--scale", request.scale),
        ("--begin", request.begin_s),
        ("--end", request.end_s),
    ):
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise UsageError(f"{name} {value:g}: give a number of 0 or more")
    if request.scale == 0:
        raise UsageError("--scale 0 leaves no traffic: give a factor above 0")
    return get_scenario(
        request.scenario, begin_s=request.begin_s, end_s=request.end_s, routes=request.routes
    )


def _compare(
    request: Request,
    scenario: Scenario,
    network: Network,
    controls: Sequence[str],
    seeds: Sequence[int],
) -> Comparison:
    from sim.compare import compare

    total = len(controls) * len(seeds)
    with watching(total) as on_progress:
        return compare(
            scenario,
            controls,
            seeds,
            network.convention,
            scale=request.scale,
            workers=request.workers or min(cores(), total),
            detail=request.draws,
            watch=_watch(request, scenario, network),
            on_progress=on_progress,
        )


def _run_alone(
    request: Request,
    scenario: Scenario,
    network: Network,
    chosen: tuple[str, int],
    keep: Keep | None,
) -> Comparison:
    """One run, in SUMO's window or with its decisions told as it goes."""
    from sim.controls import find_control
    from sim.results import Comparison, ControlResult
    from sim.run import RunSpec, run_once
    from sim.simulation import sumo_version

    control, seed = chosen
    spec = RunSpec(
        scenario=scenario,
        control=control,
        seed=seed,
        convention=network.convention,
        scale=request.scale,
        detail=request.draws,
        watch=_watch(request, scenario, network),
        link="gui" if request.gui else "libsumo",
        delay_ms=GUI_DELAY_MS if request.gui else 0,
        explain=request.explain,
        keep=keep,
    )
    if request.explain is None:
        run = run_once(spec)
    else:
        printer = DecisionPrinter(request.explain_to, json_lines=request.json_to == STANDARD_OUTPUT)
        run = run_once(spec, on_decision=printer)
        printer.finish()
    return Comparison(
        scenario=scenario.name,
        convention=network.convention.name,
        sumo=sumo_version(),
        scale=request.scale,
        controls=(ControlResult(name=control, sees=find_control(control).sees, runs=(run,)),),
    )


def _watch(request: Request, scenario: Scenario, network: Network) -> Watch | None:
    """What the runs record of the main street, if anybody is going to look."""
    from sim.report.plan_subject import main_watch

    return main_watch(network, scenario) if request.draws else None


def _report(comparison: Comparison, network: Network, request: Request, path: Path) -> None:
    from sim.report import write_report

    write_report(comparison, network, path, command=request.command())
    say(f"report: {path}")
