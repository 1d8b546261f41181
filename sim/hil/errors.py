"""What can go wrong with the programs around the bench."""

from __future__ import annotations

from sim.errors import BenchError


class HilError(BenchError):
    """A program of the bench, a port or a cabinet is not as it has to be."""
