from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[Any]

class Platoons:
    def __init__(
        self,
        exits: int,
        feed: Integers,
        smoothing: Floats,
        share: Floats,
        group: Integers,
        travel_s: Integers,
    ) -> None: ...
    def take(self, rows: Integers, columns: Integers, outflow: Floats, start_ms: int) -> None: ...
    def learn(self, now_ms: int, passed: Integers) -> None: ...
    def meet(self, to_lane: Floats, arrivals: Floats) -> None: ...
