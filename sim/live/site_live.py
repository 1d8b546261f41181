"""How one simulated junction is, in the words of a centre."""

from __future__ import annotations

from collections.abc import Mapping

from controller.clock import Instant
from edge.centre.values import LaneLive, SiteFacts, SiteLive
from edge.corridors.values import SiteView
from optimizer.explain import PLAN_IN_FORCE
from sim.corridors.wiring import CorridorSite
from sim.decisions import DecisionNote
from sim.network import Junction, Network

LABEL_MAX = 32
"""Of a junction joined from many nodes the network's own name goes on and on."""
WORKS = 0.05
"""A lane of which less than this is sure has no detector that works."""


class SiteWatch:
    """Looks at one junction once a second."""

    def __init__(self, corridor_site: CorridorSite) -> None:
        self._site = corridor_site
        self.note: DecisionNote | None = None
        """The last change that was decided, and why."""
        self.plan = "shipped"

    def live(self, now: Instant, view: SiteView) -> SiteLive:
        """How it is at *now*; *view* as the corridor desk sees it."""
        tactical = self._site.tactical
        traffic = tactical.control.tactical.traffic
        confidence = traffic.confidence.tolist()
        working = [each for each in confidence if each > WORKS]
        lost = self.note is not None and self.note.limit == PLAN_IN_FORCE
        held = self._site.calls.active is not None
        faults = {each.message for each in tactical.control.tactical.faults()}
        shown = tactical.state.shown
        return SiteLive(
            site=tactical.site.name,
            utc_ms=now.utc_ms,
            reachable=True,
            stage=view.stage,
            green_ms=view.green_ms,
            aspects=tuple(each.value for each in shown.aspects(tactical.site)),
            mode=tactical.state.mode.value,
            command="priority call" if held else "plan" if lost else "adaptive control",
            rung="coordinated" if lost else "adaptive",
            rung_why="no detector works" if lost else "",
            decision=self._why(held),
            limit=self.note.limit if self.note else "",
            lanes=tuple(
                LaneLive(lane=lane.name, queue_veh=queue if sure > WORKS else None, confidence=sure)
                for lane, queue, sure in zip(traffic.lanes, view.queue_veh, confidence, strict=True)
            ),
            detection=len(working) / len(confidence) if confidence else None,
            faults=tuple(sorted(faults | {each.message for each in shown.faults})),
            plan=self.plan,
        )

    def _why(self, held: bool) -> str:
        if held:
            call = self._site.calls.active
            stage = self._site.tactical.site.stages[call.stage].name if call else ""
            return f"priority call: stage {stage} is held for an emergency vehicle"
        return self.note.why if self.note else ""


def facts_of(network: Network) -> Mapping[str, SiteFacts]:
    """What stands at every junction of *network*."""
    found = (_facts(network, junction) for junction in network.junctions)
    return {facts.name: facts for facts in found}


def _facts(network: Network, junction: Junction) -> SiteFacts:
    site = junction.intersection
    names = [stage.name for stage in site.stages]
    lanes = {each.lane for each in site.detectors if each.lane in network.lanes}
    return SiteFacts(
        name=site.name,
        label=_label(network, junction),
        position=junction.position,
        intersection=site,
        stage_labels=dict(zip(names, junction.stage_labels, strict=False)),
        lane_streets={lane: network.lanes[lane].edge for lane in sorted(lanes)},
    )


def _label(network: Network, junction: Junction) -> str:
    """The names of its streets where they have any."""
    approaches = dict.fromkeys(link.from_edge for link in junction.links)
    edges = (network.edges.get(name) for name in approaches)
    names = dict.fromkeys(edge.name for edge in edges if edge is not None and edge.name)
    name = " / ".join(list(names)[:2]) or junction.id
    return name if len(name) <= LABEL_MAX else f"{name[: LABEL_MAX - 1]}…"
