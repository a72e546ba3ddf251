"""Straight lines from or through the centre, by the directions in which they point."""

from __future__ import annotations

from typing import Any

import numpy as np

from nufftlib.core.arrays import Array, Namespace, make_array
from nufftlib.core.kinds import flag
from nufftlib.mri.trajectories.shots import KMAX, Real, along, counts, dealt, divisor, on_sphere
from nufftlib.mri.trajectories.tilts import TILTS

ROOT = 1.4655712318767680
"""The real root of ``x**3 = x**2 + 1``: for three numbers what the golden ratio is for two."""


def golden_means_radial(
    shots: int,
    samples: int,
    *,
    in_out: bool = False,
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Radial trajectory in three dimensions whose directions follow two golden means.

    Any number of consecutive spokes is spread almost evenly over the sphere. With

    .. math:: m_1 = \rho^{-2} = 0.46557, \quad m_2 = \rho^{-1} = 0.68233, \quad \rho^3 = \rho^2 + 1

    and :math:`\{x\} = x - \lfloor x \rfloor`, spoke ``i`` from the centre points to the height
    and the azimuth

    .. math:: z_i = 2 \{i m_1\} - 1, \qquad \varphi_i = 2 \pi \{i m_2\}.

    A spoke through the centre has :math:`z_i = \{i m_1\}`, on half a sphere.

    Parameters
    ----------
    shots : int
        Number of spokes, at least 1.
    samples : int
        Samples of each spoke, at least 2, with even distances.
    in_out : bool
        Whether a spoke passes through the centre, or begins there.
    xp, dtype, device : module, dtype, device
        Array-API namespace, real dtype and device of the result; by default NumPy,
        float32 and the library's own.

    Returns
    -------
    array, shape (shots, samples, 3)
        Points in cycles per voxel.

    Raises
    ------
    ValueError
        If there are too few shots or samples.
    TypeError
        If their number is no integer, or the dtype is neither float32 nor float64.

    References
    ----------
    R. W. Chan, E. A. Ramsay, C. H. Cunningham and D. B. Plewes, "Temporal stability of adaptive
    3D radial MRI using multidimensional golden means", Magn. Reson. Med. 61 (2009) 354-363.

    Examples
    --------
    >>> import nufftlib as nl
    >>> k = nl.mri.trajectories.golden_means_radial(300, 64, in_out=True)
    >>> k.shape, [round(float(z), 4) for z in 2 * k[:4, -1, 2]]
    ((300, 64, 3), [0.0, 0.4656, 0.9311, 0.3967])
    """
    call = "golden_means_radial"
    shots, samples = counts(call, shots, samples)
    in_out = flag(call, "in_out", in_out)
    i = np.arange(shots)
    height = i / ROOT**2 % 1
    direction = on_sphere(height if in_out else 2 * height - 1, 2 * np.pi * i / ROOT)
    k = lines(direction, along(samples, in_out))
    return make_array(call, k, xp=xp, dtype=dtype, device=device)


def phyllotaxis_radial(
    shots: int,
    samples: int,
    *,
    interleaves: int = 1,
    in_out: bool = False,
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Radial trajectory in three dimensions whose spokes grow like the seeds of a sunflower.

    Spoke ``n`` of ``N`` through the centre has the angle from axis 2, and the azimuth,

    .. math:: \theta_n = \frac{\pi}{2} \sqrt{n / N}, \qquad \varphi_n = n \pi (3 - \sqrt 5).

    Spokes from the centre go on to the other pole: each half sphere has ``N / 2`` of them. The
    sphere is sampled most densely at the equator, where a spoke has :math:`2 / \pi` times the
    solid angle of one at a pole.

    Interleaf ``m`` has the spokes ``m``, ``m + M``, ``m + 2 M``, ... If ``M`` is a Fibonacci
    number, these lie on a smooth curve from the pole to the equator, and gradients change little.

    Parameters
    ----------
    shots : int
        Number of spokes, at least 1.
    samples : int
        Samples of each spoke, at least 2, with even distances.
    interleaves : int
        Parts ``M``, which the number of shots is a multiple of: the shots of one follow each other.
    in_out : bool
        Whether a spoke passes through the centre, or begins there.
    xp, dtype, device : module, dtype, device
        Array-API namespace, real dtype and device of the result; by default NumPy,
        float32 and the library's own.

    Returns
    -------
    array, shape (shots, samples, 3)
        Points in cycles per voxel.

    Raises
    ------
    ValueError
        If there are too few shots or samples, or interleaves of unequal size.
    TypeError
        If a number is no integer, or the dtype is neither float32 nor float64.

    References
    ----------
    D. Piccini, A. Littmann, S. Nielles-Vallespin and M. O. Zenge, "Spiral phyllotaxis: the natural
    way to construct a 3D radial trajectory in MRI", Magn. Reson. Med. 66 (2011) 1049-1056.

    B. Delacoste et al., "A double echo ultra short echo time (UTE) acquisition for respiratory
    motion-suppressed high resolution imaging of the lung", Magn. Reson. Med. 79 (2018) 2297-2305,
    has the spokes from the centre.

    Examples
    --------
    >>> import nufftlib as nl
    >>> nl.mri.trajectories.phyllotaxis_radial(21 * 10, 64, interleaves=21, in_out=True).shape
    (210, 64, 3)
    """
    call = "phyllotaxis_radial"
    shots, samples = counts(call, shots, samples)
    in_out = flag(call, "in_out", in_out)
    interleaves = divisor(call, "interleaves", interleaves, shots)
    n = dealt(np.arange(shots), interleaves)
    share = n / shots if in_out else np.minimum(n, shots - n) / (shots / 2)
    height = np.cos(np.pi / 2 * np.sqrt(share))
    if not in_out:
        height = np.where(2 * n <= shots, height, -height)
    k = lines(on_sphere(height, n * TILTS["golden"](shots)), along(samples, in_out))
    return make_array(call, k, xp=xp, dtype=dtype, device=device)


def wong_radial(
    shots: int,
    samples: int,
    *,
    interleaves: int = 1,
    in_out: bool = False,
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Radial trajectory in three dimensions whose spokes wind about an axis from pole to pole.

    Interleaf ``m`` of ``M`` has the spokes ``n`` of ``N``, both counted from 1, at the heights and
    the azimuths

    .. math:: z_n = \frac{2 n - N - 1}{N}, \qquad
              \varphi_{mn} = \sqrt{\frac{\pi N}{M}} \arcsin z_n + \frac{2 \pi m}{M}.

    All spokes have the same solid angle; neighbours on a curve, and neighbouring turns at the
    equator, have the same distance. Spokes through the centre are those of the upper half of
    twice as many.

    Parameters
    ----------
    shots : int
        Number of spokes, at least 1.
    samples : int
        Samples of each spoke, at least 2, with even distances.
    interleaves : int
        Parts ``M``, which the number of shots is a multiple of: the shots of one follow each other.
    in_out : bool
        Whether a spoke passes through the centre, or begins there.
    xp, dtype, device : module, dtype, device
        Array-API namespace, real dtype and device of the result; by default NumPy,
        float32 and the library's own.

    Returns
    -------
    array, shape (shots, samples, 3)
        Points in cycles per voxel.

    Raises
    ------
    ValueError
        If there are too few shots or samples, or interleaves of unequal size.
    TypeError
        If a number is no integer, or the dtype is neither float32 nor float64.

    References
    ----------
    S. T. S. Wong and M. S. Roos, "A strategy for sampling on a sphere applied to 3D selective RF
    pulse design", Magn. Reson. Med. 32 (1994) 778-784.

    Examples
    --------
    >>> import nufftlib as nl
    >>> k = nl.mri.trajectories.wong_radial(8, 16, interleaves=2)
    >>> (2 * k[:4, -1, 2]).tolist()
    [-0.75, -0.25, 0.25, 0.75]
    """
    call = "wong_radial"
    shots, samples = counts(call, shots, samples)
    in_out = flag(call, "in_out", in_out)
    interleaves = divisor(call, "interleaves", interleaves, shots)
    k = lines(winding(shots // interleaves, interleaves, in_out), along(samples, in_out))
    return make_array(call, k, xp=xp, dtype=dtype, device=device)


def park_radial(
    shots: int,
    samples: int,
    *,
    interleaves: int = 1,
    in_out: bool = False,
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Radial trajectory in three dimensions: one curve from pole to pole, dealt to interleaves.

    The spokes are those of `wong_radial` with one interleaf. Here, interleaf ``m`` of ``M`` has
    every ``M``-th, from ``m`` on: each goes from pole to pole, and the others fill its gaps.

    Parameters
    ----------
    shots : int
        Number of spokes, at least 1.
    samples : int
        Samples of each spoke, at least 2, with even distances.
    interleaves : int
        Parts ``M``, which the number of shots is a multiple of: the shots of one follow each other.
    in_out : bool
        Whether a spoke passes through the centre, or begins there.
    xp, dtype, device : module, dtype, device
        Array-API namespace, real dtype and device of the result; by default NumPy,
        float32 and the library's own.

    Returns
    -------
    array, shape (shots, samples, 3)
        Points in cycles per voxel.

    Raises
    ------
    ValueError
        If there are too few shots or samples, or interleaves of unequal size.
    TypeError
        If a number is no integer, or the dtype is neither float32 nor float64.

    References
    ----------
    J. Park, T. Shin, S. H. Yoon, J. M. Goo and J.-Y. Park, "A radial sampling strategy for uniform
    k-space coverage with retrospective respiratory gating in 3D ultrashort-echo-time lung
    imaging", NMR Biomed. 29 (2016) 576-587.

    Examples
    --------
    >>> import nufftlib as nl
    >>> k = nl.mri.trajectories.park_radial(8, 16, interleaves=2)
    >>> (2 * k[:4, -1, 2]).tolist()
    [-0.875, -0.375, 0.125, 0.625]
    """
    call = "park_radial"
    shots, samples = counts(call, shots, samples)
    in_out = flag(call, "in_out", in_out)
    interleaves = divisor(call, "interleaves", interleaves, shots)
    k = lines(dealt(winding(shots, 1, in_out), interleaves), along(samples, in_out))
    return make_array(call, k, xp=xp, dtype=dtype, device=device)


def koosh_ball(
    shots: int,
    samples: int,
    *,
    in_out: bool = False,
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Radial trajectory in three dimensions by the spiral of Saff and Kuijlaars, as BART's.

    Spoke ``n`` of ``N``, from 1, points to the height and the azimuth

    .. math:: z_n = 1 - 2 \frac{n - 1}{N - 1}, \qquad
              \varphi_n = \varphi_{n - 1} + \frac{3.6}{\sqrt{N (1 - z_n^2)}},

    where :math:`\varphi` is 0 at both poles: neighbours on the curve have the same distance, which
    is nearly that of its turns. Spokes through the centre are the first half of twice as many.

    Parameters
    ----------
    shots : int
        Number of spokes, at least 1.
    samples : int
        Samples of each spoke, at least 2, with even distances.
    in_out : bool
        Whether a spoke passes through the centre, or begins there.
    xp, dtype, device : module, dtype, device
        Array-API namespace, real dtype and device of the result; by default NumPy,
        float32 and the library's own.

    Returns
    -------
    array, shape (shots, samples, 3)
        Points in cycles per voxel.

    Raises
    ------
    ValueError
        If there are too few shots or samples.
    TypeError
        If their number is no integer, or the dtype is neither float32 nor float64.

    References
    ----------
    E. B. Saff and A. B. J. Kuijlaars, "Distributing many points on a sphere", Math. Intelligencer
    19 (1997) 5-11.

    BART, ``bart traj -3 -r``, and with ``-D`` from the centre (https://mrirecon.github.io/bart).

    Examples
    --------
    >>> import nufftlib as nl
    >>> k = nl.mri.trajectories.koosh_ball(5, 16)
    >>> (2 * k[:, -1, 2]).tolist()
    [1.0, 0.5, 0.0, -0.5, -1.0]
    """
    call = "koosh_ball"
    shots, samples = counts(call, shots, samples)
    in_out = flag(call, "in_out", in_out)
    on_all = shots * (1 + in_out)
    z = np.linspace(1.0, -1.0, on_all)[:shots]
    steps = np.zeros(shots)
    inner = slice(1, on_all - 1)
    steps[inner] = 3.6 / np.sqrt(on_all * (1 - z[inner] ** 2))
    k = lines(on_sphere(z, np.cumsum(steps)), along(samples, in_out))
    return make_array(call, k, xp=xp, dtype=dtype, device=device)


def winding(points: int, interleaves: int, half: bool, reduction: float = 1.0) -> Real:
    """Return the points of Wong's interleaves on the unit sphere, one after the other."""
    on_curve = points * (1 + half)
    n, m = np.arange(on_curve - points, on_curve) + 1, np.arange(interleaves)[:, None] + 1
    z = (2 * n - on_curve - 1) / on_curve
    per_angle = np.sqrt(np.pi * on_curve / (interleaves * reduction))
    azimuth = per_angle * np.arcsin(z) + 2 * np.pi * m / interleaves
    return on_sphere(z, azimuth).reshape(-1, 3)


def lines(direction: Real, path: Real) -> Real:
    """Return a spoke of each direction (shots, 3), with its samples along the path."""
    return KMAX * path[:, None] * direction[:, None, :]
