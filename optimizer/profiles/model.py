"""What a setting costs a network: delay, stops and queues of every link, by cyclic flow profiles.

The compiled model is used where it is built, the NumPy reference elsewhere or when
``GREENBAND_NO_EXT=1``; :data:`IMPLEMENTATION` says which, and it is logged on import. The law
stands in :mod:`optimizer.profiles._model_reference`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Protocol

from optimizer.kernels import implementations
from optimizer.profiles import _model_reference as columns
from optimizer.profiles._tables import Floats, Indices, Tables, Timing, tables_of, timing_of
from optimizer.profiles.network import DELAY, Objective, Setting, SignalNetwork, check_setting

EXACT = 1e-8
"""Changes of an outflow below this share of the saturation flow are not passed on."""
UPDATES_PER_LINK_MAX = 60
"""Where a loop of links does not settle, this ends it."""


class Model(Protocol):
    """What both implementations are; see :class:`~._model_reference.ReferenceModel`."""

    results: Floats
    outflow: Floats
    arrivals: Floats

    def load(self, timing: Timing, *, tolerance: float, updates_max: int) -> float:
        """Work out every link."""

    def try_changes(
        self,
        nodes: Indices,
        starts: Floats,
        sequences: Indices,
        cycles_s: Floats,
        changes: Floats,
        *,
        tolerance: float,
        updates_max: int,
    ) -> None:
        """Fill in what each candidate would change in the index."""

    def commit(
        self,
        nodes: Indices,
        starts: Floats,
        sequences: Indices,
        cycles_s: Floats,
        *,
        tolerance: float,
        updates_max: int,
    ) -> float:
        """Change the timing of some nodes."""


IMPLEMENTATIONS: dict[str, Callable[..., Model]] = implementations(
    "network model",
    "optimizer.profiles._model_kernel",
    lambda kernel: kernel.KernelModel,
    numpy=columns.ReferenceModel,
)
IMPLEMENTATION = next(iter(IMPLEMENTATIONS))


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkResult:
    """What a setting does to one link.

    ``flow_veh_per_h``: what arrives, which is less than the demand below a link that is over
    capacity. Delays are mean numbers of waiting vehicles (veh-h/h): the uniform one from the
    profile, the random one from chance and oversaturation. ``queue_veh``: how far back the queue
    stands in the mean cycle, at its longest.
    """

    name: str
    flow_veh_per_h: float
    capacity_veh_per_h: float
    uniform_delay_veh: float
    random_delay_veh: float
    stops_per_h: float
    queue_veh: float
    index: float

    @property
    def saturation(self) -> float:
        """Flow over capacity; 1 is full."""
        if self.capacity_veh_per_h > 0.0:
            return self.flow_veh_per_h / self.capacity_veh_per_h
        return inf if self.flow_veh_per_h > 0.0 else 0.0

    @property
    def delay_veh(self) -> float:
        """Mean number of vehicles that wait: veh-h of delay in an hour."""
        return self.uniform_delay_veh + self.random_delay_veh

    @property
    def delay_s_per_veh(self) -> float:
        """Mean delay of a vehicle."""
        if self.flow_veh_per_h <= 0.0:
            return 0.0
        return self.delay_veh / self.flow_veh_per_h * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What a setting does to a network; ``index`` is what the objective asks for."""

    links: tuple[LinkResult, ...]
    index: float

    @property
    def delay_veh(self) -> float:
        """Vehicle-hours of delay in an hour, all links."""
        return sum(link.delay_veh for link in self.links)

    @property
    def stops_per_h(self) -> float:
        """Stops in an hour, all links."""
        return sum(link.stops_per_h for link in self.links)

    @property
    def oversaturated(self) -> tuple[LinkResult, ...]:
        """The links that more arrives at than can leave."""
        return tuple(link for link in self.links if link.saturation > 1.0)


def evaluate(
    network: SignalNetwork,
    setting: Setting,
    objective: Objective = DELAY,
    implementation: str | None = None,
) -> Evaluation:
    """Delay, stops and queue of every link under *setting*.

    Raises :class:`ValueError` with node and fault if the setting does not fit the network.
    """
    check_setting(network, setting)
    model = new_model(network, objective, implementation, stops=True)
    return evaluated(model, network, setting)


def evaluated(model: Model, network: SignalNetwork, setting: Setting) -> Evaluation:
    """*setting*, loaded into a model of *network* that works stops out."""
    index = model.load(
        timing_of(network, setting),
        tolerance=EXACT,
        updates_max=UPDATES_PER_LINK_MAX * max(len(network.links), 1),
    )
    return Evaluation(
        links=tuple(
            LinkResult(
                name=link.name,
                flow_veh_per_h=row[columns.INFLOW],
                capacity_veh_per_h=row[columns.CAPACITY],
                uniform_delay_veh=row[columns.UNIFORM],
                random_delay_veh=row[columns.RANDOM],
                stops_per_h=row[columns.STOPS],
                queue_veh=row[columns.QUEUE],
                index=row[columns.COST],
            )
            for link, row in zip(network.links, model.results.tolist(), strict=True)
        ),
        index=index,
    )


def new_model(
    network: SignalNetwork,
    objective: Objective,
    implementation: str | None = None,
    *,
    stops: bool = False,
    tables: Tables | None = None,
) -> Model:
    """A model of *network* (as *tables*, if they are made already), not yet loaded."""
    return IMPLEMENTATIONS[implementation or IMPLEMENTATION](
        tables or tables_of(network),
        delay=objective.delay,
        stop_s=objective.stop_s,
        spillback=objective.spillback,
        stops=stops,
    )
