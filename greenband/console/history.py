"""What the console has seen in the last minutes: stages, greens, and the ways of vehicles."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from edge.centre.values import SiteFacts, SiteLive
from edge.corridors.values import Corridor, Position

KEPT_MS = 900_000
STAGES_MAX = 60
CHANGES_MAX = 2_000
POSITIONS_MAX = 1_800


@dataclass(frozen=True, slots=True)
class StageRun:
    """One green: of which stage, from when, and for how long so far."""

    stage: str
    began_utc_ms: int
    green_ms: int


@dataclass(frozen=True, slots=True)
class Shown:
    """What the lamps of a site show since then; group by group, as in :class:`SiteLive`."""

    utc_ms: int
    aspects: tuple[str, ...]


class SiteHistory:
    """The last minutes of one site."""

    def __init__(self) -> None:
        self.stages: deque[StageRun] = deque(maxlen=STAGES_MAX)
        self.shown: deque[Shown] = deque(maxlen=CHANGES_MAX)
        self._seen_ms = -1

    def look(self, live: SiteLive) -> None:
        """How it is now."""
        if live.utc_ms == self._seen_ms:
            return
        if live.utc_ms < self._seen_ms:  # its clock was put back: what was, can't be placed now
            self.stages.clear()
            self.shown.clear()
        self._seen_ms = live.utc_ms
        if not self.shown or self.shown[-1].aspects != live.aspects:
            self.shown.append(Shown(live.utc_ms, live.aspects))
        while len(self.shown) > 1 and self.shown[1].utc_ms < live.utc_ms - KEPT_MS:
            self.shown.popleft()
        if live.stage is not None:
            self._note_stage(live.stage, live)

    def _note_stage(self, stage: str, live: SiteLive) -> None:
        began_ms = live.utc_ms - live.green_ms
        last = self.stages[-1] if self.stages else None
        goes_on = last is not None and last.stage == stage and live.green_ms >= last.green_ms
        if goes_on and last is not None:
            self.stages[-1] = StageRun(stage, last.began_utc_ms, live.green_ms)
        else:
            self.stages.append(StageRun(stage, began_ms, live.green_ms))


class History:
    """Of all sites, and of all vehicles that have or had a corridor."""

    def __init__(self) -> None:
        self.sites: dict[str, SiteHistory] = {}
        self.ways: dict[str, deque[Position]] = {}

    def look(
        self,
        now_utc_ms: int,
        sites: Mapping[str, SiteFacts],
        live: Mapping[str, SiteLive],
        corridors: Mapping[str, Corridor],
    ) -> None:
        """How everything is now."""
        for name in sites:
            if name in live and live[name].reachable:
                self.sites.setdefault(name, SiteHistory()).look(live[name])
        for corridor in corridors.values():
            way = self.ways.setdefault(corridor.id, deque(maxlen=POSITIONS_MAX))
            position = corridor.position
            if position is not None and (not way or position.utc_ms > way[-1].utc_ms):
                way.append(position)
        for gone in self.ways.keys() - corridors.keys():
            del self.ways[gone]

    def of(self, site: str) -> SiteHistory:
        """The history of one site; an empty one if nothing was seen of it."""
        return self.sites.get(site) or SiteHistory()
