"""The kinds of generated town, each with one way in which control can go wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.towns.demand import ANYWHERE, CENTRE, DEMAND_S, OUTSIDE, Stream, write_demand
from benchmarks.towns.networks import arterial, divided_roads, grid, laid_out, random_streets

END_S = 2 * DEMAND_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of town: how its network is written, and its traffic in veh/h."""

    name: str
    summary: str
    network: Callable[[Path, str, int], None]
    streams: Sequence[Stream]
    walkers_per_h: float = 0.0


def build(kind: Kind, folder: Path, seed: int) -> Path:
    """Write the town into *folder* and return its ``.sumocfg``; *seed* draws streets and trips.

    Raises :class:`sim.errors.SumoError` when a tool of SUMO fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kind.network(folder, kind.name, seed)
    walkers = kind.walkers_per_h
    routes = write_demand(folder, kind.name, kind.streams, walkers_per_h=walkers, seed=seed)
    config = folder / f"{kind.name}.sumocfg"
    config.write_text(
        "<configuration>\n"
        f'    <net-file value="{kind.name}.net.xml"/>\n'
        f'    <route-files value="{",".join(routes)}"/>\n'
        f'    <begin value="0"/>\n    <end value="{END_S:g}"/>\n'
        "</configuration>\n",
        encoding="utf-8",
    )
    return config


def _random_city(folder: Path, name: str, seed: int) -> None:
    random_streets(
        folder,
        name,
        seed,
        [
            *("--rand.iterations", "110", "--rand.min-angle", "50"),
            *(
                "--rand.min-distance",
                "60",
                "--rand.max-distance",
                "150",
                "--default.lanenumber",
                "2",
                "--random-lanenumber",
            ),
            *("--turn-lanes", "1", "--turn-lanes.length", "25"),
            *("--tls.guess", "--tls.guess.threshold", "60"),
        ],
    )


def _grid_centre(folder: Path, name: str, _seed: int) -> None:
    xs_m, ys_m = (0, 110, 290, 400, 620, 720), (0, 150, 240, 430, 520, 700)
    laid_out(folder, name, *grid(xs_m, ys_m, wide=(1, 3), entry_m=250))


def _divided(folder: Path, name: str, _seed: int) -> None:
    laid_out(folder, name, *divided_roads((0, 380, 640), (0, 290, 640), entry_m=300))


def _arterial(folder: Path, name: str, _seed: int) -> None:
    xs_m = (0, 160, 280, 470, 590, 860, 970, 1_180)
    laid_out(folder, name, *arterial(xs_m, side_m=220, pocket_m=30))


def _mixed_walkers(folder: Path, name: str, seed: int) -> None:
    random_streets(
        folder,
        name,
        seed,
        [
            *("--rand.iterations", "60", "--rand.min-angle", "50"),
            *("--rand.min-distance", "100", "--rand.max-distance", "220"),
            *("--default.lanenumber", "2", "--random-lanenumber"),
            *("--sidewalks.guess", "--crossings.guess", "--tls.crossing-clearance.time", "10"),
            *("--tls.guess", "--tls.guess.threshold", "55"),
        ],
    )


def _old_town(folder: Path, name: str, seed: int) -> None:
    random_streets(
        folder,
        name,
        seed,
        [
            *("--rand.iterations", "110", "--rand.min-angle", "50", "--default.speed", "8.33"),
            *("--rand.min-distance", "40", "--rand.max-distance", "80"),
            *("--default-junction-type", "right_before_left"),
            *("--tls.guess", "--tls.guess.threshold", "33"),
        ],
    )


KINDS = (
    Kind(
        name="random_city",
        summary="irregular streets of 60-150 m with turn lanes, filling up",
        network=_random_city,
        streams=(
            Stream(veh_per_h=4_800, origin=ANYWHERE, destination=ANYWHERE),
            Stream(veh_per_h=1_000, origin=ANYWHERE, destination=CENTRE),
        ),
    ),
    Kind(
        name="grid_centre",
        summary="a grid of one-lane and two-lane streets, everyone heading for its centre",
        network=_grid_centre,
        streams=(
            Stream(veh_per_h=3_450, origin=OUTSIDE, destination=CENTRE),
            Stream(veh_per_h=2_050, origin=OUTSIDE, destination=OUTSIDE),
            Stream(veh_per_h=1_000, origin=ANYWHERE, destination=OUTSIDE),
        ),
    ),
    Kind(
        name="divided_roads",
        summary="divided roads, each crossing four nodes under one signal",
        network=_divided,
        streams=(Stream(veh_per_h=9_600, origin=OUTSIDE, destination=OUTSIDE),),
    ),
    Kind(
        name="arterial_pockets",
        summary="a main street with short left-turn pockets and heavy side streets",
        network=_arterial,
        streams=(Stream(veh_per_h=5_400, origin=OUTSIDE, destination=OUTSIDE),),
    ),
    Kind(
        name="mixed_walkers",
        summary="an uncrowded town with pedestrian crossings and walkers",
        network=_mixed_walkers,
        streams=(Stream(veh_per_h=1_500, origin=ANYWHERE, destination=ANYWHERE),),
        walkers_per_h=1_500,
    ),
    Kind(
        name="old_town",
        summary="blocks of 40-80 m, single lanes, right before left between the signals",
        network=_old_town,
        streams=(
            Stream(veh_per_h=2_500, origin=ANYWHERE, destination=ANYWHERE),
            Stream(veh_per_h=550, origin=ANYWHERE, destination=CENTRE),
        ),
    ),
)
