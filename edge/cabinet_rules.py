"""What is the same for all cabinets of an edge."""

from __future__ import annotations

import socket
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

from edge import ladder
from edge.config import Cabinet, EdgeConfig
from edge.junction_control import JunctionControl
from edge.ladder import LadderState, Patience, Reason, Rung
from edge.loop import TimeSource
from edge.settings import ControlSettings
from optimizer.links import Link
from optimizer.tactical import TacticalSettings

NO_BUDGET_MS = 10**9
BROKEN_OFF_BUDGETS = 2
"""A computer that is merely slow is late three times before it is told so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How cabinets are controlled. In *lockstep* nothing hangs on how fast this computer is."""

    writer: int
    clock: TimeSource
    adaptive: bool
    patience: Patience
    settings: TacticalSettings
    links: tuple[Link, ...] = ()
    lockstep: bool = False

    @property
    def deciding_s_max(self) -> float | None:
        """What takes longer is broken off: all other cabinets wait for it."""
        return None if self.lockstep else BROKEN_OFF_BUDGETS * self.patience.budget_ms / 1_000

    @classmethod
    def of(cls, config: EdgeConfig, clock: TimeSource, *, lockstep: bool = False) -> Rules:
        """As ``site.toml`` says."""
        patience = Patience.of(config.control)
        if lockstep:
            patience = replace(patience, budget_ms=NO_BUDGET_MS, late_poll_ms=NO_BUDGET_MS)
        return cls(
            writer=writer_of(config.name),
            clock=clock,
            adaptive=config.control.adaptive,
            patience=patience,
            settings=tactical_settings(config.control),
            links=config.links,
            lockstep=lockstep,
        )

    def control_of(self, cabinet: Cabinet) -> JunctionControl:
        """A control that has seen nothing yet."""
        return JunctionControl(
            cabinet.site,
            cabinet.plan,
            self.links,
            self.settings,
            keep_order=cabinet.keep_order,
            greens_s=cabinet.greens_s,
        )

    def start(self, now_ms: int) -> LadderState:
        """The rung that a cabinet begins on.

        A bench has made sure that it is there. A link that was not there before has not flickered
        either: whoever answers at once is trusted at once.
        """
        if self.lockstep:
            return LadderState(Rung.ADAPTIVE, now_ms, now_ms)
        state = ladder.start(now_ms)
        seen_ms = now_ms - self.patience.gone_ms[Reason.LINK]
        return replace(state, reasons=tuple(replace(r, seen_ms=seen_ms) for r in state.reasons))


def writer_of(edge: str, computer: str | None = None) -> int:
    """The number by which cabinets tell this edge from others, also from one of the same name.

    It is the same after every start on the same computer, so that a cabinet obeys at once.
    """
    where = this_computer() if computer is None else computer
    return zlib.crc32(f"{edge}\n{where}".encode()) or 1


def this_computer(interfaces: Path = Path("/sys/class/net")) -> str:
    """Its name and the addresses of its network cards: a copied card has the same name."""
    cards = sorted(each.parent / "address" for each in interfaces.glob("*/device"))
    addresses = [each.read_text().strip() for each in cards if each.is_file()]
    return "\n".join([socket.gethostname(), *addresses])


def tactical_settings(control: ControlSettings) -> TacticalSettings:
    """The settings of the adaptive control, as far as a site has a say in them."""
    return TacticalSettings(
        max_green_s=control.max_green_s,
        max_wait_s=control.max_wait_s,
        ttl_ms=control.schedule_ttl_ms,
    )
