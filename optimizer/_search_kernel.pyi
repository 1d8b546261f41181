import numpy as np
from numpy.typing import NDArray

lanes_max: int
exits_max: int
beam_max: int

def search(
    arrivals: NDArray[np.int16],
    queue: NDArray[np.int16],
    weight: NDArray[np.int16],
    stop_weight: NDArray[np.int16],
    rate: NDArray[np.int16],
    change_s: NDArray[np.int32],
    stops_s: NDArray[np.int32],
    starts_s: NDArray[np.int32],
    served_from_s: NDArray[np.int32],
    min_green_s: NDArray[np.int32],
    max_green_s: NDArray[np.int32],
    allowed: NDArray[np.uint8],
    limit_s: NDArray[np.int32],
    exit_share: NDArray[np.int16],
    exit_spare: NDArray[np.int32],
    incumbent: NDArray[np.int32],
    settings: NDArray[np.int32],
    plan_out: NDArray[np.int32],
    value_out: NDArray[np.int64],
    departures_out: NDArray[np.int16],
    figures_out: NDArray[np.int64],
) -> int: ...
