"""The law of :mod:`optimizer._platoons_reference`, without the GIL."""

import numpy as np

from optimizer import _platoons_reference as law

cdef enum:
    PAST_S = 90
    PLAN_S = 120
cdef long long LIFETIME_MS = law.LIFETIME_MS
cdef long long CLOCKS_APART_MS = law.CLOCKS_APART_MS
cdef double LEARNING_S = law.LEARNING_S
cdef double MEAN_MIN_VEH_PER_S = law.MEAN_MIN_VEH_PER_S
cdef long long NEVER_MS = -(1 << 60)
cdef double[::1] FAITH = law.FAITH


cdef class Platoons:
    """See :class:`optimizer._platoons_reference.Platoons`."""

    cdef int[:, ::1] feed
    cdef double[::1] smoothing, share, mean, heard_s, counted, counted_s, announced
    cdef int[::1] group, travel_s, first
    cdef long long[::1] start_ms
    cdef double[:, ::1] flow, surplus

    def __init__(self, int exits, feed, smoothing, share, group, travel_s):
        cdef int sources = len(group)
        cdef int groups = max(group, default=-1) + 1
        self.feed = np.ascontiguousarray(feed, dtype=np.int32)
        self.smoothing = np.ascontiguousarray(smoothing, dtype=np.float64)
        self.share = np.ascontiguousarray(share, dtype=np.float64)
        self.group = np.ascontiguousarray(group, dtype=np.int32)
        self.travel_s = np.ascontiguousarray(travel_s, dtype=np.int32)
        self.flow = np.zeros((exits, PAST_S + PLAN_S))
        self.start_ms = np.full(exits, NEVER_MS, dtype=np.int64)
        self.first = np.full(exits, -1, dtype=np.int32)
        self.mean = np.zeros(exits)
        self.heard_s = np.zeros(exits)
        self.counted = np.zeros(sources)
        self.counted_s = np.zeros(sources)
        self.announced = np.zeros(groups)
        self.surplus = np.zeros((groups, 1))

    def take(
        self, const int[::1] rows, const int[::1] columns, const double[:, :] outflow,
        long long start_ms,
    ):
        """See the reference."""
        cdef int i
        with nogil:
            for i in range(rows.shape[0]):
                self.take_one(rows[i], outflow[columns[i]], start_ms)

    cdef void take_one(
        self, int x, const double[:] plan, long long start_ms
    ) noexcept nogil:
        cdef double* flow = &self.flow[x, 0]
        cdef int seconds = <int> min(plan.shape[0], PLAN_S)
        cdef long long gone_s = -1
        cdef double mean = 0.0
        cdef int t
        for t in range(seconds):
            mean += plan[t] / seconds
        if start_ms >= self.start_ms[x] > NEVER_MS:
            gone_s = (start_ms - self.start_ms[x]) // 1000
        for t in range(PAST_S):
            flow[t] = flow[t + gone_s] if 0 <= gone_s <= PLAN_S else mean
        for t in range(PLAN_S):
            flow[PAST_S + t] = plan[t] if t < seconds else mean
        self.start_ms[x] = start_ms

    def learn(self, long long now_ms, const int[::1] passed):
        """See the reference."""
        cdef long long age_ms
        cdef int x, p
        with nogil:
            for x in range(<int> self.first.shape[0]):
                age_ms = now_ms - self.start_ms[x]
                if not -CLOCKS_APART_MS <= age_ms <= LIFETIME_MS:
                    self.first[x] = -1
                    continue
                self.first[x] = PAST_S + <int> (max(0, age_ms) // 1000)
                self.heard_s[x] += self.heard_s[x] < LEARNING_S
                self.mean[x] += (self.flow[x, self.first[x]] - self.mean[x]) / self.heard_s[x]
            for p in range(<int> self.counted.shape[0]):
                if passed[p] >= 0:
                    self.counted_s[p] += self.counted_s[p] < LEARNING_S
                    self.counted[p] += (passed[p] - self.counted[p]) / self.counted_s[p]

    def meet(self, const double[:, ::1] to_lane, double[:, ::1] arrivals):
        """See the reference."""
        if self.surplus.shape[1] != arrivals.shape[1]:
            self.surplus = np.zeros((self.surplus.shape[0], arrivals.shape[1]))
        with nogil:
            self.disperse(<int> arrivals.shape[1])
            self.spread(to_lane, arrivals)

    cdef void disperse(self, int seconds) noexcept nogil:
        cdef int f, g, x, begin, column
        cdef double trust, state, mean, beyond
        self.surplus[:, :] = 0.0
        self.announced[:] = 0.0
        for f in range(<int> self.feed.shape[0]):
            x, g = self.feed[f, 0], self.feed[f, 1]
            mean = self.mean[x]
            self.announced[g] += self.share[f] * mean
            if self.first[x] < 0:
                continue
            trust = self.share[f] * self.heard_s[x] / LEARNING_S
            begin = self.first[x] - self.feed[f, 2]
            state = 0.0
            for column in range(min(PAST_S + PLAN_S, begin + seconds)):
                beyond = FAITH[column] * (self.flow[x, column] - mean)
                state += self.smoothing[f] * (beyond - state)
                if column >= begin:
                    self.surplus[g, column - begin] += trust * state

    cdef void spread(
        self, const double[:, ::1] to_lane, double[:, ::1] arrivals
    ) noexcept nogil:
        cdef int seconds = <int> arrivals.shape[1]
        cdef int p, k, t, g, first
        cdef double part, moved
        for p in range(<int> self.group.shape[0]):
            g, first = self.group[p], self.travel_s[p]
            if g < 0:
                continue
            part = min(1.0, self.counted[p] / max(self.announced[g], MEAN_MIN_VEH_PER_S))
            for k in range(<int> arrivals.shape[0]):
                moved = part * to_lane[p, k]
                if moved > 0.0:
                    for t in range(first, seconds):
                        arrivals[k, t] += moved * self.surplus[g, t - first]
        for k in range(<int> arrivals.shape[0]):
            for t in range(seconds):
                arrivals[k, t] = max(arrivals[k, t], 0.0)
