"""Which part of the detectors works, at the first look, after a restart and later."""

from types import SimpleNamespace

import pytest

from edge.detection_view import GRACE_MS, DetectionView

ALL = 4


def seen(missing, *, restarted=False):
    return SimpleNamespace(restarted=restarted, counts=SimpleNamespace(missing=(1 << missing) - 1))


def test_detectors_that_were_never_heard_of_do_not_work():
    view = DetectionView(ALL)
    assert view.working == 0.0
    view.look(0, seen(ALL))
    assert (view.working, view.settling) == (0.0, True)
    view.look(1_000, seen(1))
    assert view.working == 0.75
    view.look(GRACE_MS + 1, seen(1))
    assert not view.settling


def test_somebody_may_vouch_for_them():
    view = DetectionView(ALL, trusted=True)
    view.look(0, seen(ALL))
    assert (view.working, view.settling) == (1.0, False)
    view.look(GRACE_MS + 1, seen(ALL))
    assert view.working == 0.0


@pytest.mark.parametrize("restarted", [True, False])
def test_what_worked_before_has_its_time(restarted):
    view = DetectionView(ALL)
    view.look(0, seen(0))
    view.look(60_000, seen(ALL, restarted=restarted))
    assert view.working == (1.0 if restarted else 0.0)
    view.look(60_001 + GRACE_MS, seen(ALL))
    assert view.working == 0.0
