"""Patterns in three dimensions."""
