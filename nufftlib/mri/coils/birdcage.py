"""Coil sensitivity maps of simulated coils, on a ring or on several."""

from __future__ import annotations

from typing import Any

import numpy as np

from nufftlib.core.arrays import Array, Namespace, make_array
from nufftlib.core.kinds import finite, integer, positive, sizes
from nufftlib.mri.coils.normalize import normalize_coils


def birdcage_maps(
    coils: int,
    shape: tuple[int, ...],
    *,
    radius: float = 1.5,
    rings: int = 2,
    angle: float = 0.0,
    xp: Namespace = np,
    dtype: Any = None,
    device: Any = None,
) -> Array:
    r"""Simulate the sensitivities of coils around the image, on a ring or on several.

    Write the pixel at :math:`(p_0, p_1) \in [-1, 1)^2` as :math:`p = p_1 + i p_0`, and
    put coil :math:`c` at :math:`r e^{i\varphi_c}`, :math:`\varphi_c = \alpha + 2\pi c / C`. The
    transverse field of a wire, in the frame that turns with the coil, is

    .. math:: s_c(p) \propto i \,/\, \overline{w}, \qquad
              w = (p - r e^{i\varphi_c})\, e^{-i\varphi_c}.

    It falls off with the distance, and all coils are in phase at the centre. The maps
    are divided by their root sum of squares. On a pixel where a coil's wire is, they are
    one for this coil and zero for the others.

    In an image the wires are infinitely long. In a volume they are as long as a ring is, and
    parallel to the last axis: this is the bore, z. Ring :math:`q` of :math:`Q` holds the coils
    :math:`c \equiv q` modulo :math:`Q`, from :math:`b_q = -1 + 2q/Q` to :math:`b_{q+1}` along the
    bore, where the volume spans [-1, 1). By the law of Biot and Savart the field of such a wire is
    that of an infinite one, multiplied by

    .. math:: \tfrac12 \left( \frac{b_{q+1} - p_2}{\sqrt{|w|^2 + (b_{q+1} - p_2)^2}}
              - \frac{b_q - p_2}{\sqrt{|w|^2 + (b_q - p_2)^2}} \right).

    So coils differ along the bore, and each sees most in its own ring. Seen along the bore they
    stand as in an image. The currents of the end rings are left out.

    Parameters
    ----------
    coils : int
        Number of coils, at least 1.
    shape : tuple of int
        Shape of the image, (height, width), or of the volume, (height, width, depth).
    radius : float
        Radius of the rings in units where the image spans [-1, 1); above sqrt(2) all
        coils are outside of the image.
    rings : int
        Number of rings along the bore of a volume; an image has one, whatever is given.
    angle : float
        The angle :math:`\alpha` of the first coil, in radians, from axis 1 to axis 0.
    xp, dtype, device : module, dtype, device
        Array-API namespace, complex dtype and device of the result; by default NumPy,
        complex64 and the library's own.

    Returns
    -------
    array, shape (coils, *shape), complex
        Sensitivities, with ``sum_c |s_c|^2 = 1`` everywhere.

    Raises
    ------
    TypeError
        If the dtype is neither complex64 nor complex128, or an argument of the wrong kind.
    ValueError
        If an argument is out of range.

    References
    ----------
    C. E. Hayes et al., "An efficient, highly homogeneous radiofrequency coil for
    whole-body NMR imaging at 1.5 T", J. Magn. Reson. 63 (1985) 622-628.

    D. J. Griffiths, "Introduction to Electrodynamics", 4th ed., Pearson 2013, example 5.5: the
    field of a straight wire of finite length.

    Examples
    --------
    >>> import numpy as np
    >>> s = birdcage_maps(6, (8, 8))
    >>> s.shape, bool(np.allclose((abs(s) ** 2).sum(axis=0), 1))
    ((6, 8, 8), True)
    >>> birdcage_maps(8, (8, 8, 12)).shape
    (8, 8, 8, 12)
    """
    coils = integer("birdcage_maps", "coils", coils, least=1)
    wish = "(height, width) or (height, width, depth)"
    pixels = sizes("birdcage_maps", "shape", shape, wish, counts=(2, 3))
    radius = positive("birdcage_maps", "radius", radius)
    rings = integer("birdcage_maps", "rings", rings, least=1)
    angle = finite("birdcage_maps", "angle", angle)
    turn = np.exp(1j * (angle + 2 * np.pi * np.arange(coils) / coils))[:, None, None]
    p0, p1, *bore = ((np.arange(n) - n // 2) / (n / 2) for n in pixels)
    w = (p1[None, None, :] + 1j * p0[None, :, None] - radius * turn) * np.conj(turn)
    # i / conj(w) = i (w / |w|) / |w|, where w / |w| is taken as one at the wire itself.
    distance, phase = np.abs(w), np.ones_like(w)
    np.divide(w, distance, out=phase, where=distance > 0)
    if not bore:
        s = combined(1j * phase, distance)
    else:
        ring = (np.arange(coils) % rings)[:, None, None]
        slices = (combined(1j * phase, apparent(distance, p2, ring, rings)) for p2 in bore[0])
        s = np.stack(list(slices), axis=-1)
    return make_array("birdcage_maps", s, xp=xp, dtype=dtype, device=device)


def combined(phase: Any, distance: Any) -> Any:
    """Return maps of a root sum of squares of one, of magnitudes that fall off by distance."""
    # Times the distance of the nearest coil a magnitude is at most one.
    nearest = np.min(distance, axis=0)
    near = np.where(distance > nearest, 0.0, 1.0)
    np.divide(nearest, distance, out=near, where=(distance > 0) & np.isfinite(distance))
    return normalize_coils(np, phase * near)


def apparent(distance: Any, p2: float, ring: Any, rings: int) -> Any:
    """Return the distance at which an infinitely long wire has the field of the wire of a ring.

    It is a multiple of it, the same for all coils.
    """

    def sine(end: Any) -> Any:  # of the angle at which the end is seen; at the end itself zero
        r = np.hypot(distance, end)
        return np.divide(end, r, out=np.zeros_like(r), where=r > 0)

    high, low = (-1 + 2 * (ring + i) / rings - p2 for i in (1, 0))
    part = np.maximum(sine(high) - sine(low), 0.0)
    most = np.max(part, axis=0)
    part = part / np.where(most > 0, most, 1.0)
    return np.divide(distance, part, out=np.full_like(distance, np.inf), where=part > 0)
