"""What is wrong with a value, and the error that carries all of it.

A site or a plan is checked as a whole: every violation is named, not just the first, so that an
engineer mends a file once.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule: its short name, the place, and a sentence that says what to do."""

    rule: str
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message} [{self.rule}]"


class InvalidError(ValueError):
    """A value that breaks its rules; :attr:`violations` names every one of them."""

    def __init__(self, what: str, violations: tuple[Violation, ...]) -> None:
        self.what = what
        self.violations = violations
        lines = "; ".join(str(violation) for violation in violations)
        super().__init__(f"{what} is not valid: {lines}")

    def __reduce__(self) -> tuple[type[InvalidError], tuple[str, tuple[Violation, ...]]]:
        """Survive the way from a worker process, which rebuilds an error from its arguments."""
        return (InvalidError, (self.what, self.violations))
