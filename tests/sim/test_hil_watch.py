"""From when on a cabinet counts as back after a fault."""

import pytest

from sim.hil.watch import Seen, first_back


def looks(*words):
    """One look a second from second 0 on: ``s7`` runs schedule 7, ``p7`` a plan after it, ``-``."""
    return [
        Seen(float(second), word.startswith("s"), int(word[1:] or -1), -1 if word == "-" else 4)
        for second, word in enumerate(words)
    ]


@pytest.mark.parametrize(
    ("words", "steady_s", "back_s"),
    [
        (("s1", "s2", "s3", "s4"), 0, 2),
        (("s1", "p1", "p1", "s2"), 0, 3),
        (("s1", "s1", "s1", "s1", "s2"), 0, 4),  # what was sent before goes on for a while
        (("s1", "-", "-", "-"), 0, None),
        (("-", "-", "s1"), 0, 2),
        (("s1", "s2", "s3", "p3", "s4", "s5", "s6"), 0, 2),
        (("s1", "s2", "s3", "p3", "s4", "s5", "s6"), 1, 4),  # it went once more
        (("s1", "s2", "s3", "p3", "p3"), 1, None),
    ],
)
def test_the_first_look_at_a_newer_schedule(words, steady_s, back_s):
    back = first_back(looks(*words), 2.0, steady_s)
    assert (None if back is None else back.at_s) == back_s


def test_a_cabinet_that_restarted_counts_anew():
    notes = [Seen(0.0, True, 900, 4), Seen(1.0, False), Seen(2.0, False), Seen(3.0, True, 0, 5)]
    back = first_back(notes, 2.0)
    assert back is not None and back.at_s == 3.0
