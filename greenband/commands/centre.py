"""``greenband centre``: the file that a city's centre runs by."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from greenband.config_check import checked, number
from greenband.extras import require_sumo
from greenband.failures import UsageError, guarded
from greenband.files import write_text
from greenband.names import file_name, scenario_name
from greenband.options import AS_JSON, CONVENTION
from greenband.selection import get_network
from greenband.terminal import print_json, results, say

if TYPE_CHECKING:
    from edge.centre.config import CentreConfig

app = typer.Typer(no_args_is_help=True, help="The centre of a city: init, check.")
SITES = "sites"


@app.command("init", epilog="Example:  greenband centre init ingolstadt21 --out city")
@guarded
def init_command(
    scenario: Annotated[
        str,
        typer.Argument(
            metavar="NET|SCENARIO", help="A network (.net.xml), a .sumocfg, or a named scenario."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write into.", metavar="DIR")] = Path(
        "centre"
    ),
    convention: CONVENTION = "field",
    as_json: AS_JSON = False,
) -> None:
    """Write the file of a centre for a network, with its map, sites and new keys, to be adapted."""
    require_sumo()
    from controller import plan_json, site_json
    from edge.centre import first_centre, streets_json
    from sim.corridors.streets_from_net import streets_from_net
    from sim.live.fleet import fleet_of
    from sim.live.site_live import facts_of

    path = out / first_centre.FILE
    if path.exists():
        raise UsageError(f"{path} is there already: give another folder")
    network = get_network(scenario, convention)
    streets, sites = streets_from_net(network), facts_of(network)
    site_files = {}
    for junction in network.junctions:
        site, stem = junction.intersection, f"{SITES}/{file_name(junction.intersection.name)}"
        site_files[site.name] = f"{stem}.site.json"
        write_text(out / site_files[site.name], site_json.to_json(site))
        write_text(out / f"{stem}.plan.json", plan_json.to_json(junction.shipped_plan))
    write_text(out / first_centre.STREETS, streets_json.to_json(streets))
    first_centre.write_keys(out / "keys")
    name = file_name(scenario_name(scenario))
    vehicles = fleet_of(streets)
    text = first_centre.toml(name, sites.values(), site_files, vehicles.values())
    write_text(path, text)
    if as_json:
        print_json({"schema": 1, "file": str(path), "sites": list(sites)})
    else:
        say(f"{path} written, with {number(len(sites), 'site')}: greenband centre check {path}")


@app.command("check", epilog="Example:  greenband centre check city/centre.toml")
@guarded
def check_command(
    centre: Annotated[Path, typer.Argument(metavar="CENTRE.TOML", help="The file of a centre.")],
    as_json: AS_JSON = False,
) -> None:
    """Name every error of a centre's file with its line, or say what would run.

    The files that it names are read too: the map, sites, keys, certificates. Nothing is connected
    to. The exit code is 1 if there is any error.
    """
    from edge.centre.config import load

    config = checked(centre, load, as_json=as_json)
    if as_json:
        print_json(_document(centre, config))
    else:
        _print(centre, config)


def _document(path: Path, config: CentreConfig) -> dict[str, object]:
    plan = config.plan
    return {
        "schema": 1,
        "file": str(path),
        "valid": True,
        "centre": plan.name,
        "broker": plan.broker.url,
        "state": str(plan.folder),
        "streets": len(plan.streets.streets),
        "sites": dict(plan.edge_of),
        "vehicles": {each.name: [each.role, each.level] for each in plan.vehicles.values()},
        "agencies": {each.name: sorted(each.verbs) for each in config.agencies},
        "remarks": list(config.remarks),
    }


def _print(path: Path, config: CentreConfig) -> None:
    plan = config.plan
    edges = Counter(plan.edge_of.values())
    facts = {
        "centre": f"{plan.name}, {number(len(plan.streets.streets), 'street')}",
        "broker": plan.broker.url,
        "edges": ", ".join(f"{name} ({number(n, 'site')})" for name, n in edges.items()),
        "vehicles": ", ".join(
            f"{each.name} ({each.role}, level {each.level})" for each in plan.vehicles.values()
        ),
        "agencies": "; ".join(
            f"{each.name} ({', '.join(sorted(each.verbs))})" for each in config.agencies
        ),
        "state": str(plan.folder),
    }
    for name, fact in facts.items():
        results().print(f"{name:9}{fact or 'none'}", soft_wrap=True, markup=False)
    for remark in config.remarks:
        say(f"{path}: note: {remark}")
    say(f"{path}: no error; greenband serve --centre {path}")
