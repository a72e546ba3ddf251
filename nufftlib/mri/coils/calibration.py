"""The centre of k-space on a Cartesian grid, from samples anywhere."""

from __future__ import annotations

import math

from array_api_compat import device

from nufftlib.core.arrays import (
    Array,
    check_finite,
    common_namespace,
    complex_dtype,
    real_dtype,
)
from nufftlib.core.kinds import instance, sizes
from nufftlib.inverse.least_squares import LeastSquares
from nufftlib.nufft.engines.base import fold
from nufftlib.nufft.operator import NUFFT

CALL = "calibration_region"

MARGIN = 8
"""Steps of the grid, in all, by which the fitted region is larger along each axis."""

DAMPING = 1e-3
"""In parts of the mean eigenvalue: neither 0.01 nor 0.0001 changes the maps by a tenth."""

TOLERANCE, STEPS = 1e-4, 300
"""Of the solve, of which more digits would be those of the noise."""


def calibration_region(F: NUFFT, data: Array, *, size: int | tuple[int, ...] = 24) -> Array:
    r"""Return the centre of k-space on the Cartesian grid, from data of any trajectory.

    The samples near the centre see an image of few voxels. It is the solution of

    .. math:: \min_z \|F_0 z - y_0\|^2 + \lambda \|z\|^2

    with the transform :math:`F_0` from ``size`` + 8 voxels along each axis, in the same field of
    view, to the samples :math:`y_0` with :math:`|k_a| \le (\text{size}_a + 8) / (2 N_a)`. The
    damping is 0.001 of the mean eigenvalue of :math:`F_0^H F_0`. The result is the centre of the
    transform of ``z``.

    Parameters
    ----------
    F : NUFFT
        Operator of the acquisition.
    data : array, shape (coils, *trajectory.shape[:-1]), complex
        Data of all coils.
    size : int or tuple of int
        Samples of the grid along each axis.

    Returns
    -------
    array, shape (coils, *size), complex
        Samples at ``k_a = q / N_a`` cycles per voxel, ``q = -(size // 2), ...``, as `espirit_maps`
        takes them, in the scale of the data.

    Raises
    ------
    TypeError
        If `F` is no NUFFT, or the arrays do not go together.
    ValueError
        If the shapes do not fit, data are not finite, a setting is out of range, or there are no
        samples near the centre.

    Notes
    -----
    Each sample of k-space sees all voxels of the field of view, so that samples within it but for
    a margin determine the grid: no density weights are needed, and no interpolation is made. The
    solve is by conjugate gradients with the convolution :math:`F_0^H F_0`, for all coils at once.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> F = nl.NUFFT(nl.mri.trajectories.radial(64, 33), (32, 32))
    >>> s = nl.mri.birdcage_maps(4, (32, 32))
    >>> y = nl.mri.calibration_region(F, F(s), size=16)
    >>> y.shape
    (4, 16, 16)
    """
    instance(CALL, "F", F, NUFFT, "a NUFFT")
    xp = common_namespace(f"{CALL}(data)", data=data, trajectory=F.trajectory)
    F.transform.check_complex(f"{CALL}(data)", "data", data)
    wish = "the samples along each axis"
    size = sizes(CALL, "size", size, wish, counts=(len(F.shape),), alone=len(F.shape))
    if any(c > n for c, n in zip(size, F.shape, strict=True)):
        msg = f"{CALL}(size): size is {size}; want at most the shape of the image, {F.shape}"
        raise ValueError(msg)
    samples = tuple(F.trajectory.shape[:-1])
    if data.ndim != len(samples) + 1 or tuple(data.shape[1:]) != samples:
        msg = f"{CALL}(data): data has the shape {tuple(data.shape)}; want {('coils', *samples)}"
        raise ValueError(msg)
    check_finite(xp, f"{CALL}(data)", "data", data)
    whole = tuple(c + MARGIN for c in size)
    stretch = xp.asarray(
        [n / c for n, c in zip(F.shape, whole, strict=True)],
        dtype=F.trajectory.dtype,
        device=device(F.trajectory),
    )
    k = xp.reshape(fold(xp, F.trajectory) * stretch, (-1, len(size)))
    far = xp.astype(xp.any(xp.abs(k) > 0.5, axis=-1), xp.int8)
    near = xp.argsort(far, stable=True)[: int(xp.sum(xp.astype(far == 0, xp.int32)))]
    if near.shape[0] == 0:
        msg = f"{CALL}(F): no sample is within {whole} steps of 1/FOV; want some near the centre"
        raise ValueError(msg)
    y = xp.take(xp.reshape(data, (data.shape[0], -1)), near, axis=1)
    F0 = NUFFT(xp.take(k, near, axis=0), whole, norm="ortho", eps=F.eps, engine=F.engine)
    # The mean eigenvalue of F0^H F0 is its diagonal: samples by voxels.
    level = DAMPING * near.shape[0] / math.prod(whole)
    z = LeastSquares(F0, level, tolerance=TOLERANCE, steps=STEPS)(y)
    region = z
    for axis, (c, w) in enumerate(zip(size, whole, strict=True), start=1):
        region = transformed(region, axis, c, w)
    return region


def transformed(z: Array, axis: int, c: int, w: int) -> Array:
    """Transform an axis of `w` voxels to the `c` samples in the middle of k-space."""
    xp = common_namespace(CALL, z=z)
    real = {"dtype": real_dtype(xp, z), "device": device(z)}
    q = xp.arange(-(c // 2), c - c // 2, **real)
    n = xp.arange(-(w // 2), w - w // 2, **real)
    turns = q[:, None] * n[None, :] / w
    E = xp.exp(-2j * math.pi * xp.astype(turns - xp.round(turns), complex_dtype(xp, z)))
    moved = xp.moveaxis(z, axis, 0)
    product = E @ xp.reshape(moved, (w, -1)) / math.sqrt(w)
    return xp.moveaxis(xp.reshape(product, (c, *moved.shape[1:])), 0, axis)
