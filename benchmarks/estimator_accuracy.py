"""How far the traffic estimates are from the truth, by detector layout and scenario.

Run from the root of the repository: ``python -m benchmarks.estimator_accuracy [SCENARIO ...]
[--seeds 11 12] [--layouts S SA]``. Each scenario runs once per seed under the adaptive control
while the readings of the loops and the truth are noted; every layout then estimates from the same
readings, its other loops missing. ``--keep FOLDER`` stores the notes, so that a change of the
estimator is judged on the same traffic without another run.

Truth: a vehicle is *free* while it drives at ``FREE_SHARE`` of the speed that it may; the time at
which it would have reached the stop line had it stayed so is its arrival; from then until it passes
the stop line it is in the queue, on the lane where it is. Printed are mean absolute errors per lane
and second, of the queue and of the number of arrivals in the next 5, 10 and 20 s; their root mean
square beside that of "always the mean"; and the bias. Lanes are mostly empty, so that the absolute
error alone would praise an estimate of nobody.
"""

from __future__ import annotations

import argparse
import pickle
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from controller.clock import Instant
from controller.detection import SiteReadings
from controller.intersection import DetectorRole, Intersection
from optimizer.traffic import JunctionTraffic
from sim.catalogue import fetch_scenario
from sim.controls.loop_driven import LoopDriver
from sim.controls.splits import SplitsControl
from sim.convention import FIELD
from sim.network import Junction, derive_network, loop_additional
from sim.scenario import load_scenario
from sim.simulation import Connection, Outputs, start, sumo_options

SCENARIOS = (
    *("cologne1", "cologne3", "cologne8", "ingolstadt1", "ingolstadt7", "grid4x4", "arterial"),
)
ZONE_M = 230.0
FREE_SHARE = 0.7
WARM_UP_S = 300
HORIZONS_S = (5, 10, 20)
ROLES = {"S": DetectorRole.STOP_LINE, "A": DetectorRole.ADVANCE, "E": DetectorRole.ENTRY}
LAYOUTS = ("S", "SA", "SE", "SAE", "A", "E", "")

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SiteNotes:
    """One junction of one run: what it saw, what it showed, and the truth."""

    site: Intersection
    readings: list[SiteReadings] = field(default_factory=list)
    green: list[int] = field(default_factory=list)
    queues: list[Counter[str]] = field(default_factory=list)
    """True queues by lane."""
    arrivals: list[tuple[str, float]] = field(default_factory=list)
    """(lane, free arrival at the stop line in s)."""


@dataclass(frozen=True)
class Notes:
    """One run; entries of the sites' lists are aligned with ``times_s``."""

    times_s: list[float]
    sites: list[SiteNotes]


@dataclass
class _Approaching:
    """One vehicle on its way to the signal *signal*."""

    signal: str
    lane: str
    arrival_s: float = np.inf
    was_free: bool = False
    hindered: bool = False
    arrived: bool = False


class Witness:
    """Follows every vehicle through the simulator; only for the truth, never for a control."""

    def __init__(self, connection: Connection, junctions: Sequence[Junction]) -> None:
        self._vehicle = connection.vehicle
        self._lane_of_link = {
            (junction.id, link.index): link.from_lane
            for junction in junctions
            for link in junction.links
        }
        self._stop_lane = {
            (junction.id, loop.lane): loop.stop_lanes[0]
            for junction in junctions
            for loop in junction.loops
            if len(loop.stop_lanes) == 1
        }
        self._seen: dict[str, _Approaching] = {}
        self.arrivals: dict[str, list[tuple[str, float]]] = {j.id: [] for j in junctions}
        self.queues: dict[str, list[Counter[str]]] = {j.id: [] for j in junctions}

    def note(self, now_s: float) -> None:
        """Look at all vehicles after a step."""
        for queues in self.queues.values():
            queues.append(Counter())
        vehicle = self._vehicle
        present = vehicle.getIDList()
        for name in present:
            ahead = vehicle.getNextTLS(name)
            signal, link, distance_m = ahead[0][:3] if ahead else ("", -1, np.inf)
            known = self._seen.get(name)
            if known is not None and known.signal != signal:
                self._arrive(self._seen.pop(name), now_s)
                known = None
            if distance_m <= ZONE_M and signal in self.queues:
                lane = self._lane(signal, link, vehicle.getLaneID(name))
                if known is None:
                    known = self._seen[name] = _Approaching(signal, lane)
                known.lane = lane
                self._follow(known, name, now_s, distance_m)
        for name in self._seen.keys() - set(present):
            del self._seen[name]

    def _lane(self, signal: str, link: int, lane: str) -> str:
        """The stop lane: where it is if that is certain, else where it means to go."""
        return self._stop_lane.get((signal, lane)) or self._lane_of_link[signal, link]

    def _follow(self, known: _Approaching, name: str, now_s: float, distance_m: float) -> None:
        allowed = max(self._vehicle.getAllowedSpeed(name), 0.1)
        free = self._vehicle.getSpeed(name) >= FREE_SHARE * allowed
        speeding_up = not known.was_free and self._vehicle.getAcceleration(name) > 0.1
        if known.arrival_s == np.inf or (not known.hindered and (free or speeding_up)):
            known.arrival_s = now_s + distance_m / allowed
        known.hindered = known.hindered or (known.was_free and not free)
        known.was_free = known.was_free or free
        if known.arrival_s <= now_s:
            self._arrive(known, now_s)
            self.queues[known.signal][-1][known.lane] += 1

    def _arrive(self, known: _Approaching, now_s: float) -> None:
        if not known.arrived:
            known.arrived = True
            self.arrivals[known.signal].append((known.lane, min(known.arrival_s, now_s)))


def record(name: str, seed: int) -> Notes:
    """Run the scenario called *name* and note everything."""
    fetch_scenario(name)
    scenario = load_scenario(name)
    network = derive_network(scenario.net_file, scenario.additional_files, FIELD, scenario.begin_s)
    sites = [SiteNotes(junction.intersection) for junction in network.junctions]
    times_s: list[float] = []
    with tempfile.TemporaryDirectory(prefix="greenband-") as scratch:
        folder = Path(scratch)
        loops = folder / "loops.add.xml"
        loops.write_text(loop_additional(network), encoding="utf-8")
        files = Outputs.into(folder, detail=False)
        options = sumo_options(scenario, FIELD, seed, files, additional=(loops,))
        simulation = start(options, scenario)
        driver = LoopDriver(simulation, network, SplitsControl)
        witness = Witness(simulation.connection, network.junctions)
        for _ in range(round(scenario.end_s - scenario.begin_s)):
            readings = driver.read()
            lamps = driver.decide(readings)
            driver.show(lamps)
            times_s.append(simulation.time_ms / 1_000)
            for site, seen, shown in zip(sites, readings, lamps, strict=True):
                site.readings.append(seen)
                site.green.append(shown.green)
            simulation.step()
            witness.note(simulation.time_ms / 1_000)
        simulation.close()
    for site, junction in zip(sites, network.junctions, strict=True):
        site.queues.extend([Counter(), *witness.queues[junction.id][:-1]])
        site.arrivals.extend(witness.arrivals[junction.id])
    return Notes(times_s, sites)


def with_layout(readings: SiteReadings, kept: Sequence[bool]) -> SiteReadings:
    """*readings* with everything missing that is not *kept*."""
    return SiteReadings(
        tuple(x if keep else None for x, keep in zip(readings.entered, kept, strict=True)),
        tuple(x if keep else None for x, keep in zip(readings.left, kept, strict=True)),
        tuple(x if keep else None for x, keep in zip(readings.occupied, kept, strict=True)),
    )


def truth(notes: Notes, site: SiteNotes, lanes: Sequence[str]) -> tuple[Floats, Floats]:
    """(queue: (times, lanes), arrivals: (times, horizons, lanes)) of one junction."""
    times = np.array(notes.times_s)
    queue = np.zeros((len(times), len(lanes)))
    arrivals = np.zeros((len(times), len(HORIZONS_S), len(lanes)))
    for k, lane in enumerate(lanes):
        queue[:, k] = [counts[lane] for counts in site.queues]
        come = np.sort([arrival_s for name, arrival_s in site.arrivals if name == lane])
        arrived = np.searchsorted(come, times, side="right")
        for h, horizon in enumerate(HORIZONS_S):
            later = np.searchsorted(come, times + horizon, side="right")
            arrivals[:, h, k] = later - arrived
    return queue, arrivals


def estimates(notes: Notes, site: SiteNotes, layout: str) -> tuple[Floats, Floats, list[str]]:
    """The same as :func:`truth` as estimated with the loops of *layout*, and the lanes' names."""
    roles = [ROLES[letter] for letter in layout]
    kept = [d.role in roles or d.role is DetectorRole.PUSH_BUTTON for d in site.site.detectors]
    traffic = JunctionTraffic(site.site)
    lanes = [lane.name for lane in traffic.lanes]
    queue = np.zeros((len(notes.times_s), len(lanes)))
    arrivals = np.zeros((len(notes.times_s), len(HORIZONS_S), len(lanes)))
    green = 0
    for t, time_s in enumerate(notes.times_s):
        now = Instant(round(time_s * 1000), round(time_s * 1000))
        traffic.observe(now, with_layout(site.readings[t], kept), green)
        green = site.green[t]
        queue[t], coming = traffic.forecast(max(HORIZONS_S))
        for h, horizon in enumerate(HORIZONS_S):
            arrivals[t, h] = coming[:, :horizon].sum(axis=1)
    return queue, arrivals, lanes


def errors(notes: Notes, layout: str) -> Floats:
    """(lanes, 4 x (1 + horizons)): absolute error, squared error, variance and bias of each."""
    rows = []
    for site in notes.sites:
        queue, arrivals, lanes = estimates(notes, site, layout)
        true_queue, true_arrivals = truth(notes, site, lanes)
        guess = np.concatenate([queue[:, None], arrivals], axis=1)[WARM_UP_S : -max(HORIZONS_S)]
        real = np.concatenate([true_queue[:, None], true_arrivals], axis=1)
        real = real[WARM_UP_S : -max(HORIZONS_S)]
        off = guess - real
        columns = [np.abs(off).mean(axis=0), (off**2).mean(axis=0), real.var(axis=0)]
        rows.append(np.concatenate([*columns, off.mean(axis=0)]).T)
    return np.concatenate(rows)


def notes_of(name: str, seed: int, folder: Path | None) -> Notes:
    """Recorded now, or the notes kept in *folder*."""
    if folder is None:
        return record(name, seed)
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{name}-{seed}.pickle"
    if not kept.exists():
        kept.write_bytes(pickle.dumps(record(name, seed)))
    notes: Notes = pickle.loads(kept.read_bytes())
    return notes


def report(name: str, layouts: Iterable[str], runs: Sequence[Notes]) -> None:
    """Print one line per layout."""
    for layout in layouts:
        mean = np.concatenate([errors(notes, layout) for notes in runs]).mean(axis=0)
        n = 1 + len(HORIZONS_S)
        cells = "  ".join(
            f"{mean[i]:6.3f} {np.sqrt(mean[n + i]):6.3f} /{np.sqrt(mean[2 * n + i]):6.3f}"
            f" {mean[3 * n + i]:+6.3f}"
            for i in range(n)
        )
        print(f"{name:12s} {layout or 'none':5s} {cells}", flush=True)


def main() -> None:
    """Record, estimate, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenarios", nargs="*", default=SCENARIOS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[11, 12])
    parser.add_argument("--layouts", nargs="+", choices=LAYOUTS, default=LAYOUTS)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    head = ["queue", *(f"arrivals {h} s" for h in HORIZONS_S)]
    print("mean absolute error, root mean square error / that of the mean, bias; vehicles per lane")
    print(f"{'scenario':12s} loops " + "  ".join(f"{title:28s}" for title in head))
    for name in options.scenarios:
        report(
            name, options.layouts, [notes_of(name, seed, options.keep) for seed in options.seeds]
        )


if __name__ == "__main__":
    main()
