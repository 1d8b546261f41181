"""What the console needs of a centre, whoever is behind it: a broker and edges, or a simulation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from controller.plan import TimingPlan
from edge.centre.values import PlanRecord, SiteFacts, SiteLive, Vehicle
from edge.corridors.streets import Streets
from edge.corridors.values import Corridor, Position, Preview, Wish


class Centre(Protocol):
    """Sees all sites and opens corridors; one event loop calls it.

    What it refuses it says by :class:`~edge.corridors.desk.CorridorError` (corridors) or
    :class:`~controller.violations.InvalidError` (plans); what it can't do now, by
    :class:`~edge.errors.EdgeError`.
    """

    @property
    def name(self) -> str:
        """What the net is called."""

    @property
    def note(self) -> str:
        """What everybody has to know, such as that all of this is simulated; may be empty."""

    @property
    def streets(self) -> Streets:
        """The map."""

    @property
    def sites(self) -> Mapping[str, SiteFacts]:
        """What stands at each site, by name, in a fixed order."""

    @property
    def live(self) -> Mapping[str, SiteLive]:
        """How each site is, as it was last heard of."""

    @property
    def vehicles(self) -> Mapping[str, Vehicle]:
        """Those that corridors may be opened for."""

    @property
    def corridors(self) -> Mapping[str, Corridor]:
        """All that are open, and the last that were."""

    def now_utc_ms(self) -> int:
        """The time of the sites: UTC, or that of a simulation."""

    async def changed(self) -> None:
        """Return when something has changed; after a second at the latest."""

    async def preview(self, wish: Wish) -> Preview:
        """What a corridor would be; nothing is asked of anybody."""

    async def open(self, wish: Wish, caller: str, route: tuple[str, ...] | None = None) -> Corridor:
        """Ask for a corridor on behalf of *caller*, on the *route* of a preview if there is one."""

    async def report(self, corridor: str, position: Position) -> Corridor:
        """The vehicle is there."""

    async def reroute(self, corridor: str, way: tuple[str, ...] | str) -> Corridor:
        """It goes another *way*: a chain of streets, or a street as the new destination."""

    async def cancel(self, corridor: str, why: str) -> Corridor:
        """Nobody needs it any more; the junctions return to their plans."""

    async def end(self, corridor: str) -> Corridor:
        """The vehicle has arrived."""

    async def plans(self, site: str) -> tuple[PlanRecord, ...]:
        """What *site* has run on and what waits, the newest first."""

    async def push_plan(self, plan: TimingPlan, by: str, why: str) -> PlanRecord:
        """Send *plan* to its site; returns once the site has answered."""

    async def roll_back(self, site: str, sequence_no: int, by: str, why: str) -> PlanRecord:
        """Send an earlier plan once more, under a new number."""
