"""How a site is, from what its edge says of it: for people, and for the corridor desk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from controller.intersection import Intersection
from controller.signals import Aspect
from edge.centre.values import LaneLive, SiteLive
from edge.corridors.values import SiteView
from edge.messages import MessageError

_ASPECTS = {aspect.value[0]: aspect.value for aspect in Aspect}
_COMMANDS = {"schedule": "adaptive control", "priority": "priority call"}
WORKS = 0.05
"""A lane of which less than this is sure has no detector that works."""
SILENT_MS = 5_000
"""A cabinet that has not answered for so long can't be reached."""


def site_live(
    site: Intersection, lanes: Sequence[str], utc_ms: int, row: Mapping[str, Any], plan: str
) -> SiteLive:
    """*row* of a status as it is shown; raises :class:`MessageError` if it is not what it says."""
    _require_object(site, row)
    try:
        return SiteLive(
            site=site.name,
            utc_ms=utc_ms,
            reachable=_reachable(row),
            stage=_stage(site, row),
            green_ms=int(row.get("green_ms", 0)),
            aspects=tuple(_ASPECTS[letter] for letter in row.get("lamps", "")),
            mode=str(row.get("mode", "unknown")),
            command=_command(row),
            rung=str(row.get("rung", "unknown")),
            rung_why=str(row.get("why", "")),
            decision=str(row.get("decision", "")),
            limit=str(row.get("limit", "")),
            lanes=tuple(_lane(*pair) for pair in zip(lanes, row.get("lanes", ()), strict=False)),
            detection=row.get("detection"),
            faults=_faults(row),
            plan=plan,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise MessageError(f"the status of {site.name} can't be read: {error}") from None


def site_view(site: Intersection, row: Mapping[str, Any]) -> SiteView:
    """*row* as the corridor desk takes it; raises :class:`MessageError`."""
    _require_object(site, row)
    try:
        queue, coming, _ = zip(*row.get("lanes") or [(0.0, 0.0, 0.0)], strict=True)
        return SiteView(
            stage=_stage(site, row),
            green_ms=int(row.get("green_ms", 0)),
            next_stage=None if row.get("next_stage") is None else str(row["next_stage"]),
            green=_mask(row, Aspect.GREEN),
            ending=_mask(row, Aspect.ENDING),
            queue_veh=tuple(float(each) for each in queue) if row.get("lanes") else (),
            coming_veh=tuple(float(each) for each in coming) if row.get("lanes") else (),
            reachable=_reachable(row),
            coordinated=row.get("rung") == "coordinated",
            cycle_s=float(row.get("cycle_s") or 90.0),
        )
    except (TypeError, ValueError) as error:
        raise MessageError(f"the status of {site.name} can't be read: {error}") from None


def _require_object(site: Intersection, row: object) -> None:
    if not isinstance(row, Mapping):
        raise MessageError(f"the status of {site.name} can't be read: it is no object")


def _reachable(row: Mapping[str, Any]) -> bool:
    silent_ms = row.get("silent_ms")
    return silent_ms is not None and silent_ms < SILENT_MS


def _stage(site: Intersection, row: Mapping[str, Any]) -> str | None:
    stage = row.get("stage")
    return stage if stage in site.mask_of_stage else None


def _mask(row: Mapping[str, Any], aspect: Aspect) -> int | None:
    """The groups whose lamps show *aspect*."""
    lamps = row.get("lamps")
    if lamps is None:
        return None
    return sum(1 << i for i, letter in enumerate(lamps) if letter == aspect.value[0])


def _command(row: Mapping[str, Any]) -> str:
    said = str(row.get("command", "unknown"))
    return _COMMANDS.get(said, said.replace("_", " "))


def _lane(name: str, figures: Sequence[float]) -> LaneLive:
    queue_veh, _, sure = figures
    return LaneLive(lane=name, queue_veh=queue_veh if sure > WORKS else None, confidence=sure)


def _faults(row: Mapping[str, Any]) -> tuple[str, ...]:
    said = [str(each).replace("_", " ") for each in row.get("faults", ())]
    trouble = row.get("trouble")
    return (*said, str(trouble)) if trouble else tuple(said)
