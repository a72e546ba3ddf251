"""The NUFFT operator and its engines."""
