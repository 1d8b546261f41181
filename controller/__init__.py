"""The signal controller: pure, deterministic, told the time, without any input or output.

``state = start(site, now)``, then ``state, outputs = step(site, state, now, seen)`` at any tick
(:mod:`controller.core`). The same function runs in the simulator, behind Modbus and at
the roadside.

The map of the room, in the order in which a step uses it
    intersection    the site: groups, conflicts, intergreens, stages, detectors; the truth
    plan            timing plans and stage schedules, checked against the site
    ring_plan       NEMA dual-ring plans, checked against the site
    clock, detection, signals    what goes in and what comes out
    health, calls   which detectors are believed; who waits, and whose green is still used
    orders          which plan, schedule or manual stage is obeyed
    coordination    the position in the cycle, and how it gets in step with the clock
    program, change, sequence, stages    the stage sequencer: what runs, changes, what is next
    rings           the NEMA sequencer over the same parts
    lamps           makes legal aspects of what a sequencer wants; safety lives here
    monitor         checks the aspects from their pictures alone, and latches flash
    events          the high-resolution log
    core            puts them together
"""
