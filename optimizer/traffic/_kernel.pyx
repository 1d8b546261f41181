"""The law of :mod:`optimizer.traffic._reference`, on arrays, without the GIL.

One suite holds both to the same results. ``lanes`` and ``sources`` are arrays of the structures
below (:data:`lane_type`, :data:`source_type`), made and read by :mod:`optimizer.traffic.model`;
queues of due times are rings of ``RING`` places, of which the oldest entry is lost when one is full.
"""

import numpy as np

cdef enum:
    RING = 128

cdef packed struct Lane:
    # What does not change; ranges of positions in ``links``.
    int stop_first
    int stop_end
    int advance_first
    int advance_end
    int near_first
    int near_end
    int far_first
    int far_end
    int stored
    int spare
    int head
    int count
    signed char had_advance
    signed char has_advance
    signed char has_source
    signed char over
    signed char pad0
    signed char pad1
    signed char pad2
    signed char pad3
    double advance_travel_s
    double some
    double beyond
    double quiet_s
    double moving_s
    double on_stop_s
    double on_advance_s
    double clear_s
    double advance_quiet_s
    double green_s
    double green_occupied_s
    double rate_veh_per_s
    double credit
    double head_since_s
    double[RING] near

cdef packed struct Source:
    int detector
    int lanes_first
    int lanes_end
    int stored
    int count
    int group
    signed char near
    signed char works
    signed char pad0
    signed char pad1
    double travel_s
    double rate_veh_per_s
    double on_s
    double[RING] due
    double[RING] shared

cdef packed struct Law:
    double ghost_after_s
    double late_after_s
    double early_limit_s
    double lateness_weight
    double held_s
    double gap_s
    double discharging_gap_s
    double moving_up_s
    double spilled_s
    double discharging_veh
    double red_platoon
    double rate_tau_s
    double share_gain
    double standing_s
    double startup_s
    double clear_after_s

# NumPy cannot read Cython's description of a structure that holds an array, so it is spelled out;
# Cython compares the two whenever an array is passed.
lane_type = np.dtype([
    *[(name, np.intc) for name in (
        "stop_first", "stop_end", "advance_first", "advance_end", "near_first", "near_end",
        "far_first", "far_end", "stored", "spare", "head", "count",
    )],
    *[(name, np.byte) for name in (
        "had_advance", "has_advance", "has_source", "over", "pad0", "pad1", "pad2", "pad3",
    )],
    *[(name, np.double) for name in (
        "advance_travel_s", "some", "beyond", "quiet_s", "moving_s", "on_stop_s", "on_advance_s",
        "clear_s", "advance_quiet_s", "green_s", "green_occupied_s",
        "rate_veh_per_s", "credit",
        "head_since_s",
    )],
    ("near", np.double, (RING,)),
])
source_type = np.dtype([
    *[(name, np.intc) for name in ("detector", "lanes_first", "lanes_end", "stored", "count", "group")],
    *[(name, np.byte) for name in ("near", "works", "pad0", "pad1")],
    *[(name, np.double) for name in ("travel_s", "rate_veh_per_s", "on_s")],
    ("due", np.double, (RING,)),
    ("shared", np.double, (RING,)),
])
law_type = np.dtype([
    (name, np.double) for name in (
        "ghost_after_s", "late_after_s", "early_limit_s", "lateness_weight", "held_s", "gap_s",
        "discharging_gap_s", "moving_up_s", "spilled_s", "discharging_veh", "red_platoon",
        "rate_tau_s", "share_gain", "standing_s", "startup_s", "clear_after_s",
    )
])
ring = RING


cdef inline double due_of(const Lane* lane, int i) noexcept nogil:
    return lane.near[(lane.head + i) % RING]


cdef inline void pop_near(Lane* lane) noexcept nogil:
    lane.head = (lane.head + 1) % RING
    lane.count -= 1


cdef inline void push_near(Lane* lane, double due) noexcept nogil:
    if lane.count == RING:
        pop_near(lane)
    lane.near[(lane.head + lane.count) % RING] = due
    lane.count += 1


cdef inline void push_near_first(Lane* lane, double due) noexcept nogil:
    if lane.count == RING:
        return
    lane.head = (lane.head + RING - 1) % RING
    lane.near[lane.head] = due
    lane.count += 1


cdef void drop_far(Source* source, int i) noexcept nogil:
    cdef int j
    source.count -= 1
    for j in range(i, source.count):
        source.due[j] = source.due[j + 1]
        source.shared[j] = source.shared[j + 1]


cdef void push_far(Source* source, double due) noexcept nogil:
    if source.count == RING:
        drop_far(source, 0)
    source.due[source.count] = due
    source.shared[source.count] = 0.0
    source.count += 1


cdef void push_far_first(Source* source, double due) noexcept nogil:
    cdef int j
    if source.count == RING:
        drop_far(source, 0)
    for j in range(source.count, 0, -1):
        source.due[j] = source.due[j - 1]
        source.shared[j] = source.shared[j - 1]
    source.due[0] = due
    source.shared[0] = 0.0
    source.count += 1


cdef int total(const int[::1] counts, const int[::1] links, int first, int end) noexcept nogil:
    """Sum over detectors, -1 if there is none or one of them is unknown."""
    cdef int found = 0
    cdef int i
    if first == end:
        return -1
    for i in range(first, end):
        if counts[links[i]] < 0:
            return -1
        found += counts[links[i]]
    return found


cdef class Model:
    """The arrays of one junction; taken once, because looking through their types is slow."""

    cdef Lane[::1] lanes
    cdef Source[::1] sources
    cdef double[:, ::1] to_lane
    cdef const int[::1] links
    cdef const Law[::1] laws

    def __init__(self, lanes, sources, to_lane, links, laws):
        self.lanes, self.sources, self.to_lane = lanes, sources, to_lane
        self.links, self.laws = links, laws

    def advance(
        self, const int[:, ::1] counts, const double[::1] service, double now_s, double dt_s
    ):
        """See :meth:`optimizer.traffic._reference.ReferenceModel.advance`; (3, detectors)."""
        with nogil:
            step(self.lanes, self.sources, self.to_lane, self.links, counts[0], counts[1],
                 counts[2], service, &self.laws[0], now_s, dt_s)

    def forecast(self, double now_s, double[::1] queue, double[:, ::1] arrivals):
        """Fill queue, (lanes,), and arrivals, (lanes, seconds), which have to be 0 before."""
        cdef Py_ssize_t k, p
        with nogil:
            for k in range(self.lanes.shape[0]):
                lane_forecast(&self.lanes[k], k, now_s, queue, arrivals)
            for p in range(self.sources.shape[0]):
                source_forecast(p, self.lanes, self.sources, self.to_lane, self.links, now_s,
                                queue, arrivals)

    def trapped(self, double now_s, double[::1] vehicles):
        """Fill vehicles, (lanes,), which have to be 0 before: of other lanes, behind the queue."""
        cdef Py_ssize_t p
        with nogil:
            for p in range(self.sources.shape[0]):
                add_trapped(p, self.lanes, self.sources, self.to_lane, self.links, now_s, vehicles)

    def head_waits(self, double now_s, double[::1] wait_s):
        """Fill wait_s, (lanes,): how long the first of each queue has waited, 0 without any."""
        cdef Py_ssize_t k
        for k in range(self.lanes.shape[0]):
            wait_s[k] = now_s - self.lanes[k].head_since_s if self.lanes[k].head_since_s >= 0 else 0

    def longest_held_s(self):
        """For how long the most blocked lane has stood in green."""
        cdef Py_ssize_t k
        cdef double longest = 0.0
        for k in range(self.lanes.shape[0]):
            longest = max(longest, self.lanes[k].green_occupied_s)
        return longest


cdef void step(
    Lane[::1] lanes, Source[::1] sources, double[:, ::1] to_lane, const int[::1] links,
    const int[::1] entered, const int[::1] left, const int[::1] occupied,
    const double[::1] service, const Law* law, double now_s, double dt_s,
) noexcept nogil:
    cdef Py_ssize_t p, k
    cdef int i
    for p in range(sources.shape[0]):
        source_step(p, lanes, sources, to_lane, links, entered, occupied, law, now_s, dt_s)
    for k in range(lanes.shape[0]):
        lanes[k].has_advance = (
            total(entered, links, lanes[k].advance_first, lanes[k].advance_end) >= 0
        )
        lanes[k].has_source = 0
        for i in range(lanes[k].near_first, lanes[k].far_end):
            if sources[links[i]].works:
                lanes[k].has_source = 1
        change_mode(&lanes[k], now_s)
    for p in range(sources.shape[0]):
        share_out(p, lanes, sources, to_lane, links, now_s)
    for k in range(lanes.shape[0]):
        lane_step(k, lanes, sources, to_lane, links, entered, left, occupied, service[k], law,
                  now_s, dt_s)
    for p in range(sources.shape[0]):
        drop_late(p, lanes, sources, to_lane, links, law, now_s)


cdef void source_step(
    Py_ssize_t p, Lane[::1] lanes, Source[::1] sources, double[:, ::1] to_lane,
    const int[::1] links, const int[::1] entered, const int[::1] occupied, const Law* law,
    double now_s, double dt_s,
) noexcept nogil:
    cdef Source* source = &sources[p]
    cdef int count = entered[source.detector]
    cdef int i
    source.works = count >= 0
    if count < 0:
        source.on_s = 0.0
        return
    source.rate_veh_per_s += (count - source.rate_veh_per_s * dt_s) / law.rate_tau_s
    source.on_s = source.on_s + dt_s if occupied[source.detector] > 0 else 0.0
    for i in range(count):
        push_far(source, now_s + source.travel_s)
        if source.near:
            take_far(links[source.lanes_first], 0, lanes, sources, to_lane, links, law,
                     now_s + source.travel_s, -1)
    if source.on_s >= law.spilled_s and between(p, lanes, sources, links) < storage(p, sources, law):
        push_far_first(source, now_s)


cdef int storage(Py_ssize_t p, Source[::1] sources, const Law* law) noexcept nogil:
    cdef int vehicles = 0
    cdef Py_ssize_t q
    for q in range(sources.shape[0]):
        if sources[q].group == sources[p].group and sources[q].on_s >= law.spilled_s:
            vehicles += sources[q].stored
    return vehicles


cdef double between(
    Py_ssize_t p, Lane[::1] lanes, Source[::1] sources, const int[::1] links,
) noexcept nogil:
    cdef double known = 0.0
    cdef int i
    cdef Lane* lane
    for i in range(sources[p].lanes_first, sources[p].lanes_end):
        lane = &lanes[links[i]]
        known += lane.some + lane.beyond + lane.count
    lane = &lanes[links[sources[p].lanes_first]]
    for i in range(lane.far_first, lane.far_end):
        known += sources[links[i]].count
    return known


cdef void change_mode(Lane* lane, double now_s) noexcept nogil:
    cdef int i
    if lane.has_advance == lane.had_advance:
        return
    lane.had_advance = lane.has_advance
    if lane.has_advance:
        lane.head = lane.count = 0
        for i in range(<int> (lane.some + 0.5)):
            if lane.count < RING:
                push_near(lane, now_s)
        lane.some = 0.0
    else:
        lane.some += lane.count + lane.beyond
        lane.head = lane.count = 0
        lane.beyond = 0.0
        lane.over = 0
        lane.on_advance_s = 0.0


cdef void share_out(
    Py_ssize_t p, Lane[::1] lanes, Source[::1] sources, double[:, ::1] to_lane,
    const int[::1] links, double now_s,
) noexcept nogil:
    cdef Source* source = &sources[p]
    cdef int without = 0
    cdef int i, j, kept = 0
    for i in range(source.lanes_first, source.lanes_end):
        if not lanes[links[i]].has_advance:
            without += 1
    if not without:
        return
    for j in range(source.count):
        if source.due[j] <= now_s and source.shared[j] == 0.0:
            source.shared[j] = 1.0
            for i in range(source.lanes_first, source.lanes_end):
                if not lanes[links[i]].has_advance:
                    lanes[links[i]].some += to_lane[p, links[i]]
            if without == source.lanes_end - source.lanes_first:
                continue
        source.due[kept] = source.due[j]
        source.shared[kept] = source.shared[j]
        kept += 1
    source.count = kept


cdef void lane_step(
    Py_ssize_t k, Lane[::1] lanes, Source[::1] sources, double[:, ::1] to_lane,
    const int[::1] links, const int[::1] entered, const int[::1] left, const int[::1] occupied,
    double service, const Law* law, double now_s, double dt_s,
) noexcept nogil:
    cdef Lane* lane = &lanes[k]
    cdef bint green = service > 0.0
    cdef int came = total(entered, links, lane.stop_first, lane.stop_end)
    cdef double platoon
    lane.green_s = lane.green_s + dt_s if green else 0.0
    if lane.has_advance:
        advance_loop(k, lanes, sources, to_lane, links, entered, occupied, law, now_s, dt_s)
    elif not lane.has_source:
        platoon = law.red_platoon if lane.stop_end > lane.stop_first and not green else 1.0
        lane.some += platoon * lane.rate_veh_per_s * dt_s
    if came >= 0:
        stop_loop(k, lanes, sources, to_lane, links, came,
                  total(left, links, lane.stop_first, lane.stop_end),
                  any_on(occupied, links, lane.stop_first, lane.stop_end), green, law,
                  now_s, dt_s)
    else:
        lane.on_stop_s = lane.green_occupied_s = 0.0
        lane.quiet_s = 99.0
        discharge_unseen(lane, service, law, now_s, dt_s)
    note_head(lane, now_s)


cdef bint any_on(
    const int[::1] occupied, const int[::1] links, int first, int end
) noexcept nogil:
    cdef int i
    for i in range(first, end):
        if occupied[links[i]] > 0:
            return True
    return False


cdef void advance_loop(
    Py_ssize_t k, Lane[::1] lanes, Source[::1] sources, double[:, ::1] to_lane,
    const int[::1] links, const int[::1] entered, const int[::1] occupied, const Law* law,
    double now_s, double dt_s,
) noexcept nogil:
    cdef Lane* lane = &lanes[k]
    cdef int count = total(entered, links, lane.advance_first, lane.advance_end)
    cdef bint present = any_on(occupied, links, lane.advance_first, lane.advance_end)
    cdef bint held
    cdef int i
    lane.on_advance_s = lane.on_advance_s + dt_s if present else 0.0
    held = lane.on_advance_s >= law.held_s
    lane.advance_quiet_s = 0.0 if present or count else lane.advance_quiet_s + dt_s
    lane.rate_veh_per_s += (count - lane.rate_veh_per_s * dt_s) / law.rate_tau_s
    lane.over = held or (lane.over and lane.advance_quiet_s < law.moving_up_s)
    lane.clear_s = 0.0 if lane.over else lane.clear_s + dt_s
    if not lane.over:
        lane.beyond = 0.0
    elif not lane.has_source:
        lane.beyond += lane.rate_veh_per_s * dt_s
    for i in range(count):
        push_near(lane, now_s + lane.advance_travel_s)
        lane.beyond = max(0.0, lane.beyond - 1.0)
        take_far(k, True, lanes, sources, to_lane, links, law,
                 now_s + lane.advance_travel_s, k)
    if held and lane.moving_s > law.moving_up_s:
        while lane.count < lane.stored and lane.count < RING:
            push_near_first(lane, now_s - lane.on_advance_s)


cdef void stop_loop(
    Py_ssize_t k, Lane[::1] lanes, Source[::1] sources, double[:, ::1] to_lane,
    const int[::1] links, int came, int gone, bint present, bint green, const Law* law,
    double now_s, double dt_s,
) noexcept nogil:
    cdef Lane* lane = &lanes[k]
    cdef int i
    lane.on_stop_s = lane.on_stop_s + dt_s if present else 0.0
    lane.quiet_s = 0.0 if present or gone + came > 0 else lane.quiet_s + dt_s
    lane.moving_s = 0.0 if gone > 0 else lane.moving_s + dt_s
    if not green or not present or gone > 0:
        lane.green_occupied_s = 0.0
    else:
        lane.green_occupied_s += dt_s
    if lane.has_advance:
        for i in range(min(gone, lane.count)):
            pop_near(lane)
        if not present and lane.quiet_s >= law.ghost_after_s:
            while lane.count and due_of(lane, 0) < now_s - law.ghost_after_s:
                pop_near(lane)
        if lane.on_stop_s >= law.standing_s and not (lane.count and due_of(lane, 0) <= now_s):
            push_near_first(lane, now_s - lane.on_stop_s)
        return
    lane.rate_veh_per_s += (gone - lane.rate_veh_per_s * dt_s) / law.rate_tau_s
    if gone > 0 and lane.has_source:
        balance(k, gone, lanes, sources, to_lane, links, law)
    lane.some = max(0.0, lane.some - gone)
    if present:
        lane.some = max(1.0, lane.some)
    elif green:
        if lane.quiet_s >= law.gap_s:
            lane.some = 0.0
        elif lane.quiet_s < law.discharging_gap_s:
            lane.some = max(law.discharging_veh, lane.some)
    elif not lane.has_source:
        lane.some = 0.0
    elif lane.quiet_s >= law.ghost_after_s:
        lane.some *= max(0.0, 1.0 - dt_s / law.ghost_after_s)


cdef void balance(
    Py_ssize_t k, int gone, Lane[::1] lanes, Source[::1] sources, double[:, ::1] to_lane,
    const int[::1] links, const Law* law,
) noexcept nogil:
    cdef Lane* lane = &lanes[k]
    cdef int first = lane.near_first if lane.near_end > lane.near_first else lane.far_first
    cdef int end = lane.near_end if lane.near_end > lane.near_first else lane.far_end
    cdef double inflow = 0.0
    cdef double ratio, factor
    cdef int i
    for i in range(first, end):
        inflow += sources[links[i]].rate_veh_per_s * to_lane[links[i], k]
    ratio = lane.rate_veh_per_s / max(inflow, 1e-3)
    factor = 1.0 + law.share_gain * gone * (min(max(ratio, 0.2), 5.0) - 1.0)
    for i in range(first, end):
        to_lane[links[i], k] = min(to_lane[links[i], k] * factor, 1.0)


cdef void discharge_unseen(
    Lane* lane, double service, const Law* law, double now_s, double dt_s
) noexcept nogil:
    if lane.green_s <= law.startup_s:
        lane.credit = 0.0
        return
    lane.some = max(0.0, lane.some - service * dt_s)
    lane.credit = min(lane.credit + service * dt_s, 2.0)
    while lane.credit >= 1.0 and lane.count and due_of(lane, 0) <= now_s:
        pop_near(lane)
        lane.credit -= 1.0


cdef void note_head(Lane* lane, double now_s) noexcept nogil:
    if lane.count:
        lane.head_since_s = due_of(lane, 0) if due_of(lane, 0) <= now_s else -1.0
    elif lane.some < 0.5:
        lane.head_since_s = -1.0
    elif lane.head_since_s < 0.0 or lane.green_s > 0.0:
        lane.head_since_s = now_s


cdef void take_far(
    Py_ssize_t k, bint near, Lane[::1] lanes, Source[::1] sources, double[:, ::1] to_lane,
    const int[::1] links, const Law* law, double due, Py_ssize_t to,
) noexcept nogil:
    cdef int first = lanes[k].near_first if near else lanes[k].far_first
    cdef int end = lanes[k].far_end
    cdef double best = law.early_limit_s
    cdef double apart, score
    cdef int chosen = -1
    cdef int found = -1
    cdef int i, j
    for i in range(first, end):
        for j in range(sources[links[i]].count):
            apart = sources[links[i]].due[j] - due
            if apart > 0.0 or lanes[k].over:
                score = apart
            else:
                score = -law.lateness_weight * apart
            if score < best:
                best, chosen, found = score, links[i], j
    if chosen < 0:
        return
    drop_far(&sources[chosen], found)
    if to < 0:
        return
    for i in range(<int> lanes.shape[0]):
        to_lane[chosen, i] *= 1.0 - law.share_gain
    to_lane[chosen, to] += law.share_gain


cdef void drop_late(
    Py_ssize_t p, Lane[::1] lanes, Source[::1] sources, double[:, ::1] to_lane,
    const int[::1] links, const Law* law, double now_s,
) noexcept nogil:
    cdef Source* source = &sources[p]
    cdef double ahead = 1e9
    cdef int i, j, kept = 0
    cdef int with_advance = 0
    cdef bint clear = True
    if not source.count:
        return
    for i in range(source.lanes_first, source.lanes_end):
        if lanes[links[i]].has_advance:
            if lanes[links[i]].over:
                return
            with_advance += 1
            if lanes[links[i]].clear_s <= law.clear_after_s:
                # After a queue nobody knows who turned off and who was only held up.
                clear = False
            ahead = min(ahead, lanes[links[i]].advance_travel_s)
    if not with_advance:
        return
    for j in range(source.count):
        if source.due[j] >= now_s - law.late_after_s + ahead:
            source.due[kept] = source.due[j]
            source.shared[kept] = source.shared[j]
            kept += 1
        elif clear:
            for i in range(source.lanes_first, source.lanes_end):
                if lanes[links[i]].has_advance:
                    to_lane[p, links[i]] *= 1.0 - law.share_gain
    source.count = kept


cdef void lane_forecast(
    const Lane* lane, Py_ssize_t k, double now_s, double[::1] queue, double[:, ::1] arrivals
) noexcept nogil:
    cdef int horizon = <int> arrivals.shape[1]
    cdef int i, second
    cdef double due
    queue[k] = lane.some + lane.beyond
    for i in range(lane.count):
        due = due_of(lane, i)
        second = <int> (due - now_s)
        if due <= now_s:
            queue[k] += 1.0
        elif second < horizon:
            arrivals[k, second] += 1.0
    if not lane.has_source:
        second = <int> lane.advance_travel_s + 1 if lane.has_advance else 0
        for i in range(second, horizon):
            arrivals[k, i] += lane.rate_veh_per_s


cdef void source_forecast(
    Py_ssize_t p, const Lane[::1] lanes, const Source[::1] sources,
    const double[:, ::1] to_lane, const int[::1] links, double now_s, double[::1] queue,
    double[:, ::1] arrivals,
) noexcept nogil:
    cdef const Source* source = &sources[p]
    cdef const Lane* lane
    cdef int horizon = <int> arrivals.shape[1]
    cdef int i, j, k, second
    cdef bint over = False
    cdef bint behind = False
    cdef double overdue = 0.0
    cdef double least
    for i in range(source.lanes_first, source.lanes_end):
        if lanes[links[i]].over:
            over = True
    for j in range(source.count):
        if source.due[j] <= now_s and over:
            overdue += 1.0
            continue
        for i in range(source.lanes_first, source.lanes_end):
            k = links[i]
            lane = &lanes[k]
            if source.shared[j] == 0.0 or lane.has_advance:
                least = lane.advance_travel_s if lane.has_advance else 0.0
                second = <int> max(source.due[j] - now_s, least)
                if second < horizon:
                    arrivals[k, second] += to_lane[p, k]
    if overdue > 0.0:
        for i in range(source.lanes_first, source.lanes_end):
            k = links[i]
            if lanes[k].over:
                queue[k] += overdue * to_lane[p, k]
    if not source.works:
        return
    if source.near:
        lane = &lanes[links[source.lanes_first]]
        for i in range(lane.far_first, lane.far_end):
            if sources[links[i]].works:
                behind = True
        if behind:
            return
    for i in range(source.lanes_first, source.lanes_end):
        k = links[i]
        for j in range(min(<int> source.travel_s, horizon), horizon):
            arrivals[k, j] += to_lane[p, k] * source.rate_veh_per_s


cdef void add_trapped(
    Py_ssize_t p, const Lane[::1] lanes, const Source[::1] sources,
    const double[:, ::1] to_lane, const int[::1] links, double now_s, double[::1] vehicles,
) noexcept nogil:
    cdef const Source* source = &sources[p]
    cdef double overdue = 0.0
    cdef double held = 0.0
    cdef double others = 0.0
    cdef int i, j
    for i in range(source.lanes_first, source.lanes_end):
        if lanes[links[i]].over:
            held += to_lane[p, links[i]]
        else:
            others += to_lane[p, links[i]]
    if held <= 0.0 or others <= 0.0:
        return
    for j in range(source.count):
        if source.due[j] <= now_s:
            overdue += 1.0
    for i in range(source.lanes_first, source.lanes_end):
        if lanes[links[i]].over:
            vehicles[links[i]] += overdue * others * to_lane[p, links[i]] / held
