"""``greenband scenarios``: what is in the catalogue, and putting it into the cache."""

from __future__ import annotations

from typing import Annotated

import typer

from greenband.failures import guarded
from greenband.options import AS_JSON
from greenband.selection import require_scenario_name
from greenband.terminal import print_json, results, say

app = typer.Typer(no_args_is_help=True, help="List the scenarios by name, and fetch them.")


@app.command("list", epilog="Example:  greenband scenarios list")
@guarded
def list_command(as_json: AS_JSON = False) -> None:
    """List the scenarios that have a name, and whether they are in the cache."""
    from sim.catalogue import list_scenarios

    entries = list_scenarios()
    if as_json:
        print_json(
            {
                "schema": 1,
                "scenarios": [
                    {
                        "name": entry.name,
                        "title": entry.title,
                        "place": entry.place,
                        "begin_s": entry.window_s[0],
                        "end_s": entry.window_s[1],
                        "licence": entry.licence,
                        "fetched": entry.fetched,
                    }
                    for entry in entries
                ],
            }
        )
        return
    from rich.table import Table

    table = Table("scenario", "what", "where", "window s", "cached", box=None, pad_edge=False)
    for entry in entries:
        begin_s, end_s = entry.window_s
        fetched = "yes" if entry.fetched else "no"
        table.add_row(entry.name, entry.title, entry.place, f"{begin_s}–{end_s}", fetched)
    results().print(table)


@app.command(
    "fetch",
    epilog="Example:  greenband scenarios fetch cologne8\n\n"
    "Example:  greenband scenarios fetch all",
)
@guarded
def fetch_command(
    name: Annotated[str, typer.Argument(help="A scenario of the list, or all.")] = "all",
    as_json: AS_JSON = False,
) -> None:
    """Put scenarios into the cache; the terms of the original data apply."""
    from sim.catalogue import fetch_scenario, scenario_names

    names = scenario_names() if name == "all" else (require_scenario_name(name),)
    fetched = {each: str(fetch_scenario(each, say)) for each in names}
    if as_json:
        print_json({"schema": 1, "fetched": fetched})
    else:
        for path in fetched.values():
            print(path)
