"""The picture of the README from a comparison that was measured.

``greenband compare cologne8 --control all --seeds 5 --json out/cologne8.json``, then
``python -m benchmarks.readme_picture out/cologne8.json``.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from sim.report import summary_svg
from sim.report.writing import write_text
from sim.results import Comparison, ControlResult, RunResult

PICTURE = Path("docs/images/summary.svg")


def comparison_of(document: dict[str, Any]) -> Comparison:
    """The comparison that *document* (``compare --json``) tells of, without what only draws."""
    known = {field.name for field in fields(RunResult)}
    controls = tuple(
        ControlResult(
            name=control["name"],
            sees=control["sees"],
            runs=tuple(
                RunResult(**{name: value for name, value in run.items() if name in known})
                for run in control["runs"]
            ),
        )
        for control in document["controls"]
    )
    names = ("scenario", "convention", "sumo", "scale")
    return Comparison(controls=controls, **{name: document[name] for name in names})


def main() -> None:
    """Draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("comparison", type=Path, help="what compare --json wrote")
    document = json.loads(parser.parse_args().comparison.read_text(encoding="utf-8"))
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    write_text(PICTURE, summary_svg(comparison_of(document)))
    print(PICTURE)


if __name__ == "__main__":
    main()
