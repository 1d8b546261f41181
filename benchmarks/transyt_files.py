"""Networks as they were given to TRANSYT 11, with its listing, read from JSON.

The format: ``cycle_s``, ``steps_per_cycle``, ``period_min``, displacements and
``optimised_nodes``; ``nodes`` with ``stage_start_s`` and ``interstage_s`` (TRANSYT's *minimum stage
times*, from one start of a change to the next); ``links`` with ``greens``, flows, ``upstream`` and
``give_way``; ``listing`` with, per result, ``stage_start_s`` by node and a row by link.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.profiles.network import (
    DELAY_AND_STOPS,
    Feed,
    GiveWay,
    GreenTimes,
    Link,
    Node,
    Objective,
    Setting,
    SignalNetwork,
    check_setting,
)

DELAY_VALUE, STOP_VALUE, STOP_SPEED_KM_H = 0.36, 0.002, 43.2
"""TRANSYT 11's prices: of a pcu-h, and of a stop from 12 m/s; it rises with the speed's square."""
SPEEDS_KM_H = (30.0, 110.0)
INDEX_WITHIN = 0.03
Listing = Mapping[str, Mapping[str, float]]


class UnreadableError(Exception):
    """A file is not a TRANSYT network; says which file, what and where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A network with TRANSYT's settings and what it lists at its final ones."""

    title: str
    network: SignalNetwork
    objective: Objective
    initial: Setting
    final: Setting
    listed: Listing
    moved_splits: bool
    notes: tuple[str, ...]


def read(path: Path) -> Case:
    """The network of a file; raises :class:`UnreadableError`."""
    try:
        return _read(json.loads(path.read_text(encoding="utf-8")))
    except KeyError as error:
        raise UnreadableError(f"{path.name}: there is no {error.args[0]!r} where needed") from error
    except (TypeError, ValueError, IndexError, AttributeError, ArithmeticError) as error:
        raise UnreadableError(f"{path.name}: {error}") from error


def _read(data: Mapping[str, Any]) -> Case:
    if not data["listing"]:
        raise ValueError("'listing' is empty; a result to compare with is needed")
    results = {entry["which"]: entry for entry in data["listing"]}
    initial = results.get("initial", data["listing"][0])
    final = results.get("final", data["listing"][-1])
    before, after = (_setting(data, entry) for entry in (initial, final))
    minimum, notes = _minimums(data, before, after)
    moved_splits = any(
        not np.allclose(_durations(old, data), _durations(new, data))
        for old, new in zip(before.stage_start_s, after.stage_start_s, strict=True)
    )
    held = {str(node) for node in data["nodes"]} - {str(n) for n in data["optimised_nodes"]}
    nodes = tuple(
        Node(
            name=name,
            minimum_split_s=minimum[name],
            may_move_offset=name not in held,
            may_move_splits=name not in held,
        )
        for name in data["nodes"]
    )
    names = {name: position for position, name in enumerate(data["links"])}
    places = {name: position for position, name in enumerate(data["nodes"])}
    links = [_link(name, raw, data, names, places) for name, raw in data["links"].items()]
    weights, objective, note = _index_weights(data)
    network = SignalNetwork(
        nodes=nodes,
        links=tuple(replace(link, stop_weight=weights.get(link.name, 1.0)) for link in links),
        steps_per_cycle=int(data["steps_per_cycle"]),
        period_h=data["period_min"] / 60.0,
        start_displacement_s=float(data["start_displacement_s"]),
        end_displacement_s=float(data["end_displacement_s"]),
    )
    check_setting(network, before)
    check_setting(network, after)
    return Case(
        title=str(data.get("title", "")),
        network=network,
        objective=objective,
        initial=before,
        final=after,
        listed=final["links"],
        moved_splits=moved_splits,
        notes=(*notes, *note),
    )


def _setting(data: Mapping[str, Any], entry: Mapping[str, Any]) -> Setting:
    starts = entry["stage_start_s"]
    return Setting(
        cycle_s=float(data["cycle_s"]),
        stage_start_s=tuple(
            tuple(float(start) for start in starts.get(name, node["stage_start_s"]))
            for name, node in data["nodes"].items()
        ),
    )


def _durations(starts: Sequence[float], data: Mapping[str, Any]) -> NDArray[np.float64]:
    lasts = np.mod(np.roll(starts, -1) - np.asarray(starts), data["cycle_s"])
    return np.asarray(lasts, dtype=np.float64)


def _minimums(
    data: Mapping[str, Any], *settings: Setting
) -> tuple[dict[str, tuple[float, ...]], list[str]]:
    """The minimum stage times, lowered to what TRANSYT itself ran where that is less."""
    found, notes = {}, []
    for position, (name, node) in enumerate(data["nodes"].items()):
        given = np.array(node["interstage_s"], dtype=float)
        if len(given) != len(node["stage_start_s"]):
            raise ValueError(f"node {name}: interstage_s and stage_start_s differ in length")
        shown = given
        for setting in settings:
            if len(given) > 1:
                shown = np.minimum(shown, _durations(setting.stage_start_s[position], data))
        if (shown < given).any():
            notes.append(f"node {name}: TRANSYT's own settings are below its minimums")
        found[name] = tuple(shown.tolist())
    return found, notes


def _link(
    name: str,
    raw: Mapping[str, Any],
    data: Mapping[str, Any],
    names: Mapping[str, int],
    places: Mapping[str, int],
) -> Link:
    try:
        return _checked_link(name, raw, data, names, places)
    except KeyError as error:
        raise ValueError(f"link {name}: there is no {error.args[0]!r}") from error


def _checked_link(
    name: str,
    raw: Mapping[str, Any],
    data: Mapping[str, Any],
    names: Mapping[str, int],
    places: Mapping[str, int],
) -> Link:
    feeds = []
    for entry in raw["upstream"]:
        if str(entry["link"]) not in names:
            raise ValueError(f"link {name}: its upstream link {entry['link']} is not in the file")
        if data["links"][str(entry["link"])]["flow_pcu_h"] <= 0 or entry["flow_pcu_h"] <= 0:
            continue
        if entry["speed_km_h"] <= 0:
            raise ValueError(f"link {name}: speed_km_h {entry['speed_km_h']} is not above 0")
        # TRANSYT keeps the time at cruise speed in whole seconds.
        travel = round(raw["length_m"] / (entry["speed_km_h"] / 3.6))
        feeds.append(
            Feed(
                link=names[str(entry["link"])],
                flow_veh_per_h=float(entry["flow_pcu_h"]),
                travel_time_s=float(travel),
            )
        )
    is_signal = str(raw["node"]) in places
    if not is_signal and any(green["start_stage"] for green in raw["greens"]):
        raise ValueError(f"link {name}: its node {raw['node']} is not in the file")
    return Link(
        name=name,
        node=places[str(raw["node"])] if is_signal else None,
        greens=tuple(
            GreenTimes(
                start_stage=green["start_stage"] - 1,
                start_lag_s=float(green["start_lag_s"]),
                end_stage=green["end_stage"] - 1,
                end_lag_s=float(green["end_lag_s"]),
            )
            for green in (raw["greens"] if is_signal else ())
        ),
        saturation_veh_per_h=float(raw["saturation_flow_pcu_h"]),
        flow_veh_per_h=float(raw["flow_pcu_h"]),
        uniform_veh_per_h=float(raw["uniform_source_pcu_h"]),
        feeds=tuple(feeds),
        give_way=_give_way(name, raw.get("give_way"), names),
    )


def _give_way(name: str, raw: Mapping[str, Any] | None, names: Mapping[str, int]) -> GiveWay | None:
    if raw is None:
        return None
    opposing = [str(link) for link in raw["opposing_links"]]
    if not set(opposing) <= set(names) or len(raw["a1_a2"]) < len(opposing):
        raise ValueError(f"link {name}: gives way to {opposing} with {raw['a1_a2']}")
    return GiveWay(
        links=tuple(names[link] for link in opposing),
        slopes=tuple(float(slope) for slope in raw["a1_a2"][: len(opposing)]),
        maximum_veh_per_h=float(raw["max_flow_pcu_h"]),
        only_while_green=bool(raw["only_while_opposing_green"]),
    )


def _index_weights(
    data: Mapping[str, Any],
) -> tuple[dict[str, float], Objective, tuple[str, ...]]:
    """TRANSYT's own index: what a pcu-h costs, and a stop on each link.

    The files leave out the cruise speed of entry links: it is taken from the link's listed index.
    """
    listed: dict[str, list[tuple[float, float, float]]] = {}
    for entry in data["listing"]:
        for name, row in entry["links"].items():
            if name not in data["links"]:
                raise ValueError(f"the listing has a link {name} that is not in the file")
            delay = row["uniform_delay_pcu_h_h"] + row["random_oversat_delay_pcu_h_h"]
            # The listed stops are per cent of the flow, whatever the key says.
            stops = row["stops_pcu_h"] / 100.0 * data["links"][name]["flow_pcu_h"]
            if "pi" in row:
                listed.setdefault(name, []).append((delay, stops, row["pi"]))
    if not listed:
        return {}, DELAY_AND_STOPS, ("no listed index: a stop counts as 20 s of delay",)
    weights = {}
    for name, link in data["links"].items():
        square = _square_speed(link)
        rows = listed.get(name, [])
        stopped = sum(stops**2 for _, stops, _ in rows)
        if square <= 0.0 and stopped > 0.0:
            worth = sum((index - DELAY_VALUE * delay) * stops for delay, stops, index in rows)
            square = worth / stopped / STOP_VALUE * STOP_SPEED_KM_H**2
        square = min(max(square, SPEEDS_KM_H[0] ** 2), SPEEDS_KM_H[1] ** 2)
        weights[name] = STOP_VALUE * square / STOP_SPEED_KM_H**2
    given = sum(index for rows in listed.values() for _, _, index in rows)
    implied = sum(
        DELAY_VALUE * delay + weights[name] * stops
        for name, rows in listed.items()
        for delay, stops, _ in rows
    )
    notes: tuple[str, ...] = ()
    if abs(implied / given - 1.0) > INDEX_WITHIN:
        notes = (f"the listed index is {given / implied - 1.0:+.0%} off what its prices imply",)
    return weights, Objective(delay=DELAY_VALUE, stop_s=3600.0, spillback=0.0), notes


def _square_speed(link: Mapping[str, Any]) -> float:
    """Mean square of the cruise speeds, by flow; 0 if there is none."""
    flow = sum(entry["flow_pcu_h"] for entry in link["upstream"])
    if flow <= 0.0:
        return 0.0
    return float(
        sum(entry["flow_pcu_h"] * entry["speed_km_h"] ** 2 for entry in link["upstream"]) / flow
    )
