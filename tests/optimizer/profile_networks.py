"""Small and random networks for the tests of the network model."""

from __future__ import annotations

import numpy as np

from optimizer.profiles.network import (
    Feed,
    GiveWay,
    GreenTimes,
    Link,
    Node,
    Setting,
    SignalNetwork,
    StageSequence,
)


def one_link(
    *, green_s=30.0, cycle_s=90.0, flow=600.0, saturation=1800.0, steps=90, lag_s=0.0, **changes
):
    """A link with one green that starts with the cycle, no displacements; network and setting."""
    link = Link(
        name="a",
        node=0,
        greens=(GreenTimes(start_stage=0, start_lag_s=lag_s, end_stage=1, end_lag_s=lag_s),),
        saturation_veh_per_h=saturation,
        flow_veh_per_h=flow,
        **changes,
    )
    network = SignalNetwork(
        nodes=(Node(name="n", minimum_split_s=(5.0, 5.0)),),
        links=(link,),
        steps_per_cycle=steps,
        start_displacement_s=0.0,
        end_displacement_s=0.0,
    )
    return network, Setting(cycle_s=cycle_s, stage_start_s=((0.0, green_s),))


def random_network(seed, *, nodes=4, links=14, load=0.9, steps=30, loops=True):
    """Any network: feeds, loops, opposed turns, second greens, unsignalised links, orders."""
    rng = np.random.default_rng(seed)
    definitions = []
    for position in range(nodes):
        stages = int(rng.integers(2, 5))
        minimum = tuple(float(each) for each in rng.integers(5, 12, stages))
        others = ()
        if stages > 2 and rng.random() < 0.5:
            order = (0, *reversed(range(1, stages)))
            others = (
                StageSequence(stages=order, minimum_split_s=tuple(minimum[s] for s in order)),
            )
        definitions.append(
            Node(
                name=f"n{position}",
                minimum_split_s=minimum,
                other_sequences=others,
                cycle_factors=(0.5, 1.0) if stages == 2 and rng.random() < 0.3 else (1.0,),
            )
        )
    flows = rng.uniform(50.0, 900.0, links)
    made = []
    for position in range(links):
        node = int(rng.integers(nodes)) if rng.random() < 0.9 else None
        others = [other for other in range(links) if other != position]
        upstream = others if loops else list(range(position))
        count = min(int(rng.integers(0, 4)), len(upstream))
        feeds = tuple(
            Feed(
                link=int(other),
                flow_veh_per_h=float(flows[other] * rng.uniform(0.1, 0.5)),
                travel_time_s=float(rng.uniform(0.0, 60.0)),
            )
            for other in rng.choice(upstream, size=count, replace=False)
        )
        greens = other_greens = ()
        if node is not None:
            greens = _greens(definitions[node].sequences[0], rng)
            other_greens = tuple(
                _greens(sequence, rng) for sequence in definitions[node].other_sequences
            )
        made.append(
            Link(
                name=f"l{position}",
                node=node,
                greens=greens,
                other_greens=other_greens,
                saturation_veh_per_h=float(flows[position] / rng.uniform(0.15, load)),
                flow_veh_per_h=float(flows[position]),
                uniform_veh_per_h=float(rng.uniform(0.0, 200.0)),
                feeds=feeds,
                give_way=_give_way(upstream, rng) if rng.random() < 0.25 and upstream else None,
                storage_veh=float(rng.uniform(5.0, 60.0)),
                delay_weight=float(rng.uniform(0.5, 2.0)),
                stop_weight=float(rng.uniform(0.5, 2.0)),
            )
        )
    return SignalNetwork(nodes=tuple(definitions), links=tuple(made), steps_per_cycle=steps)


def random_setting(network, seed, *, cycle_s=72.0):
    """Stages above their minimums, at random offsets."""
    rng = np.random.default_rng(seed)
    starts = []
    for node in network.nodes:
        minimum = np.array(node.minimum_split_s)
        shares = rng.dirichlet(np.ones(len(minimum)))
        lasts = minimum + shares * (cycle_s - minimum.sum())
        first = rng.integers(0, int(cycle_s))
        starts.append(tuple(np.mod(first + np.cumsum([0.0, *lasts[:-1]]), cycle_s).tolist()))
    return Setting(cycle_s=cycle_s, stage_start_s=tuple(starts))


def _greens(sequence, rng):
    stages = sequence.stages
    found = []
    for first in rng.choice(len(stages), size=1 if rng.random() < 0.8 else 2, replace=False):
        found.append(
            GreenTimes(
                start_stage=stages[first],
                start_lag_s=float(rng.uniform(0.0, 6.0)),
                end_stage=stages[(first + 1) % len(stages)],
                end_lag_s=float(rng.uniform(-2.0, 4.0)),
            )
        )
    return tuple(found)


def _give_way(others, rng):
    chosen = rng.choice(others, size=min(2, len(others)), replace=False)
    return GiveWay(
        links=tuple(int(other) for other in chosen),
        slopes=tuple(float(slope) for slope in rng.uniform(0.1, 1.0, len(chosen))),
        maximum_veh_per_h=float(rng.uniform(600.0, 1600.0)),
        only_while_green=bool(rng.random() < 0.7),
    )
