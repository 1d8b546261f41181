"""A city for demonstrations: SUMO in real time, the adaptive control at its junctions, a centre.

The streets run in a process of their own; the centre beside the console talks to them by messages
only, as it talks to cabinets elsewhere.
"""
