"""From the words of ``greenband whatif`` to the question, and its answer."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from greenband.bench import cores
from greenband.counted_demand import described, load_counts, remark
from greenband.failures import UsageError
from greenband.selection import (
    derive_scenario_network,
    get_scenario,
    parse_controls,
    parse_seeds,
)
from greenband.terminal import say
from greenband.whatif_progress import watching_ranking

if TYPE_CHECKING:
    from sim.convention import Convention
    from sim.network import Network
    from sim.scenario import Scenario
    from sim.whatif.asking import Answer, Start

COUNTED_S = 900.0
"""Of the counts the last quarter of an hour before the present is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A what-if as the user asked for it."""

    scenario: str
    state: Path | None
    at_s: float | None
    counts: Path | None
    counts_columns: str | None
    detectors: Path | None
    controls: str
    seeds: str
    minutes: float
    present: str
    convention: str
    scale: float
    routes: tuple[Path, ...] = field(default=())
    workers: int | None = None

    def command(self) -> str:
        """The command that asks it again."""
        words = ["greenband", "whatif", self.scenario]
        for option, value in (
            ("--state", self.state),
            ("--at", None if self.at_s is None else f"{self.at_s:g}"),
            ("--counts", self.counts),
            ("--counts-columns", self.counts_columns),
            ("--detectors", self.detectors),
        ):
            if value is not None:
                words += [option, str(value)]
        words += ["--controls", self.controls, "--minutes", f"{self.minutes:g}"]
        words += ["--seeds", self.seeds]
        if self.state is None and self.present != "fixed":
            words += ["--present", self.present]
        if self.convention != "field":
            words += ["--convention", self.convention]
        if self.scale != 1.0:
            words += ["--scale", f"{self.scale:g}"]
        for route in self.routes:
            words += ["--routes", str(route)]
        return shlex.join(words)


def ask_wish(wish: Wish, folder: Path) -> tuple[Answer, Network]:
    """The answer to *wish*, and the network that it is about; *folder* is for scratch files."""
    from sim.controls import CONTROLS, find_control
    from sim.convention import convention
    from sim.whatif.asking import Question, ask, check_candidates

    known = tuple(CONTROLS)
    candidates = parse_controls(wish.controls, known)
    present = parse_controls(wish.present, known)
    if len(present) != 1:
        raise UsageError(f"--present {wish.present}: one control runs until now, name one")
    seeds = parse_seeds(wish.seeds)
    if not (math.isfinite(wish.scale) and wish.scale > 0):
        raise UsageError(f"--scale {wish.scale:g}: give a factor above 0")
    rules = convention(wish.convention)
    scenario = _scenario(wish)
    network = derive_scenario_network(scenario, rules)
    check_candidates(candidates, network)
    workers = wish.workers or min(cores(), len(candidates) * len(seeds))
    setting = _Setting(scenario, rules, seeds, folder, workers)
    starts = _starts(wish, setting, network)
    question = Question(
        starts=starts,
        candidates=candidates,
        minutes=wish.minutes,
        convention=rules,
        scale=1.0 if wish.counts is not None else wish.scale,
        workers=workers,
    )
    sees = {name: find_control(name).sees for name in candidates}
    with watching_ranking(sees, len(candidates) * len(seeds)) as on_progress:
        answer = ask(question, network, folder, on_progress)
    if answer.minutes < wish.minutes - 0.01:
        say(f"{scenario.name} ends at {scenario.end_s:g} s: only {answer.minutes:g} minutes ahead")
    return answer, network


def _scenario(wish: Wish) -> Scenario:
    from sim.scenario import Scenario

    path = Path(wish.scenario)
    if wish.counts is not None and path.name.endswith((".net.xml", ".net.xml.gz")):
        name = path.name.removesuffix(".gz").removesuffix(".net.xml")
        return Scenario(
            name=name, net_file=path.resolve(), route_files=(), begin_s=0.0, end_s=math.inf
        )
    return get_scenario(wish.scenario, routes=wish.routes)


@dataclass(frozen=True, slots=True)
class _Setting:
    """What every kind of present is made with."""

    scenario: Scenario
    rules: Convention
    seeds: tuple[int, ...]
    folder: Path
    workers: int


def _starts(wish: Wish, setting: _Setting, network: Network) -> dict[int, Start]:
    from sim.run import RunSpec
    from sim.whatif.asking import Start, saved_at
    from sim.whatif.keep import Keep

    scenario, seeds = setting.scenario, setting.seeds
    if wish.state is not None:
        return dict.fromkeys(seeds, Start(scenario, wish.state))
    if wish.counts is not None:
        return _counted(wish, setting, network)
    assert wish.at_s is not None
    say(f"{scenario.name} under {wish.present} until {wish.at_s:g} s …")
    spec = RunSpec(
        scenario=scenario,
        control=wish.present,
        seed=seeds[0],
        convention=setting.rules,
        scale=wish.scale,
    )
    keep = Keep(wish.at_s, setting.folder / "present.xml.gz")
    return dict.fromkeys(seeds, saved_at(scenario, keep, spec))


def _counted(wish: Wish, setting: _Setting, network: Network) -> dict[int, Start]:
    from sim.errors import CountsError
    from sim.planning.turning import estimated_turns
    from sim.whatif.from_counts import Drawing, starts_from_counts

    assert wish.counts is not None
    _, counts, places = load_counts(
        wish.scenario, wish.counts, wish.counts_columns, wish.detectors, wish.convention
    )
    now_s = wish.at_s
    if now_s is None:
        now_s = float(counts.starts_s[-1] + counts.interval_s)
        now_s = now_s % 86_400.0 if counts.is_dated else now_s
    recent = counts.within(now_s - COUNTED_S, now_s, counts.days[-1:] if counts.is_dated else None)
    if not len(recent.starts_s):
        raise CountsError(
            f"{wish.counts}: there are no counts in the quarter of an hour before {now_s:g} s"
        )
    estimate = estimated_turns(network, recent, places)
    remark(estimate.remarks)
    say(
        f"{wish.counts}: {len(recent.detectors)} detectors until {now_s:g} s; "
        f"{described(estimate)}; warming the streets up under {wish.present} …"
    )
    drawing = Drawing(
        scenario=replace(setting.scenario, route_files=()),
        demand=estimate.demand.scaled(wish.scale),
        now_s=now_s,
        minutes=wish.minutes,
        control=wish.present,
        convention=setting.rules,
    )
    return starts_from_counts(drawing, setting.seeds, setting.folder, setting.workers)
