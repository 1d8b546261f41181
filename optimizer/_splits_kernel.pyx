"""Cycle and splits of least HCM delay, one intersection after the other, without the GIL.

The law, the shapes and the units are those of :mod:`optimizer._splits_reference`, which one test
suite holds to the same results. What this file does better: it evaluates only the lane groups that
an exchange of time changes, and stops each intersection as soon as it is done.
"""

from libc.math cimport INFINITY, sqrt

cdef enum:
    STAGES_MAX = 32
    GROUPS_MAX = 64
    RINGS_MAX = 4
    BARRIERS_MAX = 8
    PARTS_MAX = 32
    BY_GREEN = -1
    PIECES = 3
    BISECTIONS = 44

cdef double ARMIJO = 1e-3
cdef double SHORTENING = 0.4
cdef double SPARE_MIN = 1e-9
cdef double STOP_FACTOR = 0.9

stages_max = STAGES_MAX
groups_max = GROUPS_MAX



cdef inline double fmin(double a, double b) noexcept nogil:
    # libm's fmin and fmax are calls (they order NaN); these are one instruction.
    return a if a < b else b


cdef inline double fmax(double a, double b) noexcept nogil:
    return a if a > b else b


cdef struct Groups:
    # Lane groups, one array per quantity so that the compiler can take several at a time.
    double[GROUPS_MAX] ratio
    double[GROUPS_MAX] spread
    double[GROUPS_MAX] clearing_inverse
    double[GROUPS_MAX] weight
    double[GROUPS_MAX] waiting
    double[GROUPS_MAX] vehicles
    double[GROUPS_MAX] stopping
    double[GROUPS_MAX] green


cdef struct Goal:
    # What is the same for all lane groups: 900 T, and which of the terms there are.
    double cycle
    double scale
    bint has_queues
    bint has_stops


cdef struct Terms:
    double[GROUPS_MAX] total
    double[GROUPS_MAX] slope
    double[GROUPS_MAX] curvature


cdef struct Layout:
    # Phases by part: those of part q are phase[first[q]] to phase[first[q + 1] - 1]; parts are
    # numbered barrier group by barrier group, ring by ring.
    Py_ssize_t stages
    Py_ssize_t rings
    Py_ssize_t barriers
    Py_ssize_t[PARTS_MAX + 1] first
    Py_ssize_t[STAGES_MAX] phase
    double[PARTS_MAX] part_minimum
    double[BARRIERS_MAX] shortest


cdef struct Exchange:
    # Phases that gain and that give, and what a second of it saves.
    Py_ssize_t[RINGS_MAX] gains
    Py_ssize_t[RINGS_MAX] gives
    Py_ssize_t gain_count
    Py_ssize_t give_count
    double gap


cdef inline void base_terms(
    const Groups* at, Py_ssize_t count, const Goal* goal, int piece, Terms* out
) noexcept nogil:
    """d1 and d2 of the first lane groups."""
    cdef double cycle = goal.cycle, scale = goal.scale
    cdef double cycle_inverse = 1.0 / cycle
    cdef double share, red, w, over, spread_w, root, root_inverse, turn, lift, bend, scale_w2
    cdef double per_share, d1, d1_slope, d1_curvature, clears, ratio, within, beyond, waiting
    cdef double slope, curvature
    cdef Py_ssize_t m
    for m in range(count):
        ratio = at.ratio[m]
        waiting = at.waiting[m]
        within = fmin(fmax(at.green[m], 1.0), cycle)
        beyond = at.green[m] - within
        share = within * cycle_inverse
        red = 1.0 - share
        w = 1.0 / share
        over = ratio * w - 1.0
        spread_w = at.spread[m] * w
        root = fmax(sqrt(over * over + spread_w * w), 1e-12)
        root_inverse = 1.0 / root
        turn = (over * ratio + spread_w) * root_inverse
        lift = ratio + turn
        bend = (ratio * ratio + at.spread[m] - turn * turn) * root_inverse
        scale_w2 = scale * w * w
        per_share = at.weight[m] * cycle_inverse
        if piece == BY_GREEN:
            clears = 1.0 if ratio + waiting < share else 0.0
        else:
            clears = 1.0 if piece == 2 else 0.0
        d1_curvature = clears * cycle * at.clearing_inverse[m]
        d1_slope = -(d1_curvature * (red + 0.5 * waiting) + (1.0 - clears) * 0.5 * cycle)
        d1 = 0.5 * red * (d1_curvature * (red + waiting) + (1.0 - clears) * cycle)
        slope = per_share * (d1_slope - scale_w2 * lift)
        curvature = (
            per_share * cycle_inverse * (d1_curvature + scale_w2 * w * (w * bend + 2.0 * lift))
        )
        out.total[m] = at.weight[m] * (d1 + scale * (over + root)) + slope * beyond
        out.slope[m] = slope
        out.curvature[m] = curvature if beyond == 0.0 else 0.0


cdef void add_queue_terms(
    const Groups* at, Py_ssize_t count, const Goal* goal, int piece, Terms* out
) noexcept nogil:
    """d3 of the first lane groups."""
    cdef double cycle_inverse = 1.0 / goal.cycle
    cdef double ratio, waiting, within, beyond, share, w, drains, spare, value, slope, curvature
    cdef double least, inverse, both, half, per_share
    cdef Py_ssize_t m
    for m in range(count):
        ratio = at.ratio[m]
        waiting = at.waiting[m]
        within = fmin(fmax(at.green[m], 1.0), goal.cycle)
        beyond = at.green[m] - within
        share = within * cycle_inverse
        w = 1.0 / share
        drains = (1.0 if ratio < share else 0.0) if piece == BY_GREEN else float(piece >= 1)
        spare = share - ratio
        if drains > 0.0 and spare > waiting:
            half = 0.5 * ratio * waiting * waiting
            inverse = w / spare
            both = share + spare
            value = half * inverse
            slope = -half * both * inverse * inverse
            curvature = 2.0 * half * inverse * inverse * (both * both * inverse - 1.0)
        else:
            least = ratio * (waiting + drains * 0.5 * ratio)
            value = least * w - drains * 0.5 * ratio
            slope = -least * w * w
            curvature = 2.0 * least * w * w * w
        # A lane group without such a queue has none of this.
        per_share = at.vehicles[m] * (1.0 if waiting > 0.0 else 0.0)
        slope *= per_share * cycle_inverse
        out.total[m] += per_share * value + slope * beyond
        out.slope[m] += slope
        out.curvature[m] += (
            per_share * cycle_inverse * cycle_inverse * curvature if beyond == 0.0 else 0.0
        )


cdef void add_stop_terms(
    const Groups* at, Py_ssize_t count, const Goal* goal, int piece, Terms* out
) noexcept nogil:
    """Stops of the first lane groups: held up by red and queue, and by the overflow queue."""
    cdef double cycle_inverse = 1.0 / goal.cycle
    cdef double ratio, within, beyond, share, drains, short, root, held, full, slope, curvature
    cdef double per_share
    cdef Py_ssize_t m
    for m in range(count):
        ratio = at.ratio[m]
        within = fmin(fmax(at.green[m], 1.0), goal.cycle)
        beyond = at.green[m] - within
        share = within * cycle_inverse
        drains = (1.0 if ratio < share else 0.0) if piece == BY_GREEN else float(piece >= 1)
        per_share = drains * at.clearing_inverse[m]
        short = ratio - share
        root = fmax(sqrt(short * short + at.spread[m]), 1e-12)
        held = at.stopping[m] * ratio
        full = at.stopping[m] * cycle_inverse * goal.scale
        slope = -(held * per_share + full * (1.0 + short / root)) * cycle_inverse
        curvature = full * at.spread[m] / (root * root * root) * cycle_inverse * cycle_inverse
        out.total[m] += (
            held * (per_share * (1.0 - share) + 1.0 - drains)
            + full * (short + root)
            + slope * beyond
        )
        out.slope[m] += slope
        out.curvature[m] += curvature if beyond == 0.0 else 0.0


cdef inline void delay_terms(
    const Groups* at, Py_ssize_t count, const Goal* goal, int piece, Terms* out
) noexcept nogil:
    """:func:`optimizer.delay.delay_terms` for the first lane groups."""
    base_terms(at, count, goal, piece, out)
    if goal.has_queues:
        add_queue_terms(at, count, goal, piece, out)
    if goal.has_stops:
        add_stop_terms(at, count, goal, piece, out)


cdef inline void copy_group(
    const Groups* source, Py_ssize_t l, Groups* to, Py_ssize_t m
) noexcept nogil:
    to.ratio[m] = source.ratio[l]
    to.spread[m] = source.spread[l]
    to.clearing_inverse[m] = source.clearing_inverse[l]
    to.weight[m] = source.weight[l]
    to.waiting[m] = source.waiting[l]
    to.vehicles[m] = source.vehicles[l]
    to.stopping[m] = source.stopping[l]


cdef void best_exchange(
    const Layout* layout,
    const double* marginal,
    const double* green,
    const double* minimum,
    Exchange* out,
) noexcept nogil:
    """The exchange that saves most per second: within a part, or between two barrier groups."""
    cdef Py_ssize_t[PARTS_MAX] gain
    cdef Py_ssize_t[PARTS_MAX] give
    cdef double[BARRIERS_MAX] gain_worth
    cdef double[BARRIERS_MAX] give_worth
    cdef bint[BARRIERS_MAX] gives_all
    cdef bint[BARRIERS_MAX] exists
    cdef double best = -INFINITY, across = -INFINITY, gap
    cdef Py_ssize_t b, r, q, at, k, part = -1, source = -1, target = -1
    for b in range(layout.barriers):
        gain_worth[b] = give_worth[b] = 0.0
        gives_all[b] = True
        exists[b] = False
        for r in range(layout.rings):
            q = b * layout.rings + r
            gain[q] = give[q] = -1
            for at in range(layout.first[q], layout.first[q + 1]):
                k = layout.phase[at]
                if gain[q] < 0 or marginal[k] < marginal[gain[q]]:
                    gain[q] = k
                if green[k] - minimum[k] > SPARE_MIN and (
                    give[q] < 0 or marginal[k] > marginal[give[q]]
                ):
                    give[q] = k
            if gain[q] < 0:
                continue
            exists[b] = True
            gain_worth[b] += marginal[gain[q]]
            if give[q] < 0:
                gives_all[b] = False
                continue
            give_worth[b] += marginal[give[q]]
            gap = marginal[give[q]] - marginal[gain[q]]
            if gap > best:
                best = gap
                part = q
    for b in range(layout.barriers):
        if not exists[b] or not gives_all[b]:
            continue
        for r in range(layout.barriers):
            if r == b or not exists[r]:
                continue
            gap = give_worth[b] - gain_worth[r]
            if gap > across:
                across = gap
                source = b
                target = r
    out.gain_count = out.give_count = 0
    out.gap = fmax(fmax(best, across), 0.0)
    if across > best:
        for r in range(layout.rings):
            q = source * layout.rings + r
            if give[q] >= 0:
                out.gives[out.give_count] = give[q]
                out.give_count += 1
            q = target * layout.rings + r
            if gain[q] >= 0:
                out.gains[out.gain_count] = gain[q]
                out.gain_count += 1
    elif part >= 0:
        out.gives[0] = give[part]
        out.gains[0] = gain[part]
        out.gain_count = out.give_count = 1


cdef double settle(
    Groups* group,
    const Layout* layout,
    const double* by_stage,
    const double* by_group,
    const double* extra,
    const double* minimum,
    Py_ssize_t groups,
    const Goal* goal,
    double tolerance,
    int exchanges_max,
    double* green,
    double* price,
) noexcept nogil:
    """Exchange time until no exchange helps; returns the total delay, fills its slopes.

    ``by_stage`` and ``by_group`` are the service twice: rows of stages and rows of lane groups.
    """
    cdef Terms terms
    cdef Groups moving
    cdef Terms trial
    cdef Exchange move
    cdef double[GROUPS_MAX] tilts
    cdef double[GROUPS_MAX] tilt
    cdef Py_ssize_t[GROUPS_MAX] touched
    cdef double[STAGES_MAX] marginal
    cdef Py_ssize_t k, l, m, count, stages = layout.stages
    cdef double total = 0.0, bend, step, newton, change, slope
    cdef const double* row
    cdef int exchange = 0

    for l in range(groups):
        group.green[l] = extra[l]
        for k in range(stages):
            group.green[l] += by_group[l * stages + k] * green[k]
    delay_terms(group, groups, goal, BY_GREEN, &terms)
    for k in range(stages):
        marginal[k] = 0.0
    for l in range(groups):
        total += terms.total[l]
        for k in range(stages):
            marginal[k] += by_group[l * stages + k] * terms.slope[l]

    while exchange < exchanges_max:
        best_exchange(layout, marginal, green, minimum, &move)
        if not move.give_count:
            break
        row = &by_stage[move.gains[0] * groups]
        for l in range(groups):
            tilts[l] = row[l]
        for m in range(1, move.gain_count):
            row = &by_stage[move.gains[m] * groups]
            for l in range(groups):
                tilts[l] += row[l]
        for m in range(move.give_count):
            row = &by_stage[move.gives[m] * groups]
            for l in range(groups):
                tilts[l] -= row[l]
        bend = 0.0
        count = 0
        for l in range(groups):
            # Written for every lane group, kept for those that the exchange touches: no branch.
            bend += tilts[l] * tilts[l] * terms.curvature[l]
            touched[count] = l
            tilt[count] = tilts[l]
            count += tilts[l] != 0.0
        newton = move.gap / fmax(bend, 1e-300)
        if move.gap * newton <= tolerance * total:
            break
        step = newton
        for m in range(move.give_count):
            step = fmin(step, green[move.gives[m]] - minimum[move.gives[m]])
        for m in range(count):
            copy_group(group, touched[m], &moving, m)
        while exchange < exchanges_max:
            exchange += 1
            for m in range(count):
                moving.green[m] = group.green[touched[m]] + tilt[m] * step
            delay_terms(&moving, count, goal, BY_GREEN, &trial)
            change = 0.0
            for m in range(count):
                change += trial.total[m] - terms.total[touched[m]]
            # What is too small to be tested only takes a phase to its minimum.
            if change <= -ARMIJO * move.gap * step or move.gap * step <= tolerance * total:
                break
            step *= SHORTENING
        else:
            break
        for m in range(move.give_count):
            k = move.gives[m]
            green[k] = fmax(green[k] - step, minimum[k])
        for m in range(move.gain_count):
            green[move.gains[m]] += step
        total += change
        for m in range(count):
            l = touched[m]
            slope = trial.slope[m] - terms.slope[l]
            group.green[l] = moving.green[m]
            terms.total[l] = trial.total[m]
            terms.slope[l] = trial.slope[m]
            terms.curvature[l] = trial.curvature[m]
            for k in range(stages):
                marginal[k] += by_group[l * stages + k] * slope
    total = 0.0
    for l in range(groups):
        total += terms.total[l]
        price[l] = terms.slope[l]
    return total


cdef double least_of_group(
    const Groups* group, Py_ssize_t l, const Goal* goal, double price, double low, double high
) noexcept nogil:
    """The least (delay less price x green) of a lane group between two greens, at least."""
    cdef Groups one
    cdef Terms terms
    cdef double below, above, least = INFINITY
    cdef int piece, turn
    copy_group(group, l, &one, 0)
    for piece in range(PIECES):
        below = low
        above = high
        for turn in range(BISECTIONS):
            one.green[0] = 0.5 * (below + above)
            delay_terms(&one, 1, goal, piece, &terms)
            if terms.slope[0] < price:
                below = one.green[0]
            else:
                above = one.green[0]
        one.green[0] = below
        delay_terms(&one, 1, goal, piece, &terms)
        # The piece is convex: what is left of the interval cannot lie lower than its tangent.
        least = fmin(
            least,
            terms.total[0] - price * below + fmin(terms.slope[0] - price, 0.0) * (above - below),
        )
    return least


cdef double least_worth(
    const Layout* layout, const double* marginal, const double* minimum, double spare
) noexcept nogil:
    """The least sum of marginal x time over any times with *spare* to share out."""
    cdef double worth = 0.0, least, best = INFINITY, of_barrier
    cdef Py_ssize_t k, b, r, q, at
    cdef bint exists
    for k in range(layout.stages):
        worth += marginal[k] * minimum[k]
    for b in range(layout.barriers):
        of_barrier = 0.0
        exists = False
        for r in range(layout.rings):
            q = b * layout.rings + r
            if layout.first[q] == layout.first[q + 1]:
                continue
            exists = True
            least = INFINITY
            for at in range(layout.first[q], layout.first[q + 1]):
                least = fmin(least, marginal[layout.phase[at]])
            of_barrier += least
            worth += least * (layout.shortest[b] - layout.part_minimum[q])
        if exists:
            best = fmin(best, of_barrier)
    return worth + best * spare


cdef double lower_bound(
    const Groups* group,
    const Layout* layout,
    const double* by_group,
    const double* extra,
    const double* minimum,
    Py_ssize_t groups,
    const Goal* goal,
    double spare,
    const double* price,
) noexcept nogil:
    """What no times can cost less than, by the prices; see the reference."""
    cdef double[STAGES_MAX] marginal
    cdef double[STAGES_MAX] service
    cdef double bound = 0.0, low, high
    cdef Py_ssize_t k, l, stages = layout.stages
    for k in range(stages):
        marginal[k] = 0.0
    for l in range(groups):
        for k in range(stages):
            service[k] = by_group[l * stages + k]
            marginal[k] += service[k] * price[l]
        low = extra[l] + least_worth(layout, service, minimum, spare)
        for k in range(stages):
            service[k] = -service[k]
        high = extra[l] - least_worth(layout, service, minimum, spare)
        bound += least_of_group(group, l, goal, price[l], low, high) + price[l] * extra[l]
    return bound + least_worth(layout, marginal, minimum, spare)


cdef void lay_out(
    Layout* layout,
    const long long* ring,
    const long long* barrier,
    const double* minimum,
    Py_ssize_t stages,
) noexcept nogil:
    """Sort the phases by part, and find the shortest time of every barrier group."""
    cdef Py_ssize_t k, b, r, q, filled = 0
    layout.stages = stages
    layout.rings = layout.barriers = 1
    for k in range(stages):
        layout.rings = max(layout.rings, ring[k] + 1)
        layout.barriers = max(layout.barriers, barrier[k] + 1)
    for b in range(layout.barriers):
        layout.shortest[b] = 0.0
        for r in range(layout.rings):
            q = b * layout.rings + r
            layout.first[q] = filled
            layout.part_minimum[q] = 0.0
            for k in range(stages):
                if ring[k] == r and barrier[k] == b:
                    layout.phase[filled] = k
                    filled += 1
                    layout.part_minimum[q] += minimum[k]
            layout.first[q + 1] = filled
            layout.shortest[b] = fmax(layout.shortest[b], layout.part_minimum[q])


cdef void share_out(
    const Layout* layout,
    const double* minimum,
    const double* lengths,
    const double* weights,
    double* green,
) noexcept nogil:
    """Times with barrier groups of *lengths*, beyond the minimums by *weights*, else evenly."""
    cdef double beyond, total
    cdef Py_ssize_t b, r, q, at, k
    for b in range(layout.barriers):
        for r in range(layout.rings):
            q = b * layout.rings + r
            beyond = fmax(lengths[b] - layout.part_minimum[q], 0.0)
            total = 0.0
            for at in range(layout.first[q], layout.first[q + 1]):
                total += weights[layout.phase[at]]
            for at in range(layout.first[q], layout.first[q + 1]):
                k = layout.phase[at]
                if total > 0.0:
                    green[k] = minimum[k] + beyond / total * weights[k]
                else:
                    green[k] = minimum[k] + beyond / (layout.first[q + 1] - layout.first[q])


cdef void first_times(
    Groups* group,
    const Layout* layout,
    const double* by_stage,
    const double* minimum,
    Py_ssize_t groups,
    double spare,
    double* green,
) noexcept nogil:
    """Spare time by need: barrier groups by their neediest ring, then within parts."""
    cdef double[STAGES_MAX] needs
    cdef double[BARRIERS_MAX] lengths
    cdef double[BARRIERS_MAX] counts
    cdef double total, of_part, all_needs = 0.0, all_counts = 0.0
    cdef Py_ssize_t k, l, b, r, q, at
    for k in range(layout.stages):
        needs[k] = 0.0
        for l in range(groups):
            needs[k] = fmax(needs[k], by_stage[k * groups + l] * group.ratio[l])
    for b in range(layout.barriers):
        total = counts[b] = 0.0
        for r in range(layout.rings):
            q = b * layout.rings + r
            of_part = 0.0
            for at in range(layout.first[q], layout.first[q + 1]):
                of_part += needs[layout.phase[at]]
            total = fmax(total, of_part)
            counts[b] = fmax(counts[b], <double>(layout.first[q + 1] - layout.first[q]))
        lengths[b] = total
        all_needs += total
        all_counts += counts[b]
    for b in range(layout.barriers):
        of_part = lengths[b] / all_needs if all_needs > 0.0 else counts[b] / all_counts
        lengths[b] = layout.shortest[b] + spare * of_part
    share_out(layout, minimum, lengths, needs, green)


cdef void stretch(
    const Layout* layout, const double* minimum, double factor, double* green
) noexcept nogil:
    """Times whose barrier groups last *factor* times as long beyond their shortest."""
    cdef double[STAGES_MAX] above
    cdef double[BARRIERS_MAX] lengths
    cdef double length
    cdef Py_ssize_t k, b, r, q, at
    for k in range(layout.stages):
        above[k] = fmax(green[k] - minimum[k], 0.0)
    for b in range(layout.barriers):
        lengths[b] = 0.0
        for r in range(layout.rings):
            q = b * layout.rings + r
            length = 0.0
            for at in range(layout.first[q], layout.first[q + 1]):
                length += green[layout.phase[at]]
            lengths[b] = fmax(lengths[b], length)
        lengths[b] = layout.shortest[b] + (lengths[b] - layout.shortest[b]) * factor
    share_out(layout, minimum, lengths, above, green)


cdef void scan_cycles(
    Groups* group,
    const Layout* layout,
    const double* by_stage,
    const double* by_group,
    const double* extra,
    const double* minimum,
    double lost,
    const double* cycles,
    Py_ssize_t groups,
    Py_ssize_t candidates,
    Goal* goal,
    double tolerance,
    int exchanges_max,
    double* best_green,
    long long* best_cycle,
    double* delays,
    double* bounds,
) noexcept nogil:
    """One intersection: settle every candidate cycle, each from the one before; keep the best."""
    cdef double[STAGES_MAX] green
    cdef double[GROUPS_MAX] price
    cdef double bound = lost, spare, last_spare = -1.0
    cdef Py_ssize_t k, b, c
    best_cycle[0] = -1
    for b in range(layout.barriers):
        bound += layout.shortest[b]
    for k in range(layout.stages):
        best_green[k] = minimum[k]
    for c in range(candidates):
        spare = cycles[c] - bound
        if spare < 0.0:
            delays[c] = INFINITY
            if bounds != NULL:
                bounds[c] = INFINITY
            continue
        if last_spare > 0.0:
            stretch(layout, minimum, spare / last_spare, green)
        else:
            first_times(group, layout, by_stage, minimum, groups, spare, green)
        last_spare = spare
        goal.cycle = cycles[c]
        delays[c] = settle(
            group, layout, by_stage, by_group, extra, minimum, groups,
            goal, tolerance, exchanges_max, green, price,
        )
        if bounds != NULL:
            bounds[c] = lower_bound(
                group, layout, by_group, extra, minimum, groups, goal, spare, price
            )
        if best_cycle[0] < 0 or delays[c] < delays[best_cycle[0]]:
            best_cycle[0] = c
            for k in range(layout.stages):
                best_green[k] = green[k]


def optimise(
    const double[:, ::1] flow_veh_per_h,
    const double[:, ::1] saturation_veh_per_h,
    const double[:, :, ::1] service,
    const double[:, ::1] extra_green_s,
    const double[:, ::1] minimum_green_s,
    const double[::1] lost_s,
    const double[:, ::1] cycles_s,
    const long long[::1] stage_counts,
    const long long[::1] group_counts,
    const double[:, ::1] initial_queue_veh,
    const long long[:, ::1] ring,
    const long long[:, ::1] barrier,
    double period_h,
    double delay_weight,
    double stop_s,
    double tolerance,
    int exchanges_max,
    double[:, ::1] green_s,
    long long[::1] cycle_index,
    double[:, ::1] delay_veh,
    double[:, ::1] bound_veh,
) -> None:
    """Fill the last four arrays; see :func:`optimizer._splits_reference.optimise`."""
    cdef Py_ssize_t i, k, l, groups, stages
    cdef Groups group
    cdef Goal goal
    cdef Layout layout
    cdef double[GROUPS_MAX] extra
    cdef double[STAGES_MAX * GROUPS_MAX] by_stage
    cdef double[STAGES_MAX * GROUPS_MAX] by_group
    cdef double ratio, full
    with nogil:
        goal.scale = 900.0 * period_h
        goal.has_stops = stop_s > 0.0
        for i in range(flow_veh_per_h.shape[0]):
            stages = stage_counts[i]
            groups = group_counts[i]
            goal.has_queues = False
            for l in range(groups):
                ratio = flow_veh_per_h[i, l] / saturation_veh_per_h[i, l]
                full = saturation_veh_per_h[i, l] * period_h
                group.ratio[l] = ratio
                group.spread[l] = 4.0 * ratio / full
                group.clearing_inverse[l] = 1.0 / fmax(1.0 - ratio, 1e-9)
                group.weight[l] = delay_weight * flow_veh_per_h[i, l] / 3600.0
                group.waiting[l] = initial_queue_veh[i, l] / full
                group.vehicles[l] = delay_weight * full
                group.stopping[l] = STOP_FACTOR * stop_s * saturation_veh_per_h[i, l] / 3600.0
                if initial_queue_veh[i, l] > 0.0:
                    goal.has_queues = True
                extra[l] = extra_green_s[i, l]
                for k in range(stages):
                    by_stage[k * groups + l] = service[i, k, l]
                    by_group[l * stages + k] = service[i, k, l]
            lay_out(&layout, &ring[i, 0], &barrier[i, 0], &minimum_green_s[i, 0], stages)
            scan_cycles(
                &group, &layout, by_stage, by_group, extra, &minimum_green_s[i, 0], lost_s[i],
                &cycles_s[i, 0], groups, cycles_s.shape[1], &goal, tolerance,
                exchanges_max, &green_s[i, 0], &cycle_index[i], &delay_veh[i, 0],
                &bound_veh[i, 0] if bound_veh.shape[1] else NULL,
            )
