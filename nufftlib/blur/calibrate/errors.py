"""The distance of a PSF from the true one."""

from __future__ import annotations

from nufftlib.core.arrays import (
    Array,
    common_namespace,
)


def psf_error(psf: Array, truth: Array) -> float:
    """Return the relative l2 error of a PSF.

    Parameters
    ----------
    psf, truth : array
        The PSF found, and the true one.

    Returns
    -------
    float
        ``|psf - truth| / |truth|``.

    Examples
    --------
    >>> import numpy as np
    >>> psf_error(np.asarray([[1.1]]), np.asarray([[1.0]]))
    0.1000...
    """
    xp = common_namespace("psf_error(psf, truth)", psf=psf, truth=truth)
    if psf.shape != truth.shape:
        msg = (
            f"psf_error(psf, truth): the shapes are {tuple(psf.shape)} and {tuple(truth.shape)}; "
            f"want equal ones"
        )
        raise ValueError(msg)
    return float(xp.sqrt(xp.sum((psf - truth) ** 2) / xp.sum(truth**2)))
