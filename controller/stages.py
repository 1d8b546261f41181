"""The stage sequencer: which stage runs, how long, and which comes next.

It runs a plan (fixed or actuated stages, by the clock or isolated), runs free without one, and
obeys a stage that the operator, a schedule or an overdue call demands. It only ever proposes a set
of groups; :mod:`controller.lamps` decides what may be lit.

A stage ends
    * by *gap-out*, if it is actuated, once the detectors of every vehicle group that would end have
      been silent for the passage time;
    * by *force-off* or *max-out*, when the change has to begin for the next stage to be on time.

In a coordinated plan force-offs stay where the cycle has them: a stage that begins early because
the one before gapped out may use the time, and what nobody uses falls to the coordinated stage,
which is held until the next stage that has a call (or is not skippable) is due. In an isolated plan
every split counts from its stage's own start, and an actuated stage rests in green while nobody
else calls.

Pedestrians walk only when called. In a fixed or coordinated stage the walk lasts until its
clearance has to begin; in an actuated stage it is the minimum walk. A late call still walks if walk
and clearance fit before the next stage is due.
"""

from __future__ import annotations

from controller.calls import gapped_out
from controller.change import prepare, steps_of
from controller.coordination import NORMAL_RATE, Cycle, begin_cycle
from controller.intersection import bits
from controller.lamps import NEVER_MS
from controller.plan import CheckedPlan
from controller.program import Program, free_program, plan_program
from controller.sequence import CHANGING, Exit, Reason, Scene, Sequence

_TICK_MAX_MS = 1_000


def begin_sequence(program: Program, clock_ms: int, mask: int = 0) -> Sequence:
    """A sequence that has yet to enter *program*, while the groups in *mask* are green."""
    return Sequence(program, program.last, False, mask, mask, clock_ms, 0, (), None, Reason.START)


def stop(seq: Sequence, clock_ms: int) -> Sequence:
    """*seq* asking every group to end; it enters its program anew when advanced again."""
    if seq.reason is Reason.STOPPED:
        return seq
    return Sequence(seq.program, seq.place, False, 0, 0, clock_ms, 0, (), None, Reason.STOPPED)


def advance(scene: Scene, seq: Sequence) -> tuple[Sequence, Cycle]:
    """The sequence one step later, and the cycle if a new plan began; same objects if unchanged."""
    if seq.since_ms == CHANGING:
        return _go_on_changing(scene, seq), scene.cycle
    if scene.demanded is not None:
        return _obey(scene, seq, scene.demanded), scene.cycle
    if not seq.inside:
        seq, cycle = _enter(scene, seq)
        return seq, cycle
    return _run(scene, seq)


def asleep_until(scene: Scene, seq: Sequence) -> int:
    """When *seq* next has something to decide, if lamps, calls, cycle and plan stay as they are."""
    if seq.since_ms == CHANGING:
        if seq.steps:
            return seq.steps[0][0]
        return NEVER_MS if seq.want & ~scene.lamps.green else scene.clock_ms
    way = seq.exit
    if not seq.inside or way is None or way.change is None or way.green != scene.lamps.green:
        return scene.clock_ms
    change, clock_ms = way.change, scene.clock_ms
    actuated = seq.program.actuated >> seq.place & 1
    walks = seq.want & scene.site.pedestrian_groups
    if clock_ms < change.ready_ms:
        return clock_ms if actuated and walks else change.ready_ms
    gap_runs = actuated and (walks or not scene.calls.extended & change.ending_vehicles)
    if gap_runs or scene.cycle.rate != NORMAL_RATE:
        return clock_ms
    return clock_ms + _leave_ms(seq, way) - change.duration_ms - scene.cycle.position_at(clock_ms)


def _leave_ms(seq: Sequence, way: Exit) -> int:
    """Local position at which the change away from the present stage has to be over.

    The coordinated stage is held until the next served stage is due, any other to its own end.
    """
    return way.start_ms if seq.program.coordinated >> seq.place & 1 else seq.end_ms


def _run(scene: Scene, seq: Sequence) -> tuple[Sequence, Cycle]:
    way = seq.exit
    if way is None or way.green != scene.lamps.green or way.called != scene.calls.called:
        seq, way = _look_ahead(scene, seq)
    if seq.mask & scene.site.pedestrian_groups:
        seq = _walk(scene, seq)
    change = way.change
    if change is None:
        return _rest(scene, seq)
    program, clock_ms = seq.program, scene.clock_ms
    if clock_ms < change.ready_ms:
        return _because(seq, Reason.MIN_GREEN), scene.cycle
    bit, cycle = 1 << seq.place, scene.cycle
    left_ms = _leave_ms(seq, way) - cycle.position_at(clock_ms)
    if left_ms * NORMAL_RATE <= change.duration_ms * cycle.rate:
        reason = Reason.FORCE_OFF
        if program.floating and program.actuated & bit and scene.calls.called & ~seq.mask:
            reason = Reason.MAX_OUT
        return _leave(scene, seq, reason)
    if not program.actuated & bit:
        held = Reason.COORDINATED if program.coordinated & bit else Reason.FIXED
        return _because(seq, held), cycle
    if gapped_out(scene.site, scene.calls, change.ending_vehicles, clock_ms):
        return _leave(scene, seq, Reason.GAP_OUT)
    return _because(seq, Reason.EXTENDED), cycle


def _because(seq: Sequence, reason: Reason) -> Sequence:
    return seq if seq.reason is reason else seq._replace(reason=reason)


def _look_ahead(scene: Scene, seq: Sequence) -> tuple[Sequence, Exit]:
    """Find who is served next, with the present calls."""
    called, green = scene.calls.called, scene.lamps.green
    position_ms = scene.cycle.position_at(scene.clock_ms)
    following = _next_stage(seq, called, position_ms)
    if following is None:
        way = Exit(green, called, None, seq.place, seq.end_ms)
        return seq._replace(exit=way), way
    index, start_ms = following
    program = seq.program
    rested = seq.exit is not None and seq.exit.change is None
    if rested and program.floating and program.actuated >> seq.place & 1:
        # The maximum runs from the first conflicting call.
        start_ms = max(seq.end_ms, position_ms + program.splits_ms[seq.place])
        seq = seq._replace(end_ms=start_ms)
    change = prepare(scene.site, scene.lamps, called, program.masks[index])
    way = Exit(green, called, change, index, start_ms)
    return seq._replace(exit=way), way


def _next_stage(seq: Sequence, called: int, position_ms: int) -> tuple[int, int] | None:
    """The next stage to serve and the local position at which its green is due."""
    program = seq.program
    count = len(program.masks)
    unserved = called & ~seq.want
    nobody_else = seq.mask and not called & ~seq.mask
    if nobody_else and program.floating and program.actuated == (1 << count) - 1:
        return None
    start_ms = seq.end_ms
    waits = program.coordinated >> seq.place & 1
    for hop in range(1, count):
        index = (seq.place + hop) % count
        late_ms = position_ms - start_ms
        fits = not waits or late_ms <= program.splits_ms[index] - program.minimums_ms[index]
        if not program.skippable >> index & 1 or (unserved & program.masks[index] and fits):
            return index, start_ms
        if not program.floating:
            start_ms += program.splits_ms[index]
    return None if seq.mask else ((seq.place + 1) % count, seq.end_ms)


def _rest(scene: Scene, seq: Sequence) -> tuple[Sequence, Cycle]:
    """Nobody else to serve: hold the stage, cycle after cycle."""
    if _plan_changed(scene, seq):
        return _switch(scene, seq)
    program = seq.program
    if not program.floating:
        cycle_ms = program.rhythm.cycle_ms
        again_ms = seq.end_ms + cycle_ms - program.splits_ms[seq.place]
        if scene.cycle.position_at(scene.clock_ms) >= again_ms:
            seq = seq._replace(end_ms=seq.end_ms + cycle_ms, exit=None)
    return _because(seq, Reason.REST), scene.cycle


def _leave(scene: Scene, seq: Sequence, reason: Reason) -> tuple[Sequence, Cycle]:
    if not _plan_changed(scene, seq):
        return _begin_change(scene, seq, reason), scene.cycle
    late_ms = 0
    if reason is not Reason.GAP_OUT and seq.exit is not None and seq.exit.change is not None:
        left_at_ms = scene.cycle.position_at(scene.clock_ms) + seq.exit.change.duration_ms
        missed_ms = left_at_ms - seq.end_ms
        late_ms = missed_ms if 0 < missed_ms <= _TICK_MAX_MS else 0
    return _switch(scene, seq, late_ms)


def _begin_change(scene: Scene, seq: Sequence, reason: Reason) -> Sequence:
    """Begin the change to the stage that ``seq.exit`` names."""
    way, program = seq.exit, seq.program
    assert way is not None
    assert way.change is not None
    position_ms = scene.cycle.position_at(scene.clock_ms)
    split_ms = program.splits_ms[way.place]
    if program.floating:
        start_ms = position_ms + way.change.duration_ms
        if reason is not Reason.GAP_OUT and abs(start_ms - way.start_ms) <= _TICK_MAX_MS:
            start_ms = way.start_ms
        end_ms = start_ms + split_ms
    else:
        end_ms = way.start_ms + split_ms
        while end_ms + program.rhythm.cycle_ms // 2 < position_ms:
            end_ms += program.rhythm.cycle_ms
    begun = Sequence(
        program,
        way.place,
        True,
        way.change.mask,
        scene.lamps.green,
        CHANGING,
        end_ms,
        steps_of(way.change, scene.lamps.green, scene.clock_ms),
        None,
        reason,
    )
    return _go_on_changing(scene, begun)


def _go_on_changing(scene: Scene, seq: Sequence) -> Sequence:
    steps, want = seq.steps, seq.want
    if not steps:
        if want & ~scene.lamps.green:
            return seq
        return seq._replace(since_ms=scene.clock_ms)
    if scene.clock_ms < steps[0][0]:
        return seq
    while steps and scene.clock_ms >= steps[0][0]:
        want, steps = steps[0][1], steps[1:]
    if not steps:
        want |= seq.mask & scene.site.pedestrian_groups & scene.calls.called
    return seq._replace(want=want, steps=steps)


def _obey(scene: Scene, seq: Sequence, mask: int) -> Sequence:
    """Go to the demanded stage as soon as that is legal, and hold it."""
    if mask == seq.mask:
        seq = seq._replace(inside=False, exit=None) if seq.inside else seq
        return _because(_walk(scene, seq), scene.demanded_by)
    way = seq.exit
    if (
        way is None
        or way.green != scene.lamps.green
        or way.called != scene.calls.called
        or way.change is None
        or way.change.mask != mask
    ):
        change = prepare(scene.site, scene.lamps, scene.calls.called, mask)
        way = Exit(scene.lamps.green, scene.calls.called, change, seq.place, 0)
        seq = seq._replace(inside=False, exit=way)
    assert way.change is not None
    if scene.clock_ms < way.change.ready_ms:
        return _because(_walk(scene, seq), Reason.MIN_GREEN)
    return _begin_change(scene, seq, scene.demanded_by)._replace(inside=False)


def _walk(scene: Scene, seq: Sequence) -> Sequence:
    """Begin walks that were called and still fit; end those that are over."""
    site, lamps = scene.site, scene.lamps
    walks = seq.mask & site.pedestrian_groups
    want = seq.want
    if not seq.inside or seq.program.actuated >> seq.place & 1:
        for i in bits(want & walks & lamps.green):
            if scene.clock_ms >= lamps.since_ms[i] + site.groups[i].min_green_ms:
                want &= ~(1 << i)
    for i in bits(scene.calls.called & walks & ~want & ~lamps.ending):
        if _walk_fits(scene, seq, i):
            want |= 1 << i
    return seq if want == seq.want else seq._replace(want=want)


def _walk_fits(scene: Scene, seq: Sequence, group: int) -> bool:
    if scene.demanded is not None:
        return scene.demanded == seq.mask
    way = seq.exit
    if way is None or way.change is None:
        return True
    left_ms = _leave_ms(seq, way) - scene.cycle.position_at(scene.clock_ms)
    needed_ms = scene.site.groups[group].min_green_ms + scene.site.lead_ms(group, way.change.wanted)
    return left_ms * NORMAL_RATE >= needed_ms * max(scene.cycle.rate, NORMAL_RATE)


def _plan_changed(scene: Scene, seq: Sequence) -> bool:
    return scene.plan is not seq.program.plan and scene.plan != seq.program.plan


def _program_in_force(scene: Scene, seq: Sequence) -> Program:
    if not _plan_changed(scene, seq):
        return seq.program
    if isinstance(scene.plan, CheckedPlan):
        return plan_program(scene.site, scene.plan)
    return free_program(scene.site)


def _keeps_step(cycle: Cycle, program: Program) -> bool:
    """Whether *program* shares the clock and cycle that *cycle* already follows."""
    new, old = program.rhythm, cycle.rhythm
    return new.offset_ms is not None and new[:2] == old[:2]


def _switch(scene: Scene, seq: Sequence, late_ms: int = 0) -> tuple[Sequence, Cycle]:
    """The present stage is over: the new plan takes effect here, and goes on from this stage.

    *late_ms* is by how much the tick missed the end of the stage; the next stage makes up for it.
    """
    program = _program_in_force(scene, seq)
    index = program.masks.index(seq.mask) if seq.mask in program.masks else program.last
    end_ms = program.starts_ms[index] + program.splits_ms[index]
    if _keeps_step(scene.cycle, program):
        cycle = scene.cycle._replace(rhythm=program.rhythm)
        position_ms, cycle_ms = cycle.position_at(scene.clock_ms), program.rhythm.cycle_ms
        half_ms = cycle_ms // 2
        end_ms = position_ms + (end_ms - position_ms + half_ms) % cycle_ms - half_ms
    else:
        following = program.masks[(index + 1) % len(program.masks)]
        change = prepare(scene.site, scene.lamps, scene.calls.called, following)
        position_ms = end_ms - change.duration_ms + late_ms
        cycle = begin_cycle(program.rhythm, position_ms, scene.clock_ms, scene.utc_ms)
    seq = seq._replace(program=program, place=index, inside=True, end_ms=end_ms, exit=None)
    scene = scene._replace(cycle=cycle)
    return _run(scene, seq)


def _enter(scene: Scene, seq: Sequence) -> tuple[Sequence, Cycle]:
    """Take up the program from a stage that something else demanded, without a jump.

    In step with the clock the present stage goes on if the cycle is in it, else the stage that the
    cycle is in follows. Otherwise the present stage, if the program has it, begins anew.
    """
    program = _program_in_force(scene, seq)
    known = seq.mask in program.masks
    position_ms, cycle = 0, scene.cycle
    if _keeps_step(cycle, program) and seq.reason is not Reason.START:
        cycle = cycle._replace(rhythm=program.rhythm)
        index, end_ms = _place_in_cycle(program, seq.mask, cycle.position_at(scene.clock_ms))
    else:
        index = program.masks.index(seq.mask) if known else min(seq.place, program.last)
        if program is not seq.program and not known:
            index = program.last
        position_ms = program.starts_ms[index] + (0 if known else program.splits_ms[index])
        end_ms = program.starts_ms[index] + program.splits_ms[index]
        cycle = begin_cycle(program.rhythm, position_ms, scene.clock_ms, scene.utc_ms)
    seq = seq._replace(program=program, place=index, inside=True, end_ms=end_ms, exit=None)
    return _run(scene._replace(cycle=cycle), seq)


def _place_in_cycle(program: Program, mask: int, position_ms: int) -> tuple[int, int]:
    """Position in the program and end of the stage, for a stage taken up within the cycle."""
    count = len(program.masks)
    second_ms = position_ms % program.rhythm.cycle_ms
    zero_ms = position_ms - second_ms
    index = max(k for k in range(count) if program.starts_ms[k] <= second_ms)
    start_ms = zero_ms + program.starts_ms[index]
    end_ms = start_ms + program.splits_ms[index]
    too_late = end_ms - position_ms < program.minimums_ms[index]
    following = (index + 1) % count
    if too_late and program.masks[following] == mask:
        return following, end_ms + program.splits_ms[following]
    if too_late or program.masks[index] == mask:
        return index, end_ms
    return (index - 1) % count, start_ms
