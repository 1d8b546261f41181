from optimizer.delay import Floats

def solve(
    distance_m: Floats,
    speed_kmh: Floats,
    cycle_s: Floats,
    red_outbound: Floats,
    red_inbound: Floats,
    shift: Floats,
    clearance_outbound: Floats,
    clearance_inbound: Floats,
    k: float,
    bands: Floats,
    offset_s: Floats,
) -> None: ...
