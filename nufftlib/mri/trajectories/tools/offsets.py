"""Copies of a trajectory at other places, and the places."""

from __future__ import annotations

from typing import Any

import numpy as np

from nufftlib.core.arrays import Array, Namespace, check_real, common_namespace, make_array
from nufftlib.core.kinds import (
    choice,
    generator,
    integer,
    out_of_range,
    positive,
    real_values,
    sizes,
)
from nufftlib.mri.trajectories.shots import DENSEST
from nufftlib.mri.trajectories.tilts import GOLDEN_RATIO
from nufftlib.mri.trajectories.tools.common import Real, checked, in_space, like

PACKINGS = ("triangular", "square", "circular", "fibonacci", "random")
SHAPES = {"circle": 2.0, "square": np.inf, "diamond": 1.0}
DENSITIES = ("uniform", "gaussian", "even")
ORDERS = ("centre", "up", "random")
QUANTILE = 3.090232306167813
"""Beyond which a standard normal variable is in one of 1000 cases."""


def place(k: Array, offsets: Array) -> Array:
    r"""Return copies of a trajectory, each moved by an offset.

    Parameters
    ----------
    k : array, shape (shots, samples, ndim)
        Points in cycles per voxel, in 2 or 3 dimensions.
    offsets : array, shape (copies, ndim)
        Where the copies go, in cycles per voxel, such as `caipi_offsets` with a column of zeros.

    Returns
    -------
    array, shape (copies * shots, samples, ndim)
        The copies, one after the other.

    Raises
    ------
    TypeError
        If the arrays are not real, or not of one library.
    ValueError
        If the shapes are others.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> tools = nl.mri.trajectories.tools
    >>> line = np.linspace([[-0.5, 0, 0]], [[0.5, 0, 0]], 64, axis=1)
    >>> offsets = tools.caipi_offsets((32, 32), (2, 2), shift=1, dtype=np.float64)
    >>> tools.place(line, np.pad(offsets, ((0, 0), (1, 0)))).shape
    (256, 64, 3)
    """
    call = "place"
    checked(call, k)
    xp = common_namespace(f"{call}(k, offsets)", k=k, offsets=offsets)
    check_real(xp, f"{call}(offsets)", "offsets", offsets)
    if offsets.ndim != 2 or offsets.shape[1] != k.shape[-1] or 0 in offsets.shape:
        wish = f"(copies, {k.shape[-1]}), as the points of k"
        msg = f"{call}(offsets): offsets has the shape {tuple(offsets.shape)}; want {wish}"
        raise ValueError(msg)
    return xp.reshape(k + offsets[:, None, None, :], (-1, *k.shape[1:]))


def stack_random(
    k: Array,
    stacks: int,
    size: int,
    *,
    calibration: int = 0,
    density: str = "uniform",
    order: str = "centre",
    seed: int = 0,
) -> Array:
    r"""Return copies of a trajectory at some of the heights of a grid, chosen at random.

    Parameters
    ----------
    k : array, shape (shots, samples, 2) or (shots, samples, 3)
        Points in cycles per voxel. Those of the plane lie at 0 of axis 2.
    stacks : int
        Number of copies.
    size : int
        Voxels along axis 2: the heights are some of ``n / size`` with ``n`` from
        ``-(size // 2)`` on.
    calibration : int
        How many heights in the middle have a copy for certain.
    density : {"uniform", "gaussian", "even"}
        How likely the others are: all alike, or less so outwards, by a normal distribution
        whose 0.1 % and 99.9 % quantiles are the lowest and the highest of them; or no chance at
        all, every so many of them from the lowest on.
    order : {"centre", "up", "random"}
        Which copy comes first: the middle one and then alternately below and above, the lowest, or
        any.
    seed : int
        Seed of the random choice.

    Returns
    -------
    array, shape (stacks * shots, samples, 3)
        The copies.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If the trajectory has another shape, a number is out of its range, or a name is unknown.

    Examples
    --------
    >>> import nufftlib as nl
    >>> star = nl.mri.trajectories.radial(8, 16)
    >>> nl.mri.trajectories.tools.stack_random(star, 16, 64, calibration=8).shape
    (128, 16, 3)
    """
    call = "stack_random"
    xp = checked(call, k)
    size = integer(call, "size", size, least=1)
    stacks = integer(call, "stacks", stacks, least=1, most=size)
    calibration = integer(call, "calibration", calibration, least=0, most=stacks)
    density = choice(call, "density", density, DENSITIES)
    order = choice(call, "order", order, ORDERS)
    rng = generator(call, seed)
    chosen = lines(rng, size, stacks, calibration, density)
    if order == "centre":
        middle = int(np.argmin(np.abs(chosen - size // 2)))
        below, above = chosen[middle::-1], chosen[middle + 1 :]
        both = min(len(below), len(above))
        pairs = np.stack([below[:both], above[:both]], axis=-1).ravel()
        chosen = np.concatenate([pairs, below[both:], above[both:]])
    elif order == "random":
        chosen = rng.permutation(chosen)
    height = np.stack([0 * chosen, 0 * chosen, (chosen - size // 2) / size], axis=-1)
    return place(in_space(xp, k), like(xp, k, height))


def lines(rng: np.random.Generator, size: int, number: int, sure: int, density: str) -> Any:
    """Return which of the heights are chosen, the lowest first."""
    start = (size - sure) // 2
    middle = np.arange(start, start + sure)
    others = np.setdiff1d(np.arange(size), middle)
    if density == "even":
        some = others[np.arange(number - sure) * len(others) // max(number - sure, 1)]
    else:
        place = np.linspace(-1, 1, len(others)) * QUANTILE
        weight = np.exp(-(place**2) / 2) if density == "gaussian" else np.ones(len(others))
        share = weight / weight.sum()
        some = rng.choice(others, size=number - sure, replace=False, p=share)
    return np.sort(np.concatenate([middle, some]))


def caipi_offsets(
    shape: Any,
    acceleration: Any,
    *,
    shift: int = 0,
    calibration: Any = (0, 0),
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Return the lines of a Cartesian scan that is accelerated along two axes: GRAPPA and CAIPI.

    Line ``(i, j)`` is sampled at the places :math:`n_0 = i R_0` and
    :math:`n_1 = j R_1 + (i s \bmod R_1)` of the grid: from one row to the next the pattern moves by
    the shift ``s``, which moves the aliases of an image apart.

    Parameters
    ----------
    shape : tuple of int
        Voxels along the two axes.
    acceleration : tuple of int
        :math:`R_0` and :math:`R_1`.
    shift : int
        ``s``, from 0 (GRAPPA) to :math:`R_1 - 1`.
    calibration : tuple of int
        Size of a block in the middle whose lines are all sampled.
    xp, dtype, device : module, dtype, device
        Array-API namespace, real dtype and device of the result; by default NumPy,
        float32 and the library's own.

    Returns
    -------
    array, shape (lines, 2)
        Offsets in cycles per voxel, ``(n - shape // 2) / shape``; the last axis of the grid varies
        fastest, and no line is there twice.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind, or the dtype is neither float32 nor float64.
    ValueError
        If a number is out of its range.

    References
    ----------
    F. A. Breuer et al., "Controlled aliasing in volumetric parallel imaging (2D CAIPIRINHA)",
    Magn. Reson. Med. 55 (2006) 549-556.

    Examples
    --------
    >>> import nufftlib as nl
    >>> k = nl.mri.trajectories.tools.caipi_offsets((8, 8), (2, 4), shift=2)
    >>> (k[:4] * 8).tolist()
    [[-4.0, -4.0], [-4.0, 0.0], [-2.0, -2.0], [-2.0, 2.0]]
    """
    call = "caipi_offsets"
    size = sizes(call, "shape", shape, "the voxels along two axes", counts=(2,))
    steps = sizes(call, "acceleration", acceleration, "two factors", counts=(2,))
    shift = integer(call, "shift", shift, least=0, most=steps[1] - 1)
    block = sizes(call, "calibration", calibration, "two sizes", counts=(2,), least=0)
    if any(b > n for b, n in zip(block, size, strict=True)):
        raise out_of_range(call, "calibration", calibration, f"sizes up to the shape {size}")
    first, second = np.indices(size)
    rows, skipped = np.divmod(first, steps[0])
    sampled = (skipped == 0) & ((second - rows * shift) % steps[1] == 0)
    starts = [(n - b) // 2 for n, b in zip(size, block, strict=True)]
    inside = tuple(slice(s, s + b) for s, b in zip(starts, block, strict=True))
    sampled[inside] = True
    k = (np.argwhere(sampled) - np.asarray(size) // 2) / size
    return make_array(call, k, xp=xp, dtype=dtype, device=device)


def packing_offsets(
    number: int,
    *,
    packing: str = "triangular",
    shape: str | float = "square",
    spacing: Any = (1.0, 1.0),
    seed: int = 0,
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Return places for circles in the plane, next to one another and filling a shape.

    Parameters
    ----------
    number : int
        Number of places, at least 1.
    packing : {"triangular", "square", "circular", "fibonacci", "random"}
        How they lie: in a lattice of triangles or squares, on rings, as in a sunflower, or at
        random.
    shape : {"circle", "square", "diamond"} or float
        The shape that they fill, or the order of its norm: of many places those next to the centre
        are taken.
    spacing : float or tuple of 2 numbers
        Distances along both axes, in diameters.
    seed : int
        Seed of the random places.
    xp, dtype, device : module, dtype, device
        Array-API namespace, real dtype and device of the result; by default NumPy,
        float32 and the library's own.

    Returns
    -------
    array, shape (number, 2)
        Places in radii of the circles, the next to the centre first.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind, or the dtype is neither float32 nor float64.
    ValueError
        If a number is out of its range, or a name is unknown.

    Examples
    --------
    >>> import nufftlib as nl
    >>> k = nl.mri.trajectories.tools.packing_offsets(4, packing="square")
    >>> k.tolist()
    [[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]]
    """
    call = "packing_offsets"
    number = integer(call, "number", number, least=1)
    packing = choice(call, "packing", packing, PACKINGS)
    if isinstance(shape, str):
        shape = SHAPES[choice(call, "shape", shape, SHAPES)]
    else:
        shape = positive(call, "shape", shape)
    wide = real_values(call, "spacing", spacing)
    if wide.shape not in ((), (2,)) or not (np.isfinite(wide) & (wide > 0)).all():
        raise out_of_range(call, "spacing", spacing, "a positive number, or two of them")
    rng = generator(call, seed)
    side = 2 * int(np.ceil(np.sqrt(number)) * np.max(np.ceil(wide)))
    points = candidates(packing, number, side, rng) * wide
    other = np.inf if shape == 2 else 2  # orders those that are as far
    keys = [np.linalg.norm(points, ord=n, axis=-1) for n in (other, shape)]
    # Rounding shall not decide which of those as far comes first.
    nearest = np.lexsort([key.round(12) for key in keys])[:number]
    return make_array(call, points[nearest], xp=xp, dtype=dtype, device=device)


def candidates(packing: str, number: int, side: int, rng: np.random.Generator) -> Real:
    """Return places for circles of the radius 1, more than the number."""
    if packing == "random":
        return 2 * side * (rng.random((side * side, 2)) - 0.5)
    if packing == "fibonacci":
        count = 2 * number
        n = np.arange(count)
        radius = np.sqrt(count / DENSEST * (n + 0.25) / (count - 0.5))
        turn = 2 * np.pi * (n / GOLDEN_RATIO)
        return np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=-1)
    if packing == "circular":
        found = [np.zeros((1, 2))]
        while sum(map(len, found)) < side**2:
            ring = len(found)
            count = int(2 * np.pi * ring)
            turn = 2 * np.pi * np.arange(count) / count
            found.append(2 * ring * np.stack([np.cos(turn), np.sin(turn)], axis=-1))
        return np.concatenate(found)
    steps = np.arange(-side + 1, side, 2.0)
    points = np.stack([np.tile(steps, side), np.repeat(steps, side)], axis=-1)
    if packing == "triangular":
        # Every second column half a circle higher, and columns as near as circles allow.
        points[:, 1] += np.tile([0.5, -0.5], side * side // 2)
        points[:, 0] *= np.sqrt(3) / 2
    return points
