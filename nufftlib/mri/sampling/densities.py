r"""Target densities of sampling, on a grid of k-space.

A density has one value for each cell of a grid of ``shape`` cells, and the values sum to 1. Cell
``n`` of an axis of ``N`` cells is ``1/N`` wide; its centre is at
:math:`k = (n - \lfloor N/2 \rfloor) / N` cycles per voxel: the frequencies of a centred FFT.
"""

from __future__ import annotations

from math import comb, prod, sqrt
from typing import Any

import numpy as np

from nufftlib.core.arrays import (
    Array,
    Namespace,
    check_floating,
    common_namespace,
    make_array,
    real_dtype,
)
from nufftlib.core.kinds import flag, integer, not_negative, out_of_range, positive
from nufftlib.mri.sampling.grid import AXES, normalised, radius, shape_of_grid


def polynomial_density(
    shape: tuple[int, ...],
    power: float,
    *,
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Polynomial that falls from the centre to zero at the corner of k-space.

    .. math:: \rho(k) \propto \Bigl(1 - \frac{2 |k|}{\sqrt d}\Bigr)^p

    Parameters
    ----------
    shape : tuple of int
        Cells along each of the two or three axes.
    power : float
        The power ``p``, 0 or more; 0 is the uniform density.
    xp, dtype, device : module, dtype, device
        Array-API namespace, real dtype and device of the result; by default NumPy,
        float32 and the library's own.

    Returns
    -------
    array, of the given shape
        The density at the cells' centres; its sum is 1.

    Raises
    ------
    ValueError
        If the shape has not two or three sizes, or the power is negative.
    TypeError
        If a setting is of the wrong kind.

    References
    ----------
    M. Lustig, D. Donoho and J. M. Pauly, "Sparse MRI: the application of compressed sensing for
    rapid MR imaging", Magn. Reson. Med. 58 (2007) 1182-1195, doi:10.1002/mrm.21391.

    Examples
    --------
    >>> import numpy as np
    >>> density = polynomial_density((4, 4), 2.0, dtype=np.float64)
    >>> np.round(density[2], 4)
    array([0.0213, 0.104 , 0.2488, 0.104 ])
    """
    call = "polynomial_density"
    shape, power = shape_of_grid(call, shape), not_negative(call, "power", power)
    inward = np.maximum(1 - 2 * radius(shape) / sqrt(len(shape)), 0)
    return make_array(call, normalised(inward**power), xp=xp, dtype=dtype, device=device)


def decay_density(
    shape: tuple[int, ...],
    cutoff: float,
    power: float,
    *,
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Constant up to a radius, and a power of the radius beyond it.

    .. math:: \rho(k) \propto \min \bigl(1, (c / |k|)^p \bigr)

    Parameters
    ----------
    shape : tuple of int
        Cells along each of the two or three axes.
    cutoff : float
        The radius ``c`` in cycles per voxel, positive; the edge of k-space is at 1/2.
    power : float
        The power ``p``, 0 or more; 0 is the uniform density.
    xp, dtype, device : module, dtype, device
        Array-API namespace, real dtype and device of the result; by default NumPy,
        float32 and the library's own.

    Returns
    -------
    array, of the given shape
        The density at the cells' centres; its sum is 1.

    Raises
    ------
    ValueError
        If the shape has not two or three sizes, or the cutoff or the power is out of range.
    TypeError
        If a setting is of the wrong kind.

    References
    ----------
    G. R. Chaithya, P. Weiss, G. Daval-Frerot, A. Massire, A. Vignaud and P. Ciuciu, "Optimizing
    full 3D SPARKLING trajectories for high-resolution magnetic resonance imaging", IEEE Trans.
    Med. Imaging 41 (2022) 2105-2117, doi:10.1109/TMI.2022.3157269.

    Examples
    --------
    >>> density = decay_density((64, 64), 0.125, 2.0)
    >>> bool(density[32, 32] == density[32, 40])  # at a radius of 0 and of 8/64
    True
    >>> round(float(density[32, 48] / density[32, 40]), 6)
    0.25
    """
    call = "decay_density"
    shape, cutoff = shape_of_grid(call, shape), positive(call, "cutoff", cutoff)
    power = not_negative(call, "power", power)
    ratio = cutoff / np.maximum(radius(shape), cutoff)
    return make_array(call, normalised(ratio**power), xp=xp, dtype=dtype, device=device)


def energy_density(images: Array, ndim: int = 2) -> Array:
    r"""Mean energy of images in each cell of k-space.

    .. math:: \rho(k) \propto \operatorname{mean}_b \frac{|(F x_b)(k)|^2}{\|x_b\|^2}

    Each image counts alike, whatever its scale.

    Parameters
    ----------
    images : array, shape (..., \*shape), real or complex
        One image, or several along leading axes.
    ndim : int
        Number of axes of an image, 2 or 3.

    Returns
    -------
    array, of an image's shape, real
        The density, of the precision, library and device of the images; its sum is 1.

    Raises
    ------
    ValueError
        If there are fewer axes than `ndim`, or an image is zero or not finite.
    TypeError
        If the images are no floating-point array.

    Examples
    --------
    >>> import numpy as np
    >>> density = energy_density(np.ones((8, 8)))  # all its energy is at the centre
    >>> round(float(density[4, 4]), 12)
    1.0
    """
    call = "energy_density"
    ndim = integer(call, "ndim", ndim, least=min(AXES), most=max(AXES))
    xp = common_namespace(f"{call}(images)", images=images)
    check_floating(xp, f"{call}(images)", "images", images)
    if images.ndim < ndim or 0 in images.shape:
        msg = (
            f"{call}(images): images has the shape {tuple(images.shape)}; want images of {ndim} "
            f"axes, or ndim={images.ndim}"
        )
        raise ValueError(msg)
    axes = tuple(range(-ndim, 0))
    lead = prod(images.shape[: images.ndim - ndim])
    stack = xp.reshape(images, (lead, *images.shape[images.ndim - ndim :]))
    largest = xp.max(xp.abs(stack), axis=axes, keepdims=True)
    if not bool(xp.all((largest > 0) & xp.isfinite(largest))):
        msg = f"{call}(images): an image is zero or not finite; want finite images with energy"
        raise ValueError(msg)
    magnitude = xp.abs(xp.fft.fftn(as_complex(xp, stack / largest), axes=axes))
    magnitude = magnitude / xp.max(magnitude, axis=axes, keepdims=True)
    energy = xp.fft.fftshift(magnitude**2, axes=axes)
    share = energy / xp.sum(energy, axis=axes, keepdims=True)
    return xp.astype(xp.mean(share, axis=0), real_dtype(xp, images), copy=False)


def as_complex(xp: Namespace, x: Array) -> Array:
    """Return an array as complex numbers of its precision."""
    one = xp.ones((), dtype=xp.complex64 if real_dtype(xp, x) == xp.float32 else xp.complex128)
    return xp.astype(x, one.dtype, copy=False)


def wavelet_density(
    shape: tuple[int, ...],
    *,
    moments: int = 4,
    levels: int = 3,
    separable: bool = False,
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Density that is optimal for images which are sparse in Daubechies' wavelets.

    .. math:: \rho(k) \propto \max_\psi |\hat \psi(k)|^2

    over the wavelets of an orthogonal transform of periodic images.

    Parameters
    ----------
    shape : tuple of int
        Cells along each of the two or three axes, as many as the voxels of the image.
    moments : int
        Number of vanishing moments of the wavelet, 1 to 20; its filter has twice as many
        coefficients, and 1 is Haar's. Symlets of as many moments have the same density.
    levels : int
        Number of levels of the transform, at least 1; ``2**levels`` must not exceed a size.
    separable : bool
        Whether the wavelets are products of one-dimensional ones of every pair of levels, so that
        the density is a product of densities of one axis, in place of products of one level.
    xp, dtype, device : module, dtype, device
        Array-API namespace, real dtype and device of the result; by default NumPy,
        float32 and the library's own.

    Returns
    -------
    array, of the given shape
        The density; its sum is 1.

    Raises
    ------
    ValueError
        If the shape has not two or three sizes, or a setting is out of range.
    TypeError
        If a setting is of the wrong kind.

    Notes
    -----
    Random rows of an isometry ``A`` recover sparse vectors best, by the known bounds, when they
    are drawn with probabilities in proportion to the squares of their largest entries. Here
    ``A`` goes from wavelet coefficients to the spectrum, and a row has the spectra of all
    wavelets at one frequency. A shift changes phases alone: one wavelet of each level and
    orientation counts. Daubechies' filters of :math:`p` moments are defined by

    .. math:: |H(\omega)|^2 = 2 \cos^{2p} \tfrac\omega2
              \sum_{j<p} \binom{p - 1 + j}{j} \sin^{2j} \tfrac\omega2,
              \qquad |G(\omega)|^2 = |H(\omega + \pi)|^2,

    and no filter's coefficients are needed.

    References
    ----------
    N. Chauffert, P. Ciuciu and P. Weiss, "Variable density compressed sensing in MRI. Theoretical
    vs heuristic sampling strategies", IEEE 10th Int. Symp. Biomed. Imaging (2013) 298-301.

    G. Puy, P. Vandergheynst and Y. Wiaux, "On variable density compressive sampling", IEEE Signal
    Process. Lett. 18 (2011) 595-598.

    I. Daubechies, "Orthonormal bases of compactly supported wavelets", Commun. Pure Appl. Math.
    41 (1988) 909-996.

    Examples
    --------
    >>> density = wavelet_density((32, 32), moments=1, levels=3)
    >>> round(float(density[16, 16] / density[0, 0]))  # scales of 8 x 8 voxels and of 2 x 2
    16
    """
    call = "wavelet_density"
    shape = shape_of_grid(call, shape)
    moments = integer(call, "moments", moments, least=1, most=20)
    levels = integer(call, "levels", levels, least=1)
    separable = flag(call, "separable", separable)
    if 2**levels > min(shape):
        wish = f"2**levels of at most {min(shape)}, the least size"
        raise out_of_range(call, "levels", levels, wish)
    axes = [spectra(n, moments, levels) for n in shape]
    if separable:
        each = [np.maximum(scaling[-1], wavelet.max(axis=0)) for scaling, wavelet in axes]
        density = outer(each)
    else:
        density = outer([scaling[-1] for scaling, _ in axes])
        for level in range(levels):
            for word in np.ndindex(*(2,) * len(shape)):
                if any(word):  # the product of scaling functions is split at the next level
                    parts = [axis[kind][level] for axis, kind in zip(axes, word, strict=True)]
                    density = np.maximum(density, outer(parts))
    return make_array(call, normalised(density), xp=xp, dtype=dtype, device=device)


# |phi_j|^2 = |phi_(j-1)|^2 |H(2^(j-1) w)|^2,  |psi_j|^2 = |phi_(j-1)|^2 |G(2^(j-1) w)|^2
def spectra(size: int, moments: int, levels: int) -> tuple[Any, Any]:
    """Return ``|phi_j|^2`` and ``|psi_j|^2``, (levels, size), of the functions of each level."""
    omega = 2 * np.pi * (np.arange(size) - size // 2) / size
    scaling, wavelet, below = [], [], np.ones(size)
    for level in range(levels):
        wavelet.append(below * squared_filter(omega * 2**level + np.pi, moments))
        below = below * squared_filter(omega * 2**level, moments)
        scaling.append(below)
    return np.stack(scaling), np.stack(wavelet)


def squared_filter(omega: Any, moments: int) -> Any:
    """Return ``|H(omega)|^2``, from 2 at 0 to 0 at pi."""
    s = np.sin(omega / 2) ** 2
    series = sum(comb(moments - 1 + j, j) * s**j for j in range(moments))
    return 2 * (1 - s) ** moments * series


def outer(parts: list[Any]) -> Any:
    """Return the product of arrays of one axis each."""
    density = parts[0]
    for part in parts[1:]:
        density = density[..., None] * part
    return density
