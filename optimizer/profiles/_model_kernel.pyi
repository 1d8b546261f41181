import numpy as np
from numpy.typing import NDArray

from optimizer.profiles._tables import Tables, Timing

class KernelModel:
    results: NDArray[np.float64]
    outflow: NDArray[np.float64]
    arrivals: NDArray[np.float64]
    def __init__(
        self, tables: Tables, *, delay: float, stop_s: float, spillback: float, stops: bool
    ) -> None: ...
    def load(self, timing: Timing, *, tolerance: float, updates_max: int) -> float: ...
    def try_changes(
        self,
        nodes: NDArray[np.intp],
        starts: NDArray[np.float64],
        sequences: NDArray[np.intp],
        cycles_s: NDArray[np.float64],
        changes: NDArray[np.float64],
        *,
        tolerance: float,
        updates_max: int,
    ) -> None: ...
    def commit(
        self,
        nodes: NDArray[np.intp],
        starts: NDArray[np.float64],
        sequences: NDArray[np.intp],
        cycles_s: NDArray[np.float64],
        *,
        tolerance: float,
        updates_max: int,
    ) -> float: ...
