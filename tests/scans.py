"""Scans to be tested: their limits written out, and random ones."""

import numpy as np

import nufftlib as nl

SCANNER = nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6)
PROTOCOL = nl.mri.Protocol(SCANNER, fov=0.24, shape=(256, 256))


def with_rest(steps, rest):
    """Return the steps along axis -2, with the zeros before and after them."""
    zero = [np.zeros_like(steps[..., :1, :])]
    before, after = zero * (rest in ("both", "start")), zero * (rest in ("both", "end"))
    return np.concatenate([*before, steps, *after], axis=-2)


def steps_of(protocol):
    """Return the largest step, and the largest change of it, in 1/m."""
    s = protocol.scanner
    return s.gamma * s.raster * s.gmax, s.gamma * s.raster**2 * s.smax


def limited(k, protocol):
    """Return what is limited, in units of the limit: coordinates, speeds and their changes."""
    voxel = np.asarray(protocol.fov) / np.asarray(protocol.shape)
    alpha, beta = steps_of(protocol)
    steps = np.diff(np.asarray(k, np.float64) / voxel, axis=-2)
    changes = np.diff(with_rest(steps, protocol.rest), axis=-2)
    return np.asarray(k, np.float64) / 0.5, steps / alpha, changes / beta


def violation(k, protocol):
    """Return by which part of itself a limit is passed, or 0."""
    band, *vectors = limited(k, protocol)
    length = {"l2": lambda v: np.sqrt(np.sum(v**2, axis=-1)), "max": np.abs}[protocol.scanner.norm]
    return max(
        0.0, *(np.max(length(v), initial=0.0) - 1 for v in vectors), np.max(np.abs(band)) - 1
    )


def distances(a, b, protocol):
    """Return the distance of each shot in 1/m."""
    voxel = np.asarray(protocol.fov) / np.asarray(protocol.shape)
    return np.sqrt(np.sum(((np.float64(a) - b) / voxel) ** 2, axis=(-2, -1)))


def random_protocol(rng, case, ndim=None):
    """Return limits of every kind in turn: norm, rest, number of axes, anisotropic voxels."""
    d = int(rng.integers(1, 4)) if ndim is None else ndim
    gmax = (40e-3, 4e-3)[case // 3 % 2]
    return nl.mri.Protocol(
        nl.mri.Scanner(gmax, 180.0, 10e-6, norm=("l2", "max")[case % 2]),
        fov=tuple(rng.uniform(0.1, 0.4, d)),
        shape=tuple(map(int, rng.integers(16, 300, d))),
        rest=("both", "start", "end", None)[case // 2 % 4],
    )


def wandering(rng, protocol, shots, samples, pace):
    """Return curves of random steps, `pace` times the largest change of a step."""
    u = steps_of(protocol)[1] * np.asarray(protocol.fov) / np.asarray(protocol.shape)
    k = np.cumsum(rng.standard_normal((shots, samples, protocol.ndim)), axis=1) * u * pace
    return k - k[:, :1] + rng.uniform(-0.2, 0.2, (shots, 1, protocol.ndim))
