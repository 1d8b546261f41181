"""The page of a corridor bench: one HTML file, in the dress of the comparison's report."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from sim import report as comparison_report
from sim.corridors.bench import CorridorBench, Pair, figures_of, junction_figures
from sim.report import charts, formatting
from sim.report.writing import write_text

_TEMPLATES = Path(comparison_report.__file__).parent / "templates"


def write_page(bench: CorridorBench, path: Path) -> None:
    """Write the page about *bench* to *path*, completely or not at all.

    Raises :class:`~sim.errors.BenchError` when the file can't be written.
    """
    write_text(path, render(bench))


def render(bench: CorridorBench) -> str:
    """The whole page as HTML."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters.update(number=formatting.number)
    environment.globals.update(count=formatting.count, change=_change)
    pairs = bench.pairs
    axis = charts.Axis.up_to(max((pair.without.travel_s or 0.0 for pair in pairs), default=1.0))
    return environment.get_template("corridors.html.j2").render(
        bench=bench,
        figures=figures_of(bench),
        junctions=junction_figures(bench),
        pairs=pairs,
        strips=[_strip(axis, pair) for pair in pairs],
        axis_strip=charts.axis_strip(axis),
    )


def _strip(axis: charts.Axis, pair: Pair) -> Markup:
    before, after = pair.without.travel_s or 0.0, pair.with_.travel_s or 0.0
    return charts.dumbbell(axis, before, after, "worse" if after > before else "same")


def _change(before: float, after: float) -> str:
    """``−81 %``; an en dash where there was nothing before."""
    if before <= 0:
        return formatting.MISSING
    return f"{formatting.signed((after / before - 1.0) * 100.0)} %"
