import numpy as np
from numpy.typing import NDArray

def best_path(
    phase: NDArray[np.float64],
    lead: NDArray[np.float64],
    centre: NDArray[np.float64],
    centres: NDArray[np.int32],
    green: NDArray[np.float64],
    time: NDArray[np.float64],
    weight: NDArray[np.float64],
    slack: float,
    chosen: NDArray[np.int32],
) -> float: ...
