r"""Angles between one shot and the next.

A shot from the centre outwards points into one direction, and a whole turn holds the directions of
all shots. A shot through the centre (in and out) points into two that are opposite, so half a turn
holds all; the angles of `TILTS` are halved for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real

from nufftlib.core.kinds import choice, finite, flag, integer

GOLDEN_RATIO = (1.0 + math.sqrt(5.0)) / 2.0

TILTS: dict[str, Callable[[int], float]] = {
    "none": lambda _: 0.0,
    "uniform": lambda shots: 2.0 * math.pi / shots,
    "intergaps": lambda shots: math.pi / (2.0 * shots),
    "inverted": lambda shots: math.pi / shots + math.pi,
    "golden": lambda _: math.pi * (3.0 - math.sqrt(5.0)),
    "mri-golden": lambda _: math.pi * (math.sqrt(5.0) - 1.0) / 2.0,
}
"""From the number of shots to the angle in radians, of shots from the centre outwards."""


def tilt_angle(tilt: str | float, shots: int, *, in_out: bool = False) -> float:
    r"""Return the angle between one shot and the next.

    Parameters
    ----------
    tilt : str or float
        An angle in radians, which is returned as it is, or a name. Of ``N`` shots from the
        centre outwards it stands for

        - ``"none"``: 0;
        - ``"uniform"``: :math:`2 \pi / N`, the same gap everywhere;
        - ``"intergaps"``: :math:`\pi / (2 N)`, which turns a second set into the gaps;
        - ``"inverted"``: :math:`\pi / N + \pi`, a shot nearly opposite to the one before;
        - ``"golden"``: :math:`\pi (3 - \sqrt 5)`, 137.5 degrees: any number of consecutive shots
          is spread almost evenly;
        - ``"mri-golden"``: :math:`\pi (\sqrt 5 - 1) / 2`, 111.2 degrees.

    shots : int
        Number of shots, at least 1.
    in_out : bool
        Whether shots pass through the centre: two directions each, and half the angle of a name.
        The golden angle is then that of Winkelmann, 68.75 = 180 - 111.25 degrees.

    Returns
    -------
    float
        The angle in radians.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If the name is unknown, the angle not finite, or there is no shot.

    References
    ----------
    S. Winkelmann et al., "An optimal radial profile order based on the golden ratio for
    time-resolved MRI", IEEE Trans. Med. Imaging 26 (2007) 68-76.

    Examples
    --------
    >>> import math
    >>> import nufftlib as nl
    >>> angle = nl.mri.trajectories.tilt_angle("golden", 100, in_out=True)
    >>> round(math.degrees(angle), 2)
    68.75
    """
    return angle_between("tilt_angle", tilt, integer("tilt_angle", "shots", shots, least=1), in_out)


def angle_between(call: str, tilt: str | float, shots: int, in_out: bool) -> float:
    """Return `tilt_angle`, for the public function that was called."""
    through = flag(call, "in_out", in_out)
    if isinstance(tilt, Real) and not isinstance(tilt, bool):
        return finite(call, "tilt", tilt)
    return TILTS[choice(call, "tilt", tilt, TILTS)](shots) / (1 + through)


def tiny_golden_angle(order: int) -> float:
    r"""Return a golden angle that is small, for little change from one shot to the next.

    .. math:: \psi_n = \frac{\pi}{\tau + n - 1}, \qquad \tau = \frac{1 + \sqrt 5}{2}.

    Parameters
    ----------
    order : int
        ``n``, at least 1: 111.2, 68.8, 49.8, 39.0, 32.0, 27.2, 23.6 degrees, ...

    Returns
    -------
    float
        The angle in radians, of shots through the centre. For shots from the centre outwards it is
        doubled, as half a turn becomes a whole one.

    Raises
    ------
    TypeError
        If the order is no integer.
    ValueError
        If it is less than 1.

    References
    ----------
    S. Wundrak et al., "A small surrogate for the golden angle in time-resolved radial MRI based
    on generalized Fibonacci sequences", IEEE Trans. Med. Imaging 34 (2015) 1262-1269.

    Examples
    --------
    >>> import math
    >>> import nufftlib as nl
    >>> round(math.degrees(nl.mri.trajectories.tiny_golden_angle(7)), 2)
    23.63
    >>> k = nl.mri.trajectories.radial(
    ...     55, 64, in_out=True, tilt=nl.mri.trajectories.tiny_golden_angle(7)
    ... )
    """
    return math.pi / (GOLDEN_RATIO + integer("tiny_golden_angle", "order", order, least=1) - 1.0)
