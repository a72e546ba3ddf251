"""Engines: who computes the sums of the NUFFT."""
