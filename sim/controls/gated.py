"""Our adaptive control, gated at the edges of the inner area: fewer come in once it is full."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from controller.clock import Instant
from controller.detection import SiteReadings
from controller.signals import Outputs
from optimizer.delay import Floats
from optimizer.links import WHOLE_SHARE, Link
from optimizer.perimeter import Gate, PerimeterControl
from optimizer.tactical import TacticalControl, TacticalSettings
from optimizer.traffic.layout import VEHICLE_SPACING_M
from sim.controls.tactical import TacticalNetwork
from sim.network import Network

GATE_VEH_PER_S = 0.5
"""A lane at saturation."""


class GatedNetwork(TacticalNetwork):
    """As :class:`TacticalNetwork`, with one protected area: the junctions that only others feed.

    A network without such junctions has no inner area, and nothing is gated.
    """

    def __init__(
        self, network: Network, now: Instant, settings: TacticalSettings | None = None
    ) -> None:
        super().__init__(network, now, settings)
        self._by_name = {site.site.name: site.control.tactical for site in self.sites}
        inside = inner_area(network, self.links)
        gates = gates_of(inside, self.links)
        self._inside = [self._by_name[name] for name in sorted(inside)]
        self._outward = [_outward(control, inside, self.links) for control in self._inside]
        self._perimeter = None
        if gates:
            self._perimeter = PerimeterControl(
                gates, _storage_veh(self._by_name, inside, self.links)
            )
        self._ordered: dict[Gate, float] = {}

    def step(self, now: Instant, readings: Sequence[SiteReadings]) -> Sequence[Outputs]:
        """See :class:`sim.controls.loop_driven.NetworkControl`."""
        if self._perimeter is not None:
            self._gate(now, self._perimeter)
        return super().step(now, readings)

    def _gate(self, now: Instant, perimeter: PerimeterControl) -> None:
        queued = left = 0.0
        for control, outward in zip(self._inside, self._outward, strict=True):
            traffic = control.traffic
            queued += float(traffic.forecast(1)[0].sum())
            left += float(np.maximum(traffic.passed[-len(outward) :], 0) @ outward)
        perimeter.observe(queued, left)
        orders = dict(perimeter.orders())
        if orders == self._ordered:
            return
        self._ordered = orders
        for name, control in self._by_name.items():
            control.gate(now, {gate.exit: q for gate, q in orders.items() if gate.site == name})


def inner_area(network: Network, links: Sequence[Link]) -> frozenset[str]:
    """The junctions into every approach of which another one leads."""
    fed = {(link.downstream, link.approach) for link in links}
    return frozenset(
        junction.id
        for junction in network.junctions
        if all((junction.id, link.from_edge) in fed for link in junction.links)
    )


def gates_of(inside: frozenset[str], links: Sequence[Link]) -> tuple[Gate, ...]:
    """The exits through which vehicles come into the area *inside*."""
    into = [x for x in links if x.downstream in inside and x.upstream not in inside]
    exits = dict.fromkeys((link.upstream, link.exit) for link in into if link.share >= WHOLE_SHARE)
    return tuple(Gate(site=site, exit=name, most_veh_per_s=GATE_VEH_PER_S) for site, name in exits)


def _storage_veh(
    controls: dict[str, TacticalControl], inside: frozenset[str], links: Sequence[Link]
) -> float:
    streets = {(x.downstream, x.approach): x.length_m for x in links if x.downstream in inside}
    veh = 0.0
    for (name, approach), length_m in streets.items():
        layout = controls[name].traffic.layout
        lanes = sum(layout.approaches[lane.approach] == approach for lane in layout.lanes)
        veh += lanes * length_m / VEHICLE_SPACING_M
    return max(1.0, veh)


def _outward(control: TacticalControl, inside: frozenset[str], links: Sequence[Link]) -> Floats:
    """(lanes,) part of the vehicles of each lane that leaves the area."""
    name = control.site.name
    stay = {link.exit for link in links if link.upstream == name and link.downstream in inside}
    return 1.0 - control.neighbours.share_of(stay)
