"""The sentences of a report: the headline, the peers, what was measured and what was not."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from sim.report import formatting
from sim.report.cast import SHIPPED, Cast, Versus, delays, label, versus
from sim.results import Comparison, ControlResult, RunResult
from sim.statistics import Estimate, mean_interval

ARROW = "\N{RIGHTWARDS ARROW}"


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence and its verdict for us (``better``, ``worse``, ``unclear``, ``plain``)."""

    text: str
    verdict: str


def headline(comparison: Comparison, parts: Cast) -> Sentence:
    """What a council reads: before, after, change with its uncertainty, against what."""
    against = versus(parts.subject, parts.baseline) if parts.baseline else None
    if against is None:
        return _headline_alone(comparison, parts.subject)
    change = _change_text(against)
    text = (
        f"Delay on {comparison.scenario}: {formatting.number(against.peer_mean_s)} {ARROW} "
        f"{formatting.number(against.subject_mean_s)}{formatting.NBSP}s per vehicle, {change}, "
        f"against {_named(against.peer)}"
    )
    name = label(parts.subject.name)
    ending = {
        "better": ".",
        "worse": f". {name} is worse than what it would replace.",
        "unclear": ". That is no clear difference.",
    }[against.verdict]
    return Sentence(text + ending, against.verdict)


def peer_sentences(parts: Cast) -> list[Sentence]:
    """Ours against the best peer on loops or less, and against the best that knows more."""
    subject = label(parts.subject.name)
    wanted = [
        ("Against the best peer that sees loops or nothing", parts.field_peer),
        ("Against the best all-knowing peer", parts.knowing_peer),
    ]
    sentences = []
    for opening, peer in wanted:
        against = versus(parts.subject, peer) if peer else None
        if against is None:
            continue
        also = " (the same plan)" if peer is parts.baseline else ""
        sentences.append(
            Sentence(
                f"{opening}{also}, {_introduced(against.peer)} with "
                f"{formatting.number(against.peer_mean_s)} s: {_change_text(against)}. "
                f"{_outcome(against, subject)}",
                against.verdict,
            )
        )
    return sentences


def caution(comparison: Comparison, parts: Cast) -> str:
    """What the reader must know before trusting the means; empty when there is nothing."""
    shown = [
        control
        for control in (parts.subject, parts.baseline, parts.field_peer, parts.knowing_peer)
        if control is not None
    ]
    jams = [
        f"{label(control.name)} in {jammed} of {len(control.runs)} runs "
        f"(median delay {formatting.number(median(delays(control)))} s)"
        for control in {control.name: control for control in shown}.values()
        if (jammed := jammed_runs(control))
    ]
    notes = []
    if jams:
        notes.append(
            f"The network jammed under {'; '.join(jams)}: one permanent jam decides a mean."
        )
    crashed = [
        f"{label(control.name)} ({formatting.count(collisions, 'collision')})"
        for control in comparison.controls
        if (collisions := sum(run.collisions for run in control.runs))
    ]
    if crashed:
        notes.append(f"Vehicles collided under {', '.join(crashed)}.")
    if len(parts.subject.runs) == 1:
        notes.append("One seed only: no interval can be given, so read no small difference.")
    silent = [label(failure.name) for failure in comparison.failed]
    silent += [label(control.name) for control in comparison.controls if not control.runs]
    if silent:
        notes.append(f"Failed on this network: {', '.join(silent)}.")
    return " ".join(notes)


def jammed_runs(control: ControlResult) -> int:
    """How many runs of *control* ended in a jam."""
    return sum(run.jammed for run in control.runs)


def over_runs(control: ControlResult, measure: str) -> Estimate | None:
    """Mean and interval of one field of :class:`RunResult`; None if no run has it."""
    values = [getattr(run, measure) for run in control.runs]
    present = [float(value) for value in values if value is not None]
    return mean_interval(present) if present else None


def throughput(runs: tuple[RunResult, ...]) -> tuple[float, float]:
    """Mean finished and mean scheduled trips per run."""
    return (
        sum(run.finished for run in runs) / len(runs),
        sum(run.scheduled for run in runs) / len(runs),
    )


def _headline_alone(comparison: Comparison, subject: ControlResult) -> Sentence:
    mean = mean_interval(delays(subject))
    over = formatting.count(len(subject.runs), "seed")
    return Sentence(
        f"Delay on {comparison.scenario} under {_named(subject)}: "
        f"{formatting.estimate(mean)} s per vehicle over {over}. "
        "Nothing was run beside it, so this says nothing about a gain.",
        "plain",
    )


def _change_text(against: Versus) -> str:
    seeds = against.difference.n
    amount = (
        formatting.percent(against.relative)
        if against.relative is not None
        else f"{formatting.signed_estimate(against.difference)} s"
    )
    if against.difference.half_width is None:
        return f"{amount} in one seed (no interval)"
    return f"{amount} over {formatting.count(seeds, 'seed')}"


def _outcome(against: Versus, subject: str) -> str:
    return {
        "better": f"{subject} has less delay.",
        "worse": f"{subject} loses.",
        "unclear": "No clear difference.",
    }[against.verdict]


def _named(control: ControlResult) -> str:
    return "the shipped plan" if control.name == SHIPPED else label(control.name)


def _introduced(control: ControlResult) -> str:
    return f"{_named(control)} (sees {control.sees})"
