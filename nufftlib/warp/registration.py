"""Registration: the shift, rotation and scale between two pictures, by least squares."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple, get_args

import array_api_compat
import numpy as np

import optim
from nufftlib.core.arrays import (
    Array,
    check_alike,
    check_finite,
    check_real,
    check_traced,
    common_namespace,
    namespace,
)
from nufftlib.core.convert import fetched
from nufftlib.core.kinds import choice
from nufftlib.core.notebook import card
from nufftlib.core.windows import halve
from nufftlib.warp.operator import SCALES, Warp, numbers

Motion = Literal["shift", "rigid", "similarity"]
MOTIONS: tuple[Motion, ...] = get_args(Motion)

COARSEST = 32
"""Pixels along the shorter axis of the smallest pictures of the pyramid, at least."""

EDGE = 2.0
"""Pixels by which a point is inside the picture to count."""

PEAKS = 5
"""Peaks of the phase correlation that are tried."""

STEPS = 50
TOLERANCE = 1e-4
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
        Whether the last step was shorter than 1e-4 pixels.
    """

    warp: Warp
    deviations: dict[str, Array]
    residual: float
    converged: bool

    def _repr_html_(self) -> str:
        return card(self)


def register(fixed: Array, moving: Array, motion: Motion = "similarity") -> Registration:
    r"""Find the shift, rotation and scale that take one picture onto another.

    It minimises :math:`\frac{1}{2} \sum_n w_n |(A(t, \theta, \sigma)\, m - f)_n|^2` with the
    `Warp` :math:`A`, by Levenberg-Marquardt, from coarse pictures to fine ones; :math:`w_n` is 1
    where the point lies inside the moving picture. Peaks of the phase correlation of the coarsest
    pictures are the starts, of which the best is followed.

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
    scales from 0.9 to 1.1.

    Levenberg-Marquardt takes the exact Hessian: Gauss-Newton's matrix counts the noise of the
    moving picture as detail, and then steps are too short and deviations too small.

    An interpolant smooths the noise of the moving picture most in the middle between pixels. So
    a shift without rotation and scale is pulled towards half a pixel. The cleaner picture should
    be the moving one. With a rotation, or at another size, all parts of a pixel occur, and there
    is no pull.

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
    >>> from nufftlib.data import brain
    >>> moving = brain().astype(np.float64)
    >>> A = nl.Warp(np.asarray([7.3, -2.6]), np.asarray(0.03), np.asarray(1.02))
    >>> found = nl.warp.register(A(moving), moving)
    >>> found.warp.shift.round(3), found.warp.rotation.round(3), found.warp.scale.round(3)
    (array([ 7.3, -2.6]), np.float64(0.03), np.float64(1.02))
    """
    check_pictures("register", fixed, moving)
    motion = choice("register", "motion", motion, MOTIONS)
    pyramid = [(fixed, moving)]
    while min(pyramid[-1][0].shape[-2:]) >= 2 * COARSEST:
        f, m = pyramid[-1]
        pyramid.append((halve(f, 2), halve(m, 2)))
    still = [0.0, 1.0][: MOTIONS.index(motion)]
    shifts = likely_shifts(*(np.asarray(fetched(x), dtype=float) for x in pyramid[-1]))
    fits = [Fit(*pyramid[-1], np.asarray([*t, *still])) for t in shifts]
    best = min(fits, key=lambda fit: fit.mean)
    for f, m in reversed(pyramid[:-1]):
        best = Fit(f, m, finer(best.warp, f.shape[-2:]))
    return best.registration()


class Fit:
    """The best motion between two pictures of one size, from a start that is close to it.

    It is found in numbers ``q = u p``, with units ``u`` that make each of them pixels.

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
        shape = fixed.shape[-2:]
        self._units = np.asarray([1.0, 1.0, *[max(shape) / 2] * (len(start) - 2)])
        q = self._array(start * self._units)
        inside = points_inside(self._at(q), shape)
        self._inside = self._array(inside)
        self._pixels = int(inside.sum()) * math.prod(fixed.shape[:-2])
        self._result = optim.levenberg_marquardt(
            self._evaluated, q, steps=STEPS, tolerance=TOLERANCE
        )

    @property
    def warp(self) -> Warp:
        """The operator of the motion."""
        return self._at(self._result.params)

    @property
    def mean(self) -> float:
        """The mean square of the residual."""
        return float(2 * float(self._result.state.values) / max(self._pixels, 1))

    def registration(self) -> Registration:
        """Return the result with its uncertainty."""
        warp, n = self.warp, len(self._units)
        # cov(q) = H^-1 (s^2 J^T J) H^-1, p = q / u
        variance = self.mean * self._pixels / max(self._pixels - n, 1)
        _, J = self._residual(self._result.params)
        normal, H = self._xp.matmul(J, J.T), self._result.state.blocks
        normal, H = (np.asarray(fetched(matrix), dtype=float) for matrix in (normal, H))
        inverse = np.linalg.pinv(H)
        covariance = variance * inverse @ normal @ inverse
        deviations = np.sqrt(np.diag(covariance)) / self._units
        each: dict[str, Array] = {}
        for name, theta in warp.parameters.items():
            own, deviations = deviations[: theta.ndim + 1], deviations[theta.ndim + 1 :]
            each[name] = self._xp.reshape(self._array(own), tuple(theta.shape))
        return Registration(warp, each, math.sqrt(self.mean), self._result.converged)

    def _at(self, q: Array) -> Warp:
        p = q / self._array(self._units)
        rotation = p[2, ...] if q.shape[0] > 2 else None
        scale = p[3, ...] if q.shape[0] > 3 else None
        return Warp(p[:2], rotation, scale)

    # r = w (A m - f), with J of r by q: 1/2 |r|^2, J^T r, J^T J + sum_n r_n d2r_n
    def _evaluated(self, q: Array) -> tuple[Array, Array, Array]:
        """Return the loss, its gradient, and its Hessian."""
        xp, n = self._xp, q.shape[0]
        if n > 3 and not SCALES[0] < float(q[3]) / self._units[3] < SCALES[1]:
            return xp.sum(q) * 0 + math.inf, q, q[:, None] * q  # no step to take
        r, J = self._residual(q)
        units = self._array(self._units)
        H = xp.matmul(J, J.T)
        H = H + self._at(q).hessian(self._moving, r) / (units[:, None] * units)
        r = xp.reshape(r, (-1,))
        return 0.5 * xp.sum(r * r), xp.sum(J * r, axis=-1), H

    def _residual(self, q: Array) -> tuple[Array, Array]:
        """Return ``r`` and the rows of ``J^T``."""
        value, J = self._at(q).columns(self._moving)
        J = self._xp.reshape(self._inside * J, (q.shape[0], -1))
        return self._inside * (value - self._fixed), J / self._array(self._units)[:, None]

    def _array(self, values: Any) -> Array:
        return self._xp.asarray(values, **self._place)


# halved: p' = (p - 1/2) / 2.  With e = c - 1/2 - 2 c', t = 2 t' - (1 - M) e
def finer(warp: Warp, shape: tuple[int, ...]) -> Any:
    """Return the numbers of a motion for pictures of `shape`, of that for the halved ones."""
    t = np.asarray(numbers(warp.shift))
    M = np.asarray(fetched(warp.matrix))
    e = np.asarray([n // 2 - 0.5 - 2 * (n // 2 // 2) for n in shape])
    rest = [float(p) for p in (warp.rotation, warp.scale) if p is not None]
    return np.asarray([*(2 * t - (e - M @ e)), *rest])


def points_inside(warp: Warp, shape: tuple[int, int]) -> Any:
    """Return 1 for the pixels whose points lie inside the picture, else 0."""
    M, t = np.asarray(fetched(warp.matrix)), numbers(warp.shift)
    n, m = (np.arange(size) - size // 2 for size in shape)
    within = np.ones(shape, dtype=bool)
    for a, size in enumerate(shape):
        p = size // 2 + M[a, 0] * n[:, None] + M[a, 1] * m + t[a]
        within &= (p >= EDGE) & (p <= size - 1 - EDGE)
    return within.astype(float)


# r[u] = sum_k e^{2 pi i k u} conj(F) M / |F M|, with a peak at the u for which f[n] = m[n + u]
def likely_shifts(fixed: Any, moving: Any) -> list[list[int]]:
    """Return the highest peaks of the phase correlation, of at most a quarter of the picture."""
    shape = fixed.shape[-2:]
    n, m = (np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2 for size in shape)
    F, M = (
        np.fft.rfft2(n[:, None] * m * (x - x.mean(axis=(-2, -1), keepdims=True)))
        for x in (fixed, moving)
    )
    cross = np.sum(np.conj(F) * M, axis=tuple(range(fixed.ndim - 2)))
    r = np.fft.irfft2(cross / np.maximum(np.abs(cross), np.finfo(float).tiny), s=shape)
    u, v = (np.fft.fftfreq(size, 1 / size).astype(int) for size in shape)
    r[np.abs(u) > shape[0] / 4, :] = -np.inf
    r[:, np.abs(v) > shape[1] / 4] = -np.inf
    found = []
    for _ in range(PEAKS):
        i, j = np.unravel_index(np.argmax(r), shape)
        found.append([int(u[i]), int(v[j])])
        r[np.ix_((i + np.arange(-1, 2)) % shape[0], (j + np.arange(-1, 2)) % shape[1])] = -np.inf
    return found


def check_pictures(call: str, fixed: Array, moving: Array) -> None:
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
