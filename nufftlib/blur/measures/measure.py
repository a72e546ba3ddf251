"""Widths, energy, transfer and Strehl ratio of a PSF, each with its standard deviation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import device

from nufftlib.blur.measures.energy import Energy
from nufftlib.blur.measures.known import Curve, Known, Measured
from nufftlib.blur.measures.peak import Peak
from nufftlib.blur.measures.transfer import along, over_directions
from nufftlib.blur.measures.widths import Moments, summed
from nufftlib.core.arrays import (
    Array,
    check_finite,
    check_real,
    common_namespace,
)
from nufftlib.core.kinds import positive
from nufftlib.core.noise import on_cpu
from nufftlib.core.notebook import card

ROUNDING = 1e-5
"""Part of the largest covariance that is rounding in single precision."""


@dataclass(frozen=True)
class PSFMeasures:
    """The result of `measure_psf`: numbers and curves, with deviations and intervals of 95 %.

    Lengths are in units of the pitch, frequencies in cycles per unit of it.

    Parameters
    ----------
    centroid : tuple of Measured
        The centre of mass along both axes, from the middle of the first pixel.
    widths : tuple of Measured
        Full widths at half maximum along the axes 0 and 1: the length on which the line spread
        function, the sum of the PSF along the other axis, is more than half its peak.
    principal_widths : tuple of Measured
        The same along the major and the minor axis of the ellipse of second moments.
    sigmas : tuple of Measured
        Roots of the second moments along the ellipse's major and minor axis.
    angle : Measured
        The major axis' angle against axis 1, to the right, positive towards axis 0, down, in
        radians from -pi / 2 to pi / 2; the ends of its interval may lie beyond.
    energy : Curve
        Encircled energy around the centroid by radius.
    radius50, radius80 : Measured
        The radii of 50 % and 80 % of the light.
    mtf : tuple of Curve
        The modulation transfer function along the axes 0 and 1, up to Nyquist's frequency.
    radial_mtf : Curve
        The root of its mean square over all directions.
    mtf50 : tuple of Measured
        The lowest frequencies at which these three are 1/2; NaN if they do not fall so low.
    strehl : Measured or None
        Strehl ratio; None without an ideal PSF.
    """

    centroid: tuple[Measured, Measured]
    widths: tuple[Measured, Measured]
    principal_widths: tuple[Measured, Measured]
    sigmas: tuple[Measured, Measured]
    angle: Measured
    energy: Curve
    radius50: Measured
    radius80: Measured
    mtf: tuple[Curve, Curve]
    radial_mtf: Curve
    mtf50: tuple[Measured, Measured, Measured]
    strehl: Measured | None

    def _repr_html_(self) -> str:
        return card(self)

    def __str__(self) -> str:
        """Return the numbers, a line each."""
        numbers = {name: value for name, value in vars(self).items() if holds_numbers(value)}
        width = max(map(len, numbers))
        rows = (f"{name:{width}}  {listed(value)}" for name, value in numbers.items())
        return "\n".join(rows)


def holds_numbers(value: object) -> bool:
    """Whether a field is a number or several, and no curve."""
    return isinstance(value[0] if type(value) is tuple else value, Measured)


def listed(value: Measured | tuple[Measured, ...]) -> str:
    """Return numbers with commas between them."""
    return str(value) if isinstance(value, Measured) else ", ".join(map(str, value))


def measure_psf(
    psf: Array,
    covariance: Array | None = None,
    *,
    ideal: Array | None = None,
    pitch: float = 1.0,
) -> PSFMeasures:
    r"""Return widths, encircled energy, transfer functions and Strehl ratio of a PSF.

    Each number :math:`q(h)` has the standard deviation :math:`\sqrt{q'(h)^T C\, q'(h)}` with its
    exact gradient by the pixels. Nothing depends on the sum of the PSF.

    Parameters
    ----------
    psf : array, shape (height, width), real
        The PSF, nonnegative.
    covariance : array, shape (height * width, height * width), optional
        Of its pixels, row by row, such as that of `CalibratedPair`. Of standard deviations alone
        it is the diagonal matrix of their squares. Without it all deviations are NaN.
    ideal : array, real, optional
        The PSF of a perfect lens on pixels of the same size, for the Strehl ratio.
    pitch : float
        Size of a pixel in the unit that lengths shall have, such as micrometres or arcseconds.

    Returns
    -------
    PSFMeasures
        Numbers and curves.

    Raises
    ------
    TypeError
        If an array is not real of single or double precision, or `pitch` no number.
    ValueError
        If shapes do not fit, a value is not finite, a PSF is negative or zero everywhere, or a
        covariance is not symmetric or has a negative variance.

    Notes
    -----
    Between pixels the PSF is band-limited. The Strehl ratio is the ratio of the peaks of PSFs of
    equal sum, which is that of the volumes of the transfer functions about the peaks. The radii
    are those of circles that cut square pixels exactly.

    Widths are of line spread functions, since a cut through a noisy peak is not known: a flat
    top has its largest value anywhere. Those of a Gaussian are the same, and of a disk 0.87 of
    its diameter.

    Deviations are first order, and most intervals are 1.96 of them on both sides. That of a
    width is the one of its likelihood, since it jumps where another peak comes to count. That of
    a Strehl ratio knows that noise raises the largest of many values, as does a flat top's. Light
    that a nonnegative fit leaves in dark pixels, as bound ones say, is added to all of them.
    Where noise cannot tell the ellipse from a circle, the angle has the deviation of any angle,
    0.91, the widths along its axes have none, and the intervals of its sigmas hold that of their
    mean. Where noise hides the transfer function, the band is that of a noncentral chi-square.
    docs/psf-measures.md has the derivations and how often the intervals hold the truth.

    References
    ----------
    V. Chernozhukov, S. Lee, A. M. Rosen, "Intersection bounds: estimation and inference",
    Econometrica 81 (2013) 667-737.

    L. C. Roberts et al., "Is that really your Strehl ratio?", Proc. SPIE 5490 (2004) 504-515.

    P. Debye, "Zerstreuung von Roentgenstrahlen", Ann. Phys. 351 (1915) 809-823.

    Examples
    --------
    >>> import nufftlib as nl
    >>> from nufftlib import workflows
    >>> found = workflows.measure_psf(nl.blur.gaussian_psf(25, 2.0), pitch=3.45)

    A pixel holds the Gaussian's integral over it, which adds 1/12 to its variance:

    >>> [round(width.value / 3.45, 2) for width in found.widths]  # 2 sqrt(2 log 2 (4 + 1/12))
    [4.76, 4.76]
    """
    call = "measure_psf"
    xp = checked_psf(call, "psf", psf, psf)
    pitch = positive(call, "pitch", pitch)
    known = Known.of(on_cpu(psf).astype(np.float64), checked_covariance(call, covariance, psf))
    moments, energy = Moments(known), Energy(known)
    transfers = along(known, 0), along(known, 1), over_directions(known)
    strehl = None
    if ideal is not None:
        checked_psf(call, "ideal", ideal, psf)
        best = Peak(Known.of(on_cpu(ideal).astype(np.float64), None)).value
        strehl = Peak(known).against(best)

    def cast(curve: Curve, unit: float) -> Curve:
        at, *rest = curve
        like = {"dtype": psf.dtype, "device": device(psf)}
        return Curve(*(xp.asarray(a, **like) for a in (at * unit, *rest)))

    def length(found: Measured) -> Measured:
        return Measured(*(pitch * a for a in found))

    def frequency(found: Measured) -> Measured:
        return Measured(*(a / pitch for a in found))

    return PSFMeasures(
        centroid=both(
            length(known.measured(c, p)) for c, p in zip(known.centroid, known.places, strict=True)
        ),
        widths=both(length(summed(known, i).width()) for i in (0, 1)),
        principal_widths=both(length(moments.width(i)) for i in (0, 1)),
        sigmas=both(length(moments.sigma(i)) for i in (0, 1)),
        angle=moments.angle,
        energy=cast(energy.curve(), pitch),
        radius50=length(energy.radius(0.5)),
        radius80=length(energy.radius(0.8)),
        mtf=both(cast(t.curve(), 1 / pitch) for t in transfers[:2]),
        radial_mtf=cast(transfers[2].curve(), 1 / pitch),
        mtf50=(
            frequency(transfers[0].half()),
            frequency(transfers[1].half()),
            frequency(transfers[2].half()),
        ),
        strehl=strehl,
    )


def both(found: Any) -> Any:
    """Return two as a tuple."""
    first, second = found
    return first, second


def checked_psf(call: str, name: str, array: Any, psf: Any) -> Any:
    """Return the namespace of a PSF, or refuse it."""
    xp = common_namespace(f"{call}({name})", **{name: array, "psf": psf})
    check_real(xp, f"{call}({name})", name, array)
    if array.ndim != 2 or 0 in array.shape:
        summed = ", of a stack's PSF its sum along an axis" if array.ndim == 3 else ""
        shape = tuple(array.shape)
        msg = f"{call}({name}): {name} has the shape {shape}; want (height, width){summed}"
        raise ValueError(msg)
    check_finite(xp, f"{call}({name})", name, array)
    least, most = float(xp.min(array)), float(xp.max(array))
    if least < 0 or most == 0:
        runs = f"{name} runs from {least:g} to {most:g}"
        msg = f"{call}({name}): {runs}; want a PSF, nonnegative and not zero everywhere"
        raise ValueError(msg)
    return xp


def checked_covariance(call: str, covariance: Any, psf: Any) -> Any:
    """Return the covariance in NumPy, or refuse it."""
    if covariance is None:
        return None
    call = f"{call}(covariance)"
    xp = common_namespace(call, covariance=covariance, psf=psf)
    check_real(xp, call, "covariance", covariance)
    size = math.prod(psf.shape)
    if covariance.shape != (size, size):
        msg = (
            f"{call}: covariance has the shape {tuple(covariance.shape)}; want "
            f"{(size, size)} for a PSF of {psf.shape[0]} x {psf.shape[1]}"
        )
        raise ValueError(msg)
    check_finite(xp, call, "covariance", covariance)
    found = on_cpu(covariance).astype(np.float64)
    apart, least = float(np.abs(found - found.T).max()), float(found.diagonal().min())
    if max(apart, -least) > ROUNDING * float(np.abs(found).max()):
        msg = (
            f"{call}: covariance differs from its transpose by up to {apart:g}, and its least "
            f"variance is {least:g}; want a symmetric matrix with variances that are not negative"
        )
        raise ValueError(msg)
    return found
