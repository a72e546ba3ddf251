"""Transforms of images whose voxels decay, and precess at frequencies of their own."""
