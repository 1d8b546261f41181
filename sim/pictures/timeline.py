"""What the lamps of a site showed in a run, group by group; for control without a cycle too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sim.pictures.lamps import SiteLamps, Span, red_spans, within
from sim.pictures.svg import (
    Drawing,
    box,
    clipped,
    line,
    red_box,
    seconds_step,
    shortened,
    slug,
    text,
)
from sim.pictures.timing import listed

WIDTH = 1040.0
LEFT, RIGHT, TOP, FOOT = 206.0, 60.0, 58.0, 46.0
ROW, BAR, PANEL_HEAD = 20.0, 12.0, 34.0


@dataclass(frozen=True, slots=True)
class Strip:
    """One panel: a title and the lamps below it."""

    title: str
    lamps: SiteLamps


@dataclass(frozen=True, slots=True)
class _Row:
    names: tuple[str, ...]
    is_pedestrian: bool
    greens: tuple[Span, ...]
    endings: tuple[Span, ...]


def timeline(site: str, strips: Sequence[Strip], window: Span) -> Drawing:
    """The lamps of *site* in *window* (seconds of the clock), a strip below the other."""
    return _Picture(site, strips, window).drawing()


class _Picture:
    """Scales of one diagram, and what is drawn in it."""

    def __init__(self, site: str, strips: Sequence[Strip], window: Span) -> None:
        self.site, self.strips, self.window = site, strips, window
        self.name = slug(f"lamps {site}")
        self.rows = [_rows(strip.lamps, window) for strip in strips]

    def x(self, at_s: float) -> float:
        """Where a moment lies."""
        begin_s, end_s = self.window
        return LEFT + (WIDTH - LEFT - RIGHT) * (at_s - begin_s) / (end_s - begin_s)

    def drawing(self) -> Drawing:
        """All strips below each other."""
        body = [
            text(20, 30, f"Signals shown: {self.site}", "t-title"),
            text(20, 48, "groups that were always lit together share a row", "t-soft"),
        ]
        top = TOP
        for k, (strip, rows) in enumerate(zip(self.strips, self.rows, strict=True)):
            body += self._strip(strip, rows, top, k)
            top += PANEL_HEAD + ROW * len(rows) + 10
        body += self._axis_words(top)
        described = "; ".join(
            f"{strip.title}: {', '.join(row.names)} green {len(row.greens)} times"
            for strip, rows in zip(self.strips, self.rows, strict=True)
            for row in rows
        )
        title = f"Signals shown at {self.site}"
        return Drawing(self.name, title, described, WIDTH, top + FOOT - 12, tuple(body))

    def _step(self) -> float:
        return seconds_step(self.window[1] - self.window[0], WIDTH - LEFT - RIGHT)

    def _strip(self, strip: Strip, rows: Sequence[_Row], top: float, k: int) -> Iterator[str]:
        yield text(20, top + 22, strip.title, "t-head")
        yield text(WIDTH - 20, top + 22, "green", "t-tiny", "end")
        first, bottom = top + PANEL_HEAD, top + PANEL_HEAD + ROW * len(rows)
        step = self._step()
        at_s = -(-self.window[0] // step) * step
        while at_s <= self.window[1]:
            yield line(self.x(at_s), first - 3, self.x(at_s), bottom, "tick")
            at_s += step
        bars: list[str] = []
        for i, row in enumerate(rows):
            y = first + ROW * i
            yield text(20, y + BAR - 2, shortened(listed(row.names), LEFT - 28.0))
            share = sum(b - a for a, b in row.greens) / (self.window[1] - self.window[0])
            yield text(WIDTH - 20, y + BAR - 2, f"{share:.0%}", "", "end")
            bars += self._bar(row, y)
        frame = (LEFT, first - 3, WIDTH - LEFT - RIGHT, bottom - first + 3)
        yield clipped(f"{self.name}-clip-{k}", frame, bars)

    def _bar(self, row: _Row, y: float) -> Iterator[str]:
        for a, b in red_spans(row.greens, row.endings, *self.window):
            yield red_box(self.x(a), y + 3, self.x(b) - self.x(a), BAR - 6, self.name)
        ending = "lamp-clearance" if row.is_pedestrian else "lamp-yellow"
        for spans, css in ((row.endings, ending), (row.greens, "lamp-green")):
            for a, b in spans:
                yield box(self.x(a), y, self.x(b) - self.x(a), BAR, css)

    def _axis_words(self, y: float) -> Iterator[str]:
        step = self._step()
        at_s = -(-self.window[0] // step) * step
        while at_s <= self.window[1]:
            yield text(self.x(at_s), y + 6, f"{at_s:g}", "t-small", "middle")
            at_s += step
        yield text(WIDTH - RIGHT, y + 24, "time of the simulation, s", "t-small", "end")
        x = LEFT
        for words, css in (
            ("green, walk", "lamp-green"),
            ("yellow", "lamp-yellow"),
            ("clearance of a walk", "lamp-clearance"),
        ):
            yield box(x, y + 15, 20, 10, css)
            yield text(x + 26, y + 24, words, "t-small")
            x += 50 + 6.3 * len(words)
        yield red_box(x, y + 17, 20, 7, self.name)
        yield text(x + 26, y + 24, "red", "t-small")


def _rows(lamps: SiteLamps, window: Span) -> tuple[_Row, ...]:
    together: dict[tuple[bool, tuple[Span, ...], tuple[Span, ...]], list[str]] = {}
    for group in lamps.groups:
        greens, endings = within(group.greens, *window), within(group.endings, *window)
        together.setdefault((group.is_pedestrian, greens, endings), []).append(group.name)
    rows = [_Row(tuple(names), *key) for key, names in together.items()]
    return tuple(sorted(rows, key=lambda row: (row.is_pedestrian, row.names)))
