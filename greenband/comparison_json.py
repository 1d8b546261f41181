"""The JSON of a comparison, schema 1 (``docs/compare-json.md``).

Keys may be added to it but never change their meaning. Times in seconds, CO2 in grams, means over
trips as :class:`sim.results.RunResult` defines them; a value that a run could not measure is
``null``.
"""

from __future__ import annotations

import math
from dataclasses import fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.results import Comparison, ControlResult, RunResult

_NOT_COMPARED = {"detail", "ahead", "emergency"}
"""What a run keeps for the report, or did with a present state, is no part of the interface."""


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """What ``--json`` writes for *comparison*."""
    from sim.results import SCHEMA

    return {
        "schema": SCHEMA,
        "scenario": comparison.scenario,
        "convention": comparison.convention,
        "sumo": comparison.sumo,
        "scale": comparison.scale,
        "controls": [_control(control) for control in comparison.controls],
        "failed": [
            {"name": failure.name, "sees": failure.sees, "reason": failure.reason}
            for failure in comparison.failed
        ],
    }


def _control(control: ControlResult) -> dict[str, Any]:
    from sim.controls import find_control

    return {
        "name": control.name,
        "sees": control.sees,
        "ours": find_control(control.name).ours,
        "runs": [run_document(run) for run in control.runs],
    }


def run_document(run: RunResult) -> dict[str, Any]:
    """One run."""
    return {
        field.name: _measured(getattr(run, field.name))
        for field in fields(run)
        if field.name not in _NOT_COMPARED
    }


def _measured(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
