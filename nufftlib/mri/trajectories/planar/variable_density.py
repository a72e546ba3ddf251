"""The spiral of variable density, as fast as a scanner can play it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.polynomial import Polynomial

from nufftlib.core.arrays import Array, Namespace, make_array
from nufftlib.core.kinds import instance, out_of_range, real_values
from nufftlib.mri.scanner.protocol import Protocol
from nufftlib.mri.trajectories.shots import KMAX, Real, along, angles, counts, pairs, turned

Speed = Callable[[float], float]

FINE = 2**14
"""Steps of the table of arc lengths."""
STEPS = 8
"""Steps of the integration in one raster time."""


def variable_density_spiral(
    shots: int,
    samples: int,
    *,
    fov: Any = (96.0, -72.0),
    protocol: Protocol | None = None,
    in_out: bool = False,
    tilt: str | float = "uniform",
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Spiral whose turns support a field of view that changes with the radius.

    The distance between neighbouring turns of all ``N`` shots is :math:`1 / L(r)`, with the field
    of view ``L`` in voxels, a polynomial of the radius:

    .. math:: \frac{d \varphi}{d r} = \frac{2 \pi}{N} L(r), \qquad
              L(r) = \sum_j L_j \left(\frac{r}{1/2}\right)^j.

    Without a protocol all steps have one length. With a protocol samples are at even times of a
    shot that begins at rest and is driven by the slew rate, then by the gradient:
    :math:`r'' = (-B + \sqrt{B^2 - 4 A C}) / 2 A` of Lee et al. It ends at full speed. Samples of
    the receiver are at most :math:`1 / L` apart. Where that slows down a shot, since ``L`` grows,
    the slew rate is not limited.

    Parameters
    ----------
    shots : int
        Number ``N`` of spirals, at least 1.
    samples : int
        Samples of each, at least 2. With a protocol they are one raster time apart, and so many
        that its limits are kept; with more of them the shot is slower.
    fov : sequence of float
        Coefficients :math:`L_j`: ``(256, -192)`` is 256 voxels at the centre and 64 at the edge.
    protocol : Protocol, optional
        The scan: in two dimensions, with square voxels.
    in_out : bool
        Whether a spiral passes through the centre, or begins there.
    tilt : str or float
        Angle from one spiral to the next: radians, or a name of `tilt_angle`.
    xp, dtype, device : module, dtype, device
        Array-API namespace, real dtype and device of the result; by default NumPy,
        float32 and the library's own.

    Returns
    -------
    array, shape (shots, samples, 2)
        Points in cycles per voxel.

    Raises
    ------
    ValueError
        If there are too few shots or samples, too few for the protocol, the field of view is not
        positive everywhere, voxels are not square, or the tilt is unknown.
    TypeError
        If an argument is of the wrong kind, or the dtype is neither float32 nor float64.

    References
    ----------
    J. H. Lee, B. A. Hargreaves, B. S. Hu and D. G. Nishimura, "Fast 3D imaging using
    variable-density spiral trajectories with applications to limb perfusion", Magn. Reson. Med. 50
    (2003) 1276-1285.

    Examples
    --------
    >>> import nufftlib as nl
    >>> scanner = nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6)
    >>> protocol = nl.mri.Protocol(scanner, fov=0.24, shape=(256, 256), rest="start")
    >>> k = nl.mri.trajectories.variable_density_spiral(
    ...     16, 1024, fov=(256, -192), protocol=protocol
    ... )
    >>> nl.mri.check_trajectory(k.astype(float), protocol).ok
    True
    """
    call = "variable_density_spiral"
    shots, samples = counts(call, shots, samples)
    view = field_of_view(call, fov)
    angle = angles(call, shots, tilt, in_out)
    t = along(samples, in_out)
    turns = view.integ() / shots
    if protocol is None:
        fine = np.linspace(0, KMAX, FINE + 1)
        length = np.abs(np.diff(fine * np.exp(2j * np.pi * turns(fine))))
        time = np.concatenate([[0.0], np.cumsum(length)])
    else:
        fine = driven(view / shots, *limits(call, view, protocol))
        time = np.arange(len(fine)) * protocol.scanner.raster / STEPS
        time[-1] = time[-2] + (time[-1] - time[-2]) * (KMAX - fine[-2]) / (fine[-1] - fine[-2])
        fine[-1] = KMAX
        least = math.ceil((1 + in_out) * time[-1] / protocol.scanner.raster) + 1
        if samples < least:
            wish = f"at least {least}: the protocol allows no shorter shot"
            raise out_of_range(call, "samples", samples, wish)
    r = np.interp(np.abs(t) * time[-1], time, fine)
    shot = pairs(np.sign(t) * r * np.exp(2j * np.pi * turns(r)))
    return make_array(call, turned(shot, angle), xp=xp, dtype=dtype, device=device)


def field_of_view(call: str, fov: Any) -> Polynomial:
    """Return the field of view in voxels as a polynomial of the radius in cycles per voxel."""
    coefficients = np.atleast_1d(real_values(call, "fov", fov))
    wish = "coefficients of a polynomial that is positive from 0 to 1, in voxels"
    if coefficients.ndim != 1 or not coefficients.size or not np.isfinite(coefficients).all():
        raise out_of_range(call, "fov", fov, wish)
    view = Polynomial(coefficients)
    between = [x.real for x in view.deriv().roots().tolist() if 0 < x.real < 1]
    if np.min(view(np.asarray([0.0, 1.0, *between]))) <= 0:
        raise out_of_range(call, "fov", fov, wish)
    return Polynomial(coefficients / KMAX ** np.arange(coefficients.size))


def limits(call: str, view: Polynomial, protocol: Protocol) -> tuple[Speed, float, float]:
    """Return the largest speed by radius, the largest acceleration, and the step of time."""
    instance(call, "protocol", protocol, Protocol, "a Protocol or None")
    voxel, scanner = protocol.voxel, protocol.scanner
    if protocol.ndim != 2 or not math.isclose(*voxel):
        wish = "one in two dimensions with square voxels"
        raise out_of_range(call, "protocol", f"of voxels of {voxel} m", wish)
    gmax, smax = (scanner.gamma * limit * voxel[0] for limit in (scanner.gmax, scanner.smax))
    dwell = protocol.dwell or scanner.raster

    def speed(r: float) -> float:
        """Samples of the receiver support the field of view, too."""
        return min(gmax, 1 / (float(view(r)) * dwell))

    return speed, smax, scanner.raster / STEPS


def driven(density: Polynomial, speed: Speed, smax: float, step: float) -> Real:
    r"""Return the radius in steps of time, from rest until it reaches the edge.

    With :math:`w = \varphi'(r)`, derivatives of ``r`` by time, and the angle factored out,

    .. math:: k'' = r'' (1 + i w r) + r'^2 \left(-w^2 r + i (r\, dw/dr + 2 w)\right),

    which has the length `smax` at the root of a quadratic equation for ``r''``.
    """
    slope = density.deriv()

    def within(r: float, v: float) -> float:
        return min(v, speed(r) / math.hypot(1, 2 * np.pi * float(density(r)) * r))

    def change(r: float, v: float) -> float:
        w, dw = 2 * np.pi * float(density(r)), 2 * np.pi * float(slope(r))
        inward, across = -(w**2) * r, r * dw + 2 * w
        a = 1 + (w * r) ** 2
        b = v**2 * (inward + w * r * across)
        c = v**4 * (inward**2 + across**2) - smax**2
        root: float = (-b + math.sqrt(max(b * b - a * c, 0.0))) / a
        return root

    r, v = 0.0, 0.0
    found = [r]
    while r < KMAX:  # by the midpoint rule
        middle = within(r, v + step / 2 * change(r, v))
        v += step * change(r + step / 2 * v, middle)
        r += step * middle
        v = within(r, v)
        found.append(r)
    return np.asarray(found)
