"""What a run of the fault campaign has found, on disk, and the table of all of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sim.hil.faults import FaultKind
from sim.metrics import percentile

TARGET_S = 5.0
HOLD_S = {FaultKind.MISSING: 30.0}
"""What has to pass beside it: so long detectors have to work before they are believed again."""
NO_FIGURE = "–"
LINES_MAX = 8
"""Of each thing that went wrong in a run."""


def allowed_s(kind: FaultKind, start_s: float) -> float:
    """How long a junction may need to come back; *start_s* is a killed cabinet's own start."""
    return TARGET_S + start_s + HOLD_S.get(kind, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """One fault at one junction.

    ``left``: whether it ran no schedule of the edge at some look from the begin of the fault on.
    ``back_s``: from its end until a schedule ran that was sent after it, and went on to run; None
    if none did before the next fault. ``start_s`` of that is the cabinet's own start-up.
    """

    fault: str
    junction: str
    left: bool
    back_s: float | None
    start_s: float = 0.0

    def within_target(self, kind: FaultKind) -> bool:
        """Whether it came back in time."""
        return self.back_s is not None and self.back_s <= allowed_s(kind, self.start_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run with *times* faults of one *kind*.

    ``stored``: events that the edge accepted; ``lost``: those of them that neither reached the
    centre nor wait for it, and those of a cabinet that the edge left out; ``twice``: those that
    came more often than they happened.
    """

    kind: str
    number: int
    link: str
    speed: str
    scenario: str
    times: int
    looks: int
    unseen_share: float
    violations: tuple[str, ...]
    stored: int
    lost: tuple[str, ...]
    twice: tuple[str, ...]
    repeated: int
    """Messages that were sent again, and known as such by their numbers."""
    recoveries: tuple[Recovery, ...]

    @property
    def fault_kind(self) -> FaultKind:
        """The kind as what it is."""
        return FaultKind(self.kind)

    @property
    def late(self) -> tuple[Recovery, ...]:
        """What did not come back in time."""
        return tuple(r for r in self.recoveries if not r.within_target(self.fault_kind))

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong with it."""
        return not (self.violations or self.lost or self.twice or self.late)


def write_record(path: Path, record: RunRecord) -> None:
    """Write *record* so that it is there as a whole or not at all."""
    scratch = path.with_suffix(".part")
    scratch.write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")
    scratch.replace(path)


def read_record(path: Path) -> RunRecord | None:
    """The record in *path*; None if there is none that can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        content["recoveries"] = [Recovery(**each) for each in content["recoveries"]]
        for name in ("violations", "lost", "twice", "recoveries"):
            content[name] = tuple(content[name])
        return RunRecord(**content)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


_HEAD = (
    *("fault", "link", "clock", "times", "left adaptive", "broken rules", "looks", "unseen"),
    *("events", "lost", "twice", "back: median s", "p95 s", "max s", "in time"),
)


def report(records: Iterable[RunRecord]) -> str:
    """A table by kind in Markdown, and all that went wrong, line by line."""
    groups: dict[tuple[str, str], list[RunRecord]] = {}
    for record in records:
        groups.setdefault((record.kind, record.link), []).append(record)
    order = [kind.value for kind in FaultKind]
    rows = [_row(groups[key]) for key in sorted(groups, key=lambda k: (k[1], order.index(k[0])))]
    lines = [f"| {' | '.join(row)} |" for row in (_HEAD, ("---",) * len(_HEAD), *rows)]
    wrong = [line for group in groups.values() for record in group for line in _wrong(record)]
    return "\n".join([*lines, "", *wrong, *([] if wrong else ["Nothing went wrong."])]) + "\n"


def _row(records: Sequence[RunRecord]) -> tuple[str, ...]:
    recoveries = [each for record in records for each in record.recoveries]
    back_s = [each.back_s for each in recoveries if each.back_s is not None]
    late = sum(len(record.late) for record in records)
    figures = [percentile(back_s, 50), percentile(back_s, 95), max(back_s, default=0.0)]
    first = records[0]
    return (
        first.kind,
        first.link,
        first.speed,
        str(sum(record.times for record in records)),
        _share(sum(each.left for each in recoveries), len(recoveries)),
        str(sum(len(record.violations) for record in records)),
        str(sum(record.looks for record in records)),
        f"{100 * max(record.unseen_share for record in records):.1f} %",
        str(sum(record.stored for record in records)),
        str(sum(len(record.lost) for record in records)),
        str(sum(len(record.twice) for record in records)),
        *(f"{figure:.1f}" if back_s else NO_FIGURE for figure in figures),
        _share(len(recoveries) - late, len(recoveries)),
    )


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else NO_FIGURE


def _wrong(record: RunRecord) -> list[str]:
    late = []
    for each in record.late:
        back = "not back" if each.back_s is None else f"back after {each.back_s:.1f} s"
        late.append(f"{each.fault} at {each.junction}: {back}")
    where = f"- {record.kind} over {record.link}, run {record.number}"
    return [
        f"{where}: {line}"
        for what, found in (
            ("broken rule: ", record.violations),
            ("lost: ", record.lost),
            ("came twice: ", record.twice),
            ("", late),
        )
        for line in _first(what, found)
    ]


def _first(what: str, found: Sequence[str]) -> list[str]:
    lines = [f"{what}{each}" for each in found[:LINES_MAX]]
    more = len(found) - len(lines)
    return [*lines, f"{what}{more} more"] if more else lines
