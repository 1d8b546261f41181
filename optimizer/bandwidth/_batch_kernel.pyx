"""The law of :mod:`optimizer.bandwidth._batch_reference`, arterial by arterial, without the GIL."""

from libc.math cimport floor

cdef enum:
    SIGNALS_MAX = 500


def solve(
    const double[:, :] distance_m, const double[:, :] speed_kmh, const double[:] cycle_s,
    const double[:, :] red_outbound, const double[:, :] red_inbound, const double[:, :] shift,
    const double[:, :] clearance_outbound, const double[:, :] clearance_inbound, double k,
    double[:, ::1] bands, double[:, ::1] offset_s,
):
    """See the reference."""
    cdef Py_ssize_t row, i, m, rows = red_outbound.shape[0], n = red_outbound.shape[1]
    cdef double[SIGNALS_MAX] phase, front, weak, apex, rising, falling, centre
    cdef double total, at, q, t, position, height, red_out, red_in, longest_out, longest_in
    cdef double past, top_rising, top_falling, value, gap, low, x, out, into, room, beside, first
    cdef double scale
    if n > SIGNALS_MAX:
        raise ValueError(f"red_outbound: {n} signals; {SIGNALS_MAX} can be")
    with nogil:
        for row in range(rows):
            q = 0.0
            at = 0.0
            longest_out = 0.0
            longest_in = 0.0
            top_rising = -1e300
            top_falling = -1e300
            scale = 3.6 / cycle_s[row]
            for i in range(n):
                if i > 0:
                    t = scale * distance_m[row, i - 1] / speed_kmh[row, i - 1]
                    at += t - clearance_outbound[row, i]
                    q += 2.0 * t - clearance_outbound[row, i] - clearance_inbound[row, i - 1]
                front[i] = at
                phase[i] = q
                red_out = red_outbound[row, i]
                red_in = red_inbound[row, i]
                longest_out = max(longest_out, red_out)
                longest_in = max(longest_in, red_in)
                position = shift[row, i] - q + 0.5
                position -= floor(position)
                height = 0.5 * (red_out + red_in - 1.0)
                top_rising = max(top_rising, height + position)
                top_falling = max(top_falling, height - position)
                m = i
                while m > 0 and apex[m - 1] > position:
                    apex[m] = apex[m - 1]
                    weak[m] = weak[m - 1]
                    m -= 1
                apex[m] = position
                weak[m] = height
            past = top_falling - 1.0
            for i in range(n - 1, -1, -1):
                past = max(past, weak[i] - apex[i])
                falling[i] = past + apex[i]
            past = top_rising - 1.0
            low = 1e300
            x = 0.0
            for i in range(n):
                past = max(past, weak[i] + apex[i])
                value = past - apex[i]
                m = i + 1 if i + 1 < n else 0
                gap = apex[m] - apex[i] if m > 0 else apex[0] + 1.0 - apex[i]
                height = max(0.5 * (value + falling[m] - gap), max(value, falling[m]) - gap)
                if height < low:
                    low = height
                    x = apex[i] + min(gap, max(0.0, value - height))
            total = -2.0 * low
            out, into = 1.0 - longest_out, 1.0 - longest_in
            if k <= 1.0:
                if k > 0.0:
                    out = min(min(out, into / k), total / (1.0 + k))
                into = out if k == 1.0 else min(into, total - out)
            else:
                into = min(min(into, k * out), k * total / (1.0 + k))
                out = min(out, total - into)
            bands[row, 0] = max(0.0, out)
            bands[row, 1] = max(0.0, into)
            bands[row, 2] = total
            first = 0.0
            for i in range(n):
                beside = x + phase[i] - shift[row, i]
                beside -= floor(beside + 0.5)
                t = 1.0 - red_outbound[row, i] - out
                room = max(t + 1.0 - red_inbound[row, i] - into, 1e-300)
                at = front[i] - min(max(0.0, t), max(min(0.0, t), (beside + 0.5 * room) * t / room))
                if i == 0:
                    first = at
                at -= first
                offset_s[row, i] = (at - floor(at)) * cycle_s[row]
