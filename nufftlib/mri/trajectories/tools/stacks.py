"""Planes and shells that fill a volume."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nufftlib.core.arrays import Array, Namespace
from nufftlib.core.kinds import choice, flag, integer, out_of_range, wrong_kind
from nufftlib.mri.trajectories.shots import KMAX, angles
from nufftlib.mri.trajectories.tools.common import (
    Real,
    about,
    checked,
    copies,
    in_space,
    like,
)

Maker = Callable[[int], Array]
LOWER = ("symmetric", "reversed")


def stack(k: Array, stacks: int, *, tilt: str | float = "none", bounded: bool = True) -> Array:
    r"""Return copies of a trajectory at even heights, each turned a little more about axis 2.

    Parameters
    ----------
    k : array, shape (shots, samples, 2) or (shots, samples, 3)
        Points in cycles per voxel. Those of the plane lie at 0 of axis 2.
    stacks : int
        Number ``N`` of copies. The volume is cut into ``N`` slabs, and the copies lie in their
        middles.
    tilt : str or float
        Angle from one copy to the next: radians, or a name of `tilt_angle`.
    bounded : bool
        Whether the outer copies of a trajectory that is thicker than a slab come nearer, so that
        none of its points leaves k-space.

    Returns
    -------
    array, shape (stacks * shots, samples, 3)
        The copies from the lowest to the highest.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If the trajectory has another shape, there is no copy, or the tilt is unknown.

    Examples
    --------
    >>> import nufftlib as nl
    >>> star = nl.mri.trajectories.radial(8, 16)
    >>> k = nl.mri.trajectories.tools.stack(star, 4, tilt="golden")
    >>> k.shape, k[::8, 0, 2].tolist()
    ((32, 16, 3), [-0.375, -0.125, 0.125, 0.375])
    """
    call = "stack"
    xp = checked(call, k)
    stacks = integer(call, "stacks", stacks, least=1)
    turns = about(2, angles(call, stacks, tilt, in_out=False))
    z = heights(xp, k, stacks, flag(call, "bounded", bounded))
    raised = np.zeros((stacks, 1, 1, 3))
    raised[..., 2] = z[:, None, None]
    turned = xp.reshape(copies(xp, in_space(xp, k), turns), (stacks, *k.shape[:2], 3))
    return xp.reshape(turned + like(xp, k, raised), (-1, k.shape[1], 3))


def heights(xp: Namespace, k: Array, stacks: int, bounded: bool) -> Real:
    """Return the heights of copies of `k`."""
    low, high = -KMAX / stacks, KMAX / stacks
    if bounded and k.shape[-1] == 3:
        z = k[..., 2]
        low, high = min(low, float(xp.min(z))), max(high, float(xp.max(z)))
    return np.linspace(-KMAX - low, KMAX - high, stacks)


def stack_spherically(
    make: Maker,
    shots: int,
    stacks: int,
    *,
    tilt: str | float = "none",
    bounded: bool = True,
) -> Array:
    r"""Return a stack of trajectories that fills a ball: discs with fewer shots towards the poles.

    The disc at the height :math:`z` has the radius :math:`\sqrt{1/4 - z^2}`, and its shots are
    about in proportion to its area.

    Parameters
    ----------
    make : callable
        From a number of shots to a trajectory (shots, samples, 2) or (shots, samples, 3) with that
        many, whatever the number.
    shots : int
        Shots of all discs together, at least one for each.
    stacks : int
        Number of discs.
    tilt : str or float
        Angle from one disc to the next: radians, or a name of `tilt_angle`.
    bounded : bool
        As of `stack`.

    Returns
    -------
    array, shape (shots, samples, 3)
        The discs from the lowest to the highest.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If there are fewer shots than discs, `make` makes another number of them, or the tilt is
        unknown.

    Examples
    --------
    >>> import nufftlib as nl
    >>> def spirals(shots):
    ...     return nl.mri.trajectories.spiral(shots, 64, revolutions=3)
    >>> nl.mri.trajectories.tools.stack_spherically(spirals, 32, 8).shape
    (32, 64, 3)
    """
    call = "stack_spherically"
    stacks = integer(call, "stacks", stacks, least=1)
    shots = integer(call, "shots", shots, least=stacks)
    angle = angles(call, stacks, tilt, in_out=False)
    bounded = flag(call, "bounded", bounded)
    xp, first = made(call, make, shots // stacks)
    z = heights(xp, first, stacks, bounded)
    radius = np.sqrt(np.maximum(1 - (z / KMAX) ** 2, 0))
    discs = []
    for i, count in enumerate(shared(shots, radius**2)):
        disc = in_space(xp, made(call, make, count)[1])
        scaled = disc * like(xp, disc, [radius[i], radius[i], 1.0])
        discs.append(
            copies(xp, scaled + like(xp, disc, [0.0, 0.0, z[i]]), about(2, angle[i : i + 1]))
        )
    return xp.concat(discs, axis=0)


def shells(
    make: Maker,
    shots: int,
    shells: int,
    *,
    tilt: str | float = "golden",
    lower: str = "symmetric",
) -> Array:
    r"""Return trajectories of the plane raised onto the halves of concentric spheres.

    A point of the disc of the radius 1/2 gets the height :math:`\sqrt{1/4 - x^2 - y^2}`; shell
    ``i`` of ``N`` is that, times :math:`(i + 1/2) / N`. Shots are about in proportion to its area.

    Parameters
    ----------
    make : callable
        From a number of shots to a trajectory (shots, samples, 2) with that many, whatever the
        number. Its points beyond the disc keep the height 0.
    shots : int
        Shots of all shells together, even, and at least two for each.
    shells : int
        Number ``N`` of shells.
    tilt : str or float
        Angle about axis 2 from one shell to the next: radians, or a name of `tilt_angle`.
    lower : {"symmetric", "reversed"}
        How the lower half comes from the upper one: by the opposite height, or by the opposite
        height and axis 1, with which spirals go on in one sense of rotation.

    Returns
    -------
    array, shape (shots, samples, 3)
        The shells from the innermost to the outermost, the upper half of each first.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If the shots are odd or too few, `make` makes another number of them, or a name is unknown.

    Examples
    --------
    >>> import nufftlib as nl
    >>> def spirals(shots):
    ...     return nl.mri.trajectories.spiral(shots, 64, revolutions=3)
    >>> nl.mri.trajectories.tools.shells(spirals, 32, 8).shape
    (32, 64, 3)
    """
    call = "shells"
    shells = integer(call, "shells", shells, least=1)
    shots = integer(call, "shots", shots, least=2 * shells)
    if shots % 2:
        raise out_of_range(call, "shots", shots, "an even number, for two halves of each shell")
    angle = angles(call, shells, tilt, in_out=False)
    mirror = [1.0, -1.0 if choice(call, "lower", lower, LOWER) == "reversed" else 1.0, -1.0]
    halves = []
    for i, count in enumerate(shared(shots // 2, np.arange(1.0, shells + 1) ** 2)):
        xp, disc = made(call, make, count, (2,))
        square = KMAX**2 - xp.sum(disc * disc, axis=-1)
        height = xp.sqrt(xp.where(square > 0, square, xp.zeros_like(square)))
        upper = xp.concat([disc, height[..., None]], axis=-1) * ((i + 0.5) / shells)
        both = xp.concat([upper, upper * like(xp, disc, mirror)], axis=0)
        halves.append(copies(xp, both, about(2, angle[i : i + 1])))
    return xp.concat(halves, axis=0)


def made(
    call: str, make: Maker, count: int, ndims: tuple[int, ...] = (2, 3)
) -> tuple[Namespace, Array]:
    """Return what `make` makes of a number of shots, and its namespace; refuse another number."""
    if not callable(make):
        raise wrong_kind(call, "make", make, "a function from a number of shots to a trajectory")
    k = make(count)
    xp = checked(call, k, ndims, name="make")
    if k.shape[0] != count:
        msg = f"{call}(make): make gave {k.shape[0]} shots; want {count}, as it was told"
        raise ValueError(msg)
    return xp, k


def shared(shots: int, weights: Real) -> list[int]:
    """Return how many of the shots each place gets: one, and the next where most are missing."""
    counts = np.ones(len(weights), dtype=int)
    for _ in range(shots - len(weights)):
        counts[np.argmax(weights / counts)] += 1
    return counts.tolist()
