"""The law of :mod:`optimizer.bandwidth._multiband_reference`, without the GIL."""

from libc.math cimport fabs, floor
from libc.stdlib cimport free, malloc

cdef double NONE = -1e300


cdef inline double link_value(
    double out, double into, double weight_out, double weight_in, double ratio
) noexcept nogil:
    """Weighted bands of a link for half widths out and into."""
    cdef double b = 2.0 * max(0.0, out), bb = 2.0 * max(0.0, into)
    if ratio == 1.0:
        b = bb = min(b, bb)
    elif ratio < 1.0:
        if ratio > 0.0:
            b = min(b, bb / ratio)
    else:
        bb = min(bb, ratio * b)
    return weight_out * b + weight_in * bb


cdef struct Row:
    double value
    double out
    double into
    int from_phase
    int from_lead


cdef void open_rows(
    Row* rows, int phases, int leads, const double* phase, const double* lead,
    const double* centre, int centres, double green_out, double green_in, double slack,
) noexcept nogil:
    """Half widths at a signal for every (phase, lead); out is below -slack where none are."""
    cdef int a, b, k
    cdef double off, out, into
    cdef Row* row
    for a in range(phases):
        for b in range(leads):
            row = &rows[a * leads + b]
            out = 0.5 * green_out - fabs(lead[b] - 0.5 * green_out)
            into = NONE
            for k in range(centres):
                off = phase[a] - centre[k] - 1.0 + 0.5 * green_out - lead[b]
                off -= floor(off + 0.5)
                into = max(into, 0.5 * green_in - fabs(off))
            row.value = 0.0 if out >= -slack and into >= -slack else NONE
            row.out = out + 0.5 * slack
            row.into = into + slack


def best_path(
    const double[:, ::1] phase, const double[:, ::1] lead, const double[:, ::1] centre,
    const int[::1] centres, const double[:, ::1] green, const double[:, ::1] time,
    const double[:, ::1] weight, double slack, int[:, ::1] chosen,
):
    """See the reference."""
    cdef int n = <int> phase.shape[0], phases = <int> phase.shape[1], leads = <int> lead.shape[1]
    cdef int i, a, b, c, d, size = phases * leads
    cdef double step, value, best, allowed = slack + 1e-9
    cdef Row* rows = <Row*> malloc(n * size * sizeof(Row))
    cdef Row* here
    cdef Row* there
    cdef Row* row
    if rows == NULL:
        raise MemoryError("no memory for the search for bands by link")
    with nogil:
        for i in range(n):
            open_rows(
                &rows[i * size], phases, leads, &phase[i, 0], &lead[i, 0], &centre[i, 0],
                centres[i], green[i, 0], green[i, 1], slack,
            )
        for i in range(n - 1):
            here = &rows[i * size]
            there = &rows[(i + 1) * size]
            for a in range(phases):
                for b in range(leads):
                    row = &there[a * leads + b]
                    if row.value == NONE:
                        continue
                    best = NONE
                    for c in range(phases):
                        # How far the phase gained exceeds the least travel time, in 0..1.
                        step = phase[i + 1, a] - phase[i, c] - time[i, 0] + allowed
                        step -= floor(step)
                        if step > time[i, 1] - time[i, 0] + 2.0 * allowed:
                            continue
                        for d in range(c * leads, c * leads + leads):
                            if here[d].value == NONE:
                                continue
                            value = here[d].value + link_value(
                                min(here[d].out, row.out), min(here[d].into, row.into),
                                weight[i, 0], weight[i, 1], weight[i, 2],
                            )
                            if value > best:
                                best = value
                                row.from_phase = c
                                row.from_lead = d - c * leads
                    row.value = best
        best = NONE
        there = &rows[(n - 1) * size]
        for a in range(size):
            if there[a].value > best:
                best = there[a].value
                chosen[n - 1, 0] = a / leads
                chosen[n - 1, 1] = a % leads
        if best > NONE:
            for i in range(n - 1, 0, -1):
                row = &rows[i * size + chosen[i, 0] * leads + chosen[i, 1]]
                chosen[i - 1, 0] = row.from_phase
                chosen[i - 1, 1] = row.from_lead
        free(rows)
    return best if best > NONE else float("-inf")
