"""What the lamps show in one cycle of a plan: the controller itself is run, and looked at.

Files for others (SUMO, UTDF) are made from this, so they can't differ from what stands in the
street. All groups call all the time: every stage is served and lasts its full split.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from controller.clock import Instant
from controller.core import start, step
from controller.intersection import Intersection
from controller.plan import CheckedPlan, TimingPlan, check_plan
from controller.signals import Inputs
from controller.violations import InvalidError, Violation

TICK_MS = 100
"""The controller looks at the world, and changes lamps, ten times a second."""
SETTLING_CYCLES_MAX = 8


@dataclass(frozen=True, slots=True)
class Lit:
    """The same lamps for *duration_ms*: masks of the groups that are green and that are ending."""

    green: int
    ending: int
    duration_ms: int


@dataclass(frozen=True, slots=True)
class ShownCycle:
    """One cycle, from when the first stage's green is due: *start_ms* after multiples of it."""

    start_ms: int
    lit: tuple[Lit, ...]

    @property
    def cycle_ms(self) -> int:
        """How long it lasts."""
        return sum(each.duration_ms for each in self.lit)


def as_fixed_time(plan: TimingPlan) -> TimingPlan:
    """*plan* with every stage served at its full split, in step with the clock, valid for ever."""
    return replace(
        plan,
        offset_ms=plan.offset_ms or 0,
        valid_from_utc_ms=None,
        valid_to_utc_ms=None,
        stages=tuple(replace(entry, actuated=False, skippable=False) for entry in plan.stages),
    )


def shown_cycle(site: Intersection, plan: TimingPlan) -> ShownCycle:
    """The lamps of *plan* at *site* in every cycle, once the controller has settled into it.

    An isolated plan is shown as if its offset were 0. Raises :class:`InvalidError` for a plan that
    breaks a rule of the site, one whose cycle is no whole number of tenths of a second, and one
    that the controller itself does not repeat (a call that has waited too long interrupts it).
    """
    if plan.cycle_ms % TICK_MS:
        raise _refusal(plan, f"the cycle of {plan.cycle_ms} ms is no whole tenth of a second")
    checked = check_plan(as_fixed_time(plan), site)
    # Without detectors every group is called whenever it is not green, and without a start-up the
    # first cycle begins at once.
    always_called = replace(site, detectors=(), startup_flash_ms=0, startup_red_ms=0)
    start_ms = -(-(plan.offset_ms or 0) // TICK_MS) * TICK_MS
    return ShownCycle(start_ms % plan.cycle_ms, _settled(always_called, checked, start_ms))


def _settled(site: Intersection, checked: CheckedPlan, start_ms: int) -> tuple[Lit, ...]:
    cycle_ms = checked.plan.cycle_ms
    state = start(site, Instant(start_ms, start_ms))
    seen = Inputs(plan=checked)
    before: tuple[Lit, ...] = ()
    at_ms = start_ms
    for _ in range(SETTLING_CYCLES_MAX):
        cycle: list[Lit] = []
        for _ in range(cycle_ms // TICK_MS):
            state, outputs = step(site, state, Instant(at_ms, at_ms), seen)
            at_ms += TICK_MS
            if cycle and (cycle[-1].green, cycle[-1].ending) == (outputs.green, outputs.ending):
                cycle[-1] = replace(cycle[-1], duration_ms=cycle[-1].duration_ms + TICK_MS)
            else:
                cycle.append(Lit(outputs.green, outputs.ending, TICK_MS))
        if tuple(cycle) == before:
            return before
        before = tuple(cycle)
    raise _refusal(
        checked.plan,
        "its lamps are not the same in every cycle (a stage has no time of its own, or a call "
        "waits so long that it is served in between): lengthen that stage, or shorten the cycle",
    )


def _refusal(plan: TimingPlan, message: str) -> InvalidError:
    violation = Violation("fixed time", f"plan {plan.name}, site {plan.site}", message)
    return InvalidError(f"plan {plan.name!r}", (violation,))
