"""Figures of what the jobs found; they need matplotlib."""
