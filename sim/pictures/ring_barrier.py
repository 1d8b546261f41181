"""Ring-barrier diagrams: rings as rows, phases to scale, barriers across them, walks below.

The convention is that of NEMA controllers: time runs to the right, phases of one ring follow each
other, and no ring crosses a barrier before the others. Under each phase with a walk lie walk and
clearance (flashing don't walk).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sim.pictures.svg import (
    Drawing,
    box,
    count,
    fits,
    line,
    red_box,
    seconds_step,
    shortened,
    slug,
    text,
)
from sim.plans.utdf_phases import NodeTiming

WIDTH = 1040.0
LEFT, RIGHT, TOP = 84.0, 26.0, 72.0
PHASE, LAMP, WALK, GAP = 34.0, 12.0, 14.0, 16.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseBox:
    """One phase in a ring, in seconds of the cycle from the local zero."""

    name: str
    serves: str
    """Its movements or group, in words."""
    start_s: float
    split_s: float
    yellow_s: float
    all_red_s: float
    walk_s: float = 0.0
    dont_walk_s: float = 0.0
    coordinated: bool = False

    @property
    def green_s(self) -> float:
        """What is left of the split."""
        return self.split_s - self.yellow_s - self.all_red_s


@dataclass(frozen=True, slots=True, kw_only=True)
class RingBarrier:
    """Rings of phases and the barriers that all rings cross together (seconds of the cycle)."""

    site: str
    cycle_s: float
    offset_s: float | None
    rings: tuple[tuple[PhaseBox, ...], ...]
    barriers_s: tuple[float, ...]


def from_utdf(
    site: str, timing: NodeTiming, serves: Mapping[int, str] | None = None
) -> RingBarrier:
    """The rings of a UTDF node; *serves*: what each phase lights, in words."""
    words = serves or {}
    rings: dict[int, list[PhaseBox]] = {}
    ends: list[float] = []
    begin_s = 0.0
    for barrier in dict.fromkeys(phase.barrier for phase in timing.phases):
        reached: dict[int, float] = {}
        for phase in timing.phases:
            if phase.barrier != barrier:
                continue
            start_s = reached.get(phase.ring, begin_s)
            reached[phase.ring] = start_s + phase.split_ms / 1000
            rings.setdefault(phase.ring, []).append(
                PhaseBox(
                    name=str(phase.number),
                    serves=words.get(phase.number, ""),
                    start_s=start_s,
                    split_s=phase.split_ms / 1000,
                    yellow_s=phase.yellow_ms / 1000,
                    all_red_s=phase.all_red_ms / 1000,
                    walk_s=phase.walk_ms / 1000,
                    dont_walk_s=phase.dont_walk_ms / 1000,
                    coordinated=phase.number in timing.reference,
                )
            )
        begin_s = max(reached.values())
        ends.append(begin_s)
    return RingBarrier(
        site=site,
        cycle_s=timing.cycle_ms / 1000,
        offset_s=timing.offset_ms / 1000,
        rings=tuple(tuple(rings[ring]) for ring in sorted(rings)),
        barriers_s=tuple(ends),
    )


def ring_barrier(diagram: RingBarrier, title: str = "") -> Drawing:
    """The diagram to scale."""
    return _Picture(diagram, title).drawing()


class _Picture:
    """Scales of one diagram, and what is drawn in it."""

    def __init__(self, diagram: RingBarrier, title: str) -> None:
        self.diagram, self.title = diagram, title
        self.name = slug(f"rings {diagram.site} {title}")

    def x(self, at_s: float) -> float:
        """Where a second of the cycle lies."""
        return LEFT + (WIDTH - LEFT - RIGHT) * at_s / self.diagram.cycle_s

    def drawing(self) -> Drawing:
        """The whole diagram."""
        each = PHASE + LAMP + WALK + GAP
        bottom = TOP + each * len(self.diagram.rings) - GAP + 6
        body = [*self._head(), *self._axis(bottom)]
        for k, ring in enumerate(self.diagram.rings):
            y = TOP + each * k
            yield_row = [*self._ring(ring, y)]
            body += [text(20, y + PHASE / 2 + 5, f"Ring {k + 1}", "t-bold"), *yield_row]
        for at_s in (0.0, *self.diagram.barriers_s):
            body.append(line(self.x(at_s), TOP - 8, self.x(at_s), bottom, "barrier"))
        body += self._key(bottom + 40)
        return Drawing(
            self.name,
            f"Ring-barrier diagram, {self.diagram.site}",
            "; ".join(
                f"ring {k + 1}: " + ", ".join(f"phase {box.name} {box.split_s:g} s" for box in ring)
                for k, ring in enumerate(self.diagram.rings)
            ),
            WIDTH,
            bottom + 54,
            tuple(body),
        )

    def _head(self) -> Iterator[str]:
        one = self.diagram
        offset = "" if one.offset_s is None else f", local zero at {one.offset_s:g} s of the clock"
        barriers = count(len(one.barriers_s), "barrier group")
        title = f"{self.title}: " if self.title else ""
        yield text(20, 30, f"Ring-barrier diagram: {one.site}", "t-title")
        yield text(20, 50, f"{title}cycle {one.cycle_s:g} s{offset}, {barriers}", "t-soft")

    def _axis(self, bottom: float) -> Iterator[str]:
        cycle_s = self.diagram.cycle_s
        step = seconds_step(cycle_s, WIDTH - LEFT - RIGHT, 40.0)
        at_s = 0.0
        while at_s < cycle_s - 1e-6:
            yield line(self.x(at_s), TOP, self.x(at_s), bottom, "tick")
            if cycle_s - at_s > step * 0.6:
                yield text(self.x(at_s), bottom + 14, f"{at_s:g}", "t-small", "middle")
            at_s += step
        yield text(self.x(cycle_s), bottom + 14, f"{cycle_s:g} s", "t-small", "middle")

    def _ring(self, ring: Sequence[PhaseBox], top: float) -> Iterator[str]:
        for phase in ring:
            left, right = self.x(phase.start_s), self.x(phase.start_s + phase.split_s)
            yield box(left, top, right - left, PHASE, "phase")
            yield from self._words(phase, left, right - left, top)
            yield from self._lamps(phase, top + PHASE)
            yield from self._walk(phase, top + PHASE + LAMP + 2)

    def _words(self, phase: PhaseBox, left: float, width: float, top: float) -> Iterator[str]:
        mark = "φ" + phase.name + ("*" if phase.coordinated else "")
        yield text(left + 6, top + 15, mark, "t-head")
        split = f"{phase.split_s:g} s"
        if fits(mark + split, width - 20, 13.0):
            yield text(left + width - 6, top + 15, split, "t-bold", "end")
        yield text(left + 6, top + 29, shortened(phase.serves, width - 10, 11.0), "t-small")

    def _lamps(self, phase: PhaseBox, y: float) -> Iterator[str]:
        at_s = phase.start_s
        for lasts_s, css in ((phase.green_s, "lamp-green"), (phase.yellow_s, "lamp-yellow")):
            yield box(self.x(at_s), y, self.x(at_s + lasts_s) - self.x(at_s), LAMP, css)
            at_s += lasts_s
        width = self.x(at_s + phase.all_red_s) - self.x(at_s)
        yield red_box(self.x(at_s), y, width, LAMP, self.name)
        words = f"{phase.green_s:g}"
        left, right = self.x(phase.start_s), self.x(phase.start_s + phase.green_s)
        if fits(words, right - left - 4, 11.0):
            yield text((left + right) / 2, y + LAMP - 2, words, "t-inside t-on", "middle")

    def _walk(self, phase: PhaseBox, y: float) -> Iterator[str]:
        if not phase.walk_s:
            return
        at_s = phase.start_s
        for lasts_s, css, word in (
            (phase.walk_s, "lamp-green", "walk"),
            (phase.dont_walk_s, "lamp-clearance", "FDW"),
        ):
            left, width = self.x(at_s), self.x(at_s + lasts_s) - self.x(at_s)
            yield box(left, y, width, WALK - 2, css)
            words = f"{word} {lasts_s:g}"
            if fits(words, width - 4, 11.0):
                on = " t-on" if word == "walk" else ""
                yield text(left + width / 2, y + WALK - 4, words, f"t-inside{on}", "middle")
            at_s += lasts_s

    def _key(self, y: float) -> Iterator[str]:
        x = LEFT
        for words, css in (
            ("green, walk", "lamp-green"),
            ("yellow", "lamp-yellow"),
            ("flashing don't walk", "lamp-clearance"),
        ):
            yield box(x, y - 9, 20, 10, css)
            yield text(x + 26, y, words, "t-small")
            x += 50 + 6.3 * len(words)
        yield red_box(x, y - 9, 20, 10, self.name)
        yield text(x + 26, y, "all-red", "t-small")
        yield line(x + 100, y - 12, x + 100, y + 3, "barrier")
        yield text(x + 108, y, "barrier", "t-small")
        if any(phase.coordinated for ring in self.diagram.rings for phase in ring):
            yield text(x + 180, y, "* reference of the offset", "t-small")
