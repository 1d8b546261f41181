"""Whatever comes in whatever order: no call outlives its limit, every call is ended, no conflict.

The desk is driven by random commands on the test town: wishes, positions anywhere (wrong turns,
jumps, standing), silence, answers right and wrong, sites that vanish, clocks that stand or jump.
"""

from __future__ import annotations

from collections import defaultdict

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.corridors.call_book import HOLD_MAX_MS
from edge.corridors.errors import CorridorError
from edge.corridors.values import Answer, Call, CallAnswer, Position, SiteView, Wish
from tests.edge.corridor_city import LENGTH_M, MAIN, SITES, Town

STREETS = [*MAIN, "n1", "n2", "n3", "n4", "s1", "s2", "s3", "s4", "back", "moon"]
places = st.sampled_from(STREETS)
vehicles = st.sampled_from(["A", "B", "C"])
wishes = st.builds(
    Wish,
    vehicle=vehicles,
    role=st.sampled_from(["ambulance", "fire", "tow truck"]),
    level=st.integers(-1, 15),
    origin=places,
    destination=places,
    route=st.sampled_from([(), MAIN, ("n2", "m2", "m3"), ("w", "s1"), ("n3", "s3"), ("w", "e")]),
    max_duration_s=st.sampled_from([0.0, 20.0, 90.0, 600.0]),
)
corridors = st.integers(0, 4).map(lambda k: f"c{k}")
moves = st.one_of(
    st.tuples(st.just("open"), wishes),
    st.tuples(st.just("preview"), wishes),
    st.tuples(
        st.just("report"),
        corridors,
        places,
        st.floats(-50.0, LENGTH_M + 50.0),
        st.floats(0.0, 40.0),
        st.integers(-30_000, 5_000),
    ),
    st.tuples(st.just("reroute"), corridors, st.one_of(places, st.just(("m1", "m2")))),
    st.tuples(st.just("cancel"), corridors),
    st.tuples(st.just("end"), corridors),
    st.tuples(
        st.just("see"),
        st.sampled_from([*SITES, "J9"]),
        st.builds(
            SiteView,
            stage=st.sampled_from([None, "A", "B", "Z"]),
            green_ms=st.integers(0, 60_000),
            queue_veh=st.sampled_from([(), (0.0, 0.0), (40.0, 3.0)]),
            coming_veh=st.sampled_from([(), (2.0, 9.0)]),
            reachable=st.booleans(),
            in_step=st.sampled_from([None, True, False]),
        ),
    ),
    st.tuples(
        st.just("hear"),
        st.sampled_from([*SITES, "J9"]),
        st.integers(0, 3),
        st.builds(CallAnswer, st.sampled_from(list(Answer))),
    ),
    st.tuples(st.just("wait"), st.integers(0, 40)),
    st.tuples(st.just("jump"), st.integers(-20_000, 20_000)),
)


class Ledger:
    """Keeps the books on what the desk sends, and holds the invariants against it."""

    def __init__(self) -> None:
        self.begun: dict[int, int] = {}
        self.living: dict[int, Call] = {}
        self.heard: dict[int, int] = {}

    def post(self, ms: int, calls: tuple[Call, ...]) -> None:
        for call in calls:
            assert 0 <= call.ttl_ms <= 8_000
            assert 0 <= call.level <= 14
            assert call.number >= 1
            if call.ttl_ms == 0:
                self.living.pop(call.number, None)
                continue
            self.living[call.number] = call
            self.heard[call.number] = ms
            begun = self.begun.setdefault(call.number, ms)
            assert ms + call.ttl_ms - begun <= HOLD_MAX_MS, "a call outlives its limit"
        stages = defaultdict(set)
        for call in self.living.values():
            stages[call.site].add(call.stage)
        assert all(len(each) == 1 for each in stages.values()), "calls for conflicting stages"


def _do(town: Town, move: tuple[object, ...]) -> None:
    kind, *given = move
    desk = town.desk
    if kind == "open":
        desk.open(town.now, given[0], "test")
    elif kind == "preview":
        desk.preview(town.now, given[0])
    elif kind == "report":
        corridor, place, at_m, speed, late_ms = given
        utc_ms = town.now.utc_ms + late_ms
        desk.report(
            town.now,
            corridor,
            Position(street=place, at_m=at_m, speed_m_per_s=speed, utc_ms=utc_ms),
        )
    elif kind == "reroute":
        desk.reroute(town.now, *given)
    elif kind == "cancel":
        desk.cancel(town.now, given[0], "")
    elif kind == "end":
        desk.end(town.now, given[0])
    elif kind == "see":
        desk.see(town.now, *given)


def _hear(town: Town, ledger: Ledger, site: str, which: int, answer: CallAnswer) -> None:
    numbers = [*ledger.begun, 7][-4:]
    town.desk.hear(town.now, site, numbers[which % len(numbers)], answer)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(moves, max_size=60), st.booleans())
def test_nothing_that_comes_in_breaks_a_promise(script, answering):
    town, ledger = Town(), Ledger()

    def second() -> None:
        town.ms += 1_000
        calls = town.desk.turn(town.now)
        ledger.post(town.ms, calls)
        for call in calls:
            if answering:
                town.desk.hear(town.now, call.site, call.number, town.answer(call))

    for move in script:
        if move[0] == "wait":
            for _ in range(move[1]):
                second()
        elif move[0] == "jump":
            town.ms += move[1] if move[1] > 0 else 0
        elif move[0] == "hear":
            _hear(town, ledger, *move[1:])
        else:
            try:
                _do(town, move)
            except CorridorError as error:
                assert error.code
                assert len(str(error)) > 20
        second()
    for corridor in list(town.desk.corridors):
        town.desk.cancel(town.now, corridor, "the test is over")
    for _ in range(3):
        second()
    assert not ledger.living, "a call that was made is never ended"
    for _ in range(300):
        second()
    assert all(each.state.is_over for each in town.desk.corridors.values())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(places, st.floats(0.0, LENGTH_M), st.floats(0.0, 30.0)), max_size=40))
def test_a_corridor_left_alone_ends_by_itself(fixes):
    town, ledger = Town(), Ledger()
    wish = Wish(vehicle="A", role="fire", level=9, origin="w", destination="e", max_duration_s=300)
    corridor = town.desk.open(town.now, wish, "test").id
    for place, at_m, speed in fixes:
        try:
            town.desk.report(town.now, corridor, town.position(place, at_m, speed))
        except CorridorError as error:
            assert error.code in {"bad-position", "over"}
        town.ms += 1_000
        ledger.post(town.ms, town.desk.turn(town.now))
    for _ in range(700):
        town.ms += 1_000
        ledger.post(town.ms, town.desk.turn(town.now))
    assert not ledger.living
    assert town.desk.corridor(corridor).state.is_over
