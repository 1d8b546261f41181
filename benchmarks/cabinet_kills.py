"""A cabinet killed at random moments, hundreds of times, with uploads and orders under way.

Run from the root of the repository: ``python -m benchmarks.cabinet_kills [--times N] [--seed S]``.

``greenband device`` runs in lock-step with a state folder; an edge uploads plans and schedules
stages as fast as it can, and the process gets a SIGKILL at a random moment. After every start the
plan on disk has to be the last one that was acknowledged or one that was sent after it, the lamps
have to begin with flash and red, and the lamps of each life have to be lawful to the end.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from controller import plan_json, site_json
from controller.clock import Instant
from controller.detection import SiteReadings
from controller.intersection import Intersection
from controller.plan import ScheduledStage, StageSchedule, TimingPlan
from controller.signals import Aspect
from firmware_bridge.client import CabinetClient
from firmware_bridge.ends import TcpEnd, host_and_port
from firmware_bridge.errors import LinkError
from firmware_bridge.field_client import FieldClient
from firmware_bridge.line import Line

KEY = bytes(range(32))
TICK_MS = 500
LIFE_S = (0.0, 0.4)
UTC_MS = 1_700_000_040_000


@dataclass
class Life:
    """What the street saw between two kills."""

    lamps: list[tuple[int, tuple[Aspect, ...]]] = field(default_factory=list)
    """(ms since the start, aspects), step by step."""


@dataclass
class Tally:
    """What came of all kills."""

    kills: int = 0
    attempted: int = 0
    """Number of the last plan that was sent."""
    acknowledged: int = 0
    """Number of the last plan whose acceptance was heard."""
    lives: list[Life] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def kill_many(
    site: Intersection, plan: TimingPlan, folder: Path, times: int, seed: int = 1
) -> Tally:
    """Kill the cabinet of *site* *times* times; its files are made in *folder*."""
    write_files(site, plan, folder)
    tally, rng = Tally(), random.Random(seed)

    async def all_of_them() -> None:
        for _ in range(times):
            await _one_life(site, plan, folder, tally, rng)
        async with running_device(folder) as (_, ends):
            client = CabinetClient(Line(ends[0]), 1, site, KEY)
            await _check_start(client, tally)
            await client.line.close()

    asyncio.run(all_of_them())
    return tally


def write_files(site: Intersection, plan: TimingPlan, folder: Path) -> None:
    """The files that :func:`running_device` reads in *folder*."""
    (folder / "site.json").write_text(site_json.to_json(site), encoding="utf-8")
    (folder / "plan.json").write_text(plan_json.to_json(plan), encoding="utf-8")
    (folder / "key").write_text(KEY.hex(), encoding="ascii")


async def _one_life(
    site: Intersection, plan: TimingPlan, folder: Path, tally: Tally, rng: random.Random
) -> None:
    async with running_device(folder) as (process, ends):
        client = CabinetClient(Line(ends[0]), 1, site, KEY)
        street = FieldClient(Line(ends[1]), 1, site)
        await _check_start(client, tally)
        killing = asyncio.get_running_loop().call_later(rng.uniform(*LIFE_S), process.kill)
        life = Life()
        tally.lives.append(life)
        try:
            await _live(client, street, plan, tally, life, rng)
        except LinkError:
            await asyncio.wait_for(process.wait(), 10)
            tally.kills += 1
        finally:
            killing.cancel()
            await client.line.close()
            await street.line.close()


async def _check_start(client: CabinetClient, tally: Tally) -> None:
    """After a start: what is in force on disk, and that the lamps begin with flash."""
    await client.identify()
    report = await client.report()
    if not tally.acknowledged <= report.accepted_no <= tally.attempted:
        tally.wrong.append(
            f"after {tally.kills} kills plan {report.accepted_no} was restored, acknowledged was "
            f"{tally.acknowledged}, attempted {tally.attempted}"
        )
    tally.acknowledged = report.accepted_no
    if not (await client.poll()).outputs.flash:
        tally.wrong.append(f"after {tally.kills} kills the lamps did not begin with flash")


async def _live(
    client: CabinetClient,
    street: FieldClient,
    plan: TimingPlan,
    tally: Tally,
    life: Life,
    rng: random.Random,
) -> None:
    """Traffic, schedules and uploads until the process is gone."""
    site, now, count = client.site, Instant(0, UTC_MS), len(client.site.detectors)
    while True:
        now = now.after(TICK_MS)
        came = tuple(rng.randrange(2) for _ in range(count))
        await street.see(now, SiteReadings(came, came, tuple(bool(n) for n in came)))
        if rng.random() < 0.5:
            stage = rng.choice(site.stages).name
            entry = ScheduledStage(stage=stage, duration_ms=5_000)
            await client.send_schedule(
                StageSchedule(site=site.name, start_mono_ms=now.mono_ms, entries=(entry,))
            )
        if rng.random() < 0.3:
            tally.attempted += 1
            result = await client.upload_plan(replace(plan, sequence_no=tally.attempted))
            if result.accepted:
                tally.acknowledged = result.number
            else:
                tally.wrong.append(f"plan {result.number} was refused: {result.refusal.name}")
        outputs = await street.step(now)
        life.lamps.append((now.mono_ms, outputs.aspects(site)))


@asynccontextmanager
async def running_device(
    folder: Path, *, lockstep: bool = True
) -> AsyncIterator[tuple[asyncio.subprocess.Process, list[TcpEnd]]]:
    """The cabinet as a program of its own, and where it listens: line and street."""
    words = ["--site", "site.json", "--plan", "plan.json", "--key-file", "key"]
    words += ["--tcp", "127.0.0.1:0", "--field", "127.0.0.1:0", "--state-dir", "state"]
    words += ["--lockstep"] if lockstep else []
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "greenband", "device", *words),
        cwd=folder,
        env={"PYTHONPATH": str(Path(__file__).resolve().parents[1])},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    ends: list[TcpEnd] = []
    drain = None
    try:
        while len(ends) < 2:
            line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
            if not line:
                raise RuntimeError("the cabinet did not start")
            if "listening: " in line:
                address = line.split()[-3]
                ends.append(TcpEnd(*host_and_port(address, 0)))
        drain = asyncio.create_task(process.stdout.read())
        yield process, ends
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        if drain is not None:
            await drain


def main() -> None:
    """Kill the cabinet of the benchmark's junction and say what came of it."""
    from benchmarks.controller_step import junction, plan_for

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--times", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    site = junction()
    with tempfile.TemporaryDirectory() as folder:
        tally = kill_many(site, plan_for(site).plan, Path(folder), chosen.times, chosen.seed)
    steps = sum(len(life.lamps) for life in tally.lives)
    print(
        f"{tally.kills} kills, {steps} steps, {tally.attempted} uploads sent, "
        f"{len(tally.wrong)} wrong starts"
    )
    for line in tally.wrong:
        print(f"  {line}")
    sys.exit(bool(tally.wrong))


if __name__ == "__main__":
    main()
