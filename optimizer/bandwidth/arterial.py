"""An arterial to find a green wave for, checked as a whole.

The model and its words are those of Little, Kelson and Gartner, "MAXBAND: a program for setting
signals on arteries and triangular networks", Transportation Research Record 795, 1981. Signals are
numbered in the direction of outbound traffic. Reds, queue clearances and left turns are fractions
of the cycle. Both directions of a link have the same length and the same limits of speed, so that
a speed for each link is found that suits both.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from controller.violations import InvalidError, Violation

KMH_PER_M_PER_S = 3.6
PATTERNS = {1: "out leads", 2: "in leads", 3: "both lead", 4: "both lag"}
"""Left-turn patterns: 1 outbound left leads and inbound left lags, 2 the reverse."""
SIGNALS_MAX = 500
CHOICES_MAX = 4
CYCLE_S = (1.0, 1_000.0)
SPEED_KMH = (1.0, 300.0)
DISTANCE_M = (1.0, 100_000.0)
RATIO_MAX = 1_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Arterial:
    """Signals in a row, and what a wave through them may use; *n* signals, *n - 1* links.

    Raises :class:`~controller.violations.InvalidError`, which names every fault.
    """

    distance_m: tuple[float, ...]
    """(n - 1) from signal to signal."""
    red_outbound: tuple[float, ...]
    """(n) share of the cycle that is red for outbound through traffic."""
    red_inbound: tuple[float, ...]
    """(n) the same for inbound traffic; not looked at on a one-way street."""
    cycle_range_s: tuple[float, float]
    speed_range_kmh: tuple[tuple[float, float], ...]
    """(n - 1) lowest and highest speed of the wave on each link."""
    queue_clearance_outbound: tuple[float, ...] = ()
    """(n) by how much the outbound band is advanced at a signal, so that a queue is gone when it
    arrives; empty for none."""
    queue_clearance_inbound: tuple[float, ...] = ()
    left_turn_outbound: tuple[float, ...] = ()
    """(n) green of the outbound left turn, while inbound through traffic is red; empty for none."""
    left_turn_inbound: tuple[float, ...] = ()
    patterns: tuple[tuple[int, ...], ...] = ()
    """(n) patterns allowed at each signal, see :data:`PATTERNS`. Where there are none, the reds lie
    as ``red_centre_shift`` says."""
    red_centre_shift: tuple[float, ...] = ()
    """(n) from the centre of the inbound red to that of the outbound red, where no pattern may be
    chosen; empty for 0."""
    red_centre_choices: tuple[tuple[float, ...], ...] = ()
    """(n) up to four such shifts of which one is to be chosen, in place of ``red_centre_shift``,
    for signals without patterns; empty for none."""
    max_slowness_change_s_per_m: tuple[float, ...] = ()
    """(n - 2) how much 1/speed may change from a link to the next; empty for no limit."""
    k: float = 1.0
    """Target ratio of the inbound to the outbound band, and weight of the inbound band: below 1 the
    inbound band is at least, above 1 at most, k times the outbound one; at 1 both are equal; at 0
    only the outbound band counts."""
    one_way: bool = False
    """There is no inbound traffic at all."""
    volume_outbound_veh_per_h: tuple[float, ...] = ()
    """(n - 1) on each link, for bands per link; empty for equal volumes."""
    volume_inbound_veh_per_h: tuple[float, ...] = ()
    name: str = ""

    def __post_init__(self) -> None:
        signals, links = self.signals, self.signals - 1
        for field, default, count in (
            ("queue_clearance_outbound", 0.0, signals),
            ("queue_clearance_inbound", 0.0, signals),
            ("left_turn_outbound", 0.0, signals),
            ("left_turn_inbound", 0.0, signals),
            ("red_centre_shift", 0.0, signals),
            ("patterns", (), signals),
            ("red_centre_choices", (), signals),
            ("max_slowness_change_s_per_m", math.inf, max(0, links - 1)),
            ("volume_outbound_veh_per_h", 1.0, links),
            ("volume_inbound_veh_per_h", 1.0, links),
        ):
            if not getattr(self, field):
                object.__setattr__(self, field, (default,) * count)
        violations = tuple(_violations(self))
        if violations:
            raise InvalidError(self.name or "the arterial", violations)

    @property
    def signals(self) -> int:
        """How many signals there are."""
        return len(self.red_outbound)

    @property
    def slowness_ranges_s_per_m(self) -> tuple[tuple[float, float], ...]:
        """(n - 1) least and greatest 1/speed of each link that the limit of change leaves."""
        lows = [KMH_PER_M_PER_S / high for _, high in self.speed_range_kmh]
        highs = [KMH_PER_M_PER_S / low for low, _ in self.speed_range_kmh]
        changes = self.max_slowness_change_s_per_m
        unlimited = not changes or min(changes) == math.inf
        for order in () if unlimited else (range(1, len(lows)), range(len(lows) - 2, -1, -1)):
            for i in order:
                before = i - order.step
                limit = changes[min(i, before)]
                lows[i] = max(lows[i], lows[before] - limit)
                highs[i] = min(highs[i], highs[before] + limit)
        return tuple(zip(lows, highs, strict=True))

    def red_centre_shifts(self, signal: int) -> dict[int | None, float]:
        """Allowed pattern (or number of the choice) and shift of the red centres at *signal*."""
        allowed, choices = self.patterns[signal], self.red_centre_choices[signal]
        if not allowed and choices:
            return dict(enumerate(choices, 1))
        if not allowed:
            return {None: self.red_centre_shift[signal]}
        out, into = self.left_turn_outbound[signal], self.left_turn_inbound[signal]
        both, less = 0.5 * (out + into), 0.5 * (into - out)
        shifts = (-both, both, less, -less)
        return {pattern: shifts[pattern - 1] for pattern in allowed}


def _violations(arterial: Arterial) -> Iterator[Violation]:
    signals = arterial.signals
    if not 2 <= signals <= SIGNALS_MAX:
        yield Violation(
            "signals", "red_outbound", f"{signals} signals; a wave needs 2..{SIGNALS_MAX}"
        )
        return
    wrong = tuple(_wrong_lengths(arterial))
    yield from wrong
    if wrong:
        return
    wrong = tuple(_out_of_range(arterial))
    yield from wrong
    if wrong:
        return
    yield from _wrong_choices(arterial)
    yield from _wrong_patterns(arterial)
    yield from _contradictory_speeds(arterial)


def _wrong_lengths(arterial: Arterial) -> Iterator[Violation]:
    signals = arterial.signals
    lengths = {
        "distance_m": signals - 1,
        "speed_range_kmh": signals - 1,
        "volume_outbound_veh_per_h": signals - 1,
        "volume_inbound_veh_per_h": signals - 1,
        "max_slowness_change_s_per_m": max(0, signals - 2),
        "patterns": signals,
        "red_inbound": signals,
        "queue_clearance_outbound": signals,
        "queue_clearance_inbound": signals,
        "left_turn_outbound": signals,
        "left_turn_inbound": signals,
        "red_centre_shift": signals,
        "red_centre_choices": signals,
    }
    for field, wanted in lengths.items():
        given = len(getattr(arterial, field))
        if given != wanted:
            yield Violation(
                "length",
                field,
                f"{given} values, but {signals} signals (red_outbound) need {wanted}",
            )


def _out_of_range(arterial: Arterial) -> Iterator[Violation]:
    for field, low, high in (
        ("distance_m", *DISTANCE_M),
        ("red_outbound", 0.0, 0.999),
        ("red_inbound", 0.0, 0.999),
        ("queue_clearance_outbound", 0.0, 0.999),
        ("queue_clearance_inbound", 0.0, 0.999),
        ("left_turn_outbound", 0.0, 0.999),
        ("left_turn_inbound", 0.0, 0.999),
        ("red_centre_shift", -1.0, 1.0),
        ("max_slowness_change_s_per_m", 0.0, math.inf),
        ("volume_outbound_veh_per_h", 0.0, 1e6),
        ("volume_inbound_veh_per_h", 0.0, 1e6),
    ):
        for i, value in enumerate(getattr(arterial, field)):
            if not low <= value <= high:
                yield _range_violation(f"{field}[{i}]", value, low, high)
    yield from _wrong_range("cycle_range_s", arterial.cycle_range_s, *CYCLE_S)
    for i, pair in enumerate(arterial.speed_range_kmh):
        yield from _wrong_range(f"speed_range_kmh[{i}]", pair, *SPEED_KMH)
    if not 0.0 <= arterial.k <= RATIO_MAX:
        yield _range_violation("k", arterial.k, 0.0, RATIO_MAX)


def _wrong_choices(arterial: Arterial) -> Iterator[Violation]:
    for i, choices in enumerate(arterial.red_centre_choices):
        if len(choices) > CHOICES_MAX:
            yield Violation(
                "choices",
                f"red_centre_choices[{i}]",
                f"{len(choices)} shifts to choose from; at most {CHOICES_MAX} are possible",
            )
        for k, shift in enumerate(choices):
            if not -1.0 <= shift <= 1.0:
                yield _range_violation(f"red_centre_choices[{i}][{k}]", shift, -1.0, 1.0)


def _range_violation(where: str, value: float, low: float, high: float) -> Violation:
    return Violation("range", where, f"{value:g} is not a number in {low:g}..{high:g}")


def _wrong_range(where: str, pair: Sequence[float], low: float, high: float) -> Iterator[Violation]:
    for value in pair:
        if not low <= value <= high:
            yield _range_violation(where, value, low, high)
    if len(pair) != 2 or not pair[0] <= pair[-1]:
        yield Violation("range", where, f"{list(pair)} must be two values, the lower one first")


def _wrong_patterns(arterial: Arterial) -> Iterator[Violation]:
    for i, allowed in enumerate(arterial.patterns):
        unknown = [pattern for pattern in allowed if pattern not in PATTERNS]
        if unknown:
            yield Violation(
                "pattern", f"patterns[{i}]", f"{unknown[0]} is no left-turn pattern, give 1..4"
            )
        if not allowed:
            continue
        for left, other in (("outbound", "inbound"), ("inbound", "outbound")):
            turn = getattr(arterial, f"left_turn_{left}")[i]
            red = getattr(arterial, f"red_{other}")[i]
            if turn > red + 1e-9:
                yield Violation(
                    "left turn",
                    f"left_turn_{left}[{i}]",
                    f"{turn:g} is longer than red_{other}[{i}], {red:g}, but {other} traffic is "
                    "red throughout that turn's green; lengthen that red or shorten the turn",
                )


def _contradictory_speeds(arterial: Arterial) -> Iterator[Violation]:
    for i, (low, high) in enumerate(arterial.slowness_ranges_s_per_m):
        if low > high * (1.0 + 1e-12):
            yield Violation(
                "speeds",
                f"speed_range_kmh[{i}]",
                "no speed in this range keeps max_slowness_change_s_per_m towards the speeds of "
                "the other links; widen the range or the limit",
            )
            return
