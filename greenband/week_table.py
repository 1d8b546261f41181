"""A week's plans in the terminal: how many plans pay, and which runs when."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from greenband.terminal import results

if TYPE_CHECKING:
    from rich.table import Table

    from sim.planning.week import PlannedWeek


def print_week(week: PlannedWeek) -> None:
    """Print what every number of periods costs, and the table of the week."""
    console = results()
    console.print()
    console.print(_costs(week))
    console.print(_table_of_week(week))


def day_names(days: tuple[int, ...]) -> str:
    """``Mon-Fri``, ``Sat``, or ``Mon, Wed``."""
    from sim.planning.counts import WEEKDAYS

    if len(days) > 2 and days == tuple(range(days[0], days[-1] + 1)):
        return f"{WEEKDAYS[days[0]]}-{WEEKDAYS[days[-1]]}"
    return ", ".join(WEEKDAYS[day] for day in days)


def _costs(week: PlannedWeek) -> Table:
    """Delay by number of periods: of a mean day, under plans without offsets."""
    table = _new(("days",), ("periods", "delay veh-h", "changes", "saves"))
    for days, choice in zip(week.day_types, week.choices, strict=True):
        single = choice.by_count[0].cost_veh_h
        for count, cut in enumerate(choice.by_count, 1):
            if count > choice.chosen + 2:
                break
            is_chosen = count == choice.chosen
            table.add_row(
                day_names(days) if count == 1 else "",
                f"{count}{' ←' if is_chosen else '  '}",
                f"{cut.delay_veh_h:.1f}",
                f"{cut.changes_veh_h:.1f}",
                f"{1.0 - cut.cost_veh_h / max(single, 1e-9):.1%}",
            )
    return table


def _table_of_week(week: PlannedWeek) -> Table:
    table = _new(("days", "from", "to", "plan"), ("veh/h at stop lines",))
    for k, days in enumerate(week.day_types):
        own = [period for period in week.periods if period.day_type == k]
        for number, (_, run) in enumerate(groupby(own, key=lambda period: period.plan)):
            parts = list(run)
            lasts_s = sum(each.end_s - each.begin_s for each in parts)
            vehicles = sum(each.flow_veh_per_h * (each.end_s - each.begin_s) for each in parts)
            table.add_row(
                "" if number else day_names(days),
                _clock(parts[0].begin_s),
                _clock(parts[-1].end_s),
                parts[0].plan,
                f"{vehicles / lasts_s:.0f}",
            )
    return table


def _clock(seconds: float) -> str:
    return f"{int(seconds // 3600):02}:{int(seconds % 3600 // 60):02}"


def _new(words: tuple[str, ...], numbers: tuple[str, ...]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in words:
        table.add_column(name)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table
