"""The tables of a matrix, in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean, median

from benchmarks.published import LEARNERS, SOURCE
from benchmarks.record.plan import Group, Matrix, Runs, group
from benchmarks.record.store import Store
from sim.controls import find_control
from sim.convention import RESCO, Convention
from sim.results import RunResult
from sim.statistics import locked_runs, paired_difference

SEES_LOOPS_OR_NOTHING = frozenset({"fixed", "actuated"})
"""Peers that a street could have; the others know every vehicle, or the demand beforehand."""
NOTHING = "–"
Figure = Callable[[Sequence[RunResult]], float]


def report(matrix: Matrix, store: Store) -> str:
    """All tables of *matrix*, as far as its runs are on record."""
    parts: list[str] = []
    for convention in matrix.conventions:
        for scale in matrix.scales:
            found = group(matrix, store, convention, scale)
            parts += _section(matrix, found, convention, scale)
    return "\n\n".join(parts) + "\n"


def _section(matrix: Matrix, found: Group, convention: Convention, scale: float) -> Iterator[str]:
    names = [scenario.name for scenario in matrix.scenarios]
    quoted = convention.name == RESCO.name and scale == 1.0
    yield f"## Convention `{convention.name}`, demand × {scale:g}"
    yield _preface(matrix, found)
    yield "### Delay, s per scheduled trip, median over seeds"
    rows = {label: [_delay(runs[n], matrix) for n in names] for label, runs in found.items()}
    if quoted:
        rows |= {
            f"*{learner}* (quoted)": [str(values.get(n, NOTHING)) for n in names]
            for learner, values in LEARNERS.items()
        }
    yield table(["control", *names], rows)
    if quoted:
        yield f"*Quoted, not measured here: {SOURCE}.*"
    for title, figure, decimals in _FIGURES:
        yield f"### {title}"
        yield table(
            ["control", *names],
            {
                label: [_number(runs[n], figure, decimals) for n in names]
                for label, runs in found.items()
            },
        )
    for label in found:
        if matrix.is_ours(label):
            yield from _against(label, matrix, found, names, quoted=quoted)


_FIGURES: tuple[tuple[str, Figure, int], ...] = (
    ("Delay, s per scheduled trip, mean over seeds", lambda r: fmean(x.delay_s for x in r), 1),
    (
        "p95 of time loss, s, median over seeds",
        lambda r: median(x.p95_time_loss_s for x in r),
        0,
    ),
    ("Longest wait, s, median over seeds", lambda r: median(x.max_waiting_s for x in r), 0),
    ("Finished trips, median over seeds", lambda r: median(x.finished for x in r), 0),
    (
        "Runs that end with a vehicle locked (still for a quarter of an hour)",
        lambda r: sum(x.jammed for x in r),
        0,
    ),
)


def _preface(matrix: Matrix, found: Group) -> str:
    wanted = len(matrix.seeds)
    done = sum(len(runs.by_seed) for row in found.values() for runs in row.values())
    total = wanted * len(matrix.controls) * len(matrix.scenarios)
    lines = [
        f"{done} of {total} runs are on record, of {wanted} seeds each.",
        "`(k/n)`: in k of n runs the control finished fewer than 96 % of the trips of its best "
        f"run; shown where k > 0 or n < {wanted}.",
    ]
    if matrix.layout != "all":
        lines.append(f"Ours has the loops of layout `{matrix.layout}` only.")
    if matrix.faults:
        lines.append(f"Ours has failed detectors: {matrix.faults}.")
    seen = [f"`{label}` {find_control(matrix.controls[label]).sees}" for label in found]
    return " ".join(lines) + "\n\nWhat each control sees: " + "; ".join(seen) + "."


def _delay(runs: Runs, matrix: Matrix) -> str:
    results = list(runs.by_seed.values())
    if not results:
        return "cannot run" if runs.failure else NOTHING
    locked = locked_runs([result.finished for result in results])
    remark = f" ({locked}/{len(results)})" if locked or len(results) < len(matrix.seeds) else ""
    return f"{median(result.delay_s for result in results):.1f}{remark}"


def _number(runs: Runs, figure: Figure, decimals: int) -> str:
    results = list(runs.by_seed.values())
    return f"{figure(results):.{decimals}f}" if results else NOTHING


def _against(
    ours: str, matrix: Matrix, found: Group, names: Sequence[str], *, quoted: bool
) -> Iterator[str]:
    """How *ours* does against every peer, and against the best of them."""
    peers = [label for label in found if not matrix.is_ours(label)]
    if not peers:
        return
    yield f"### `{ours}` less each peer: delay, s, paired by seed, mean ± 95 %"
    yield table(
        ["peer", *names],
        {peer: [_difference(found[ours][n], found[peer][n]) for n in names] for peer in peers},
    )
    yield f"### `{ours}` and the best peer: median delay, s"
    yield _best(ours, found, names, peers, quoted=quoted)


def _difference(ours: Runs, peer: Runs) -> str:
    seeds = sorted(set(ours.by_seed) & set(peer.by_seed))
    if not seeds:
        return NOTHING
    found = paired_difference(
        [ours.by_seed[seed].delay_s for seed in seeds],
        [peer.by_seed[seed].delay_s for seed in seeds],
    )
    width = "" if found.half_width is None else f" ± {found.half_width:.1f}"
    return f"{found.mean:+.1f}{width} (n {found.n})"


def _best(
    ours: str, found: Group, names: Sequence[str], peers: Sequence[str], *, quoted: bool
) -> str:
    own = _medians(found[ours])
    medians = {peer: _medians(found[peer]) for peer in peers}
    humble = {peer: medians[peer] for peer in peers if peer in SEES_LOOPS_OR_NOTHING}
    rivals = {"best peer that sees loops or nothing": humble, "best peer of all": medians}
    if quoted:
        rivals["best published learner (quoted)"] = {
            learner: {name: value.delay_s for name, value in values.items()}
            for learner, values in LEARNERS.items()
        }
        everyone = {**medians, **rivals["best published learner (quoted)"]}
        rivals["best of peers and learners"] = everyone
    rows = {ours: [f"{own[n]:.1f}" if n in own else NOTHING for n in names] + [""]}
    for title, candidates in rivals.items():
        best = {n: _least(candidates, n) for n in names}
        shares = {n: own[n] / b[0] - 1 for n, b in best.items() if b and n in own and b[0] > 0}
        rows[title] = [f"{b[0]:.1f} {b[1]}" if b else NOTHING for b in best.values()] + [""]
        rows[f"{ours} against the {title}"] = [
            f"{100 * shares[n]:+.0f} %" if n in shares else NOTHING for n in names
        ] + [f"{100 * median(shares.values()):+.0f} %" if shares else NOTHING]
    return table(["", *names, "median"], rows)


def _medians(runs: Mapping[str, Runs]) -> dict[str, float]:
    return {
        name: median(result.delay_s for result in each.by_seed.values())
        for name, each in runs.items()
        if each.by_seed
    }


def _least(
    candidates: Mapping[str, Mapping[str, float]], scenario: str
) -> tuple[float, str] | None:
    """(delay, who) of the best of *candidates* on *scenario*."""
    found = [(each[scenario], who) for who, each in candidates.items() if scenario in each]
    return min(found, default=None)


def table(header: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    """A Markdown table; the keys of *rows* are its first column."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)]]
    lines += [[label, *cells] for label, cells in rows.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
