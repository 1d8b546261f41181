"""The NEMA sequencer: one phase per ring, barriers that all rings cross together.

It wants the groups of the phases that are served, over the same lamp layer, calls, cycle and
monitor as the stage sequencer. Within a barrier group every ring goes on by itself: from its phase
to the next one of its sequence that is called, by gap-out or force-off. At its last called phase
it waits for the others, and all rings leave in the same tick, when none of them is still extended
(simultaneous gap-out) or their time is up. Without a call elsewhere they rest.

Pedestrians walk for the minimum walk when called, if walk and clearance fit into the phase.
"""

from __future__ import annotations

from typing import NamedTuple

from controller.calls import gapped_out
from controller.change import Change, Steps, prepare
from controller.coordination import (
    FAST_RATE_MAX,
    NORMAL_RATE,
    Cycle,
    Rhythm,
    begin_cycle,
)
from controller.intersection import bits
from controller.ring_plan import CheckedRingPlan
from controller.sequence import Reason, Scene

EMPTY = -1
"""A ring that serves no phase."""


class RingSequence(NamedTuple):
    """Where the ring sequencer is."""

    program: CheckedRingPlan
    barrier: int
    active: tuple[int, ...]
    """Per ring, the position of its phase in the plan, or ``EMPTY``."""
    ends_ms: tuple[int, ...]
    """Per ring, the local position at which its phase and clearance are over."""
    base_ms: int
    """Local position at which the barrier group starts in the cycle."""
    want: int
    steps: Steps
    """What to want next while a barrier is being crossed."""
    since_ms: int
    reason: Reason


class _Target(NamedTuple):
    """Where all rings would go across the barrier."""

    barrier: int
    active: tuple[int, ...]
    base_ms: int
    change: Change


def begin_rings(scene: Scene, plan: CheckedRingPlan) -> tuple[RingSequence, Cycle]:
    """Enter *plan* from whatever is green now: at its first barrier group, or by the clock."""
    rhythm = ring_rhythm(plan)
    cycle, barrier, base_ms = scene.cycle, 0, 0
    if rhythm.offset_ms is not None and rhythm[:2] == cycle.rhythm[:2]:
        cycle = cycle._replace(rhythm=rhythm)
        position_ms = cycle.position_at(scene.clock_ms)
        second_ms = position_ms % rhythm.cycle_ms
        barrier = max(b for b, start in enumerate(plan.barrier_starts_ms) if start <= second_ms)
        base_ms = position_ms - second_ms + plan.barrier_starts_ms[barrier]
    else:
        cycle = begin_cycle(rhythm, 0, scene.clock_ms, scene.utc_ms)
    called = _called(scene, plan)
    empty = (EMPTY,) * len(plan.rings)
    active = _entered(plan, called, barrier, empty, keep=False)
    want = scene.lamps.green
    seq = RingSequence(
        plan, barrier, empty, (0,) * len(active), base_ms, want, (), scene.clock_ms, Reason.START
    )
    mask = _mask(plan, active)
    change = prepare(scene.site, scene.lamps, scene.calls.called, mask)
    target = _Target(barrier, active, base_ms, change)
    return _cross(scene._replace(cycle=cycle), seq, target, Reason.START), cycle


def ring_rhythm(plan: CheckedRingPlan) -> Rhythm:
    """What *plan* asks of the cycle."""
    fastest_rate = min(
        FAST_RATE_MAX,
        *(
            phase.split_ms * NORMAL_RATE // minimum
            for phase, minimum in zip(plan.plan.phases, plan.minimums_ms, strict=True)
        ),
    )
    first = plan.coordinated & -plan.coordinated
    hold_ms = plan.starts_ms[first.bit_length() - 1] if first else 0
    return Rhythm(
        plan.plan.cycle_ms, plan.plan.offset_ms, plan.plan.transition, fastest_rate, hold_ms
    )


def advance_rings(scene: Scene, seq: RingSequence) -> RingSequence:
    """The rings one step later; the same object if nothing changed."""
    if seq.steps:
        return _go_on_crossing(scene, seq)
    called = _called(scene, seq.program)
    seq = _rings_on(scene, seq, called)
    if seq.steps:
        return seq
    target = _target(scene, seq, called)
    if target is None:
        return _walk(scene, _rest(scene, seq))
    if seq.reason is Reason.REST and seq.program.plan.offset_ms is None:
        # The maximum runs from the first conflicting call.
        position_ms = scene.cycle.position_at(scene.clock_ms)
        ends_ms = tuple(
            position_ms + _split_ms(seq.program, k) if k != EMPTY else position_ms
            for k in seq.active
        )
        seq = seq._replace(ends_ms=ends_ms, reason=Reason.EXTENDED)
    reason = _crossing_reason(scene, seq, called, target)
    if reason is not None:
        return _cross(scene, seq, target, reason)
    return _walk(scene, seq)


def at_rest_or_barrier(before: RingSequence, after: RingSequence) -> bool:
    """Whether another plan may take over now: all rings have just left, or rest."""
    return after.reason is Reason.REST or bool(after.steps and not before.steps)


def _called(scene: Scene, plan: CheckedRingPlan) -> int:
    return scene.calls.called | plan.recalled & ~scene.lamps.green


def _mask(plan: CheckedRingPlan, active: tuple[int, ...]) -> int:
    mask = 0
    for k in active:
        if k != EMPTY:
            mask |= plan.masks[k]
    return mask


def _split_ms(plan: CheckedRingPlan, phase: int) -> int:
    return plan.plan.phases[phase].split_ms


def _end_ms(plan: CheckedRingPlan, phase: int, barrier: int, base_ms: int, now_ms: int) -> int:
    """Local position at which *phase*, entered now, has to be over."""
    split_ms = _split_ms(plan, phase)
    if plan.plan.offset_ms is None:
        return now_ms + split_ms
    return base_ms + plan.starts_ms[phase] - plan.barrier_starts_ms[barrier] + split_ms


def _rings_on(scene: Scene, seq: RingSequence, called: int) -> RingSequence:
    """Let every ring go on to its next called phase within the barrier group."""
    plan = seq.program
    for ring, parts in enumerate(plan.rings):
        active = seq.active[ring]
        part = parts[seq.barrier]
        later = part if active == EMPTY else part[part.index(active) + 1 :]
        following = next((k for k in later if called & plan.masks[k]), None)
        if following is None or not _leaves(scene, seq, ring, following):
            continue
        mask = _mask(plan, (*seq.active[:ring], following, *seq.active[ring + 1 :]))
        change = prepare(scene.site, scene.lamps, scene.calls.called, mask)
        reason = _phase_over(scene, seq, ring, change.duration_ms)
        if reason is None or scene.clock_ms < change.ready_ms:
            continue
        now_ms = scene.cycle.position_at(scene.clock_ms) + change.duration_ms
        end_ms = _end_ms(plan, following, seq.barrier, seq.base_ms, now_ms)
        own = 0 if active == EMPTY else plan.masks[active]
        want = seq.want & ~own | plan.masks[following] & change.wanted
        seq = seq._replace(
            active=(*seq.active[:ring], following, *seq.active[ring + 1 :]),
            ends_ms=(*seq.ends_ms[:ring], end_ms, *seq.ends_ms[ring + 1 :]),
            want=want,
            since_ms=scene.clock_ms,
            reason=reason,
        )
    return seq


def _leaves(scene: Scene, seq: RingSequence, ring: int, following: int) -> bool:
    """Whether *ring* may go on: its phase is green, or it is empty and the next one still fits."""
    plan, active = seq.program, seq.active[ring]
    if active != EMPTY:
        return _served(scene, plan, active)
    if plan.plan.offset_ms is None:
        return True
    end_ms = _end_ms(plan, following, seq.barrier, seq.base_ms, 0)
    left_ms = end_ms - scene.cycle.position_at(scene.clock_ms)
    return left_ms >= plan.minimums_ms[following]


def _served(scene: Scene, plan: CheckedRingPlan, phase: int) -> bool:
    """Whether *phase* has had its minimum green, and nobody walks with it any more."""
    lamps, vehicle = scene.lamps, plan.vehicles[phase]
    if lamps.green & plan.masks[phase] != vehicle:
        return False
    i = vehicle.bit_length() - 1
    return scene.clock_ms >= lamps.since_ms[i] + scene.site.groups[i].min_green_ms


def _phase_over(scene: Scene, seq: RingSequence, ring: int, duration_ms: int) -> Reason | None:
    """Why the phase of *ring* may end now, or None if it is held."""
    plan, active = seq.program, seq.active[ring]
    if active == EMPTY:
        return Reason.GAP_OUT
    cycle = scene.cycle
    left_ms = seq.ends_ms[ring] - cycle.position_at(scene.clock_ms)
    if left_ms * NORMAL_RATE <= duration_ms * cycle.rate:
        return Reason.MAX_OUT if plan.plan.offset_ms is None else Reason.FORCE_OFF
    if plan.coordinated >> active & 1:
        return None
    if gapped_out(scene.site, scene.calls, plan.vehicles[active], scene.clock_ms):
        return Reason.GAP_OUT
    return None


def _target(scene: Scene, seq: RingSequence, called: int) -> _Target | None:
    """The next barrier group with a call that still fits, and the change to it."""
    plan = seq.program
    count = len(plan.barrier_starts_ms)
    position_ms = scene.cycle.position_at(scene.clock_ms)
    unserved = called & ~seq.want
    base_ms = seq.base_ms
    for hop in range(1, count + 1):
        base_ms += _duration_ms(plan, (seq.barrier + hop - 1) % count)
        barrier = (seq.barrier + hop) % count
        asked = [k for ring in plan.rings for k in ring[barrier] if unserved & plan.masks[k]]
        if not asked:
            continue
        tightest_ms = max(plan.minimums_ms[k] for k in asked)
        late_ms = position_ms - base_ms
        spare_ms = _duration_ms(plan, barrier) - tightest_ms
        if plan.plan.offset_ms is not None and late_ms > spare_ms:
            continue
        active = _entered(plan, unserved, barrier, seq.active, keep=hop == count)
        change = prepare(scene.site, scene.lamps, scene.calls.called, _mask(plan, active))
        return _Target(barrier, active, base_ms, change)
    return None


def _duration_ms(plan: CheckedRingPlan, barrier: int) -> int:
    return sum(_split_ms(plan, k) for k in plan.rings[0][barrier])


def _entered(
    plan: CheckedRingPlan, called: int, barrier: int, active: tuple[int, ...], *, keep: bool
) -> tuple[int, ...]:
    """The phase that each ring serves first in *barrier*: called, kept, by dual entry, or none."""
    entered = []
    for ring, parts in enumerate(plan.rings):
        part = parts[barrier]
        dual = (k for k in part if plan.plan.phases[k].dual_entry)
        default = active[ring] if keep and active[ring] != EMPTY else next(dual, EMPTY)
        entered.append(next((k for k in part if called & plan.masks[k]), default))
    return tuple(entered)


def _crossing_reason(
    scene: Scene, seq: RingSequence, called: int, target: _Target
) -> Reason | None:
    """Why all rings may leave the barrier group now, or None while one of them holds it."""
    plan = seq.program
    if scene.clock_ms < target.change.ready_ms:
        return None
    reason = Reason.GAP_OUT
    for ring, active in enumerate(seq.active):
        if active == EMPTY:
            continue
        if not _served(scene, plan, active):
            return None
        part = plan.rings[ring][seq.barrier]
        later = part[part.index(active) + 1 :]
        if any(called & plan.masks[k] for k in later):
            return None
        over = _barrier_over(scene, seq, ring, target)
        if over is None:
            return None
        if over is not Reason.GAP_OUT:
            reason = over
    return reason


def _barrier_over(scene: Scene, seq: RingSequence, ring: int, target: _Target) -> Reason | None:
    """As :func:`_phase_over`, but a coordinated phase is held until the target is due."""
    plan, active = seq.program, seq.active[ring]
    if not (plan.coordinated >> active & 1 and plan.plan.offset_ms is not None):
        return _phase_over(scene, seq, ring, target.change.duration_ms)
    cycle = scene.cycle
    left_ms = target.base_ms - cycle.position_at(scene.clock_ms)
    if left_ms * NORMAL_RATE <= target.change.duration_ms * cycle.rate:
        return Reason.FORCE_OFF
    return None


def _cross(scene: Scene, seq: RingSequence, target: _Target, reason: Reason) -> RingSequence:
    """All rings end together; what starts in the next barrier group starts together."""
    plan = seq.program
    now_ms = scene.cycle.position_at(scene.clock_ms) + target.change.duration_ms
    base_ms, cycle_ms = target.base_ms, plan.plan.cycle_ms
    while base_ms + cycle_ms // 2 < now_ms:
        base_ms += cycle_ms
    ends_ms = tuple(
        now_ms if k == EMPTY else _end_ms(plan, k, target.barrier, base_ms, now_ms)
        for k in target.active
    )
    crossing = RingSequence(
        plan,
        target.barrier,
        target.active,
        ends_ms,
        base_ms,
        scene.lamps.green & ~target.change.ending,
        ((scene.clock_ms + target.change.duration_ms, target.change.wanted),),
        scene.clock_ms,
        reason,
    )
    return _go_on_crossing(scene, crossing)


def _go_on_crossing(scene: Scene, seq: RingSequence) -> RingSequence:
    due_ms, want = seq.steps[0]
    if scene.clock_ms < due_ms:
        return seq
    peds = _mask(seq.program, seq.active) & scene.site.pedestrian_groups
    return seq._replace(want=want | peds & scene.calls.called, steps=())


def _rest(scene: Scene, seq: RingSequence) -> RingSequence:
    """Nobody calls elsewhere: go on in the next cycle as if the barrier group had come again."""
    plan = seq.program
    cycle_ms = plan.plan.cycle_ms
    if plan.plan.offset_ms is not None:
        position_ms = scene.cycle.position_at(scene.clock_ms)
        if position_ms >= seq.base_ms + cycle_ms:
            ends_ms = tuple(end + cycle_ms for end in seq.ends_ms)
            seq = seq._replace(base_ms=seq.base_ms + cycle_ms, ends_ms=ends_ms)
    return seq if seq.reason is Reason.REST else seq._replace(reason=Reason.REST)


def _walk(scene: Scene, seq: RingSequence) -> RingSequence:
    """Begin walks that were called and still fit; end those that are over."""
    site, lamps, plan = scene.site, scene.lamps, seq.program
    want = seq.want
    for i in bits(want & lamps.green & site.pedestrian_groups):
        if scene.clock_ms >= lamps.since_ms[i] + site.groups[i].min_green_ms:
            want &= ~(1 << i)
    for ring, k in enumerate(seq.active):
        if k == EMPTY:
            continue
        waiting = plan.masks[k] & site.pedestrian_groups & scene.calls.called
        for i in bits(waiting & ~want & ~lamps.ending):
            needed_ms = site.groups[i].min_green_ms + max(site.intergreen_ms[i])
            left_ms = seq.ends_ms[ring] - scene.cycle.position_at(scene.clock_ms)
            fits = left_ms * NORMAL_RATE >= needed_ms * max(scene.cycle.rate, NORMAL_RATE)
            if fits or seq.reason is Reason.REST:
                want |= 1 << i
    return seq if want == seq.want else seq._replace(want=want)
