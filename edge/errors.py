"""What can go wrong at the edge, as the one who operates it sees it.

::

    EdgeError
    ├── ConfigError       the site file; names every fault with its line
    ├── OrderRefusedError an order from the centre that is not carried out
    ├── StoreError        the local database
    └── BrokerError       the embedded broker
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class EdgeError(Exception):
    """A failure in one sentence: what, where, what to do."""


class StoreError(EdgeError):
    """The local database can't do what was asked."""


class BrokerError(EdgeError):
    """The embedded broker can't start."""


class OrderRefusedError(EdgeError):
    """An order that is not carried out; :attr:`rule` says in a word why."""

    def __init__(self, rule: str, message: str) -> None:
        self.rule = rule
        super().__init__(message)


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One fault of a configuration file: its line, the place in words, and what to do."""

    line: int
    where: str
    message: str


class ConfigError(EdgeError):
    """A configuration that can't be used; :attr:`problems` names every fault of it."""

    def __init__(self, path: str, problems: Sequence[Problem]) -> None:
        self.path = path
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(self.lines()))

    def lines(self) -> tuple[str, ...]:
        """One line for each fault, as a compiler writes it."""
        return tuple(
            f"{self.path}:{each.line}: error: {each.where}: {each.message}"
            for each in self.problems
        )
