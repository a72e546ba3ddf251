"""PSFs on a grid of places, with bilinear means between them."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from array_api_compat import array_namespace, device
from numpy.typing import NDArray

from nufftlib.blur.psfs.made import pixels_2d
from nufftlib.blur.space_varying import SpaceVaryingBlur
from nufftlib.core.arrays import Array, Namespace, make_array
from nufftlib.core.kinds import sizes

Values: TypeAlias = NDArray[np.float64]


def grid_weights(
    grid: int | tuple[int, int],
    shape: int | tuple[int, int],
    *,
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Return the weights of PSFs on a grid, for `SpaceVaryingBlur`.

    The nodes of the grid are evenly spaced, the outermost ones on the outermost pixels; one node
    alone counts everywhere. With the place ``t`` of a pixel along an axis, from 0 to ``nodes - 1``,

    .. math:: w_{rc}[p] = a(t_0[p] - r)\, a(t_1[p] - c), \qquad a(t) = \max(1 - |t|, 0) .

    So the PSF at a node is the node's own. Between nodes it is the bilinear mean of four: it is
    nonnegative and has the sum one if they do.

    Parameters
    ----------
    grid : int or tuple of int
        Rows and columns of the grid.
    shape : int or tuple of int
        Height and width of the blurred picture.
    xp, dtype, device : module, dtype, device
        Array-API namespace, real dtype and device of the result; by default NumPy,
        single precision and its default device.

    Returns
    -------
    array, shape (rows * columns, height, width)
        The weights, row by row of the grid. They sum to one at each pixel.

    Raises
    ------
    TypeError
        If a size is no integer, or the dtype neither float32 nor float64.
    ValueError
        If a size is below 1.

    Examples
    --------
    >>> import nufftlib as nl
    >>> nl.blur.grid_weights((1, 2), (1, 5))
    array([[[1.  , 0.75, 0.5 , 0.25, 0.  ]],
    <BLANKLINE>
           [[0.  , 0.25, 0.5 , 0.75, 1.  ]]], dtype=float32)
    """
    call = "grid_weights"
    nodes, pixels = nodes_of(call, grid), pixels_2d(call, shape, "shape")
    weights = outer(*(hats(n, m) for n, m in zip(nodes, pixels, strict=True)))
    return make_array(call, weights, xp=xp, dtype=dtype, device=device)


def nodes_of(call: str, grid: int | tuple[int, int]) -> tuple[int, int]:
    """Return rows and columns of a grid."""
    wish = "a number of nodes, or (rows, columns)"
    rows, columns = sizes(call, "grid", grid, wish, counts=(2,), alone=2)
    return rows, columns


def hats(nodes: int, pixels: int) -> Values:
    """Return the weight of each node along an axis at each pixel, shape (nodes, pixels)."""
    return hats_at(nodes, np.linspace(0, nodes - 1, pixels))


def hats_at(nodes: int, place: Values) -> Values:
    """Return the weight of each node at places from 0 to ``nodes - 1``, shape (nodes, places)."""
    weights: Values = (1 - np.abs(place - np.arange(nodes)[:, None])).clip(0.0)
    return weights


def outer(rows: Values, columns: Values) -> Values:
    """Return the products of weights along rows and columns, shape (nodes, height, width)."""
    shape = rows.shape[1], columns.shape[1]
    products: Values = np.einsum("rp,cq->rcpq", rows, columns).reshape(-1, *shape)
    return products


def grid_blur(psfs: Array, shape: tuple[int, int], boundary: str) -> SpaceVaryingBlur:
    """Return the blur of PSFs on a grid.

    Parameters
    ----------
    psfs : array, shape (rows, columns, height, width)
        The PSF at each node.
    shape : tuple of int
        Height and width of the blurred picture.
    boundary : str
        Boundary of the blur.
    """
    xp, (rows, columns, *size) = array_namespace(psfs), psfs.shape
    weights = grid_weights((rows, columns), shape, xp=xp, dtype=psfs.dtype, device=device(psfs))
    return SpaceVaryingBlur(xp.reshape(psfs, (rows * columns, *size)), weights, boundary)
