"""Density weights by the number of samples in each cell of a grid."""

from __future__ import annotations

from array_api_compat import device

from nufftlib.core.arrays import Array
from nufftlib.core.kinds import instance, sizes
from nufftlib.mri.density.scaling import Scaling
from nufftlib.nufft.engines.base import fold
from nufftlib.nufft.operator import NUFFT

CALL = "cell_count_weights"


def cell_count_weights(F: NUFFT, *, grid: tuple[int, ...] | None = None) -> Array:
    """Density-compensation weights of one divided by the number of samples in each cell of a grid.

    They are rough, and cost no more than a sort. The scale is that of `pipe_menon`.

    Parameters
    ----------
    F : NUFFT
        Gives the trajectory, the image shape and the norm.
    grid : tuple of int, optional
        Cells of the period along each axis, by default the image's shape. The cell ``q`` is about
        the point ``q / grid``, so that Cartesian samples have one cell each.

    Returns
    -------
    array, shape trajectory.shape[:-1], real
        Weights, of the trajectory's dtype; positive.

    Raises
    ------
    TypeError
        If `F` is no NUFFT, or sizes of the grid are no integers.
    ValueError
        If the grid has not as many sizes as the image, or they are below 1.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> k = np.asarray([[0.0, 0.0], [0.1, 0.0], [0.5, 0.0]])
    >>> w = nl.mri.cell_count_weights(nl.NUFFT(k, (4, 4)))
    >>> np.round(w / w[2], 6)
    array([0.5, 0.5, 1. ])
    """
    instance(CALL, "F", F, NUFFT, "a NUFFT")
    wish = "the cells along each axis"
    given = F.shape if grid is None else grid
    grid = sizes(CALL, "grid", given, wish, counts=(len(F.shape),))
    xp, k = F.transform.xp, fold(F.transform.xp, F.trajectory)
    cell = xp.zeros(k.shape[:-1], dtype=xp.int32, device=device(k))
    for axis, n in enumerate(grid):
        cell = cell * n + xp.astype(xp.round(k[..., axis] * n), xp.int32) % n
    # How many there are of each: from the first to the last place among the sorted.
    cell = xp.reshape(cell, (-1,))
    ordered = xp.sort(cell)
    count = xp.searchsorted(ordered, cell, side="right") - xp.searchsorted(ordered, cell)
    w = 1.0 / xp.reshape(xp.astype(count, k.dtype), k.shape[:-1])
    return Scaling(F, w).weights
