import numpy as np
from numpy.typing import NDArray

def solve(
    green: NDArray[np.float64],
    centre: NDArray[np.float64],
    centres: NDArray[np.int32],
    clearance: NDArray[np.float64],
    length: NDArray[np.float64],
    fast: NDArray[np.float64],
    slow: NDArray[np.float64],
    change: NDArray[np.float64],
    limits: tuple[float, float, float, float, int],
    phase: NDArray[np.float64],
    slowness: NDArray[np.float64],
    pattern: NDArray[np.int32],
    outcome: NDArray[np.float64],
) -> None: ...
