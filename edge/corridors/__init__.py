"""Green corridors for emergency vehicles: what is asked for, of whom, when, and what came of it.

Pure but for what its callers hand in: the clock, positions, the views of the sites and the answers
of the cabinets. It asks cabinets by priority calls; their controllers decide, and never cut a
minimum green, a yellow, a clearance or a walk.
"""
