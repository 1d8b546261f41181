"""The strategic tier: every few minutes, from the loops, new cycles, splits and offsets."""
