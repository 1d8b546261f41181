"""What a junction tells its neighbours once a second: a plain value that any network can carry.

Inside a process the value is handed over as it is. What comes from outside goes through
:func:`checked` first, so that a garbled or hostile message costs nothing but itself.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np

from optimizer.delay import Floats

SECONDS_MAX = 300
EXITS_MAX = 64
FULL_MAX = 256
OUTFLOW_MAX_VEH_PER_S = 6.0
"""More than eight lanes discharge at once."""


class AnnouncementError(ValueError):
    """An announcement that can't be used: who sent it, and what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Announcement:
    """What *site* is about to discharge, and where it has no room left.

    ``outflow_veh`` (exits, seconds): vehicles that leave for each of ``exits`` in each second from
    ``start_utc_ms`` on. A later ``sequence_no`` replaces an earlier one.
    """

    site: str
    sequence_no: int
    start_utc_ms: int
    exits: tuple[str, ...] = ()
    outflow_veh: Floats = field(default_factory=lambda: np.zeros((0, 1)))
    full: tuple[str, ...] = ()
    """First detectors of its streets that a queue stands on: who is sent there can't get in."""


def _check_types(message: Announcement) -> None:
    """What a decoder may hand over that no type checker has seen."""
    if not isinstance(message.site, str):
        raise AnnouncementError("site is no text")
    for name in ("sequence_no", "start_utc_ms"):
        if type(getattr(message, name)) is not int:
            raise AnnouncementError(f"{message.site}: {name} is no whole number")
    if not _are_names(message.exits, EXITS_MAX):
        raise AnnouncementError(f"{message.site}: exits is not a list of at most {EXITS_MAX} names")
    if not _are_names(message.full, FULL_MAX):
        raise AnnouncementError(
            f"{message.site}: full is not a list of at most {FULL_MAX} detectors"
        )
    if not isinstance(message.outflow_veh, np.ndarray):
        raise AnnouncementError(f"{message.site}: outflow is no array")


def _are_names(value: object, most: int) -> bool:
    return (
        isinstance(value, tuple)
        and len(value) <= most
        and all(isinstance(name, str) for name in value)
    )


def checked(message: Announcement, neighbours: Collection[str]) -> Announcement:
    """The *message*, if it can be used; *neighbours* are those up- and downstream.

    Exits that lead elsewhere and detectors of other streets are allowed. Raises
    :class:`AnnouncementError` for a junction that is no neighbour, an array that doesn't fit the
    exits, and numbers that are negative, not finite or larger than a street can carry.
    """
    site, outflow = message.site, message.outflow_veh
    _check_types(message)
    if site not in neighbours:
        raise AnnouncementError(f"{site} is no neighbour")
    if outflow.ndim != 2 or len(outflow) != len(message.exits):
        raise AnnouncementError(
            f"{site}: outflow of shape {outflow.shape} for {len(message.exits)} exits"
        )
    if len(set(message.exits)) != len(message.exits):
        raise AnnouncementError(f"{site}: the same exit twice")
    if outflow.dtype != np.float64 or not 0 < outflow.shape[1] <= SECONDS_MAX:
        raise AnnouncementError(f"{site}: outflow is not 1 to {SECONDS_MAX} s of float64")
    # NaN is neither.
    if not bool(np.all((outflow >= 0.0) & (outflow <= OUTFLOW_MAX_VEH_PER_S))):
        raise AnnouncementError(
            f"{site}: outflow is not everywhere from 0 to {OUTFLOW_MAX_VEH_PER_S:g} veh/s"
        )
    return message
