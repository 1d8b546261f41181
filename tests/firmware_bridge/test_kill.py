"""Kill -9 at random moments: the plan on disk is never lost or torn, every life starts lawfully."""

from benchmarks.cabinet_kills import TICK_MS, kill_many
from controller.clock import Instant
from controller.signals import Aspect, Inputs, Outputs
from tests.controller import oracle
from tests.controller.crossroads import crossroads, plan
from tests.controller.oracle import Shown

KILLS = 20


def test_a_killed_cabinet_starts_again_with_its_last_plan(tmp_path):
    site = crossroads(startup_flash_ms=2_000)
    tally = kill_many(site, plan(site).plan, tmp_path, KILLS)
    assert tally.wrong == []
    assert tally.kills == KILLS
    assert tally.acknowledged > 10
    assert sum(len(life.lamps) for life in tally.lives) > 200
    for life in tally.lives:
        check_lawful(site, life.lamps)


def check_lawful(site, lamps):
    aspects = [shown for _, shown in lamps]
    flash = next((k for k, each in enumerate(aspects) if Aspect.FLASH not in each), len(aspects))
    assert flash == min(len(aspects), 2_000 // TICK_MS)
    red = aspects[flash : flash + site.opening_red_ms // TICK_MS]
    assert all(set(each) == {Aspect.RED} for each in red)
    trace = [Shown(Instant(ms, ms), ms, Inputs(), Outputs(0, 0), each, None) for ms, each in lamps]
    for rule in (
        oracle.conflicts_lit,
        oracle.short_greens,
        oracle.short_intergreens,
        oracle.short_reds,
    ):
        assert list(rule(site, trace)) == []
    assert list(oracle.wrong_endings(site, trace, pedestrians=False)) == []
