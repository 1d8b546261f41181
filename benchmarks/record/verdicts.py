"""How a control of ours does against its peers, and against itself with fewer detectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median

from benchmarks.published import LEARNERS
from benchmarks.record.markdown import NOTHING, table
from benchmarks.record.plan import Group, Matrix, Runs
from sim.controls import SEE_LOOPS_OR_NOTHING
from sim.results import RunResult
from sim.statistics import paired_difference

Value = Callable[[RunResult], float]
Medians = Mapping[str, float]
"""The median over seeds of some figure, by the name of the scenario."""


def _delay(result: RunResult) -> float:
    return result.delay_s


_WAITS: tuple[tuple[str, Value], ...] = (
    ("p95 of wait, s", lambda result: result.p95_waiting_s),
    ("longest wait, s", lambda result: result.max_waiting_s),
)


def against(
    ours: str, matrix: Matrix, found: Group, names: Sequence[str], *, quoted: bool
) -> Iterator[str]:
    """How the control *ours* does against every peer, and against the best of them."""
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
    yield f"### `{ours}` and the peer of least delay: waits, median over seeds"
    yield _waits(ours, found, names, peers)
    yield f"### `{ours}` and the peer that finishes most trips: median over seeds"
    yield _throughput(ours, found, names, peers)


def detection_loss(matrix: Matrix, found: Group, names: Sequence[str]) -> Iterator[str]:
    """What fewer or failed detectors cost: each label of ``matrix.detection`` against the rest."""
    reduced = [label for label in found if label in matrix.detection]
    whole = [
        label
        for label in found
        if label not in matrix.detection
        and any(matrix.controls[label] == matrix.controls[other] for other in reduced)
    ]
    references = [*whole, *(["fixed"] if "fixed" in found else [])]
    if not reduced or not references:
        return
    yield "### Fewer detectors: median delay against all detectors, and against the shipped plan"
    rows: dict[str, list[str]] = {}
    for label in reduced:
        own = _medians(found[label])
        for reference in references:
            other = _medians(found[reference])
            rows[f"{label} against {reference}"] = _shares(own, other, names, decimals=1)
    yield table(["", *names, "median", "worst"], rows)


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
    rows = {ours: _values(own, names, 1)}
    for title, candidates in _rivals(found, peers, quoted=quoted).items():
        best = {n: b for n in names if (b := _least(candidates, n))}
        rows[title] = [f"{best[n][0]:.1f} {best[n][1]}" if n in best else NOTHING for n in names]
        rows[title] += ["", ""]
        rows[f"{ours} against the {title}"] = _shares(
            own, {n: delay_s for n, (delay_s, _) in best.items()}, names
        )
    return table(["", *names, "median", "worst"], rows)


def _rivals(
    found: Group, peers: Sequence[str], *, quoted: bool
) -> Mapping[str, Mapping[str, Medians]]:
    """Groups of candidates, by what the best of them is called."""
    medians = {peer: _medians(found[peer]) for peer in peers}
    humble = {peer: medians[peer] for peer in peers if peer in SEE_LOOPS_OR_NOTHING}
    rivals = {
        "best peer that sees loops or nothing": humble,
        "best peer that sees more": {p: medians[p] for p in peers if p not in humble},
        "best peer of all": medians,
    }
    if quoted:
        learners = {
            learner: {name: value.delay_s for name, value in values.items()}
            for learner, values in LEARNERS.items()
        }
        rivals["best published learner (quoted)"] = learners
        rivals["best of peers and learners"] = {**medians, **learners}
    return rivals


def _waits(ours: str, found: Group, names: Sequence[str], peers: Sequence[str]) -> str:
    """The waits of the peer that is best by delay, whoever waits least elsewhere."""
    delays = {peer: _medians(found[peer]) for peer in peers}
    best = {n: b[1] for n in names if (b := _least(delays, n))}
    rows: dict[str, list[str]] = {}
    for title, value in _WAITS:
        own = _medians(found[ours], value)
        peer = {n: _medians(found[who], value)[n] for n, who in best.items()}
        rows[f"{ours}: {title}"] = _values(own, names, 0)
        rows[f"peer of least delay: {title}"] = [
            f"{peer[n]:.0f} {best[n]}" if n in best else NOTHING for n in names
        ] + ["", ""]
        rows[f"{ours} against it: {title}"] = _shares(own, peer, names)
    return table(["", *names, "median", "worst"], rows)


def _throughput(ours: str, found: Group, names: Sequence[str], peers: Sequence[str]) -> str:
    own = _medians(found[ours], _finished)
    finished = {peer: _medians(found[peer], _finished) for peer in peers}
    best = {n: b for n in names if (b := _most(finished, n))}
    rows = {
        ours: _values(own, names, 0),
        "most of any peer": [
            f"{best[n][0]:.0f} {best[n][1]}" if n in best else NOTHING for n in names
        ]
        + ["", ""],
        f"{ours} against it": _shares(
            own, {n: b[0] for n, b in best.items()}, names, decimals=1, worst=min
        ),
    }
    return table(["finished trips", *names, "median", "worst"], rows)


def _finished(result: RunResult) -> float:
    return result.finished


def _medians(runs: Mapping[str, Runs], value: Value = _delay) -> dict[str, float]:
    return {
        name: median(value(result) for result in each.by_seed.values())
        for name, each in runs.items()
        if each.by_seed
    }


def _values(medians: Medians, names: Sequence[str], decimals: int) -> list[str]:
    return [f"{medians[n]:.{decimals}f}" if n in medians else NOTHING for n in names] + ["", ""]


def _shares(
    own: Medians,
    other: Medians,
    names: Sequence[str],
    *,
    decimals: int = 0,
    worst: Callable[[Sequence[float]], float] = max,
) -> list[str]:
    """How much more *own* is than *other*, in %: by scenario, their median, and the worst."""
    shares = {n: own[n] / other[n] - 1 for n in names if n in own and other.get(n, 0) > 0}
    cells = [f"{100 * shares[n]:+.{decimals}f} %" if n in shares else NOTHING for n in names]
    if not shares:
        return [*cells, NOTHING, NOTHING]
    values = list(shares.values())
    return cells + [f"{100 * f(values):+.{decimals}f} %" for f in (median, worst)]


def _least(candidates: Mapping[str, Medians], scenario: str) -> tuple[float, str] | None:
    """(figure, who) of the least of *candidates* on *scenario*."""
    found = [(each[scenario], who) for who, each in candidates.items() if scenario in each]
    return min(found, default=None)


def _most(candidates: Mapping[str, Medians], scenario: str) -> tuple[float, str] | None:
    """(figure, who) of the greatest of *candidates* on *scenario*."""
    found = [(each[scenario], who) for who, each in candidates.items() if scenario in each]
    return max(found, default=None)
