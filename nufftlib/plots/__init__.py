"""Figures of the jobs' results; they need matplotlib."""
