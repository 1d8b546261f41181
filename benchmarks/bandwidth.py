"""Green waves: the exact solver against HiGHS on random arterials, and the batch path.

Run from the root of the repository: ``python -m benchmarks.bandwidth``; it takes about half an
hour, nearly all of it in HiGHS. ``--seeds 1 --sizes 5,10,20`` gives a first answer in a minute.
HiGHS runs on one thread with a time limit; where it does not finish, its best solution must not
be better than ours, nor ours better than its bound. ``--data FILE`` adds published arterials. Exit
code 1 when a target is missed: no difference above 1e-6, 500 times as fast in the median, never
slower, 400,000 arterials of 20 signals a second for a fixed cycle and fixed speeds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.arterials import Kind, random_arterial
from benchmarks.maxband_milp import solve_by_milp
from optimizer.bandwidth.arterial import Arterial
from optimizer.bandwidth.arterial_json import arterial_from
from optimizer.bandwidth.batch import fixed_waves
from optimizer.bandwidth.check import band_of, broken_limits
from optimizer.bandwidth.maxband import IMPLEMENTATION, Status, Wave, widest_wave

SIZES = (5, 8, 10, 12, 15, 20, 25, 30, 40, 60)
SEEDS = 5
TIME_LIMIT_S = 60.0
DIFFERENCE = 1e-6
RATIO = 500.0
PER_SECOND = 400_000
REPETITIONS = 3
FOOT_M = 0.3048
KMH_PER_MPH = 1.609344


def timed(arterial: Arterial) -> tuple[Wave, float]:
    """The wave and the median of some wall times."""
    seconds = []
    for _ in range(REPETITIONS):
        begin = time.perf_counter()
        wave = widest_wave(arterial)
        seconds.append(time.perf_counter() - begin)
    return wave, statistics.median(seconds)


def is_real(arterial: Arterial, wave: Wave) -> bool:
    """Whether the independent checker finds the bands, and no broken limit."""
    out, _ = band_of(arterial, wave.cycle_s, wave.speed_kmh, wave.offset_s)
    into, _ = band_of(arterial, wave.cycle_s, wave.speed_kmh, wave.offset_inbound_s, inbound=True)
    bands = wave.band_outbound, wave.band_inbound
    broken = broken_limits(arterial, wave.cycle_s, wave.speed_kmh, bands)
    return not broken and out >= bands[0] - 1e-8 and into >= bands[1] - 1e-8


def compare(arterial: Arterial, time_limit_s: float) -> dict[str, Any]:
    """One arterial by both."""
    wave, seconds = timed(arterial)
    milp = solve_by_milp(arterial, time_limit_s)
    value = wave.band_outbound + arterial.k * wave.band_inbound
    if milp.optimal:
        same = abs(value - milp.objective) <= DIFFERENCE
    else:
        same = milp.objective - DIFFERENCE <= value <= milp.bound + DIFFERENCE
    return {
        "arterial": arterial.name,
        "signals": arterial.signals,
        "value": value,
        "gap": wave.gap,
        "proved": wave.status is Status.OPTIMAL,
        "real": is_real(arterial, wave),
        "seconds": seconds,
        "highs_value": milp.objective,
        "highs_bound": milp.bound,
        "highs_proved": milp.optimal,
        "highs_seconds": milp.seconds,
        "difference": value - milp.objective,
        "same": same,
        "ratio": milp.seconds / seconds,
    }


def random_family(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Every size, kind and seed, small ones first, with progress."""
    jobs = [
        (size, kind, seed)
        for size in options.sizes
        for seed in range(options.seeds)
        for kind in Kind
    ]
    rows = []
    for done, (size, kind, seed) in enumerate(jobs, 1):
        rows.append(compare(random_arterial(size, kind, seed), options.time_limit))
        if not rows[-1]["same"] or done % 10 == 0:
            row = rows[-1]
            mark = "" if row["same"] else "   DIFFERENT"
            print(
                f"{done}/{len(jobs)} {row['arterial']}: {1e3 * row['seconds']:.2f} ms, HiGHS "
                f"{row['highs_seconds']:.2f} s, difference {row['difference']:.1e}{mark}",
                file=sys.stderr,
                flush=True,
            )
    return rows


def told(rows: list[dict[str, Any]]) -> bool:
    """Print the table of the random family; whether its targets are met."""
    print(f"{len(rows)} random arterials, {IMPLEMENTATION} against HiGHS on one thread")
    print("  signals   instances   HiGHS proved   ours, median ms (worst)   HiGHS, median s"
          "   ratio, median (least)")  # fmt: skip
    for size in sorted({row["signals"] for row in rows}):
        some = [row for row in rows if row["signals"] == size]
        ours = [1e3 * row["seconds"] for row in some]
        ratios = [row["ratio"] for row in some]
        print(
            f"  {size:7}   {len(some):9}   {sum(row['highs_proved'] for row in some):12}   "
            f"{statistics.median(ours):14.2f} ({max(ours):5.1f})   "
            f"{statistics.median(row['highs_seconds'] for row in some):15.2f}   "
            f"{statistics.median(ratios):13,.0f} ({min(ratios):,.0f})"
        )
    proved = [row for row in rows if row["highs_proved"]]
    worst = max((abs(row["difference"]) for row in proved), default=0.0)
    ratios = [row["ratio"] for row in rows]
    met = (
        all(row["same"] and row["proved"] and row["real"] for row in rows)
        and statistics.median(ratios) >= RATIO
        and min(ratios) >= 1.0
    )
    print(
        f"  largest difference {worst:.1e} over the {len(proved)} that HiGHS proved; "
        f"{sum(row['same'] for row in rows)} of {len(rows)} agree with what it proved; "
        f"{sum(row['proved'] for row in rows)} proved by us; "
        f"{sum(row['real'] for row in rows)} confirmed by the checker"
    )
    print(
        f"  {statistics.median(ratios):,.0f} times as fast in the median, {min(ratios):,.0f} at "
        f"least (targets {RATIO:g} and 1): {'met' if met else 'MISSED'}"
    )
    return met


def batch(count: int) -> tuple[float, bool]:
    """Arterials of 20 signals a second at a fixed cycle and fixed speeds, checks included."""
    rng = np.random.default_rng(1964)
    distance = rng.uniform(150.0, 600.0, (count, 19))
    red = rng.uniform(0.30, 0.45, (count, 20))
    rates = []
    for _ in range(5):
        begin = time.thread_time()
        fixed_waves(
            distance_m=distance, speed_kmh=50.0, cycle_s=90.0, red_outbound=red, red_inbound=red
        )
        rates.append(count / (time.thread_time() - begin))
    rate = statistics.median(rates)
    met = rate >= PER_SECOND
    print(
        f"fixed cycle and speeds, 20 signals, offsets included: {rate:,.0f} arterials a second on "
        f"one thread, {min(rates):,.0f} to {max(rates):,.0f} (target {PER_SECOND:,}): "
        f"{'met' if met else 'MISSED'}"
    )
    return rate, met


def published(path: Path) -> Iterator[dict[str, Any]]:
    """What is known of the arterials of *path*, and what we find."""
    instances = {each["id"]: each for each in json.loads(path.read_text())["instances"]}
    almere = instances["almere_7_signals"]
    known = almere["reference"]["variable cycle and speed"]
    without = {key: each for key, each in almere.items() if not key.startswith("queue")}
    for data, name in ((without, "no queue clearance"), (almere, "queue clearance shift")):
        want = known[name]["b"], known[name]["b_inbound"]
        yield versus(f"Almere, {name}", arterial_from(data), want)
    canal = instances["canal_street_new_orleans_1991"]
    for figure, k in (("fig5_digitised", 1.0), ("fig6_digitised", 1.2)):
        want = tuple(canal["published"][figure][f"b_{way}"] for way in ("outbound", "inbound"))
        yield versus(f"Canal Street, {figure[:4]}, 30 mph ± 10 %", canal_street(canal, k), want)


def canal_street(data: dict[str, Any], k: float) -> Arterial:
    """Its reds are read from a figure; speeds and cycle are not printed and assumed."""
    mean = 30.0 * KMH_PER_MPH
    red = tuple(data["red_fraction"]["value"])
    return Arterial(
        distance_m=tuple(FOOT_M * each for each in data["distance_ft"]),
        red_outbound=red,
        red_inbound=red,
        cycle_range_s=(60.0, 120.0),
        speed_range_kmh=((0.9 * mean, 1.1 * mean),) * (len(red) - 1),
        k=k,
    )


def versus(name: str, arterial: Arterial, want: tuple[float, ...]) -> dict[str, Any]:
    """Print and return one published arterial."""
    wave = widest_wave(arterial)
    print(
        f"{name}: {wave.band_outbound:.4f} and {wave.band_inbound:.4f} at {wave.cycle_s:.1f} s, "
        f"sum {wave.band_outbound + wave.band_inbound:.4f}, gap {wave.gap:.0e}; "
        f"known {want[0]:.4f} and {want[1]:.4f}, sum {sum(want):.4f}"
    )
    return {
        "name": name,
        "band_outbound": wave.band_outbound,
        "band_inbound": wave.band_inbound,
        "cycle_s": wave.cycle_s,
        "gap": wave.gap,
        "known": want,
    }


def sizes(text: str) -> tuple[int, ...]:
    """``5,10`` as numbers."""
    return tuple(int(each) for each in text.split(","))


def main() -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=sizes, default=SIZES, metavar="N,N")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of every size and kind")
    parser.add_argument("--time-limit", type=float, default=TIME_LIMIT_S, metavar="S")
    parser.add_argument("--batch", type=int, default=200_000, metavar="ARTERIALS")
    parser.add_argument("--data", type=Path, help="a file of published arterials")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure")
    options = parser.parse_args()
    rate, met = batch(options.batch)
    known = list(published(options.data)) if options.data else []
    rows = random_family(options)
    met &= told(rows)
    if options.json:
        document = {"random": rows, "batch_per_second": rate, "published": known}
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
