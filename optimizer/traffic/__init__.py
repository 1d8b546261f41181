"""The traffic state of a junction from its loops: queues, arrivals, discharge, and their trust."""

from optimizer.traffic.junction import JunctionTraffic

__all__ = ["JunctionTraffic"]
