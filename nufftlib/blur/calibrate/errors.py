"""The distance of a PSF from the true one."""

from __future__ import annotations

from array_api_compat import size

from nufftlib.core.arrays import (
    Array,
    Namespace,
    check_real,
    common_namespace,
)


def psf_error(psf: Array, truth: Array) -> float:
    """Return the relative l2 error of a PSF.

    Parameters
    ----------
    psf, truth : array, real
        The PSF found, and the true one.

    Returns
    -------
    float
        ``|psf - truth| / |truth|``.

    Raises
    ------
    TypeError
        If one is no array of float32 or float64.
    ValueError
        If the shapes differ, or the truth is zero everywhere.

    Examples
    --------
    >>> import numpy as np
    >>> psf_error(np.asarray([[1.1]]), np.asarray([[1.0]]))
    0.1000...
    """
    xp = check_psfs("psf_error", psf=psf, truth=truth)
    if psf.shape != truth.shape:
        msg = (
            f"psf_error(psf, truth): the shapes are {tuple(psf.shape)} and {tuple(truth.shape)}; "
            f"want equal ones"
        )
        raise ValueError(msg)
    h, t = in_units(xp, psf, truth)
    return float(xp.sqrt(xp.sum((h - t) ** 2) / xp.sum(t**2)))


def check_psfs(function: str, **psfs: Array) -> Namespace:
    """Return the namespace of PSFs, the last of them the true one; refuse what is none."""
    call = f"{function}({', '.join(psfs)})"
    xp = common_namespace(call, **psfs)
    for name, psf in psfs.items():
        check_real(xp, call, name, psf)
        if size(psf) == 0:
            msg = f"{call}: {name} has the shape {tuple(psf.shape)}; want entries"
            raise ValueError(msg)
    if not bool(xp.any(psf != 0)):
        msg = f"{call}: {name} is zero everywhere; want a PSF"
        raise ValueError(msg)
    return xp


def in_units(xp: Namespace, psf: Array, truth: Array) -> tuple[Array, Array]:
    """Return both in units of the truth's largest entry, whose squares stay in range."""
    unit = xp.max(xp.abs(truth))
    return psf / unit, truth / unit
