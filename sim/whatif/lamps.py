"""From what SUMO's signals show to the lamps of a site, and the eye that follows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from controller.signals import Outputs
from controller.take_over import Lit, dark
from sim.network.model import Junction
from sim.network.programs import GREEN, YELLOW
from sim.simulation import Connection
from sim.whatif.present import Shown, colour

LONG_AGO_S = 3_600.0


def lit_by(junction: Junction, shown: Shown | None) -> Lit:
    """The lamps of *junction* that show *shown*; without it every group is red, since just now.

    A group of several links is as young as its youngest. SUMO shows the clearance of a crossing as
    red; a walk that ended a moment ago is still clearing.
    """
    site = junction.intersection
    if shown is None:
        return dark(site)
    green = ending = 0
    since, ended = [], []
    for g, group in enumerate(site.groups):
        indices = [link.index for link in junction.links_of_group(g)]
        letters = {shown.letters[i] for i in indices}
        since_ms = _youngest_ms(shown.since_s, indices)
        ended_ms = _youngest_ms(shown.ended_s, indices)
        if letters & GREEN:
            green |= 1 << g
        elif letters & YELLOW:
            ending |= 1 << g
        elif group.is_pedestrian and ended_ms < group.ending_ms:
            ending |= 1 << g
            since_ms = ended_ms
        since.append(since_ms)
        ended.append(ended_ms)
    return Lit(green, ending, tuple(since), tuple(ended))


def _youngest_ms(ages_s: Sequence[float], indices: Sequence[int]) -> int:
    return round(1_000 * min((ages_s[i] for i in indices), default=0.0)) if ages_s else 0


def outputs_by(junction: Junction, letters: str) -> Outputs:
    """What a controller would have put out to show *letters*."""
    green = ending = 0
    for link in junction.links:
        if link.group is not None:
            green |= (letters[link.index] in GREEN) << link.group
            ending |= (letters[link.index] in YELLOW) << link.group
    return Outputs(green, ending & ~green)


class LampEye:
    """Follows what every signal shows, and since when."""

    def __init__(self, connection: Connection, names: Sequence[str]) -> None:
        self._state = connection.trafficlight.getRedYellowGreenState
        self._letters = {name: str(self._state(name)) for name in names}
        self._since = {name: [-LONG_AGO_S] * len(text) for name, text in self._letters.items()}
        self._ended = {name: list(since) for name, since in self._since.items()}

    def look(self, name: str, now_s: float) -> str | None:
        """The letters of signal *name* if they changed at *now_s*, else None."""
        letters, before = str(self._state(name)), self._letters[name]
        if letters == before:
            return None
        since, ended = self._since[name], self._ended[name]
        for i, (old, new) in enumerate(zip(before, letters, strict=True)):
            if colour(old) != colour(new):
                since[i] = now_s
                if old in GREEN:
                    ended[i] = now_s
        self._letters[name] = letters
        return letters

    def shown(self, now_s: float) -> Mapping[str, Shown]:
        """What every signal shows at *now_s*."""
        return {
            name: Shown(
                letters,
                tuple(min(LONG_AGO_S, now_s - since_s) for since_s in self._since[name]),
                tuple(min(LONG_AGO_S, now_s - ended_s) for ended_s in self._ended[name]),
            )
            for name, letters in self._letters.items()
        }
