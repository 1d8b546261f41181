"""The widest total band along one path: which cycle a band passes each signal in is fixed.

Then everything is linear in the band B and z, the inverse of the cycle. Cells are polygons of
(phase q, slowness y) that keep, for every side, how its place follows from B and z. Where a cell
turns out empty, the sides that say so add up to a bound B <= at_0 + per_z * z that holds for the
whole path: the highest point below all bounds is tried next, until it can be reached.
"""

from libc.math cimport fabs

cdef enum:
    SIDES = 160
    BOUNDS = 80

cdef extern from *:
    """
    #define SLACK 1e-11
    """
    const double SLACK

cdef struct Side:
    # a * q + b * y <= one + per_band * B + per_z * z
    double a
    double b
    double one
    double per_band
    double per_z

cdef struct Cell:
    # corner i lies between side i and side i + 1, counter-clockwise
    int n
    Side side[SIDES]
    double q[SIDES]
    double y[SIDES]

cdef struct Bound:
    double at_0
    double per_z

cdef struct Path:
    # The band is to pass signal i within [low + B / 2, high - B / 2] (or [low, high] where any
    # phase will do); laps[i] whole cycles are taken off between signals i and i + 1.
    int n
    const double* length
    const double* clearance
    const double* fast
    const double* slow
    const double* change
    bint free
    double* low
    double* high
    double* half
    int* laps

cdef enum Answer:
    FAILED = -1
    EMPTY = 0
    FILLED = 1


cdef inline Side side(double a, double b, double one, double per_band, double per_z) noexcept nogil:
    cdef Side s
    s.a = a
    s.b = b
    s.one = one
    s.per_band = per_band
    s.per_z = per_z
    return s


cdef inline Answer bound_from(
    double one, double per_band, double per_z, Bound* bound
) noexcept nogil:
    """From 0 <= one + per_band * B + per_z * z."""
    if per_band > -1e-9:
        return FAILED
    bound.at_0 = -one / per_band
    bound.per_z = -per_z / per_band
    return EMPTY


cdef inline Answer refusal(
    const Cell* c, Side s, const double* over, double least, Bound* bound
) noexcept nogil:
    """The bound that follows from side *s* and the two sides of the corner that comes nearest.

    Sides without length share a corner; the right pair holds *s* off with no negative share.
    """
    cdef int i, j, one = -1, other = -1
    cdef double det, u, v, share = 0.0, rest = 0.0, best = -1e-7
    for i in range(c.n):
        j = i + 1 if i + 1 < c.n else 0
        det = c.side[i].a * c.side[j].b - c.side[j].a * c.side[i].b
        if over[i] > least + 1e-9 or fabs(det) < 1e-14:
            continue
        u = -(s.a * c.side[j].b - c.side[j].a * s.b) / det
        v = -(c.side[i].a * s.b - s.a * c.side[i].b) / det
        if min(u, v) > best:
            best = min(u, v)
            one, other, share, rest = i, j, u, v
    if one < 0:
        return FAILED
    return bound_from(
        s.one + share * c.side[one].one + rest * c.side[other].one,
        s.per_band + share * c.side[one].per_band + rest * c.side[other].per_band,
        s.per_z + share * c.side[one].per_z + rest * c.side[other].per_z,
        bound,
    )


cdef inline Answer clip(
    Cell** cell, Cell** spare, Side s, double band, double z, Bound* bound
) noexcept nogil:
    """Keep what of *cell* is within side *s*; a changed cell trades places with *spare*."""
    cdef Cell* c = cell[0]
    cdef Cell* out = spare[0]
    cdef double limit = s.one + s.per_band * band + s.per_z * z
    cdef double least = 1e300, share
    cdef int i, j, k, first = -1, kept = 0
    cdef double over[SIDES]
    for i in range(c.n):
        over[i] = s.a * c.q[i] + s.b * c.y[i] - limit
        least = min(least, over[i])
        kept += over[i] <= SLACK
    if kept == c.n:
        return FILLED
    if kept == 0:
        return refusal(c, s, over, least, bound)
    for i in range(c.n):
        j = i - 1 if i > 0 else c.n - 1
        if over[i] <= SLACK and over[j] > SLACK:
            first = i
            break
    if kept + 2 > SIDES:
        return FAILED
    for k in range(kept):
        i = (first + k) % c.n
        out.side[k] = c.side[i]
        out.q[k] = c.q[i]
        out.y[k] = c.y[i]
    i = (first + kept - 1) % c.n
    j = (i + 1) % c.n
    if over[j] <= SLACK:
        return FAILED  # the kept corners were not in a row: rounding
    share = over[i] / (over[i] - over[j])
    share = min(1.0, max(0.0, share))
    out.side[kept] = c.side[j]
    out.q[kept] = c.q[i] + share * (c.q[j] - c.q[i])
    out.y[kept] = c.y[i] + share * (c.y[j] - c.y[i])
    j = first - 1 if first > 0 else c.n - 1
    share = over[first] / (over[first] - over[j])
    share = min(1.0, max(0.0, share))
    out.side[kept + 1] = s
    out.q[kept + 1] = c.q[first] + share * (c.q[j] - c.q[first])
    out.y[kept + 1] = c.y[first] + share * (c.y[j] - c.y[first])
    out.n = kept + 2
    cell[0] = out
    spare[0] = c
    return FILLED


cdef inline int sign(double b) noexcept nogil:
    return (b > 1e-12) - (b < -1e-12)


cdef inline Answer widen(Cell** cell, Cell** spare, double change, double z) noexcept nogil:
    """Every y of *cell* may change by up to change * z; it trades places with *spare*."""
    cdef Cell* c = cell[0]
    cdef Cell* out = spare[0]
    cdef int i, j, here, there
    cdef double u, v, by = change * z
    cdef Side upright
    out.n = 0
    for i in range(c.n):
        j = i + 1 if i + 1 < c.n else 0
        here = sign(c.side[i].b)
        there = sign(c.side[j].b)
        if out.n + 2 > SIDES or (here == 0 and there == 0):
            return FAILED
        out.side[out.n] = c.side[i]
        out.side[out.n].per_z += fabs(c.side[i].b) * change
        out.q[out.n] = c.q[i]
        if here * there < 0:
            out.y[out.n] = c.y[i] + here * by
            out.n += 1
            u = c.side[j].b / (c.side[j].b - c.side[i].b)
            v = 1.0 - u
            upright = side(
                u * c.side[i].a + v * c.side[j].a,
                0.0,
                u * c.side[i].one + v * c.side[j].one,
                u * c.side[i].per_band + v * c.side[j].per_band,
                u * c.side[i].per_z + v * c.side[j].per_z,
            )
            if fabs(upright.a) < 1e-12:
                return FAILED
            out.side[out.n] = upright
            out.q[out.n] = c.q[i]
            out.y[out.n] = c.y[i] + there * by
        else:
            out.y[out.n] = c.y[i] + (here if here != 0 else there) * by
        out.n += 1
    cell[0] = out
    spare[0] = c
    return FILLED


cdef inline Answer limited_path(
    const Path* p, double band, double z, Cell* c, Cell* d, Bound* bound
) noexcept nogil:
    """Whether (band, z) can be had on a path whose links limit each other's speeds."""
    cdef int i, k
    cdef Answer answer
    cdef double q0 = p.low[0] + p.half[0] * band
    cdef double q1 = p.high[0] - p.half[0] * band
    cdef double length, shift
    cdef Side sides[2]
    if q0 > q1 + SLACK:
        return bound_from(p.high[0] - p.low[0], -2.0 * p.half[0], 0.0, bound)
    c.n = 4
    c.side[0] = side(0.0, -1.0, 0.0, 0.0, -p.fast[0])
    c.side[1] = side(1.0, 0.0, p.high[0], -p.half[0], 0.0)
    c.side[2] = side(0.0, 1.0, 0.0, 0.0, p.slow[0])
    c.side[3] = side(-1.0, 0.0, -p.low[0], -p.half[0], 0.0)
    c.q[0] = c.q[1] = q1
    c.q[2] = c.q[3] = q0
    c.y[0] = c.y[3] = z * p.fast[0]
    c.y[1] = c.y[2] = z * p.slow[0]
    for i in range(p.n - 1):
        length = p.length[i]
        shift = -p.clearance[i] - p.laps[i]
        for k in range(c.n):
            c.q[k] += length * c.y[k] + shift
            c.side[k].b -= length * c.side[k].a
            c.side[k].one += c.side[k].a * shift
        sides[0] = side(1.0, 0.0, p.high[i + 1], -p.half[i + 1], 0.0)
        sides[1] = side(-1.0, 0.0, -p.low[i + 1], -p.half[i + 1], 0.0)
        for k in range(2):
            answer = clip(&c, &d, sides[k], band, z, bound)
            if answer != FILLED:
                return answer
        if i + 1 == p.n - 1:
            break
        if p.change[i] > 0.0:  # else sides without length would gather
            answer = widen(&c, &d, min(p.change[i], p.slow[i] + p.slow[i + 1]), z)
            if answer != FILLED:
                return answer
        sides[0] = side(0.0, 1.0, 0.0, 0.0, p.slow[i + 1])
        sides[1] = side(0.0, -1.0, 0.0, 0.0, -p.fast[i + 1])
        for k in range(2):
            answer = clip(&c, &d, sides[k], band, z, bound)
            if answer != FILLED:
                return answer
    return FILLED


cdef inline Answer free_path(const Path* p, double band, double z, Bound* bound) noexcept nogil:
    """Whether (band, z) can be had on a path whose links choose their speeds freely."""
    cdef int i
    cdef Side low = side(0.0, 0.0, p.low[0], p.half[0], 0.0)
    cdef Side high = side(0.0, 0.0, p.high[0], -p.half[0], 0.0)
    cdef double shift
    for i in range(p.n):
        if i > 0:
            shift = -p.clearance[i - 1] - p.laps[i - 1]
            low.one += shift
            low.per_z += p.length[i - 1] * p.fast[i - 1]
            high.one += shift
            high.per_z += p.length[i - 1] * p.slow[i - 1]
            if p.low[i] + p.half[i] * band > low.one + low.per_band * band + low.per_z * z:
                low = side(0.0, 0.0, p.low[i], p.half[i], 0.0)
            if p.high[i] - p.half[i] * band < high.one + high.per_band * band + high.per_z * z:
                high = side(0.0, 0.0, p.high[i], -p.half[i], 0.0)
        if low.one + low.per_band * band + low.per_z * z \
                > high.one + high.per_band * band + high.per_z * z + SLACK:
            return bound_from(
                high.one - low.one, high.per_band - low.per_band, high.per_z - low.per_z, bound
            )
    return FILLED


cdef inline void highest(
    const Bound* bounds, int count, double z0, double z1, double* band, double* z
) noexcept nogil:
    """The highest point below all bounds within z0..z1; the greatest z where several are."""
    cdef int i, active = 0
    cdef double at = z0, cross, nearest, value, least = 1e300
    for i in range(count):
        value = bounds[i].at_0 + bounds[i].per_z * z0
        if value < least - 1e-14 or (
            value < least + 1e-14 and bounds[i].per_z < bounds[active].per_z
        ):
            least = min(least, value)
            active = i
    while bounds[active].per_z >= -1e-13 and at < z1:
        nearest = z1
        value = bounds[active].at_0
        least = bounds[active].per_z
        for i in range(count):
            if bounds[i].per_z < least - 1e-13:
                cross = (bounds[i].at_0 - value) / (least - bounds[i].per_z)
                cross = max(cross, at)
                if cross < nearest or (
                    cross <= nearest and bounds[i].per_z < bounds[active].per_z
                ):
                    nearest = cross
                    active = i
        at = nearest
        if bounds[active].per_z == least:
            break
    z[0] = at
    band[0] = 1e300
    for i in range(count):
        band[0] = min(band[0], bounds[i].at_0 + bounds[i].per_z * at)


cdef inline Answer widest(
    const Path* p, double cap, double z0, double z1, double* band, double* z, Cell* c, Cell* d
) noexcept nogil:
    """The widest band of a path for z in z0..z1, cap at most; never fewer than what it has."""
    cdef Bound bounds[BOUNDS]
    cdef int count = 1
    cdef Answer answer
    bounds[0].at_0 = cap
    bounds[0].per_z = 0.0
    while True:
        highest(bounds, count, z0, z1, band, z)
        if p.free:
            answer = free_path(p, band[0], z[0], &bounds[count])
        else:
            answer = limited_path(p, band[0], z[0], c, d, &bounds[count])
        if answer != EMPTY:
            return answer
        count += 1
        if count == BOUNDS:
            return FAILED
