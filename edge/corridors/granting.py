"""Who of those who want one junction now gets it: one stage at a time, and nobody cut short."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from controller.clock import Instant
from edge.corridors.arbitration import Claim, first_of, why_waits
from edge.corridors.call_book import CallBook
from edge.corridors.journey import Journey
from edge.corridors.stages import SiteTimes
from edge.corridors.stop import Stop
from edge.corridors.values import PassageState, SiteView

Pairs = Mapping[str, list[tuple[Journey, Stop]]]


class Grants:
    """Makes the calls of all corridors in *book*, given the sites and their last *views*."""

    def __init__(
        self, sites: Mapping[str, SiteTimes], views: Mapping[str, SiteView], book: CallBook
    ) -> None:
        self._sites = sites
        self._views = views
        self._book = book

    def give(self, now: Instant, living: Iterable[Journey], wanting: Pairs, soon: Pairs) -> None:
        """Make and keep up the calls that are wanted and come first, let go of all others.

        *soon*: who will want a junction before long.
        """
        granted = set()
        for site, pairs in wanting.items():
            claims = {id(stop): _claim(now, journey, stop) for journey, stop in pairs}
            winner = self._winner(now, site, list(claims.values()), soon.get(site, []))
            for _, stop in pairs:
                claim = claims[id(stop)]
                if stop.call_no is None and winner.stage in stop.line.turn.stages:
                    stop.stage = winner.stage
                if stop.stage == winner.stage:
                    granted.add(id(stop))
                else:
                    wait_s = max(0.0, winner.there_ms - now.mono_ms) / 1_000.0
                    wait_s += self._sites[site].change_s(
                        now.mono_ms, self._views.get(site), stop.stage
                    )
                    why = why_waits(claim, winner, site, wait_s)
                    stop.let_go(now, self._book, PassageState.QUEUED, why)
        wanted = {id(stop) for pairs in wanting.values() for _, stop in pairs}
        for journey in living:
            for stop in journey.stops:
                queued = stop.state is PassageState.QUEUED
                if id(stop) not in wanted and (stop.call_no is not None or queued):
                    stop.let_go(now, self._book, PassageState.GRANTED, "")
        for journey, stop in (pair for pairs in wanting.values() for pair in pairs):
            if id(stop) in granted and stop.call_no is None:
                stop.call(now, self._book, journey.name, journey.wish.level)

    def _winner(
        self, now: Instant, site: str, claims: list[Claim], soon: list[tuple[Journey, Stop]]
    ) -> Claim:
        """Whose way is opened at *site*: the first of *claims*, unless it would be cut short.

        Who comes before it, and needs the junction before it is through, has it from now on.
        """
        first = first_of(claims)
        for journey, stop in soon:
            claim = _claim(now, journey, stop)
            if stop.window is None or claim.stage == first.stage:
                continue
            change_s = self._sites[site].usual_s(stop.stage)
            needs_ms = now.mono_ms + round((stop.window.green_from_s - change_s) * 1_000)
            if needs_ms < first.there_ms and first_of((first, claim)) is claim:
                first = claim
        return first


def _claim(now: Instant, journey: Journey, stop: Stop) -> Claim:
    eta_s = stop.window.eta_s if stop.window is not None else 0.0
    return Claim(
        corridor=journey.name,
        vehicle=journey.wish.vehicle,
        level=journey.wish.level,
        role=journey.wish.role,
        there_ms=now.mono_ms + round(eta_s * 1_000),
        opened_no=journey.opened_no,
        stage=stop.stage,
        served=stop.call_no is not None,
    )
