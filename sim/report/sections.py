"""What each section of the report shows, as plain values for the template."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from markupsafe import Markup

from sim.network import Network
from sim.report import charts, netmap
from sim.report.aggregate import Detail, GreenSummary, weighted_mean
from sim.report.burden import Burden, GroupChange, MovementChange, level_of_service
from sim.report.cast import Cast, Versus, delays, is_ours, label, versus
from sim.report.charts import Axis, Series
from sim.report.legality import Legality, legality
from sim.report.streets import Streets
from sim.report.wording import jammed_runs, over_runs, throughput
from sim.results import Comparison, ControlResult
from sim.statistics import Estimate, mean_interval

WORST_EDGES = 10
"""Rows of the queue table."""
SHOWN_MOVEMENTS = 12
"""Movements shown in the main part, at each end of the list; the appendix has them all."""
SHOWN_PAYING = 20
"""Paying movements shown in the main part."""
LONGEST_SCALE_S = 120.0
"""One starved movement must not squeeze all others into the left edge of the picture."""


@dataclass(frozen=True, slots=True)
class PeerRow:
    """One control in the picture and the tables; None where it has no finished run."""

    name: str
    label: str
    sees: str
    kind: str
    """``ours``, ``before`` (what ours would replace) or ``peer``."""
    delay: Estimate | None
    median_s: float | None
    strip: Markup
    against: Versus | None
    jammed: int
    runs: int
    finished: float | None
    scheduled: float | None
    legality: Legality
    measures: dict[str, Estimate | None]
    failure: str = ""
    """Why there is no finished run."""


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """One big number: before, after and its change."""

    name: str
    unit: str
    before: Estimate | None
    after: Estimate
    decimals: int


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One street of the queue table."""

    edge: str
    name: str
    before_share: float
    after_share: float
    before_spillback: float
    after_spillback: float


@dataclass(frozen=True, slots=True)
class SplitRow:
    """Green of signal groups that were always lit together, before and after."""

    groups: Sequence[str]
    before: GreenSummary | None
    after: GreenSummary | None
    strip: Markup


@dataclass(frozen=True, slots=True)
class Splits:
    """The signal groups of one junction."""

    number: int
    junction: str
    rows: Sequence[SplitRow]


@dataclass(frozen=True, slots=True)
class MovementRow:
    """One movement with names that a reader can find on the map."""

    number: int | None
    name: str
    edges: str
    change: MovementChange
    los_before: str
    los_after: str
    strip: Markup

    @property
    def rise_s(self) -> float:
        """By how much the mean delay rose; 0 where one side is missing."""
        return self.change.change.mean if self.change.change else 0.0


MEASURES = (
    "time_loss_s",
    "waiting_s",
    "p95_time_loss_s",
    "max_waiting_s",
    "stops",
    "co2_g_per_trip",
    "pedestrian_delay_s",
)


def peer_rows(
    comparison: Comparison, parts: Cast, details: dict[str, Detail | None], network: Network
) -> tuple[list[PeerRow], Markup]:
    """Every control from least to most delay, then those that failed; and the scale of the dots."""
    ran = [control for control in comparison.controls if control.runs]
    means = {control.name: mean_interval(delays(control)) for control in ran}
    top = max(
        max(*delays(control), means[control.name].mean + (means[control.name].half_width or 0.0))
        for control in ran
    )
    axis = Axis.up_to(top, wanted=6)
    rows = [
        _peer_row(control, parts, axis, legality(details[control.name], network))
        for control in sorted(ran, key=lambda control: means[control.name].mean)
    ]
    return [*rows, *_failed_rows(comparison)], charts.axis_strip(axis)


def _peer_row(control: ControlResult, parts: Cast, axis: Axis, legal: Legality) -> PeerRow:
    kind = _kind(control, parts)
    delay = mean_interval(delays(control))
    finished, scheduled = throughput(control.runs)
    return PeerRow(
        name=control.name,
        label=label(control.name),
        sees=control.sees,
        kind=kind,
        delay=delay,
        median_s=median(delays(control)),
        strip=charts.dot_strip(axis, delays(control), delay, kind),
        against=None if control is parts.subject else versus(parts.subject, control),
        jammed=jammed_runs(control),
        runs=len(control.runs),
        finished=finished,
        scheduled=scheduled,
        legality=legal,
        measures={name: over_runs(control, name) for name in MEASURES},
    )


def _failed_rows(comparison: Comparison) -> list[PeerRow]:
    failures = [(each.name, each.sees, each.reason) for each in comparison.failed]
    failures += [
        (each.name, each.sees, "no finished run") for each in comparison.controls if not each.runs
    ]
    return [
        PeerRow(
            name=name,
            label=label(name),
            sees=sees,
            kind="failed",
            delay=None,
            median_s=None,
            strip=Markup(""),
            against=None,
            jammed=0,
            runs=0,
            finished=None,
            scheduled=None,
            legality=Legality(None, ""),
            measures=dict.fromkeys(MEASURES),
            failure=reason,
        )
        for name, sees, reason in failures
    ]


def key_figures(parts: Cast) -> list[KeyFigure]:
    """Four numbers for the first page."""
    wanted = (
        ("Delay", "s per vehicle", "delay_s", 1),
        ("Stops", "per trip", "stops", 2),
        ("CO₂", "g per trip", "co2_g_per_trip", 0),
        ("Longest wait", "s", "max_waiting_s", 0),
    )
    figures = []
    for name, unit, measure, decimals in wanted:
        after = over_runs(parts.subject, measure)
        before = over_runs(parts.baseline, measure) if parts.baseline else None
        if after is not None:
            figures.append(KeyFigure(name, unit, before, after, decimals))
    return figures


def time_series(parts: Cast, details: dict[str, Detail | None]) -> list[Series]:
    """Delay by departure of ours, of what it would replace, and of the best peers."""
    wanted = [parts.baseline, parts.field_peer, parts.knowing_peer, parts.subject]
    series: dict[str, Series] = {}
    for control in wanted:
        detail = details[control.name] if control else None
        if control is None or detail is None or not detail.delay_by_departure:
            continue
        kind = "knowing" if control is parts.knowing_peer else _kind(control, parts)
        points = [(start_s, delay_s) for start_s, delay_s, _ in detail.delay_by_departure]
        series[control.name] = Series(label(control.name), kind, points)
    return list(series.values())


def queue_rows(streets: Streets, before: Detail | None, after: Detail | None) -> list[QueueRow]:
    """The streets with the longest queues in either map."""
    rows = []
    for edge, street in streets.edges.items():
        old = before.edges.get(edge) if before else None
        new = after.edges.get(edge) if after else None
        if old or new:
            rows.append(
                QueueRow(
                    edge,
                    street.name,
                    netmap.queue_share(old, street) if old else 0.0,
                    netmap.queue_share(new, street) if new else 0.0,
                    old.spillback if old else 0.0,
                    new.spillback if new else 0.0,
                )
            )
    rows.sort(key=lambda row: -max(row.before_share, row.after_share))
    return [row for row in rows if max(row.before_share, row.after_share) > 0][:WORST_EDGES]


def splits(
    network: Network, streets: Streets, before: Detail | None, after: Detail | None
) -> list[Splits]:
    """Green of every signal group at every junction, in the order of the map's numbers."""
    known = {key for detail in (before, after) if detail is not None for key in detail.greens}
    axis = Axis((0.0, 0.25, 0.5, 0.75, 1.0))
    blocks = []
    for junction in network.junctions:
        together: dict[tuple[GreenSummary | None, GreenSummary | None], list[str]] = {}
        for group in junction.intersection.groups:
            key = (junction.id, group.name)
            if key in known:
                old = before.greens.get(key) if before else None
                new = after.greens.get(key) if after else None
                together.setdefault((old, new), []).append(group.name)
        rows = [
            SplitRow(
                names,
                old,
                new,
                charts.dumbbell(axis, old.share if old else None, new.share if new else None),
            )
            for (old, new), names in together.items()
        ]
        if rows:
            blocks.append(Splits(streets.number(junction.id) or 0, junction.id, rows))
    return blocks


def movement_rows(
    streets: Streets, changes: Iterable[MovementChange]
) -> tuple[list[MovementRow], float]:
    """Movements with names and LOS letters, all on one scale, and the end of that scale in s."""
    changes = list(changes)
    most = max((_most(change) for change in changes), default=0.0)
    axis = Axis.up_to(min(most, LONGEST_SCALE_S), wanted=4)
    return [_movement_row(streets, change, axis) for change in changes], axis.ticks[-1]


def _movement_row(streets: Streets, change: MovementChange, axis: Axis) -> MovementRow:
    junction, from_edge, to_edge = change.key
    old = change.before.delay_s if change.before else None
    new = change.after.delay_s if change.after else None
    return MovementRow(
        streets.number(junction),
        streets.movement(from_edge, change.turn),
        f"{from_edge} → {to_edge}",
        change,
        level_of_service(old) if old is not None else "",
        level_of_service(new) if new is not None else "",
        charts.dumbbell(axis, old, new, change.verdict),
    )


def los_counts(rows: Sequence[MovementRow]) -> list[tuple[str, float, float]]:
    """Per LOS letter, the vehicles (signal passages a run) before and after."""
    return [
        (
            letter,
            sum(row.change.before.vehicles for row in rows
                if row.change.before and row.los_before == letter),
            sum(row.change.after.vehicles for row in rows
                if row.change.after and row.los_after == letter),
        )
        for letter in "ABCDEF"
    ]  # fmt: skip


def junction_delays(
    streets: Streets, before: Detail | None, after: Detail | None
) -> list[tuple[int, str, float | None, float | None]]:
    """Number, id, mean delay before and after at each signal of the map."""
    return [
        (signal.number, signal.id, _at(before, signal.id), _at(after, signal.id))
        for signal in streets.signals
    ]


def paying_vehicles(burden: Burden) -> float:
    """Vehicles per run that make a movement which pays."""
    return sum(movement.vehicles for movement in burden.paying_movements)


def payers_in_words(burden: Burden) -> list[str]:
    """One short phrase per paying group."""
    return [_payer(group) for group in burden.paying_groups]


def _payer(group: GroupChange) -> str:
    return group.name[0].lower() + group.name[1:]


def _at(detail: Detail | None, junction: str) -> float | None:
    if detail is None:
        return None
    rows = [
        (movement.delay_s, movement.vehicles)
        for key, movement in detail.movements.items()
        if key[0] == junction
    ]
    return weighted_mean(rows) if rows else None


def _most(change: MovementChange) -> float:
    return max(
        change.before.delay_s if change.before else 0.0,
        change.after.delay_s if change.after else 0.0,
    )


def _kind(control: ControlResult, parts: Cast) -> str:
    if is_ours(control) or control is parts.subject:
        return "ours"
    return "before" if control is parts.baseline else "peer"
