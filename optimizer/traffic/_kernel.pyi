import numpy as np
from numpy.typing import NDArray

lane_type: np.dtype[np.void]
source_type: np.dtype[np.void]
law_type: np.dtype[np.void]
ring: int

class Model:
    def __init__(
        self,
        lanes: NDArray[np.void],
        sources: NDArray[np.void],
        to_lane: NDArray[np.float64],
        links: NDArray[np.int32],
        laws: NDArray[np.void],
    ) -> None: ...
    def advance(
        self, counts: NDArray[np.int32], service: NDArray[np.float64], now_s: float, dt_s: float
    ) -> None: ...
    def forecast(
        self, now_s: float, queue: NDArray[np.float64], arrivals: NDArray[np.float64]
    ) -> None: ...
    def trapped(self, now_s: float, vehicles: NDArray[np.float64]) -> None: ...
    def head_waits(self, now_s: float, wait_s: NDArray[np.float64]) -> None: ...
    def longest_held_s(self) -> float: ...
