"""When must which approach be green, so that a vehicle with priority never has to stop.

Pure: distances, queues and changes go in as plain numbers, seconds from now come out.
"""
