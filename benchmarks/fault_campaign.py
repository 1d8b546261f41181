"""Every kind of fault a hundred times, at random moments and junctions, and what came of each.

Run from the top of the repository: ``python -m benchmarks.fault_campaign``. SUMO is the street;
cabinets, daemon, wires and broker are programs of their own on real sockets. Faults of links and
programs run in real time, as time-outs do; those of detectors and clocks in lock-step.

In every run each look at every lamp is held against the rules of the site, and each event that the
edge has stored against what a centre at the broker got and what the cabinets themselves logged.
Finished runs are kept, keyed by the code; the same command goes on where it was stopped, and ends
with the table of all of them (``--report``: the table of what there is). The exit code is 1 if a
rule was broken, an event lost or doubled, a fault not recovered from in time, or a run not made.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.fault_job import Job, job_text
from benchmarks.fault_record import RunRecord, read_record, report
from sim.catalogue import fetch_scenario, is_catalogued
from sim.convention import FIELD
from sim.errors import BenchError
from sim.hil.faults import EVERYWHERE, LINK, FaultKind
from sim.network import derive_network
from sim.scenario import load_scenario

ROOT = Path(__file__).resolve().parents[1]
_ROOMS = ("controller", "optimizer", "firmware_bridge", "edge", "sim/hil")
_SOURCES = frozenset({".py", ".pyx", ".pxd"})
_OWN = ("job", "run", "events", "record")
_PATIENCE_S = 300
"""For starting and ending a run's programs on a busy computer."""
_INTERRUPTED = 130


def code_version() -> str:
    """A hash of all code that a run's outcome depends on."""
    digest = hashlib.sha256()
    paths = [path for room in _ROOMS for path in sorted((ROOT / room).rglob("*"))]
    for path in [*paths, *(ROOT / "benchmarks" / f"fault_{name}.py" for name in _OWN)]:
        if path.suffix in _SOURCES:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Shelf:
    """Finished runs in *folder*, of the code called *version*."""

    folder: Path
    version: str

    def path(self, job: Job) -> Path:
        """Where the record of *job* is, or goes."""
        asked = hashlib.sha256(job_text(job).encode()).hexdigest()[:8]
        name = f"{job.kind}-{job.link}-{job.number}-{asked}-{self.version}.json"
        return self.folder / name

    def find(self, job: Job) -> RunRecord | None:
        """The record of *job*, if it has been made."""
        return read_record(self.path(job))


@dataclass(slots=True)
class Progress:
    """How much is done and how long the rest takes, at the pace so far."""

    total_s: float
    workers: int
    done_s: float = 0.0
    began_s: float = field(default_factory=time.monotonic)

    def line(self, job: Job, outcome: str) -> str:
        """One line about *job*, which has just ended."""
        self.done_s += job.seconds
        passed_s = time.monotonic() - self.began_s
        left_min = passed_s / self.done_s * (self.total_s - self.done_s) / 60
        share = 100 * self.done_s / self.total_s
        return f"[{share:.0f} %] {job.kind} {job.number}: {outcome}; about {left_min:.0f} min left"


def jobs_for(chosen: argparse.Namespace, shelf: Shelf) -> Iterator[Job]:
    """Runs until each kind has come often enough, by what is on *shelf* or is to be expected."""
    if is_catalogued(chosen.scenario):
        fetch_scenario(chosen.scenario)
    scenario = load_scenario(chosen.scenario)
    network = derive_network(scenario.net_file, scenario.additional_files, FIELD, scenario.begin_s)
    names = [junction.id for junction in network.junctions]
    for kind in chosen.kinds:
        for link in chosen.links:
            if link != chosen.links[0] and kind not in LINK | EVERYWHERE:
                continue  # what is behind the link is the same whatever the link
            yield from _enough(kind, link, names, chosen, shelf)


def _enough(
    kind: FaultKind, link: str, names: Sequence[str], chosen: argparse.Namespace, shelf: Shelf
) -> Iterator[Job]:
    times = number = 0
    while times < chosen.times:
        job = Job(
            kind=kind.value,
            number=number,
            scenario=chosen.scenario,
            seed=chosen.seed,
            link=link,
            broker=chosen.broker,
            seconds=chosen.seconds,
        )
        faults, record = len(job.faults(names)), shelf.find(job)
        if not faults:
            raise BenchError(f"--seconds {chosen.seconds} are too few for a fault of {kind.value}")
        yield job
        times, number = times + (faults if record is None else record.times), number + 1


def make(job: Job, shelf: Shelf) -> RunRecord | str:
    """Make the run of *job* in a process of its own: its record, or why there is none."""
    with tempfile.TemporaryDirectory() as folder:
        asked = Path(folder) / "job.json"
        asked.write_text(job_text(job), encoding="utf-8")
        words = ["benchmarks.fault_run", str(asked), str(shelf.path(job).absolute())]
        try:
            done = subprocess.run(
                [sys.executable, "-m", *words],
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=10 * job.seconds + _PATIENCE_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return "it did not end"
    said = done.stderr.strip().splitlines()
    return shelf.find(job) or (said[-1] if said else f"it ended with {done.returncode}")


def make_all(jobs: Sequence[Job], shelf: Shelf, workers: int) -> int:
    """Make those of *jobs* that are not on *shelf*; the number of runs that could not be made."""
    missing = [job for job in jobs if shelf.find(job) is None]
    _say(f"{len(jobs) - len(missing)} of {len(jobs)} runs are on record")
    progress, failed = Progress(sum(job.seconds for job in missing), workers), 0
    with ThreadPoolExecutor(workers) as pool:
        ahead = {pool.submit(make, job, shelf): job for job in missing}
        try:
            for future in as_completed(ahead):
                outcome = future.result()
                failed += isinstance(outcome, str)
                _say(progress.line(ahead[future], _in_words(outcome)))
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return failed


def _in_words(outcome: RunRecord | str) -> str:
    if isinstance(outcome, str):
        return f"not made: {outcome}"
    return (
        f"{outcome.times} faults, {len(outcome.violations)} broken rules, "
        f"{len(outcome.lost)} of {outcome.stored} events lost, {len(outcome.twice)} doubled, "
        f"{len(outcome.late)} of {len(outcome.recoveries)} back too late"
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _kinds(text: str) -> tuple[FaultKind, ...]:
    known = {kind.value: kind for kind in FaultKind}
    names = list(known) if text == "all" else text.split(",")
    unknown = [name for name in names if name not in known]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r}: choose from {', '.join(known)}")
    return tuple(known[name] for name in names)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--kinds", type=_kinds, default=_kinds("all"), help="with commas between; all")
    add("--times", type=int, default=100, help="of each kind")
    add("--links", type=lambda text: text.split(","), default=["tcp"], help="of tcp, tls and rtu")
    add("--scenario", default="arterial", help="a small one with many junctions")
    add("--seconds", type=int, default=360, help="of a run")
    add("--seed", type=int, default=1, help="draws moments, junctions and durations")
    add("--broker", choices=("mosquitto", "embedded"), default="mosquitto")
    add("--workers", type=int, default=2, help="runs at a time")
    add("--store", type=Path, default=Path("out/faults"), help="where finished runs are kept")
    add("--report", action="store_true", help="only the table of what there is")
    return parser


def main(words: Sequence[str] | None = None) -> int:
    """Make what is missing, and print the table; the exit code."""
    chosen = _parser().parse_args(words)
    chosen.store.mkdir(parents=True, exist_ok=True)
    shelf = Shelf(chosen.store, code_version())
    try:
        jobs, failed = list(jobs_for(chosen, shelf)), 0
        while not chosen.report and not failed and any(shelf.find(job) is None for job in jobs):
            failed = make_all(jobs, shelf, chosen.workers)
            jobs = list(jobs_for(chosen, shelf))  # whoever was not back yet was left out
    except BenchError as error:
        _say(str(error))
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    records = [record for job in jobs if (record := shelf.find(job)) is not None]
    print(report(records))
    return int(failed > 0 or any(not record.is_clean for record in records))


if __name__ == "__main__":
    sys.exit(main())
