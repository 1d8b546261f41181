"""What a run of the bench comes to, in sentences."""

from __future__ import annotations

from sim.hil.results import HilResult, Recovery
from sim.report.formatting import NARROW, count, number, signed

SAME_SHARE = 0.02
"""A mean delay that differs by no more is not worth a word of warning."""


def headline(result: HilResult) -> tuple[str, str]:
    """(the sentence, its verdict: ``better`` is as it should be, ``worse`` is not)."""
    ours, theirs = result.run.result.delay_s, result.reference.result.delay_s
    where = f"{result.scenario} through {count(len(result.junctions), 'cabinet')}"
    broken = len(result.trace.violations)
    if broken:
        return f"{where}: {count(broken, 'time')} the lamps broke a rule of the site.", "worse"
    if result.equal:
        return (
            f"{where}: every lamp in every second, and the delay of {number(ours)} s per vehicle, "
            "as in one process.",
            "better",
        )
    change = f"{signed(100 * result.delay_change)}{NARROW}%"
    text = f"{where}: {number(ours)} s of delay per vehicle, {number(theirs)} s in one process"
    expected = result.recoveries or abs(result.delay_change) <= SAME_SHARE
    return f"{text} ({change}).", "unclear" if expected else "worse"


def caution(result: HilResult) -> str:
    """What the reader has to know before believing a figure; empty if nothing."""
    words = []
    if result.lockstep and not result.equal and not result.recoveries:
        at_s = result.trace.differs_at_s
        words.append(
            "In lock-step without faults both runs have to be equal"
            + (f"; {result.trace.differs_where} differs from second {at_s} on." if at_s else ".")
        )
    if result.trace.unseen_share > 0:
        unseen = number(100 * result.trace.unseen_share, 2)
        words.append(
            f"Of the cabinets' steps up to {unseen} % were not looked at: "
            "what was too short there may have been missed."
        )
    return " ".join(words)


def recovery_words(recovery: Recovery) -> str:
    """How a junction came back."""
    if recovery.back_s is None:
        return "did not come back"
    if recovery.left_s == 0:
        return "stayed adaptive"
    return f"adaptive again after {number(recovery.back_s, 0)} s"
