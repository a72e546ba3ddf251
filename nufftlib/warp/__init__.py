"""Warp: pictures that are not aligned."""
