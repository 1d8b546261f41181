"""The signal timing diagram of a site: its stages, and every signal group over one cycle, to scale.

Second 0 is when the first stage of the plan is due; the lamps are those that the controller shows.
Groups that are always lit together share a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from controller.intersection import Intersection
from controller.plan import TimingPlan
from sim.pictures.lamps import Span, plan_lamps, red_spans
from sim.pictures.stages import Ground, stage_picture
from sim.pictures.svg import (
    Drawing,
    box,
    fits,
    line,
    red_box,
    seconds_step,
    shortened,
    slug,
    text,
)
from sim.plans.shown import ShownCycle, shown_cycle

WIDTH = 1040.0
LEFT, RIGHT, TOP = 206.0, 100.0, 66.0
ROW, BAR = 23.0, 13.0
SQUARE_MAX, SQUARE_MIN, SQUARE_GAP = 104.0, 70.0, 10.0
STAGE_BAR = 20.0


@dataclass(frozen=True, slots=True)
class Row:
    """Groups that are always lit together, and when, in seconds of the cycle."""

    names: tuple[str, ...]
    is_pedestrian: bool
    greens: tuple[Span, ...]
    endings: tuple[Span, ...]

    @property
    def green_s(self) -> float:
        """Green (walk) in a cycle."""
        return sum(end - begin for begin, end in self.greens)


def rows_of(
    site: Intersection, plan: TimingPlan, cycle: ShownCycle | None = None
) -> tuple[Row, ...]:
    """One cycle of every group, from when the first stage is due; vehicles before walks."""
    shown = cycle or shown_cycle(site, plan)
    begin_s = shown.start_ms / 1000
    lamps = plan_lamps(site, plan, begin_s, begin_s + shown.cycle_ms / 1000, shown)
    together: dict[tuple[bool, tuple[Span, ...], tuple[Span, ...]], list[str]] = {}
    for group in lamps.groups:
        key = (group.is_pedestrian, _from(begin_s, group.greens), _from(begin_s, group.endings))
        together.setdefault(key, []).append(group.name)
    rows = [
        Row(tuple(names), walks, greens, endings)
        for (walks, greens, endings), names in together.items()
    ]
    return tuple(sorted(rows, key=lambda row: (row.is_pedestrian, row.greens)))


def _from(begin_s: float, spans: Sequence[Span]) -> tuple[Span, ...]:
    return tuple((round(a - begin_s, 1), round(b - begin_s, 1)) for a, b in spans)


def listed(names: Sequence[str]) -> str:
    """Groups in few words: ``E, W: right, through``, where they are called ``E right`` and so on.

    The names of UTDF (``EBT``) stay as they are.
    """
    turns: dict[str, list[str]] = {}
    for name in names:
        place, _, turn = name.partition(" ")
        if not turn:
            return ", ".join(names)
        turns.setdefault(place, []).append(turn)
    places: dict[tuple[str, ...], list[str]] = {}
    for place, own in turns.items():
        places.setdefault(tuple(own), []).append(place)
    return "; ".join(f"{', '.join(at)}: {', '.join(own)}" for own, at in places.items())


def timing_diagram(
    site: Intersection,
    plan: TimingPlan,
    ground: Ground,
    *,
    title: str = "",
    cycle: ShownCycle | None = None,
) -> Drawing:
    """Stages of *plan* as drawings, and below them every signal group to scale."""
    picture = _Picture(site, plan, ground, rows_of(site, plan, cycle), title)
    return picture.drawing()


class _Picture:
    """Scales of one diagram, and what is drawn in it."""

    def __init__(
        self,
        site: Intersection,
        plan: TimingPlan,
        ground: Ground,
        rows: tuple[Row, ...],
        title: str,
    ) -> None:
        self.site, self.plan, self.ground, self.rows = site, plan, ground, rows
        # A stage that is left out in this plan may stand in it with no time of its own.
        self.stages = [entry for entry in plan.stages if entry.split_ms > 0]
        self.name = slug(f"timing {site.name} {title}")
        self.title = title
        self.cycle_s = plan.cycle_ms / 1000
        self.splits_s = [entry.split_ms / 1000 for entry in self.stages]
        self.starts_s = [0.0, *accumulate(self.splits_s)][:-1]
        room = (WIDTH - LEFT - RIGHT + SQUARE_GAP) / len(self.stages) - SQUARE_GAP
        self.square = min(SQUARE_MAX, max(SQUARE_MIN, room))

    def x(self, at_s: float) -> float:
        """Where a second of the cycle lies."""
        return LEFT + (WIDTH - LEFT - RIGHT) * at_s / self.cycle_s

    def drawing(self) -> Drawing:
        """The whole diagram."""
        bars = TOP + self.square + 40.0
        rows_at = bars + STAGE_BAR + 14.0
        bottom = rows_at + ROW * len(self.rows) + 4.0
        body = [
            *self._head(),
            *self._stages(bars),
            *self._axis(bars, bottom),
            *self._rows(rows_at),
            *self._key(bottom + 40.0),
        ]
        description = "; ".join(
            f"{', '.join(row.names)} {'walk' if row.is_pedestrian else 'green'} "
            + " and ".join(f"{a:g} to {b:g} s" for a, b in row.greens)
            for row in self.rows
        )
        title = f"Signal timing diagram, {self.site.name}"
        return Drawing(self.name, title, description, WIDTH, bottom + 54.0, tuple(body))

    def _head(self) -> Iterator[str]:
        yield text(20, 30, f"Signal timing: {self.site.name}", "t-title")
        offset = "" if self.plan.offset_ms is None else f", offset {self.plan.offset_ms / 1000:g} s"
        words = f"{self.title or 'plan ' + self.plan.name}: cycle {self.cycle_s:g} s{offset}"
        yield text(20, 50, words, "t-soft")

    def _stages(self, bars: float) -> Iterator[str]:
        """A square above each stage's part of the bar, moved aside where it has no room."""
        count = len(self.stages)
        wanted = [
            (self.x(start) + self.x(start + split)) / 2 - self.square / 2
            for start, split in zip(self.starts_s, self.splits_s, strict=True)
        ]
        step = self.square + SQUARE_GAP
        places = list(wanted)
        for k in range(1, count):
            places[k] = max(places[k], places[k - 1] + step)
        limit = WIDTH - 20.0 - self.square
        for k in reversed(range(count)):
            places[k] = min(places[k], limit - (count - 1 - k) * step)
        yield text(20, TOP + self.square / 2 + 4, "Stages", "t-bold")
        yield text(20, TOP + self.square / 2 + 19, "dashed: gives way", "t-tiny")
        yield text(20, bars + 14, "Splits, s", "t-bold")
        for k, entry in enumerate(self.stages):
            mask = self.site.stage_masks[self.site.stage_index(entry.stage)]
            corner = (places[k], TOP)
            yield from stage_picture(
                self.ground, mask, corner, self.square, f"{self.name}-stage-{k}"
            )
            yield text(corner[0] + 4, TOP + 13, shortened(entry.stage, 60.0), "t-inside halo")
            begin, end = self.x(self.starts_s[k]), self.x(self.starts_s[k] + self.splits_s[k])
            middle = (begin + end) / 2
            foot = TOP + self.square
            square = corner[0] + self.square / 2
            yield line(square, foot + 2, middle, bars - 4, "tick-strong")
            yield box(begin, bars, end - begin, STAGE_BAR, "phase")
            words = f"{entry.stage}: {self.splits_s[k]:g}"
            if not fits(words, end - begin - 6, 11.0):
                words = f"{self.splits_s[k]:g}"
            yield text(middle, bars + 14, words, "t-inside", "middle")

    def _axis(self, top: float, bottom: float) -> Iterator[str]:
        step = seconds_step(self.cycle_s, WIDTH - LEFT - RIGHT, 40.0)
        at_s = 0.0
        while at_s < self.cycle_s - 1e-6:
            yield line(self.x(at_s), top + STAGE_BAR, self.x(at_s), bottom, "tick")
            if self.cycle_s - at_s > step * 0.6:
                yield text(self.x(at_s), bottom + 14, f"{at_s:g}", "t-small", "middle")
            at_s += step
        for start in (*self.starts_s, self.cycle_s):
            yield line(self.x(start), top + STAGE_BAR, self.x(start), bottom, "tick-strong")
        yield text(self.x(self.cycle_s), bottom + 14, f"{self.cycle_s:g} s", "t-small", "middle")
        yield text(WIDTH - 20, top + 14, "green, s", "t-small", "end")

    def _rows(self, top: float) -> Iterator[str]:
        for k, row in enumerate(self.rows):
            y = top + ROW * k
            names = shortened(listed(row.names), LEFT - 28.0, 12.0)
            yield text(20, y + BAR - 2, names)
            yield from self._bar(row, y)
            yield text(WIDTH - 20, y + BAR - 2, f"{row.green_s:g}", "t-bold", "end")

    def _bar(self, row: Row, y: float) -> Iterator[str]:
        reds = red_spans(row.greens, row.endings, 0.0, self.cycle_s)
        for a, b in reds:
            yield red_box(self.x(a), y + 3, self.x(b) - self.x(a), BAR - 6, self.name)
        ending = "lamp-clearance" if row.is_pedestrian else "lamp-yellow"
        for a, b in row.endings:
            yield box(self.x(a), y, self.x(b) - self.x(a), BAR, ending)
        for a, b in row.greens:
            yield box(self.x(a), y, self.x(b) - self.x(a), BAR, "lamp-green")
            words = f"walk {b - a:g}" if row.is_pedestrian else f"{b - a:g}"
            if fits(words, self.x(b) - self.x(a) - 4, 11.0):
                yield text(
                    (self.x(a) + self.x(b)) / 2, y + BAR - 3, words, "t-inside t-on", "middle"
                )

    def _key(self, y: float) -> Iterator[str]:
        x = LEFT
        for words, css in (
            ("green", "lamp-green"),
            ("yellow", "lamp-yellow"),
            ("clearance of a walk", "lamp-clearance"),
        ):
            yield box(x, y - 9, 20, 10, css)
            yield text(x + 26, y, words, "t-small")
            x += 50 + 6.5 * len(words)
        yield red_box(x, y - 7, 20, 7, self.name)
        yield text(x + 26, y, "red", "t-small")
