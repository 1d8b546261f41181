"""Two signals on a main road, and counts as their loops would report them."""

from __future__ import annotations

from controller.clock import Instant
from controller.detection import SiteReadings
from controller.intersection import (
    Detector,
    DetectorRole,
    Intersection,
    Movement,
    SignalGroup,
    Stage,
    conflict_masks,
)
from controller.plan import PlanStage, TimingPlan
from optimizer.links import Link
from optimizer.planning.network import PlanningSite
from optimizer.traffic import JunctionTraffic

LANES = {"main": "main", "back": "back", "side": "side"}
LINKS = (
    Link(upstream="A", exit="east", downstream="B", approach="main", travel_s=20.0, length_m=280.0),
    Link(upstream="B", exit="west", downstream="A", approach="back", travel_s=20.0, length_m=280.0),
)


def site(name):
    """A main road in both directions and a one-way side street, a lane each."""
    return Intersection(
        name=name,
        startup_flash_ms=0,
        startup_red_ms=0,
        groups=(SignalGroup(name="main"), SignalGroup(name="back"), SignalGroup(name="side")),
        conflicts=conflict_masks(3, [(0, 2), (1, 2)]),
        intergreen_ms=((0, 0, 5_000), (0, 0, 5_000), (5_000, 5_000, 0)),
        stages=(Stage(name="1", groups=("main", "back")), Stage(name="2", groups=("side",))),
        detectors=tuple(
            Detector(
                name=f"{lane} {role.value}",
                role=role,
                groups=(group,),
                lane=lane,
                distance_m=2.0 if role is DetectorRole.STOP_LINE else 40.0,
            )
            for lane, group in LANES.items()
            for role in (DetectorRole.STOP_LINE, DetectorRole.ADVANCE)
        ),
        movements=(
            Movement(
                name="on", group="main", from_approach="main", to_exit="east", lanes=("main",)
            ),
            Movement(
                name="off",
                group="main",
                from_approach="main",
                to_exit="yard",
                turn="right",
                lanes=("main",),
            ),
            Movement(
                name="home", group="back", from_approach="back", to_exit="west", lanes=("back",)
            ),
            Movement(
                name="in",
                group="side",
                from_approach="side",
                to_exit="east",
                turn="right",
                lanes=("side",),
            ),
        ),
    )


def planned(name, x_m=0.0):
    plan = TimingPlan(
        site=name,
        name="shipped",
        cycle_ms=60_000,
        offset_ms=0,
        stages=(PlanStage(stage="1", split_ms=30_000), PlanStage(stage="2", split_ms=30_000)),
    )
    return PlanningSite(site=site(name), present=plan, x_m=x_m, y_m=0.0)


SITES = (planned("A"), planned("B", 280.0))


class Loops:
    """Feeds a tier with evenly spaced vehicles, *veh_per_h* by (site, lane); None: no reading."""

    def __init__(self, tier):
        self.tier = tier
        self.traffic = [JunctionTraffic(each.site) for each in SITES]
        self.now_ms = 0
        self.reviews = []

    def run(self, seconds, veh_per_h, broken=()):
        """Reviews are worked out at once and adopted; (site, lane) in *broken* report nothing."""
        for _ in range(seconds):
            self.now_ms += 1_000
            now = Instant(self.now_ms, self.now_ms)
            for at, traffic in enumerate(self.traffic):
                traffic.observe(now, self.readings(at, veh_per_h, broken), 0b111)
                self.tier.observe(now, at, traffic)
            review = self.tier.due(now)
            if review is not None:
                outcome = review.work()
                self.reviews.append((now, outcome, self.tier.adopt(now, outcome)))

    def readings(self, at, veh_per_h, broken):
        rows = []
        for lane in LANES:
            key = SITES[at].name, lane
            flow = veh_per_h[key] / 3_600.0
            second = self.now_ms // 1_000
            count = int(second * flow) - int((second - 1) * flow)
            rows += [(None, None, None) if key in broken else (count, count, False)] * 2
        entered, left, occupied = zip(*rows, strict=True)
        return SiteReadings(entered, left, occupied)
