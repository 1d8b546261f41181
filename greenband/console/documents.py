"""Values of the centre as the JSON that the interface answers with; units stand in the names."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from controller import plan_json
from edge.centre.values import PlanRecord, SiteFacts, SiteLive, Vehicle
from edge.corridors.streets import Street, Streets
from edge.corridors.values import Corridor, Passage, Position, Preview
from greenband.console.audit_book import Written

Document = dict[str, Any]
ACKNOWLEDGED = frozenset({"granted", "held", "queued", "passed", "released"})
"""States of a passage that a cabinet has brought about."""


def street(each: Street) -> Document:
    """One street of the map."""
    return {
        "name": each.name,
        "label": each.label,
        "from_node": each.from_node,
        "to_node": each.to_node,
        "length_m": round(each.length_m, 1),
        "lanes": each.lanes,
        "open_to_emergency": each.open_to_emergency,
        "shape_m": [[round(x, 1), round(y, 1)] for x, y in each.shape],
    }


def site(facts: SiteFacts) -> Document:
    """What stands at a site."""
    own = facts.intersection
    return {
        "name": facts.name,
        "label": facts.label,
        "position_m": [round(each, 1) for each in facts.position],
        "groups": [{"name": each.name, "pedestrian": each.is_pedestrian} for each in own.groups],
        "stages": [
            {
                "name": each.name,
                "label": facts.stage_labels.get(each.name, ""),
                "groups": list(each.groups),
            }
            for each in own.stages
        ],
        "lane_streets": dict(facts.lane_streets),
    }


def live(each: SiteLive, now_utc_ms: int) -> Document:
    """How a site is."""
    known = [lane.queue_veh for lane in each.lanes if lane.queue_veh is not None]
    return {
        **dataclasses.asdict(each),
        "age_ms": max(0, now_utc_ms - each.utc_ms),
        "queue_veh": round(sum(known), 1) if known else None,
        "lanes": [
            {
                "lane": lane.lane,
                "queue_veh": None if lane.queue_veh is None else round(lane.queue_veh, 1),
                "confidence": round(lane.confidence, 2),
            }
            for lane in each.lanes
        ],
    }


def the_map(streets: Streets, sites: Mapping[str, SiteFacts]) -> Document:
    """All streets and all sites."""
    return {
        "name": streets.name,
        "streets": [street(each) for each in streets.streets.values()],
        "sites": [site(each) for each in sites.values()],
    }


def turns(streets: Streets, name: str) -> list[Document]:
    """The turns that the signals of site *name* let pass, with the groups that do."""
    return [
        {"from": turn.from_street, "to": turn.to_street, "groups": list(turn.groups)}
        for each in streets.turns.values()
        for turn in each
        if turn.site == name
    ]


def vehicle(each: Vehicle) -> Document:
    """A vehicle that corridors may be opened for."""
    return dataclasses.asdict(each)


def position(each: Position | None) -> Document | None:
    """Where a vehicle is."""
    return None if each is None else dataclasses.asdict(each)


def passage(each: Passage, sites: Mapping[str, SiteFacts], now_utc_ms: int) -> Document:
    """One junction of a corridor or a preview."""
    facts = sites.get(each.site)
    eta_ms = each.eta_utc_ms
    return {
        **dataclasses.asdict(each),
        "state": each.state.value,
        "label": facts.label if facts else each.site,
        "stage_label": facts.stage_labels.get(each.stage, "") if facts else "",
        "distance_m": round(each.distance_m, 1),
        "eta_s": None if eta_ms is None else round((eta_ms - now_utc_ms) / 1_000, 1),
    }


def preview(each: Preview, sites: Mapping[str, SiteFacts], now_utc_ms: int) -> Document:
    """What a corridor would be."""
    return {
        "preview_id": each.id,
        "vehicle": each.wish.vehicle,
        "role": each.wish.role,
        "level": each.wish.level,
        "from": each.wish.origin,
        "to": each.wish.destination,
        "route": list(each.route),
        "length_m": round(each.length_m, 1),
        "eta_s": round(each.eta_s, 1),
        "without_s": round(each.without_s, 1),
        "others_delay_veh_s": round(each.others_delay_s, 1),
        "remarks": list(each.remarks),
        "junctions": [passage(p, sites, now_utc_ms) for p in each.passages],
        "now_utc_ms": now_utc_ms,
        "expires_utc_ms": each.expires_utc_ms,
        "expires_s": round((each.expires_utc_ms - now_utc_ms) / 1_000, 1),
    }


def corridor(each: Corridor, sites: Mapping[str, SiteFacts], now_utc_ms: int) -> Document:
    """A corridor as it stands."""
    eta_ms = each.eta_utc_ms
    states = [p.state.value for p in each.passages]
    return {
        "id": each.id,
        "state": each.state.value,
        "over": each.state.is_over,
        "vehicle": each.wish.vehicle,
        "role": each.wish.role,
        "level": each.wish.level,
        "reason": each.wish.reason,
        "from": each.wish.origin,
        "to": each.wish.destination,
        "agency": each.caller,
        "route": list(each.route),
        "note": each.note,
        "position": position(each.position),
        "opened_utc_ms": each.opened_utc_ms,
        "until_utc_ms": each.until_utc_ms,
        "eta_utc_ms": eta_ms,
        "eta_s": None if eta_ms is None else round((eta_ms - now_utc_ms) / 1_000, 1),
        "acknowledged": sum(state in ACKNOWLEDGED for state in states),
        "unreachable": states.count("unreachable"),
        "refused": states.count("refused"),
        "junctions": [passage(p, sites, now_utc_ms) for p in each.passages],
        "now_utc_ms": now_utc_ms,
    }


def plan_record(each: PlanRecord) -> Document:
    """One plan of a site, with the plan as in its file."""
    return {
        "site": each.site,
        "sequence_no": each.sequence_no,
        "name": each.plan.name,
        "state": each.state,
        "sent_utc_ms": each.sent_utc_ms,
        "by": each.by,
        "why": each.why,
        "plan": plan_json.document(each.plan),
    }


def written(each: Written) -> Document:
    """One entry of the audit."""
    entry = each.entry
    return {
        "number": each.number,
        "utc_ms": entry.utc_ms,
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "detail": each.detail,
        "digest": each.digest,
    }
