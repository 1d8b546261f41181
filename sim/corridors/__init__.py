"""Emergency corridors on the bench: the map, the vehicles, the desk beside the junctions, figures.

Only this room reads where the emergency vehicles are (their own receivers would tell); the controls
of the junctions see their loops as ever.
"""
