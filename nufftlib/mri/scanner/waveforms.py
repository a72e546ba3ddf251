r"""Trajectories as waveforms: gradients and slew rates in SI units, and the way back.

With the voxel :math:`\Delta x_a`, a trajectory ``k`` in cycles per voxel is
:math:`\kappa = k / \Delta x` in 1/m. There is one sample in each raster time :math:`\Delta t`:

.. math::
    G_t = \frac{\kappa_{t+1} - \kappa_t}{\gamma\,\Delta t}, \qquad
    S_t = \frac{G_t - G_{t-1}}{\Delta t}.
"""

from __future__ import annotations

from typing import Any

from array_api_compat import device

from nufftlib.core.arrays import Array, Namespace, check_alike, check_real, common_namespace
from nufftlib.core.kinds import instance
from nufftlib.mri.scanner.protocol import Protocol


def gradients(k: Array, protocol: Protocol) -> Array:
    r"""Return the gradients that play a trajectory.

    Parameters
    ----------
    k : array, shape (..., samples, d), real
        Trajectory in cycles per voxel, one sample in each raster time; at least two samples.
    protocol : Protocol
        Raster time, voxel and gyromagnetic ratio.

    Returns
    -------
    array, shape (..., samples - 1, d)
        :math:`G_t = (\kappa_{t+1} - \kappa_t) / (\gamma \Delta t)` in T/m.

    Raises
    ------
    TypeError
        If the trajectory is no array of float32 or float64, or `protocol` no `Protocol`.
    ValueError
        If the shape does not fit the protocol.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> scanner = nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6)
    >>> protocol = nl.mri.Protocol(scanner, fov=0.24, shape=(256, 256))
    >>> k = np.asarray([[0.0, 0.0], [0.001, 0.0], [0.003, 0.0]])
    >>> print(nl.mri.gradients(k, protocol).round(5))
    [[0.00251 0.     ]
     [0.00501 0.     ]]
    """
    xp = checked("gradients(k, protocol)", k, protocol)
    return difference(k) * _per_axis(xp, k, protocol, _gradient_unit(protocol))


def slew_rates(k: Array, protocol: Protocol) -> Array:
    r"""Return the slew rates at which a trajectory is played, those at its ends included.

    Parameters
    ----------
    k : array, shape (..., samples, d), real
        Trajectory in cycles per voxel, one sample in each raster time; at least two samples.
    protocol : Protocol
        Raster time, voxel, gyromagnetic ratio; where it rests, the gradient comes from or goes
        to zero in one raster time.

    Returns
    -------
    array, shape (..., rows, d)
        :math:`S_t = (G_t - G_{t-1}) / \Delta t` in T/m/s: as many rows as samples for
        ``rest="both"``, one less for a rest at one end, two less for none.

    Raises
    ------
    TypeError
        If the trajectory is no array of float32 or float64, or `protocol` no `Protocol`.
    ValueError
        If the shape does not fit the protocol.

    Examples
    --------
    A constant speed has slew at its ends alone:

    >>> import numpy as np
    >>> import nufftlib as nl
    >>> scanner = nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6)
    >>> protocol = nl.mri.Protocol(scanner, fov=0.24, shape=(256, 256))
    >>> k = np.asarray([[0.0, 0.0], [0.001, 0.0], [0.002, 0.0]])
    >>> print(nl.mri.slew_rates(k, protocol).round())
    [[ 251.    0.]
     [   0.    0.]
     [-251.    0.]]
    """
    xp = checked("slew_rates(k, protocol)", k, protocol)
    scale = _gradient_unit(protocol) / protocol.scanner.raster
    return changes(xp, difference(k), protocol) * _per_axis(xp, k, protocol, scale)


def trajectory_from_gradients(
    waveform: Array, protocol: Protocol, *, start: Array | None = None
) -> Array:
    r"""Return the trajectory that gradients play; the inverse of `gradients`.

    Parameters
    ----------
    waveform : array, shape (..., samples - 1, d), real
        Gradients in T/m, constant in each raster time.
    protocol : Protocol
        Raster time, voxel and gyromagnetic ratio.
    start : array, shape (..., d), optional
        Point of the first sample in cycles per voxel, of the waveform's dtype and leading
        axes; by default the centre of k-space.

    Returns
    -------
    array, shape (..., samples, d)
        :math:`k_t = k_0 + \gamma \Delta t \Delta x \sum_{u<t} G_u` in cycles per voxel.

    Raises
    ------
    TypeError
        If the arrays are not float32 or float64, or `protocol` is no `Protocol`.
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> scanner = nl.mri.Scanner(gmax=40e-3, smax=180.0, raster=10e-6)
    >>> protocol = nl.mri.Protocol(scanner, fov=0.24, shape=(256, 256))
    >>> k = np.asarray([[0.1, 0.0], [0.101, 0.0], [0.103, 0.0]])
    >>> g = nl.mri.gradients(k, protocol)
    >>> back = nl.mri.trajectory_from_gradients(g, protocol, start=k[0])
    >>> bool(abs(back - k).max() < 1e-15)
    True
    """
    call = "trajectory_from_gradients(waveform, protocol)"
    xp = checked(call, waveform, protocol, "waveform", least=1)
    if start is None:
        start = xp.zeros_like(waveform[..., 0, :])
    check_alike(
        "trajectory_from_gradients(start)",
        "start",
        start,
        "waveform[..., 0, :]",
        waveform[..., 0, :],
    )
    steps = waveform / _per_axis(xp, waveform, protocol, _gradient_unit(protocol))
    first = xp.expand_dims(start, axis=-2)
    return xp.concat([first, first + xp.cumulative_sum(steps, axis=-2)], axis=-2)


def checked(
    call: str, k: Array, protocol: Protocol, name: str = "k", *, least: int = 2
) -> Namespace:
    """Return the namespace of a trajectory that fits the protocol; refuse others."""
    instance(call.partition("(")[0], "protocol", protocol, Protocol, "a Protocol")
    xp = common_namespace(call, **{name: k})
    check_real(xp, call, name, k)
    if k.ndim < 2 or k.shape[-1] != protocol.ndim or k.shape[-2] < least:
        msg = (
            f"{call}: {name} has the shape {tuple(k.shape)}; want (..., samples, {protocol.ndim}) "
            f"for the protocol's shape {protocol.shape}, with {least} samples or more"
        )
        raise ValueError(msg)
    return xp


def difference(k: Array) -> Array:
    """Return ``k[t + 1] - k[t]`` along the last axis but one."""
    return k[..., 1:, :] - k[..., :-1, :]


def changes(xp: Namespace, steps: Array, protocol: Protocol) -> Array:
    """Return the differences of `steps`, with zeros before and after where there is rest."""
    zero = xp.zeros_like(steps[..., :1, :])
    before, after = [zero] * protocol.rests_at_start, [zero] * protocol.rests_at_end
    return difference(xp.concat([*before, steps, *after], axis=-2))


def _gradient_unit(protocol: Protocol) -> float:
    return 1 / (protocol.scanner.gamma * protocol.scanner.raster)


def _per_axis(xp: Namespace, k: Array, protocol: Protocol, scale: float) -> Any:
    values = [scale / voxel for voxel in protocol.voxel]
    return xp.asarray(values, dtype=k.dtype, device=device(k))
