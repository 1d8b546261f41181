"""From a comparison to the text of the page."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from sim.controls import CONTROLS
from sim.network import Network
from sim.pictures.style import page_style
from sim.report import charts, formatting, netmap, sections, wording
from sim.report.aggregate import Detail, aggregate
from sim.report.burden import (
    LOS_BOUNDS_S,
    MOVEMENT_TOLERANCE_S,
    MOVEMENT_VEHICLES_MIN,
    SIDE_STREET_SHARE,
    Burden,
    burden,
)
from sim.report.cast import Cast, cast, label
from sim.report.street_scene import street_scene
from sim.report.streets import Streets, streets_of
from sim.report.why import reasons
from sim.results import Comparison
from sim.worker import JAMMED_S

_TEMPLATES = Path(__file__).parent / "templates"


def render(comparison: Comparison, network: Network, command: str) -> str:
    """The whole page as HTML; raises ValueError when no control has a finished run."""
    parts = cast(comparison)
    details = {control.name: aggregate(control) for control in comparison.controls}
    streets = streets_of(network)
    after = details[parts.subject.name]
    before = details[parts.baseline.name] if parts.baseline else None
    values: dict[str, object] = {
        "comparison": comparison,
        "command": command,
        "parts": parts,
        "subject": label(parts.subject.name),
        "baseline": label(parts.baseline.name) if parts.baseline else "",
        "summaries": {name: control.summary for name, control in CONTROLS.items()},
        "seeds": sorted({run.seed for control in comparison.controls for run in control.runs}),
        "detail_seeds": after.seeds if after else (),
        "has_before": before is not None,
        "has_after": after is not None,
        "jammed_s": JAMMED_S,
        "findings": network.all_findings(),
        **_headline(comparison, parts),
        **_peers(comparison, parts, details, network),
        **_over_time(parts, details),
        **_queues(streets, before, after, comparison.scenario),
        "splits": sections.splits(network, streets, before, after),
        "junctions": sections.junction_delays(streets, before, after),
        **_movements(streets, _burden(parts, before, after)),
        "scene": street_scene(parts, network),
        "reasons": reasons(streets, after),
        "subject_explains": parts.subject.name in CONTROLS
        and CONTROLS[parts.subject.name].explains,
    }
    return environment().get_template("report.html.j2").render(values)


def _headline(comparison: Comparison, parts: Cast) -> dict[str, object]:
    return {
        "headline": wording.headline(comparison, parts),
        "sentences": wording.peer_sentences(parts),
        "caution": wording.caution(comparison, parts),
        "key_figures": sections.key_figures(parts),
    }


def _peers(
    comparison: Comparison, parts: Cast, details: dict[str, Detail | None], network: Network
) -> dict[str, object]:
    rows, axis = sections.peer_rows(comparison, parts, details, network)
    return {
        "peers": rows,
        "peer_axis": axis,
        "pedestrians": any(row.measures["pedestrian_delay_s"] for row in rows),
    }


def _over_time(parts: Cast, details: dict[str, Detail | None]) -> dict[str, object]:
    series = sections.time_series(parts, details)
    names = ", ".join(line.label for line in series)
    description = f"Mean delay in seconds per vehicle by time of departure: {names}"
    times = sorted({second for line in series for second, _ in line.points})
    return {
        "series": series,
        "time_chart": charts.time_lines(series, description) if series else "",
        "time_table": [
            (formatting.clock(second), [dict(line.points).get(second) for line in series])
            for second in times
        ],
        "line_key": charts.line_key,
    }


def _queues(
    streets: Streets, before: Detail | None, after: Detail | None, scenario: str
) -> dict[str, object]:
    def drawing(detail: Detail | None, when: str) -> Markup:
        if detail is None or not detail.edges or not streets.edges:
            return Markup("")
        return netmap.queue_map(streets, detail.edges, f"Queues on {scenario}, {when}")

    return {
        "map_before": drawing(before, "before"),
        "map_after": drawing(after, "after"),
        "map_classes": [
            (netmap.class_key(level), text) for level, text in enumerate(netmap.class_labels())
        ],
        "spillback_key": netmap.spillback_key(),
        "spillback_mark": netmap.SPILLBACK_MARK,
        "vehicle_room_m": netmap.METRES_PER_HALTING_VEHICLE,
        "queues": sections.queue_rows(streets, before, after),
    }


def _burden(parts: Cast, before: Detail | None, after: Detail | None) -> Burden | None:
    if parts.baseline is None:
        return None
    return burden(parts.baseline, parts.subject, before, after)


def _movements(streets: Streets, found: Burden | None) -> dict[str, object]:
    rows, scale_s = sections.movement_rows(streets, found.movements if found else ())
    shown = sections.SHOWN_MOVEMENTS
    return {
        "burden": found,
        "movements": rows,
        "few_movements": len(rows) <= 2 * shown,
        "most_risen": [row for row in rows if row.rise_s > 0][:shown],
        "most_fallen": [row for row in rows if row.rise_s < 0][-shown:],
        "scale_s": scale_s,
        "paying_movements": [row for row in rows if row.change.pays],
        "shown_paying": sections.SHOWN_PAYING,
        "paying_vehicles": sections.paying_vehicles(found) if found else 0.0,
        "payers": sections.payers_in_words(found) if found else [],
        "los": sections.los_counts(rows),
        "los_bounds": LOS_BOUNDS_S,
        "movement_tolerance_s": MOVEMENT_TOLERANCE_S,
        "movement_vehicles_min": MOVEMENT_VEHICLES_MIN,
        "side_street_share": SIDE_STREET_SHARE,
    }


def environment() -> Environment:
    """The templates with the filters that they use."""
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    made.filters.update(
        number=formatting.number,
        signed=formatting.signed,
        estimate=formatting.estimate,
        signed_estimate=formatting.signed_estimate,
        percent=formatting.percent,
        share=formatting.share,
    )
    made.globals["count"] = formatting.count
    made.globals["label"] = label
    made.globals["picture_style"] = page_style
    return made
