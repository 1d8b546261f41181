"""A network plan as a UTDF combined file.

Every stage of a site's plan becomes a phase of one ring, in the plan's order: green, yellow and
all-red of a phase add up to the stage's split. What UTDF has no field for (names of stages and
zones, who is actuated) stands in a section of our own at the end, which other programs skip.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.intersection import Intersection, bits
from controller.plan import TimingPlan, check_plan, minimum_splits_ms
from controller.values_json import encode
from optimizer.links import Link
from optimizer.planning.network import NetworkPlan
from sim.network.links_between import links_between
from sim.network.model import Junction, Network
from sim.plans.tllogic import junction_of
from sim.plans.utdf import EXTERNAL, SIGNAL
from sim.plans.utdf_lanes import DIRECTIONS, Approach, Column, approaches

Turns = Mapping[tuple[str, str, str], float]
Walks = Mapping[tuple[str, int], float]
"""Flow (veh/h) by junction, edge that it comes from, edge that it goes to."""
Row = list[object]

NOMINAL_YELLOW_MS = 3_000
"""Of a phase after which no vehicle's green ends; together with its green it is the split."""
PHASES_MIN = 8
PHASES_OF_A_MOVEMENT = 4
FIRST_GREEN = 3
MAXIMUM_RECALL, MINIMUM_RECALL, NO_RECALL = 3, 1, 0


def utdf_text(
    plan: NetworkPlan, network: Network, turns: Turns | None = None, walks: Walks | None = None
) -> str:
    """The file of *plan*, in metres and km/h; with *turns* also the volumes.

    *walks*: by site and pedestrian group, people an hour, written as calls of its first phase.

    Raises :class:`~sim.errors.NetworkError` if *network* lacks a site of the plan, and
    :class:`~controller.violations.InvalidError` for a plan that breaks a rule of its site.
    """
    writer = _Writer(plan, network, turns, walks)
    return writer.text()


@dataclass
class _Writer:
    plan: NetworkPlan
    network: Network
    turns: Turns | None
    walks: Walks | None
    junctions: list[Junction] = field(init=False)
    numbers: dict[str, int] = field(init=False)
    """Of signals by their names, of other nodes by ``node `` and theirs."""
    outer: dict[str, tuple[float, float]] = field(default_factory=dict)
    into: dict[tuple[str, str], Link] = field(default_factory=dict)
    out_of: dict[tuple[str, str], Link] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.junctions = [junction_of(each, self.network) for each in self.plan.plans]
        for junction, each in zip(self.junctions, self.plan.plans, strict=True):
            check_plan(each, junction.intersection)
        self.numbers = {junction.id: n for n, junction in enumerate(self.junctions, 1)}
        for link in sorted(links_between(self.network), key=lambda link: link.share):
            if link.upstream in self.numbers and link.downstream in self.numbers:
                self.into[link.downstream, link.approach] = link
                self.out_of[link.upstream, link.exit] = link

    def text(self) -> str:
        links, lanes = self._links(), self._lanes()  # these number the outer nodes
        sections = (
            ("Network", "Network Settings", self._settings()),
            ("Nodes", "Node Data", self._nodes()),
            ("Links", "Link Data", links),
            ("Lanes", "Lane Group Data", lanes),
            ("Timeplans", "Timing Plan Settings", self._timeplans()),
            ("Phases", "Phasing Data", self._phases()),
            ("Timeplans", "Timing Plan Settings", self._offsets()),
            ("Greenband", "Greenband Data", self._own()),
        )
        stream = io.StringIO()
        out = csv.writer(stream)
        for name, title, rows in sections:
            out.writerow([f"[{name}]"])
            out.writerow([title])
            # Some readers take a short row for the end of a section.
            out.writerows([*row, *[""] * (len(rows[0]) - len(row))] for row in rows)
            out.writerow([])
        return stream.getvalue()

    def _settings(self) -> list[Row]:
        return [
            ["RECORDNAME", "DATA"],
            ["UTDFVERSION", 8],
            ["Metric", 1],
            ["yellowTime", seconds(NOMINAL_YELLOW_MS)],
            ["allRedTime", 1],
        ]

    def _nodes(self) -> list[Row]:
        rows: list[Row] = [["INTID", "TYPE", "X", "Y", "Z", "DESCRIPTION"]]
        for junction in self.junctions:
            x, y = junction.position
            rows.append([self.numbers[junction.id], SIGNAL, f"{x:.2f}", f"{y:.2f}", 0, junction.id])
        for name, (x, y) in self.outer.items():
            number = self.numbers[f"node {name}"]
            rows.append([number, EXTERNAL, f"{x:.2f}", f"{y:.2f}", 0, name])
        return rows

    def _outer(self, node: str) -> int:
        """The number of a node without a signal of the plan: where the network ends."""
        key = f"node {node}"
        if key not in self.numbers:
            self.numbers[key] = len(self.numbers) + 1
            known = self.network.nodes.get(node)
            self.outer[node] = known.position if known is not None else (0.0, 0.0)
        return self.numbers[key]

    def _upstream(self, junction: Junction, edge: str) -> int:
        link = self.into.get((junction.id, edge))
        if link is not None:
            return self.numbers[link.upstream]
        return self._outer(self.network.edges[edge].from_node)

    def _downstream(self, junction: Junction, edge: str) -> int:
        link = self.out_of.get((junction.id, edge))
        if link is not None:
            return self.numbers[link.downstream]
        return self._outer(self.network.edges[edge].to_node)

    def _links(self) -> list[Row]:
        rows: list[Row] = [["RECORDNAME", "INTID", *DIRECTIONS]]
        for junction in self.junctions:
            found = {each.direction: each for each in approaches(junction, self.network)}
            values = {way: self._link_values(junction, each) for way, each in found.items()}
            rows += [
                [
                    record,
                    self.numbers[junction.id],
                    *(values[way][k] if way in values else "" for way in DIRECTIONS),
                ]
                for k, record in enumerate(("Up ID", "Lanes", "Name", "Distance", "Speed", "Time"))
            ]
        return rows

    def _link_values(self, junction: Junction, approach: Approach) -> Row:
        edge = self.network.edges[approach.edge]
        lane = self.network.lanes[edge.lanes[0]]
        link = self.into.get((junction.id, approach.edge))
        length_m = link.length_m if link is not None and link.length_m else lane.length_m
        time_s = link.travel_s if link is not None else length_m / lane.speed_m_per_s
        return [
            self._upstream(junction, approach.edge),
            approach.lanes,
            edge.name or approach.edge,
            f"{length_m:.1f}",
            f"{3.6 * lane.speed_m_per_s:.0f}",
            f"{time_s:.1f}",
        ]

    def _lanes(self) -> list[Row]:
        per_node = []
        for junction, plan in zip(self.junctions, self.plan.plans, strict=True):
            columns = {
                f"{approach.direction}{column.turn}": self._lane_values(
                    junction, plan, approach, column
                )
                for approach in approaches(junction, self.network)
                for column in approach.columns
            }
            per_node.append((self.numbers[junction.id], columns))
        turns = ("L2", "L", "T", "R", "R2", "U")
        used = {name for _, columns in per_node for name in columns}
        names = [
            f"{way}{turn}"
            for way in DIRECTIONS
            for turn in turns
            if f"{way}{turn}" in used or (way in DIRECTIONS[:4] and turn in "LTR")
        ]
        rows: list[Row] = [["RECORDNAME", "INTID", *names, "PED", "HOLD"]]
        for number, columns in per_node:
            records = dict.fromkeys(record for values in columns.values() for record in values)
            rows += [
                [record, number, *(columns.get(name, {}).get(record, "") for name in names)]
                for record in records
            ]
        return rows

    def _lane_values(
        self, junction: Junction, plan: TimingPlan, approach: Approach, column: Column
    ) -> dict[str, object]:
        protected, permitted = movement_phases(junction.intersection, plan, column.groups)
        values: dict[str, object] = {
            "Up Node": self._upstream(junction, approach.edge),
            "Dest Node": self._downstream(junction, column.to_edges[0]),
            "Lanes": column.lanes,
            "Shared": column.shared,
        }
        for name, phases in (("Phase", protected), ("PermPhase", permitted)):
            for k in range(PHASES_OF_A_MOVEMENT):
                values[f"{name}{k + 1}"] = phases[k] if k < len(phases) else ""
        if self.turns is not None:
            keys = ((junction.id, approach.edge, to_edge) for to_edge in column.to_edges)
            values["Volume"] = f"{sum(self.turns.get(key, 0.0) for key in keys):.0f}"
        return values

    def _timeplans(self) -> list[Row]:
        rows: list[Row] = [["RECORDNAME", "INTID", "DATA"]]
        for number, plan in enumerate(self.plan.plans, 1):
            values = (
                ("Control Type", _control_type(plan)),
                ("Cycle Length", seconds(plan.cycle_ms)),
                ("Lock Timings", 0),
                ("Referenced To", FIRST_GREEN),
                ("Reference Phase", 1),
                ("Offset", seconds(plan.offset_ms or 0)),
                ("Master", 0),
                ("Yield", 0),
                ("Node 0", number),
                ("Node 1", 0),
            )
            rows += [[name, number, value] for name, value in values]
        return rows

    def _offsets(self) -> list[Row]:
        rows: list[Row] = [["RECORDNAME", "INTID", "DATA"]]
        return rows + [
            ["Offset", number, seconds(plan.offset_ms or 0)]
            for number, plan in enumerate(self.plan.plans, 1)
        ]

    def _phases(self) -> list[Row]:
        most = max((len(plan.stages) for plan in self.plan.plans), default=0)
        count = max(PHASES_MIN, most)
        rows: list[Row] = [["RECORDNAME", "INTID", *(f"D{k + 1}" for k in range(count))]]
        for junction, plan in zip(self.junctions, self.plan.plans, strict=True):
            values = _phase_values(junction.intersection, plan)
            if self.walks is not None:
                calls = _calls_per_h(junction.intersection, plan, self.walks)
                for each, own in zip(values, calls, strict=True):
                    each["PedCalls"] = f"{own:g}"
            rows += [
                [record, self.numbers[junction.id], *(each[record] for each in values)]
                for record in values[0]
            ]
        return rows

    def _own(self) -> list[Row]:
        rows: list[Row] = [["RECORDNAME", "INTID", "DATA"]]
        rows.append(["Network Plan", 0, _json({**encode(self.plan), "plans": []})])
        return rows + [
            ["Plan", number, _json(own_document(plan))]
            for number, plan in enumerate(self.plan.plans, 1)
        ]


def own_document(plan: TimingPlan) -> dict[str, object]:
    """*plan* without the numbers that UTDF has: cycle, splits and, if coordinated, the offset."""
    content = encode(plan)
    del content["cycle_ms"]
    content["isolated"] = content.pop("offset_ms", None) is None
    content["stages"] = [
        {name: value for name, value in encode(entry).items() if name != "split_ms"}
        for entry in plan.stages
    ]
    return content


def movement_phases(
    site: Intersection, plan: TimingPlan, groups: int
) -> tuple[list[int], list[int]]:
    """(phases in which *groups* need not give way, those in which they do); stage k is phase k."""
    protected: list[int] = []
    permitted: list[int] = []
    for k, entry in enumerate(plan.stages, 1):
        mask = site.mask_of_stage[entry.stage]
        if mask & groups:
            gives_way = any(site.yields_to[g] & mask for g in bits(mask & groups))
            (permitted if gives_way else protected).append(k)
    return protected, permitted


def _control_type(plan: TimingPlan) -> int:
    """0 pretimed, 1 actuated by itself, 3 actuated and coordinated."""
    if not any(entry.actuated or entry.skippable for entry in plan.stages):
        return 0
    return 1 if plan.offset_ms is None else 3


def _calls_per_h(site: Intersection, plan: TimingPlan, walks: Walks) -> list[float]:
    """People an hour by phase; those of a group that several phases light call the first."""
    calls = [0.0] * len(plan.stages)
    left = site.pedestrian_groups
    for k, entry in enumerate(plan.stages):
        own = left & site.mask_of_stage[entry.stage]
        calls[k] = sum(walks.get((site.name, group), 0.0) for group in bits(own))
        left &= ~own
    return calls


def _phase_values(site: Intersection, plan: TimingPlan) -> list[dict[str, object]]:
    masks = tuple(site.mask_of_stage[entry.stage] for entry in plan.stages)
    minimums = minimum_splits_ms(site, masks)
    offset_ms, start_ms, found = plan.offset_ms or 0, 0, []
    for k, entry in enumerate(plan.stages):
        yellow_ms, all_red_ms = _clearances_ms(site, masks[k], masks[(k + 1) % len(masks)])
        green_ms = max(0, entry.split_ms - yellow_ms - all_red_ms)
        yellow_ms = min(yellow_ms, entry.split_ms)
        all_red_ms = entry.split_ms - green_ms - yellow_ms
        walk = max(
            (
                (site.groups[i].min_green_ms, site.groups[i].ending_ms)
                for i in bits(masks[k] & site.pedestrian_groups)
            ),
            default=None,
        )
        recall = NO_RECALL if entry.skippable else MINIMUM_RECALL
        times = {
            "Start": offset_ms + start_ms,
            "End": offset_ms + start_ms + entry.split_ms,
            "Yield": offset_ms + start_ms + green_ms,
            "Yield170": offset_ms + start_ms + green_ms,
            "LocalStart": start_ms,
            "LocalYield": start_ms + green_ms,
            "LocalYield170": start_ms + green_ms,
        }
        found.append(
            {
                "BRP": f"{1 + k // 9}1{1 + k % 9}",
                "MinGreen": seconds(max(0, minimums[k] - yellow_ms - all_red_ms)),
                "MaxGreen": seconds(green_ms),
                "VehExt": seconds(site.passage_ms),
                "Yellow": seconds(yellow_ms),
                "AllRed": seconds(all_red_ms),
                "Recall": recall if entry.actuated or entry.skippable else MAXIMUM_RECALL,
                "Walk": "" if walk is None else seconds(walk[0]),
                "DontWalk": "" if walk is None else seconds(walk[1]),
                "MinSplit": seconds(minimums[k]),
                "DualEntry": 0,
                "InhibitMax": 1,
                **{name: seconds(at_ms % plan.cycle_ms) for name, at_ms in times.items()},
                "ActGreen": seconds(green_ms),
            }
        )
        start_ms += entry.split_ms
    return found


def _clearances_ms(site: Intersection, mask: int, following: int) -> tuple[int, int]:
    """(yellow, all-red) between two stages as vehicles see them."""
    leads = [
        (lead_ms, site.groups[i].ending_ms)
        for i, lead_ms in site.leads_ms(mask, following)
        if not site.pedestrian_groups >> i & 1
    ]
    if not leads:
        return NOMINAL_YELLOW_MS, 0
    lead_ms, yellow_ms = max(leads)
    return yellow_ms, max(0, lead_ms - yellow_ms)


def seconds(time_ms: int) -> str:
    """*time_ms* as UTDF writes it: seconds, as many decimals as it has."""
    return f"{time_ms / 1000:.3f}".rstrip("0").rstrip(".")


def _json(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))
