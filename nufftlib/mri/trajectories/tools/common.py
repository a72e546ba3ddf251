"""What the tools share: the check of a trajectory, a third axis, turns in space."""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import device
from numpy.typing import ArrayLike, NDArray

from nufftlib.core.arrays import Array, Namespace, check_real, common_namespace

Real = NDArray[Any]


def checked(call: str, k: Array, ndims: tuple[int, ...] = (2, 3), *, name: str = "k") -> Namespace:
    """Return the namespace of a trajectory (shots, samples, ndim); refuse what is none."""
    xp = common_namespace(f"{call}({name})", **{name: k})
    check_real(xp, f"{call}({name})", name, k)
    if k.ndim != 3 or k.shape[-1] not in ndims or 0 in k.shape:
        axes = " or ".join(map(str, ndims))
        wish = f"(shots, samples, {axes}), at least one of each"
        msg = f"{call}({name}): {name} has the shape {tuple(k.shape)}; want {wish}"
        raise ValueError(msg)
    return xp


def like(xp: Namespace, k: Array, values: ArrayLike) -> Array:
    """Return values of NumPy as an array beside `k`."""
    return xp.asarray(values, dtype=k.dtype, device=device(k))


def in_space(xp: Namespace, k: Array) -> Array:
    """Return a trajectory in three dimensions; one of the plane lies at 0 of the last axis."""
    if k.shape[-1] == 3:
        return k
    zeros = xp.zeros((*k.shape[:-1], 1), dtype=k.dtype, device=device(k))
    return xp.concat([k, zeros], axis=-1)


def copies(xp: Namespace, k: Array, matrices: Real) -> Array:
    """Return the shots of `k`, once turned by each of the matrices (n, 3, 3)."""
    turned = k[None, ...] @ like(xp, k, matrices.swapaxes(-1, -2))[:, None, :, :]
    return xp.reshape(turned, (-1, *k.shape[1:]))


def about(axis: int, angle: ArrayLike) -> Real:
    """Return the matrices (..., 3, 3) of turns about an axis, by the right-hand rule."""
    angle = np.asarray(angle)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.zeros((*angle.shape, 3, 3))
    matrix[..., axis, axis] = 1.0
    matrix[..., first, first] = matrix[..., second, second] = np.cos(angle)
    matrix[..., second, first] = np.sin(angle)
    matrix[..., first, second] = -matrix[..., second, first]
    return matrix


def from_to(a: Real, b: Real) -> Real:
    """Return the matrices (n, 3, 3) of the shortest turns from the direction a to each of b (n, 3).

    They are Rodrigues': with ``v = a x b`` and its matrix ``V``, ``1 + V + V^2 / (1 + a.b)``.
    To the opposite direction all turns of 180 degrees are as short; the one taken is about an
    axis across the largest coordinate of ``a``.
    """
    v, cosine = np.cross(a, b), b @ a
    cross = np.cross(np.eye(3), v[:, None, :])
    opposite = cosine < -1 + 1e-12
    squares = cross @ cross / np.where(opposite, 1.0, 1 + cosine)[:, None, None]
    across = np.cross(a, np.roll(np.eye(3)[np.argmax(np.abs(a))], 1))
    across /= np.linalg.norm(across)
    half_turn = 2 * np.outer(across, across) - np.eye(3)
    matrices: Real = np.where(opposite[:, None, None], half_turn, np.eye(3) + cross + squares)
    return matrices
