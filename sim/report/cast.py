"""Who plays which part in a report: ours, the plan it replaces, and the peers that count most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

from sim.controls import CONTROLS, SEE_LOOPS_OR_NOTHING
from sim.controls.planned import PLAN_SUFFIX
from sim.results import Comparison, ControlResult, RunResult
from sim.statistics import Estimate, mean_interval, paired_difference

SHIPPED = "fixed"
"""The control that runs the plan which came with the network."""
LABELS = {
    "fixed": "Shipped plan",
    "actuated": "SUMO actuated",
    "actuated_max30": "SUMO actuated, 30 s at most",
    "actuated_tuned": "SUMO actuated, tuned",
    "delay_based": "SUMO delay-based",
    "delay_based_tuned": "SUMO delay-based, tuned",
    "webster": "Webster (SUMO tool)",
    "webster_coordinated": "Webster + offsets (SUMO tools)",
    "max_pressure_5": "Max-pressure, 5 s",
    "max_pressure_10": "Max-pressure, 10 s",
    "max_pressure_20": "Max-pressure, 20 s",
    "max_wave_5": "MaxWave, 5 s",
    "max_wave_10": "MaxWave, 10 s",
    "max_wave_20": "MaxWave, 20 s",
    "longest_queue_10": "Longest queue first, 10 s",
    "longest_queue_20": "Longest queue first, 20 s",
    "planned": "Greenband plan",
    "splits": "Greenband splits",
    "adaptive": "Greenband adaptive",
    "adaptive_gated": "Greenband adaptive, gated",
}


@dataclass(frozen=True, slots=True)
class Cast:
    """The parts: ``subject`` is what the report is about, ``baseline`` what it would replace."""

    subject: ControlResult
    baseline: ControlResult | None
    field_peer: ControlResult | None
    """The best other control that sees loops or nothing, the baseline included."""
    knowing_peer: ControlResult | None
    """The best control that sees more than loops."""


@dataclass(frozen=True, slots=True)
class Versus:
    """The subject against one peer, over the seeds that both have run."""

    peer: ControlResult
    subject_mean_s: float
    peer_mean_s: float
    difference: Estimate
    """Subject minus peer, in seconds of delay per vehicle; negative is better."""
    relative: Estimate | None
    """The same as a fraction of the peer's mean; None when the peer has no delay at all."""

    @property
    def verdict(self) -> str:
        """``better``, ``worse``, or ``unclear`` when the interval contains no change."""
        return verdict(self.difference)


def is_ours(control: ControlResult) -> bool:
    """Whether *control* is one of this project, not a peer."""
    if control.name.endswith(PLAN_SUFFIX):
        return True
    return control.name in CONTROLS and CONTROLS[control.name].ours


def label(name: str) -> str:
    """What a report calls the control *name*."""
    if name.endswith(PLAN_SUFFIX):
        return f"Plan {Path(name).stem}"
    return LABELS.get(name, name.replace("_", " "))


def delays(control: ControlResult) -> list[float]:
    """Delay of each run, in s per vehicle."""
    return [run.delay_s for run in control.runs]


def cast(comparison: Comparison) -> Cast:
    """Give the parts; controls without a finished run take none (raises ValueError if none ran)."""
    ran = [control for control in comparison.controls if control.runs]
    if not ran:
        raise ValueError("no control of this comparison has a finished run")
    subject = _subject(ran)
    others = [control for control in ran if control is not subject]
    baseline = next((control for control in others if control.name == SHIPPED), None)
    if baseline is None and others:
        baseline = others[0]
    rivals = [control for control in others if not is_ours(control)]
    return Cast(
        subject,
        baseline,
        _best([control for control in rivals if control.name in SEE_LOOPS_OR_NOTHING]),
        _best([control for control in rivals if control.name not in SEE_LOOPS_OR_NOTHING]),
    )


def versus(subject: ControlResult, peer: ControlResult) -> Versus | None:
    """Subject against *peer*, paired by seed; None when they share no seed."""
    pairs = paired_runs(subject, peer)
    if not pairs:
        return None
    ours = [mine.delay_s for mine, _ in pairs]
    theirs = [other.delay_s for _, other in pairs]
    return Versus(
        peer, fmean(ours), fmean(theirs), paired_difference(ours, theirs), relative(ours, theirs)
    )


def paired_runs(first: ControlResult, second: ControlResult) -> list[tuple[RunResult, RunResult]]:
    """Runs of the same seed, in order of *first*."""
    by_seed = {run.seed: run for run in second.runs}
    return [(run, by_seed[run.seed]) for run in first.runs if run.seed in by_seed]


def relative(values: Sequence[float], reference: Sequence[float]) -> Estimate | None:
    """Ratio of the means minus one, with the interval of a ratio estimator (Cochran 1977, §6.4).

    Both sequences are paired by seed. The interval comes from the residuals
    ``value - ratio * reference`` over the mean of the reference.
    """
    base = fmean(reference)
    if base <= 0:
        return None
    ratio = fmean(values) / base
    residuals = [
        (value - ratio * against) / base for value, against in zip(values, reference, strict=True)
    ]
    return Estimate(ratio - 1.0, mean_interval(residuals).half_width, len(residuals))


def verdict(difference: Estimate, tolerance: float = 0.0) -> str:
    """Word for a difference in something that should be small.

    ``worse`` and ``better`` need more than *tolerance*, and an interval (if there is one) that
    leaves out zero; else ``same`` within the tolerance, ``unclear`` beyond it.
    """
    size = abs(difference.mean)
    clear = difference.half_width is None or size > difference.half_width
    if size > tolerance and clear:
        return "worse" if difference.mean > 0 else "better"
    return "same" if size <= tolerance and tolerance > 0 else "unclear"


def _subject(ran: Sequence[ControlResult]) -> ControlResult:
    """Ours if it ran, the last of the registry first; else the last run beside the shipped plan.

    The registry comes before plan files.
    """
    ours = [control for control in ran if is_ours(control)]
    if ours:
        rank = {name: at for at, name in enumerate(CONTROLS)}
        return max(ours, key=lambda control: rank.get(control.name, -1))
    return next((control for control in reversed(ran) if control.name != SHIPPED), ran[0])


def _best(controls: Sequence[ControlResult]) -> ControlResult | None:
    """Lowest median delay: one run that jams for ever must not hide a strong peer."""
    return min(controls, key=lambda control: median(delays(control)), default=None)
