"""Search over the next stages of one junction and their durations, without the GIL.

The law, the shapes and the units are those of :mod:`optimizer._search_reference`, which one test
suite holds to the same results; everything is integer, so they agree to the last unit. What this
file does better: lanes are advanced several at a time, and what a change of stage releases second
by second is laid out once, so that the innermost loop has no branch.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.math cimport floor, frexp, isnan, ldexp
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy, memset

from numpy import asarray, dtype, ndarray

from optimizer import search_units

cdef extern from *:
    """
    #include <stdint.h>
    #define HALF_VEHICLE 64

    /* Seconds of n lanes, a multiple of 8; returns their cost. Arrivals and rates have a row of n
       for each second. Written so that compilers turn it into 16-bit vector instructions: two sums,
       and choices instead of logical operators. A second costs a lane 2^24 at most. */
    static inline int64_t some_seconds(
        int16_t *__restrict queue, const int16_t *__restrict arrivals,
        const int16_t *__restrict rate, const int16_t *__restrict weight,
        const int16_t *__restrict stop_weight, int n, int seconds)
    {
        int64_t total = 0;
        n &= ~7;  /* what the caller promises, for the compiler */
        for (int t = 0; t < seconds; t++) {
            int32_t waiting = 0, stops = 0;
            for (int i = 0; i < n; i++) {
                int16_t stopped = rate[i] == 0 ? arrivals[i] : 0;
                stopped = queue[i] > HALF_VEHICLE ? arrivals[i] : stopped;
                int16_t left = (int16_t)(queue[i] + arrivals[i] - rate[i]);
                left = left > 0 ? left : 0;
                queue[i] = left;
                waiting += (int32_t)weight[i] * left;
                stops += (int32_t)stop_weight[i] * stopped;
            }
            total += waiting + stops;
            arrivals += n;
            rate += n;
        }
        return total;
    }

    static inline int32_t one_second(
        int16_t *__restrict queue, const int16_t *__restrict arrivals,
        const int16_t *__restrict rate, const int16_t *__restrict weight,
        const int16_t *__restrict stop_weight, int n)
    {
        return (int32_t)some_seconds(queue, arrivals, rate, weight, stop_weight, n, 1);
    }

    static inline int lowest_bit(uint64_t mask)
    {
        int i = 0;
        while (!(mask & 1)) { mask >>= 1; i++; }
        return i;
    }
    """
    int32_t one_second(
        int16_t* queue, const int16_t* arrivals, const int16_t* rate, const int16_t* weight,
        const int16_t* stop_weight, int n) noexcept nogil
    int64_t some_seconds(
        int16_t* queue, const int16_t* arrivals, const int16_t* rate, const int16_t* weight,
        const int16_t* stop_weight, int n, int seconds) noexcept nogil
    int lowest_bit(uint64_t mask) noexcept nogil

cdef enum:
    LANES_MAX = 64
    EXITS_MAX = 16
    BEAM_MAX = 64
    NEVER = 9999
    LATE_MAX_S = 600
    CLEARING_MAX = 16384
    HALF_VEHICLE = 64

cdef int64_t LATE = 1LL << 46
cdef int64_t NONE = 1LL << 62

cdef double UNITS = search_units.UNITS_PER_VEHICLE
cdef double QUEUE_MAX_VEH = search_units.QUEUE_MAX_VEH
cdef double FLOW_MAX_VEH_PER_S = search_units.FLOW_MAX_VEH_PER_S
cdef double COUNT_MAX = search_units.COUNT_MAX
cdef double SPARE_MAX = search_units.SPARE_MAX
cdef double ROOM_MAX = search_units.ROOM_MAX
cdef double EXIT_SHARE_MIN = search_units.EXIT_SHARE_MIN
cdef double SUM_MAX = search_units.SUM_MAX
cdef double WEIGHT_MAX = search_units.WEIGHT_MAX

FLOAT = dtype("float64")


cdef struct Label:
    # The green of a stage begins: how it got there, and what it cost.
    int64_t cost
    uint64_t due
    int32_t parent
    int32_t stage
    int32_t previous
    int32_t hold
    int32_t first
    int32_t go


cdef struct Junction:
    int n_stages, n_lanes, real_lanes, n_exits, horizon, stage_now, green_s
    int beam, labels, grid_s, fine_s, idle_s, red16, standing
    int64_t budget
    const int16_t* arrivals
    const int16_t* queue
    const int16_t* weight
    const int16_t* stop_weight
    const int16_t* rate
    const int32_t* change_s
    const int32_t* starts_s
    const int32_t* min_green_s
    const int32_t* max_green_s
    const uint8_t* allowed
    const int32_t* limit_s
    const int16_t* exit_share
    const int32_t* exit_spare
    # Derived, see prepare().
    int16_t* rows          # what is released in each second of a change and of the start after it
    int32_t* row_at        # (s, s) where the rows of a change begin
    int32_t* row_count     # (s, s)
    int16_t* root_rows     # the same for the seconds before the running stage has got going
    int root_count
    int32_t* reach_s       # (s, p) from the end of the minimum green until a lane can be served
    int64_t* clearing      # (p,) 16 s / (2 best rate), times 65536
    int64_t* unavoidable   # (h + 1,) cost of the arrivals to come if all lanes were always served
    int32_t* soon          # (s, h) arrivals in the served lanes during the next idle_s


cdef struct Search:
    Label* label           # (h + 1, s, labels)
    int16_t* label_queue
    int32_t* label_inflow
    int32_t* count         # (h + 1, s)
    int64_t* estimate      # (s, labels) of this second
    int64_t best
    int64_t stay, go
    int64_t late_estimate
    int64_t steps
    int best_label, best_hold, best_last
    int64_t* value
    int32_t* incumbent
    int32_t* plan
    int16_t* departures    # (h, p)


cdef struct Lanes:
    # What is one number per lane.
    int16_t[LANES_MAX] queue
    int16_t[LANES_MAX] weight
    int16_t[LANES_MAX] stop_weight
    int32_t[LANES_MAX] limit_s
    int32_t[LANES_MAX] served_from_s


cdef class Stages:
    """What :class:`optimizer.search_stages.StageChanges` has laid out, held for many searches."""

    cdef const int32_t[:, ::1] change_s
    cdef const int32_t[:, :, ::1] stops_s
    cdef const int32_t[:, :, ::1] starts_s
    cdef const int32_t[::1] min_green_s
    cdef const int32_t[::1] max_green_s
    cdef const uint8_t[:, ::1] allowed
    cdef dict ready
    cdef int n_lanes
    cdef int n_rows

    def __init__(self, ready, int n_lanes):
        self.ready, self.n_lanes = ready, n_lanes
        self.change_s, self.stops_s = ready["change_s"], ready["stops_s"]
        self.starts_s, self.allowed = ready["starts_s"], ready["allowed"]
        self.min_green_s, self.max_green_s = ready["min_green_s"], ready["max_green_s"]
        self.n_rows = 0
        cdef int a, b, lane, seconds
        for a in range(self.starts_s.shape[0]):
            for b in range(self.starts_s.shape[1]):
                seconds = self.change_s[a, b]
                for lane in range(self.starts_s.shape[2]):
                    if seconds < self.starts_s[a, b, lane] < NEVER:
                        seconds = self.starts_s[a, b, lane]
                self.n_rows += seconds

    def __reduce__(self):
        return Stages, (self.ready, self.n_lanes)


def search(Stages stages not None, problem, settings):
    """Search over *stages* for the :class:`optimizer.search.SearchProblem` *problem*.

    Returns the plan, the best cost by first next stage, the figures of
    :func:`optimizer._search_reference.search`, the departures, (H, P) in native byte order, and
    what a vehicle second is in units; or None if a shape or a value is not what it has to be: the
    caller finds out which and says so.
    """
    cdef const double[:, :] arrivals = floats(problem.arrivals_veh)
    cdef const double[:] queue = floats(problem.queue_veh)
    cdef const double[:, :] rate = floats(problem.rate_veh_per_s)
    cdef const double[:] weight = or_none(problem.weight)
    cdef const double[:] limit_s = or_none(problem.wait_limit_s)
    cdef const double[:] served_from_s = or_none(problem.served_from_s)
    cdef const double[:, :] share = None
    cdef const double[:, :] spare = None
    cdef Junction at
    cdef Search run
    cdef Lanes lanes
    cdef int rows = 0, n_incumbent, k
    cdef int64_t[7] figures
    cdef double units = 0.0
    cdef bint fits
    at.n_exits = 0
    if problem.exit_share is not None and problem.exit_spare_veh is not None:
        share = floats(problem.exit_share)
        room = floats(problem.exit_spare_veh)
        spare = room if room.ndim == 2 else room[:, None]
        at.n_exits = share.shape[1]
    at.horizon, at.n_stages = arrivals.shape[1], stages.change_s.shape[0]
    at.n_lanes, at.real_lanes = stages.starts_s.shape[2], stages.n_lanes
    if not shapes_fit(&at, stages, arrivals, queue, rate, weight, limit_s, served_from_s):
        return None
    if at.n_exits and not (
        at.n_exits <= EXITS_MAX and share.shape[0] == stages.n_lanes
        and spare.shape[0] == at.n_exits
        and (spare.shape[1] == at.horizon or room.ndim == 1)
    ):
        return None
    at.stage_now, at.green_s, at.beam = problem.stage, problem.green_s, settings.beam
    at.labels, at.grid_s, at.fine_s = settings.labels, settings.grid_s, settings.fine_s
    at.idle_s, at.red16, at.budget = settings.idle_s, round(16 * settings.red_s), settings.steps_max
    at.standing = round(UNITS * settings.standing_veh)
    cdef double stop_cost_s = settings.stop_cost_s
    at.change_s, at.starts_s = &stages.change_s[0, 0], &stages.starts_s[0, 0, 0]
    at.min_green_s, at.max_green_s = &stages.min_green_s[0], &stages.max_green_s[0]
    at.allowed = &stages.allowed[0, 0]
    at.queue, at.weight, at.stop_weight = lanes.queue, lanes.weight, lanes.stop_weight
    at.limit_s = lanes.limit_s
    previous = problem.incumbent
    n_incumbent = len(previous)
    if not times_fit(&at, &lanes, limit_s, served_from_s):
        return None
    cdef void* memory = layout(&at, &run, stages.n_rows, n_incumbent)
    if memory == NULL:
        raise MemoryError("no memory for the labels of the search")
    try:
        n_incumbent = rows_of(&at, run.incumbent, previous)
        if n_incumbent < 0:
            return None
        departures = PyBytes_FromStringAndSize(NULL, 2 * at.horizon * at.n_lanes)
        run.departures = <int16_t*><void*>PyBytes_AS_STRING(departures)
        with nogil:
            fits = (
                traffic_fits(&at, &lanes, arrivals, queue)
                and rates_fit(&at, rate)
                and weights_fit(&at, &lanes, weight, stop_cost_s, &units)
                and (at.n_exits == 0 or exits_fit(&at, share, spare))
            )
            if fits:
                prepare(&at, &stages.stops_s[0, 0, 0], lanes.served_from_s)
                rows = solve(&at, &run, n_incumbent, figures)
        if not fits:
            return None
        plan = tuple([(run.plan[2 * k], run.plan[2 * k + 1]) for k in range(rows)])
        value = [run.value[k] for k in range(at.n_stages)]
        return plan, value, [figures[k] for k in range(7)], departures, units
    finally:
        free(memory)


cdef object floats(values):
    return values if type(values) is ndarray and values.dtype is FLOAT else asarray(values, FLOAT)


cdef object or_none(values):
    return None if values is None else floats(values)


cdef bint shapes_fit(
    const Junction* at, Stages stages, const double[:, :] arrivals, const double[:] queue,
    const double[:, :] rate, const double[:] weight, const double[:] limit_s,
    const double[:] served_from_s,
):
    cdef Py_ssize_t lanes = stages.n_lanes
    return (
        at.horizon >= 1 and arrivals.shape[0] == lanes and queue.shape[0] == lanes
        and rate.shape[0] == at.n_stages and rate.shape[1] == lanes
        and (weight is None or weight.shape[0] == lanes)
        and (limit_s is None or limit_s.shape[0] == lanes)
        and (served_from_s is None or served_from_s.shape[0] == lanes)
    )


cdef int rows_of(const Junction* at, int32_t* rows, previous) except -2:
    """The previous plan as numbers; none if it does not begin in the stage, -1 if it can't be."""
    cdef int k = 0
    cdef bint known = True
    for stage, hold in previous:
        rows[2 * k], rows[2 * k + 1] = stage, hold
        if rows[2 * k] < 0 or (k == 0 and rows[0] != at.stage_now):
            return 0
        known = known and rows[2 * k] < at.n_stages
        k += 1
    return k if known else -1


cdef bint times_fit(
    Junction* at, Lanes* lanes, const double[:] limit_s, const double[:] served_from_s
):
    """Seconds, rounded down; the last start of a lane of the running stage."""
    cdef int lane
    for lane in range(at.n_lanes):
        lanes.limit_s[lane], lanes.served_from_s[lane] = NEVER, 0
    at.root_count = 0
    if limit_s is not None:
        for lane in range(limit_s.shape[0]):
            if isnan(limit_s[lane]):
                return False
            lanes.limit_s[lane] = <int32_t>floor(min(max(limit_s[lane], -NEVER), NEVER))
    if served_from_s is not None:
        for lane in range(served_from_s.shape[0]):
            if isnan(served_from_s[lane]):
                return False
            lanes.served_from_s[lane] = <int32_t>floor(
                min(max(served_from_s[lane], -NEVER), NEVER))
            at.root_count = max(at.root_count, lanes.served_from_s[lane])
    at.root_count = min(at.root_count, at.horizon)
    return True


cdef bint traffic_fits(
    Junction* at, Lanes* lanes, const double[:, :] arrivals, const double[:] queue
) noexcept nogil:
    """Queues and arrivals in units, rounded so that no arrival is lost over time."""
    cdef int p = at.n_lanes, lane, t
    cdef int16_t* into = <int16_t*>at.arrivals
    cdef int16_t before, now
    cdef double flow, room, total
    memset(into, 0, at.horizon * p * sizeof(int16_t))
    memset(lanes.queue, 0, sizeof(lanes.queue))
    for lane in range(queue.shape[0]):
        if not 0.0 <= queue[lane] <= COUNT_MAX:
            return False
        lanes.queue[lane] = <int16_t>(min(queue[lane], QUEUE_MAX_VEH) * UNITS + 0.5)
        room = QUEUE_MAX_VEH * UNITS - lanes.queue[lane]
        total, before = 0.0, 0
        for t in range(at.horizon):
            flow = arrivals[lane, t]
            if not 0.0 <= flow <= COUNT_MAX:
                return False
            total += min(flow, FLOW_MAX_VEH_PER_S) * UNITS
            now = <int16_t>min(total + 0.5, room)
            into[t * p + lane] = now - before
            before = now
        lanes.stop_weight[lane] = before  # for weights_fit()
    return True


cdef bint rates_fit(Junction* at, const double[:, :] rate) noexcept nogil:
    cdef int p = at.n_lanes, stage, lane
    cdef int16_t* into = <int16_t*>at.rate
    cdef double flow
    memset(into, 0, at.n_stages * p * sizeof(int16_t))
    for stage in range(at.n_stages):
        for lane in range(rate.shape[1]):
            flow = rate[stage, lane]
            if not 0.0 <= flow <= QUEUE_MAX_VEH:
                return False
            # What is served at all is served by at least one unit.
            if flow > 0.0:
                into[stage * p + lane] = <int16_t>max(flow * UNITS + 0.5, 1.0)
    return True


cdef bint weights_fit(
    Junction* at, Lanes* lanes, const double[:] weight, double stop_cost_s, double* units
) noexcept nogil:
    """Weights of a queue and of a stop as fine as the sums allow, see optimizer.search_units."""
    cdef int n = <int>weight.shape[0] if weight is not None else at.real_lanes, lane, power
    cdef double heaviest = 1e-6, longest = 1e-6, scale, one
    for lane in range(n):
        one = weight[lane] if weight is not None else 1.0
        if not 0.0 <= one <= COUNT_MAX:
            return False
        heaviest = max(heaviest, one)
        longest = max(longest, one * (lanes.queue[lane] + lanes.stop_weight[lane]))
    scale = min(
        SUM_MAX / longest, WEIGHT_MAX / (heaviest * max(1.0, stop_cost_s)))
    frexp(scale, &power)
    scale = ldexp(0.5, power)
    memset(lanes.weight, 0, sizeof(lanes.weight))
    memset(lanes.stop_weight, 0, sizeof(lanes.stop_weight))
    for lane in range(n):
        one = weight[lane] if weight is not None else 1.0
        lanes.weight[lane] = <int16_t>(one * scale + 0.5)
        lanes.stop_weight[lane] = <int16_t>(one * (scale * stop_cost_s) + 0.5)
    units[0] = scale * UNITS
    return True


cdef bint exits_fit(
    Junction* at, const double[:, :] share, const double[:, :] spare
) noexcept nogil:
    """Shares in units, and the vehicles that have room in units squared."""
    cdef int p = at.n_lanes, e, lane, t
    cdef bint constant = spare.shape[1] != at.horizon
    cdef int16_t* shares = <int16_t*>at.exit_share
    cdef int32_t* rooms = <int32_t*>at.exit_spare
    cdef double value
    memset(shares, 0, at.n_exits * p * sizeof(int16_t))
    for e in range(at.n_exits):
        for lane in range(share.shape[0]):
            value = share[lane, e]
            if not 0.0 <= value <= 1.0:
                return False
            if value >= EXIT_SHARE_MIN:
                shares[e * p + lane] = <int16_t>(value * UNITS + 0.5)
        for t in range(at.horizon):
            value = spare[e, 0 if constant else t]
            if not 0.0 <= value <= SPARE_MAX:
                return False
            rooms[e * at.horizon + t] = <int32_t>min(value * UNITS * UNITS, ROOM_MAX)
    return True


cdef void* layout(Junction* at, Search* run, int rows, int n_incumbent) noexcept nogil:
    """One block of memory for everything that the search keeps; the caller frees it."""
    cdef int s = at.n_stages, p = at.n_lanes
    cdef size_t nodes = (at.horizon + 1) * s
    cdef size_t n_labels = nodes * at.labels
    cdef size_t size
    cdef char* block
    size = 8 * (p + (at.horizon + 1) + 2 * s * at.labels + s) + n_labels * sizeof(Label)
    size += 4 * (2 * s * s + s * p + s * at.horizon + nodes + n_labels * at.n_exits)
    size += 4 * (at.n_exits * at.horizon + 2 * (n_incumbent + 1) + 2 * (at.horizon + 2))
    size += 2 * p * (rows + at.root_count + n_labels + at.horizon + s + at.n_exits) + 64
    block = <char*>malloc(size)
    if block == NULL:
        return NULL
    cdef char* next = block
    at.clearing = <int64_t*>next
    next += 8 * p
    at.unavoidable = <int64_t*>next
    next += 8 * (at.horizon + 1)
    run.estimate = <int64_t*>next
    next += 8 * s * at.labels
    run.value = <int64_t*>next
    next += 8 * s
    run.label = <Label*>next
    next += n_labels * sizeof(Label)
    at.rows = <int16_t*>next
    next += 2 * p * rows
    at.root_rows = <int16_t*>next
    next += 2 * p * at.root_count
    at.arrivals = <int16_t*>next
    next += 2 * p * at.horizon
    at.rate = <int16_t*>next
    next += 2 * p * s
    at.exit_share = <int16_t*>next
    next += 2 * p * at.n_exits
    run.label_queue = <int16_t*>next
    next += 2 * p * n_labels
    at.row_at = <int32_t*>next
    next += 4 * s * s
    at.row_count = <int32_t*>next
    next += 4 * s * s
    at.reach_s = <int32_t*>next
    next += 4 * s * p
    at.soon = <int32_t*>next
    next += 4 * s * at.horizon
    run.count = <int32_t*>next
    memset(run.count, 0, 4 * nodes)
    next += 4 * nodes
    at.exit_spare = <int32_t*>next
    next += 4 * at.n_exits * at.horizon
    run.incumbent = <int32_t*>next
    next += 8 * (n_incumbent + 1)
    run.plan = <int32_t*>next
    next += 8 * (at.horizon + 2)
    run.label_inflow = <int32_t*>next
    return block


cdef void prepare(
    Junction* at, const int32_t* stops_s, const int32_t* served_from_s
) noexcept nogil:
    lay_out_changes(at, stops_s)
    lay_out_root(at, served_from_s)
    find_reach(at)
    bound_clearing(at)
    look_ahead(at)


cdef void lay_out_changes(Junction* at, const int32_t* stops_s) noexcept nogil:
    cdef int s = at.n_stages, p = at.n_lanes, a, b, lane, tau, change, first = 0, seconds
    cdef int32_t stop, start
    cdef int16_t* row
    cdef const int16_t* before
    cdef const int16_t* after
    cdef const int32_t* stops
    cdef const int32_t* starts
    for a in range(s):
        for b in range(s):
            change = at.change_s[a * s + b]
            stops = stops_s + (a * s + b) * p
            starts = at.starts_s + (a * s + b) * p
            before, after = at.rate + a * p, at.rate + b * p
            at.row_at[a * s + b] = first
            at.row_count[a * s + b] = 0
            if not at.allowed[a * s + b]:
                continue
            seconds = change
            for lane in range(p):
                if starts[lane] < NEVER and after[lane] > 0 and starts[lane] > seconds:
                    seconds = starts[lane]
            at.row_count[a * s + b] = seconds
            for tau in range(change):
                row = at.rows + (first + tau) * p
                for lane in range(p):
                    row[lane] = (
                        before[lane] if tau < stops[lane]
                        else (after[lane] if tau >= starts[lane] else 0)
                    )
            for tau in range(change, seconds):
                row = at.rows + (first + tau) * p
                for lane in range(p):
                    row[lane] = 0 if tau < starts[lane] < NEVER else after[lane]
            first += seconds


cdef void lay_out_root(Junction* at, const int32_t* served_from_s) noexcept nogil:
    cdef int p = at.n_lanes, tau, lane
    cdef const int16_t* rate = at.rate + at.stage_now * p
    for tau in range(at.root_count):
        for lane in range(p):
            at.root_rows[tau * p + lane] = rate[lane] if tau >= served_from_s[lane] else 0


cdef void find_reach(Junction* at) noexcept nogil:
    cdef int s = at.n_stages, p = at.n_lanes, a, b, lane, way
    cdef bint shorter = True
    for a in range(s):
        for lane in range(p):
            at.reach_s[a * p + lane] = 0 if at.rate[a * p + lane] > 0 else NEVER
    while shorter:
        shorter = False
        for a in range(s):
            for b in range(s):
                if not at.allowed[a * s + b]:
                    continue
                for lane in range(p):
                    if at.rate[a * p + lane] > 0:
                        continue
                    if at.rate[b * p + lane] > 0:
                        way = start_of(at, a, b, lane)
                    else:
                        way = at.change_s[a * s + b] + at.min_green_s[b] + at.reach_s[b * p + lane]
                    if way < at.reach_s[a * p + lane]:
                        at.reach_s[a * p + lane] = way
                        shorter = True


cdef inline int start_of(const Junction* at, int a, int b, int lane) noexcept nogil:
    """Seconds from the begin of a change until a lane of the next stage is served."""
    cdef int start = at.starts_s[(a * at.n_stages + b) * at.n_lanes + lane]
    return start if start < NEVER else at.change_s[a * at.n_stages + b]


cdef void bound_clearing(Junction* at) noexcept nogil:
    cdef int s = at.n_stages, p = at.n_lanes, stage, lane, t
    cdef int16_t best
    cdef int16_t[LANES_MAX] best_rate
    cdef int16_t[LANES_MAX] no_stops
    cdef int16_t[LANES_MAX] queue
    cdef int64_t total
    memset(no_stops, 0, sizeof(no_stops))
    for lane in range(p):
        best = 1
        for stage in range(s):
            if at.rate[stage * p + lane] > best:
                best = at.rate[stage * p + lane]
        best_rate[lane] = best
        at.clearing[lane] = (1 << 19) // best
    at.unavoidable[at.horizon] = 0
    cdef int start, second
    for start in range(at.horizon - 1, -1, -1):
        if start % 5:
            continue
        memset(queue, 0, sizeof(queue))
        total = 0
        for t in range(start, at.horizon):
            total += one_second(
                queue, at.arrivals + t * p, best_rate, at.weight, no_stops, p)
        for second in range(start - 4 if start >= 4 else 0, start + 1):
            at.unavoidable[second] = total
    for second in range(at.horizon - (at.horizon - 1) % 5, at.horizon):
        at.unavoidable[second] = 0


cdef void look_ahead(Junction* at) noexcept nogil:
    cdef int h = at.horizon, stage, t
    cdef int32_t window, leaving
    cdef int32_t* soon
    if at.idle_s == 0:
        return
    for stage in range(at.n_stages):
        soon = at.soon + stage * h
        for t in range(h):
            soon[t] = arriving_in(at, stage, t)
        # From sums of one second to sums of idle_s seconds, in place.
        window = 0
        for t in range(at.idle_s if at.idle_s < h else h):
            window += soon[t]
        for t in range(h):
            leaving = soon[t]
            soon[t] = window
            window -= leaving
            if t + at.idle_s < h:
                window += soon[t + at.idle_s]


cdef inline int32_t arriving_in(const Junction* at, int stage, int t) noexcept nogil:
    cdef int lane
    cdef int32_t total = 0
    cdef const int16_t* arrivals = at.arrivals + t * at.n_lanes
    cdef const int16_t* rate = at.rate + stage * at.n_lanes
    for lane in range(at.n_lanes):
        total += arrivals[lane] if rate[lane] > 0 else 0
    return total


cdef inline int32_t second(
    const Junction* at, int16_t* queue, int32_t* inflow, int t, const int16_t* rate
) noexcept nogil:
    """Advance all lanes by second *t*; full exits hold back the lanes that lead there, at a cost."""
    cdef int16_t[LANES_MAX] open_rate
    cdef int e, lane
    cdef int32_t cost = 0
    cdef const int16_t* share
    cdef const int16_t* arrivals = at.arrivals + t * at.n_lanes
    cdef int16_t out
    if not at.n_exits:
        return one_second(queue, arrivals, rate, at.weight, at.stop_weight, at.n_lanes)
    memcpy(open_rate, rate, at.n_lanes * sizeof(int16_t))
    for e in range(at.n_exits):
        if inflow[e] >= at.exit_spare[e * at.horizon + t]:
            share = at.exit_share + e * at.n_lanes
            for lane in range(at.n_lanes):
                if share[lane] > 0:
                    if open_rate[lane] > 0 and queue[lane] > HALF_VEHICLE:
                        cost += at.weight[lane] * at.standing
                    open_rate[lane] = 0
    for lane in range(at.n_lanes):
        out = queue[lane] + arrivals[lane]
        if out > open_rate[lane]:
            out = open_rate[lane]
        if out > 0:
            for e in range(at.n_exits):
                inflow[e] += at.exit_share[e * at.n_lanes + lane] * out
    return cost + one_second(
        queue, arrivals, open_rate, at.weight, at.stop_weight, at.n_lanes)


cdef inline int64_t tail(const Junction* at, const int16_t* queue, int stage) noexcept nogil:
    """Cost of clearing what is left; lanes that *stage* does not serve wait red_s more."""
    cdef const int16_t* rate = at.rate + stage * at.n_lanes
    cdef int64_t total = 0, seconds16
    cdef int lane
    for lane in range(at.n_lanes):
        seconds16 = (queue[lane] * at.clearing[lane]) >> 16
        if seconds16 > CLEARING_MAX:
            seconds16 = CLEARING_MAX
        if rate[lane] <= 0:
            seconds16 += at.red16
        total += <int64_t>(at.weight[lane] * queue[lane]) * seconds16
    return total >> 4


cdef inline int64_t least(
    const Junction* at, const int16_t* queue, int stage, int t, int elapsed
) noexcept nogil:
    """No plan that shows *stage* at *t* can cost less from here on."""
    cdef const int32_t* reach = at.reach_s + stage * at.n_lanes
    cdef const int16_t* rate = at.rate + stage * at.n_lanes
    cdef int64_t total = 0, seconds16
    cdef int lane, wait, left = at.horizon - t
    cdef int to_minimum = at.min_green_s[stage] - elapsed
    if to_minimum < 0:
        to_minimum = 0
    for lane in range(at.n_lanes):
        seconds16 = ((queue[lane] * at.clearing[lane]) >> 16) 
        if seconds16 > CLEARING_MAX:
            seconds16 = CLEARING_MAX
        seconds16 -= 8
        if seconds16 < 0:
            seconds16 = 0
        if rate[lane] <= 0:
            wait = reach[lane] + to_minimum
            seconds16 += 16 * (wait if wait < left else left)
        total += <int64_t>(at.weight[lane] * queue[lane]) * seconds16
    return (total >> 4) + at.unavoidable[t]


cdef int64_t lateness(
    const Junction* at, uint64_t due, int t, int stage, int elapsed
) noexcept nogil:
    """Lane-seconds beyond the longest waits that nothing can avoid any more."""
    cdef int64_t total = 0
    cdef int lane, late
    cdef int to_minimum = at.min_green_s[stage] - elapsed
    if to_minimum < 0:
        to_minimum = 0
    while due:
        lane = lowest_bit(due)
        due &= due - 1
        late = t + to_minimum + at.reach_s[stage * at.n_lanes + lane] - at.limit_s[lane]
        if late > 0:
            total += late if late < LATE_MAX_S else LATE_MAX_S
    return total


cdef int64_t serve_due(
    const Junction* at, uint64_t* due, int t, int stage, int following
) noexcept nogil:
    """Take the lanes that a change begun at *t* serves out of *due*; their lateness."""
    cdef int64_t total = 0
    cdef uint64_t rest = due[0]
    cdef int lane, late
    while rest:
        lane = lowest_bit(rest)
        rest &= rest - 1
        if at.rate[following * at.n_lanes + lane] > 0:
            due[0] &= ~(<uint64_t>1 << lane)
            late = t + start_of(at, stage, following, lane) - at.limit_s[lane]
            if late > 0:
                total += late if late < LATE_MAX_S else LATE_MAX_S
    return total


cdef uint64_t due_now(const Junction* at) noexcept nogil:
    cdef uint64_t due = 0
    cdef int lane
    for lane in range(at.n_lanes):
        if (
            at.limit_s[lane] < NEVER
            and at.queue[lane] > 0
            and at.rate[at.stage_now * at.n_lanes + lane] <= 0
        ):
            due |= <uint64_t>1 << lane
    return due


cdef inline const int16_t* released(
    const Junction* at, int previous, int stage, int elapsed, int hold
) noexcept nogil:
    """(p,) what is released in a second of a stage; *previous* is -1 at the root."""
    cdef int pair
    if previous < 0:
        if hold < at.root_count:
            return at.root_rows + hold * at.n_lanes
        return at.rate + stage * at.n_lanes
    pair = previous * at.n_stages + stage
    if at.change_s[pair] + elapsed < at.row_count[pair]:
        return at.rows + (at.row_at[pair] + at.change_s[pair] + elapsed) * at.n_lanes
    return at.rate + stage * at.n_lanes


cdef int64_t replay(
    const Junction* at, const int32_t* wanted, int n_wanted, int32_t* plan, int plan_max,
    int* plan_rows, int16_t* departures,
) noexcept nogil:
    """Cost of a plan that is made legal first; what it is then goes to *plan*."""
    cdef int16_t[LANES_MAX] queue
    cdef int16_t[LANES_MAX] before
    cdef int32_t[EXITS_MAX] inflow
    cdef int stage = at.stage_now, elapsed = at.green_s, previous = -1
    cdef int t = 0, row = 0, hold, held, tau, following, j, pair, lane
    cdef int p = at.n_lanes
    cdef int64_t cost = 0
    cdef uint64_t due = due_now(at)
    memcpy(queue, at.queue, p * sizeof(int16_t))
    memset(inflow, 0, sizeof(inflow))
    plan_rows[0] = 0
    while True:
        if row + 1 < n_wanted and not at.allowed[stage * at.n_stages + wanted[2 * row + 2]]:
            row = n_wanted
        hold = at.max_green_s[stage] - elapsed
        if hold < 0:
            hold = 0
        if row + 1 < n_wanted and wanted[2 * row + 1] < hold:
            hold = wanted[2 * row + 1]
        if hold < at.min_green_s[stage] - elapsed:
            hold = at.min_green_s[stage] - elapsed
        held = 0
        while held < hold and t < at.horizon:
            if departures != NULL:
                memcpy(before, queue, p * sizeof(int16_t))
            cost += second(
                at, queue, inflow, t, released(at, previous, stage, elapsed, held))
            if departures != NULL:
                for lane in range(p):
                    departures[t * p + lane] = (
                        before[lane] + at.arrivals[t * p + lane] - queue[lane])
            held += 1
            elapsed += 1
            t += 1
        if plan_rows[0] < plan_max:
            plan[2 * plan_rows[0]] = stage
            plan[2 * plan_rows[0] + 1] = held
            plan_rows[0] += 1
        if t >= at.horizon:
            return cost + tail(at, queue, stage) + LATE * lateness(at, due, t, stage, elapsed)
        following = -1
        if row + 1 < n_wanted:
            following = wanted[2 * row + 2]
            row += 1
        else:
            row = n_wanted
            for j in range(at.n_stages):
                if at.allowed[stage * at.n_stages + j]:
                    following = j
                    break
        pair = stage * at.n_stages + following
        cost += LATE * serve_due(at, &due, t, stage, following)
        for tau in range(at.change_s[pair]):
            if t + tau >= at.horizon:
                break
            if departures != NULL:
                memcpy(before, queue, p * sizeof(int16_t))
            cost += second(
                at, queue, inflow, t + tau, at.rows + (at.row_at[pair] + tau) * p)
            if departures != NULL:
                for lane in range(p):
                    departures[(t + tau) * p + lane] = (
                        before[lane] + at.arrivals[(t + tau) * p + lane] - queue[lane])
        t += at.change_s[pair]
        previous, stage, elapsed = stage, following, 0
        if t >= at.horizon:
            if plan_rows[0] < plan_max:
                plan[2 * plan_rows[0]] = stage
                plan[2 * plan_rows[0] + 1] = 0
                plan_rows[0] += 1
            return cost + tail(at, queue, stage) + LATE * lateness(at, due, t, stage, 0)


cdef int solve(
    const Junction* at, Search* run, int n_incumbent, int64_t* figures
) noexcept nogil:
    cdef int rows, t, plan_max = at.horizon + 2
    cdef bint finished = True
    for t in range(at.n_stages):
        run.value[t] = NONE
    run.stay, run.go, run.late_estimate, run.steps = NONE, NONE, NONE, 0
    run.best_label, run.best_last = -1, -1
    if n_incumbent == 0:
        run.incumbent[0], run.incumbent[1], n_incumbent = at.stage_now, at.horizon, 1
    run.best = replay(
        at, run.incumbent, n_incumbent, run.plan, plan_max, &rows, run.departures)
    figures[4] = run.best
    record(
        at, run, run.best, run.plan[2] if rows > 1 else at.stage_now,
        rows > 1 and run.plan[1] == 0)
    open_root(at, run)
    for t in range(at.horizon):
        if not expand_second(at, run, t):
            finished = False
            break
    if run.best_label >= 0:
        rows = trace(at, run, run.plan, plan_max)
        replay(at, run.plan, rows, run.plan, plan_max, &rows, run.departures)
    figures[0], figures[1], figures[2] = run.best, run.stay, run.go
    figures[3], figures[5], figures[6] = run.late_estimate, run.steps, finished
    return rows


cdef void open_root(const Junction* at, Search* run) noexcept nogil:
    cdef int slot = at.stage_now * at.labels
    cdef Label* root = run.label + slot
    run.count[at.stage_now] = 1
    root.cost, root.due, root.parent, root.stage = 0, due_now(at), -1, at.stage_now
    root.previous, root.hold, root.first, root.go = -1, 0, -1, 0
    memcpy(run.label_queue + slot * at.n_lanes, at.queue, at.n_lanes * sizeof(int16_t))
    memset(run.label_inflow + slot * at.n_exits, 0, at.n_exits * sizeof(int32_t))


cdef bint expand_second(const Junction* at, Search* run, int t) noexcept nogil:
    """Follow the most promising labels of second *t*; False when the budget is spent."""
    cdef int64_t[BEAM_MAX] kept
    cdef int live = 0, k, rank, stage, slot, local, elapsed
    cdef int64_t late, estimate
    cdef Label* label
    for k in range(at.beam):
        kept[k] = NONE
    for stage in range(at.n_stages):
        for k in range(run.count[t * at.n_stages + stage]):
            local = stage * at.labels + k
            slot = t * at.n_stages * at.labels + local
            label = run.label + slot
            elapsed = at.green_s if t == 0 else 0
            late = lateness(at, label.due, t, stage, elapsed) if label.due else 0
            estimate = tail(at, run.label_queue + slot * at.n_lanes, stage)
            if late and (label.cost & (LATE - 1)) + estimate < run.late_estimate:
                run.late_estimate = (label.cost & (LATE - 1)) + estimate
            estimate += label.cost + LATE * late
            run.estimate[local] = estimate
            for rank in range(at.beam):
                if estimate < kept[rank]:
                    for live in range(at.beam - 1, rank, -1):
                        kept[live] = kept[live - 1]
                    kept[rank] = estimate
                    break
    for stage in range(at.n_stages):
        for k in range(run.count[t * at.n_stages + stage]):
            local = stage * at.labels + k
            if run.estimate[local] > kept[at.beam - 1]:
                continue
            if run.steps >= at.budget:
                return False
            expand(at, run, t, t * at.n_stages * at.labels + local)
    return True


cdef void expand(const Junction* at, Search* run, int t, int slot) noexcept nogil:
    """Hold the stage of a label second by second, and branch at every decision."""
    cdef int16_t[LANES_MAX] queue
    cdef int32_t[EXITS_MAX] inflow
    cdef Label* label = run.label + slot
    cdef int stage = label.stage, hold = 0
    cdef int elapsed = at.green_s if label.previous < 0 else 0
    cdef int minimum = at.min_green_s[stage], maximum = at.max_green_s[stage]
    cdef int64_t cost = label.cost
    cdef bint root = label.previous < 0, idle
    memcpy(queue, run.label_queue + slot * at.n_lanes, at.n_lanes * sizeof(int16_t))
    memcpy(inflow, run.label_inflow + slot * at.n_exits, at.n_exits * sizeof(int32_t))
    while t + hold < at.horizon:
        if elapsed >= minimum:
            idle = (not root or hold > at.fine_s) and is_idle(at, queue, stage, t + hold)
            if idle or elapsed == minimum or elapsed >= maximum or is_on_grid(at, root, hold):
                if cost + least(at, queue, stage, t + hold, elapsed) >= run.best:
                    return
                branch(at, run, slot, t + hold, hold, queue, inflow, cost)
            if idle or elapsed >= maximum:
                return
        cost += second(
            at, queue, inflow, t + hold, released(at, label.previous, stage, elapsed, hold))
        run.steps += 1
        hold += 1
        elapsed += 1
        if cost >= run.best:
            return
    cost += tail(at, queue, stage) + LATE * (
        lateness(at, label.due, at.horizon, stage, elapsed) if label.due else 0)
    record(at, run, cost, stage if root else label.first, label.go)
    if cost < run.best:
        run.best = cost
        run.best_label, run.best_hold, run.best_last = slot, hold, -1


cdef inline bint is_on_grid(const Junction* at, bint root, int hold) noexcept nogil:
    if root:
        return hold <= at.fine_s or hold % 2 == 0
    return hold % at.grid_s == 0


cdef inline bint is_idle(
    const Junction* at, const int16_t* queue, int stage, int t
) noexcept nogil:
    """Whether nobody uses the stage now or soon, while somebody waits elsewhere."""
    cdef const int16_t* rate = at.rate + stage * at.n_lanes
    cdef int32_t served = 0, waiting = 0
    cdef int lane
    if at.idle_s == 0:
        return False
    for lane in range(at.n_lanes):
        served += queue[lane] if rate[lane] > 0 else 0
        waiting += queue[lane]
    return (
        served + at.soon[stage * at.horizon + t] < HALF_VEHICLE
        and waiting - served >= HALF_VEHICLE
    )


cdef void branch(
    const Junction* at, Search* run, int slot, int t, int hold,
    const int16_t* from_queue, const int32_t* from_inflow, int64_t from_cost,
) noexcept nogil:
    """Change at *t* to every stage that may follow."""
    cdef int16_t[LANES_MAX] queue
    cdef int32_t[EXITS_MAX] inflow
    cdef Label* label = run.label + slot
    cdef int stage = label.stage, following, pair, tau, seconds, first
    cdef bint go = hold == 0 if label.previous < 0 else label.go
    cdef int64_t cost, late
    cdef uint64_t due
    cdef const int16_t* rows
    for following in range(at.n_stages):
        pair = stage * at.n_stages + following
        if not at.allowed[pair]:
            continue
        cost, due = from_cost, label.due
        if due:
            late = serve_due(at, &due, t, stage, following)
            cost += LATE * late
            if late:
                keep_late(at, run, from_queue, stage, from_cost)
        seconds = at.change_s[pair]
        if seconds > at.horizon - t:
            seconds = at.horizon - t
        rows = at.rows + at.row_at[pair] * at.n_lanes
        memcpy(queue, from_queue, at.n_lanes * sizeof(int16_t))
        if at.n_exits:
            memcpy(inflow, from_inflow, at.n_exits * sizeof(int32_t))
            for tau in range(seconds):
                cost += second(at, queue, inflow, t + tau, rows + tau * at.n_lanes)
        else:
            cost += some_seconds(
                queue, at.arrivals + t * at.n_lanes, rows, at.weight, at.stop_weight, at.n_lanes,
                seconds)
        run.steps += seconds
        if cost >= run.best:
            continue
        first = following if label.previous < 0 else label.first
        if t + at.change_s[pair] < at.horizon:
            keep(at, run, t + at.change_s[pair], following, cost, due, slot, hold, first, go,
                 queue, inflow)
            continue
        cost += tail(at, queue, following)
        if due:
            cost += LATE * lateness(at, due, t + at.change_s[pair], following, 0)
        record(at, run, cost, first, go)
        if cost < run.best:
            run.best = cost
            run.best_label, run.best_hold, run.best_last = slot, hold, following


cdef void keep_late(
    const Junction* at, Search* run, const int16_t* queue, int stage, int64_t cost
) noexcept nogil:
    cdef int64_t estimate = (cost & (LATE - 1)) + tail(at, queue, stage)
    if estimate < run.late_estimate:
        run.late_estimate = estimate


cdef void keep(
    const Junction* at, Search* run, int t, int stage, int64_t cost, uint64_t due, int parent,
    int hold, int first, bint go, const int16_t* queue, const int32_t* inflow,
) noexcept nogil:
    """Put a label among those of its second and stage, if it is cheap enough."""
    cdef int32_t* count = run.count + t * at.n_stages + stage
    cdef int base = (t * at.n_stages + stage) * at.labels
    cdef int k, worst = 0
    cdef size_t size = at.n_lanes * sizeof(int16_t)
    cdef Label* label
    for k in range(count[0]):
        if run.label[base + k].cost == cost and (
            memcmp(run.label_queue + (base + k) * at.n_lanes, queue, size) == 0
        ):
            return
        if run.label[base + k].cost > run.label[base + worst].cost:
            worst = k
    if count[0] < at.labels:
        worst = count[0]
        count[0] += 1
    elif cost >= run.label[base + worst].cost:
        return
    label = run.label + base + worst
    label.cost, label.due, label.parent, label.stage = cost, due, parent, stage
    label.previous, label.hold, label.first, label.go = run.label[parent].stage, hold, first, go
    memcpy(run.label_queue + (base + worst) * at.n_lanes, queue, size)
    memcpy(
        run.label_inflow + (base + worst) * at.n_exits, inflow, at.n_exits * sizeof(int32_t))


cdef inline void record(
    const Junction* at, Search* run, int64_t total, int first, bint go
) noexcept nogil:
    if total < run.value[first]:
        run.value[first] = total
    if go:
        if total < run.go:
            run.go = total
    elif total < run.stay:
        run.stay = total


cdef int trace(const Junction* at, Search* run, int32_t* plan, int plan_max) noexcept nogil:
    """Write the best plan from now to its end; the number of its rows."""
    cdef int slot = run.best_label, depth = 1, k, hold = run.best_hold
    while run.label[slot].parent >= 0:
        slot = run.label[slot].parent
        depth += 1
    slot = run.best_label
    for k in range(depth - 1, -1, -1):
        if k < plan_max:
            plan[2 * k], plan[2 * k + 1] = run.label[slot].stage, hold
        hold = run.label[slot].hold
        slot = run.label[slot].parent
    if run.best_last >= 0 and depth < plan_max:
        plan[2 * depth], plan[2 * depth + 1] = run.best_last, 0
        depth += 1
    return depth if depth < plan_max else plan_max
