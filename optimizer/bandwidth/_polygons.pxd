"""Convex polygons of (phase q, slowness y): what can be reached at a signal of an arterial."""

from libc.math cimport fabs

cdef enum:
    CORNERS = 48

cdef struct Polygon:
    int n
    double q[CORNERS]
    double y[CORNERS]


cdef inline void put(Polygon* p, double q, double y) noexcept nogil:
    """Add a corner, unless it is the one before; what does not fit is told by n > CORNERS."""
    if p.n > 0 and p.n <= CORNERS:
        if fabs(p.q[p.n - 1] - q) + fabs(p.y[p.n - 1] - y) < 1e-13:
            return
    if p.n < CORNERS:
        p.q[p.n] = q
        p.y[p.n] = y
    p.n += 1


cdef inline void box(Polygon* p, double q0, double q1, double y0, double y1) noexcept nogil:
    p.n = 4
    p.q[0] = q0
    p.y[0] = y0
    p.q[1] = q1
    p.y[1] = y0
    p.q[2] = q1
    p.y[2] = y1
    p.q[3] = q0
    p.y[3] = y1


cdef inline void travel(Polygon* p, double length, double shift) noexcept nogil:
    """From a signal to the next: q gains length * y + shift."""
    cdef int i
    for i in range(p.n):
        p.q[i] += length * p.y[i] + shift


cdef inline void range_q(const Polygon* p, double* low, double* high) noexcept nogil:
    cdef int i
    low[0] = high[0] = p.q[0]
    for i in range(1, p.n):
        low[0] = min(low[0], p.q[i])
        high[0] = max(high[0], p.q[i])


cdef inline void cut_q(
    const Polygon* p, double limit, double sign, Polygon* out
) noexcept nogil:
    """The part with sign * q <= sign * limit."""
    cdef int i, before = p.n - 1
    cdef double inside, inside_before, share
    out.n = 0
    inside_before = sign * (limit - p.q[before])
    for i in range(p.n):
        inside = sign * (limit - p.q[i])
        if (inside < 0.0) != (inside_before < 0.0):
            share = inside_before / (inside_before - inside)
            put(out, limit, p.y[before] + share * (p.y[i] - p.y[before]))
        if inside >= 0.0:
            put(out, p.q[i], p.y[i])
        before = i
        inside_before = inside


cdef inline void cut_y(
    const Polygon* p, double limit, double sign, Polygon* out
) noexcept nogil:
    """The part with sign * y <= sign * limit."""
    cdef int i, before = p.n - 1
    cdef double inside, inside_before, share
    out.n = 0
    inside_before = sign * (limit - p.y[before])
    for i in range(p.n):
        inside = sign * (limit - p.y[i])
        if (inside < 0.0) != (inside_before < 0.0):
            share = inside_before / (inside_before - inside)
            put(out, p.q[before] + share * (p.q[i] - p.q[before]), limit)
        if inside >= 0.0:
            put(out, p.q[i], p.y[i])
        before = i
        inside_before = inside


cdef inline void widen_y(const Polygon* p, double by, Polygon* out) noexcept nogil:
    """Every point may change its y by *by*: the lower corners go down, the upper ones up."""
    cdef int i, k
    cdef int low_left = 0, low_right = 0, high_left = 0, high_right = 0
    for i in range(1, p.n):
        if p.q[i] < p.q[low_left] or (p.q[i] == p.q[low_left] and p.y[i] < p.y[low_left]):
            low_left = i
        if p.q[i] > p.q[low_right] or (p.q[i] == p.q[low_right] and p.y[i] < p.y[low_right]):
            low_right = i
        if p.q[i] < p.q[high_left] or (p.q[i] == p.q[high_left] and p.y[i] > p.y[high_left]):
            high_left = i
        if p.q[i] > p.q[high_right] or (p.q[i] == p.q[high_right] and p.y[i] > p.y[high_right]):
            high_right = i
    out.n = 0
    i = low_left
    for k in range(p.n):
        put(out, p.q[i], p.y[i] - by)
        if i == low_right:
            break
        i = i + 1 if i + 1 < p.n else 0
    i = high_right
    for k in range(p.n):
        put(out, p.q[i], p.y[i] + by)
        if i == high_left:
            break
        i = i + 1 if i + 1 < p.n else 0


cdef inline bint inside(const Polygon* p, double q, double y, double slack) noexcept nogil:
    """Whether a point lies in the polygon (corners counter-clockwise), give or take *slack*."""
    cdef int i, before = p.n - 1
    for i in range(p.n):
        if (p.q[i] - p.q[before]) * (y - p.y[before]) \
                - (p.y[i] - p.y[before]) * (q - p.q[before]) < -slack:
            return False
        before = i
    return True


cdef inline bint contains(const Polygon* p, const Polygon* other) noexcept nogil:
    cdef int i
    for i in range(other.n):
        if not inside(p, other.q[i], other.y[i], 1e-13):
            return False
    return True


cdef inline bint range_y_at(
    const Polygon* p, double q0, double slope, double* low, double* high, double slack
) noexcept nogil:
    """The y of the points of the line q = q0 - slope * y within the polygon; whether there are."""
    cdef int i, before = p.n - 1
    cdef double at, at_before, y
    cdef bint found = False
    at_before = p.q[before] + slope * p.y[before] - q0
    for i in range(p.n):
        at = p.q[i] + slope * p.y[i] - q0
        if fabs(at) <= slack:
            y = p.y[i]
        elif (at < 0.0) != (at_before < 0.0):
            y = p.y[before] + at_before / (at_before - at) * (p.y[i] - p.y[before])
        else:
            before = i
            at_before = at
            continue
        if not found:
            low[0] = high[0] = y
            found = True
        low[0] = min(low[0], y)
        high[0] = max(high[0], y)
        before = i
        at_before = at
    return found
