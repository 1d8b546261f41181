import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenband.failures import UsageError
from greenband.selection import parse_controls, parse_seeds

KNOWN = ("fixed", "actuated", "adaptive")


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("3", (1, 2, 3)),
        ("1", (1,)),
        ("4-4", (4,)),
        ("7,", None),
        ("1,2,5-9", (1, 2, 5, 6, 7, 8, 9)),
        (" 2 , 11 ", (2, 11)),
        ("0", None),
        ("-1", None),
        ("", None),
        ("a", None),
        ("1.5", None),
        ("0,1", None),
        ("9-5", None),
        ("1,1", None),
        ("1-3,2", None),
        ("1001", None),
        ("1-999999999", None),
        ("99999999999999999999", None),
    ],
)
def test_seeds(text, seeds):
    if seeds is None:
        with pytest.raises(UsageError, match="seed"):
            parse_seeds(text)
    else:
        assert parse_seeds(text) == seeds


@given(st.text(alphabet="0123456789,- ", max_size=12))
def test_seeds_are_refused_or_usable(text):
    try:
        seeds = parse_seeds(text)
    except UsageError:
        return
    assert 0 < len(seeds) <= 1000
    assert min(seeds) > 0
    assert len(set(seeds)) == len(seeds)


def test_controls():
    assert parse_controls("all", KNOWN) == KNOWN
    assert parse_controls("adaptive, fixed,adaptive", KNOWN) == ("adaptive", "fixed")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("adaptve", "did you mean adaptive?"),
        ("fixed,xyz", "choose from fixed, actuated, adaptive"),
        (",", "names nothing"),
    ],
)
def test_unknown_controls_are_named_with_what_is_near(text, said):
    with pytest.raises(UsageError, match=said.replace("?", r"\?")):
        parse_controls(text, KNOWN)
