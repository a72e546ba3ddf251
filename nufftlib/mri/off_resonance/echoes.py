r"""A field map from images of two echoes.

Between the echoes a voxel turns by :math:`-2 \pi f\, \Delta t`, whatever its phase and its coils
are, and

.. math:: z = \sum_c \overline{x_c(t_1)}\, x_c(t_2), \qquad
          f_0 = -\frac{\arg z}{2 \pi\, \Delta t} .

The phase of ``z`` has the variance of the noise divided by :math:`|z|`. So the smooth map minimises
:math:`\sum_n w_n (f_n - f_{0n})^2 + l^4 \sum |\Delta f|^2` with the weights
:math:`w = |z| / \max |z|`: by curvature, so that slopes up to the end of an object stay.
"""

from __future__ import annotations

import math

from nufftlib.core.arrays import (
    Array,
    check_alike,
    check_finite,
    common_namespace,
    is_complex,
    is_single,
)
from nufftlib.core.diagonal import Diagonal
from nufftlib.core.differences import FiniteDifferences
from nufftlib.core.kinds import not_negative, positive
from nufftlib.core.pointwise import magnitude_and_phase
from nufftlib.inverse.inverse import Inverse
from nufftlib.mri.coils.normalize import root_of_largest

CALL = "field_map_from_echoes"

FLOOR = 1e-4
"""Weight by which voxels without signal are drawn to no field."""

STEPS = 5000
"""Of conjugate gradients, at most."""


def field_map_from_echoes(
    first: Array, second: Array, spacing: float, *, smoothing: float = 1.0
) -> Array:
    r"""Find the field map from coil images at two echo times, by their difference of phase.

    Parameters
    ----------
    first, second : array, shape (coils, n_1, ..., n_d), complex
        Images of all coils at the two echoes, of 1 to 3 axes; of combined coils an axis of one.
    spacing : float
        Time from the first echo to the second, in seconds.
    smoothing : float
        Length ``l`` in voxels over which the map is smoothed where the signal is largest, and
        more where it is less. Zero leaves the map as it is, also where there is no signal.

    Returns
    -------
    array, shape (n_1, ..., n_d), real
        Off-resonance in hertz, with the sign of `nufftlib.OffResonance`: where it is positive, the
        phase falls with time.

    Raises
    ------
    TypeError
        If the images are not complex, or do not go together.
    ValueError
        If the shapes differ, a voxel is not finite, both have no common signal, or a setting
        is out of range.

    Notes
    -----
    **Limit.** Frequencies are known modulo ``1 / spacing``: those beyond ``1 / (2 spacing)`` to
    either side wrap, and nothing shows it. Echoes 2 ms apart tell -250 to 250 Hz. Fat is off by
    some 3.4 parts per million of the field; a spacing of its whole period takes it for water.

    The map is a start: `OffResonance` has the derivative that refines it from the data.

    References
    ----------
    M. A. Bernstein, M. Grgic, T. J. Brosnan and N. J. Pelc, "Reconstructions of phase contrast,
    phased array multicoil data", Magn. Reson. Med. 32 (1994) 330-334: coils combined by ``z``.

    J. A. Fessler et al., "Toeplitz-based iterative image reconstruction for MRI with correction
    for magnetic field inhomogeneity", IEEE Trans. Signal Process. 53 (2005) 3393-3402: the
    weighted, penalised map.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> field = np.linspace(-100.0, 100.0, 8)[:, None] + np.zeros((8, 8))
    >>> x = nl.mri.birdcage_maps(3, (8, 8), dtype=np.complex128)
    >>> later = x * np.exp(-2j * np.pi * field * 0.002)
    >>> found = nl.mri.field_map_from_echoes(x, later, 0.002, smoothing=0)
    >>> bool(np.allclose(found, field))
    True
    """
    xp = common_namespace(f"{CALL}(first, second)", first=first, second=second)
    spacing = positive(CALL, "spacing", spacing)
    smoothing = not_negative(CALL, "smoothing", smoothing)
    for name, x in (("first", first), ("second", second)):
        if not is_complex(xp, x):
            msg = f"{CALL}({name}): {name} is {x.dtype}; want complex64 or complex128"
            raise TypeError(msg)
    check_alike(f"{CALL}(second)", "second", second, "first", first)
    if first.ndim not in (2, 3, 4) or 0 in first.shape:
        msg = (
            f"{CALL}(first): first has the shape {tuple(first.shape)}; want (coils, *image shape) "
            f"of 1 to 3 axes"
        )
        raise ValueError(msg)
    for name, x in (("first", first), ("second", second)):
        check_finite(xp, f"{CALL}({name})", name, x)
    # In units of the largest, so that products stay in range.
    a, b = (x / r / r for x in (first, second) for r in [root_of_largest(xp, x, None)])
    z = xp.sum(xp.conj(a) * b, axis=0)
    size, phase = magnitude_and_phase(CALL, z)
    largest = xp.max(size)
    if not float(largest) > 0:
        msg = f"{CALL}(first, second): no voxel has a signal at both echoes; want one object"
        raise ValueError(msg)
    turn = xp.atan2(xp.imag(phase), xp.real(phase))
    field = -turn / (2.0 * math.pi * spacing)
    if smoothing == 0:
        return field
    w = size / largest
    D = FiniteDifferences(tuple(w.shape))
    curvature, d = D.N, w.ndim
    normal = Diagonal(w + FLOOR) + smoothing**4 * (curvature @ curvature)
    tolerance = 1e-5 if is_single(xp, w) else 1e-6
    # Its diagonal but for the ends.
    nearly = Diagonal(1.0 / (w + FLOOR + (4 * d**2 + 2 * d) * smoothing**4))
    return Inverse(normal, tolerance, STEPS, nearly)(w * field)
