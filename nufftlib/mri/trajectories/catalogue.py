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
from nufftlib.mri.trajectories.volume.blades import (
    radial_echo_planar,
    turbine,
)
from nufftlib.mri.trajectories.volume.cones import (
    cones_3d,
    floret,
)
from nufftlib.mri.trajectories.volume.eccentric import eccentric_3d
from nufftlib.mri.trajectories.volume.seiffert import seiffert_spiral
from nufftlib.mri.trajectories.volume.shells import (
    annular_shells,
    helical_shells,
    seiffert_shells,
)
from nufftlib.mri.trajectories.volume.spokes import (
    golden_means_radial,
    koosh_ball,
    park_radial,
    phyllotaxis_radial,
    wong_radial,
)
from nufftlib.mri.trajectories.volume.wave_caipi import wave_caipi
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
        "annular-shells": annular_shells,
        "cones-3d": cones_3d,
        "eccentric-3d": eccentric_3d,
        "floret": floret,
        "golden-means-radial": golden_means_radial,
        "helical-shells": helical_shells,
        "koosh-ball": koosh_ball,
        "park-radial": park_radial,
        "phyllotaxis-radial": phyllotaxis_radial,
        "radial-echo-planar": radial_echo_planar,
        "random-walk-3d": random_walk_3d,
        "seiffert-shells": seiffert_shells,
        "seiffert-spiral": seiffert_spiral,
        "travelling-salesman-3d": travelling_salesman_3d,
        "turbine": turbine,
        "wave-caipi": wave_caipi,
        "wong-radial": wong_radial,
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
