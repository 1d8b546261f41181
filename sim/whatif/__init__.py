"""Real-time what-if: the present, replayed under candidates for the next minutes, and ranked."""
