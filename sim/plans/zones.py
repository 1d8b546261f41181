"""Network plans from single ones: what a network ships, and zones where nobody has named any."""

from __future__ import annotations

from collections.abc import Sequence

from controller.plan import TimingPlan
from optimizer.planning.network import NetworkPlan, Zone
from sim.network.model import Network


def shipped_network_plan(network: Network, spec: str) -> NetworkPlan:
    """What the signals of *network*, which is called *spec*, run today."""
    plans = tuple(junction.shipped_plan for junction in network.junctions)
    return NetworkPlan(name="shipped", zones=zones_by_cycle(plans), plans=plans, network=spec)


def zones_by_cycle(plans: Sequence[TimingPlan]) -> tuple[Zone, ...]:
    """One zone for each cycle that coordinated *plans* have, the longest first."""
    cycles = sorted({plan.cycle_ms for plan in plans if plan.offset_ms is not None}, reverse=True)
    return tuple(
        Zone(
            name=str(number),
            cycle_s=cycle_ms / 1000,
            sites=tuple(
                plan.site
                for plan in plans
                if plan.cycle_ms == cycle_ms and plan.offset_ms is not None
            ),
        )
        for number, cycle_ms in enumerate(cycles, 1)
    )
