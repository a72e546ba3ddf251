"""Solves as maps: what solves a problem, with the derivatives of the solution."""
