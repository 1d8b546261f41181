"""The search of :mod:`optimizer.bandwidth._maxband_reference`, without the GIL, and finished exactly.

What can be reached at a signal for a total band B is followed from signal to signal: arcs of phases
where the speeds of links are free, else polygons of (phase, slowness). Over a range of z, the
inverse of the cycle, too much is reached, never too little, so that an empty set proves that no
band of B or more exists there. Where paths through the sets are few, the widest band of each is
found exactly (:mod:`optimizer.bandwidth._cuts`) and the range is done with; else it is halved.
"""

from libc.math cimport ceil, fabs, floor
from libc.stdlib cimport calloc, free

from optimizer.bandwidth._cuts cimport FILLED, Cell, Path, widest
from optimizer.bandwidth._polygons cimport (
    CORNERS,
    Polygon,
    box,
    contains,
    cut_q,
    cut_y,
    range_q,
    range_y_at,
    travel,
    widen_y,
)

cdef enum:
    WINDOWS = 4
    ARCS = 64
    PIECES = 40
    FEW = 4
    STARTS = 16
    CYCLES = 6
    STACK = 512
    CLIMBS = 200

cdef extern from *:
    """
    #define TOUCH 1e-11
    """
    const double TOUCH

cdef struct Job:
    int n
    bint free
    double cap
    double tolerance
    double z_low
    double z_high
    const double* green
    const double* centre
    const int* centres
    const double* clearance
    const double* length
    const double* fast
    const double* slow
    const double* change
    # Windows of the band that is tested: count, from, to, and whether any phase will do.
    int* window_count
    double* window_low
    double* window_high
    int* window_full
    # Arcs by signal.
    int* arc_count
    double* arc_low
    double* arc_high
    # The one way through, where there is only one: laps, window.
    int* lone_lap
    int* lone_window
    # Polygons by signal: only their origins are kept.
    int* piece_count
    int* piece_from
    int* piece_lap
    int* piece_window
    Polygon* now
    Polygon* next
    Polygon* scratch
    # Ways through of the last test, 0 if more than FEW or not known; whether sets were joined.
    int ways
    bint joined
    # Slownesses that polygons may begin with.
    double first_fast
    double first_slow
    # A path, and the best one.
    Path path
    double* q
    double* y
    int* lap
    int* choice
    Polygon* chain
    Cell* cells
    double band
    double z
    int* best_lap
    int* best_choice
    long long tests


cdef struct Range:
    double z0
    double z1
    double fast
    double slow


cdef void open_windows(Job* j, double band) noexcept nogil:
    """Where the phase may be at each signal; overlapping windows of several patterns are one."""
    cdef int i, k, m, count
    cdef double half, low, high
    cdef double* lows
    cdef double* highs
    for i in range(j.n):
        half = 0.5 * (j.green[i] - band) + TOUCH
        lows = &j.window_low[WINDOWS * i]
        highs = &j.window_high[WINDOWS * i]
        j.window_full[i] = half >= 0.5
        if half >= 0.5:
            lows[0] = j.centre[WINDOWS * i] - 0.5
            highs[0] = lows[0] + 1.0
            j.window_count[i] = 1
            continue
        count = 0
        if half >= 0.0:
            for k in range(j.centres[i]):
                low = j.centre[WINDOWS * i + k] - half
                m = count
                while m > 0 and lows[m - 1] > low:
                    lows[m] = lows[m - 1]
                    m -= 1
                lows[m] = low
                count += 1
            m = 0
            highs[0] = lows[0] + 2.0 * half
            for k in range(1, count):
                high = lows[k] + 2.0 * half
                if lows[k] <= highs[m]:
                    highs[m] = high
                else:
                    m += 1
                    lows[m] = lows[k]
                    highs[m] = high
            count = m + 1
            if highs[count - 1] - lows[0] >= 1.0 and count == 1:
                highs[0] = lows[0] + 1.0
                j.window_full[i] = True
        j.window_count[i] = count


cdef bint reach_by_arcs(Job* j, double z0, double z1) noexcept nogil:
    """Whether the last signal can be reached when every link chooses its speed freely."""
    cdef int i, k, a, m, first, last, count, at
    cdef double low, high, new_low, new_high
    cdef double* lows
    cdef double* highs
    cdef bint lone = True
    for i in range(j.n):
        if j.window_count[i] == 0:
            return False
    for k in range(j.window_count[0]):
        j.arc_low[k] = j.window_low[k]
        j.arc_high[k] = j.window_high[k]
    j.arc_count[0] = j.window_count[0]
    lone = j.arc_count[0] == 1
    j.lone_window[0] = 0
    for i in range(j.n - 1):
        lows = &j.arc_low[ARCS * (i + 1)]
        highs = &j.arc_high[ARCS * (i + 1)]
        count = 0
        at = 0
        for a in range(j.arc_count[i]):
            low = j.arc_low[ARCS * i + a] + j.length[i] * j.fast[i] * z0 - j.clearance[i]
            high = j.arc_high[ARCS * i + a] + j.length[i] * j.slow[i] * z1 - j.clearance[i]
            for k in range(j.window_count[i + 1]):
                first = <int> ceil(low - j.window_high[WINDOWS * (i + 1) + k] - TOUCH)
                last = <int> floor(high - j.window_low[WINDOWS * (i + 1) + k] + TOUCH)
                for m in range(first, last + 1):
                    new_low = max(low - m, j.window_low[WINDOWS * (i + 1) + k])
                    new_high = min(high - m, j.window_high[WINDOWS * (i + 1) + k])
                    if new_high < new_low:
                        new_high = new_low
                    at += 1
                    j.lone_lap[i] = m
                    j.lone_window[i + 1] = k
                    count = add_arc(lows, highs, count, new_low, new_high)
        if count == 0:
            return False
        lone = lone and at == 1
        j.arc_count[i + 1] = count
    j.ways = 1 if lone else 0
    return True


cdef int add_arc(double* lows, double* highs, int count, double low, double high) noexcept nogil:
    """Add an arc to sorted, disjoint ones; what overlaps is joined."""
    cdef int k, first = 0, last
    while first < count and highs[first] < low:
        first += 1
    last = first
    while last < count and lows[last] <= high:
        low = min(low, lows[last])
        high = max(high, highs[last])
        last += 1
    if last == first:
        if count == ARCS:  # more room than the disjoint windows of one circle ever need
            highs[count - 1] = max(highs[count - 1], high)
            lows[count - 1] = min(lows[count - 1], low)
            return count
        for k in range(count, first, -1):
            lows[k] = lows[k - 1]
            highs[k] = highs[k - 1]
        count += 1
    elif last > first + 1:
        for k in range(last, count):
            lows[first + 1 + k - last] = lows[k]
            highs[first + 1 + k - last] = highs[k]
        count -= last - first - 1
    lows[first] = low
    highs[first] = high
    return count


cdef void sound(Polygon* result, const Polygon* origin, double by) noexcept nogil:
    """A polygon with too many corners becomes the box around its origin: more, never less."""
    cdef double q0, q1, y0, y1
    cdef int i
    if result.n <= CORNERS:
        return
    range_q(origin, &q0, &q1)
    y0 = y1 = origin.y[0]
    for i in range(1, origin.n):
        y0 = min(y0, origin.y[i])
        y1 = max(y1, origin.y[i])
    box(result, q0, q1, y0 - by, y1 + by)


cdef void next_piece(
    Job* j, int i, const Polygon* moved, double low, double high, int lap, double z0, double z1,
    Polygon* result,
) noexcept nogil:
    """What of *moved* passes signal i + 1 within a window, ready for the link after it."""
    cdef Polygon* a = &j.scratch[0]
    cdef Polygon* b = &j.scratch[1]
    cdef int k
    cdef double by
    result.n = 0
    cut_q(moved, low + lap - TOUCH, -1.0, a)
    sound(a, moved, 0.0)
    if a.n == 0:
        return
    cut_q(a, high + lap + TOUCH, 1.0, b)
    sound(b, a, 0.0)
    if b.n == 0:
        return
    for k in range(b.n):
        b.q[k] -= lap
    if i + 2 == j.n:
        result[0] = b[0]
        return
    by = min(j.change[i], j.slow[i] + j.slow[i + 1]) * z1
    widen_y(b, by, a)
    sound(a, b, by)
    cut_y(a, j.slow[i + 1] * z1 + TOUCH, 1.0, b)
    sound(b, a, 0.0)
    if b.n == 0:
        return
    cut_y(b, j.fast[i + 1] * z0 - TOUCH, -1.0, result)
    sound(result, b, 0.0)


cdef void join(Polygon* p, const Polygon* other) noexcept nogil:
    """*p* becomes the box around both: more than either, never less."""
    cdef double q0, q1, y0, y1
    cdef int i
    q0 = q1 = p.q[0]
    y0 = y1 = p.y[0]
    for i in range(p.n):
        q0 = min(q0, p.q[i])
        q1 = max(q1, p.q[i])
        y0 = min(y0, p.y[i])
        y1 = max(y1, p.y[i])
    for i in range(other.n):
        q0 = min(q0, other.q[i])
        q1 = max(q1, other.q[i])
        y0 = min(y0, other.y[i])
        y1 = max(y1, other.y[i])
    box(p, q0, q1, y0, y1)


cdef bint reach_by_polygons(Job* j, double z0, double z1) noexcept nogil:
    """Whether the last signal can be reached under the limits of the change of speed."""
    cdef int i, k, piece, m, first, last, count, other, target
    cdef double low, high
    cdef Polygon* moved
    cdef Polygon* new
    cdef bint known = True, absorbed
    j.joined = False
    for k in range(j.window_count[0]):
        box(
            &j.now[k], j.window_low[k], j.window_high[k], j.first_fast * z0, j.first_slow * z1
        )
        j.piece_window[k] = k
    j.piece_count[0] = j.window_count[0]
    for i in range(j.n - 1):
        count = 0
        for piece in range(j.piece_count[i]):
            moved = &j.now[piece]
            travel(moved, j.length[i], -j.clearance[i])
            range_q(moved, &low, &high)
            for k in range(j.window_count[i + 1]):
                first = <int> ceil(low - j.window_high[WINDOWS * (i + 1) + k] - TOUCH)
                last = <int> floor(high - j.window_low[WINDOWS * (i + 1) + k] + TOUCH)
                for m in range(first, last + 1):
                    new = &j.next[count]
                    next_piece(
                        j, i, moved, j.window_low[WINDOWS * (i + 1) + k],
                        j.window_high[WINDOWS * (i + 1) + k], m, z0, z1, new,
                    )
                    if new.n == 0:
                        continue
                    absorbed = False
                    if count > FEW:
                        for other in range(count):
                            if contains(&j.next[other], new):
                                absorbed = True
                                break
                    if absorbed:
                        known = False
                        continue
                    if count == PIECES - 1:
                        known = False
                        j.joined = True
                        join(&j.next[count - 1], new)
                        continue
                    target = PIECES * (i + 1) + count
                    j.piece_from[target] = piece
                    j.piece_lap[target] = m
                    j.piece_window[target] = k
                    count += 1
        if count == 0:
            return False
        j.piece_count[i + 1] = count
        j.now, j.next = j.next, j.now
    j.ways = count if known and count <= FEW else 0
    return True


cdef bint reach(Job* j, double band, double z0, double z1) noexcept nogil:
    """Whether *band* may exist for some z in z0..z1; exact where both are the same."""
    j.tests += 1
    open_windows(j, band)
    if not reach_by_arcs(j, z0, z1):
        return False
    return j.free or reach_by_polygons(j, z0, z1)


cdef void along_window(Job* j, int i, int window) noexcept nogil:
    """The path passes signal i in a window of the last test, whatever the pattern."""
    cdef double half = 0.5 * j.green[i]
    cdef int k
    cdef double centre, low = 1e300, high = -1e300
    if j.window_full[i]:
        j.path.low[i] = j.window_low[WINDOWS * i]
        j.path.high[i] = j.window_high[WINDOWS * i]
        j.path.half[i] = 0.0
        return
    for k in range(j.centres[i]):
        centre = j.centre[WINDOWS * i + k]
        if j.window_low[WINDOWS * i + window] <= centre <= j.window_high[WINDOWS * i + window]:
            low = min(low, centre)
            high = max(high, centre)
    j.path.low[i] = low - half
    j.path.high[i] = high + half
    j.path.half[i] = 0.5


cdef void along_pattern(Job* j, int i, int pattern) noexcept nogil:
    """The path passes signal i with one left-turn pattern."""
    cdef double centre = j.centre[WINDOWS * i + pattern]
    j.path.low[i] = centre - 0.5 * j.green[i]
    j.path.high[i] = centre + 0.5 * j.green[i]
    j.path.half[i] = 0.5


cdef void follow_piece(Job* j, int piece) noexcept nogil:
    """The path to a polygon at the last signal."""
    cdef int i
    for i in range(j.n - 1, -1, -1):
        along_window(j, i, j.piece_window[PIECES * i + piece])
        if i > 0:
            j.lap[i - 1] = j.piece_lap[PIECES * i + piece]
            piece = j.piece_from[PIECES * i + piece]


cdef void follow_lone(Job* j) noexcept nogil:
    """The only path through the arcs."""
    cdef int i
    for i in range(j.n):
        along_window(j, i, j.lone_window[i])
        if i + 1 < j.n:
            j.lap[i] = j.lone_lap[i]


cdef bint trace_arcs(Job* j, double z) noexcept nogil:
    """Phases and laps of a way through the arcs of the last test, which was at z."""
    cdef int i, a, first, at = 0
    cdef double low, high, from_low, from_high, width, widest_arc = -1.0
    i = j.n - 1
    for a in range(j.arc_count[i]):
        width = j.arc_high[ARCS * i + a] - j.arc_low[ARCS * i + a]
        if width > widest_arc:
            widest_arc = width
            at = a
    j.q[i] = 0.5 * (j.arc_low[ARCS * i + at] + j.arc_high[ARCS * i + at])
    for i in range(j.n - 2, -1, -1):
        from_low = j.q[i + 1] + j.clearance[i] - j.length[i] * j.slow[i] * z
        from_high = j.q[i + 1] + j.clearance[i] - j.length[i] * j.fast[i] * z
        widest_arc = -1.0
        for a in range(j.arc_count[i]):
            first = <int> ceil(j.arc_low[ARCS * i + a] - from_high - 3.0 * TOUCH)
            while from_low + first <= j.arc_high[ARCS * i + a] + 3.0 * TOUCH:
                low = max(from_low + first, j.arc_low[ARCS * i + a])
                high = min(from_high + first, j.arc_high[ARCS * i + a])
                width = max(0.0, high - low)
                if width > widest_arc:
                    widest_arc = width
                    j.lap[i] = first
                    j.q[i] = 0.5 * (low + high)
                first += 1
        if widest_arc < 0.0:
            return False
    return True


cdef bint settle(Job* j, double band, double z) noexcept nogil:
    """Phases and slownesses of the path at (band, z), well inside what is possible."""
    if j.free:
        return settle_free(j, band, z)
    return settle_limited(j, band, z)


cdef bint settle_free(Job* j, double band, double z) noexcept nogil:
    cdef int i
    cdef double low, high
    for i in range(j.n):
        low = j.path.low[i] + j.path.half[i] * band
        high = j.path.high[i] - j.path.half[i] * band
        if i > 0:
            low = max(
                low,
                j.arc_low[ARCS * (i - 1)] + j.length[i - 1] * j.fast[i - 1] * z
                - j.clearance[i - 1] - j.lap[i - 1],
            )
            high = min(
                high,
                j.arc_high[ARCS * (i - 1)] + j.length[i - 1] * j.slow[i - 1] * z
                - j.clearance[i - 1] - j.lap[i - 1],
            )
        if low > high + 1e-10:
            return False
        j.arc_low[ARCS * i] = low
        j.arc_high[ARCS * i] = high
    for i in range(j.n - 1, -1, -1):
        low = j.arc_low[ARCS * i]
        high = j.arc_high[ARCS * i]
        if i + 1 < j.n:
            low = max(
                low,
                j.q[i + 1] + j.lap[i] + j.clearance[i] - j.length[i] * j.slow[i] * z,
            )
            high = min(
                high,
                j.q[i + 1] + j.lap[i] + j.clearance[i] - j.length[i] * j.fast[i] * z,
            )
        j.q[i] = 0.5 * (low + high)
        if i + 1 < j.n:
            j.y[i] = (j.q[i + 1] + j.lap[i] + j.clearance[i] - j.q[i]) / j.length[i]
            j.y[i] = min(j.slow[i] * z, max(j.fast[i] * z, j.y[i]))
    return True


cdef bint settle_limited(Job* j, double band, double z) noexcept nogil:
    cdef int i, k
    cdef double low = 0.0, high = 0.0, by
    cdef Polygon* moved = &j.scratch[2]
    box(
        &j.chain[0], j.path.low[0] + j.path.half[0] * band, j.path.high[0] - j.path.half[0] * band,
        j.fast[0] * z, j.slow[0] * z,
    )
    if j.chain[0].q[0] > j.chain[0].q[1]:
        return False
    for i in range(j.n - 1):
        moved[0] = j.chain[i]
        travel(moved, j.length[i], -j.clearance[i])
        next_piece(
            j, i, moved, j.path.low[i + 1] + j.path.half[i + 1] * band,
            j.path.high[i + 1] - j.path.half[i + 1] * band, j.lap[i], z, z, &j.chain[i + 1],
        )
        if j.chain[i + 1].n == 0:
            return False
    range_q(&j.chain[j.n - 1], &low, &high)
    j.q[j.n - 1] = 0.5 * (low + high)
    for i in range(j.n - 2, -1, -1):
        # Points of cell i from which the phase at signal i + 1 is the one that was chosen.
        if not range_y_at(
            &j.chain[i], j.q[i + 1] + j.lap[i] + j.clearance[i], j.length[i], &low, &high, 1e-9
        ):
            return False
        if i + 2 < j.n:
            by = j.change[i] * z
            low = max(low, j.y[i + 1] - by)
            high = min(high, j.y[i + 1] + by)
            if low > high + 1e-8:
                return False
        j.y[i] = min(j.slow[i] * z, max(j.fast[i] * z, 0.5 * (low + high)))
        j.q[i] = j.q[i + 1] + j.lap[i] + j.clearance[i] - j.length[i] * j.y[i]
    return True


cdef void choose_patterns(Job* j) noexcept nogil:
    """The path takes at each signal the pattern whose centre lies nearest to the phase."""
    cdef int i, k
    cdef double off, least
    for i in range(j.n):
        least = 2.0
        for k in range(j.centres[i]):
            off = j.q[i] - j.centre[WINDOWS * i + k]
            off = fabs(off - floor(off + 0.5))
            if off < least:
                least = off
                j.choice[i] = k
    for i in range(j.n):
        # Laps are counted towards the turn of the circle on which that centre lies.
        off = floor(j.q[i] - j.centre[WINDOWS * i + j.choice[i]] + 0.5)
        if i > 0:
            j.lap[i - 1] += <int> off
        if i + 1 < j.n:
            j.lap[i] -= <int> off
        along_pattern(j, i, j.choice[i])


cdef void climb(Job* j, double z, double band) noexcept nogil:
    """From *band* at *z*, if it exists, to the widest band of its path, and on from there."""
    cdef int i, k, at, piece
    cdef double new_band, new_z, low, high, width
    for k in range(CLIMBS):
        if not reach(j, band, z, z):
            return
        if j.free:
            if not trace_arcs(j, z):
                return
        else:
            at = 0
            width = -1.0
            for piece in range(j.piece_count[j.n - 1]):
                range_q(&j.now[piece], &low, &high)
                if high - low > width:
                    width = high - low
                    at = piece
            follow_piece(j, at)
            if not settle(j, band, z):
                return
        choose_patterns(j)
        if widest(
            &j.path, j.cap, j.z_low, j.z_high, &new_band, &new_z, &j.cells[0], &j.cells[1]
        ) != FILLED or new_band < band:
            new_band = band
            new_z = z
        if new_band > j.band:
            j.band = new_band
            j.z = new_z
            for i in range(j.n):
                j.best_choice[i] = j.choice[i]
                j.best_lap[i] = j.lap[i]
        if j.band >= j.cap - j.tolerance or new_band < band + 0.5 * j.tolerance and k > 20:
            return
        band = j.band + j.tolerance
        z = j.z


cdef void start(Job* j) noexcept nogil:
    """A first band: the widest imaginable one if it exists, else climbs from several cycles."""
    cdef int k
    cdef double z, low = -1.0, high = j.cap, middle
    if reach(j, j.cap, j.z_low, j.z_high):
        for k in range(STARTS):
            z = j.z_high - (j.z_high - j.z_low) * k / (STARTS - 1)
            if reach(j, j.cap, z, z):
                climb(j, z, j.cap)
                if j.band >= j.cap - j.tolerance:
                    return
            if j.z_high == j.z_low:
                break
    z = 0.5 * (j.z_low + j.z_high)
    for k in range(6):
        middle = 0.5 * (low + high)
        if reach(j, middle, z, z):
            low = middle
        else:
            high = middle
    climb(j, z, low)
    for k in range(CYCLES):
        z = j.z_high - (j.z_high - j.z_low) * (k + 0.5) / CYCLES
        if j.band >= j.cap - j.tolerance:
            return
        climb(j, z, j.band + j.tolerance)


cdef bint exhaust(Job* j, double z0, double z1) noexcept nogil:
    """Whether the few ways of the last test hold nothing beyond the best band; it may rise."""
    cdef int way, k, ways = j.ways
    cdef double band, z, worst_band = -1e300, worst_z = 0.0
    for way in range(ways):
        if j.free:
            follow_lone(j)
        else:
            follow_piece(j, way)
        if widest(&j.path, j.cap, z0, z1, &band, &z, &j.cells[0], &j.cells[1]) != FILLED:
            return False
        if band > worst_band:
            worst_band = band
            worst_z = z
    if worst_band > j.band + j.tolerance:
        climb(j, worst_z, j.band + j.tolerance)
    return worst_band <= j.band + j.tolerance


cdef double prove(Job* j, long long tests_max) noexcept nogil:
    """Search every cycle for more than the best band; returns the bound that is proved.

    A range is a range of z and one of the first link's slowness. The latter is only halved where
    so many polygons came about that some were joined: where speeds hardly change from link to
    link, the first one decides.
    """
    cdef Range ranges[STACK]
    cdef Range here
    cdef int count = 1
    cdef bint joined
    cdef double before, bound = j.band + j.tolerance
    ranges[0].z0 = j.z_low
    ranges[0].z1 = j.z_high
    ranges[0].fast = j.fast[0]
    ranges[0].slow = j.slow[0]
    while count > 0:
        if j.band >= j.cap - j.tolerance:
            return j.cap
        count -= 1
        here = ranges[count]
        j.first_fast = here.fast
        j.first_slow = here.slow
        if not reach(j, j.band + j.tolerance, here.z0, here.z1):
            continue
        joined = not j.free and j.joined
        if j.ways > 0 and exhaust(j, here.z0, here.z1):
            continue
        before = j.band
        if here.z1 > here.z0 or joined:
            climb(j, 0.5 * (here.z0 + here.z1), j.band + j.tolerance)
        joined = joined and here.slow - here.fast > 1e-9 * here.slow
        if count + 2 > STACK or j.tests > tests_max or (
            here.z1 - here.z0 < 1e-13 * here.z1 and not joined
        ):
            bound = max(bound, least_refused(j, here.z0, here.z1))
            continue
        if j.band > before and not reach(j, j.band + j.tolerance, here.z0, here.z1):
            continue
        ranges[count] = here
        ranges[count + 1] = here
        if joined and here.slow / here.fast > here.z1 / here.z0:
            ranges[count].slow = ranges[count + 1].fast = 0.5 * (here.fast + here.slow)
        else:
            ranges[count].z1 = ranges[count + 1].z0 = 0.5 * (here.z0 + here.z1)
        count += 2
    return max(bound, j.band + j.tolerance)


cdef double least_refused(Job* j, double z0, double z1) noexcept nogil:
    """A band that certainly does not exist for z in z0..z1, as small as can be found."""
    cdef double low = j.band + j.tolerance, high = j.cap, middle
    cdef int k
    for k in range(30):
        middle = 0.5 * (low + high)
        if reach(j, middle, z0, z1):
            low = middle
        else:
            high = middle
    return high


cdef bint write(Job* j, double* phase, double* slowness, int* pattern) noexcept nogil:
    """The best path, settled a hair below its widest band so that rounding cannot empty it."""
    cdef int i, k
    cdef double less = 1e-10
    for i in range(j.n):
        j.lap[i] = j.best_lap[i]
        along_pattern(j, i, j.best_choice[i])
    for k in range(4):
        if settle(j, j.band - less, j.z):
            j.band -= less
            for i in range(j.n):
                phase[i] = j.q[i]
                pattern[i] = j.best_choice[i]
                if i + 1 < j.n:
                    slowness[i] = j.y[i]
            return True
        less *= 10.0
    return False


cdef bint allot(Job* j, void** room) noexcept nogil:
    """Room for one arterial, in one piece for each kind."""
    cdef int n = j.n
    cdef double* numbers = <double*> calloc(n * (2 * WINDOWS + 2 * ARCS + 5), sizeof(double))
    cdef int* whole = <int*> calloc(n * (10 + 3 * PIECES), sizeof(int))
    cdef Polygon* polygons = NULL
    cdef Cell* cells = <Cell*> calloc(2, sizeof(Cell))
    polygons = <Polygon*> calloc((n if not j.free else 0) + 2 * PIECES + 3, sizeof(Polygon))
    room[0], room[1], room[2], room[3] = numbers, whole, polygons, cells
    if numbers == NULL or whole == NULL or polygons == NULL or cells == NULL:
        return False
    j.window_low, numbers = numbers, numbers + WINDOWS * n
    j.window_high, numbers = numbers, numbers + WINDOWS * n
    j.arc_low, numbers = numbers, numbers + ARCS * n
    j.arc_high, numbers = numbers, numbers + ARCS * n
    j.path.low, numbers = numbers, numbers + n
    j.path.high, numbers = numbers, numbers + n
    j.path.half, numbers = numbers, numbers + n
    j.q, numbers = numbers, numbers + n
    j.y = numbers
    j.window_count, whole = whole, whole + n
    j.window_full, whole = whole, whole + n
    j.arc_count, whole = whole, whole + n
    j.lone_lap, whole = whole, whole + n
    j.lone_window, whole = whole, whole + n
    j.piece_count, whole = whole, whole + n
    j.lap, whole = whole, whole + n
    j.choice, whole = whole, whole + n
    j.best_lap, whole = whole, whole + n
    j.best_choice, whole = whole, whole + n
    j.piece_from, whole = whole, whole + n * PIECES
    j.piece_lap, whole = whole, whole + n * PIECES
    j.piece_window = whole
    j.now = polygons
    j.next = polygons + PIECES
    j.scratch = polygons + 2 * PIECES
    j.chain = polygons + 2 * PIECES + 3
    j.cells = cells
    j.path.n = n
    j.path.free = j.free
    j.path.length = j.length
    j.path.clearance = j.clearance
    j.path.fast = j.fast
    j.path.slow = j.slow
    j.path.change = j.change
    j.path.laps = j.lap
    return True


def solve(
    const double[::1] green, const double[:, ::1] centre, const int[::1] centres,
    const double[::1] clearance, const double[::1] length, const double[::1] fast,
    const double[::1] slow, const double[::1] change, tuple limits, double[::1] phase,
    double[::1] slowness, int[::1] pattern, double[::1] outcome,
):
    """See the reference. *limits*: z_low, z_high, cap, tolerance, tests_max."""
    cdef Job j
    cdef void* room[4]
    cdef bint done = False, allotted
    cdef double bound = 0.0
    cdef long long tests_max = limits[4]
    cdef int i
    cdef double none = 0.0
    j.z_low, j.z_high, j.cap, j.tolerance = limits[:4]
    j.n = <int> green.shape[0]
    j.green = &green[0]
    j.centre = &centre[0, 0]
    j.centres = &centres[0]
    j.clearance = &clearance[0]
    j.length = &length[0]
    j.fast = &fast[0]
    j.slow = &slow[0]
    j.change = &change[0] if change.shape[0] else &none
    j.free = True
    for i in range(<int> change.shape[0]):
        j.free = j.free and change[i] > 1e300
    j.first_fast = fast[0]
    j.first_slow = slow[0]
    j.band = -2.0
    j.z = j.z_high
    j.tests = 0
    with nogil:
        allotted = allot(&j, room)
        if allotted:
            start(&j)
            bound = prove(&j, tests_max)
            done = write(&j, &phase[0], &slowness[0], &pattern[0])
        for i in range(4):
            free(room[i])
    if not allotted:
        raise MemoryError("no memory for the search for a green wave")
    outcome[0] = j.band
    outcome[1] = j.z
    outcome[2] = bound
    outcome[3] = j.tests
    outcome[4] = done
