"""The report: one self-contained HTML file that an engineer can put before a council."""

from __future__ import annotations

from pathlib import Path

from sim.errors import BenchError
from sim.network import Network
from sim.report.cast import cast
from sim.report.pictures import summary_svg
from sim.report.plan_report import write_pictures
from sim.report.render import render
from sim.report.street_scene import street_scene
from sim.report.writing import write_text
from sim.results import Comparison

__all__ = ["summary_svg", "write_report", "write_street_pictures"]


def write_report(comparison: Comparison, network: Network, path: Path, *, command: str) -> None:
    """Write the report on *comparison* to *path*, completely or not at all.

    *command* is the command line that repeats it. Sections whose detail no run kept say how to get
    it. Raises :class:`BenchError` when no control has a finished run, or when the file can't be
    written.
    """
    if not any(control.runs for control in comparison.controls):
        raise BenchError(
            f"nothing to report on {comparison.scenario}: no control has a finished run"
        )
    write_text(path, render(comparison, network, command))


def write_street_pictures(comparison: Comparison, network: Network, folder: Path) -> list[Path]:
    """Every drawing of the main street as an SVG file in *folder*; nothing if none was watched.

    Raises :class:`BenchError` when a file can't be written.
    """
    scene = street_scene(cast(comparison), network)
    return write_pictures(scene.pictures if scene else (), folder)
