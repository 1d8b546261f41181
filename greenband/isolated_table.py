"""Signals planned each for itself, in the terminal and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from greenband.plan_table import plain_table
from greenband.terminal import results

if TYPE_CHECKING:
    from optimizer.isolated.outcomes import Outcome
    from optimizer.isolated.solve import Timing

WAITING_MIN_VEH = 0.5
"""Fewer than this left over at the end of the period are nothing to speak of."""


@dataclass(frozen=True, slots=True)
class TimedSignal:
    """A signal, what it is to run, and what its lane groups have of it."""

    timing: Timing
    outcomes: tuple[Outcome, ...]
    present_delay_s: float | None
    """Mean delay of what it runs today, where that can be told."""

    @property
    def delay_s(self) -> float:
        """Mean control delay of all its vehicles."""
        from optimizer.isolated.outcomes import mean_delay_s

        return mean_delay_s(self.outcomes)

    @property
    def splits(self) -> str:
        """Such as ``1: 12  2: 30 | 4: 20``, with barriers, and rings set apart."""
        rings: dict[int, list[str]] = {}
        before: dict[int, int] = {}
        for phase, split in zip(self.timing.signal.phases, self.timing.splits_s, strict=True):
            row = rings.setdefault(phase.ring, [])
            if row and before[phase.ring] != phase.barrier:
                row.append("|")
            before[phase.ring] = phase.barrier
            row.append(f"{phase.name}: {split:g}")
        return "\n".join("  ".join(row) for _, row in sorted(rings.items()))


def print_isolated(name: str, signals: Sequence[TimedSignal], seconds: float) -> None:
    """Print what every signal is to run, what its lane groups have of it, and what it cannot do."""
    console = results()
    console.print()
    hours = sum(
        each.delay_s * sum(one.flow_veh_per_h for one in each.outcomes) / 3600 for each in signals
    )
    plural = "" if len(signals) == 1 else "s"
    console.print(
        f"{name}: {len(signals)} signal{plural}, each alone · {hours:.1f} veh-h/h of HCM control "
        f"delay · {seconds:.1f} s",
        soft_wrap=True,
        markup=False,
    )
    sites = plain_table(("site", "splits s"), ("cycle s", "delay s", "LOS", "today s", "proved"))
    for each in signals:
        sites.add_row(*_site_cells(each))
    console.print(sites)
    groups = plain_table(
        ("lane group",), ("veh/h", "capacity", "v/c", "delay s", "LOS", "stops", "left over")
    )
    for each in signals:
        for outcome in each.outcomes:
            groups.add_row(*_group_cells(outcome))
    console.print(groups)
    for line in _shortcomings(signals):
        console.print(f"! {line}", soft_wrap=True, markup=False)


def _site_cells(each: TimedSignal) -> Iterator[str]:
    from optimizer.isolated.outcomes import level_of_service

    yield each.timing.signal.name
    yield each.splits
    yield f"{each.timing.cycle_s:g}"
    yield f"{each.delay_s:.1f}"
    yield level_of_service(each.delay_s) if each.outcomes else ""
    yield "" if each.present_delay_s is None else f"{each.present_delay_s:.1f}"
    yield "" if each.timing.gap is None else f"{each.timing.gap:.2%}"


def _group_cells(outcome: Outcome) -> Iterator[str]:
    yield outcome.name
    yield f"{outcome.flow_veh_per_h:.0f}"
    yield f"{outcome.capacity_veh_per_h:.0f}"
    yield f"{outcome.saturation:.2f}"
    yield f"{outcome.delay_s:.1f}"
    yield outcome.level_of_service
    yield f"{outcome.stops_per_veh:.2f}"
    yield f"{outcome.residual_veh:.0f}" if outcome.residual_veh >= WAITING_MIN_VEH else ""


def _shortcomings(signals: Sequence[TimedSignal]) -> Iterator[str]:
    for each in signals:
        period_min = each.timing.signal.period_h * 60
        full = [one for one in each.outcomes if one.residual_veh >= WAITING_MIN_VEH]
        for one in sorted(full, key=lambda one: -one.saturation):
            yield (
                f"{one.name} is over capacity: {one.flow_veh_per_h:.0f} veh/h come and "
                f"{one.capacity_veh_per_h:.0f} can leave; {one.residual_veh:.0f} vehicles wait "
                f"after {period_min:g} min, gone {one.clearing_s / 60:.0f} min later if nobody came"
            )
        if full:
            yield (
                f"{each.timing.signal.name} is over capacity: its cycle and splits make the least "
                "delay, they do not spread the saturation evenly"
            )


def isolated_document(plan: dict[str, Any], signals: Sequence[TimedSignal]) -> dict[str, Any]:
    """The plan and what is expected of it, as data."""
    return {"schema": 1, "plan": plan, "signals": [_signal_document(each) for each in signals]}


def _signal_document(each: TimedSignal) -> dict[str, Any]:
    signal = each.timing.signal
    return {
        "site": signal.name,
        "cycle_s": each.timing.cycle_s,
        "phases": [
            {
                "name": phase.name,
                "ring": phase.ring + 1,
                "barrier": phase.barrier + 1,
                "split_s": split,
                "minimum_s": phase.minimum_s,
            }
            for phase, split in zip(signal.phases, each.timing.splits_s, strict=True)
        ],
        "delay_s": each.delay_s,
        "present_delay_s": each.present_delay_s,
        "gap": each.timing.gap,
        "period_h": signal.period_h,
        "lane_groups": [_group_document(outcome) for outcome in each.outcomes],
    }


def _group_document(outcome: Outcome) -> dict[str, Any]:
    values = asdict(outcome)
    for name, value in values.items():
        if isinstance(value, float) and not isfinite(value):
            values[name] = None
    return {**values, "level_of_service": outcome.level_of_service}
