"""``greenband inspect``: what is derived from a network, in a table, as JSON and as drawings."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from greenband.failures import UsageError, guarded
from greenband.findings import network_findings, print_findings
from greenband.inspection_json import inspection_document
from greenband.inspection_page import write_inspection
from greenband.names import scenario_name
from greenband.options import AS_JSON, CONVENTION
from greenband.selection import get_network
from greenband.terminal import print_json, results, say

if TYPE_CHECKING:
    from sim.network import Junction, Network


@guarded
def inspect_command(
    target: Annotated[
        str,
        typer.Argument(
            metavar="NET|SCENARIO", help="A network (.net.xml), a .sumocfg, or a named scenario."
        ),
    ],
    junction: Annotated[
        str | None, typer.Option(help="Show this junction in full.", metavar="ID")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for drawings, sites and plans.", metavar="DIR")
    ] = None,
    convention: CONVENTION = "field",
    as_json: AS_JSON = False,
) -> None:
    """Show the groups, stages, conflicts and detectors derived from a network.

    Writes one page with a drawing of every junction, and a site file and the shipped plan of each
    (for ``greenband check``), to out/NAME-junctions unless told otherwise. With --json it writes
    files only if --out is given.
    """
    network = get_network(target, convention)
    shown = _shown(network, junction)
    if as_json:
        print_json(inspection_document(target, network))
    else:
        _print_summary(network)
        for each in shown:
            _print_junction(each)
        print_findings(network_findings(network))
    if out is None and not as_json:
        out = Path("out") / f"{scenario_name(target)}-junctions"
    if out is not None:
        say(f"drawings: {write_inspection(network, out, title=scenario_name(target))}")


def _shown(network: Network, wanted: str | None) -> tuple[Junction, ...]:
    if wanted is None:
        return tuple(network.junctions) if len(network.junctions) == 1 else ()
    found = tuple(each for each in network.junctions if each.id == wanted)
    if not found:
        known = ", ".join(each.id for each in network.junctions)
        raise UsageError(
            f"--junction {wanted}: there is no such junction with lights, only {known}"
        )
    return found


def _print_summary(network: Network) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("junction", overflow="fold")
    for name in ("groups", "stages", "conflicts", "loops", "buttons", "cycle s", "findings"):
        table.add_column(name, justify="right")
    for junction in network.junctions:
        site = junction.intersection
        table.add_row(
            junction.id,
            str(len(site.groups)),
            str(len(site.stages)),
            str(sum(mask.bit_count() for mask in site.conflicts) // 2),
            str(len(junction.loops)),
            str(len(site.detectors) - len(junction.loops)),
            f"{junction.shipped_plan.cycle_ms / 1000:g}",
            ", ".join(
                f"{count} {severity}"
                for severity, count in Counter(f.severity for f in junction.findings).items()
            ),
        )
    results().print(table)


def _print_junction(junction: Junction) -> None:
    from rich import box
    from rich.table import Table

    site = junction.intersection
    groups = Table("group", "kind", "min green s", "ends in s", "conflicts with", "gives way to")
    for i, group in enumerate(site.groups):
        groups.add_row(
            group.name,
            group.kind.value,
            f"{group.min_green_ms / 1000:g}",
            f"{group.ending_ms / 1000:g}",
            ", ".join(site.names(site.conflicts[i])),
            ", ".join(site.names(site.yields_to[i])),
        )
    stages = Table("stage", "green groups", "split s in the shipped plan")
    splits = _splits_s(junction)
    for stage in site.stages:
        stages.add_row(stage.name, ", ".join(stage.groups), splits.get(stage.name, ""))
    detectors = Table("detector", "role", "distance m", "calls")
    for detector in site.detectors:
        detectors.add_row(
            detector.name,
            detector.role.value,
            f"{detector.distance_m:.0f}",
            ", ".join(detector.groups),
        )
    console = results()
    console.print(f"[bold]{junction.id}[/]")
    for table in (groups, stages, detectors):
        table.box = box.SIMPLE_HEAD
        console.print(table)


def _splits_s(junction: Junction) -> dict[str, str]:
    splits: dict[str, str] = {}
    for entry in junction.shipped_plan.stages:
        split = f"{entry.split_ms / 1000:g}"
        splits[entry.stage] = f"{splits[entry.stage]}, {split}" if entry.stage in splits else split
    return splits
