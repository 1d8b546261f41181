import numpy as np
from numpy.typing import NDArray

lane_type: np.dtype[np.void]
source_type: np.dtype[np.void]
law_type: np.dtype[np.void]
ring: int

def advance(
    lanes: NDArray[np.void],
    sources: NDArray[np.void],
    to_lane: NDArray[np.float64],
    links: NDArray[np.int32],
    counts: NDArray[np.int32],
    service: NDArray[np.float64],
    laws: NDArray[np.void],
    now_s: float,
    dt_s: float,
) -> None: ...
def forecast(
    lanes: NDArray[np.void],
    sources: NDArray[np.void],
    to_lane: NDArray[np.float64],
    links: NDArray[np.int32],
    now_s: float,
    queue: NDArray[np.float64],
    arrivals: NDArray[np.float64],
) -> None: ...
