"""Coil maps from coil images: the adaptive combination of Walsh."""

from __future__ import annotations

from nufftlib.core.arrays import Array, Namespace, check_finite, common_namespace, is_complex
from nufftlib.core.kinds import integer, out_of_range
from nufftlib.mri.coils.eigen import dominant, principal, rows_at_once, slabs
from nufftlib.mri.coils.normalize import root_of_largest

CALL = "walsh_maps"


def walsh_maps(images: Array, *, window: int = 5) -> Array:
    r"""Estimate coil maps from coil images, as eigenvectors of the covariance around each voxel.

    The matrix of coils x coils of a voxel is the sum over the window around it,

    .. math:: R_{cb}(n) = \sum_{m \in \text{window}} x_c(n + m)\, \overline{x_b(n + m)},

    and the maps are its eigenvector of the largest eigenvalue: of all combinations of the coils
    that which has most signal there. Near the ends of the image the window is cut off.

    Parameters
    ----------
    images : array, shape (coils, n_1, ..., n_d), complex
        Images of all coils, of 2 or 3 axes. Noise should be white: see `whiten`.
    window : int
        Voxels of the window along each axis, an odd number. The maps are taken to be constant
        in it; noise asks for more.

    Returns
    -------
    array, shape (coils, n_1, ..., n_d), complex
        Maps of the norm one in each voxel, also where there is no object.

    Raises
    ------
    TypeError
        If the images are not complex, or the window is no integer.
    ValueError
        If the images have another number of axes, a voxel is not finite, all are zero, or the
        window is even.

    Notes
    -----
    The phase is that of `espirit_maps`: :math:`\sum_c \bar v_c s_c` is real and positive for the
    virtual coil :math:`v` of most energy. `espirit_maps` tells where there is signal, and is
    several times as exact where the maps vary within the window.

    References
    ----------
    D. O. Walsh, A. F. Gmitro and M. W. Marcellin, "Adaptive reconstruction of phased array MR
    imagery", Magn. Reson. Med. 43 (2000) 682-690.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> s = nl.mri.birdcage_maps(4, (32, 32))
    >>> found = nl.mri.walsh_maps(3 * s)
    >>> bool(np.min(np.abs(np.sum(np.conj(found) * s, axis=0))) > 0.99)
    True
    """
    xp = common_namespace(f"{CALL}(images)", images=images)
    window = integer(CALL, "window", window, least=1)
    if window % 2 == 0:
        raise out_of_range(CALL, "window", window, "an odd number")
    if not is_complex(xp, images):
        msg = f"{CALL}(images): images is {images.dtype}; want complex64 or complex128"
        raise TypeError(msg)
    if images.ndim not in (3, 4) or 0 in images.shape:
        msg = (
            f"{CALL}(images): images has the shape {tuple(images.shape)}; want (coils, height, "
            f"width) or (coils, height, width, depth)"
        )
        raise ValueError(msg)
    check_finite(xp, f"{CALL}(images)", "images", images)
    if not bool(xp.any(images != 0)):
        msg = f"{CALL}(images): images is zero everywhere; want a signal"
        raise ValueError(msg)
    root = root_of_largest(xp, images, None)
    images = images / root / root
    coils, rows, *row = images.shape
    along = principal(xp, xp.reshape(images, (coils, -1)))
    half, found = window // 2, []
    for first, end in slabs(rows, rows_at_once(xp, images, tuple(row), coils)):
        below, above = max(first - half, 0), min(end + half, rows)
        part = xp.moveaxis(images[:, below:above, ...], 0, -1)
        R = part[..., :, None] * xp.conj(part)[..., None, :]
        for axis in range(len(row) + 1):
            R = window_sum(xp, R, axis, half)
        _, vectors = dominant(xp, R[first - below : end - below, ...], 1, along)
        found.append(vectors[0, ...])
    return xp.concat(found, axis=1)


def window_sum(xp: Namespace, x: Array, axis: int, half: int) -> Array:
    """Sum along an axis over neighbours up to `half` away; beyond the ends there are none."""
    x = xp.moveaxis(x, axis, 0)
    total = x
    for shift in range(1, min(half, x.shape[0] - 1) + 1):
        none = xp.zeros_like(x[:shift, ...])
        total = total + xp.concat([x[shift:, ...], none]) + xp.concat([none, x[:-shift, ...]])
    return xp.moveaxis(total, 0, axis)
