"""The files of ``greenband inspect``: a page with all drawings, a site and a plan for each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from controller import plan_json, site_json
from greenband.files import write_text
from greenband.findings import Found, network_findings
from greenband.names import file_name

if TYPE_CHECKING:
    from controller.intersection import Intersection
    from sim.network import Junction, Network

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; color: #1a1a1a;
       padding: 0 1rem }
svg { max-width: 100%; height: auto } table { border-collapse: collapse; margin: .8rem 0 }
th, td { text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid #ddd;
         vertical-align: top } section { break-inside: avoid; margin-top: 3rem }
.unsafe { color: #a30000; font-weight: 600 } .warning { color: #7a4b00 }
"""


def write_inspection(network: Network, folder: Path, *, title: str) -> Path:
    """Write everything about *network* into *folder*; returns the page. Raises OSError."""
    from sim.network.drawing import junction_svg

    sections = []
    for junction in network.junctions:
        drawing = junction_svg(junction, network)
        stem = file_name(junction.intersection.name)
        write_text(folder / f"{stem}.svg", drawing)
        write_text(folder / f"{stem}.site.json", site_json.to_json(junction.intersection))
        write_text(folder / f"{stem}.plan.json", plan_json.to_json(junction.shipped_plan))
        sections.append(_section(junction, drawing))
    page = folder / "index.html"
    write_text(page, _page(title, network_findings(network), sections))
    return page


def _page(title: str, found: Sequence[Found], sections: Sequence[str]) -> str:
    contents = "".join(sections)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}: junctions</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>
<body><h1>{escape(title)}</h1>
<p>{len(sections)} junction{"" if len(sections) == 1 else "s"} with lights, as derived from the
network.</p>
{_findings(found)}{contents}</body></html>
"""


def _section(junction: Junction, drawing: str) -> str:
    site = junction.intersection
    return f"""<section id="{escape(junction.id)}"><h2>{escape(junction.id)}</h2>
{drawing.partition("?>")[2] if drawing.startswith("<?xml") else drawing}
{_groups(site)}{_stages(site)}{_detectors(site)}</section>
"""


def _groups(site: Intersection) -> str:
    rows = (
        (
            group.name,
            group.kind.value,
            f"{group.min_green_ms / 1000:g}",
            f"{group.ending_ms / 1000:g}",
            ", ".join(site.names(site.conflicts[i])),
            ", ".join(site.names(site.yields_to[i])),
        )
        for i, group in enumerate(site.groups)
    )
    heads = ("group", "kind", "minimum green s", "ends in s", "conflicts with", "gives way to")
    return _table(heads, rows)


def _stages(site: Intersection) -> str:
    rows = ((stage.name, ", ".join(stage.groups)) for stage in site.stages)
    return _table(("stage", "green groups"), rows)


def _detectors(site: Intersection) -> str:
    rows = (
        (each.name, each.role.value, f"{each.distance_m:.0f}", ", ".join(each.groups))
        for each in site.detectors
    )
    return _table(("detector", "role", "distance m", "calls"), rows)


def _findings(found: Sequence[Found]) -> str:
    items = "".join(
        f'<li class="{escape(each.severity)}">{escape(each.severity)}: {escape(each.where)}: '
        f"{escape(each.message)} [{escape(each.rule)}]</li>"
        for each in found
    )
    return f"<h2>Findings</h2><ul>{items}</ul>" if items else "<p>Nothing to remark.</p>"


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{escape(each)}</th>" for each in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
