"""The numbers of the law in :mod:`optimizer.traffic._reference`; the kernel is given the same."""

from __future__ import annotations

RING = 128
"""Vehicles that one lane or source can remember; the oldest is forgotten first."""

GHOST_AFTER_S = 4.0
LATE_AFTER_S = 5.0
EARLY_LIMIT_S = 12.0
LATENESS_WEIGHT = 0.3
HELD_S = 3.0
"""A loop upstream of the stop line that is occupied for so long has a queue standing on it."""
GAP_S = 3.0
DISCHARGING_GAP_S = 2.0
MOVING_UP_S = 4.0
SPILLED_S = 6.0
"""An entry loop that is occupied for so long: the queue has reached it."""
DISCHARGING_VEH = 1.0
"""What stands on average while vehicles still leave without a gap."""
RED_PLATOON = 1.7
"""Arrivals behind a first vehicle in red, against the mean rate: vehicles come in platoons."""
BLOCKED_AFTER_S = 8.0
BLOCKED_FACTOR = 0.1
NO_GAP_FACTOR = 0.3
"""The same of a lane that gives way: in other greens that give way, but not where it need not."""
RATE_TAU_S = 300.0
RATE_PRIOR_VEH_PER_S = 0.02
SHARE_GAIN = 0.02
STANDING_S = 2.0
STARTUP_S = 2.0
FULL_AFTER_S = 4.0
"""An entry loop that is occupied for so long: nobody else gets into the street there."""
SHORT_FULL_AFTER_S = 1.0
"""The same for a street too short for entry loops: it fills while one second is thought over."""
CLEAR_AFTER_S = 60.0
"""After a queue over the advance loop, until late vehicles count as turned off again."""
