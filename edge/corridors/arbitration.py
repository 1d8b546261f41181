"""Who goes first where two vehicles want one junction: level, role, earliest, first come."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

ROLES = ("rescue", "ambulance", "fire", "police", "transport")
"""Life-saving first; any other role comes after these."""
SOONER_MS = 5_000
"""So much sooner a vehicle has to be there to be served before one that is served already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One vehicle's claim on a junction, now."""

    corridor: str
    vehicle: str
    level: int
    role: str
    there_ms: int
    """When it is at the stop line, with the way green as soon as it may be."""
    opened_no: int
    """Which of all corridors, by when they were opened."""
    stage: str
    served: bool = False
    """It has the call already."""


def role_rank(role: str) -> int:
    """The smaller, the sooner served."""
    name = role.strip().lower()
    return ROLES.index(name) if name in ROLES else len(ROLES)


def first_of(claims: Iterable[Claim]) -> Claim:
    """Who is served first.

    Among equals one that is served keeps what it has, but for a vehicle that is there
    :data:`SOONER_MS` earlier.
    """
    return min(
        claims,
        key=lambda claim: (
            -claim.level,
            role_rank(claim.role),
            claim.there_ms - (SOONER_MS if claim.served else 0),
            claim.opened_no,
        ),
    )


def why_waits(loser: Claim, winner: Claim, site: str, wait_s: float) -> str:
    """For the dispatcher of the *loser*: where, behind whom, why and how long."""
    if winner.level != loser.level:
        reason = f"level {winner.level} before {loser.level}"
    elif role_rank(winner.role) != role_rank(loser.role):
        reason = f"{winner.role} before {loser.role}"
    elif winner.there_ms <= loser.there_ms:
        reason = "it is there first"
    else:
        reason = "its way is being opened already"
    return f"{winner.vehicle} goes first at {site} ({reason}): about {wait_s:.0f} s"
