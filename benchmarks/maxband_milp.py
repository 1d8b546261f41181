"""MAXBAND as the mixed-integer program of its authors, solved by HiGHS: the oracle.

Little, Kelson and Gartner 1981, with their variables: bands b, widths w from red to band, travel
times t, each for both directions, z = 1/cycle, whole cycles m around each loop, and one binary for
each left-turn pattern. Nothing of ours is used but the arterial.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import highspy

from optimizer.bandwidth.arterial import KMH_PER_M_PER_S, Arterial

GAP = 1e-7
"""Feasibility tolerances stay at HiGHS's own 1e-6: at 1e-9 it (1.15.1) has called solutions optimal
that are 1 % worse than one that it finds at 1e-6 and that the checker confirms."""


@dataclass(frozen=True, slots=True)
class Proved:
    """What HiGHS found: its objective, its bound, and whether it finished."""

    band_outbound: float
    band_inbound: float
    objective: float
    bound: float
    optimal: bool
    feasible: bool
    seconds: float


class Program:
    """Rows and columns of one arterial's program."""

    def __init__(self, arterial: Arterial, time_limit_s: float) -> None:
        self.arterial = arterial
        self.model = highspy.Highs()
        for option, value in (
            ("output_flag", False),
            ("threads", 1),
            ("time_limit", time_limit_s),
            ("mip_rel_gap", 0.0),
            ("mip_abs_gap", GAP),
        ):
            self.model.setOptionValue(option, value)
        self.columns = 0
        infinite = highspy.kHighsInf
        signals = arterial.signals
        self.b, self.bb = self.column(0.0, 1.0), self.column(0.0, 1.0)
        shortest, longest = arterial.cycle_range_s
        self.z = self.column(1.0 / longest, 1.0 / shortest)
        self.w = [self.column(0.0, 1.0) for _ in range(signals)]
        self.ww = [self.column(0.0, 1.0) for _ in range(signals)]
        self.t = [self.column(0.0, infinite) for _ in range(signals - 1)]
        self.tt = [self.column(0.0, infinite) for _ in range(signals - 1)]
        self.m = [self.column(-infinite, infinite, whole=True) for _ in range(signals - 1)]
        self.bands()
        self.speeds(self.t)
        self.speeds(self.tt)
        self.loops(self.shifts())

    def column(self, low: float, high: float, *, whole: bool = False) -> int:
        """A new variable."""
        self.model.addVar(low, high)
        if whole:
            self.model.changeColIntegrality(self.columns, highspy.HighsVarType.kInteger)
        self.columns += 1
        return self.columns - 1

    def row(self, low: float, high: float, terms: dict[int, float]) -> None:
        """The sum of terms lies in low..high."""
        self.model.addRow(low, high, len(terms), list(terms), list(terms.values()))

    def bands(self) -> None:
        """Bands fit in the greens and keep the ratio k; what is maximised."""
        k, infinite = self.arterial.k, highspy.kHighsInf
        for i, (red, reds) in enumerate(
            zip(self.arterial.red_outbound, self.arterial.red_inbound, strict=True)
        ):
            self.row(-infinite, 1.0 - red, {self.w[i]: 1.0, self.b: 1.0})
            self.row(-infinite, 1.0 - reds, {self.ww[i]: 1.0, self.bb: 1.0})
        if k == 1.0:
            self.row(0.0, 0.0, {self.bb: 1.0, self.b: -1.0})
        else:
            self.row(0.0, infinite, {self.bb: 1.0 - k, self.b: -(1.0 - k) * k})
        self.model.changeColCost(self.b, 1.0)
        self.model.changeColCost(self.bb, k)
        self.model.changeObjectiveSense(highspy.ObjSense.kMaximize)

    def speeds(self, t: list[int]) -> None:
        """Ranges of speed, and of its change from link to link."""
        arterial, infinite = self.arterial, highspy.kHighsInf
        for i, distance in enumerate(arterial.distance_m):
            slow, fast = (KMH_PER_M_PER_S / v for v in arterial.speed_range_kmh[i])
            self.row(0.0, infinite, {t[i]: 1.0, self.z: -distance * fast})
            self.row(-infinite, 0.0, {t[i]: 1.0, self.z: -distance * slow})
        for i, change in enumerate(arterial.max_slowness_change_s_per_m):
            if change < 1e6:
                here, there = arterial.distance_m[i : i + 2]
                terms = {t[i + 1]: here / there, t[i]: -1.0}
                self.row(-infinite, 0.0, {**terms, self.z: -here * change})
                self.row(0.0, infinite, {**terms, self.z: here * change})

    def shifts(self) -> list[dict[int, float]]:
        """The red centre shift of each signal, a constant in column -1 or binaries."""
        shifts: list[dict[int, float]] = []
        for i in range(self.arterial.signals):
            allowed = self.arterial.red_centre_shifts(i)
            if len(allowed) == 1:
                shifts.append({-1: next(iter(allowed.values()))})
                continue
            binaries = {self.column(0.0, 1.0, whole=True): shift for shift in allowed.values()}
            self.row(1.0, 1.0, dict.fromkeys(binaries, 1.0))
            shifts.append(binaries)
        return shifts

    def loops(self, shifts: list[dict[int, float]]) -> None:
        """Around the loop of two neighbours there are whole cycles."""
        arterial = self.arterial
        for i in range(arterial.signals - 1):
            terms = {
                self.w[i]: 1.0,
                self.ww[i]: 1.0,
                self.w[i + 1]: -1.0,
                self.ww[i + 1]: -1.0,
                self.t[i]: 1.0,
                self.tt[i]: 1.0,
                self.m[i]: -1.0,
            }
            reds = [
                0.5 * (arterial.red_outbound[at] + arterial.red_inbound[at]) for at in (i, i + 1)
            ]
            right = (
                reds[1]
                - reds[0]
                + arterial.queue_clearance_inbound[i]
                + arterial.queue_clearance_outbound[i + 1]
            )
            for sign, at in ((1.0, i), (-1.0, i + 1)):
                for column, shift in shifts[at].items():
                    if column < 0:
                        right -= sign * shift
                    else:
                        terms[column] = sign * shift
            self.row(right, right, terms)

    def solve(self) -> Proved:
        """Run HiGHS."""
        begin = perf_counter()
        self.model.run()
        seconds = perf_counter() - begin
        status = self.model.getModelStatus()
        info = self.model.getInfo()
        values = self.model.getSolution().col_value
        feasible = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
        return Proved(
            band_outbound=values[self.b] if feasible else 0.0,
            band_inbound=values[self.bb] if feasible else 0.0,
            objective=info.objective_function_value if feasible else 0.0,
            bound=info.mip_dual_bound,
            optimal=status == highspy.HighsModelStatus.kOptimal,
            feasible=feasible,
            seconds=seconds,
        )


def solve_by_milp(arterial: Arterial, time_limit_s: float = 60.0) -> Proved:
    """The optimum of *arterial*, or what HiGHS knows of it after the time limit."""
    return Program(arterial, time_limit_s).solve()
