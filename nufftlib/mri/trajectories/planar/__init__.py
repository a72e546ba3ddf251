"""Patterns in two dimensions."""
