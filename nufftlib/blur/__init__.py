"""Blur: convolution with a point-spread function, PSFs and noise."""
