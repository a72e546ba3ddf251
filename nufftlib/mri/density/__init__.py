"""Density compensation: weights of samples by geometry, by count, and by a fixed point."""
