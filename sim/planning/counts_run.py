"""Counts recorded in SUMO: what the loops of a network count in a run."""

from __future__ import annotations

import tempfile
import xml.etree.ElementTree as ET
from dataclasses import replace
from math import nan
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np

from sim.errors import SumoError
from sim.network.model import Network
from sim.planning.counts import DAY_S, Counts
from sim.run import RunSpec, run_once

_FILE = "counts.xml"
_PREFIX = "count "
"""The loops of a control may lie in the same places: two of one name SUMO does not take."""


def recorded_counts(spec: RunSpec, network: Network, interval_s: float) -> Counts:
    """What the loops of *network* count in the run *spec*, in seconds of the simulation.

    Raises what :func:`sim.run.run_once` does.
    """
    with tempfile.TemporaryDirectory(prefix="greenband-") as scratch:
        folder = Path(scratch)
        loops = folder / "count_loops.add.xml"
        loops.write_text(_counting_loops(network, interval_s, folder / _FILE), encoding="utf-8")
        run_once(replace(spec, additional=(*spec.additional, loops)))
        return _read(folder / _FILE, network, interval_s, spec)


def joined_days(days: list[tuple[int, Counts]]) -> Counts:
    """Counts of several days: each with its number after 1970-01-01 and its seconds of the day."""
    first = days[0][1]
    return replace(
        first,
        starts_s=np.concatenate([counts.starts_s + day * DAY_S for day, counts in days]),
        vehicles=np.concatenate([counts.vehicles for _, counts in days]),
        occupancy=np.concatenate([counts.occupancy for _, counts in days]),
        is_dated=True,
    )


def _counting_loops(network: Network, interval_s: float, into: Path) -> str:
    lines = [
        f"    <inductionLoop id={quoteattr(_PREFIX + loop.id)} lane={quoteattr(loop.lane)} "
        f'pos="{loop.position_m:g}" period="{interval_s:g}" file={quoteattr(str(into))} '
        'friendlyPos="true"/>'
        for junction in network.junctions
        for loop in junction.loops
    ]
    return "\n".join(["<additional>", *lines, "</additional>\n"])


def _read(path: Path, network: Network, interval_s: float, spec: RunSpec) -> Counts:
    """The whole intervals of SUMO's file; ``nVehContrib`` are the vehicles that went across."""
    detectors = tuple(loop.id for junction in network.junctions for loop in junction.loops)
    column = {_PREFIX + name: k for k, name in enumerate(detectors)}
    found: dict[float, list[tuple[int, float, float]]] = {}
    try:
        for _, element in ET.iterparse(path):
            if element.tag == "interval" and element.get("id") in column:
                begin_s, end_s = float(element.get("begin", "0")), float(element.get("end", "0"))
                if end_s - begin_s > interval_s - 0.5:
                    found.setdefault(begin_s, []).append(
                        (
                            column[element.get("id", "")],
                            float(element.get("nVehContrib", "nan")),
                            float(element.get("occupancy", "nan")) / 100.0,
                        )
                    )
                element.clear()
    except (OSError, ET.ParseError) as error:
        raise SumoError(f"{spec}: SUMO wrote no counts ({error})") from None
    if not found:
        raise SumoError(
            f"{spec}: the run is shorter than one interval of {interval_s:g} s, take a shorter one"
        )
    starts = sorted(found)
    vehicles = np.full((len(starts), len(detectors)), nan)
    occupancy = np.full_like(vehicles, nan)
    for row, start_s in enumerate(starts):
        for k, count, busy in found[start_s]:
            vehicles[row, k], occupancy[row, k] = count, min(busy, 1.0)
    return Counts(
        source=str(spec),
        interval_s=interval_s,
        starts_s=np.asarray(starts),
        detectors=detectors,
        vehicles=vehicles,
        occupancy=occupancy,
    )
