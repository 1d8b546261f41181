"""Time-space diagrams: signals at their distances, their lamps, green bands, and what was driven.

Time runs to the right, distance up. At every signal a bar for each direction, outbound above the
line and inbound below: green, yellow, and hatched red. Outbound is drawn in blue with solid edges
of its bands, inbound in orange with dashed ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from optimizer.planning.chain import Chain, Way
from sim.pictures.bands import Band, Bands, bands_of, shown_bands
from sim.pictures.lamps import SiteLamps, Span, red_spans, within
from sim.pictures.street import CRUISE, travel_s
from sim.pictures.svg import (
    TEXT_WIDTH,
    Drawing,
    box,
    clipped,
    count,
    line,
    polygon,
    polyline,
    red_box,
    seconds_step,
    shortened,
    slug,
    text,
    thin_line,
)
from sim.results import Trajectory

WIDTH = 1040.0
LEFT, RIGHT = 150.0, 64.0
TOP, PANEL_HEAD, PANEL_FOOT, FOOT = 62.0, 70.0, 20.0, 24.0
BAR = 7.0
PER_SIGNAL, HEIGHT_MIN, HEIGHT_MAX = 64.0, 260.0, 620.0
BEYOND_M = 140.0
"""How much of the street before the first and behind the last signal is shown."""
DRIVEN_MIN_M = 40.0
"""Who only crosses the street is not drawn."""
STANDING_M_PER_S, STANDING_S, QUEUE_MOVE_M = 0.6, 2.0, 40.0
"""Slower for so long is a stand; one less than so far behind the last is the same queue."""
NAME_ROOM = 92.0
LABEL_APART = 15.0
BAND_LABEL_MIN = 26.0
"""Narrower bands, in pixels, carry no width of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One state of the street: ``lamps`` by site, over more time than is shown.

    ``cycle_s`` and ``offsets_s`` are those of a plan; None and empty for what follows no clock.
    """

    title: str
    lamps: Mapping[str, SiteLamps]
    cycle_s: float | None = None
    offsets_s: Mapping[str, float] | None = None
    trajectories: tuple[Trajectory, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Progression:
    """What a panel says of one direction: width of its bands and who drove without a stop."""

    direction: str
    bands: int
    """Through all signals, in the time that is shown."""
    band_s: float | None
    """Their width on average; None where there is none."""
    vehicles: int
    """That drove along the whole street in the time that is shown."""
    stops_per_vehicle: float | None


def panel_bands(chain: Chain, panel: Panel, *, inbound: bool) -> Bands:
    """The bands of one direction, from the lamps of *panel*."""
    way = chain.inbound if inbound else chain.outbound
    if way is None:
        return Bands((), through=False)
    order = range(len(chain.sites) - 1, -1, -1) if inbound else range(len(chain.sites))
    greens = [panel.lamps[chain.sites[i]].greens_of(way.groups[i]) for i in order]
    travels = travel_s(way)
    return bands_of(greens, travels[::-1] if inbound else travels)


def progressions(chain: Chain, panel: Panel, window: Span) -> tuple[Progression, ...]:
    """The figures of *panel* in *window*, by direction."""
    found = []
    for inbound in (False, True):
        if inbound and chain.inbound is None:
            continue
        driven = [
            drive
            for drive in panel.trajectories
            if drive.inbound is inbound and _is_whole(drive, chain)
        ]
        bands = shown_bands(panel_bands(chain, panel, inbound=inbound), window)
        found.append(
            Progression(
                direction=direction_name(chain, inbound=inbound),
                bands=len(bands),
                band_s=sum(band.width_s for band in bands) / len(bands) if bands else None,
                vehicles=len(driven),
                stops_per_vehicle=sum(map(stops, driven)) / len(driven) if driven else None,
            )
        )
    return tuple(found)


def direction_name(chain: Chain, *, inbound: bool) -> str:
    """``oak → ring``."""
    ends = tuple(shortened(site, NAME_ROOM) for site in (chain.sites[0], chain.sites[-1]))
    first, last = ends[::-1] if inbound else ends
    return f"{first} → {last}"


def stops(drive: Trajectory) -> int:
    """How often a vehicle came to a stand; moving up in a queue is no new stop."""
    number, last_m = 0, None
    for (t0, x0), (t1, x1) in pairwise(drive.points):
        if t1 - t0 >= STANDING_S and abs(x1 - x0) <= STANDING_M_PER_S * (t1 - t0):
            number += last_m is None or abs(x0 - last_m) > QUEUE_MOVE_M
            last_m = x1
    return number


def _is_whole(drive: Trajectory, chain: Chain) -> bool:
    places = [x for _, x in drive.points]
    ends = chain.distances_m
    return min(places) <= ends[0] + 1.0 and max(places) >= ends[-1] - 1.0


def time_space(chain: Chain, panels: Sequence[Panel], window: Span, *, name: str = "") -> Drawing:
    """The diagram of *chain* in *window* (seconds of the clock), a panel below the other."""
    picture = _Picture(chain, panels, window, name or f"time-space-{slug(chain.name)}")
    return picture.drawing()


class _Picture:
    """Scales of one diagram, and what is drawn in it."""

    def __init__(self, chain: Chain, panels: Sequence[Panel], window: Span, name: str) -> None:
        self.chain, self.panels, self.window, self.name = chain, panels, window, name
        self.at_m = chain.distances_m
        wanted = PER_SIGNAL * len(chain.sites)
        self.plot = min(HEIGHT_MAX, max(HEIGHT_MIN, wanted))
        driven = any(panel.trajectories for panel in panels)
        beyond = min(BEYOND_M, 0.15 * self.at_m[-1]) if driven else 0.04 * self.at_m[-1]
        self.low_m, self.high_m = -beyond, self.at_m[-1] + beyond
        self.top = 0.0

    def x(self, at_s: float) -> float:
        """Where a moment lies."""
        begin_s, end_s = self.window
        return LEFT + (WIDTH - LEFT - RIGHT) * (at_s - begin_s) / (end_s - begin_s)

    def y(self, at_m: float) -> float:
        """Where a place lies, in the panel that is being drawn."""
        share = (at_m - self.low_m) / (self.high_m - self.low_m)
        return self.top + self.plot * (1.0 - share)

    def drawing(self) -> Drawing:
        """All panels below each other."""
        each = PANEL_HEAD + self.plot + PANEL_FOOT
        height = TOP + each * len(self.panels) + FOOT
        body = [*self._head()]
        for k, panel in enumerate(self.panels):
            self.top = TOP + k * each + PANEL_HEAD
            last = k == len(self.panels) - 1
            body += self._panel(panel, k, last=last)
        body.append(text(WIDTH - RIGHT, height - 12, self._axis_title(), "t-small", "end"))
        title = f"Time-space diagram, {self.chain.name}"
        return Drawing(self.name, title, self._description(), WIDTH, height, tuple(body))

    def _axis_title(self) -> str:
        return "time of the simulation, s" if self.window[0] > 0 else "time, s"

    def _description(self) -> str:
        told = []
        for panel in self.panels:
            for each in progressions(self.chain, panel, self.window):
                band = "no band" if each.band_s is None else f"band {each.band_s:.0f} s"
                told.append(f"{panel.title}, {each.direction}: {band}")
        return f"Signals {', '.join(self.chain.sites)} over {self._duration():.0f} s. " + "; ".join(
            told
        )

    def _duration(self) -> float:
        return self.window[1] - self.window[0]

    def _head(self) -> Iterator[str]:
        yield text(
            20, 30, shortened(f"Time–space diagram: {self.chain.name}", 580.0, 17.0), "t-title"
        )
        total = f"{self.at_m[-1]:.0f} m, {len(self.chain.sites)} signals"
        yield text(20, 50, f"{total}; bands at {CRUISE:.0%} of the speed limit", "t-soft")
        x, two_way = WIDTH - 398.0, self.chain.inbound is not None
        for k, (label, css, edge) in enumerate(
            (("outbound band ↗", "band-out", "edge-out"), ("inbound band ↘", "band-in", "edge-in"))
        ):
            if k and not two_way:
                continue
            y = 24 + 20 * k
            yield box(x, y - 8, 26, 10, css)
            yield line(x, y - 8, x + 26, y - 8, edge)
            yield line(x, y + 2, x + 26, y + 2, edge)
            yield text(x + 32, y + 1, label, "t-small")
        driven = any(panel.trajectories for panel in self.panels)
        if driven:
            yield line(x + 142, 20, x + 168, 20, "way-out")
            yield text(x + 174, 24, "vehicles", "t-small")
            if two_way:
                yield line(x + 142, 40, x + 168, 40, "way-in")
                yield text(x + 174, 44, "vehicles", "t-small")
        x += 250
        for k, (label, fill) in enumerate((("green", "lamp-green"), ("yellow", "lamp-yellow"))):
            yield box(x + 78 * k, 16, 18, BAR, fill)
            yield text(x + 78 * k + 24, 24, label, "t-small")
        yield red_box(x, 36, 18, BAR, self.name)
        yield text(x + 24, 44, "red", "t-small")

    def _panel(self, panel: Panel, number: int, *, last: bool) -> Iterator[str]:
        cycle = "" if panel.cycle_s is None else f", cycle {panel.cycle_s:g} s"
        yield text(20, self.top - 52, panel.title + cycle, "t-head")
        yield from self._summary(panel)
        yield from self._grid(panel, last=last)
        frame = (LEFT, self.top, WIDTH - LEFT - RIGHT, self.plot)
        inside = [
            *self._bands(panel, inbound=False),
            *self._bands(panel, inbound=True),
            *self._trajectories(panel),
            *self._band_labels(panel),
            *self._lamps(panel),
        ]
        yield clipped(f"{self.name}-clip-{number}", frame, inside)
        yield from self._signals(panel)
        yield from self._speeds()

    def _summary(self, panel: Panel) -> Iterator[str]:
        """A line for each direction: its band, and how those fared who drove all the way."""
        for k, each in enumerate(progressions(self.chain, panel, self.window)):
            if each.band_s is None:
                said = "no band through all signals, those from signal to signal are shown"
            elif panel.cycle_s:
                said = f"band {each.band_s:.1f} s"
            else:
                said = f"{count(each.bands, 'band')} of {each.band_s:.1f} s on average in this time"
            if each.stops_per_vehicle is not None:
                said += (
                    f"; {count(each.vehicles, 'vehicle')} drove all the way in this time, with "
                    f"{each.stops_per_vehicle:.1f} stops on average"
                )
            y = self.top - 35 + 14 * k
            yield text(20, y, each.direction, "t-in" if k else "t-out")
            room = 20 + 11.0 * TEXT_WIDTH * len(each.direction) + 14
            yield text(max(LEFT, room), y, said, "t-small")

    def _grid(self, panel: Panel, *, last: bool) -> Iterator[str]:
        begin_s, end_s = self.window
        step = seconds_step(self._duration(), WIDTH - LEFT - RIGHT)
        bottom = self.top + self.plot
        at_s = -(-begin_s // step) * step
        while at_s <= end_s + 1e-6:
            yield line(self.x(at_s), self.top, self.x(at_s), bottom, "tick")
            if last:
                yield text(self.x(at_s), bottom + 16, f"{at_s:g}", "t-small", "middle")
            at_s += step
        if panel.cycle_s:
            at_s = -(-begin_s // panel.cycle_s) * panel.cycle_s
            while at_s <= end_s + 1e-6:
                yield line(self.x(at_s), self.top, self.x(at_s), bottom, "tick-strong")
                at_s += panel.cycle_s
        yield line(LEFT, bottom, WIDTH - RIGHT, bottom, "tick-strong")

    def _signals(self, panel: Panel) -> Iterator[str]:
        room: float | None = None
        offsets = panel.offsets_s or {}
        if offsets:
            yield text(LEFT - 8, self.top - 6, "offset", "t-tiny", "end")
        yield text(WIDTH - RIGHT + 8, self.top - 6, "km/h", "t-tiny")
        for site, at_m in reversed(list(zip(self.chain.sites, self.at_m, strict=True))):
            y = self.y(at_m)
            if room is not None and y - room < LABEL_APART:
                continue  # names would lie on each other
            room = y
            yield text(20, y - 1, shortened(site, NAME_ROOM), "t-bold")
            yield text(20, y + 11, f"{at_m:.0f} m", "t-tiny")
            if site in offsets:
                yield text(LEFT - 8, y + 4, f"{offsets[site]:g}", "", "end")

    def _speeds(self) -> Iterator[str]:
        for inbound in (False, True):
            way = self.chain.inbound if inbound else self.chain.outbound
            if way is None:
                continue
            for i, (length_m, time_s) in enumerate(zip(way.length_m, travel_s(way), strict=True)):
                high, low = self.y(self.at_m[i + 1]), self.y(self.at_m[i])
                if low - high < (28.0 if self.chain.inbound else 15.0):
                    continue
                y = (high + low) / 2 + (11.0 if inbound else -3.0 if self.chain.inbound else 4.0)
                arrow = "↘" if inbound else "↗"
                speed = f"{arrow} {3.6 * length_m / max(time_s, 0.1):.0f}"
                yield text(WIDTH - RIGHT + 8, y, speed, "t-in" if inbound else "t-out")

    def _lamps(self, panel: Panel) -> Iterator[str]:
        two_way = self.chain.inbound is not None
        for i, site in enumerate(self.chain.sites):
            y = self.y(self.at_m[i])
            lamps = panel.lamps[site]
            yield from self._bar(lamps, self.chain.outbound, i, y - BAR)
            if self.chain.inbound is not None:
                yield from self._bar(lamps, self.chain.inbound, i, y)
            yield line(LEFT, y, WIDTH - RIGHT, y, "axis" if two_way else "tick-strong")

    def _bar(self, lamps: SiteLamps, way: Way, i: int, y: float) -> Iterator[str]:
        begin_s, end_s = self.window
        groups = way.groups[i]
        if not groups:
            return  # no lamp stops this direction here
        greens = within(lamps.greens_of(groups), begin_s, end_s)
        endings = within(lamps.endings_of(groups), begin_s, end_s)
        for a, b in red_spans(greens, endings, begin_s, end_s):
            yield red_box(self.x(a), y, self.x(b) - self.x(a), BAR, self.name)
        for spans, css in ((greens, "lamp-green"), (endings, "lamp-yellow")):
            for a, b in spans:
                yield box(self.x(a), y, self.x(b) - self.x(a), BAR, css)

    def _bands(self, panel: Panel, *, inbound: bool) -> Iterator[str]:
        found = panel_bands(self.chain, panel, inbound=inbound)
        side = "in" if inbound else "out"
        for band in found.bands:
            corners = self._corners(band, inbound=inbound)
            if corners[-1][0] < LEFT or corners[0][0] > WIDTH - RIGHT:
                continue
            yield polygon(corners, f"band-{side}")
            half = len(corners) // 2
            yield polyline(corners[:half], f"edge-{side}")
            yield polyline(corners[half:], f"edge-{side}")

    def _band_labels(self, panel: Panel) -> Iterator[str]:
        for inbound in (False, True):
            found = panel_bands(self.chain, panel, inbound=inbound)
            for band in found.bands if found.through else ():
                corners = self._corners(band, inbound=inbound)
                yield from self._band_label(band, corners, "in" if inbound else "out")

    def _corners(self, band: Band, *, inbound: bool) -> list[tuple[float, float]]:
        """Along the front of the band, and back along its end."""
        sites = range(band.first, band.last + 1)
        total = len(self.at_m) - 1
        ys = [self.y(self.at_m[total - k if inbound else k]) for k in sites]
        front = [(self.x(at_s), y) for at_s, y in zip(band.fronts_s, ys, strict=True)]
        back = [(x + self.x(band.width_s) - self.x(0.0), y) for x, y in front]
        return [*front, *reversed(back)]

    def _band_label(
        self, band: Band, corners: list[tuple[float, float]], side: str
    ) -> Iterator[str]:
        """The width, across the middle of the widest part between two signals."""
        if self.x(band.width_s) - self.x(0.0) < BAND_LABEL_MIN:
            return
        fronts = corners[: len(corners) // 2]
        gaps = [abs(b[1] - a[1]) for a, b in pairwise(fronts)]
        k = max(range(len(gaps)), key=gaps.__getitem__)
        (x0, y0), (x1, y1) = fronts[k], fronts[k + 1]
        x = (x0 + x1 + self.x(band.width_s) - self.x(0.0)) / 2
        x_back = (x0 + x1) / 2 + self.x(band.width_s) - self.x(0.0)
        if x_back > WIDTH - RIGHT or (x0 + x1) / 2 < LEFT:
            return
        yield text(x, (y0 + y1) / 2 + 4, f"{band.width_s:.0f} s", f"t-{side} halo", "middle")

    def _trajectories(self, panel: Panel) -> Iterator[str]:
        begin_s, end_s = self.window
        for drive in panel.trajectories:
            places = [at_m for _, at_m in drive.points]
            if max(places) - min(places) < DRIVEN_MIN_M:
                continue
            points = [
                (self.x(at_s), self.y(at_m))
                for (at_s, at_m), before, after in zip(
                    drive.points,
                    (drive.points[0], *drive.points),
                    (*drive.points[1:], drive.points[-1]),
                    strict=False,
                )
                if after[0] >= begin_s and before[0] <= end_s
            ]
            yield thin_line(points, "way-in" if drive.inbound else "way-out")
