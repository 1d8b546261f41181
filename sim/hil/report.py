"""The report on one run of the bench: one HTML file, in the dress of the comparison's."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sim import report as comparison_report
from sim.hil.queue_chart import queue_chart
from sim.hil.results import HilResult
from sim.hil.wording import caution, headline, recovery_words, unwatched
from sim.report import charts, formatting
from sim.report.writing import write_text

_TEMPLATES = Path(comparison_report.__file__).parent / "templates"
_DELAY_SERIES = (("this run", "ours"), ("one process", "before"))


def write_hil_report(result: HilResult, path: Path, *, command: str) -> None:
    """Write the report on *result* to *path*, completely or not at all.

    Raises :class:`~sim.errors.BenchError` when the file can't be written.
    """
    write_text(path, render(result, command))


def render(result: HilResult, command: str) -> str:
    """The whole page as HTML."""
    records = (result.run, result.reference)
    series = [
        charts.Series(label, kind, [(second, delay_s) for second, delay_s, _ in record.delays])
        for (label, kind), record in zip(_DELAY_SERIES, records, strict=True)
    ]
    faults = list(dict.fromkeys(result.faults))
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters.update(
        number=formatting.number, signed=formatting.signed, share=formatting.share
    )
    environment.globals.update(count=formatting.count, line_key=charts.line_key)
    return environment.get_template("hil.html.j2").render(
        result=result,
        run=result.run.result,
        reference=result.reference.result,
        command=command,
        headline=headline(result),
        caution=caution(result),
        recovery_words=recovery_words,
        unwatched=unwatched(result),
        delay_chart=charts.time_lines(series, "Mean delay by minute of departure"),
        series=series,
        queue_chart=queue_chart(result.run.standing, result.reference.standing, faults),
        faults=faults,
        window_s=result.end_s - result.begin_s,
    )
