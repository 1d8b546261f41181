"""The cyclic-flow-profile model, compiled.

The law, the arrays and the order of the work are those of
:mod:`optimizer.profiles._model_reference`, which one test suite holds to the same results. What
this file does better: what a trial overwrites is kept aside link by link, and put back from there.
"""

from libc.math cimport exp, fabs, floor, sqrt
from libc.string cimport memcpy

import numpy as np

cdef enum:
    INFLOW, CAPACITY, UNIFORM, RANDOM, STOPS, QUEUE, COST, RESULTS

cdef enum:
    KEPT = 1
    KEPT_GREEN = 2
    KEPT_ARRIVALS = 4
    KEPT_OUTFLOW = 8

cdef double FULL_STOP_S = 16.0
cdef double REPEATED_STOPS = 1.75
cdef double SLIVER = 1e-9


cdef struct Queue:
    double step_s
    double length
    double area
    double reach
    double longest


cdef inline double _piece(Queue* queue, double arrival, double rate, double share) noexcept nogil:
    """One piece of a step in which nothing changes; its outflow in veh/s of a whole step."""
    cdef double duration = share * queue.step_s
    cdef double after = queue.length + (arrival - rate) * duration
    cdef double clearing, left
    if after < 0.0:
        clearing = queue.length / (rate - arrival)
        left = queue.reach + arrival * clearing
        if left > queue.longest:
            queue.longest = left
        queue.area += queue.length * clearing / 2.0
        left = queue.length + arrival * duration
        queue.length = 0.0
        queue.reach = 0.0
        return left / queue.step_s
    queue.area += (queue.length + after) / 2.0 * duration
    queue.length = after
    if rate <= 0.0:
        queue.reach = after
    else:
        queue.reach += arrival * duration
    if after <= 0.0:
        queue.reach = 0.0
    if queue.reach > queue.longest:
        queue.longest = queue.reach
    return rate * share


cdef inline double _step(
    Queue* queue, double arrival, double rate, double green, bint leads
) noexcept nogil:
    """One step of a queue; its outflow in veh/s."""
    cdef double left
    if green <= SLIVER:
        return _piece(queue, arrival, 0.0, 1.0)
    if green >= 1.0 - SLIVER:
        return _piece(queue, arrival, rate, 1.0)
    if leads:
        left = _piece(queue, arrival, rate, green)
        return left + _piece(queue, arrival, 0.0, 1.0 - green)
    left = _piece(queue, arrival, 0.0, 1.0 - green)
    return left + _piece(queue, arrival, rate, green)


cdef inline double _queue_after(
    double queue, double arrival, double rate, double green, bint leads, double step_s
) noexcept nogil:
    """The queue after one step, where nothing else about it is asked."""
    if green <= SLIVER:
        return queue + arrival * step_s
    if green >= 1.0 - SLIVER:
        queue += (arrival - rate) * step_s
        return queue if queue > 0.0 else 0.0
    if leads:
        queue += (arrival - rate) * green * step_s
        return (queue if queue > 0.0 else 0.0) + arrival * (1.0 - green) * step_s
    queue += arrival * (1.0 - green) * step_s + (arrival - rate) * green * step_s
    return queue if queue > 0.0 else 0.0


cdef void _disperse(
    const double* profile, double smoothing, double closing, Py_ssize_t steps, double* out
) noexcept nogil:
    """Robertson's recursion in its steady state over the cycle.

    Four steps at a time, so that only one multiplication in four waits for the one before.
    """
    cdef double keep = 1.0 - smoothing
    cdef double keep_2 = keep * keep, keep_3 = keep_2 * keep, keep_4 = keep_2 * keep_2
    cdef double first, second, third, fourth, last = 0.0
    cdef Py_ssize_t step, fours = steps - steps % 4
    for step in range(0, fours, 4):
        first = smoothing * profile[step]
        second = smoothing * profile[step + 1] + keep * first
        third = smoothing * profile[step + 2] + keep * second
        fourth = smoothing * profile[step + 3] + keep * third
        out[step] = first
        out[step + 1] = second
        out[step + 2] = third
        out[step + 3] = fourth
        last = fourth + keep_4 * last
    for step in range(fours, steps):
        last = smoothing * profile[step] + keep * last
    last /= closing
    for step in range(0, fours, 4):
        out[step] += keep * last
        out[step + 1] += keep_2 * last
        out[step + 2] += keep_3 * last
        last = out[step + 3] + keep_4 * last
        out[step + 3] = last
    for step in range(fours, steps):
        last = smoothing * profile[step] + keep * last
        out[step] = last


cdef double _stopped_share(
    const double* arrivals, const double* outflow, double at_start, double step_s, Py_ssize_t steps
) noexcept nogil:
    """Stops per vehicle from waiting in turn; a short wait counts as part of a stop."""
    cdef double stopped = 0.0, arrived = at_start, left = 0.0, total = 0.0
    cdef double turn, wait, missing, discharge
    cdef Py_ssize_t step, leaving = 0, at = 0
    discharge = outflow[0]
    for step in range(steps):
        turn = arrived + 0.5 * arrivals[step] * step_s
        arrived += arrivals[step] * step_s
        total += arrivals[step]
        while leaving < 3 * steps and left + discharge * step_s < turn - 1e-12:
            left += discharge * step_s
            leaving += 1
            at += 1
            if at == steps:
                at = 0
            discharge = outflow[at]
        wait = (<double>leaving - <double>step - 0.5) * step_s
        if discharge > 0.0:
            wait += (turn - left) / discharge
        if wait <= 0.0:
            continue
        if wait >= FULL_STOP_S:
            stopped += arrivals[step]
            continue
        missing = 1.0 - wait / FULL_STOP_S
        missing *= missing
        stopped += arrivals[step] * (1.0 - missing * missing)
    return stopped / total


cdef class KernelModel:
    """A network under a timing, kept up to date change by change; see the reference."""

    cdef readonly object results, outflow, arrivals
    cdef object _tables
    cdef double _delay, _stop_h, _spillback
    cdef bint _with_stops
    cdef double _dispersion, _fastest, _period_h, _lost_s, _gained_s
    cdef double _period_s, _common_cycle_s, _step_s
    cdef Py_ssize_t _links, _steps, _heap_size, _touched_count, _sweep_start, _now
    cdef const Py_ssize_t[::1] link_node, feed_ptr, feed_link, give_way_only_green, opposing_ptr
    cdef const Py_ssize_t[::1] opposing_link, green_row, green_ptr, order, position
    cdef const Py_ssize_t[::1] fed_ptr, fed_link, yielding_ptr, yielding_link
    cdef const Py_ssize_t[::1] at_node_ptr, at_node_link
    cdef const Py_ssize_t[:, ::1] green_stages
    cdef const double[::1] saturation, flow, even, storage, delay_weight, stop_weight
    cdef const double[::1] feed_share, feed_travel_s, give_way_maximum, opposing_slope
    cdef const double[:, ::1] green_lags_s
    cdef double[:, ::1] _results, _outflow, _arrivals, _green
    cdef double[:, ::1] _old_results, _old_outflow, _old_arrivals, _old_green
    cdef unsigned char[:, ::1] _leads, _old_leads
    cdef unsigned char[::1] _stale_green, _stale_arrivals, _queued, _kept
    cdef Py_ssize_t[::1] _heap, _touched, _sequences, _feed_shift
    cdef double[:, ::1] _starts
    cdef double[::1] _cycles_s, _rates, _next, _feed_smoothing, _feed_closing

    def __init__(self, tables, *, delay, stop_s, spillback, stops):
        self._tables = tables
        self._delay = delay
        self._stop_h = stop_s / 3600.0
        self._spillback = spillback
        self._with_stops = stops or stop_s != 0.0
        self._dispersion = tables.dispersion
        self._fastest = tables.fastest
        self._period_h = tables.period_h
        self._lost_s = tables.start_displacement_s
        self._gained_s = tables.end_displacement_s
        self.link_node = tables.link_node
        self.saturation = tables.saturation
        self.flow = tables.flow
        self.even = tables.even
        self.storage = tables.storage
        self.delay_weight = tables.delay_weight
        self.stop_weight = tables.stop_weight
        self.feed_ptr = tables.feed_ptr
        self.feed_link = tables.feed_link
        self.feed_share = tables.feed_share
        self.feed_travel_s = tables.feed_travel_s
        self.give_way_maximum = tables.give_way_maximum
        self.give_way_only_green = tables.give_way_only_green
        self.opposing_ptr = tables.opposing_ptr
        self.opposing_link = tables.opposing_link
        self.opposing_slope = tables.opposing_slope
        self.green_row = tables.green_row
        self.green_ptr = tables.green_ptr
        self.green_stages = tables.green_stages
        self.green_lags_s = tables.green_lags_s
        self.order = tables.order
        self.position = tables.position
        self.fed_ptr = tables.fed_ptr
        self.fed_link = tables.fed_link
        self.yielding_ptr = tables.yielding_ptr
        self.yielding_link = tables.yielding_link
        self.at_node_ptr = tables.at_node_ptr
        self.at_node_link = tables.at_node_link
        links = self._links = len(tables.link_node)
        self._stale_green = np.zeros(links, dtype=np.uint8)
        self._stale_arrivals = np.zeros(links, dtype=np.uint8)
        self._queued = np.zeros(links, dtype=np.uint8)
        self._kept = np.zeros(links, dtype=np.uint8)
        self._heap = np.zeros(links + 1, dtype=np.intp)
        self._touched = np.zeros(links + 1, dtype=np.intp)
        self._heap_size = 0
        self._touched_count = 0
        self._sweep_start = 0
        self._now = -1
        self.results = np.zeros((links, RESULTS))
        self._results = self.results
        self._old_results = np.zeros((links, RESULTS))

    def load(self, timing, *, double tolerance, Py_ssize_t updates_max):
        """Work out every link under *timing*; the index."""
        cdef Py_ssize_t link
        self._period_s = timing.period_s
        self._common_cycle_s = timing.common_cycle_s
        steps = self._steps = timing.steps
        self._step_s = timing.period_s / timing.steps
        self._starts = timing.starts.copy()
        self._sequences = timing.sequences.copy()
        self._cycles_s = timing.cycles_s.copy()
        self.outflow = np.repeat(np.asarray(self.flow)[:, None], steps, axis=1)
        self._outflow = self.outflow
        self.arrivals = np.zeros((self._links, steps))
        self._arrivals = self.arrivals
        self._green = np.zeros((self._links, steps))
        self._leads = np.zeros((self._links, steps), dtype=np.uint8)
        self._old_outflow = np.zeros((self._links, steps))
        self._old_arrivals = np.zeros((self._links, steps))
        self._old_green = np.zeros((self._links, steps))
        self._old_leads = np.zeros((self._links, steps), dtype=np.uint8)
        self._rates = np.zeros(steps)
        self._next = np.zeros(steps)
        self.results[:] = 0.0
        travel = self._fastest * np.asarray(self.feed_travel_s) / self._step_s
        smoothing = 1.0 / (1.0 + self._dispersion * travel)
        self._feed_smoothing = smoothing
        self._feed_closing = 1.0 - (1.0 - smoothing) ** steps
        self._feed_shift = (travel + 0.5).astype(np.intp) % steps
        with nogil:
            for link in range(self._links):
                self._set_green(link)
                self._stale_arrivals[link] = 1
                self._mark(link)
            self._settle(tolerance, updates_max, False)
        return float(self.results[:, COST].sum())

    def try_changes(
        self,
        const Py_ssize_t[::1] nodes,
        const double[:, :, ::1] starts,
        const Py_ssize_t[:, ::1] sequences,
        const double[:, ::1] cycles_s,
        double[::1] changes,
        *,
        double tolerance,
        Py_ssize_t updates_max,
    ):
        """What each of k timings of the m nodes would change in the index; nothing is kept."""
        cdef Py_ssize_t candidate
        nodes_array = np.asarray(nodes)
        old_starts = np.asarray(self._starts)[nodes_array]
        old_sequences = np.asarray(self._sequences)[nodes_array]
        old_cycles = np.asarray(self._cycles_s)[nodes_array]
        cdef const double[:, ::1] old_starts_view = old_starts
        cdef const Py_ssize_t[::1] old_sequences_view = old_sequences
        cdef const double[::1] old_cycles_view = old_cycles
        with nogil:
            for candidate in range(changes.shape[0]):
                self._set_timing(
                    nodes, starts[candidate], sequences[candidate], cycles_s[candidate]
                )
                changes[candidate] = self._settle(tolerance, updates_max, True)
                self._put_back()
            self._reset_timing(nodes, old_starts_view, old_sequences_view, old_cycles_view)

    def commit(
        self,
        const Py_ssize_t[::1] nodes,
        const double[:, ::1] starts,
        const Py_ssize_t[::1] sequences,
        const double[::1] cycles_s,
        *,
        double tolerance,
        Py_ssize_t updates_max,
    ):
        """Change the timing of the m nodes; what that changes in the index."""
        cdef double change
        with nogil:
            self._set_timing(nodes, starts, sequences, cycles_s)
            change = self._settle(tolerance, updates_max, False)
        return change

    cdef void _set_timing(
        self,
        const Py_ssize_t[::1] nodes,
        const double[:, ::1] starts,
        const Py_ssize_t[::1] sequences,
        const double[::1] cycles_s,
    ) noexcept nogil:
        cdef Py_ssize_t row, at, link
        self._reset_timing(nodes, starts, sequences, cycles_s)
        for row in range(nodes.shape[0]):
            for at in range(self.at_node_ptr[nodes[row]], self.at_node_ptr[nodes[row] + 1]):
                link = self.at_node_link[at]
                self._stale_green[link] = 1
                self._mark(link)

    cdef void _reset_timing(
        self,
        const Py_ssize_t[::1] nodes,
        const double[:, ::1] starts,
        const Py_ssize_t[::1] sequences,
        const double[::1] cycles_s,
    ) noexcept nogil:
        cdef Py_ssize_t row, stage
        for row in range(nodes.shape[0]):
            for stage in range(starts.shape[1]):
                self._starts[nodes[row], stage] = starts[row, stage]
            self._sequences[nodes[row]] = sequences[row]
            self._cycles_s[nodes[row]] = cycles_s[row]

    cdef void _mark(self, Py_ssize_t link) noexcept nogil:
        """Put *link* on the heap: in this sweep if it is still to come, else in the next."""
        cdef Py_ssize_t value, at, parent
        if self._queued[link]:
            return
        self._queued[link] = 1
        value = self._sweep_start + self.position[link]
        if value <= self._now:
            value += self._links
        at = self._heap_size
        self._heap_size += 1
        while at > 0:
            parent = (at - 1) // 2
            if self._heap[parent] <= value:
                break
            self._heap[at] = self._heap[parent]
            at = parent
        self._heap[at] = value

    cdef Py_ssize_t _next_link(self) noexcept nogil:
        """Take the first link off the heap."""
        cdef Py_ssize_t first = self._heap[0], value, at = 0, child
        self._heap_size -= 1
        value = self._heap[self._heap_size]
        while True:
            child = 2 * at + 1
            if child >= self._heap_size:
                break
            if child + 1 < self._heap_size and self._heap[child + 1] < self._heap[child]:
                child += 1
            if self._heap[child] >= value:
                break
            self._heap[at] = self._heap[child]
            at = child
        self._heap[at] = value
        self._now = first
        if first >= self._sweep_start + self._links:
            self._sweep_start += self._links
        return self.order[first - self._sweep_start]

    cdef double _settle(
        self, double tolerance, Py_ssize_t updates_max, bint is_trial
    ) noexcept nogil:
        """Work off what is marked; what that changes in the index."""
        cdef Py_ssize_t link, updates = 0
        cdef double change = 0.0, before
        while self._heap_size:
            link = self._next_link()
            self._queued[link] = 0
            if updates < updates_max:
                before = self._results[link, COST]
                self._update(link, tolerance, is_trial)
                change += self._results[link, COST] - before
                updates += 1
            self._stale_green[link] = 0
            self._stale_arrivals[link] = 0
        self._sweep_start = 0
        self._now = -1
        return change

    cdef void _keep(self, Py_ssize_t link, unsigned char what) noexcept nogil:
        """Set aside what a trial is about to overwrite, the first time."""
        if self._kept[link] & what:
            return
        if not self._kept[link]:
            self._touched[self._touched_count] = link
            self._touched_count += 1
        self._kept[link] |= what
        cdef size_t row = self._steps * sizeof(double)
        if what == KEPT:
            memcpy(&self._old_results[link, 0], &self._results[link, 0], RESULTS * sizeof(double))
        elif what == KEPT_GREEN:
            memcpy(&self._old_green[link, 0], &self._green[link, 0], row)
            memcpy(&self._old_leads[link, 0], &self._leads[link, 0], self._steps)
        elif what == KEPT_ARRIVALS:
            memcpy(&self._old_arrivals[link, 0], &self._arrivals[link, 0], row)
        else:
            memcpy(&self._old_outflow[link, 0], &self._outflow[link, 0], row)

    cdef void _put_back(self) noexcept nogil:
        """Undo a trial."""
        cdef Py_ssize_t at, link
        cdef unsigned char kept
        cdef size_t row = self._steps * sizeof(double)
        for at in range(self._touched_count):
            link = self._touched[at]
            kept = self._kept[link]
            self._kept[link] = 0
            memcpy(&self._results[link, 0], &self._old_results[link, 0], RESULTS * sizeof(double))
            if kept & KEPT_GREEN:
                memcpy(&self._green[link, 0], &self._old_green[link, 0], row)
                memcpy(&self._leads[link, 0], &self._old_leads[link, 0], self._steps)
            if kept & KEPT_ARRIVALS:
                memcpy(&self._arrivals[link, 0], &self._old_arrivals[link, 0], row)
            if kept & KEPT_OUTFLOW:
                memcpy(&self._outflow[link, 0], &self._old_outflow[link, 0], row)
        self._touched_count = 0

    cdef void _update(self, Py_ssize_t link, double tolerance, bint is_trial) noexcept nogil:
        cdef Py_ssize_t at, step
        cdef double change = 0.0, difference
        cdef double* outflow = &self._outflow[link, 0]
        cdef double* new = &self._next[0]
        if is_trial:
            self._keep(link, KEPT)
        if self._stale_green[link]:
            if is_trial:
                self._keep(link, KEPT_GREEN)
            self._set_green(link)
            for at in range(self.yielding_ptr[link], self.yielding_ptr[link + 1]):
                self._mark(self.yielding_link[at])
        if self._stale_arrivals[link]:
            if is_trial:
                self._keep(link, KEPT_ARRIVALS)
            self._set_arrivals(link)
        self._discharge(link)
        for step in range(self._steps):
            difference = fabs(new[step] - outflow[step])
            if difference > change:
                change = difference
        if change <= tolerance * self.saturation[link]:
            return
        if is_trial:
            self._keep(link, KEPT_OUTFLOW)
        memcpy(outflow, new, self._steps * sizeof(double))
        for at in range(self.fed_ptr[link], self.fed_ptr[link + 1]):
            self._stale_arrivals[self.fed_link[at]] = 1
            self._mark(self.fed_link[at])
        for at in range(self.yielding_ptr[link], self.yielding_ptr[link + 1]):
            self._mark(self.yielding_link[at])

    cdef void _set_green(self, Py_ssize_t link) noexcept nogil:
        """The share of each step that is effective green, and whether green comes first in it."""
        cdef Py_ssize_t node = self.link_node[link]
        cdef Py_ssize_t step, row, at, repeat, repeats, first, last
        cdef double cycle, start, between, shown, length
        for step in range(self._steps):
            self._leads[link, step] = 0
            self._green[link, step] = 1.0 if node < 0 else 0.0
        if node < 0:
            return
        cycle = self._cycles_s[node]
        repeats = <Py_ssize_t>floor(self._period_s / cycle + 0.5)
        row = self.green_row[link] + self._sequences[node]
        for at in range(self.green_ptr[row], self.green_ptr[row + 1]):
            first = self.green_stages[at, 0]
            last = self.green_stages[at, 1]
            start = self._starts[node, first]
            if first == last:
                between = cycle if self.green_lags_s[at, 1] <= self.green_lags_s[at, 0] else 0.0
            else:
                between = self._starts[node, last] - start
                between -= floor(between / cycle) * cycle
            shown = between + self.green_lags_s[at, 1] - self.green_lags_s[at, 0]
            length = shown - self._lost_s + self._gained_s
            if shown <= 0.0 or length < 0.0:
                length = 0.0
            if length > cycle:
                length = cycle
            start += self.green_lags_s[at, 0] + self._lost_s
            for repeat in range(repeats):
                self._fill(link, start + repeat * cycle, length)
        for step in range(self._steps):
            if self._green[link, step] > 1.0:
                self._green[link, step] = 1.0

    cdef void _fill(self, Py_ssize_t link, double start_s, double length_s) noexcept nogil:
        cdef double start = start_s / self._step_s, end, share, low, high
        cdef Py_ssize_t step, at
        start -= floor(start / self._steps) * self._steps
        end = start + length_s / self._step_s
        step = <Py_ssize_t>floor(start)
        while step < end:
            low = start if start > step else <double>step
            high = end if end < step + 1.0 else step + 1.0
            share = high - low
            if share > SLIVER:
                at = step % self._steps
                self._green[link, at] += share
                if share < 1.0 - SLIVER:
                    self._leads[link, at] = start <= step
            step += 1

    cdef void _set_arrivals(self, Py_ssize_t link) noexcept nogil:
        cdef Py_ssize_t step, feed, at, steps = self._steps
        cdef double* arrivals = &self._arrivals[link, 0]
        cdef double* dispersed = &self._next[0]
        cdef double share
        for step in range(steps):
            arrivals[step] = self.even[link]
        for feed in range(self.feed_ptr[link], self.feed_ptr[link + 1]):
            _disperse(
                &self._outflow[self.feed_link[feed], 0],
                self._feed_smoothing[feed],
                self._feed_closing[feed],
                steps,
                dispersed,
            )
            share = self.feed_share[feed]
            at = self._feed_shift[feed]
            for step in range(steps - at):
                arrivals[at + step] += share * dispersed[step]
            for step in range(at):
                arrivals[step] += share * dispersed[steps - at + step]

    cdef void _set_rates(self, Py_ssize_t link) noexcept nogil:
        """Discharge in the green of each step."""
        cdef Py_ssize_t step, at, other, steps = self._steps
        cdef double saturation = self.saturation[link], maximum = self.give_way_maximum[link]
        cdef double* rates = &self._rates[0]
        cdef double taken, busy, left, green, opposed
        if maximum < 0.0:
            for step in range(steps):
                rates[step] = saturation
            return
        for step in range(steps):
            taken = 0.0
            busy = 0.0 if self.give_way_only_green[link] else 1.0
            for at in range(self.opposing_ptr[link], self.opposing_ptr[link + 1]):
                other = self.opposing_link[at]
                taken += self.opposing_slope[at] * self._outflow[other, step]
                if self._green[other, step] > busy:
                    busy = self._green[other, step]
            if busy <= SLIVER:
                rates[step] = saturation
                continue
            left = maximum - taken / busy
            if left < 0.0:
                left = 0.0
            if left > saturation:
                left = saturation
            green = self._green[link, step]
            if green < SLIVER:
                green = SLIVER
            opposed = 1.0 if busy >= green else busy / green
            rates[step] = opposed * left + (1.0 - opposed) * saturation

    cdef void _discharge(self, Py_ssize_t link) noexcept nogil:
        """Run the queue of *link*, note its results, and leave its outflow in ``_next``."""
        cdef Py_ssize_t step, steps = self._steps, node = self.link_node[link]
        cdef const double* arrivals = &self._arrivals[link, 0]
        cdef const double* green = &self._green[link, 0]
        cdef const unsigned char* leads = &self._leads[link, 0]
        cdef double* new = &self._next[0]
        cdef double* rates = &self._rates[0]
        cdef double* result = &self._results[link, 0]
        cdef double at_start, flow = 0.0, capacity = 0.0, over, cycle, again, beyond
        cdef Queue queue
        self._set_rates(link)
        queue.step_s = self._step_s
        at_start = 0.0
        for step in range(steps):
            at_start = _queue_after(
                at_start, arrivals[step], rates[step], green[step], leads[step], self._step_s
            )
        queue.area = 0.0
        queue.length = queue.reach = queue.longest = at_start
        for step in range(steps):
            new[step] = _step(&queue, arrivals[step], rates[step], green[step], leads[step])
            flow += arrivals[step]
            if green[step] > SLIVER:
                capacity += rates[step] * green[step]
        flow *= 3600.0 / steps
        capacity *= 3600.0 / steps
        over = flow - capacity
        result[INFLOW] = flow
        result[CAPACITY] = capacity
        result[UNIFORM] = queue.area / self._period_s
        result[RANDOM] = (
            self._period_h / 4.0 * (sqrt(over * over + 4.0 * flow / self._period_h) + over)
        )
        result[STOPS] = 0.0
        if self._with_stops and flow > 0.0:
            cycle = self._common_cycle_s if node < 0 else self._cycles_s[node]
            again = result[RANDOM] * 3600.0 / cycle / flow / REPEATED_STOPS
            result[STOPS] = flow * (
                _stopped_share(arrivals, new, at_start, self._step_s, steps)
                + REPEATED_STOPS * (1.0 - exp(-again))
            )
        result[QUEUE] = queue.longest + result[RANDOM]
        beyond = (result[QUEUE] - self.storage[link]) / 10.0
        if beyond < 0.0:
            beyond = 0.0
        result[COST] = (
            self.delay_weight[link] * self._delay * (result[UNIFORM] + result[RANDOM])
            + self.stop_weight[link] * self._stop_h * result[STOPS]
            + self._spillback * beyond * beyond
        )
