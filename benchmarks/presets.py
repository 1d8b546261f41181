"""The matrices behind ``benchmarks/RESULTS.md``, by name: ``python -m benchmarks.matrix --preset``.

The hours are for all of it on two cores, none of it on record yet, measured run by run in November
2026; the progress line has a better estimate as soon as a few runs are done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from benchmarks.record.plan import Detection
from sim.detector_faults import DetectorFaults, FaultKind

OURS = "adaptive"
_HUMBLE = "fixed,actuated,actuated_max30,actuated_tuned"
_UNRELIABLE = ("cologne1", "cologne3", "ingolstadt21")
"""A few seeds of these decide over the mean: they are run with twice as many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """Options of the matrix, in the words of its command line.

    ``detection``: labels of ours with fewer detectors. ``more_seeds``: seeds of single scenarios
    besides those of ``options``.
    """

    summary: str
    hours: float
    options: Mapping[str, str]
    detection: Mapping[str, Detection] = field(default_factory=dict)
    more_seeds: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


_MISSING = (FaultKind.MISSING,)
_LAYOUTS = {
    "adaptive_stop_advance": Detection(layout="stop+advance"),
    "adaptive_stop": Detection(layout="stop"),
}
_FAILURES = {
    "adaptive_failed_10": Detection(faults=DetectorFaults(share=0.1)),
    "adaptive_blind_junction": Detection(faults=DetectorFaults(junctions=1, kinds=_MISSING)),
    "adaptive_blind": Detection(faults=DetectorFaults(share=1.0, kinds=_MISSING)),
}

PRESETS: Mapping[str, Preset] = {
    "main": Preset(
        summary="every control in both conventions, 10 seeds, 20 where seeds differ most",
        hours=6,
        options={"controls": "all", "conventions": "field,resco", "seeds": "1-10"},
        more_seeds=dict.fromkeys(_UNRELIABLE, tuple(range(11, 21))),
    ),
    "layouts": Preset(
        summary="ours without entry loops, and with stop-line loops alone, beside the peers that "
        "see loops or nothing",
        hours=2,
        options={
            "controls": ",".join((_HUMBLE, OURS, *_LAYOUTS)),
            "conventions": "field",
            "seeds": "1-10",
        },
        detection=_LAYOUTS,
    ),
    "failures": Preset(
        summary="ours with a tenth of its detectors failed, with one junction blind, and with "
        "all of them blind, beside the shipped plan",
        hours=2.5,
        options={
            "controls": ",".join(("fixed", OURS, *_FAILURES)),
            "conventions": "field",
            "seeds": "1-10",
        },
        detection=_FAILURES,
    ),
    "demand": Preset(
        summary="every control at 0.5, 1.3 and 2 times the demand",
        hours=10,
        options={
            "controls": "all",
            "conventions": "field",
            "seeds": "1-10",
            "scales": "0.5,1.3,2",
        },
    ),
}


def describe() -> str:
    """The presets with how long they take, a line each."""
    return "presets, with the hours that all runs of each take on two cores:\n" + "\n".join(
        f"  {name:<10} about {preset.hours:g} h: {preset.summary}"
        for name, preset in PRESETS.items()
    )


def with_faults_seed(detection: Mapping[str, Detection], seed: int) -> dict[str, Detection]:
    """*detection* with other detectors failing: those that *seed* draws."""
    return {
        label: replace(each, faults=replace(each.faults, seed=seed)) if each.faults else each
        for label, each in detection.items()
    }
