"""What the desk says to a dispatcher about a whole corridor."""

from __future__ import annotations


def expired(minutes: float) -> str:
    """Its maximum duration is over."""
    return f"its {minutes:g} min are over: open a new corridor if it is still needed"


def no_position(vehicle: str, *, again: bool = False) -> str:
    """Nothing is held for a vehicle that nobody has seen; *again*: since the centre began anew."""
    if again:
        return f"the centre has started anew: no junction is held before {vehicle} says where it is"
    return f"waiting for the first position of {vehicle}: no junction is held before"


def silent(vehicle: str, silent_ms: int) -> str:
    """It is predicted."""
    return (
        f"{vehicle} has been silent for {silent_ms // 1_000} s: "
        "its way is predicted, and each junction released when it should be through"
    )


def lost(vehicle: str, silent_ms: int) -> str:
    """It is not even predicted any more."""
    return (
        f"{vehicle} has been silent for {silent_ms // 1_000} s: "
        "all is released; it goes on with the next position"
    )


def parked(vehicle: str) -> str:
    """It does not move although it could."""
    return f"{vehicle} stands still: all is released, and asked again when it moves"


def off_the_map(vehicle: str) -> str:
    """No way leads on."""
    return (
        f"{vehicle} is where no way to its destination is known: "
        "nothing is held; give another destination, or wait until it is back on a way"
    )


def held_too_long(site: str, limit_ms: int) -> str:
    """A call was cut by its limit."""
    return f"{site} was held for {limit_ms // 1_000} s, the most there is, and let go"


def another_stage(site: str) -> str:
    """Its lane is blocked."""
    return f"the green at {site} does not let it go: another stage that has its green is tried"


def all_refuse(why: str) -> str:
    """Nobody takes part."""
    return f"every junction refuses ({why}): drive as without a corridor"


def nobody_answers() -> str:
    """Nobody can be reached."""
    return "no junction answers yet: drive as without a corridor; they are asked again"
