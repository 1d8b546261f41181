"""Yellow for what is green at the take-over and conflicts with something else that is lit.

A site of ours never shows such a picture, so its controller can't end it; the bench does.
"""

from __future__ import annotations

from controller.intersection import bits
from sim.network import Junction


class Yellows:
    """The links of the groups in *cut* show yellow for their ending times from *begin_ms* on."""

    def __init__(self, junction: Junction, cut: int, begin_ms: int) -> None:
        site = junction.intersection
        self._until_ms = {
            link.index: begin_ms + site.groups[group].ending_ms
            for group in bits(cut)
            if not site.groups[group].is_pedestrian
            for link in junction.links_of_group(group)
        }

    def last(self, now_ms: int) -> bool:
        """Whether any of them still shows yellow."""
        return any(now_ms < until_ms for until_ms in self._until_ms.values())

    def over(self, state: str, now_ms: int) -> str:
        """*state* with the yellows that still last."""
        if not self.last(now_ms):
            return state
        letters = list(state)
        for index, until_ms in self._until_ms.items():
            if now_ms < until_ms:
                letters[index] = "y"
        return "".join(letters)
