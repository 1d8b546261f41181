"""``greenband plan report``: a plan as pictures and tables, in one file."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from greenband.commands.plan import app
from greenband.commands.plan_files import NET, PLAN_FILE, load_with_spec
from greenband.extras import require_report, require_sumo
from greenband.failures import UsageError, guarded
from greenband.files import ensure_writable
from greenband.options import CONVENTION, JSON_TO
from greenband.selection import derive_scenario_network, get_network, get_scenario, parse_controls
from greenband.terminal import print_json, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.planning.network import NetworkPlan
    from sim.report.plan_report import PlanSubject

_NETS = (".net.xml", ".net.xml.gz")
SEED = 101


@app.command(
    "report", epilog="Example:  greenband plan report plan.json --runs -o plan.html --svg pictures"
)
@guarded
def report_command(
    plan: PLAN_FILE,
    net: NET = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where the report goes.", metavar="FILE.html")
    ] = Path("plan-report.html"),
    svg: Annotated[
        Path | None, typer.Option(help="Write each picture there, too.", metavar="DIR")
    ] = None,
    runs: Annotated[
        bool,
        typer.Option("--runs", help="Simulate the scenario before and after, for trajectories."),
    ] = False,
    before: Annotated[
        str, typer.Option(help="With --runs: what runs before; a control or a plan.")
    ] = "fixed",
    seed: Annotated[int, typer.Option(help="With --runs: the seed of both runs.", min=1)] = SEED,
    arterial: Annotated[
        str | None,
        typer.Option(
            help="Signals of the street to show, in driving order, or its two ends.",
            metavar="A,B,…",
        ),
    ] = None,
    convention: CONVENTION = "field",
    json_to: JSON_TO = None,
) -> None:
    """Draw a plan: time-space, timing and ring-barrier diagrams, saturation, levels of service.

    One HTML file; with --runs also what vehicles drove and how they arrived at the signals,
    before and after. Without, a plan for a UTDF file needs no SUMO.
    """
    require_report()
    for target in (output, svg / "x" if svg else None):
        if target is not None:
            ensure_writable(target)
    read, spec = load_with_spec(plan, net, convention)
    for remark in read.remarks:
        say(str(remark))
    names = [name for name in (arterial or "").split(",") if name.strip()]
    subject = _subject(
        read.plan, spec, names, convention, before=before if runs else None, seed=seed
    )
    from sim.report.plan_report import (
        pictures_of,
        report_document,
        sections_of,
        write_pictures,
        write_plan_report,
    )

    write_plan_report(subject, output, command=_command(plan, net, runs, before, seed, arterial))
    say(f"report: {output}")
    sections = sections_of(subject)
    if json_to is not None:
        print_json(report_document(subject, sections), json_to)
    if svg is not None:
        written = write_pictures(pictures_of(sections), svg)
        say(f"wrote {len(written)} pictures to {svg}")


def _subject(
    plan: NetworkPlan,
    spec: str,
    names: Sequence[str],
    convention_name: str,
    *,
    before: str | None,
    seed: int,
) -> PlanSubject:
    """What is shown; with runs if *before* names a control."""
    from sim.report.plan_subject import subject_of_network, subject_of_utdf, with_runs

    if spec.endswith(".csv"):
        from sim.plans.utdf import read_utdf_text

        if before is not None:
            raise UsageError("--runs needs a SUMO scenario: a UTDF file cannot be simulated")
        return subject_of_utdf(plan, read_utdf_text(Path(spec)), spec, names)
    if spec.endswith(_NETS):
        if before is not None:
            raise UsageError("--runs needs a scenario with traffic: give it with --net")
        return subject_of_network(plan, get_network(spec, convention_name), None, names)
    require_sumo()
    from sim.controls import CONTROLS
    from sim.convention import convention

    rules = convention(convention_name)
    scenario = get_scenario(spec)
    network = derive_scenario_network(scenario, rules)
    subject = subject_of_network(plan, network, scenario, names)
    if before is None:
        return subject
    control = parse_controls(before, tuple(CONTROLS))[0]
    say(f"{scenario.name}: a run under {control} and one under the plan, seed {seed}")
    return with_runs(
        subject, network, scenario, before=control, seed=seed, convention=rules, names=names
    )


def _command(
    plan: Path, net: str | None, runs: bool, before: str, seed: int, arterial: str | None
) -> str:
    words = ["greenband", "plan", "report", str(plan)]
    words += ["--net", net] if net else []
    words += ["--runs", "--before", before, "--seed", str(seed)] if runs else []
    words += ["--arterial", arterial] if arterial else []
    return shlex.join(words)
