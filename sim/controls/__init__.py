"""The controls that the bench can run: peers to compare with, and ours.

To add one, write its ``prepare`` (a control of ours: :func:`sim.controls.loop_driven.loop_driven`)
and list it here.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping

from sim.controls.base import Control, Prepared, Setup, Step
from sim.controls.coordinated import CoordinatedNetwork, CoordinatedTacticalNetwork
from sim.controls.gated import GatedNetwork
from sim.controls.greedy import longest_queue, max_pressure, max_wave
from sim.controls.loop_driven import loop_driven
from sim.controls.native import AS_SHIPPED, PAST_STANDING, SHORTER, fixed, native
from sim.controls.planned import PLAN_SUFFIX, from_file, planned
from sim.controls.splits import SplitsControl
from sim.controls.tactical import TacticalNetwork
from sim.controls.webster import webster, webster_coordinated
from sim.errors import BenchError

__all__ = [
    "CONTROLS",
    "SEE_LOOPS_OR_NOTHING",
    "Control",
    "Prepared",
    "Setup",
    "Step",
    "choose_controls",
    "find_control",
]

_STOP_LINE_LOOP = "one loop per lane, 2 s before the stop line"
_TIME_LOSS = "time loss of every vehicle within 100 m"
_ALL = (
    Control(
        name="fixed",
        sees="nothing",
        summary="the program shipped with the network",
        prepare=fixed,
    ),
    Control(
        name="actuated",
        sees=_STOP_LINE_LOOP,
        summary="SUMO's gap-based control of the shipped stages, 5-50 s green",
        prepare=native("actuated"),
    ),
    Control(
        name="actuated_max30",
        sees=_STOP_LINE_LOOP,
        summary="the same, 5-30 s green",
        prepare=native("actuated", SHORTER),
    ),
    Control(
        name="actuated_tuned",
        sees=_STOP_LINE_LOOP,
        summary="the same, green up to 1.5 x shipped, loops ignored after 15 s occupied",
        prepare=native("actuated", PAST_STANDING),
    ),
    Control(
        name="delay_based",
        sees=_TIME_LOSS,
        summary="SUMO's delay-based control of the shipped stages, 5-50 s green",
        prepare=native("delay_based"),
    ),
    Control(
        name="delay_based_tuned",
        sees=_TIME_LOSS,
        summary="the same, green up to the shipped one",
        prepare=native("delay_based", AS_SHIPPED),
    ),
    Control(
        name="webster",
        sees="the exact demand of the window, beforehand",
        summary="SUMO's tlsCycleAdaptation.py: Webster cycle and splits per signal",
        prepare=webster,
    ),
    Control(
        name="webster_coordinated",
        sees="the exact demand of the window, beforehand",
        summary="tlsCycleAdaptation.py with one cycle, offsets from tlsCoordinator.py",
        prepare=webster_coordinated,
    ),
    *(
        Control(
            name=f"max_pressure_{seconds}",
            sees="every stopped vehicle within 200 m, up- and downstream",
            summary=f"max-pressure over the shipped stages, every {seconds} s",
            prepare=max_pressure(seconds),
        )
        for seconds in (5, 10, 20)
    ),
    *(
        Control(
            name=f"max_wave_{seconds}",
            sees="every vehicle within 50 m",
            summary=f"most vehicles first over the shipped stages, every {seconds} s",
            prepare=max_wave(seconds),
        )
        for seconds in (5, 10, 20)
    ),
    *(
        Control(
            name=f"longest_queue_{seconds}",
            sees="every stopped vehicle within 200 m upstream",
            summary=f"longest queue first over the shipped stages, every {seconds} s",
            prepare=longest_queue(seconds),
        )
        for seconds in (10, 20)
    ),
    Control(
        name="planned",
        sees="the exact demand of the window, beforehand; push buttons",
        summary="ours: cycle, splits and offsets planned together, then fixed (greenband plan)",
        prepare=planned,
        ours=True,
    ),
    Control(
        name="splits",
        sees="three loops per approach lane, and push buttons",
        summary="ours, by plans: each cycle the counts give a new cycle length and splits",
        prepare=loop_driven(SplitsControl),
        ours=True,
    ),
    Control(
        name="coordinated",
        sees="three loops per approach lane, and push buttons",
        summary="ours, by plans: every few minutes new cycles, splits and offsets for each zone",
        prepare=loop_driven(CoordinatedNetwork),
        ours=True,
        explains=True,
    ),
    Control(
        name="adaptive_coordinated",
        sees="three loops per approach lane, and push buttons",
        summary="ours: as adaptive, with green waves to be met as coordinated plans them",
        prepare=loop_driven(CoordinatedTacticalNetwork),
        ours=True,
        explains=True,
    ),
    Control(
        name="adaptive_gated",
        sees="three loops per approach lane, and push buttons",
        summary="ours: as adaptive, and fewer are let into the inner area once it is full",
        prepare=loop_driven(GatedNetwork),
        ours=True,
        explains=True,
    ),
    Control(
        name="adaptive",
        sees="three loops per approach lane, and push buttons",
        summary="ours: every second a search over the next stages and their durations",
        prepare=loop_driven(TacticalNetwork),
        ours=True,
        explains=True,
    ),
)

CONTROLS: Mapping[str, Control] = {control.name: control for control in _ALL}
SEE_LOOPS_OR_NOTHING = frozenset({"fixed", "actuated", "actuated_max30", "actuated_tuned"})
"""Peers that a street could have; the others know every vehicle, or the demand beforehand."""


def choose_controls(names: Iterable[str]) -> tuple[Control, ...]:
    """The controls called *names* in that order, once each; ``all`` stands for every one.

    A name that ends in ``.json`` is the file of a network plan.
    Raises :class:`BenchError` for an unknown name.
    """
    chosen: dict[str, Control] = {}
    for name in names:
        if name == "all":
            chosen.update(CONTROLS)
        elif name in CONTROLS:
            chosen[name] = CONTROLS[name]
        elif name.endswith(PLAN_SUFFIX):
            chosen[name] = from_file(name)
        else:
            known = ", ".join(CONTROLS)
            raise BenchError(f"unknown control {name!r}: choose from all, {known}")
    return tuple(chosen.values())


def find_control(name: str) -> Control:
    """The control called *name*, a plan file's, or what ``package.module:NAME`` names elsewhere.

    So a control that the bench does not ship, such as a peer that must be installed first, can be
    run by it, and so can a network plan (a ``.json`` file). Raises :class:`BenchError` when there
    is none of that name.
    """
    module, colon, attribute = name.partition(":")
    if not colon:
        return choose_controls([name])[0]
    try:
        control = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise BenchError(f"there is no control {name!r} to import ({error})") from None
    if not isinstance(control, Control):
        raise BenchError(f"{name!r} is not a control but {type(control).__name__}")
    return control
