"""What the search is told of a change, against the same change in the signal controller."""

from __future__ import annotations

import random

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from optimizer.search_stages import NEVER_S
from optimizer.site_changes import STARTUP_LOSS_S, YELLOW_USED_S, StageRules, site_changes
from tests.controller.changes import make_change, on_ticks
from tests.controller.strategies import random_site, seeds
from tests.optimizer.test_starvation import equipped


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(2, 8), seeds, st.sampled_from((100, 1_000)))
def test_predicted_changes_are_those_of_the_controller(
    n_groups: int, seed: int, tick_ms: int
) -> None:
    rng = random.Random(seed)
    site = on_ticks(equipped(random_site(n_groups, rng)), tick_ms)
    here, there = rng.sample(range(len(site.stages)), 2)
    assume(site.stage_masks[here] != site.stage_masks[there])
    pressed = rng.getrandbits(8) & site.pedestrian_groups
    made = make_change(site, (here, there), pressed, tick_ms)
    walking = (made.before | made.wanted) & site.pedestrian_groups
    # A walk that both stages have may be over before the change.
    assume(not walking & ~made.before & site.stage_masks[here])
    lanes = [1 << i for i in range(n_groups)]
    rules = StageRules(max_green_s=[60] * len(site.stages))
    told = site_changes(site, lanes, walking, rules)
    change_s = int(told.ready["change_s"][here, there])
    assert max(change_s - 1, 0) * 1_000 <= made.over_ms <= change_s * 1_000
    for i in range(n_groups):
        stops_s = int(told.ready["stops_s"][here, there, i])
        starts_s = int(told.ready["starts_s"][here, there, i])
        if i in made.ended_ms:
            assert 0 <= made.ended_ms[i] - 1_000 * (stops_s - YELLOW_USED_S) <= 1_000
        else:
            assert stops_s == (NEVER_S if made.before >> i & 1 else 0)
        started_s = change_s + STARTUP_LOSS_S if i in made.started_ms else NEVER_S
        assert starts_s == started_s
