"""Signal plans for networks: what a planner is given, and what it makes."""
