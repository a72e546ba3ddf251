"""Dask arrays, chunk by chunk along their first axis: frames, slices or coils."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nufftlib.core.kinds import class_of, sizes
from nufftlib.interop.dask.packages import dask  # noqa: F401  # or says how to install it

__all__ = ["map_chunks"]


def map_chunks(
    function: Callable[..., Any], *arrays: Any, shape: tuple[int, ...], dtype: Any
) -> Any:
    """Call a function chunk by chunk along the first axis of dask arrays.

    Nothing is computed before the result is: ``.compute()``, or ``.to_zarr(path)``, which holds
    only the chunks that are at work, one for each thread or worker of Dask.

    Parameters
    ----------
    function : callable
        From a chunk of each array, of shape ``(m, ...)``, to an array of shape ``(m, *shape)``.
    *arrays : dask.array.Array
        Data with the same chunks along their first axis, and one along each other.
    shape : tuple of int
        What follows the first axis in the result.
    dtype : dtype
        Of the result.

    Returns
    -------
    dask.array.Array
        Of shape ``(n, *shape)``, with the same chunks.

    Raises
    ------
    TypeError
        If an array is none of Dask's, or `shape` no tuple of integers.
    ValueError
        If the chunks differ, another axis is in several, or, when it is computed, a chunk of the
        result has another shape or dtype.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> from nufftlib.interop.dask import map_chunks
    >>> F = nl.NUFFT(nl.mri.trajectories.radial(8, 32), (32, 32))
    >>> frames = da.ones((6, 8, 32), chunks=(2, -1, -1), dtype=np.complex64)
    >>> images = map_chunks(F.H, frames, shape=(32, 32), dtype=np.complex64)
    >>> images.shape, images.numblocks, images.compute().shape
    ((6, 32, 32), (3, 1, 1), (6, 32, 32))
    """
    call = "map_chunks"
    shape = sizes(call, "shape", shape, "sizes of what follows the first axis")
    if not arrays:
        msg = f"{call}(arrays): there is no array; want one or more"
        raise TypeError(msg)
    import dask.array as da

    for i, x in enumerate(arrays):
        if not isinstance(x, da.Array):
            msg = f"{call}(arrays): array {i} is {class_of(x)}; want one of dask.array"
            raise TypeError(msg)
        if x.ndim < 1 or any(len(along) > 1 for along in x.chunks[1:]):
            msg = (
                f"{call}(arrays): array {i} has {x.numblocks} chunks; want one along each axis but "
                f"the first, as by rechunk({{i: -1 for i in range(1, x.ndim)}})"
            )
            raise ValueError(msg)
        if x.chunks[0] != arrays[0].chunks[0]:
            msg = (
                f"{call}(arrays): array {i} has chunks of {x.chunks[0]} along its first axis, and "
                f"array 0 of {arrays[0].chunks[0]}; want the same"
            )
            raise ValueError(msg)
    dtype = np.dtype(dtype)

    def checked(*chunks: Any) -> Any:
        found = function(*chunks)
        wanted = (chunks[0].shape[0], *shape)
        if found.shape != wanted or found.dtype != dtype:
            msg = (
                f"{call}(function): a chunk of the result is {found.dtype} of shape "
                f"{tuple(found.shape)}; want {dtype} of shape {wanted}"
            )
            raise ValueError(msg)
        return found

    letters = iter(range(1, 1 + sum(x.ndim for x in arrays) + len(shape)))
    out = (0, *(next(letters) for _ in shape))
    pairs: list[Any] = []
    for x in arrays:
        pairs += [x, (0, *(next(letters) for _ in x.shape[1:]))]
    return da.blockwise(
        checked,
        out,
        *pairs,
        new_axes=dict(zip(out[1:], shape, strict=True)),
        concatenate=True,
        dtype=dtype,
        meta=np.empty((0,) * len(out), dtype),
    )
