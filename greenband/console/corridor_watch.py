"""Puts on record what became of every corridor, junction by junction, as it changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edge.corridors.values import Corridor, Passage, PassageState

_BEFORE_ANY_ANSWER = (PassageState.PLANNED, PassageState.ASKED)
Note = Callable[[str, str, str, Mapping[str, object]], None]


class CorridorWatch:
    """Compares corridors with how they were, and writes each change by *note*."""

    def __init__(self, note: Note) -> None:
        self._note = note
        self._states: dict[str, str] = {}
        self._passages: dict[tuple[str, str], tuple[str, str]] = {}

    def look(self, corridors: Mapping[str, Corridor]) -> None:
        """All corridors, as they are now."""
        for corridor in corridors.values():
            self._look_at(corridor)
        for gone in self._states.keys() - corridors.keys():
            del self._states[gone]
        for key in [key for key in self._passages if key[0] not in corridors]:
            del self._passages[key]

    def _look_at(self, corridor: Corridor) -> None:
        if corridor.state.is_over and self._states.get(corridor.id) == corridor.state.value:
            return  # nothing becomes of it any more
        for passage in corridor.passages:
            key, found = (corridor.id, passage.site), (passage.state.value, passage.why)
            before = self._passages.get(key)
            if before is None or before[0] != found[0]:
                self._note_passage(corridor.id, passage)
            self._passages[key] = found
        state = corridor.state.value
        if self._states.get(corridor.id) != state:
            self._states[corridor.id] = state
            detail = {"state": state, "note": corridor.note}
            self._note("corridor desk", "corridor state", corridor.id, detail)

    def _note_passage(self, corridor: str, passage: Passage) -> None:
        site, state = passage.site, passage.state
        if state in _BEFORE_ANY_ANSWER:
            self._note("corridor desk", f"junction {state.value}", corridor, {"junction": site})
        else:
            detail = {"answer": state.value, "why": passage.why}
            self._note(f"junction {site}", "answered", corridor, detail)
