"""Frames that are combinations of a few images."""
