"""A network plan as it was read from somebody's file, with what had to be said about it."""

from __future__ import annotations

from dataclasses import dataclass

from optimizer.planning.network import NetworkPlan
from sim.network.model import Finding


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """The plan, and how what the file has was read where that is not plain."""

    plan: NetworkPlan
    remarks: tuple[Finding, ...] = ()
