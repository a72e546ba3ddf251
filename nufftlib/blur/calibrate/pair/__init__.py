"""Calibration from pictures as they really are: exposed, clipped, encoded and moved."""
