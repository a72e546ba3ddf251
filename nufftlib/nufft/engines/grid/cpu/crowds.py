"""Sums of very many points in one place, which single precision would lose.

A sum stands still where its addends are less than half of its last digit. So the points of a
crowded bin are added up in blocks, each on a small grid of its own, and the blocks in double
precision.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nufftlib.nufft.engines.grid.cpu.loops import Loop
from nufftlib.nufft.engines.grid.cpu.parallel import run
from nufftlib.nufft.engines.grid.cpu.points import BINS, Cells, Crowd
from nufftlib.nufft.engines.grid.cpu.vectors import whole_chunks

BLOCK = 1024
"""Points of a block."""

BLOCKS = 16
"""Blocks that are spread at once."""


def crowd_sum(
    loop: Loop, crowd: Crowd, cells: Cells, polynomials: Any, width: int, reals: int, *data: Any
) -> Any:
    """Return the sum of a crowd in double precision, on the cells that it covers.

    Parameters
    ----------
    loop : callable
        A loop of `spreading`.
    crowd, cells : Crowd, Cells
        The points, and the sorted points that they are among.
    polynomials : array
        The kernel's.
    width, reals : int
        Its width, and the reals in a cell.
    *data : array
        Data, directions and weights of all points.

    Returns
    -------
    array, shape (planes, rows, columns, reals)
        The first cell is the crowd's origin.
    """
    where = slice(crowd.begin, crowd.end)
    count, missing = crowd.end - crowd.begin, 3 - len(crowd.origin)
    *around, last = ((1 << shift) - 1 for shift in BINS[len(crowd.origin)])
    planes, rows = (*(1,) * missing, *(cells + width for cells in around))[:2]
    columns = last - (-whole_chunks(width * reals) // reals)
    line = columns * reals
    plane_at = np.arange(planes, dtype=np.uint64) * np.uint64(rows * line)
    row_at = np.arange(rows, dtype=np.uint64) * np.uint64(line)
    starts = cells.starts[where] - np.asarray(crowd.origin, np.int32)
    points = starts, cells.offsets[where], cells.order[where]
    tiles = np.empty((BLOCKS, planes * rows * line), polynomials.dtype)
    arguments = plane_at, row_at, polynomials, *points, *data

    def spread(begin: int, end: int) -> None:
        for block in range(begin, end):
            tile, first = tiles[block % BLOCKS], block * BLOCK
            tile[...] = 0
            loop(tile, *arguments, first, min(first + BLOCK, count))

    loop(tiles[0], *arguments, 0, 0)  # compiled here, see `run`
    total, blocks = np.zeros(tiles.shape[1]), -(-count // BLOCK)
    for first in range(0, blocks, BLOCKS):
        some = range(first, min(first + BLOCKS, blocks))
        run(spread, [(block, block + 1) for block in some])
        total += tiles[: len(some)].sum(axis=0, dtype=np.float64)
    return total.reshape(planes, rows, columns, reals)
