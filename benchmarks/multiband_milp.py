"""MULTIBAND as the mixed-integer program of its authors, solved by HiGHS: the oracle.

Gartner, Assmann, Lasaga and Hou 1991: as MAXBAND, but with bands by link about progression lines.
"""

from __future__ import annotations

import highspy

from benchmarks.maxband_milp import Program, Proved
from optimizer.bandwidth.arterial import Arterial


class LinkProgram(Program):
    """w runs from the end of red to the progression line; b and bb are zero."""

    def bands(self) -> None:
        """Bands lie evenly about the lines, fit in both greens, and keep the ratio of volumes."""
        arterial, infinite = self.arterial, highspy.kHighsInf
        out, into = arterial.volume_outbound_veh_per_h, arterial.volume_inbound_veh_per_h
        volume = sum(out) + sum(into)
        for link, (v, vv) in enumerate(zip(out, into, strict=True)):
            b, bb = self.column(0.0, 1.0), self.column(0.0, 1.0)
            for i in (link, link + 1):
                for w, band, red in (
                    (self.w[i], b, arterial.red_outbound[i]),
                    (self.ww[i], bb, arterial.red_inbound[i]),
                ):
                    self.row(-infinite, 0.0, {band: 0.5, w: -1.0})
                    self.row(-infinite, 1.0 - red, {band: 0.5, w: 1.0})
            k = vv / v
            if k == 1.0:
                self.row(0.0, 0.0, {bb: 1.0, b: -1.0})
            else:
                self.row(0.0, infinite, {bb: 1.0 - k, b: -(1.0 - k) * k})
            self.model.changeColCost(b, v / volume)
            self.model.changeColCost(bb, vv / volume)
        self.model.changeObjectiveSense(highspy.ObjSense.kMaximize)


def solve_links_by_milp(arterial: Arterial, time_limit_s: float = 60.0) -> Proved:
    """The optimum of *arterial*, or what HiGHS knows of it after the time limit."""
    return LinkProgram(arterial, time_limit_s).solve()
