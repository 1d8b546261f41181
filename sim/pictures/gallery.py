"""Pictures with their tables, as a report shows them and a folder holds them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from controller.intersection import Intersection
from controller.plan import TimingPlan
from optimizer.planning.chain import Chain
from sim.network.model import Network
from sim.pictures.lamps import Span
from sim.pictures.purdue import purdue
from sim.pictures.stages import Ground
from sim.pictures.street_scenes import Coordination, coordination, run_panel
from sim.pictures.svg import Drawing, slug
from sim.pictures.tables import Table, arrival_table, band_table, split_table
from sim.pictures.time_space import Panel, time_space
from sim.pictures.timeline import Strip, timeline
from sim.pictures.timing import timing_diagram
from sim.plans.shown import shown_cycle
from sim.results import StreetRecord

PURDUE_MAX = 4
"""Purdue diagrams of a street: its busiest signals; the table has them all."""


TIMELINES_MAX = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A drawing and the table beside it; either may be missing. ``note``: a sentence below."""

    drawing: Drawing | None = None
    table: Table | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A street as its report shows it: pictures of the wave, and of how vehicles come."""

    wave: tuple[Picture, ...]
    arrivals: tuple[Picture, ...] = ()
    lamps: tuple[Picture, ...] = ()
    """What the busiest signals showed, group by group."""

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """All of them."""
        return (*self.wave, *self.arrivals, *self.lamps)


def wave_picture(chain: Chain, panels: Sequence[Panel], window: Span) -> Picture:
    """The time-space diagram of *chain*, with the widths of the bands."""
    return Picture(
        drawing=time_space(chain, panels, window), table=band_table(chain, panels, window)
    )


def run_scene(
    network: Network,
    after: StreetRecord,
    before: StreetRecord | None,
    titles: tuple[str, str],
    plans: tuple[Mapping[str, TimingPlan] | None, Mapping[str, TimingPlan] | None] = (None, None),
    *,
    at_most: int = PURDUE_MAX,
) -> Scene:
    """What runs showed of their street; *titles* and *plans* of before and after.

    *at_most*: signals whose arrivals and lamps are drawn, the busiest first.
    """
    panels = [] if before is None else [run_panel(titles[0], network, before, plans[0])]
    panels.append(run_panel(titles[1], network, after, plans[1]))
    window = (after.begin_s, after.end_s)
    found = tuple(coordination(network, after, before, titles))
    pictures = [Picture(table=arrival_table(found))] if found else []
    busiest: dict[str, Coordination] = {}
    for each in sorted(found, key=lambda each: -each.after.counted):
        busiest.setdefault(each.site, each)
    for each in list(busiest.values())[:at_most]:
        both = [panel for panel in (each.before, each.after) if panel is not None]
        name = slug(f"purdue {each.site}")
        pictures.append(Picture(drawing=purdue(f"{each.site}, {each.direction}", both, name)))
    return Scene(
        wave=(wave_picture(after.chain, panels, window),),
        arrivals=tuple(pictures),
        lamps=tuple(
            Picture(
                drawing=timeline(
                    site, [Strip(panel.title, panel.lamps[site]) for panel in panels], window
                )
            )
            for site in list(busiest)[: min(at_most, TIMELINES_MAX)]
        ),
    )


def timing_pictures(
    sites: Sequence[Intersection],
    plans: Mapping[str, TimingPlan],
    grounds: Mapping[str, Ground],
    title: str = "",
) -> Iterator[Picture]:
    """The timing diagram and the splits of every site that has a plan."""
    for site in sites:
        plan = plans.get(site.name)
        if plan is not None:
            cycle = shown_cycle(site, plan)
            yield Picture(
                drawing=timing_diagram(site, plan, grounds[site.name], title=title, cycle=cycle),
                table=split_table(site, plan),
            )
