r"""Calibration of gradient delays from data of an unknown image.

Near the centre of k-space, samples of all shots see an image of few voxels. For the trajectory of
given delays :math:`p` it is a solve away, coil by coil, and what is left is a function of the
delays alone (variable projection),

.. math:: f(p) = \min_z \tfrac12 \|F(k(p))\, z - y\|^2 + \tfrac\lambda2 \|z\|^2 .

At the minimum over :math:`z` the gradient is that of fixed :math:`z`. With :math:`D_i = \mathrm{d}F
[\partial_i k]\, z` the residual changes, to first order in itself, by
:math:`D_i - F (F^H F + \lambda)^{-1} F^H D_i` (Kaufman), of which the Gauss-Newton matrix is made.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from array_api_compat import device

import optim
from nufftlib.core.arrays import (
    Array,
    Namespace,
    check_finite,
    common_namespace,
    complex_dtype,
    is_single,
)
from nufftlib.core.kinds import instance, integer, sizes
from nufftlib.core.notebook import card, samples
from nufftlib.inverse.least_squares import LeastSquares
from nufftlib.mri.gradient_system.delays import GradientDelays, check_shots
from nufftlib.mri.preconditioner import circulant_preconditioner
from nufftlib.nufft.operator import NUFFT

CALL = "calibrate_delays"

MARGIN = 8
"""Voxels by which the image is larger than the part of k-space that is fitted, along each axis."""

DAMPING = 1e-3
"""In parts of the mean eigenvalue."""

ROUGH, STEPS = 1e-3, 2000
"""Of the solves: the tolerance for the matrix, which only has to show the way."""

MOVE = 1e-4
"""Of a parameter, below which the fit ends."""


class CalibratedDelays(NamedTuple):
    """What `calibrate_delays` found.

    Attributes
    ----------
    delays : array, shape (d (d + 1) / 2,)
        Delays in samples, as `GradientDelays` takes them.
    deviations : array, shape (d (d + 1) / 2,)
        Their standard deviations.
    trajectory : array
        The trajectory that was played, ``GradientDelays(trajectory)(delays)``.
    residual : float
        Root of the mean square of what is left, in parts of that of the data.
    losses : tuple of float
        The loss after each evaluation.
    """

    delays: Array
    deviations: Array
    trajectory: Array
    residual: float
    losses: tuple[float, ...]

    def _repr_html_(self) -> str:
        return card(self, trajectory=samples)


def calibrate_delays(
    F: NUFFT, data: Array, *, size: int | tuple[int, ...] = 24, steps: int = 20
) -> CalibratedDelays:
    """Find the delays of the gradients from the data of a scan, of any image.

    The image and its coils need not be known. Shots that cross near the centre of k-space, as
    spokes do, are only consistent with one another on the trajectory that was played.

    Parameters
    ----------
    F : NUFFT
        Gives the planned trajectory, of the shape (shots, samples, d) with 2 or 3 axes, the image
        shape and the engine.
    data : array, shape (coils, shots, samples), complex
        Data of all coils.
    size : int or tuple of int
        The part of k-space that is fitted, in steps of one over the field of view.
    steps : int
        Evaluations at most; four or five are usual.

    Returns
    -------
    CalibratedDelays
        Delays, their deviations, and the trajectory that was played.

    Raises
    ------
    TypeError
        If `F` is no NUFFT, or the arrays do not go together.
    ValueError
        If the shapes do not fit, data are not finite, or there are too few samples near the
        centre to determine an image.

    Notes
    -----
    Each evaluation takes a solve for all coils, and a rough one for each delay and coil, with the
    transform of a small image. Deviations are those of the fit without the damping, with the noise
    taken from the residual: an error of the model, such as an object larger than the field of
    view, counts as noise.

    Spokes through the centre in all directions of the full circle tell delays best. Of those of
    half a circle, few cross closely enough to tell the delay across the axis where it begins.

    References
    ----------
    G. H. Golub and V. Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares
    problems whose variables separate", SIAM J. Numer. Anal. 10 (1973) 413-432.

    L. Kaufman, "A variable projection method for solving separable nonlinear least squares
    problems", BIT 15 (1975) 49-57.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> k = nl.mri.trajectories.radial(64, 32, dtype=np.float64)
    >>> played = nl.mri.GradientDelays(k)(np.asarray([0.3, -0.2, 0.1]))
    >>> s = nl.mri.birdcage_maps(3, (32, 32), dtype=np.complex128)
    >>> i = np.linspace(-1, 1, 32)
    >>> image = (i**2 + i[:, None] ** 2 < 0.5) * (1.0 + (i > 0.1))
    >>> y = nl.NUFFT(played, (32, 32))(s * image)
    >>> found = nl.mri.calibrate_delays(nl.NUFFT(k, (32, 32)), y, size=12)
    >>> np.round(found.delays, 2)
    array([ 0.3, -0.2,  0.1])
    """
    instance(CALL, "F", F, NUFFT, "a NUFFT")
    check_shots(CALL, F.trajectory)
    if F.trajectory.ndim < 3:  # the delay is along a shot, and one shot crosses no other
        shape = tuple(F.trajectory.shape)
        msg = f"{CALL}(F): the trajectory has the shape {shape}; want (shots, samples, d)"
        raise ValueError(msg)
    model, k = GradientDelays(F.trajectory), F.trajectory
    d = k.shape[-1]
    xp = common_namespace(f"{CALL}(data)", data=data, trajectory=k)
    size = sizes(CALL, "size", size, f"{d} sizes of the centre", counts=(d,), alone=d)
    steps = integer(CALL, "steps", steps, least=1)
    check_data(xp, k, data)
    fit = CentreFit(xp, F, data, size)
    result = optim.levenberg_marquardt(fit, model.start, steps=steps, tolerance=MOVE)
    left, p = 2.0 * float(result.state.values), result.params
    variance = left / max(2 * (fit.data_count - fit.voxel_count) - p.shape[0], 1)
    covariance = xp.linalg.inv(result.state.blocks) * variance
    deviations = xp.sqrt(xp.linalg.diagonal(covariance))
    residual = math.sqrt(left / float(xp.sum(abs2(xp, fit.y))))
    return CalibratedDelays(p, deviations, model(p), residual, tuple(result.history))


def check_data(xp: Namespace, k: Array, data: Array) -> None:
    """Refuse data that are not those of the trajectory."""
    if data.dtype != complex_dtype(xp, k):
        want = "complex64" if is_single(xp, k) else "complex128"
        msg = f"{CALL}(data): data is {data.dtype}; want {want} for a trajectory of {k.dtype}"
        raise TypeError(msg)
    samples = tuple(k.shape[:-1])
    if data.ndim != len(samples) + 1 or tuple(data.shape[1:]) != samples:
        msg = f"{CALL}(data): data has the shape {tuple(data.shape)}; want {('coils', *samples)}"
        raise ValueError(msg)
    check_finite(xp, f"{CALL}(data)", "data", data)


class CentreFit:
    """The loss of the delays, its gradient and its Gauss-Newton matrix.

    Parameters
    ----------
    xp : module
        Namespace of the arrays.
    nufft : NUFFT
        The operator at the planned trajectory.
    data : array
        Data of all coils.
    size : tuple of int
        Of the centre of k-space.
    """

    def __init__(self, xp: Namespace, nufft: NUFFT, data: Array, size: tuple[int, ...]) -> None:
        self.xp, self.model, self.engine = xp, GradientDelays(nufft.trajectory), nufft.engine
        k, shape = nufft.trajectory, nufft.shape
        self.small = tuple(c + MARGIN for c in size)
        real = {"dtype": k.dtype, "device": device(k)}
        # In cycles per voxel of the small image.
        self.stretch = xp.asarray([n / c for n, c in zip(shape, self.small, strict=True)], **real)
        ends = xp.asarray([c / n / 2 for n, c in zip(shape, size, strict=True)], **real)
        k = xp.reshape(k, (-1, len(shape)))
        far = xp.astype(xp.any(xp.abs(k) > ends, axis=-1), xp.int8)
        count = int(xp.sum(xp.astype(far == 0, xp.int32)))
        if count <= math.prod(size):
            msg = (
                f"{CALL}(size): {count} samples are in the centre of {size} steps; want more "
                f"of them than it has: another size, or more shots"
            )
            raise ValueError(msg)
        self.near = xp.argsort(far, stable=True)[:count]
        y = xp.take(xp.reshape(data, (data.shape[0], -1)), self.near, axis=1)
        # Losses of order one, whatever the scale of the data.
        self.y = y / xp.sqrt(xp.mean(xp.real(y) ** 2 + xp.imag(y) ** 2))
        self.data_count = math.prod(self.y.shape)
        self.voxel_count = y.shape[0] * math.prod(size)
        self.level = DAMPING * count / math.prod(self.small)

    def selected(self, k: Array) -> Array:
        """Return the points of the fit, in cycles per voxel of the small image."""
        xp = self.xp
        return xp.take(xp.reshape(k, (-1, k.shape[-1])), self.near, axis=0) * self.stretch

    def __call__(self, p: Array) -> tuple[Array, Array, Array]:
        """Return loss, gradient and matrix at delays `p`."""
        xp = self.xp
        k = self.selected(self.model(p))
        F = NUFFT(k, self.small, norm="ortho", engine=self.engine)
        M = circulant_preconditioner(F, damping=self.level)

        def solve(tolerance: float) -> LeastSquares:
            return LeastSquares(F, self.level, tolerance=tolerance, steps=STEPS, preconditioner=M)

        fine = 1e-5 if is_single(xp, p) else 1e-6
        z = solve(fine)(self.y)
        value, by_points = F.linearize(z, wrt="trajectory")
        r = value - self.y
        loss = 0.5 * xp.sum(abs2(xp, r)) + 0.5 * self.level * xp.sum(abs2(xp, z))
        columns = self.model.columns
        D = xp.stack([by_points(self.selected(columns[i, ...])) for i in range(p.shape[0])])
        gradient = real_products(xp, D, r[None, ...])[:, 0]
        P = D - F(solve(ROUGH)(D))
        return loss, gradient, real_products(xp, P, D)


def abs2(xp: Namespace, x: Array) -> Array:
    """Return ``|x|^2``."""
    return xp.real(x) ** 2 + xp.imag(x) ** 2


def real_products(xp: Namespace, a: Array, b: Array) -> Array:
    """Return ``Re <a_i, b_j>``."""
    a, b = (xp.reshape(x, (x.shape[0], -1)) for x in (a, b))
    return xp.real(a) @ xp.real(b).T + xp.imag(a) @ xp.imag(b).T
