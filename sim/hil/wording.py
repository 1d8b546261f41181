"""What a run of the bench comes to, in sentences."""

from __future__ import annotations

from sim.hil.results import BEHIND_MAX_MS, HilResult, Recovery
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
    expected = result.faults or abs(result.delay_change) <= SAME_SHARE
    return f"{text} ({change}).", "unclear" if expected else "worse"


def caution(result: HilResult) -> str:
    """What the reader has to know before believing a figure; empty if nothing."""
    words = []
    if result.lockstep and not result.equal and not result.faults:
        words.append(f"In lock-step without faults both runs have to be equal{_difference(result)}")
    if result.behind_ms > BEHIND_MAX_MS:
        behind_s = number(result.behind_ms / 1_000)
        words.append(
            f"The street was up to {behind_s} s behind the clock: this computer was too busy "
            "for real time, and the delay says nothing."
        )
    if result.trace.unseen_share > 0:
        unseen = number(100 * result.trace.unseen_share, 2)
        words.append(
            f"Of the cabinets' steps up to {unseen} % were not looked at: "
            "what was too short there may have been missed."
        )
    return " ".join(words)


def _difference(result: HilResult) -> str:
    at_s, where = result.trace.differs_at_s, result.trace.differs_where
    if at_s is None:
        return "."
    text = f"; {where} differs from second {at_s} on."
    if where in result.foreign:
        text += (
            " The cabinet there is yours: it needs site, plan and key of the bench, which --keep "
            "leaves; site files for the street have a start-up flash, and differ from the begin."
        )
    return text


def under_schedules(result: HilResult) -> str:
    """How much of the time the edge's schedules were in force."""
    if result.adaptive_share is None:
        return "nobody could watch whose word the cabinets run on"
    return f"{100 * result.adaptive_share:.1f} % of the time under the edge's schedules"


def unwatched(result: HilResult) -> str:
    """Which faults there are no figures of, and why; empty if there are of all."""
    if not result.unwatched:
        return ""
    names = ", ".join(f"{fault} at {name}" for fault, name in result.unwatched)
    return (
        f"Broken, but without figures: {names}. "
        "On a serial line nobody but the edge can ask a cabinet what it runs on."
    )


def recovery_words(recovery: Recovery) -> str:
    """How a junction came back."""
    if recovery.back_s is None:
        return "did not come back"
    if recovery.left_s == 0:
        return "stayed adaptive"
    return f"adaptive again after {number(recovery.back_s, 0)} s"
