"""From one plan to the next without a jolt: what the signal controller does, and how long it lasts.

Rules, for fixed stages and any two plans that the site may run:
    R1  no stage is left out, and they follow each other in their order;
    R2  no stage is longer than a quarter above its split, nor shorter than a fifth below it or its
        minimum (in the cycle of the handover itself: of either plan's split);
    R3  cycles are within the same limits;
    R4  the site is in step within 5 cycles, and as soon as :func:`settling_ms` says.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from controller import core
from controller.clock import Instant
from controller.coordination import CoordState
from controller.intersection import Intersection, SignalGroup, Stage, conflict_masks
from controller.plan import PlanStage, TimingPlan, check_plan, minimum_splits_ms
from controller.program import plan_program
from controller.signals import Inputs
from optimizer.strategic.changeover import Handover, in_time, longest_ms, settling_ms

NAMES = ("1", "2", "3")
SITE = Intersection(
    name="J",
    startup_flash_ms=0,
    startup_red_ms=0,
    groups=tuple(SignalGroup(name=name) for name in NAMES),
    conflicts=conflict_masks(3, [(0, 1), (0, 2), (1, 2)]),
    intergreen_ms=((0, 4_000, 4_000), (4_000, 0, 4_000), (4_000, 4_000, 0)),
    stages=tuple(Stage(name=name, groups=(name,)) for name in NAMES),
)
MINIMUMS_MS = minimum_splits_ms(SITE, SITE.stage_masks)
TICK_MS = 500
LONGER, SHORTER = 1.25, 0.8
SLACK_MS = 2 * TICK_MS
QUICK = {
    "deadline": None,
    "derandomize": True,
    "phases": (Phase.explicit, Phase.generate),
}
ABOVE_S = st.tuples(*[st.integers(0, 30)] * 3)


def plan(above_s, offset_s, number=1):
    """Stages so far above their minimums; *offset_s* as a part of the cycle."""
    splits = [low + 1_000 * more for low, more in zip(MINIMUMS_MS, above_s, strict=True)]
    cycle_ms = sum(splits)
    return TimingPlan(
        site="J",
        name=f"plan {number}",
        cycle_ms=cycle_ms,
        offset_ms=offset_s * 1_000 % cycle_ms,
        stages=tuple(
            PlanStage(stage=name, split_ms=split) for name, split in zip(NAMES, splits, strict=True)
        ),
        sequence_no=number,
    )


class Street:
    """A controller whose lamps are noted."""

    def __init__(self, first):
        self.now_ms = 0
        self.state = core.start(SITE, Instant(0, 0))
        self.begins = []
        self.green = 0
        self.run(first, 0)

    def run(self, wanted, for_ms):
        checked = check_plan(wanted, SITE)
        until_ms = self.now_ms + for_ms
        while self.now_ms < until_ms:
            self.now_ms += TICK_MS
            now = Instant(self.now_ms, self.now_ms)
            self.state, shown = core.step(SITE, self.state, now, Inputs(0, 0, 0, checked))
            if shown.green and shown.green != self.green:
                self.begins.append((self.now_ms, shown.green.bit_length() - 1))
            self.green = shown.green or self.green

    def in_step(self, wanted):
        return self.state.cycle.state is CoordState.IN_STEP and (
            self.state.sequence.program.plan.plan == wanted
        )


@settings(max_examples=25, **QUICK)
@given(ABOVE_S, ABOVE_S, st.integers(0, 99), st.integers(0, 99), st.integers(0, 199))
def test_a_new_plan_comes_without_a_jolt(above, next_above, offset_s, next_offset_s, wait):
    before, after = plan(above, offset_s), plan(next_above, next_offset_s, 2)
    street = Street(before)
    street.run(before, 7 * before.cycle_ms + wait * TICK_MS)
    assert street.in_step(before)
    changed_ms = street.now_ms
    first = len(street.begins) - 1
    said_ms = longest_ms([Handover(SITE, before, after)], changed_ms)
    street.run(after, before.cycle_ms + said_ms + 5_000)
    assert street.in_step(after), "R4: as soon as was said, from the end of the running stage on"
    assert said_ms <= 5 * after.cycle_ms + SLACK_MS, "R4"
    street.run(after, 2 * after.cycle_ms)
    begins = street.begins[first:]
    for k, ((begin_ms, stage), (end_ms, following)) in enumerate(pairwise(begins)):
        assert following == (stage + 1) % 3, "R1"
        wanted = [after.stages[stage].split_ms]
        if k <= 1:
            wanted.append(before.stages[stage].split_ms)
        least_ms = min(max(SHORTER * split, MINIMUMS_MS[stage]) for split in wanted)
        assert least_ms - SLACK_MS <= end_ms - begin_ms <= LONGER * max(wanted) + SLACK_MS, "R2"
    cycles = [later[0] - sooner[0] for sooner, later in zip(begins[2:], begins[5:], strict=False)]
    for cycle_ms in cycles:
        assert SHORTER * after.cycle_ms - SLACK_MS <= cycle_ms, "R3"
        assert cycle_ms <= LONGER * after.cycle_ms + SLACK_MS, "R3"


@settings(max_examples=25, **QUICK)
@given(
    st.lists(st.tuples(ABOVE_S, st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=6),
    st.integers(0, 300),
)
def test_moving_a_zone_never_makes_its_transition_longer(rows, at_s):
    handovers = []
    for above, offset_s, next_offset_s in rows:
        before = plan(above, offset_s)
        after = replace(plan(rows[0][0], next_offset_s, 2), sequence_no=2)
        handovers.append(Handover(SITE, before, after))
    moved = in_time(handovers, at_s * 1_000)
    shifts = {
        (new.offset_ms - each.after.offset_ms) % new.cycle_ms
        for new, each in zip(moved, handovers, strict=True)
    }
    assert len(shifts) == 1, "offsets between the sites of a zone are what the plan is about"
    later = [replace_after(each, new) for each, new in zip(handovers, moved, strict=True)]
    assert longest_ms(later, at_s * 1_000) <= longest_ms(handovers, at_s * 1_000)


def replace_after(handover, after):
    return Handover(handover.site, handover.before, after)


def test_a_site_alone_is_in_step_at_once():
    before, after = plan((20, 10, 5), 0), plan((25, 15, 5), 33, 2)
    (moved,) = in_time([Handover(SITE, before, after)], 1_000_000)
    assert longest_ms([Handover(SITE, before, moved)], 1_000_000) == 0


def test_sites_that_ran_no_coordinated_plan_leave_the_zone_where_it_is():
    after = plan((20, 10, 5), 12, 2)
    isolated = replace(after, offset_ms=None)
    for before in (None, isolated):
        assert in_time([Handover(SITE, before, after)], 0) == (after,)


def test_settling_is_what_the_rates_make_it():
    roomy = plan_program(SITE, check_plan(plan((30, 30, 30), 0), SITE)).rhythm
    tight = plan_program(SITE, check_plan(plan((30, 30, 0), 0), SITE)).rhythm
    assert settling_ms(roomy, 400) == 0
    assert settling_ms(roomy, 10_000) == 40_000, "a quarter faster"
    assert settling_ms(roomy, -10_000) == 50_000, "a fifth slower"
    assert settling_ms(tight, 10_000) == 5 * (tight.cycle_ms - 10_000), "a split at its minimum"
