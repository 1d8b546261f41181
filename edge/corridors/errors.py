"""What can be wrong with a wish for a corridor."""

from __future__ import annotations


class CorridorError(Exception):
    """A wish that can't be met: ``code`` for programs, a sentence that says what to do for people.

    Codes: ``unknown-street``, ``no-route``, ``no-signals``, ``bad-wish``, ``vehicle-busy``,
    ``unknown-vehicle``, ``expired-preview``, ``unknown-corridor``, ``over``, ``bad-position``.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
