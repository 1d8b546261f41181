"""Waves as tables in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenband.terminal import results

if TYPE_CHECKING:
    from rich.table import Table

    from greenband.wave_json import Solved
    from optimizer.bandwidth.arterial import Arterial
    from optimizer.bandwidth.maxband import Wave

LISTED_MAX = 6
"""More arterials than this get one line each instead of a table of signals each."""


def print_waves(solved: list[Solved]) -> None:
    """Print every arterial with its signals, or a line for each of many."""
    console = results()
    if len(solved) > LISTED_MAX:
        console.print(_overview(solved))
        return
    for each in solved:
        console.print()
        console.print(_headline(each), soft_wrap=True)
        console.print(_signals(each))
        for note in notes_on(each):
            console.print(note, soft_wrap=True, markup=False)


def notes_on(solved: Solved) -> list[str]:
    """What a reader should know beside the numbers."""
    from optimizer.bandwidth.cutting import advice
    from optimizer.bandwidth.maxband import Status, Wave

    arterial, wave, notes = solved.arterial, solved.wave, []
    if wave.status is Status.NO_WAVE:
        notes.append(
            "No vehicle can pass all signals both ways without stopping, whatever the offsets: "
            "cut the arterial (--cut), or make one direction count alone (k = 0)."
        )
    turns = any(arterial.left_turn_outbound) or any(arterial.left_turn_inbound)
    if turns and not any(arterial.patterns):
        notes.append(
            "The left turns are not used: without patterns no signal may choose when they come."
        )
    if solved.cut is not None:
        notes.append(f"{advice(arterial, solved.cut).capitalize()}.")
    elif isinstance(wave, Wave) and _is_poor(arterial, wave):
        notes.append("The band is narrow for these greens: would groups do better? --cut tells.")
    return notes


def _is_poor(arterial: Arterial, wave: Wave) -> bool:
    from optimizer.bandwidth.problem import band_limits

    most = sum(band_limits(arterial))
    return not arterial.one_way and wave.band_outbound + wave.band_inbound < 0.5 * most


def _headline(solved: Solved) -> str:
    from rich.markup import escape

    arterial, wave = solved.arterial, solved.wave
    name = escape(solved.name or "arterial")
    proof = "proved" if wave.status.value == "optimal" else wave.status.value
    if isinstance(wave.band_outbound, tuple):
        bands = f"mean band {_percent(wave.value)}"
    else:
        into = "" if arterial.one_way else f", inbound {_band(wave.band_inbound, wave.cycle_s)}"
        bands = f"band outbound {_band(wave.band_outbound, wave.cycle_s)}{into}"
    return (
        f"[bold]{name}[/] · {arterial.signals} signals · cycle {wave.cycle_s:.1f} s · {bands} · "
        f"{proof}, gap {wave.gap:.1g} · {1e3 * solved.seconds:.1f} ms"
    )


def _band(band: float, cycle_s: float) -> str:
    return f"{_percent(band)} ({band * cycle_s:.1f} s)"


def _percent(band: float) -> str:
    return f"{100 * band:.1f} %"


def _signals(solved: Solved) -> Table:
    from rich import box
    from rich.table import Table

    arterial, wave = solved.arterial, solved.wave
    by_link = isinstance(wave.band_outbound, tuple)
    patterned = any(wave.pattern)
    names = ["signal", "at m", "green s", "offset s"]
    names += [] if arterial.one_way else ["green in s", "offset in s"]
    names += (["pattern"] if patterned else []) + ["next m", "km/h"]
    names += ["band out s", "band in s"] if by_link else []
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    at_m = 0.0
    for i in range(arterial.signals):
        link = i if i < arterial.signals - 1 else None
        cells = [
            f"{i + 1}",
            f"{at_m:.0f}",
            f"{(1 - arterial.red_outbound[i]) * wave.cycle_s:.1f}",
            f"{wave.offset_s[i]:.1f}",
        ]
        if not arterial.one_way:
            cells.append(f"{(1 - arterial.red_inbound[i]) * wave.cycle_s:.1f}")
            cells.append(f"{wave.offset_inbound_s[i]:.1f}")
        if patterned:
            cells.append(_pattern(wave.pattern[i]))
        if link is not None:
            cells += [f"{arterial.distance_m[link]:.0f}", f"{wave.speed_kmh[link]:.1f}"]
            at_m += arterial.distance_m[link]
            for bands in (wave.band_outbound, wave.band_inbound):
                if isinstance(bands, tuple):
                    cells.append(f"{bands[link] * wave.cycle_s:.1f}")
        table.add_row(*cells)
    return table


def _pattern(pattern: int | None) -> str:
    from optimizer.bandwidth.arterial import PATTERNS

    return "" if pattern is None else f"{pattern} {PATTERNS[pattern]}"


def _overview(solved: list[Solved]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("arterial", "signals", "cycle s", "band out", "band in", "status", "gap", "ms"):
        table.add_column(name, justify="left" if name in {"arterial", "status"} else "right")
    for number, each in enumerate(solved, 1):
        wave = each.wave
        table.add_row(
            each.name or str(number),
            str(each.arterial.signals),
            f"{wave.cycle_s:.1f}",
            _percent(_mean(wave.band_outbound)),
            _percent(_mean(wave.band_inbound)),
            wave.status.value,
            f"{wave.gap:.1g}",
            f"{1e3 * each.seconds:.1f}",
        )
    return table


def _mean(bands: float | tuple[float, ...]) -> float:
    return sum(bands) / len(bands) if isinstance(bands, tuple) else bands
