"""The JSON of ``greenband inspect``, schema 1."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from controller import plan_json, site_json
from greenband.findings import network_findings

if TYPE_CHECKING:
    from controller.intersection import Intersection
    from sim.network import Junction, Network, SignalLink


def inspection_document(target: str, network: Network) -> dict[str, object]:
    """What ``inspect --json`` writes: sites and plans in the form of their own files."""
    return {
        "schema": 1,
        "target": target,
        "junctions": [_junction_document(each) for each in network.junctions],
        "findings": [asdict(each) for each in network_findings(network)],
    }


def _junction_document(junction: Junction) -> dict[str, object]:
    return {
        "id": junction.id,
        "keep_order": junction.keep_order,
        "site": site_json.document(junction.intersection),
        "plan": plan_json.document(junction.shipped_plan),
        "links": [_link(link, junction.intersection) for link in junction.links],
        "loops": [
            {
                "id": loop.id,
                "lane": loop.lane,
                "position_m": loop.position_m,
                "detector": junction.intersection.detectors[loop.detector].name,
            }
            for loop in junction.loops
        ],
    }


def _link(link: SignalLink, site: Intersection) -> dict[str, object]:
    return {
        "index": link.index,
        "group": None if link.group is None else site.groups[link.group].name,
        "from_lane": link.from_lane,
        "to_lane": link.to_lane,
        "turn": link.turn,
    }
