"""What can go wrong on the bench; every message is one sentence that says what, where, what to do.

BenchError
    ScenarioError   a scenario that is unknown, incomplete, or could not be fetched
    NetworkError    a network from which no controller can be derived
    PlanFileError   a file of signal plans that says something impossible, or not enough
    CountsError     counts of detectors that nothing can be planned from
    SumoError       SUMO is missing, refused its input, or died during a run
"""

from __future__ import annotations


class BenchError(Exception):
    """Base of everything that the bench reports to its user in one line."""


class ScenarioError(BenchError):
    """A scenario that is unknown, incomplete, or could not be fetched."""


class NetworkError(BenchError):
    """A network from which no controller can be derived."""


class SumoError(BenchError):
    """SUMO is missing, refused its input, or died during a run."""


class PlanFileError(BenchError):
    """A file of signal plans that says something impossible, or not enough."""


class CountsError(BenchError):
    """Counts of detectors that nothing can be planned from."""
