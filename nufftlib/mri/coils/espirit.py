r"""Coil maps as eigenvectors: ESPIRiT.

All windows of :math:`w^d` samples of all coils lie in a small space, which the calibration region
shows. With the projection :math:`P` onto it, and :math:`R_q` cutting out the window at ``q``, data
:math:`y` of the scanner satisfy

.. math:: y = w^{-d} \sum_q R_q^H P R_q\, y .

This is a convolution in k-space. In the image it multiplies each voxel's coils by a Hermitian
matrix :math:`G(n)` with eigenvalues between 0 and 1, and the coils' sensitivities are its
eigenvector of the eigenvalue 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import NamedTuple

from array_api_compat import device

from nufftlib.core.arrays import (
    Array,
    Namespace,
    check_finite,
    common_namespace,
    complex_dtype,
    is_complex,
    library,
    real_dtype,
)
from nufftlib.core.fourier import fft, ifft
from nufftlib.core.kinds import flag, integer, not_negative, out_of_range, positive, sizes
from nufftlib.mri.coils.eigen import dominant, principal, rows_at_once, slabs
from nufftlib.mri.coils.hermitian import LARGE, Tridiagonal, gram
from nufftlib.mri.coils.normalize import root_of_largest

CALL = "espirit_maps"

SIGNAL = 2
"""Singular vectors of signal, at most about this many times the samples of a kernel."""

THRESHOLD = 0.02
"""Of singular values, where the data are too few to tell their noise."""


class EspiritMaps(NamedTuple):
    """Coil maps with their eigenvalues.

    Attributes
    ----------
    maps : array, shape (sets, coils, *shape), complex
        Sets of maps, that of the largest eigenvalue first; of the norm one over the coils, or of
        the weights if these are soft, and zero where the eigenvalue is below the crop.
    eigenvalues : array, shape (sets, *shape), real
        Between 0 and 1: one where the calibration data have the set's coils.
    """

    maps: Array
    eigenvalues: Array


def espirit_maps(
    calibration: Array,
    shape: tuple[int, ...],
    *,
    kernel: int = 6,
    threshold: float | None = None,
    crop: float = 0.8,
    sets: int = 1,
    soft: bool = False,
) -> EspiritMaps:
    r"""Estimate coil maps from a Cartesian region at the centre of k-space, by ESPIRiT.

    1. The windows of the calibration region, as columns, have singular vectors: those of signal
       are kept, or weighted by their part of signal.
    2. The projection onto them is a matrix of coils x coils in each voxel.
    3. Its eigenvectors are the maps.

    Parameters
    ----------
    calibration : array, shape (coils, c_1, ..., c_d), complex
        Samples at ``k_a = q / N_a`` cycles per voxel, ``q = -(c_a // 2), ..., c_a - c_a // 2 - 1``:
        the centre of the k-space of an image of `shape`. Usually 24 along each axis.
        `calibration_region` makes it of other trajectories.
    shape : tuple of int
        Shape of the image, of 2 or 3 axes.
    kernel : int
        Samples of a window along each axis.
    threshold : float, optional
        Part of the largest singular value from which on a singular vector is signal, below 1. By
        default the noise is taken from the data, and singular vectors are weighted, see Notes.
    crop : float
        Eigenvalue below which a map is zero: where there is no object.
    sets : int
        Number of maps of each coil. A second one has eigenvalues near one where two places of an
        object fall on one voxel, as where the field of view is smaller than the object.
    soft : bool
        Whether maps are weighted by :math:`t^2 (3 - 2t)` with
        :math:`t = (\lambda - \text{crop}) / (1 - \text{crop})`, which goes smoothly from zero at
        the crop to one at the eigenvalue 1. With two sets this is soft SENSE.

    Returns
    -------
    EspiritMaps
        Maps and eigenvalues.

    Raises
    ------
    TypeError
        If the calibration is not complex, or an argument of the wrong kind.
    ValueError
        If shapes do not fit, a sample is not finite, all are zero, or a setting is out of range.

    Notes
    -----
    **Noise.** White noise of the variance :math:`v` alone would give the Gram matrix of ``n``
    windows of ``m`` numbers its eigenvalues :math:`p` up to :math:`e = v (\sqrt n + \sqrt m)^2`
    (Marchenko and Pastur), with a median near :math:`v \max(n, m)`. Signal has some
    :math:`2 w^d` singular vectors. Where there are twice as many, from 4 coils and some 17 x 17
    samples on for a kernel of 6, most are noise, and the median gives ``v``. The weights then are
    those of Wiener's filter, :math:`\max(0, 1 - e / p)`. Of fewer data, the threshold is 0.02.

    **Phase.** An eigenvector has no phase of its own. Here :math:`\sum_c \bar v_c s_c` is real and
    positive in each voxel, for the virtual coil :math:`v` of most energy in the calibration data,
    whose first large entry is real and positive. The phase is smooth where that coil sees the
    object.

    **Cost.** The eigenvectors of one matrix with :math:`(C w^d)^2` entries, an FFT for each pair of
    coils, and the eigenvectors of a matrix of ``C x C`` in each voxel.

    The matrices are exact: products of two kernels have :math:`2 w - 1` lags along each axis, so
    they are summed for a small grid, and then transformed to the image.

    References
    ----------
    M. Uecker et al., "ESPIRiT - an eigenvalue approach to autocalibrating parallel MRI: where
    SENSE meets GRAPPA", Magn. Reson. Med. 71 (2014) 990-1001, doi:10.1002/mrm.24751.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> s = nl.mri.birdcage_maps(4, (32, 32))
    >>> y = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(s, axes=(1, 2))), axes=(1, 2))
    >>> found = nl.mri.espirit_maps(y[:, 8:24, 8:24].astype(s.dtype), (32, 32), kernel=5)
    >>> found.maps.shape, found.eigenvalues.shape
    ((1, 4, 32, 32), (1, 32, 32))
    >>> along = np.abs(np.sum(np.conj(found.maps[0]) * s, axis=0))
    >>> bool(np.min(along[4:28, 4:28]) > 0.99)
    True
    """
    shape = sizes(CALL, "shape", shape, "(height, width) or (height, width, depth)", counts=(2, 3))
    xp = common_namespace(f"{CALL}(calibration)", calibration=calibration)
    kernel = integer(CALL, "kernel", kernel, least=2)
    if threshold is not None and positive(CALL, "threshold", threshold) >= 1:
        raise out_of_range(CALL, "threshold", threshold, "a number below 1")
    crop = not_negative(CALL, "crop", crop)
    sets = integer(CALL, "sets", sets, least=1)
    soft = flag(CALL, "soft", soft)
    check_calibration(xp, calibration, shape, kernel)
    coils = calibration.shape[0]
    if crop >= 1:
        raise out_of_range(CALL, "crop", crop, "a number below 1")
    if sets > coils:
        raise out_of_range(CALL, "sets", sets, f"at most the number of coils, {coils}")
    root = root_of_largest(xp, calibration, None)
    calibration = calibration / root / root
    lags = kernel_products(xp, signal_kernels(xp, calibration, kernel, threshold), kernel)
    along = principal(xp, xp.reshape(calibration, (coils, -1)))
    most = rows_at_once(xp, calibration, shape[1:], coils)
    lines = transform_lags(xp, lags, shape[1:])
    values, vectors = [], []
    for first, end in slabs(shape[0], most):
        G = first_axis(xp, lines, shape[0], first, end)
        found = dominant(xp, G, sets, along)
        values.append(found[0])
        vectors.append(found[1])
    e, s = xp.concat(values, axis=1), xp.concat(vectors, axis=2)
    kept = xp.astype(e >= crop, e.dtype)
    if soft:
        t = xp.clip((e - crop) / (1.0 - crop), 0.0, 1.0)
        kept = t * t * (3.0 - 2.0 * t)
    return EspiritMaps(s * kept[:, None, ...], e)


def check_calibration(
    xp: Namespace, calibration: Array, shape: tuple[int, ...], kernel: int
) -> None:
    """Refuse calibration data that no kernel fits, or that are not complex numbers."""
    if not is_complex(xp, calibration):
        msg = (
            f"{CALL}(calibration): calibration is {calibration.dtype}; want complex64 or complex128"
        )
        raise TypeError(msg)
    given = tuple(calibration.shape)
    ends = given[1:]
    if len(ends) != len(shape) or any(
        not kernel <= c <= n for c, n in zip(ends, shape, strict=True)
    ):
        msg = (
            f"{CALL}(calibration): calibration has the shape {given}; want (coils, "
            f"{', '.join(f'{kernel} to {n}' for n in shape)})"
        )
        raise ValueError(msg)
    check_finite(xp, f"{CALL}(calibration)", "calibration", calibration)
    if not bool(xp.any(calibration != 0)):
        msg = f"{CALL}(calibration): calibration is zero everywhere; want a signal"
        raise ValueError(msg)


def signal_kernels(
    xp: Namespace, calibration: Array, kernel: int, threshold: float | None
) -> Array:
    """Return the singular vectors of the windows that are signal, times the root of their weights.

    Parameters
    ----------
    xp : module
        Namespace of the array.
    calibration : array, shape (coils, c_1, ..., c_d), complex
        The region.
    kernel : int
        Samples of a window along each axis.
    threshold : float or None
        Part of the largest singular value, or None for the weights of the noise.

    Returns
    -------
    array, shape (kernels, coils, kernel, ..., kernel), complex
        Orthogonal.
    """
    coils, *ends = calibration.shape
    d, first = len(ends), ends[0] - kernel + 1
    offsets = list(product(range(kernel), repeat=d))
    # Compiled loops and tiles for large matrices of NumPy's, the library's own functions else.
    large = library(xp) == "numpy" and coils * len(offsets) >= LARGE
    total = 0.0
    for i in range(first):  # windows that begin in row i: all at once would be large in 3D
        columns = [
            calibration[
                (
                    slice(None),
                    i + p[0],
                    *(slice(q, q + c - kernel + 1) for q, c in zip(p[1:], ends[1:], strict=True)),
                )
            ]
            for p in offsets
        ]
        # The Gram matrix squares the singular values: single precision would lose the small ones.
        X = in_double(xp, xp.stack(columns, axis=1))
        X = xp.reshape(X, (coils * len(offsets), -1))
        total = total + (gram(X) if large else X @ xp.conj(X).T)
    largest: Callable[[int], Array]
    if large:
        reduced = Tridiagonal(total)
        powers, largest = reduced.values, reduced.vectors
    else:
        powers, vectors = xp.linalg.eigh(total)
        largest = lambda count: vectors[:, -count:]  # noqa: E731  # one of two
    windows = math.prod(c - kernel + 1 for c in ends)
    if threshold is None and min(windows, powers.shape[0]) >= 2 * SIGNAL * kernel**d:
        weights = signal_parts(xp, powers, windows)
    else:
        least = (THRESHOLD if threshold is None else threshold) ** 2 * powers[-1]
        weights = xp.astype(powers >= least, powers.dtype)
    count = int(xp.sum(xp.astype(weights > 0, xp.int32)))
    kernels = largest(count) * xp.sqrt(weights[-count:])
    kernels = xp.astype(kernels, calibration.dtype)
    return xp.reshape(kernels.T, (count, coils, *[kernel] * d))


def in_double(xp: Namespace, x: Array) -> Array:
    """Return complex `x` in double precision, where the library has it: JAX may not."""
    known = xp.__array_namespace_info__().dtypes(kind="complex floating", device=device(x))
    return xp.astype(x, known.get("complex128", x.dtype), copy=False)


def signal_parts(xp: Namespace, powers: Array, windows: int) -> Array:
    """Return Wiener's weights of a Gram matrix's eigenvalues, which are in ascending order."""
    size = powers.shape[0]
    variance = powers[size - (min(size, windows) + 1) // 2] / max(size, windows)
    edge = variance * (math.sqrt(size) + math.sqrt(windows)) ** 2
    edge = xp.maximum(edge, 10.0 * float(xp.finfo(powers.dtype).eps) * powers[-1])
    return xp.clip(1.0 - edge / xp.maximum(powers, edge), 0.0, 1.0)


def kernel_products(xp: Namespace, kernels: Array, kernel: int) -> Array:
    r"""Return :math:`w^{-d} \sum_k \sum_p k_c[p + l]\, \bar k_b[p]` for all lags ``l``.

    Parameters
    ----------
    xp : module
        Namespace of the array.
    kernels : array, shape (kernels, coils, w, ..., w), complex
        The kernels.
    kernel : int
        ``w``.

    Returns
    -------
    array, shape (2w - 1, ..., 2w - 1, coils, coils), complex
        Lags from ``-(w - 1)`` to ``w - 1``.
    """
    d, coils = kernels.ndim - 2, kernels.shape[1]
    small = (2 * kernel - 1,) * d
    K = fft(xp, kernels, small, real=False)
    K = xp.moveaxis(xp.reshape(K, (-1, coils, math.prod(small))), -1, 0)  # (grid, kernels, coils)
    G = xp.matmul(xp.matrix_transpose(K), xp.conj(K)) / kernel**d
    G = xp.reshape(xp.moveaxis(G, 0, -1), (coils, coils, *small))
    lags = ifft(xp, G, small, real=False)
    lags = xp.roll(lags, (kernel - 1,) * d, axis=tuple(range(2, 2 + d)))
    return xp.moveaxis(lags, (0, 1), (-2, -1))


def transform_lags(xp: Namespace, lags: Array, sizes: tuple[int, ...]) -> Array:
    """Evaluate ``sum_l L[l] exp(2 pi i l n / N)`` along all axes but the first."""
    for axis, n in enumerate(sizes, start=1):
        lags = waves(xp, lags, n, 0, n, axis)
    return lags


def first_axis(xp: Namespace, lines: Array, n: int, first: int, end: int) -> Array:
    """Evaluate the rows from `first` to `end` along the first axis."""
    return waves(xp, lines, n, first, end, 0)


def waves(xp: Namespace, x: Array, n: int, first: int, end: int, axis: int) -> Array:
    """Multiply the lags along an axis by the waves in the voxels ``first - n // 2, ...``."""
    real = {"dtype": real_dtype(xp, x), "device": device(x)}
    half = x.shape[axis] // 2
    lag = xp.arange(-half, half + 1, **real)
    voxel = xp.arange(first - n // 2, end - n // 2, **real)
    turns = voxel[:, None] * lag[None, :] / n
    E = xp.exp(2j * math.pi * xp.astype(turns - xp.round(turns), complex_dtype(xp, x)))
    moved = xp.moveaxis(x, axis, 0)
    rest = moved.shape[1:]
    product = E @ xp.reshape(moved, (moved.shape[0], -1))
    return xp.moveaxis(xp.reshape(product, (end - first, *rest)), 0, axis)
