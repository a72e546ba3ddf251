"""All patterns by name, as the command line has them."""

from __future__ import annotations

from collections.abc import Callable

from nufftlib.core.arrays import Array
from nufftlib.core.kinds import integer
from nufftlib.mri.trajectories.planar.circles import eccentric_2d, rings
from nufftlib.mri.trajectories.planar.lines import epi, propeller
from nufftlib.mri.trajectories.planar.radial import radial
from nufftlib.mri.trajectories.planar.rosettes import lissajous, polar_lissajous, rosette
from nufftlib.mri.trajectories.planar.spirals import fibonacci_spiral, spiral, twirl
from nufftlib.mri.trajectories.planar.variable_density import variable_density_spiral
from nufftlib.mri.trajectories.planar.zigzags import cones_2d, sinusoid, waves
from nufftlib.mri.trajectories.walks import (
    random_walk,
    random_walk_3d,
    travelling_salesman,
    travelling_salesman_3d,
)

Pattern = Callable[..., Array]

BY_AXES: dict[int, dict[str, Pattern]] = {
    2: {
        "cones-2d": cones_2d,
        "eccentric-2d": eccentric_2d,
        "epi": epi,
        "fibonacci-spiral": fibonacci_spiral,
        "lissajous": lissajous,
        "polar-lissajous": polar_lissajous,
        "propeller": propeller,
        "radial": radial,
        "random-walk": random_walk,
        "rings": rings,
        "rosette": rosette,
        "sinusoid": sinusoid,
        "spiral": spiral,
        "travelling-salesman": travelling_salesman,
        "twirl": twirl,
        "variable-density-spiral": variable_density_spiral,
        "waves": waves,
    },
    3: {
        "random-walk-3d": random_walk_3d,
        "travelling-salesman-3d": travelling_salesman_3d,
    },
}


def patterns(ndim: int) -> dict[str, Pattern]:
    """Return the functions of this package that make trajectories, by name.

    Parameters
    ----------
    ndim : int
        Number of axes, 2 or 3.

    Returns
    -------
    dict from str to callable
        The name, with dashes in place of underscores, and the function: from ``shots``,
        ``samples`` and settings by name to a trajectory (shots, samples, ndim) in cycles per voxel.

    Raises
    ------
    TypeError
        If `ndim` is no integer.
    ValueError
        If it is neither 2 nor 3.

    Examples
    --------
    >>> import nufftlib as nl
    >>> "radial" in nl.mri.trajectories.patterns(2)
    True
    """
    return dict(BY_AXES[integer("patterns", "ndim", ndim, least=2, most=3)])
