"""The time-space diagram of a wave as one SVG: distance up, time to the right.

Reds are bars at each signal, outbound above its line and inbound below; bands run through the gaps
between them. Colours differ in lightness as well, so that a grey print can be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

from optimizer.bandwidth.check import band_of
from optimizer.bandwidth.maxband import Wave

if TYPE_CHECKING:
    from greenband.wave_json import Solved
    from optimizer.bandwidth.arterial import Arterial

CYCLES = 3
WIDTH, LEFT, RIGHT, TOP, BOTTOM = 960.0, 132.0, 92.0, 88.0, 52.0
HEIGHT_PER_SIGNAL, HEIGHT_MIN, HEIGHT_MAX = 62.0, 340.0, 1500.0
BAR = 5.0
INK, GREY, GRID = "#1b2126", "#59636b", "#e3e8eb"
RED_OUT, RED_IN = "#c9302c", "#e58f8c"
BAND_OUT, BAND_IN = "#1f6fb2", "#7a9e2e"
FONT = "Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif"


def wave_svg(solved: Solved) -> str:
    """The picture of *solved* as the text of an SVG file."""
    return _Picture(solved).text()


class _Picture:
    """Scales of one picture, and what is drawn in it."""

    def __init__(self, solved: Solved) -> None:
        self.solved, self.arterial, self.wave = solved, solved.arterial, solved.wave
        self.at_m = [0.0]
        for distance in self.arterial.distance_m:
            self.at_m.append(self.at_m[-1] + distance)
        wanted = HEIGHT_PER_SIGNAL * self.arterial.signals
        self.height = min(HEIGHT_MAX, max(HEIGHT_MIN, wanted)) + TOP + BOTTOM
        self.duration_s = CYCLES * self.wave.cycle_s

    def x(self, time_s: float) -> float:
        """Where a moment lies."""
        return LEFT + (WIDTH - LEFT - RIGHT) * time_s / self.duration_s

    def y(self, at_m: float) -> float:
        """Where a place lies."""
        span = self.height - TOP - BOTTOM - 4 * BAR
        return self.height - BOTTOM - 2 * BAR - span * at_m / self.at_m[-1]

    def text(self) -> str:
        """The whole picture."""
        name = escape(self.solved.name or "Arterial")
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {self.height:g}" '
            f'width="{WIDTH:g}" height="{self.height:g}" role="img" font-family="{FONT}">',
            f"<title>Time-space diagram of {name}</title>",
            f'<rect width="{WIDTH:g}" height="{self.height:g}" fill="#ffffff"/>',
            _text(24, 34, name, size=19, weight=700),
            _text(24, 56, self.subtitle(), size=13, fill=GREY),
            *self.key(),
            *self.grid(),
            '<clipPath id="inside"><rect '
            f'x="{LEFT:g}" y="{TOP - 8:g}" width="{WIDTH - LEFT - RIGHT:g}" '
            f'height="{self.height - TOP - BOTTOM + 16:g}"/></clipPath>',
            '<g clip-path="url(#inside)">',
            *self.bands(),
            *self.reds(),
            "</g>",
            *self.labels(),
            "</svg>",
        ]
        return "\n".join(parts) + "\n"

    def subtitle(self) -> str:
        """Cycle and bands in words."""
        wave = self.wave
        if isinstance(wave, Wave):
            bands = f"band outbound {wave.band_outbound * wave.cycle_s:.1f} s"
            if not self.arterial.one_way:
                bands += f", inbound {wave.band_inbound * wave.cycle_s:.1f} s"
        else:
            bands = f"bands by link, {wave.value * wave.cycle_s:.1f} s on average"
        return f"cycle {wave.cycle_s:.1f} s · {bands}"

    def key(self) -> Iterator[str]:
        """What the colours mean, at the top right."""
        entries = [("outbound band", BAND_OUT, 0.35), ("outbound red", RED_OUT, 1.0)]
        if not self.arterial.one_way:
            entries += [("inbound band", BAND_IN, 0.35), ("inbound red", RED_IN, 1.0)]
        for i, (label, fill, opacity) in enumerate(entries):
            x, y = WIDTH - 262 + 130 * (i // 2), 30 + 22 * (i % 2)
            yield (
                f'<rect x="{x:g}" y="{y - 9:g}" width="20" height="{10 if i % 2 == 0 else 5}" '
                f'fill="{fill}" fill-opacity="{opacity:g}"/>'
            )
            yield _text(x + 26, y, label, size=12, fill=GREY)

    def grid(self) -> Iterator[str]:
        """A line every ten or twenty seconds, heavier at whole cycles; seconds below."""
        step = 10.0 if self.duration_s <= 240 else 20.0
        bottom = self.height - BOTTOM + 8
        for k in range(int(self.duration_s // step) + 1):
            x = self.x(k * step)
            yield _line(x, TOP - 8, x, bottom, GRID, 1.0)
            if k % 2 == 0:
                yield _text(x, bottom + 18, f"{k * step:g}", size=12, fill=GREY, anchor="middle")
        for k in range(CYCLES + 1):
            x = self.x(k * self.wave.cycle_s)
            yield _line(x, TOP - 8, x, bottom, "#b9c2c8", 1.0)
        yield _text(WIDTH - RIGHT, bottom + 36, "time, s", size=12, fill=GREY, anchor="end")

    def labels(self) -> Iterator[str]:
        """Signal, place and offset at the left; speed of each link at the right."""
        room = 0.0
        for i, at_m in enumerate(self.at_m):
            y = self.y(at_m)
            if i and abs(y - room) < 15:
                continue  # names would lie on each other
            room = y
            yield _text(24, y + 4, f"{i + 1}", size=14, weight=700)
            yield _text(48, y + 4, f"{at_m:.0f} m", size=12, fill=GREY)
            yield _text(LEFT - 10, y + 4, f"{self.wave.offset_s[i]:.1f}", size=12, anchor="end")
        yield _text(LEFT - 10, TOP - 14, "offset, s", size=12, fill=GREY, anchor="end")
        yield _text(WIDTH - RIGHT + 10, TOP - 14, "km/h", size=12, fill=GREY)
        for i, speed in enumerate(self.wave.speed_kmh):
            high, low = self.y(self.at_m[i + 1]), self.y(self.at_m[i])
            if low - high >= 15:
                yield _text(WIDTH - RIGHT + 10, (low + high) / 2 + 4, f"{speed:.0f}", size=12)

    def reds(self) -> Iterator[str]:
        """Bars of red, outbound above the signal's line and inbound below it."""
        cycle = self.wave.cycle_s
        sides = [(self.wave.offset_s, self.arterial.red_outbound, RED_OUT, -BAR)]
        if not self.arterial.one_way:
            sides.append((self.wave.offset_inbound_s, self.arterial.red_inbound, RED_IN, 0.0))
        for i, at_m in enumerate(self.at_m):
            y = self.y(at_m)
            yield _line(LEFT, y, WIDTH - RIGHT, y, "#9aa4ab", 0.6)
            for offsets, red, fill, above in sides:
                for k in range(CYCLES + 1):
                    end = offsets[i] + k * cycle
                    x = self.x(end - red[i] * cycle)
                    yield (
                        f'<rect x="{x:.1f}" y="{y + above:.1f}" '
                        f'width="{self.x(end) - x:.1f}" height="{BAR:g}" fill="{fill}"/>'
                    )

    def bands(self) -> Iterator[str]:
        """Parallelograms from signal to signal."""
        for inbound, fill in ((False, BAND_OUT), (True, BAND_IN)):
            if inbound and self.arterial.one_way:
                continue
            for link, start, width in _link_bands(self.arterial, self.wave, inbound=inbound):
                yield from self.band(link, start, width, inbound=inbound, fill=fill)

    def band(
        self, link: int, start_s: float, width_s: float, *, inbound: bool, fill: str
    ) -> Iterator[str]:
        """The band of one link in every cycle that shows some of it."""
        near, far = (link + 1, link) if inbound else (link, link + 1)
        y0, y1 = self.y(self.at_m[near]), self.y(self.at_m[far])
        travel = 3.6 * self.arterial.distance_m[link] / self.wave.speed_kmh[link]
        cycle = self.wave.cycle_s
        first = -int((start_s + travel + width_s) // cycle) - 1
        for k in range(first, CYCLES + 1):
            begin = start_s + k * cycle
            corners = (
                (self.x(begin), y0),
                (self.x(begin + width_s), y0),
                (self.x(begin + width_s + travel), y1),
                (self.x(begin + travel), y1),
            )
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
            yield f'<polygon points="{points}" fill="{fill}" fill-opacity="0.3"/>'
            for (ax, ay), (bx, by) in ((corners[0], corners[3]), (corners[1], corners[2])):
                yield _line(ax, ay, bx, by, fill, 1.2)


def _link_bands(
    arterial: Arterial, wave: object, *, inbound: bool
) -> Iterator[tuple[int, float, float]]:
    """Link, second at which the band leaves its upstream signal, and width in seconds."""
    from optimizer.bandwidth.cutting import part
    from optimizer.bandwidth.multiband import LinkWaves

    if isinstance(wave, LinkWaves):
        starts = wave.offset_inbound_s if inbound else wave.offset_s
        bands = wave.band_inbound if inbound else wave.band_outbound
        for i, band in enumerate(bands):
            width, begin = band_of(
                part(arterial, i, i + 1),
                wave.cycle_s,
                wave.speed_kmh[i : i + 1],
                starts[i : i + 2],
                inbound=inbound,
            )
            if band > 0.0:
                centred = begin + 0.5 * (width - band) * wave.cycle_s
                yield i, centred, band * wave.cycle_s
        return
    assert isinstance(wave, Wave)
    starts = wave.offset_inbound_s if inbound else wave.offset_s
    band = wave.band_inbound if inbound else wave.band_outbound
    if band <= 0.0:
        return
    width, begin = band_of(arterial, wave.cycle_s, wave.speed_kmh, starts, inbound=inbound)
    # The green may allow more than the ratio k does; what is drawn lies in its middle.
    begin += 0.5 * max(0.0, width - band) * wave.cycle_s
    from optimizer.bandwidth.check import arrivals

    at = arrivals(arterial, wave.cycle_s, wave.speed_kmh, inbound=inbound)
    for i in range(arterial.signals - 1):
        yield i, begin + at[i + inbound] * wave.cycle_s, band * wave.cycle_s


def _text(
    x: float,
    y: float,
    text: str,
    *,
    size: float,
    weight: int = 400,
    fill: str = INK,
    anchor: str = "start",
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" font-weight="{weight}" '
        f'fill="{fill}" text-anchor="{anchor}">{text}</text>'
    )


def _line(x0: float, y0: float, x1: float, y1: float, stroke: str, width: float) -> str:
    return (
        f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" '
        f'stroke="{stroke}" stroke-width="{width:g}"/>'
    )
