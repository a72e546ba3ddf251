r"""The image of few edges, for a PSF in hand.

.. math:: \min_x \|A(h)\,x - y\|^2 + w\, \#\{n : (D x)_n \ne 0\}

A difference pays where it lowers the squared error by more than ``w``. With a copy ``u`` of the
differences,

.. math:: \min_{x, u} \|A x - y\|^2 + \beta \|D x - u\|^2 + w\, \#\{n : u_n \ne 0\},

``u_n`` is ``(D x)_n`` where ``|(D x)_n|^2 > w / beta``, else zero, and ``x`` solves a linear
system. ``beta`` doubles in each step, so that ``u`` begins with the strongest edges.

On a periodic grid of at least ``n + P - 1`` pixels the frame of the picture sees no wrapped term.
What the blur has outside of the frame is not known: there stands what the last ``x`` gives, which
majorises the squared error. So the system is a filter.
"""

from __future__ import annotations

from array_api_compat import array_namespace, device

from nufftlib.blur.boundaries import BOUNDARIES, part
from nufftlib.blur.deblur.model import laplacian_power
from nufftlib.core.arrays import Array
from nufftlib.core.fourier import fast_size, fft, ifft

STIFFNESS = [2.0**k for k in range(-7, 5)]
"""``beta``. The largest ``|h^|^2`` is 1."""


# x^ = (conj(h^) p^ + beta (D^H u)^) / (|h^|^2 + beta |d^|^2), with p = y in the frame, else A x
def sharp_image(psf: Array, y: Array, weight: float) -> Array:
    """Return the image, larger than the picture by the PSF less one.

    Parameters
    ----------
    psf : array, shape (height, width)
        The PSF, of sum one.
    y : array, shape (..., rows, columns)
        The picture.
    weight : float
        The weight ``w`` of an edge, in units of the picture's square.
    """
    xp = array_namespace(y)
    (p0, p1), (n0, n1) = psf.shape, y.shape[-2:]
    grid = tuple(fast_size(n + p - 1, real=True) for n, p in ((n0, p0), (n1, p1)))
    h = fft(xp, psf, grid, real=True)
    power, half = xp.abs(h) ** 2, laplacian_power((grid[0], grid[1]))[:, : grid[1] // 2 + 1]
    d = xp.asarray(half, dtype=y.dtype, device=device(y))
    known = framed("zero", y, grid, (p0 - 1, p1 - 1))
    unknown = 1.0 - framed("zero", xp.ones_like(y), grid, (p0 - 1, p1 - 1))
    x = framed("replicate", y, grid, (p0 - 1 - p0 // 2, p1 - 1 - p1 // 2))
    X = fft(xp, x, grid, real=True)
    for beta in STIFFNESS:
        whole = known + unknown * ifft(xp, h * X, grid, real=True)
        u0, u1 = (xp.roll(x, -1, axis=axis) - x for axis in (-2, -1))
        kept = xp.astype(u0**2 + u1**2 > weight / beta, y.dtype)
        u0, u1 = kept * u0, kept * u1
        turned = xp.roll(u0, 1, axis=-2) - u0 + xp.roll(u1, 1, axis=-1) - u1
        right = xp.conj(h) * fft(xp, whole, grid, real=True)
        X = (right + beta * fft(xp, turned, grid, real=True)) / (power + beta * d)
        x = ifft(xp, X, grid, real=True)
    return part(part(x, -2, 0, n0 + p0 - 1), -1, 0, n1 + p1 - 1)


def framed(boundary: str, y: Array, grid: tuple[int, ...], corner: tuple[int, int]) -> Array:
    """Return a picture with its first pixel at `corner` of a larger grid."""
    xp = array_namespace(y)
    for axis, size, before in zip((-2, -1), grid, corner, strict=True):
        after = size - before - y.shape[axis]
        y = BOUNDARIES[boundary].extend(xp, y, axis, before, after)
    return y
