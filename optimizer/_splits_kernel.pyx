"""Cycle and splits of least HCM delay, one intersection after the other, without the GIL.

The law, the shapes and the units are those of :mod:`optimizer._splits_reference`, which one test
suite holds to the same results. What this file does better: it evaluates only the lane groups that
an exchange of green between two stages changes, and stops each intersection as soon as it is done.
"""

from libc.math cimport INFINITY, sqrt

cdef enum:
    STAGES_MAX = 32
    GROUPS_MAX = 64

cdef double ARMIJO = 1e-3
cdef double SHORTENING = 0.4
cdef double SPARE_MIN = 1e-9

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
    double[GROUPS_MAX] green


cdef struct Terms:
    double[GROUPS_MAX] total
    double[GROUPS_MAX] slope
    double[GROUPS_MAX] curvature


cdef inline void delay_terms(
    const Groups* at, Py_ssize_t count, double cycle, double scale, Terms* out
) noexcept nogil:
    """:func:`optimizer.delay.delay_terms` for the first lane groups; ``scale`` is 900 T."""
    cdef double cycle_inverse = 1.0 / cycle
    cdef double share, red, w, over, spread_w, root, root_inverse, turn, lift, bend, scale_w2
    cdef double per_share, d1, d1_slope, d1_curvature, clears, ratio, within, beyond
    cdef double slope, curvature
    cdef Py_ssize_t m
    for m in range(count):
        ratio = at.ratio[m]
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
        clears = 1.0 if ratio < share else 0.0
        d1_curvature = clears * cycle * at.clearing_inverse[m]
        d1_slope = -(d1_curvature * red + (1.0 - clears) * 0.5 * cycle)
        d1 = -d1_slope * red * (1.0 - 0.5 * clears)
        slope = per_share * (d1_slope - scale_w2 * lift)
        curvature = (
            per_share * cycle_inverse * (d1_curvature + scale_w2 * w * (w * bend + 2.0 * lift))
        )
        out.total[m] = at.weight[m] * (d1 + scale * (over + root)) + slope * beyond
        out.slope[m] = slope
        out.curvature[m] = curvature if beyond == 0.0 else 0.0


cdef double settle(
    Groups* group,
    const double* by_stage,
    const double* by_group,
    const double* extra,
    const double* minimum,
    Py_ssize_t stages,
    Py_ssize_t groups,
    double cycle,
    double scale,
    double tolerance,
    int exchanges_max,
    double* green,
) noexcept nogil:
    """Exchange green between pairs of stages until no exchange helps; returns the total delay.

    ``by_stage`` and ``by_group`` are the service twice: rows of stages and rows of lane groups.
    """
    cdef Terms terms
    cdef Groups moving
    cdef Terms trial
    cdef double[GROUPS_MAX] tilt
    cdef Py_ssize_t[GROUPS_MAX] touched
    cdef double[STAGES_MAX] marginal
    cdef Py_ssize_t k, l, m, count, gain, give
    cdef double total = 0.0, gap, bend, step, change, slope, tilted
    cdef const double* gains
    cdef const double* gives
    cdef int exchange = 0

    for l in range(groups):
        group.green[l] = extra[l]
        for k in range(stages):
            group.green[l] += by_group[l * stages + k] * green[k]
    delay_terms(group, groups, cycle, scale, &terms)
    for k in range(stages):
        marginal[k] = 0.0
    for l in range(groups):
        total += terms.total[l]
        for k in range(stages):
            marginal[k] += by_group[l * stages + k] * terms.slope[l]

    while exchange < exchanges_max:
        gain = 0
        give = -1
        for k in range(stages):
            if marginal[k] < marginal[gain]:
                gain = k
            if green[k] - minimum[k] > SPARE_MIN and (give < 0 or marginal[k] > marginal[give]):
                give = k
        if give < 0:
            break
        gap = marginal[give] - marginal[gain]
        bend = 0.0
        count = 0
        gains = &by_stage[gain * groups]
        gives = &by_stage[give * groups]
        for l in range(groups):
            # Written for every lane group, kept for those that the exchange touches: no branch.
            tilted = gains[l] - gives[l]
            bend += tilted * tilted * terms.curvature[l]
            touched[count] = l
            tilt[count] = tilted
            count += tilted != 0.0
        step = fmin(gap / fmax(bend, 1e-300), green[give] - minimum[give])
        if gap * step <= tolerance * total:
            break
        for m in range(count):
            l = touched[m]
            moving.ratio[m] = group.ratio[l]
            moving.spread[m] = group.spread[l]
            moving.clearing_inverse[m] = group.clearing_inverse[l]
            moving.weight[m] = group.weight[l]
        while exchange < exchanges_max:
            exchange += 1
            for m in range(count):
                moving.green[m] = group.green[touched[m]] + tilt[m] * step
            delay_terms(&moving, count, cycle, scale, &trial)
            change = 0.0
            for m in range(count):
                change += trial.total[m] - terms.total[touched[m]]
            if change <= -ARMIJO * gap * step:
                break
            step *= SHORTENING
        else:
            break
        green[give] = fmax(green[give] - step, minimum[give])
        green[gain] += step
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
    return total


cdef void first_greens(
    Groups* group,
    const double* by_stage,
    const double* minimum,
    Py_ssize_t stages,
    Py_ssize_t groups,
    double spare,
    double* green,
) noexcept nogil:
    """Spare green in proportion to each stage's largest flow ratio, evenly without flows."""
    cdef double sum_of_needs = 0.0
    cdef Py_ssize_t k, l
    for k in range(stages):
        green[k] = 0.0
        for l in range(groups):
            green[k] = fmax(green[k], by_stage[k * groups + l] * group.ratio[l])
        sum_of_needs += green[k]
    for k in range(stages):
        if sum_of_needs > 0.0:
            green[k] = minimum[k] + spare * (green[k] / sum_of_needs)
        else:
            green[k] = minimum[k] + spare / stages


cdef void scan_cycles(
    Groups* group,
    const double* by_stage,
    const double* by_group,
    const double* extra,
    const double* minimum,
    double lost,
    const double* cycles,
    Py_ssize_t stages,
    Py_ssize_t groups,
    Py_ssize_t candidates,
    double scale,
    double tolerance,
    int exchanges_max,
    double* best_green,
    long long* best_cycle,
    double* delays,
) noexcept nogil:
    """One intersection: settle every candidate cycle, each from the one before; keep the best."""
    cdef double[STAGES_MAX] green
    cdef double bound = lost, spare, last_spare = -1.0
    cdef Py_ssize_t k, c
    best_cycle[0] = -1
    for k in range(stages):
        bound += minimum[k]
        best_green[k] = minimum[k]
    for c in range(candidates):
        spare = cycles[c] - bound
        if spare < 0.0:
            delays[c] = INFINITY
            continue
        if last_spare > 0.0:
            for k in range(stages):
                green[k] = minimum[k] + (green[k] - minimum[k]) * (spare / last_spare)
        else:
            first_greens(group, by_stage, minimum, stages, groups, spare, green)
        last_spare = spare
        delays[c] = settle(
            group, by_stage, by_group, extra, minimum, stages, groups,
            cycles[c], scale, tolerance, exchanges_max, green,
        )
        if best_cycle[0] < 0 or delays[c] < delays[best_cycle[0]]:
            best_cycle[0] = c
            for k in range(stages):
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
    double period_h,
    double tolerance,
    int exchanges_max,
    double[:, ::1] green_s,
    long long[::1] cycle_index,
    double[:, ::1] delay_veh,
) -> None:
    """Fill the last three arrays; see :func:`optimizer._splits_reference.optimise`."""
    cdef Py_ssize_t i, k, l, groups, stages
    cdef Groups group
    cdef double[GROUPS_MAX] extra
    cdef double[STAGES_MAX * GROUPS_MAX] by_stage
    cdef double[STAGES_MAX * GROUPS_MAX] by_group
    cdef double ratio
    with nogil:
        for i in range(flow_veh_per_h.shape[0]):
            stages = stage_counts[i]
            groups = group_counts[i]
            for l in range(groups):
                ratio = flow_veh_per_h[i, l] / saturation_veh_per_h[i, l]
                group.ratio[l] = ratio
                group.spread[l] = 4.0 * ratio / (saturation_veh_per_h[i, l] * period_h)
                group.clearing_inverse[l] = 1.0 / fmax(1.0 - ratio, 1e-9)
                group.weight[l] = flow_veh_per_h[i, l] / 3600.0
                extra[l] = extra_green_s[i, l]
                for k in range(stages):
                    by_stage[k * groups + l] = service[i, k, l]
                    by_group[l * stages + k] = service[i, k, l]
            scan_cycles(
                &group, by_stage, by_group, extra, &minimum_green_s[i, 0], lost_s[i],
                &cycles_s[i, 0], stages, groups, cycles_s.shape[1], 900.0 * period_h, tolerance,
                exchanges_max, &green_s[i, 0], &cycle_index[i], &delay_veh[i, 0],
            )
