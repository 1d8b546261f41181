"""Previews that were shown, until they are opened or have expired."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edge.corridors.values import Preview
from greenband.console.problems import ProblemError

PREVIEWS_MAX = 500


@dataclass(frozen=True, slots=True)
class Shown:
    """A preview, who asked for it, and the corridor that came of it."""

    preview: Preview
    agency: str
    corridor: str = ""


class Previews:
    """The last previews, by id."""

    def __init__(self) -> None:
        self._shown: dict[str, Shown] = {}

    def keep(self, preview: Preview, agency: str) -> None:
        """It may be opened by *agency* until it expires."""
        while len(self._shown) >= PREVIEWS_MAX:
            del self._shown[next(iter(self._shown))]
        self._shown[preview.id] = Shown(preview, agency)

    def take(self, preview_id: str, agency: str, now_utc_ms: int) -> Preview:
        """The preview, if *agency* may open it now; raises :class:`ProblemError`."""
        shown = self._shown.get(preview_id)
        if shown is None or shown.agency != agency:
            raise ProblemError(
                404,
                "unknown-preview",
                "There is no such preview: ask for a new one, and open it within a minute.",
            )
        if shown.corridor:
            raise ProblemError(
                409,
                "already-opened",
                f"This preview was opened already, as corridor {shown.corridor}.",
                corridor=shown.corridor,
            )
        if now_utc_ms >= shown.preview.expires_utc_ms:
            raise ProblemError(
                410,
                "expired-preview",
                "This preview has expired, and the traffic has changed since: ask for a new one.",
            )
        return shown.preview

    def opened(self, preview_id: str, corridor: str) -> None:
        """*corridor* came of it."""
        if preview_id in self._shown:
            self._shown[preview_id] = replace(self._shown[preview_id], corridor=corridor)
