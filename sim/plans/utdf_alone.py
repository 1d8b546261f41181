"""The plan in a UTDF file for the sites that the file itself describes."""

from __future__ import annotations

from optimizer.planning.network import NetworkPlan
from sim.plans.read_plan import ReadPlan
from sim.plans.utdf import Utdf
from sim.plans.utdf_site import site_of_node
from sim.plans.zones import zones_by_cycle


def plan_of_utdf_alone(utdf: Utdf) -> ReadPlan:
    """What the signals of *utdf* run; errors as in :func:`sim.plans.utdf_site.site_of_node`."""
    made = [site_of_node(utdf, node) for node in utdf.signals()]
    plans = tuple(each.present for each in made)
    plan = NetworkPlan(name="UTDF", zones=zones_by_cycle(plans), plans=plans, network=utdf.source)
    return ReadPlan(plan, tuple(remark for each in made for remark in each.remarks))
