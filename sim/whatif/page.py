"""The page of a what-if: one HTML file, in the dress of the comparison's report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from sim import report as comparison_report
from sim.controls import CONTROLS
from sim.report import charts, formatting
from sim.report.cast import label
from sim.report.writing import write_text
from sim.whatif.asking import Answer
from sim.whatif.queue_lines import queue_lines
from sim.whatif.ranking import Ranked

_TEMPLATES = Path(comparison_report.__file__).parent / "templates"


def write_page(answer: Answer, path: Path, *, command: str, sentences: Sequence[str]) -> None:
    """Write the page about *answer* to *path*, completely or not at all.

    *command* repeats it, *sentences* say what it decides. Raises
    :class:`~sim.errors.BenchError` when the file can't be written.
    """
    write_text(path, render(answer, command, sentences))


def render(answer: Answer, command: str, sentences: Sequence[str]) -> str:
    """The whole page as HTML."""
    rows = answer.candidates
    top = max(run.delay_s for row in rows for run in row.runs.values())
    axis = charts.Axis.up_to(max([top, *(_upper(row) for row in rows)]))
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters.update(
        number=formatting.number,
        estimate=formatting.estimate,
        signed_estimate=formatting.signed_estimate,
    )
    environment.globals.update(count=formatting.count, label=label)
    return environment.get_template("whatif.html.j2").render(
        answer=answer,
        rows=rows,
        strips={row.name: _strip(axis, row, place) for place, row in enumerate(rows)},
        axis_strip=charts.axis_strip(axis),
        queue_chart=queue_lines(rows),
        headline=_headline(rows),
        sentences=sentences,
        command=command,
        summaries={name: control.summary for name, control in CONTROLS.items()},
    )


def _strip(axis: charts.Axis, row: Ranked, place: int) -> Markup:
    delays = [run.delay_s for run in row.runs.values()]
    return charts.dot_strip(axis, delays, row.delay_s, "ours" if place == 0 else "peer")


def _upper(row: Ranked) -> float:
    return row.delay_s.mean + (row.delay_s.half_width or 0.0)


def _headline(rows: Sequence[Ranked]) -> str:
    """Who is best, and by how much."""
    best, *others = rows
    alike = [row.name for row in others if row.like_best is not None]
    if not others:
        return f"Only {best.name} could be run"
    if alike:
        named = " or ".join([", ".join([best.name, *alike[:-1]]), alike[-1]])
        return f"{named}: the seeds can’t tell them apart"
    second = others[0]
    assert second.behind_s is not None
    seconds = formatting.number(second.behind_s.mean)
    return f"{best.name} is best, {seconds} s per vehicle ahead of {second.name}"
