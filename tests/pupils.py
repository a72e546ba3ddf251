"""Points of a pupil and of a picture, for integrals over the pupil."""

import numpy as np


def disk(nodes=40):
    """Points and weights of a quadrature of the disk's mean, exact for low polynomials."""
    t, w = np.polynomial.legendre.leggauss(nodes)
    r = np.sqrt((t + 1) / 2)  # uniform in r^2
    theta = 2 * np.pi * np.arange(2 * nodes) / (2 * nodes)
    weights = np.repeat(w / 2, theta.size) / theta.size
    return np.repeat(r, theta.size), np.tile(theta, r.size), weights


def pixel_grid(shape):
    p0, p1 = (np.arange(n) - n // 2 for n in shape)
    return p0[:, None] + 0 * p1, 0 * p0[:, None] + p1
