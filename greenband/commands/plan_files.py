"""``greenband plan check``, ``diff``, ``export`` and ``schema``: what is done with plan files."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from greenband.commands.plan import app
from greenband.failures import UnsafeError, UsageError, guarded
from greenband.files import ensure_writable, write_text
from greenband.findings import UNSAFE, Found, print_findings
from greenband.names import file_name
from greenband.options import AS_JSON, CONVENTION, JSON_TO
from greenband.selection import get_network, get_scenario
from greenband.terminal import STANDARD_OUTPUT, print_json, results, say

if TYPE_CHECKING:
    from controller.intersection import Intersection
    from optimizer.planning.network import NetworkPlan
    from sim.network import Network
    from sim.plans.diff import SiteDiff
    from sim.plans.read_plan import ReadPlan
    from sim.plans.utdf import Utdf
    from sim.plans.utdf_writer import Turns, Walks

_NETWORKS = (".net.xml", ".net.xml.gz", ".sumocfg")

PLAN_FILE = Annotated[
    Path,
    typer.Argument(
        metavar="PLAN",
        help="A plan (.json), SUMO programs (.xml), UTDF (.csv), a folder for cabinets, or a "
        "network or scenario: what it runs today.",
    ),
]
NET = Annotated[
    str | None,
    typer.Option(
        help="The network, scenario or UTDF file of the plan, if it does not say so itself.",
        metavar="NET|SCENARIO|UTDF",
    ),
]


@app.command("check", epilog="Example:  greenband plan check plan.json --net arterial4x4")
@guarded
def check_command(
    plan: PLAN_FILE, net: NET = None, convention: CONVENTION = "field", as_json: AS_JSON = False
) -> None:
    """Name what a signal engineer would object to in a plan for a whole network.

    Splits below minimum greens, walks and interstages, cycles that don't go together, sites
    without a plan, long waits. The exit code is 1 if there is anything unsafe.
    """
    from sim.plans.check import check_network_plan

    read, place = _read(plan, net, convention)
    found = [
        Found(each.severity, each.rule, each.where, each.message)
        for each in (*read.remarks, *check_network_plan(read.plan, _sites(place)))
    ]
    unsafe = any(each.severity == UNSAFE for each in found)
    if as_json:
        entries = [asdict(each) for each in found]
        print_json({"schema": 1, "target": str(plan), "safe": not unsafe, "findings": entries})
    else:
        print_findings(found)
        say(
            f"{plan}: {len(read.plan.plans)} sites, "
            f"{'unsafe' if unsafe else 'nothing unsafe found'}"
        )
    if unsafe:
        raise UnsafeError


@app.command("diff", epilog="Example:  greenband plan diff today.add.xml plan.json --net NET")
@guarded
def diff_command(
    before: PLAN_FILE,
    after: PLAN_FILE,
    net: NET = None,
    convention: CONVENTION = "field",
    every: Annotated[bool, typer.Option("--all", help="Show sites without change too.")] = False,
    as_json: AS_JSON = False,
) -> None:
    """Show what a plan does otherwise than another one: cycle, offset, order and splits by site."""
    from sim.plans.diff import diff_plans

    old, new = _load(before, net, convention), _load(after, net, convention)
    diff = diff_plans(old.plan, new.plan)
    for remark in (*old.remarks, *new.remarks):
        say(str(remark))
    if as_json:
        print_json(
            {
                "schema": 1,
                "before": str(before),
                "after": str(after),
                "same": diff.is_empty,
                "zones_changed": diff.zones_changed,
                "sites": [_site_document(site) for site in diff.sites],
            }
        )
        return
    shown = [site for site in diff.sites if every or site.changed]
    if shown:
        _print_diff(shown)
    changed = sum(1 for site in diff.sites if site.changed)
    zones = ", other zones" if diff.zones_changed else ""
    say(f"{changed} of {len(diff.sites)} sites differ{zones}")


@app.command(
    "export",
    epilog="Example:  greenband plan export plan.json --sumo plan.add.xml --utdf plan.csv",
)
@guarded
def export_command(
    plan: PLAN_FILE,
    net: NET = None,
    convention: CONVENTION = "field",
    sumo: Annotated[
        Path | None,
        typer.Option(help="SUMO additional file, for sumo -a.", metavar="FILE.add.xml"),
    ] = None,
    utdf: Annotated[
        Path | None, typer.Option(help="UTDF combined file.", metavar="FILE.csv")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Our own file.", metavar="FILE.json")
    ] = None,
    device: Annotated[
        Path | None,
        typer.Option(help="A site and a plan file for every cabinet.", metavar="DIR"),
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="With --device: sign uploads with this.", metavar="FILE")
    ] = None,
    number: Annotated[
        int | None,
        typer.Option(help="Sequence number of the plans; cabinets take only higher ones."),
    ] = None,
    volumes: Annotated[
        bool, typer.Option("--volumes", help="With --utdf: count the scenario's routes and walks.")
    ] = False,
) -> None:
    """Write a plan for others: SUMO, Synchro and its kind (UTDF), cabinets, or as JSON.

    Each can be read back with plan check, diff and export without loss.
    """
    if sumo is utdf is json_file is device is None:
        raise UsageError("say what to write: --sumo, --utdf, --json or --device")
    if key_file is not None and device is None:
        raise UsageError("--key-file goes with --device")
    if volumes and utdf is None:
        raise UsageError("--volumes goes with --utdf")
    for target in (sumo, utdf, json_file):
        if target is not None:
            ensure_writable(target)
    read, place = _read(plan, net, convention)
    for remark in read.remarks:
        say(str(remark))
    whole = _numbered(read.plan, number)
    if sumo is not None:
        _write(sumo, _sumo_text(whole, place))
    if utdf is not None:
        _write(utdf, _utdf_text(whole, place, net or whole.network, volumes=volumes))
    if json_file is not None:
        from sim.plans.plan_json import to_json

        _write(json_file, to_json(whole))
    if device is not None:
        _write_device(whole, _sites(place), device, key_file)


@app.command("schema", epilog="Example:  greenband plan schema --json network-plan.schema.json")
@guarded
def schema_command(json_to: JSON_TO = None) -> None:
    """Print the JSON Schema of the network plan file, or write it to a file."""
    from sim.plans.plan_json import schema

    print_json(schema(), json_to or STANDARD_OUTPUT)


def _read(path: Path, net: str | None, convention: str) -> tuple[ReadPlan, Network | Utdf]:
    """The plan in *path*, and the network that ``--net`` or the plan itself names."""
    read, spec = load_with_spec(path, net, convention)
    return read, _place(spec, convention)


def load_with_spec(path: Path, net: str | None, convention: str) -> tuple[ReadPlan, str]:
    """The plan in *path*, and what ``--net`` or the plan itself calls its network."""
    read = _load(path, net, convention)
    spec = net or read.plan.network
    if not spec:
        raise UsageError(f"{path}: give --net, the network (or scenario) that it is for")
    return read, spec


def _load(path: Path, net: str | None, convention: str) -> ReadPlan:
    from sim.plans.load import load_plan
    from sim.plans.read_plan import ReadPlan
    from sim.plans.zones import shipped_network_plan

    def network(named: str) -> Network | None:
        spec = net or named
        if not spec and path.suffix == ".csv":
            return None
        if not spec:
            raise UsageError(f"{path}: give --net, the network (or scenario) that it is for")
        return None if spec.endswith(".csv") else _derived(spec, convention)

    if path.name.endswith(_NETWORKS) or not (path.suffix or path.exists()):
        return ReadPlan(shipped_network_plan(_derived(str(path), convention), str(path)))
    return load_plan(path, network)


def _place(spec: str, convention: str) -> Network | Utdf:
    """What a plan is for: a SUMO network, or a UTDF file with sites of its own."""
    if spec.endswith(".csv"):
        from sim.plans.utdf import read_utdf

        return read_utdf(Path(spec))
    return _derived(spec, convention)


@cache
def _derived(spec: str, convention: str) -> Network:
    """The same network for every file of one command."""
    return get_network(spec, convention)


def _sites(place: Network | Utdf) -> list[Intersection]:
    from sim.network import Network
    from sim.plans.utdf_site import site_of_node

    if isinstance(place, Network):
        return [junction.intersection for junction in place.junctions]
    return [site_of_node(place, node).site for node in place.signals()]


def _numbered(plan: NetworkPlan, number: int | None) -> NetworkPlan:
    if number is None:
        return plan
    if number < 1:
        raise UsageError(f"--number {number}: give a number above 0")
    return replace(plan, plans=tuple(replace(each, sequence_no=number) for each in plan.plans))


def _sumo_text(plan: NetworkPlan, place: Network | Utdf) -> str:
    from sim.network import Network
    from sim.plans.tllogic import tllogic_xml

    if not isinstance(place, Network):
        raise UsageError("--sumo needs a SUMO network: give it with --net")
    return tllogic_xml(plan, place)


def _utdf_text(plan: NetworkPlan, place: Network | Utdf, spec: str, *, volumes: bool) -> str:
    """A new file for a SUMO network; for a plan made from UTDF that file with the plan put in."""
    from sim.network import Network
    from sim.plans.utdf import read_utdf_text
    from sim.plans.utdf_update import updated_utdf
    from sim.plans.utdf_writer import utdf_text

    if isinstance(place, Network):
        return utdf_text(plan, place, *(_demand(spec, place) if volumes else (None, None)))
    if volumes:
        raise UsageError("--volumes counts a scenario's routes; a UTDF file has its own volumes")
    return updated_utdf(read_utdf_text(Path(spec)), plan, spec)


def _demand(spec: str, network: Network) -> tuple[Turns, Walks]:
    """What turns, and who walks, in the scenario *spec*."""
    from sim.planning.demand import demand_of

    demand = demand_of(get_scenario(spec), network)
    turns = {
        (turn.junction, turn.from_edge, turn.to_edge): flow for turn, flow in demand.turns.items()
    }
    return turns, {(walk.junction, walk.group): flow for walk, flow in demand.walks.items()}


def _write(path: Path, text: str) -> None:
    write_text(path, text)
    say(f"wrote {path}")


def _write_device(
    plan: NetworkPlan, sites: list[Intersection], folder: Path, key_file: Path | None
) -> None:
    from firmware_bridge.keys import read_key
    from sim.plans.device_files import device_files

    key = None if key_file is None else read_key(key_file)
    if key is not None and any(each.sequence_no < 1 for each in plan.plans):
        raise UsageError(
            "--key-file needs --number: a cabinet takes only a plan with a higher number than "
            "the one it has"
        )
    files = device_files(plan, sites, file_name, key)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    say(f"wrote {len(files)} files to {folder}")


def _print_diff(sites: list[SiteDiff]) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("site", overflow="fold")
    for name in ("cycle s", "offset s"):
        table.add_column(name, justify="right")
    table.add_column("stages and splits s", overflow="fold")
    table.add_column("changed", overflow="fold")
    for site in sites:
        table.add_row(site.site, *_rows(site), ", ".join(site.changed))
    results().print(table)


def _rows(site: SiteDiff) -> tuple[str, str, str]:
    """Cycle, offset and splits; before and after on two lines where they differ."""
    both = [
        ("–", "–", "–")
        if plan is None
        else (
            f"{plan.cycle_ms / 1000:g}",
            "isolated" if plan.offset_ms is None else f"{plan.offset_ms / 1000:g}",
            "  ".join(f"{entry.stage}: {entry.split_ms / 1000:g}" for entry in plan.stages),
        )
        for plan in (site.before, site.after)
    ]
    cycle, offset, splits = (
        old if old == new else f"{old}\n→ {new}" for old, new in zip(*both, strict=True)
    )
    return cycle, offset, splits


def _site_document(site: SiteDiff) -> dict[str, object]:
    from controller.plan_json import document

    return {
        "site": site.site,
        "changed": list(site.changed),
        "before": None if site.before is None else document(site.before),
        "after": None if site.after is None else document(site.after),
    }
