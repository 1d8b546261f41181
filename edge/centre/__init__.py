"""The centre's end of the line: hears the edges, sends them signed orders, runs the corridors."""
