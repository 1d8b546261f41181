"""``greenband edge``: the daemon at the roadside, and the file that it runs by."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from greenband.config_check import checked, number
from greenband.failures import UsageError, guarded
from greenband.files import write_text
from greenband.options import AS_JSON
from greenband.terminal import print_json, results, say
from greenband.version import greenband_version

if TYPE_CHECKING:
    from edge.config import EdgeConfig

app = typer.Typer(no_args_is_help=True, help="The daemon at the roadside.")

SITE = Annotated[Path, typer.Argument(metavar="SITE.TOML", help="The edge and its cabinets.")]


@app.command("check", epilog="Example:  greenband edge check site.toml")
@guarded
def check_command(site: SITE, as_json: AS_JSON = False) -> None:
    """Name every error of a site file with its line, or say what would run.

    The files that it names are read too: sites, plans, keys, certificates, links. Nothing is
    connected to. The exit code is 1 if there is any error.
    """
    from edge.config import load

    config = checked(site, load, as_json=as_json)
    if as_json:
        print_json(_config_json(site, config))
    else:
        _print_config(site, config)


@app.command(
    "run",
    epilog="Example:  greenband edge run site.toml",
)
@guarded
def run_command(
    site: SITE,
    lockstep: Annotated[
        str | None,
        typer.Option(
            help="No clock: a bench at this port says when it is what second.", metavar="HOST:PORT"
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Log as JSON lines, whatever the site file says.")
    ] = False,
) -> None:
    """Control the cabinets of a site file, once a second, until it is told to stop.

    Logs go to standard error, one JSON object to a line unless the site file says text. It never
    ends because a cabinet, the broker or the disk fails; what is wrong is logged, and told to who
    asks for its health.
    """
    import asyncio

    from edge.config import load
    from edge.logs import configure_logging
    from edge.service import run, run_lockstep
    from firmware_bridge.ends import host_and_port

    address = None if lockstep is None else host_and_port(lockstep, 0)
    config = checked(site, load)
    configure_logging(config.logging.level, "json" if as_json else config.logging.format)
    if address is None:
        asyncio.run(run(config, greenband_version()))
    else:
        asyncio.run(run_lockstep(config, address, _tell, greenband_version()))


def _tell(line: str) -> None:
    """In one write: the log may go to the same file, and must not come between."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@app.command("init", epilog="Example:  greenband edge init site.toml --site sites/J1.site.json")
@guarded
def init_command(
    site: Annotated[Path, typer.Argument(metavar="SITE.TOML", help="Where to write it.")] = Path(
        "site.toml"
    ),
    sites: Annotated[
        list[Path] | None,
        typer.Option(
            "--site",
            help="A cabinet of it, by its site file, with .plan.json and .key beside that; may be "
            "repeated. Each is looked for on this computer, from port 1502 on.",
            metavar="FILE",
        ),
    ] = None,
    as_json: AS_JSON = False,
) -> None:
    """Write a site file with every key explained, to be adapted.

    With --site it is one for these cabinets, without a broker.
    """
    from edge.first_site import example, for_sites

    if site.exists():
        raise UsageError(f"{site} is there already: give another name")
    write_text(site, for_sites(sites, site.parent) if sites else example())
    if as_json:
        print_json({"schema": 1, "file": str(site)})
    elif sites:
        say(f"{site} written, without a broker: greenband edge check {site}")
    else:
        say(f"{site} written: adapt it, then greenband edge check {site}")


def _config_json(site: Path, config: EdgeConfig) -> dict[str, object]:
    return {
        "schema": 1,
        "file": str(site),
        "valid": True,
        "edge": config.name,
        "broker": None if config.broker is None else config.broker.url,
        "store": None if config.store is None else str(config.store.path),
        "http": config.http.bind,
        "adaptive": config.control.adaptive,
        "cabinets": [
            {
                "name": each.name,
                "link": str(each.link),
                "unit": each.unit,
                "groups": len(each.site.groups),
                "detectors": len(each.site.detectors),
                "plan": each.plan.name,
                "cycle_ms": each.plan.cycle_ms,
            }
            for each in config.cabinets
        ],
        "links": len(config.links),
        "remarks": list(config.remarks),
    }


def _print_config(site: Path, config: EdgeConfig) -> None:
    from rich.table import Table

    console = results()
    table = Table(box=None, header_style="bold")
    for heading in ("cabinet", "link", "plan"):
        table.add_column(heading)
    for heading in ("unit", "groups", "detectors", "cycle"):
        table.add_column(heading, justify="right")
    for each in config.cabinets:
        table.add_row(
            *(each.name, str(each.link), each.plan.name, str(each.unit)),
            *(str(len(each.site.groups)), str(len(each.site.detectors))),
            f"{each.plan.cycle_ms / 1_000:g} s",
        )
    console.print(table)
    mode = "adaptive" if config.control.adaptive else "plans by clock"
    facts = {
        "edge": f"{config.name}, {mode}, {number(len(config.links), 'link')} to neighbours",
        "health": f"http://{config.http.bind}/healthz",
    }
    if config.broker is not None:
        facts["broker"] = f"{config.broker.url}, confirmed by the {config.broker.confirmed_by}"
    if config.store is not None:
        facts["store"] = f"{config.store.path}, events {config.store.events_days} days"
    for name, fact in facts.items():
        console.print(f"{name:8}{fact}", soft_wrap=True, markup=False)
    for remark in config.remarks:
        say(f"{site}: note: {remark}")
    say(f"{site}: no error")
