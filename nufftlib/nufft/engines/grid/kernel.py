r"""The interpolation kernel: its width from the accuracy, its polynomials, its error.

The Kaiser-Bessel kernel, :math:`w` cells wide, is

.. math:: \varphi(t) = I_0(\beta \sqrt{1 - (2t/w)^2}) / I_0(\beta), \quad |t| \le w/2,

Its derivatives are finite at the edge. On a grid of :math:`n` cells a period, the mode
of frequency :math:`\xi = m/n` is computed at a point :math:`c` (in cells) as

.. math::
    e^{-2\pi i \xi c} \approx \frac{1}{\hat\varphi(\xi)}
        \sum_{|c - l| \le w/2} \varphi(c - l)\, e^{-2\pi i \xi l}.

The relative l2 error of an image of white noise, at the worst position of a point
between two cells, is the root mean square of the difference of both sides over the
band :math:`|\xi| \le 1/(2\sigma)`. It is computed here from the polynomials that the
engines evaluate. This error, not a rule of thumb, decides which width, oversampling,
:math:`\beta` and degree an accuracy needs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.polynomial import chebyshev, legendre
from numpy.typing import NDArray
from scipy.special import i0e, ive

from nufftlib.core.caching import remembered

Vector = NDArray[np.float64]

WIDTHS = range(2, 17)
"""Widths to choose from; 16 cells at an oversampling of 2 reach 1e-14."""

OVERSAMPLINGS = (1.25, 1.3, 1.4, 1.5, 1.6, 1.8, 2.0)
"""Cells for each voxel to choose from, along one axis."""

POSITIONS = np.linspace(-1.0, 1.0, 9)
"""Positions of a point in its cell at which the error is computed."""

COARSEST = 1e-2
"""Coarsest accuracy: a coarser one saves nothing more."""

MARGIN = 1.5
"""Safety factor: a kernel is accepted if `MARGIN * error <= eps`. The error is an average over
white images; one image may exceed it."""

ROUNDINGS = 4
"""Rounding errors of FFT, weights and sums, in units of the last place: measured, 2 to 4."""

TRANSFORM_NODES = 24
"""Chebyshev nodes between which the logarithm of a kernel's transform is interpolated: an even
function, smooth in the square of the frequency; 20 were seen to reach its rounding errors."""

FREQUENCIES = 2**14
"""How many are interpolated at once: a chunk that stays in the cache."""

BAND = legendre.leggauss(32)
"""Nodes and weights for the mean over the band, scaled to [-1, 1]."""


@dataclass(frozen=True, eq=False)
class Kernel:
    r"""A kernel in the engines' form: polynomials, one for each cell that it covers.

    A point :math:`c` covers the cells from :math:`\lceil c - w/2 \rceil` on. With
    :math:`x \in [-1, 1)` twice the distance of the first from :math:`c - w/2`, less one,
    cell ``l`` has the weight ``sum_p coefficients[0, p, l] x**p``. ``coefficients[1]`` and
    ``[2]`` give the first and second derivative by :math:`c`; they are fitted separately.

    Parameters
    ----------
    width : int
        Cells that it covers.
    oversampling : float
        Cells of the grid for each voxel, at least.
    beta : float
        Its shape.
    coefficients : array, shape (3, degree + 1, width)
        Polynomials of the kernel and its first two derivatives.
    """

    width: int
    oversampling: float
    beta: float
    coefficients: Vector

    @property
    def degree(self) -> int:
        """Degree of the polynomials."""
        return int(self.coefficients.shape[1]) - 1

    def weights(self, x: Vector) -> Vector:
        """Return the weights, shape (3, len(x), width), as the engines compute them."""
        powers = x[:, None] ** np.arange(self.degree + 1)
        weights: Vector = np.einsum("xp,opl->oxl", powers, self.coefficients)
        return weights

    def transform(self, frequency: Vector) -> Vector:
        r"""Return :math:`\hat\varphi` at frequencies in cycles per cell.

        It is the integral of the polynomials, and so agrees with the evaluated weights.
        """
        x, dx = nodes(2 * self.width + 10)
        t = distances(self.width, x)
        phase = np.cos(2.0 * np.pi * frequency * t[..., None])
        transform: Vector = np.einsum("xl,x,xlf->f", self.weights(x)[0], dx / 2.0, phase)
        return transform

    def deconvolution(self, voxels: int, cells: int) -> Vector:
        r"""Return :math:`1/\hat\varphi(m/n)` for the voxels :math:`m = 0 \ldots N // 2`.

        The integral of `transform` for each voxel would take longer than the transform of a
        long axis, and an array of many times its size.

        Parameters
        ----------
        voxels, cells : int
            Sizes :math:`N` of the image and :math:`n` of the grid along the axis.
        """
        last = voxels // 2
        s = np.cos(np.pi * (np.arange(TRANSFORM_NODES) + 0.5) / TRANSFORM_NODES)
        values = np.log(self.transform(last / cells * np.sqrt((1.0 + s) / 2.0)))
        series = values @ chebyshev.chebvander(s, TRANSFORM_NODES - 1) * (2.0 / TRANSFORM_NODES)
        series[0] /= 2.0
        out = np.empty(last + 1)
        for start in range(0, last + 1, FREQUENCIES):
            m = np.arange(start, min(start + FREQUENCIES, last + 1))
            s = 2.0 * (m / max(last, 1)) ** 2 - 1.0
            out[m] = np.exp(-chebyshev.chebval(s, series))
        return out

    def errors(self, voxels: int | None = None, cells: int = 0) -> Vector:
        """Return the relative l2 errors of value, first and second derivative, on one axis.

        Parameters
        ----------
        voxels, cells : int
            Size of the image and of the grid; by default a large image at the kernel's
            oversampling, whose modes fill the band.
        """
        if voxels is None:
            xi, share = BAND[0] / (2.0 * self.oversampling), BAND[1] / 2.0
        else:
            xi = (np.arange(voxels) - voxels // 2) / cells
            share = np.full(voxels, 1.0 / voxels)
        t = distances(self.width, POSITIONS)
        wave = np.exp(2j * np.pi * xi * t[..., None])  # at the cells, seen from the point
        sums = np.einsum("oxl,xlf->oxf", self.weights(POSITIONS), wave) / self.transform(xi)
        return relative_errors(sums, xi, share)

    def amplification(self) -> float:
        """Return the factor by which rounding errors of the grid grow on one axis."""
        deconvolution = self.transform(BAND[0] / (2.0 * self.oversampling)) ** -2 @ (BAND[1] / 2.0)
        gathered = (self.weights(POSITIONS)[0] ** 2).sum(axis=1).max()
        return math.sqrt(deconvolution * gathered)


@remembered(maxsize=None)
def nodes(count: int) -> tuple[Vector, Vector]:
    """Return the Gauss-Legendre nodes and weights on [-1, 1]."""
    return legendre.leggauss(count)


def distances(width: int, x: Vector) -> Vector:
    """Return ``c - l`` of the covered cells, shape (len(x), width)."""
    cells: Vector = width / 2.0 - (x[:, None] + 1.0) / 2.0 - np.arange(width)
    return cells


def kaiser_bessel(t: Vector, width: int, beta: float) -> Vector:
    r"""Return the kernel and its first two derivatives by ``t``, stacked.

    With :math:`s = \sqrt{1 - (2t/w)^2}` and :math:`u = \beta s`, and
    :math:`g_\nu = I_\nu(u) / u^\nu`: :math:`\varphi = I_0(u)`,
    :math:`\varphi' = -(2\beta/w)^2\, t\, g_1` and
    :math:`\varphi'' = -(2\beta/w)^2 (g_1 - (2\beta/w)^2\, t^2 g_2)`, each over :math:`I_0(\beta)`.
    """
    u = beta * np.sqrt(np.clip(1.0 - (2.0 * t / width) ** 2, 1e-12, None))
    scale = np.exp(u - beta) / i0e(beta)  # ive is scaled by exp(-u)
    g0, g1, g2 = (ive(order, u) / u**order * scale for order in range(3))
    rate = (2.0 * beta / width) ** 2
    return np.stack([g0, -rate * t * g1, -rate * (g1 - rate * t**2 * g2)])


def fit(width: int, oversampling: float, beta: float, degree: int) -> Kernel:
    """Fit polynomials of `degree` at Chebyshev's points, each derivative separately."""
    size = degree + 1
    x = np.cos(np.pi * (np.arange(size) + 0.5) / size)
    values = kaiser_bessel(distances(width, x), width, beta)
    # Interpolation by Chebyshev's polynomials, which are orthogonal on their nodes.
    series = np.einsum("xk,oxl->okl", chebyshev.chebvander(x, degree), values) * (2.0 / size)
    series[:, 0] /= 2.0
    return Kernel(width, oversampling, beta, np.einsum("kp,okl->opl", monomials(degree), series))


@remembered(maxsize=None)
def monomials(degree: int) -> Vector:
    """Return Chebyshev's polynomials as sums of powers, shape (degree + 1, degree + 1)."""
    table = np.zeros((degree + 1, degree + 1))
    for k, unit in enumerate(np.eye(degree + 1)):
        powers = chebyshev.cheb2poly(unit)
        table[k, : len(powers)] = powers
    return table


def ideal_demand(width: int, oversampling: float, beta: float) -> float:
    r"""Return the `demand` of the kernel itself, before polynomials are fitted.

    Its transform is :math:`w \sinh(v) / (v\, I_0(\beta))`, :math:`v^2 = \beta^2 - (\pi w \xi)^2`:
    J. I. Jackson et al., IEEE Trans. Med. Imaging 10 (1991) 473, table I.
    """
    xi, share = BAND[0] / (2.0 * oversampling), BAND[1] / 2.0
    v = np.sqrt((beta**2 - (np.pi * width * xi) ** 2).clip(1e-12))
    transform = width * (np.exp(v - beta) - np.exp(-v - beta)) / (2.0 * v * i0e(beta))
    t = distances(width, POSITIONS)
    wave = np.exp(2j * np.pi * xi * t[..., None])
    sums = np.einsum("oxl,xlf->oxf", kaiser_bessel(t, width, beta), wave) / transform
    return demand(relative_errors(sums, xi, share))


def relative_errors(sums: NDArray[np.complex128], xi: Vector, share: Vector) -> Vector:
    """Return the l2 errors over the band of ``sums[order, position, xi]``, worst position."""
    exact = (-2j * np.pi * xi) ** np.arange(3)[:, None]
    deviation = np.abs(sums - exact[:, None, :]) ** 2 @ share
    worst: Vector = np.sqrt(deviation.max(axis=1) / (np.abs(exact) ** 2 @ share))
    return worst


def demand(errors: Vector) -> float:
    """Return the `eps` that these errors fulfil; a derivative's may be four times as large."""
    return float(max(errors[0], errors[1] / 4.0))


def usual_beta(width: int, oversampling: float) -> float:
    """Return the shape whose transform ends where the first alias begins, or nearly."""
    return 1.005 * math.pi * width * (1.0 - 0.5 / oversampling)


def least(f: Callable[[float], float], bounds: tuple[float, float], width: float) -> float:
    """Return where a function of one minimum is least: a golden section down to this width.

    SciPy's takes the time of a hundred of these to import.
    """
    golden = (math.sqrt(5.0) - 1.0) / 2.0
    low, high = bounds
    left, right = high - golden * (high - low), low + golden * (high - low)
    f_left, f_right = f(left), f(right)
    while high - low > width:
        if f_left < f_right:
            high, right, f_right = right, left, f_left
            left = high - golden * (high - low)
            f_left = f(left)
        else:
            low, left, f_left = left, right, f_right
            right = low + golden * (high - low)
            f_right = f(right)
    return left if f_left < f_right else right


@remembered(maxsize=256)
def best_kernel(width: int, oversampling: float) -> Kernel:
    """Return the kernel of this width with the least error, and the least degree for it."""
    usual = usual_beta(width, oversampling)
    beta = least(
        lambda beta: ideal_demand(width, oversampling, beta),
        (0.95 * usual, 1.1 * usual),
        1e-3 * usual,
    )
    # Polynomials may cost a tenth of the accuracy.
    wanted = 1.1 * ideal_demand(width, oversampling, beta)
    for degree in range(width // 2 + 1, width + 6):
        kernel = fit(width, oversampling, beta, degree)
        if demand(kernel.errors()) <= wanted:
            break
    return kernel


@remembered(maxsize=16)
def density_kernel(width: int) -> Kernel:
    """Return the kernel for density weights.

    Its shape is that of finufft's kernel at this width. Derivatives of weights belong to the
    weights that are computed: they are those of the polynomials, not of what these were fitted to.
    """
    kernel = fit(width, 2.0, 0.98 * math.pi * width * 0.75, width + 4)
    powers = np.arange(1, kernel.degree + 1)[:, None]
    exact = [kernel.coefficients[0]]
    for _ in range(2):  # the argument of the polynomials falls by 2 in each cell
        rate = np.zeros_like(exact[-1])
        rate[:-1] = -2.0 * powers * exact[-1][1:]
        exact.append(rate)
    return replace(kernel, coefficients=np.stack(exact))


@remembered(maxsize=256)
def choose_kernel(eps: float, ndim: int, single: bool) -> Kernel:
    """Return the kernel of least work that reaches an accuracy.

    The errors of the axes are independent and add in squares. In single precision rounding
    errors, amplified by the deconvolution, are added; a larger oversampling reduces them.
    If no kernel reaches `eps`, the most accurate one is returned.

    Parameters
    ----------
    eps : float
        Relative l2 error to reach.
    ndim : int
        Dimension of the image.
    single : bool
        Whether the grid is in single precision.

    Returns
    -------
    Kernel
        One for each axis.
    """
    eps = min(eps, COARSEST)
    unit = 2.0**-24 if single else 2.0**-53
    reached: list[tuple[float, Kernel]] = []
    most: tuple[float, Kernel] | None = None
    for oversampling in OVERSAMPLINGS:
        for width in WIDTHS:
            usual = usual_beta(width, oversampling)
            # Tuning makes it better by a factor of two at most.
            if math.sqrt(ndim) * ideal_demand(width, oversampling, usual) > 1.5 * eps:
                continue
            kernel = best_kernel(width, oversampling)
            rounding = ROUNDINGS * unit * kernel.amplification() ** ndim
            error = math.hypot(math.sqrt(ndim) * demand(kernel.errors()), rounding)
            if most is None or error < most[0]:
                most = error, kernel
            if MARGIN * rounding > eps:
                break  # wider kernels amplify more
            if MARGIN * error <= eps:
                reached.append((work(kernel, ndim, single), kernel))
                break
    if reached:
        return min(reached, key=lambda item: item[0])[1]
    return most[1] if most else best_kernel(max(WIDTHS), max(OVERSAMPLINGS))


def work(kernel: Kernel, ndim: int, single: bool) -> float:
    """Return the time for one voxel of one coil, in ns on one core, at one point for four voxels.

    Measured: 6 ns a cell for laying out the image and its FFT, 12 in double precision or in
    three dimensions, where no cache holds the grid; 0.3 ns a tap, 0.4 in double precision.
    """
    cell = 6.0 if single and ndim < 3 else 12.0
    tap = 0.3 if single else 0.4
    return cell * kernel.oversampling**ndim + 0.25 * tap * float(kernel.width**ndim)
