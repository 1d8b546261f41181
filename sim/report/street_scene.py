"""The main street of a comparison, before and after: what its runs recorded, as pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from controller.plan import TimingPlan
from sim.controls.planned import PLAN_SUFFIX, plans_by_site
from sim.errors import BenchError
from sim.network.model import Network
from sim.pictures.gallery import Scene, run_scene
from sim.plans.plan_json import from_json
from sim.report.cast import SHIPPED, Cast, label
from sim.results import ControlResult, StreetRecord

SIGNALS_SHOWN = 2
"""Whose arrivals and lamps are drawn; the table has all signals of the street."""


def street_scene(parts: Cast, network: Network) -> Scene | None:
    """The street of the subject's run and of what it would replace; None if none was watched."""
    after = record_of(parts.subject)
    if after is None:
        return None
    before = record_of(parts.baseline) if parts.baseline else None
    baseline = label(parts.baseline.name) if parts.baseline else ""
    return run_scene(
        network,
        after,
        before,
        (f"Before: {baseline}", f"After: {label(parts.subject.name)}"),
        (
            _plans(parts.baseline, network) if parts.baseline else None,
            _plans(parts.subject, network),
        ),
        at_most=SIGNALS_SHOWN,
    )


def record_of(control: ControlResult) -> StreetRecord | None:
    """What the first run of *control* that watched the street recorded."""
    details = (run.detail for run in control.runs)
    return next((detail.street for detail in details if detail and detail.street), None)


def _plans(control: ControlResult, network: Network) -> Mapping[str, TimingPlan] | None:
    """The plans that *control* runs, where a file or the network says so."""
    if control.name == SHIPPED:
        return {junction.id: junction.shipped_plan for junction in network.junctions}
    if control.name.endswith(PLAN_SUFFIX):
        try:
            text = Path(control.name).read_text(encoding="utf-8")
            return plans_by_site(from_json(text), network)
        except (OSError, UnicodeDecodeError, BenchError):
            return None  # it ran, but is gone by now: no offsets beside the signals
    return None
