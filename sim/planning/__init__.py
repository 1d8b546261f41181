"""What plans are made from: demand from routes, and a SUMO network as a planner needs it."""
