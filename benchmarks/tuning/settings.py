"""Settings of the adaptive control by name, and the controls that run with them.

A choice of settings is written ``name=value``, several with commas between; ``search.`` stands
before the settings of the search. The bench finds the control with them under
``benchmarks.tuning.settings:horizon_s=40`` (:func:`sim.controls.find_control`), so the settings
are part of the key of every run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from functools import cache, partial
from itertools import product

from optimizer.search import SearchSettings
from optimizer.tactical import TacticalSettings
from sim.controls import CONTROLS, Control
from sim.controls.loop_driven import loop_driven
from sim.controls.tactical import TacticalNetwork
from sim.errors import BenchError

DEFAULT = "adaptive"
"""The label of the settings that the control has by itself."""
Value = bool | int | float
_SEARCH = "search"
_PREFIX = f"{_SEARCH}."


def defaults() -> Mapping[str, Value]:
    """Every setting that can be tried, with its default."""
    tactical, of_search = TacticalSettings(), SearchSettings()
    named = {
        field.name: getattr(tactical, field.name)
        for field in fields(tactical)
        if field.name != _SEARCH
    }
    named |= {
        f"{_PREFIX}{field.name}": getattr(of_search, field.name) for field in fields(of_search)
    }
    return {name: value for name, value in named.items() if isinstance(value, bool | int | float)}


def candidates(tries: Sequence[str], *, grid: bool = False) -> tuple[str, ...]:
    """The choices that *tries* (``name=value,value``) ask for, without the defaults.

    One setting at a time against the defaults; with *grid*, every combination. Raises
    :class:`BenchError` for what is no setting or no value of it.
    """
    values: dict[str, list[Value]] = {}
    for text in tries:
        name, _, listed = text.partition("=")
        values.setdefault(name, []).extend(_value(name, each) for each in listed.split(","))
    if grid:
        chosen = [dict(zip(values, each, strict=True)) for each in product(*values.values())]
    else:
        chosen = [{name: each} for name, those in values.items() for each in those]
    labels = dict.fromkeys(_label(each) for each in chosen)
    labels.pop("", None)
    for label in labels:
        settings_of(label)
    return tuple(labels)


def settings_of(label: str) -> TacticalSettings:
    """The settings that *label* names, the defaults for all others; raises :class:`BenchError`."""
    tactical: dict[str, Value] = {}
    of_search: dict[str, Value] = {}
    for text in label.split(","):
        name, _, value = text.partition("=")
        into = of_search if name.startswith(_PREFIX) else tactical
        into[name.removeprefix(_PREFIX)] = _value(name, value)
    try:
        search = replace(SearchSettings(), **of_search)  # type: ignore[arg-type]
        return replace(TacticalSettings(), search=search, **tactical)  # type: ignore[arg-type]
    except ValueError as error:
        raise BenchError(f"settings {label!r}: {error}") from None


@cache
def control_with(label: str) -> Control:
    """The adaptive control with the settings that *label* names."""
    ours = CONTROLS[DEFAULT]
    return replace(
        ours,
        name=label,
        summary=f"{DEFAULT} with {label}",
        prepare=loop_driven(partial(TacticalNetwork, settings=settings_of(label))),
    )


def where(label: str) -> str:
    """The name under which the bench finds the control with the settings of *label*."""
    return DEFAULT if label == DEFAULT else f"{__name__}:{label}"


def __getattr__(label: str) -> Control:
    """A control as an attribute of this module: how the process of a run finds it."""
    if "=" not in label:
        raise AttributeError(f"no settings {label!r}")
    return control_with(label)


def _label(chosen: Mapping[str, Value]) -> str:
    """What differs from the defaults, always written alike."""
    usual = defaults()
    return ",".join(
        f"{name}={str(value).lower() if isinstance(value, bool) else format(value, 'g')}"
        for name, value in sorted(chosen.items())
        if value != usual[name]
    )


def _value(name: str, text: str) -> Value:
    known = defaults()
    if name not in known:
        raise BenchError(f"unknown setting {name!r}: choose from {', '.join(known)}")
    kind = type(known[name])
    wrong = BenchError(f"setting {name!r} cannot be {text!r}: give a {_WORDS[kind]}")
    if kind is bool:
        if text not in _TRUTH:
            raise wrong
        return _TRUTH[text]
    try:
        value: Value = kind(text)
    except ValueError:
        raise wrong from None
    if not 0 <= value < math.inf:
        raise wrong
    return value


_TRUTH = {"true": True, "false": False}
_WORDS = {
    bool: "true or false",
    int: "whole number that is not negative",
    float: "number that is not negative",
}
