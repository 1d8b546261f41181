"""The one-file report of a plan: time-space, timing and ring-barrier diagrams, arrivals, tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from controller.intersection import Intersection
from controller.plan import TimingPlan
from optimizer.planning.chain import Chain
from optimizer.planning.network import NetworkPlan, PlanningNetwork
from optimizer.planning.predictions import StreamPrediction, shortcomings
from sim.network.model import Network
from sim.pictures.expected import expected
from sim.pictures.gallery import Picture, run_scene, timing_pictures, wave_picture
from sim.pictures.ring_barrier import RingBarrier, ring_barrier
from sim.pictures.stages import Ground
from sim.pictures.street_scenes import CYCLES_SHOWN, WINDOW_MAX_S, plan_panel
from sim.pictures.tables import Table, saturation_table, walking_table
from sim.report import formatting
from sim.report.render import environment
from sim.report.writing import write_text
from sim.results import RunResult


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRuns:
    """A run under what the plan would replace, and one under the plan, with the same seed."""

    network: Network
    scenario: str
    seed: int
    sumo: str
    before_name: str
    before: RunResult
    after: RunResult
    before_plans: Mapping[str, TimingPlan] | None = None
    """Of the controls whose plans are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSubject:
    """A plan and what is known about its place.

    ``today``: the plan of every site that it would replace. ``planning``: None where no demand is
    known. ``rings``: of a UTDF file. ``unclear``: what could not be shown, in sentences.
    """

    plan: NetworkPlan
    sites: tuple[Intersection, ...]
    today: Mapping[str, TimingPlan]
    grounds: Mapping[str, Ground]
    chains: tuple[Chain, ...]
    planning: PlanningNetwork | None = None
    rings: tuple[RingBarrier, ...] = ()
    runs: PlanRuns | None = None
    unclear: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One part of the page."""

    id: str
    title: str
    lead: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One big number, before and after."""

    name: str
    unit: str
    before: str
    after: str


def write_plan_report(subject: PlanSubject, path: Path, *, command: str) -> None:
    """Write the report on *subject* to *path*, completely or not at all.

    Raises :class:`~sim.errors.BenchError` when the file can't be written, and
    :class:`~controller.violations.InvalidError` for a plan that breaks a rule of its site.
    """
    write_text(path, render_plan(subject, sections_of(subject), command))


def write_pictures(pictures: Sequence[Picture], folder: Path) -> list[Path]:
    """Every drawing as a file of its own in *folder*; raises :class:`~sim.errors.BenchError`."""
    written = []
    for picture in pictures:
        if picture.drawing is not None:
            path = folder / f"{picture.drawing.name}.svg"
            write_text(path, picture.drawing.file_text())
            written.append(path)
    return written


def report_document(subject: PlanSubject, sections: tuple[Section, ...]) -> dict[str, object]:
    """What the report says, as data: its figures, and every table as it is written."""
    return {
        "schema": 1,
        "plan": subject.plan.name,
        "network": subject.plan.network,
        "figures": [asdict(figure) for figure in _figures(subject)],
        "unclear": list(subject.unclear),
        "sections": [
            {
                "id": section.id,
                "title": section.title,
                "pictures": [p.drawing.name for p in section.pictures if p.drawing],
                "tables": [
                    {"caption": table.caption, "head": table.head, "rows": table.rows}
                    for picture in section.pictures
                    if (table := picture.table)
                ],
            }
            for section in sections
        ],
    }


def render_plan(subject: PlanSubject, sections: tuple[Section, ...], command: str) -> str:
    """The page as HTML."""
    runs = subject.runs
    values = {
        "subject": subject,
        "plan": subject.plan,
        "runs": runs,
        "sections": sections,
        "figures": tuple(_figures(subject)),
        "cycles": _cycles(subject.plan),
        "zones": _zone_table(subject),
        "command": command,
    }
    return environment().get_template("plan_report.html.j2").render(values)


def sections_of(subject: PlanSubject) -> tuple[Section, ...]:
    """All parts that there is something to show in."""
    found = (
        _street_section(subject),
        _arrival_section(subject),
        _timing_section(subject),
        _ring_section(subject),
        _saturation_section(subject),
    )
    return tuple(section for section in found if section is not None)


def pictures_of(sections: tuple[Section, ...]) -> list[Picture]:
    """The pictures of all *sections*."""
    return [picture for section in sections for picture in section.pictures]


def _plans(subject: PlanSubject) -> dict[str, TimingPlan]:
    return {plan.site: plan for plan in subject.plan.plans}


def _street_section(subject: PlanSubject) -> Section | None:
    pictures: list[Picture] = []
    runs = subject.runs
    watched: Chain | None = None
    if runs and runs.after.detail and runs.after.detail.street:
        pictures += _scene(subject, runs)[0]
        watched = runs.after.detail.street.chain
    sites = {site.name: site for site in subject.sites}
    plans = _plans(subject)
    for chain in subject.chains:
        if watched is not None and chain.sites == watched.sites:
            continue
        cycle_s = max(plans[site].cycle_ms for site in chain.sites) / 1000
        window = (0.0, min(WINDOW_MAX_S, CYCLES_SHOWN * cycle_s))
        after = plan_panel(f"Plan {subject.plan.name}", chain, sites, plans, window)
        panels = [after]
        if any(subject.today.get(site) != plans[site] for site in chain.sites):
            before = plan_panel("Before: today's plan", chain, sites, subject.today, window)
            panels = [before, replace(after, title=f"After: plan {subject.plan.name}")]
        pictures.append(wave_picture(chain, panels, window))
    if not pictures:
        return None
    lead = (
        "Lamps as they are really shown, and the bands in which one drives through on green. A "
        "flat line is a vehicle that stands."
        if runs
        else "Lamps as the controller shows them, and the bands in which one drives through on "
        "green."
    )
    return Section(id="street", title="Along the street", lead=lead, pictures=tuple(pictures))


def _scene(subject: PlanSubject, runs: PlanRuns) -> tuple[tuple[Picture, ...], tuple[Picture, ...]]:
    assert runs.after.detail and runs.after.detail.street
    before = runs.before.detail.street if runs.before.detail else None
    scene = run_scene(
        runs.network,
        runs.after.detail.street,
        before,
        (f"Before: {runs.before_name}", f"After: plan {subject.plan.name}"),
        (runs.before_plans, _plans(subject)),
    )
    return scene.wave, scene.arrivals


def _arrival_section(subject: PlanSubject) -> Section | None:
    runs = subject.runs
    if runs is None or not (runs.after.detail and runs.after.detail.street):
        return None
    pictures = _scene(subject, runs)[1]
    if not pictures:
        return None
    return Section(
        id="arrivals",
        title="How vehicles arrive",
        lead="Every mark is a vehicle, at its second of the cycle. Where marks lie in the shaded "
        "part, the wave brings them in green. A platoon ratio of 1 is chance, above 1.15 "
        "favourable, below 0.85 unfavourable (HCM).",
        pictures=pictures,
    )


def _timing_section(subject: PlanSubject) -> Section:
    pictures = tuple(
        timing_pictures(
            subject.sites, _plans(subject), subject.grounds, f"plan {subject.plan.name}"
        )
    )
    return Section(
        id="timing",
        title="Timing of every signal",
        lead="Second 0 is when the first stage is due: its offset after the multiples of the "
        "cycle. All stages are called and last their full splits.",
        pictures=pictures,
    )


def _ring_section(subject: PlanSubject) -> Section | None:
    if not subject.rings:
        return None
    title = f"plan {subject.plan.name}"
    return Section(
        id="rings",
        title="Rings and barriers",
        lead="The same timings as phases in rings, as UTDF and NEMA controllers have them.",
        pictures=tuple(Picture(drawing=ring_barrier(each, title)) for each in subject.rings),
    )


def _predictions(
    subject: PlanSubject,
) -> tuple[dict[int, StreamPrediction], dict[int, StreamPrediction]]:
    """Before and after; empty without demand."""
    if subject.planning is None:
        return {}, {}
    return expected(subject.planning, subject.today), expected(subject.planning, _plans(subject))


def _saturation_section(subject: PlanSubject) -> Section | None:
    before, after = _predictions(subject)
    if subject.planning is None or not after:
        return None
    short = tuple(shortcomings(subject.planning, list(after.values())))
    table = saturation_table(subject.planning, after, before)
    pictures = [Picture(table=table, note="; ".join(short))]
    walks = walking_table(subject.planning, after, before)
    if walks.rows:
        pictures.append(Picture(table=walks))
    return Section(
        id="saturation",
        title="Saturation and level of service",
        lead="Expected by the network model: the demand of the period against the plan. The "
        "letters are those of the Highway Capacity Manual for this delay, F above capacity.",
        pictures=tuple(pictures),
    )


def _figures(subject: PlanSubject) -> Iterator[Figure]:
    runs = subject.runs
    if runs is not None:
        for name, unit, measure, decimals in (
            ("Delay, simulated", "s per vehicle", "delay_s", 1),
            ("Stops, simulated", "per trip", "stops", 2),
        ):
            yield Figure(
                name=name,
                unit=unit,
                before=formatting.number(getattr(runs.before, measure), decimals),
                after=formatting.number(getattr(runs.after, measure), decimals),
            )
    before, after = _predictions(subject)
    if after:
        yield Figure(
            name="Delay, expected",
            unit="veh-h per h",
            before=formatting.number(_delay_veh(before)),
            after=formatting.number(_delay_veh(after)),
        )
        yield Figure(
            name="Stops, expected",
            unit="per h",
            before=formatting.number(_stops_per_h(before), 0),
            after=formatting.number(_stops_per_h(after), 0),
        )
    if any(each.is_pedestrian for each in after.values()):
        yield Figure(
            name="Wait on foot, expected",
            unit="s each",
            before=formatting.number(_walking_wait_s(before), 1),
            after=formatting.number(_walking_wait_s(after), 1),
        )


def _delay_veh(told: Mapping[int, StreamPrediction]) -> float:
    return sum(each.delay_veh for each in told.values() if not each.is_pedestrian)


def _stops_per_h(told: Mapping[int, StreamPrediction]) -> float:
    vehicles = (each for each in told.values() if not each.is_pedestrian)
    return sum(each.stops_per_veh * each.flow_veh_per_h for each in vehicles)


def _walking_wait_s(told: Mapping[int, StreamPrediction]) -> float:
    people = [each for each in told.values() if each.is_pedestrian]
    persons = sum(each.flow_veh_per_h for each in people)
    return 3600.0 * sum(each.delay_veh for each in people) / persons if persons else 0.0


def _cycles(plan: NetworkPlan) -> str:
    return ", ".join(dict.fromkeys(f"{zone.cycle_s:g} s" for zone in plan.zones))


def _zone_table(subject: PlanSubject) -> Table:
    zone_of = {site: zone.name for zone in subject.plan.zones for site in zone.sites}
    rows = []
    for plan in subject.plan.plans:
        old = subject.today.get(plan.site)
        rows.append(
            (
                plan.site,
                " → ".join(entry.stage for entry in plan.stages),
                zone_of.get(plan.site, ""),
                "–" if old is None else f"{old.cycle_ms / 1000:g}",
                f"{plan.cycle_ms / 1000:g}",
                "–" if old is None or old.offset_ms is None else f"{old.offset_ms / 1000:g}",
                "–" if plan.offset_ms is None else f"{plan.offset_ms / 1000:g}",
            )
        )
    return Table(
        caption="The plan in short",
        head=(
            "Signal", "Stages", "Zone", "Cycle before, s", "Cycle, s", "Offset before, s",
            "Offset, s",
        ),
        rows=tuple(rows),
        words=2,
    )  # fmt: skip
