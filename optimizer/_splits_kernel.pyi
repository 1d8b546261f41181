import numpy as np
from numpy.typing import NDArray

stages_max: int
groups_max: int

def optimise(
    flow_veh_per_h: NDArray[np.float64],
    saturation_veh_per_h: NDArray[np.float64],
    service: NDArray[np.float64],
    extra_green_s: NDArray[np.float64],
    minimum_green_s: NDArray[np.float64],
    lost_s: NDArray[np.float64],
    cycles_s: NDArray[np.float64],
    stage_counts: NDArray[np.int64],
    group_counts: NDArray[np.int64],
    initial_queue_veh: NDArray[np.float64],
    ring: NDArray[np.int64],
    barrier: NDArray[np.int64],
    period_h: float,
    delay_weight: float,
    stop_s: float,
    tolerance: float,
    exchanges_max: int,
    green_s: NDArray[np.float64],
    cycle_index: NDArray[np.int64],
    delay_veh: NDArray[np.float64],
    bound_veh: NDArray[np.float64],
) -> None: ...
