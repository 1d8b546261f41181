"""A plan put back into the UTDF file that it was made from: cycles, offsets, splits and order.

All else stays as it is. Stages become phases again: a phase lasts from the first to the last of the
stages that it is green in, and its place in the ring follows. Start times of the old plan are taken
out, because on import they would override the offsets.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from controller.intersection import Intersection
from controller.plan import TimingPlan, check_plan
from optimizer.planning.network import NetworkPlan
from sim.errors import PlanFileError
from sim.plans.utdf import parse_utdf
from sim.plans.utdf_phases import node_timing
from sim.plans.utdf_site import UtdfSite, site_of_node
from sim.plans.utdf_writer import seconds

_STALE = {
    *("start", "end", "yield", "yield170", "localstart", "localyield", "localyield170"),
    "actgreen",
}


@dataclass(frozen=True, slots=True)
class RingPlace:
    """A phase in the new cycle: barrier, ring and position, and how long it lasts."""

    barrier: int
    ring: int
    position: int
    split_ms: int


@dataclass(frozen=True, slots=True)
class _NodeUpdate:
    """New values of one node; ``zero_ms`` is when its first phase starts in the clock's cycle."""

    cycle_ms: int
    zero_ms: int
    phases: Mapping[int, RingPlace]
    max_greens_ms: Mapping[int, int]
    offset_ms: int


def updated_utdf(text: str, plan: NetworkPlan, source: str = "UTDF") -> str:
    """*text* with what *plan* has for its nodes.

    Raises :class:`PlanFileError` if *plan* has a site that the file lacks, or an order of stages
    that phases in rings cannot show, and :class:`~controller.violations.InvalidError` for a plan
    that breaks a rule of its site.
    """
    utdf = parse_utdf(text, source)
    made = {each.site.name: each for each in (site_of_node(utdf, n) for n in utdf.signals())}
    unknown = [each.site for each in plan.plans if each.site not in made]
    if unknown:
        raise PlanFileError(
            f"{source}: no signal is called {unknown[0]!r} (it has {', '.join(made)}): give the "
            "file that the plan was made from"
        )
    plan = replace(plan, plans=tuple(_without_empty_stages(each) for each in plan.plans))
    for each in plan.plans:
        check_plan(each, made[each.site].site)
    updates = {
        made[each.site].node.id: _update(made[each.site], each, source) for each in plan.plans
    }
    # What an offset refers to moves with the phases: written as 0 first, it tells by how much.
    first = parse_utdf(_rewritten(text, updates), source)
    final = {}
    for number, update in updates.items():
        timing = node_timing(first, first.nodes[number])
        offset_ms = (update.zero_ms - timing.offset_ms) % update.cycle_ms
        final[number] = _NodeUpdate(
            update.cycle_ms, update.zero_ms, update.phases, update.max_greens_ms, offset_ms
        )
    result = _rewritten(text, final)
    _verify(result, plan, made, source)
    return result


def with_ring_splits(
    text: str, nodes: Mapping[int, tuple[int, Mapping[int, RingPlace]]], source: str = "UTDF"
) -> str:
    """*text* with a cycle (ms) and a place and split for every phase of the nodes, and offset 0."""
    utdf = parse_utdf(text, source)
    updates = {}
    for number, (cycle_ms, places) in nodes.items():
        timing = node_timing(utdf, utdf.nodes[number])
        greens_ms = {}
        for name, place in places.items():
            phase = timing.phase(name)
            greens_ms[name] = place.split_ms - phase.yellow_ms - phase.all_red_ms
        updates[number] = _NodeUpdate(cycle_ms, 0, places, greens_ms, 0)
    return _rewritten(text, updates)


def _without_empty_stages(plan: TimingPlan) -> TimingPlan:
    """*plan* without stages that have no time: a phase always has its yellow."""
    return replace(plan, stages=tuple(entry for entry in plan.stages if entry.split_ms))


def _verify(text: str, plan: NetworkPlan, made: Mapping[str, UtdfSite], source: str) -> None:
    """That what was written is read as *plan*: rings with gaps would be stretched."""
    utdf = parse_utdf(text, source)
    read = {each.site.name: each for each in (site_of_node(utdf, n) for n in utdf.signals())}
    for each in plan.plans:
        new = read[each.site]
        if _greens(new.site, new.present) != _greens(made[each.site].site, each):
            raise _refusal(source, each)


def _greens(site: Intersection, plan: TimingPlan) -> list[tuple[int, tuple[str, ...]]]:
    """(when in the clock's cycle, the groups of the stage that begins), whatever it is called."""
    found, at_ms = [], plan.offset_ms or 0
    for entry in plan.stages:
        found.append((at_ms % plan.cycle_ms, site.names(site.mask_of_stage[entry.stage])))
        at_ms += entry.split_ms
    return sorted(found)


def _update(made: UtdfSite, plan: TimingPlan, source: str) -> _NodeUpdate:
    stages = [frozenset(made.stage_phases.get(entry.stage, ())) for entry in plan.stages]
    if not all(stages):
        raise _refusal(source, plan)
    turn = next(
        (k for k in range(len(stages)) if not stages[k] & stages[k - 1]),
        None if len(stages) > 1 else 0,
    )
    if turn is None:
        raise _refusal(source, plan)
    splits = [entry.split_ms for entry in plan.stages]
    zero_ms = (plan.offset_ms or 0) + sum(splits[:turn])
    placed = _placed(
        made, stages[turn:] + stages[:turn], splits[turn:] + splits[:turn], plan, source
    )
    greens = {}
    for number, each in placed.items():
        phase = made.timing.phase(number)
        greens[number] = each.split_ms - phase.yellow_ms - phase.all_red_ms
        if greens[number] < 0:
            raise PlanFileError(
                f"{source}: phase {number} of {plan.site!r} would last {seconds(each.split_ms)} s, "
                "less than its yellow and all-red: lengthen its stage, or leave it out"
            )
    return _NodeUpdate(plan.cycle_ms, zero_ms % plan.cycle_ms, placed, greens, 0)


def _placed(
    made: UtdfSite,
    stages: Sequence[frozenset[int]],
    splits: Sequence[int],
    plan: TimingPlan,
    source: str,
) -> dict[int, RingPlace]:
    """The place of every phase; the first stage begins behind a barrier."""
    placed: dict[int, RingPlace] = {}
    barrier, position = 0, dict.fromkeys((phase.ring for phase in made.timing.phases), 0)
    for k, phases in enumerate(stages):
        before = stages[k - 1] if k else frozenset()
        if not phases & before:
            barrier, position = barrier + 1, dict.fromkeys(position, 0)
        for number in sorted(phases):
            ring = made.timing.phase(number).ring
            if number in before:
                old = placed[number]
                placed[number] = RingPlace(
                    old.barrier, ring, old.position, old.split_ms + splits[k]
                )
            elif number in placed:
                raise _refusal(source, plan)
            else:
                position[ring] += 1
                placed[number] = RingPlace(barrier, ring, position[ring], splits[k])
    return placed


def _refusal(source: str, plan: TimingPlan) -> PlanFileError:
    order = ", ".join(entry.stage for entry in plan.stages)
    return PlanFileError(
        f"{source}: the phases of {plan.site!r} in their rings cannot show its stages in the order "
        f"{order}: keep the order of the stages"
    )


def _rewritten(text: str, updates: Mapping[int, _NodeUpdate]) -> str:
    stream = io.StringIO()
    out = csv.writer(stream)
    section, last = "", ""
    header: list[str] = []
    for row in csv.reader(text.splitlines(keepends=True)):
        cells = [cell.strip() for cell in row]
        first = cells[0] if cells else ""
        if first.startswith("[") and first.endswith("]"):
            section = first[1:-1].strip().title()
            last = section if section in {"Timeplans", "Phases"} else last
            header = []
        elif not header and "RECORDNAME" in (cell.upper() for cell in cells):
            header = cells
        elif header and section in {"Timeplans", "Phases"} and any(cells):
            changed = _changed(section, header, row, updates)
            if changed is not None:
                out.writerow(changed)
            continue
        out.writerow(row)
    if last == "Phases":
        out.writerows(_offsets(updates))
    return stream.getvalue()


def _changed(
    section: str, header: Sequence[str], row: list[str], updates: Mapping[int, _NodeUpdate]
) -> list[str] | None:
    """The row as it is to be; None for one that is no longer true."""
    values = dict(zip(header, row, strict=False))
    number = values.get("INTID", "").strip()
    update = updates.get(int(number)) if number.isdecimal() else None
    record = values.get("RECORDNAME", "").strip().lower()
    if update is None:
        return row
    if section == "Timeplans":
        new = {
            "cycle length": seconds(update.cycle_ms),
            "offset": seconds(update.offset_ms),
        }.get(record)
        return row if new is None else [new if c == "DATA" else values[c] for c in header if c]
    if record in _STALE:
        return None
    if record not in {"brp", "maxgreen"}:
        return row
    return [_phase_value(record, c, values.get(c, ""), update) for c in header if c]


def _phase_value(record: str, column: str, old: str, update: _NodeUpdate) -> str:
    if not column[1:].isdecimal() or column[:1] != "D":
        return old
    placed = update.phases.get(int(column[1:]))
    if record == "brp":
        return "" if placed is None else f"{placed.barrier}{placed.ring}{placed.position}"
    return old if placed is None else seconds(update.max_greens_ms[int(column[1:])])


def _offsets(updates: Mapping[int, _NodeUpdate]) -> Iterator[list[str]]:
    yield []
    yield ["[Timeplans]"]
    yield ["Timing Plan Settings"]
    yield ["RECORDNAME", "INTID", "DATA"]
    for number, update in updates.items():
        yield ["Offset", str(number), seconds(update.offset_ms)]
