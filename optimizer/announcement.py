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
ROOM_MAX_VEH = 10_000.0


class AnnouncementError(ValueError):
    """An announcement that can't be used: who sent it, and what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Announcement:
    """What *site* is about to discharge, where it has room left, and who waits for such room.

    ``outflow_veh`` (exits, seconds): vehicles that leave for each of ``exits`` in each second from
    ``start_utc_ms`` on. ``room_veh`` (rooms, seconds): vehicles that may have come to each of its
    lanes in ``rooms`` from then until each second; only those of short streets are named.
    ``waiting_veh`` (waiting,): vehicles that wait here to come to each lane of ``waiting``, at the
    other ends of short streets. A later ``sequence_no`` replaces an earlier one.
    """

    site: str
    sequence_no: int
    start_utc_ms: int
    exits: tuple[str, ...] = ()
    outflow_veh: Floats = field(default_factory=lambda: np.zeros((0, 1)))
    rooms: tuple[str, ...] = ()
    room_veh: Floats = field(default_factory=lambda: np.zeros((0, 1)))
    waiting: tuple[str, ...] = ()
    waiting_veh: Floats = field(default_factory=lambda: np.zeros(0))
    full: tuple[str, ...] = ()
    """First detectors of its streets that a queue stands on: who is sent there can't get in."""


def _check_types(message: Announcement) -> None:
    """What a decoder may hand over that no type checker has seen."""
    if not isinstance(message.site, str):
        raise AnnouncementError("site is no text")
    for name in ("sequence_no", "start_utc_ms"):
        if type(getattr(message, name)) is not int:
            raise AnnouncementError(f"{message.site}: {name} is no whole number")
    for name in ("exits", "rooms", "waiting"):
        names = getattr(message, name)
        if not _are_names(names, EXITS_MAX):
            raise AnnouncementError(
                f"{message.site}: {name} is not a list of at most {EXITS_MAX} names"
            )
        if len(set(names)) != len(names):
            raise AnnouncementError(f"{message.site}: {name} has the same name twice")
    if not _are_names(message.full, FULL_MAX):
        raise AnnouncementError(
            f"{message.site}: full is not a list of at most {FULL_MAX} detectors"
        )
    for name in ("outflow_veh", "room_veh", "waiting_veh"):
        array = getattr(message, name)
        if not isinstance(array, np.ndarray) or array.dtype != np.float64:
            raise AnnouncementError(f"{message.site}: {name[:-4]} is no array of float64")


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
    _check_rows(site, "outflow", outflow, len(message.exits), OUTFLOW_MAX_VEH_PER_S)
    _check_rows(site, "room", message.room_veh, len(message.rooms), ROOM_MAX_VEH)
    waiting = message.waiting_veh.reshape(-1, 1)
    _check_rows(site, "waiting", waiting, len(message.waiting), ROOM_MAX_VEH)
    return message


def _check_rows(site: str, what: str, array: Floats, rows: int, most: float) -> None:
    if array.ndim != 2 or len(array) != rows:
        raise AnnouncementError(f"{site}: {what} of shape {array.shape} for {rows} names")
    if not 0 < array.shape[1] <= SECONDS_MAX:
        raise AnnouncementError(f"{site}: {what} is not for 1 to {SECONDS_MAX} s")
    # NaN is neither.
    if not bool(np.all((array >= 0.0) & (array <= most))):
        raise AnnouncementError(f"{site}: {what} is not everywhere from 0 to {most:g}")
