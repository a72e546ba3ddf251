"""Dask arrays, chunk by chunk along their first axis: frames, slices or coils."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nufftlib.core.kinds import class_of, sizes
from nufftlib.interop.dask.packages import dask  # noqa: F401  # or says how to install it

__all__ = ["map_chunks", "sum_chunks"]


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
    return blockwise(call, function, arrays, shape, dtype, summed=False)


def sum_chunks(
    function: Callable[..., Any], *arrays: Any, shape: tuple[int, ...], dtype: Any
) -> Any:
    r"""Sum a function of the chunks of dask arrays along their first axis, such as coils.

    The adjoint of a scan is such a sum, :math:`A^H y = \sum_c \bar s_c F^H y_c`, and its Gram
    likewise, so that conjugate gradients need one image and a few coils at a time. Nothing is
    computed before the result is. The terms are added in a fixed order, in pairs: the bits depend
    on the chunks, and not on the number of threads or workers.

    Parameters
    ----------
    function : callable
        From a chunk of each array, of shape ``(m, ...)``, to an array of the shape `shape`: what
        the chunk adds.
    *arrays : dask.array.Array
        Data with the same chunks along their first axis, and one along each other.
    shape : tuple of int
        Of the sum.
    dtype : dtype
        Of the sum.

    Returns
    -------
    dask.array.Array
        Of this shape, in one chunk.

    Raises
    ------
    TypeError, ValueError
        As of `map_chunks`.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> from nufftlib.interop.dask import sum_chunks
    >>> F = nl.NUFFT(nl.mri.trajectories.radial(8, 32), (32, 32))
    >>> maps = da.from_array(nl.mri.birdcage_maps(6, (32, 32)), chunks=(2, -1, -1))
    >>> data = da.ones((6, 8, 32), chunks=(2, -1, -1), dtype=np.complex64)
    >>> def adjoint(y, s):  # of two coils
    ...     return (F @ nl.Sense(s)).H(y)
    >>> image = sum_chunks(adjoint, data, maps, shape=(32, 32), dtype=np.complex64)
    >>> image.shape, image.compute().shape
    ((32, 32), (32, 32))
    """
    call = "sum_chunks"
    terms = blockwise(call, function, arrays, shape, dtype, summed=True)
    return terms.sum(axis=0, dtype=dtype, split_every=2)


def blockwise(
    call: str,
    function: Callable[..., Any],
    arrays: tuple[Any, ...],
    shape: tuple[int, ...],
    dtype: Any,
    *,
    summed: bool,
) -> Any:
    """Return the results of a function of chunks, or with `summed` one term for each chunk."""
    wish = "sizes of the sum" if summed else "sizes of what follows the first axis"
    shape = sizes(call, "shape", shape, wish)
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
        wanted = shape if summed else (chunks[0].shape[0], *shape)
        if found.shape != wanted or found.dtype != dtype:
            part = "what a chunk adds" if summed else "a chunk of the result"
            msg = (
                f"{call}(function): {part} is {found.dtype} of shape {tuple(found.shape)}; want "
                f"{dtype} of shape {wanted}"
            )
            raise ValueError(msg)
        return found[None, ...] if summed else found

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
        adjust_chunks={0: lambda _: 1} if summed else None,
        concatenate=True,
        dtype=dtype,
        meta=np.empty((0,) * len(out), dtype),
    )
