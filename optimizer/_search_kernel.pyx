"""Search over the next stages of one junction and their durations, without the GIL.

The law, the shapes and the units are those of :mod:`optimizer._search_reference`, which one test
suite holds to the same results; everything is integer, so they agree to the last unit. What this
file does better: lanes are advanced several at a time, and what a change of stage releases second
by second is laid out once, so that the innermost loop has no branch.
"""

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy, memset

cdef extern from *:
    """
    #include <stdint.h>
    #define HALF_VEHICLE 64

    /* One second of all lanes, n a multiple of 8; returns its cost. Written so that compilers turn
       it into 16-bit vector instructions: two sums, and choices instead of logical operators. */
    static inline int32_t one_second(
        int16_t *__restrict queue, const int16_t *__restrict arrivals,
        const int16_t *__restrict rate, const int16_t *__restrict weight,
        const int16_t *__restrict stop_weight, int n)
    {
        int32_t waiting = 0, stops = 0;
        n &= ~7;  /* what the caller promises, for the compiler */
        for (int i = 0; i < n; i++) {
            int16_t stopped = rate[i] == 0 ? arrivals[i] : 0;
            stopped = queue[i] > HALF_VEHICLE ? arrivals[i] : stopped;
            int16_t left = (int16_t)(queue[i] + arrivals[i] - rate[i]);
            left = left > 0 ? left : 0;
            queue[i] = left;
            waiting += (int32_t)weight[i] * left;
            stops += (int32_t)stop_weight[i] * stopped;
        }
        return waiting + stops;
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

lanes_max = LANES_MAX
exits_max = EXITS_MAX
beam_max = BEAM_MAX


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
    int n_stages, n_lanes, n_exits, horizon, stage_now, green_s
    int beam, labels, grid_s, fine_s, idle_s, red16
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
    int64_t* floor
    int64_t best
    int64_t stay, go
    int64_t late_estimate
    int64_t steps
    int best_label, best_hold, best_last
    int64_t* value


def search(
    const int16_t[:, ::1] arrivals,
    const int16_t[::1] queue,
    const int16_t[::1] weight,
    const int16_t[::1] stop_weight,
    const int16_t[:, ::1] rate,
    const int32_t[:, ::1] change_s,
    const int32_t[:, :, ::1] stops_s,
    const int32_t[:, :, ::1] starts_s,
    const int32_t[::1] served_from_s,
    const int32_t[::1] min_green_s,
    const int32_t[::1] max_green_s,
    const uint8_t[:, ::1] allowed,
    const int32_t[::1] limit_s,
    const int16_t[:, ::1] exit_share,
    const int32_t[:, ::1] exit_spare,
    const int32_t[:, ::1] incumbent,
    const int32_t[::1] settings,
    int32_t[:, ::1] plan_out,
    int64_t[::1] value_out,
    int16_t[:, ::1] departures_out,
    int64_t[::1] figures_out,
):
    """See :func:`optimizer._search_reference.search`."""
    cdef Junction at
    cdef Search run
    cdef int rows = 0
    at.horizon = arrivals.shape[0]
    at.n_lanes = arrivals.shape[1]
    at.n_stages = rate.shape[0]
    at.n_exits = exit_share.shape[0]
    at.stage_now, at.green_s, at.beam, at.labels = settings[0], settings[1], settings[2], settings[3]
    at.grid_s, at.fine_s, at.idle_s, at.red16 = settings[4], settings[5], settings[6], settings[7]
    at.budget = settings[8]
    at.arrivals, at.queue, at.weight = &arrivals[0, 0], &queue[0], &weight[0]
    at.stop_weight, at.rate = &stop_weight[0], &rate[0, 0]
    at.change_s, at.starts_s = &change_s[0, 0], &starts_s[0, 0, 0]
    at.min_green_s, at.max_green_s = &min_green_s[0], &max_green_s[0]
    at.allowed, at.limit_s = &allowed[0, 0], &limit_s[0]
    at.exit_share = &exit_share[0, 0] if at.n_exits else NULL
    at.exit_spare = &exit_spare[0, 0] if at.n_exits else NULL
    cdef void* memory = layout(&at, &run, &starts_s[0, 0, 0], &served_from_s[0])
    if memory == NULL:
        raise MemoryError("no memory for the labels of the search")
    with nogil:
        run.value = &value_out[0]
        prepare(&at, &stops_s[0, 0, 0], &served_from_s[0])
        rows = solve(
            &at, &run, &incumbent[0, 0] if incumbent.shape[0] else NULL, incumbent.shape[0],
            &plan_out[0, 0], plan_out.shape[0], &departures_out[0, 0], &figures_out[0],
        )
        free(memory)
    return rows


cdef void* layout(
    Junction* at, Search* run, const int32_t* starts_s, const int32_t* served_from_s
) noexcept nogil:
    """One block of memory for everything that the search keeps; the caller frees it."""
    cdef int s = at.n_stages, p = at.n_lanes, a, b, lane, rows = 0, seconds
    cdef size_t nodes = (at.horizon + 1) * s
    cdef size_t n_labels = nodes * at.labels
    cdef size_t size
    cdef char* block
    at.root_count = 0
    for lane in range(p):
        if served_from_s[lane] > at.root_count:
            at.root_count = served_from_s[lane]
    if at.root_count > at.horizon:
        at.root_count = at.horizon
    for a in range(s):
        for b in range(s):
            seconds = at.change_s[a * s + b]
            for lane in range(p):
                if seconds < starts_s[(a * s + b) * p + lane] < NEVER:
                    seconds = starts_s[(a * s + b) * p + lane]
            rows += seconds
    size = 8 * (p + (at.horizon + 1) + 2 * s * at.labels) + n_labels * sizeof(Label)
    size += 4 * (2 * s * s + s * p + s * at.horizon + nodes + n_labels * at.n_exits)
    size += 2 * p * (rows + at.root_count + n_labels) + 64
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
    run.floor = <int64_t*>next
    next += 8 * s * at.labels
    run.label = <Label*>next
    next += n_labels * sizeof(Label)
    at.rows = <int16_t*>next
    next += 2 * p * rows
    at.root_rows = <int16_t*>next
    next += 2 * p * at.root_count
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
    """Advance all lanes by second *t*; full exits hold back the lanes that lead there."""
    cdef int16_t[LANES_MAX] open_rate
    cdef int e, lane
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
                    open_rate[lane] = 0
    for lane in range(at.n_lanes):
        out = queue[lane] + arrivals[lane]
        if out > open_rate[lane]:
            out = open_rate[lane]
        if out > 0:
            for e in range(at.n_exits):
                inflow[e] += at.exit_share[e * at.n_lanes + lane] * out
    return one_second(queue, arrivals, open_rate, at.weight, at.stop_weight, at.n_lanes)


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
    const Junction* at, Search* run, const int32_t* incumbent, int n_incumbent,
    int32_t* plan, int plan_max, int16_t* departures, int64_t* figures,
) noexcept nogil:
    cdef int rows, t
    cdef int32_t[2] stay
    cdef bint finished
    for t in range(at.n_stages):
        run.value[t] = NONE
    run.stay, run.go, run.late_estimate, run.steps = NONE, NONE, NONE, 0
    run.best_label, run.best_last = -1, -1
    if n_incumbent == 0:
        stay[0], stay[1] = at.stage_now, at.horizon
        incumbent, n_incumbent = stay, 1
    run.best = replay(at, incumbent, n_incumbent, plan, plan_max, &rows, departures)
    figures[4] = run.best
    record(at, run, run.best, plan[2] if rows > 1 else at.stage_now, rows > 1 and plan[1] == 0)
    open_root(at, run)
    finished = True
    for t in range(at.horizon):
        if not expand_second(at, run, t):
            finished = False
            break
    if run.best_label >= 0:
        rows = trace(at, run, plan, plan_max)
        replay(at, plan, rows, plan, plan_max, &rows, departures)
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
        memcpy(inflow, from_inflow, at.n_exits * sizeof(int32_t))
        for tau in range(seconds):
            cost += second(at, queue, inflow, t + tau, rows + tau * at.n_lanes)
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
