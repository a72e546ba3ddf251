"""Registration: the shift, rotation and scale between two pictures, by least squares."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple, get_args

import array_api_compat
import numpy as np

import optim
from nufftlib.core.arrays import (
    Array,
    Namespace,
    check_alike,
    check_finite,
    check_real,
    check_traced,
    common_namespace,
    namespace,
)
from nufftlib.core.fourier import fft, ifft
from nufftlib.core.kinds import choice
from nufftlib.core.windows import halve
from nufftlib.warp.operator import SCALES, Warp, numbers

Motion = Literal["shift", "rigid", "similarity"]
MOTIONS: tuple[Motion, ...] = get_args(Motion)

COARSEST = 32
"""Pixels along the shorter axis of the smallest pictures of the pyramid, at least."""

EDGE = 2.0
"""Pixels by which a point is inside the picture to count."""

STEPS = 50
TOLERANCE = 1e-5
"""Of the last step in pixels at half the picture's longer side from its centre."""


class Registration(NamedTuple):
    """What `register` found.

    Attributes
    ----------
    warp : Warp
        ``warp(moving)`` lies on the fixed picture; ``warp.shift``, ``warp.rotation`` and
        ``warp.scale`` are the numbers.
    deviations : dict of str to array
        Standard deviation of each number by its parameter's name, as the residual's noise causes
        it.
    residual : float
        Root mean square of ``warp(moving) - fixed``, where both pictures show something.
    converged : bool
        Whether the last step was shorter than 1e-5 pixels.
    """

    warp: Warp
    deviations: dict[str, Array]
    residual: float
    converged: bool


def register(fixed: Array, moving: Array, motion: Motion = "similarity") -> Registration:
    r"""Find the shift, rotation and scale that take one picture onto another.

    It minimises :math:`\frac{1}{2} \sum_n w_n |(A(t, \theta, \sigma)\, m - f)_n|^2` with the
    `Warp` :math:`A`, by Levenberg-Marquardt, from coarse pictures to fine ones; :math:`w_n` is 1
    where the point lies inside the moving picture. The peak of the phase correlation of the
    coarsest pictures is the start.

    Parameters
    ----------
    fixed : array, shape (..., height, width), real
        The picture that stays; leading axes, as of colours, move alike.
    moving : array, like `fixed`
        The picture that is resampled, of the same brightness.
    motion : {"similarity", "rigid", "shift"}
        Shift, rotation and one scale; without the scale; the shift alone.

    Returns
    -------
    Registration
        Its fields are `warp`, `deviations`, `residual` and `converged`.

    Raises
    ------
    TypeError
        If the pictures are no arrays of float32 or float64.
    ValueError
        If they are of two shapes or not finite, or have fewer than 32 pixels along an axis, or
        the motion is unknown.

    Notes
    -----
    Shifts up to a quarter of the picture are found, with rotations up to about 0.15 rad and
    scales from 0.9 to 1.1. Noise in both pictures counts in `deviations` as if it were in the
    fixed one.

    A blur of one picture that is symmetric about its pixel moves nothing. One that is not
    moves the picture by the PSF's centre of mass.

    References
    ----------
    C. D. Kuglin and D. C. Hines, "The phase correlation image alignment method", Proc. IEEE
    Conf. Cybernetics and Society (1975) 163-165.

    P. Thevenaz, U. E. Ruttimann and M. Unser, "A pyramid approach to subpixel registration based
    on intensity", IEEE Trans. Image Process. 7 (1998) 27-41.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> moving = nl.data.brain().astype(np.float64)
    >>> A = nl.Warp(np.asarray([7.3, -2.6]), np.asarray(0.03), np.asarray(1.02))
    >>> found = nl.warp.register(A(moving), moving)
    >>> found.warp.shift.round(3), found.warp.rotation.round(3), found.warp.scale.round(3)
    (array([ 7.3, -2.6]), np.float64(0.03), np.float64(1.02))
    """
    xp = check_pictures("register", fixed, moving)
    motion = choice("register", "motion", motion, MOTIONS)
    pyramid = [(fixed, moving)]
    while min(pyramid[-1][0].shape[-2:]) >= 2 * COARSEST:
        f, m = pyramid[-1]
        pyramid.append((halve(f, 2), halve(m, 2)))
    t = np.asarray(phase_correlation(xp, *pyramid[-1]), dtype=float)
    start = np.concatenate([t, [0.0, 1.0][: MOTIONS.index(motion)]])
    while True:
        level = Level(*pyramid.pop(), start)
        result = optim.levenberg_marquardt(
            level.evaluated, level.start, steps=STEPS, tolerance=TOLERANCE
        )
        if not pyramid:
            return level.found(result)
        start = finer(level.at(result.params), pyramid[-1][0].shape[-2:])


class Level:
    """The squared distance of two pictures of one size, as a function of the motion.

    Its argument are the numbers ``q = u p`` of a motion ``p`` with all units ``u`` in pixels.

    Parameters
    ----------
    fixed, moving : array, shape (..., height, width)
        The pictures.
    start : ndarray, shape (2,), (3,) or (4,)
        The shift in pixels, the rotation and the scale to start from.
    """

    def __init__(self, fixed: Array, moving: Array, start: Any) -> None:
        self._fixed, self._moving = fixed, moving
        self._xp = namespace(fixed)
        self._place = {"dtype": fixed.dtype, "device": array_api_compat.device(fixed)}
        height, width = fixed.shape[-2:]
        self._units = [1.0, 1.0, *[max(height, width) / 2] * (len(start) - 2)]
        self.start = self._array(start * np.asarray(self._units))
        self._inside = self._array(inside(self.at(self.start), (height, width)))

    def at(self, q: Array) -> Warp:
        """Return the operator of a motion."""
        p = q / self._array(self._units)
        rotation = p[2] if q.shape[0] > 2 else None
        scale = p[3] if q.shape[0] > 3 else None
        return Warp(p[:2], rotation, scale)

    # r = w (A m - f), with J of r by q: 1/2 |r|^2, J^T r, J^T J
    def evaluated(self, q: Array) -> tuple[Array, Array, Array]:
        """Return the loss, its gradient, and Gauss-Newton's matrix."""
        xp, n = self._xp, q.shape[0]
        if n > 3 and not SCALES[0] < float(q[3]) / self._units[3] < SCALES[1]:
            matrix = q[:, None] * q[None, :]
            return xp.sum(q) * 0 + math.inf, q, matrix  # a step that is not taken
        value, J = self.at(q).columns(self._moving)
        r = xp.reshape(self._inside * (value - self._fixed), (-1,))
        J = xp.reshape(self._inside * J, (n, -1)) / self._array(self._units)[:, None]
        return 0.5 * xp.sum(r * r), xp.sum(J * r, axis=-1), xp.matmul(J, J.T)

    def found(self, result: Any) -> Registration:
        """Return the result of the last level."""
        xp, warp, n = self._xp, self.at(result.params), result.params.shape[0]
        squares = 2 * float(result.state.values)
        pixels = array_api_compat.size(self._fixed) or 0
        pixels = round(float(xp.mean(self._inside)) * pixels)
        variance = squares / max(pixels - n, 1)
        # cov(q) = s^2 (J^T J)^-1, p = q / u
        covariance = np.linalg.inv([numbers(row) for row in unstacked(result.state.blocks)])
        deviations = np.sqrt(variance * np.diag(covariance)) / self._units
        each: dict[str, Array] = {}
        for name, theta in warp.parameters.items():
            own, deviations = deviations[: theta.ndim + 1], deviations[theta.ndim + 1 :]
            each[name] = xp.reshape(self._array(own), tuple(theta.shape))
        return Registration(warp, each, math.sqrt(squares / max(pixels, 1)), result.converged)

    def _array(self, values: Any) -> Array:
        return self._xp.asarray(values, **self._place)


# halved: p' = (p - 1/2) / 2.  With e = c - 1/2 - 2 c', t = 2 t' - (1 - M) e
def finer(warp: Warp, shape: tuple[int, ...]) -> Any:
    """Return the numbers of a motion for pictures of `shape`, of that for the halved ones."""
    t = np.asarray(numbers(warp.shift))
    M = np.asarray([numbers(row) for row in unstacked(warp.matrix)])
    e = np.asarray([n // 2 - 0.5 - 2 * (n // 2 // 2) for n in shape])
    rest = [float(p) for p in (warp.rotation, warp.scale) if p is not None]
    return np.asarray([*(2 * t - (e - M @ e)), *rest])


def inside(warp: Warp, shape: tuple[int, int]) -> Any:
    """Return 1 for the pixels whose points lie inside the picture, else 0."""
    M = np.asarray([numbers(row) for row in unstacked(warp.matrix)])
    t = numbers(warp.shift)
    n, m = (np.arange(size) - size // 2 for size in shape)
    within = np.ones(shape, dtype=bool)
    for a, size in enumerate(shape):
        p = size // 2 + M[a, 0] * n[:, None] + M[a, 1] * m + t[a]
        within &= (p >= EDGE) & (p <= size - 1 - EDGE)
    return within.astype(float)


# r[u] = sum_k e^{2 pi i k u} conj(F) M / |F M|, with its peak at f[n] = m[n + u]
def phase_correlation(xp: Namespace, fixed: Array, moving: Array) -> list[int]:
    """Return the shift of at most a quarter of the picture at the peak of the correlation."""
    shape = tuple(fixed.shape[-2:])
    place = {"dtype": fixed.dtype, "device": array_api_compat.device(fixed)}
    n, m = (np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2 for size in shape)
    window = xp.asarray(n[:, None] * m, **place)

    def spectrum(x: Array) -> Array:
        x = window * (x - xp.mean(x, axis=(-2, -1), keepdims=True))
        return fft(xp, xp.reshape(x, (-1, *shape)), shape, real=True)

    cross = xp.sum(xp.conj(spectrum(fixed)) * spectrum(moving), axis=0)
    size = xp.abs(cross)
    cross = xp.where(size > 0, cross / xp.where(size > 0, size, 1.0), cross)
    r = ifft(xp, cross, shape, real=True)
    near = [np.abs(np.fft.fftfreq(size)) <= 0.25 for size in shape]
    allowed = xp.asarray(near[0][:, None] & near[1], device=place["device"])
    peak = int(xp.argmax(xp.where(allowed, r, -math.inf)))
    found = divmod(peak, shape[1])
    return [(u + s // 2) % s - s // 2 for u, s in zip(found, shape, strict=True)]


def check_pictures(call: str, fixed: Array, moving: Array) -> Namespace:
    """Refuse pictures that cannot be compared."""
    xp = common_namespace(f"{call}(fixed, moving)", fixed=fixed, moving=moving)
    for name, x in (("fixed", fixed), ("moving", moving)):
        check_traced(f"{call}({name})", x)
        check_real(xp, f"{call}({name})", name, x)
        check_finite(xp, f"{call}({name})", name, x)
    check_alike(f"{call}(fixed, moving)", "moving", moving, "fixed", fixed)
    if fixed.ndim < 2 or min(fixed.shape[-2:]) < COARSEST or 0 in fixed.shape:
        msg = (
            f"{call}(fixed): fixed has the shape {tuple(fixed.shape)}; want (..., height, width) "
            f"of at least {COARSEST} pixels each"
        )
        raise ValueError(msg)
    return xp


def unstacked(matrix: Array) -> list[Array]:
    """Return the rows."""
    return [matrix[i, ...] for i in range(matrix.shape[0])]
