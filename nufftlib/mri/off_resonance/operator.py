"""A transform during which the voxels decay and precess."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nufftlib.core.arrays import (
    Array,
    blank,
    check_finite,
    check_precision,
    check_real,
    check_traced,
    common_namespace,
    complex_dtype,
    conj,
    is_complex,
    is_single,
    namespace,
)
from nufftlib.core.diagonal import Diagonal
from nufftlib.core.kinds import instance, number, out_of_range
from nufftlib.core.operator import Constant, LinearOperator, Map, parameter
from nufftlib.core.shapes import Exchanged, Shape, broadcasts
from nufftlib.core.tree import with_fields
from nufftlib.mri.off_resonance.expansion import Box, Expansion, expand
from nufftlib.mri.sense import Sense

FINEST = {"single": 1e-6, "double": 1e-12}
"""The least `eps` of each precision."""


@dataclass(frozen=True, eq=False, repr=False)
class OffResonance(LinearOperator):
    r"""A transform during whose readout voxels decay and precess at rates of their own.

    .. math:: (A x)_j = \sum_n x_n \, e^{-z_n t_j} \, F_{jn}, \qquad z_n = R_n + 2 \pi i f_n,

    with the time ``t_j`` of each sample. The exponentials are expanded in the smallest number
    of products of a function of the voxel and one of the time, so that ``A`` costs one
    transform for each: 9 more than ``f`` spans periods during the readout where these are 3.

    Parameters
    ----------
    operator : LinearOperator
        The transform ``F`` of an image to samples, such as a `NUFFT`. Coils go behind it:
        ``OffResonance(F, field_map, times) @ Sense(maps)``.
    field_map : array, real or complex
        Of the image's shape. Real: the frequency ``f`` in hertz. Complex: the rate ``z`` in 1/s,
        ``R2* + 2 pi i f``. The signal of a voxel with positive ``f`` turns clockwise, and with a
        positive real part it decays.
    times : array, real
        Time of each sample in seconds, since the excitation; broadcast against the samples.
        ``(samples,)`` serves all shots of a trajectory ``(shots, samples, d)``.
    eps : float
        Largest error of an exponential, relative to the largest one; from 1e-12, and in single
        precision from 1e-6. In single precision map and times themselves leave a phase
        ``2 pi f t`` uncertain by 1e-7 of itself.

    Raises
    ------
    TypeError
        If a field map or times are no floating-point arrays of one precision and library.
    ValueError
        If they are not finite, a shape does not fit, `eps` is out of range, or rates and times
        span so much that it cannot be met.

    Notes
    -----
    Parameter ``field_map``: ``B(x, y) = conj(x) A^H(-t y)`` where it is complex, and the
    real part of ``-2 pi i`` times that where it is real; summed over the batch. Parameters of
    ``F``, such as ``trajectory``, are its own. All derivatives are as exact as ``A``.

    References
    ----------
    B. P. Sutton, D. C. Noll and J. A. Fessler, "Fast, iterative image reconstruction for MRI in
    the presence of field inhomogeneities", IEEE Trans. Med. Imaging 22 (2003) 178-188.

    J. A. Fessler and others, "Toeplitz-based iterative image reconstruction for MRI with
    correction for magnetic field inhomogeneity", IEEE Trans. Signal Process. 53 (2005) 3393-3402
    (the singular functions).

    Examples
    --------
    A voxel in the centre that precesses at 50 Hz, seen for 20 ms:

    >>> import numpy as np
    >>> import nufftlib as nl
    >>> x = np.zeros((4, 4), complex)
    >>> x[2, 2] = 1
    >>> F = nl.NUFFT(np.zeros((5, 2)), x.shape)
    >>> times = np.linspace(0, 20e-3, 5)
    >>> A = nl.OffResonance(F, np.full(x.shape, 50.0), times)
    >>> A(x).round(3)
    array([ 1.+0.j,  0.-1.j, -1.-0.j, -0.+1.j,  1.+0.j])
    >>> sorted(A.parameters)
    ['field_map', 'trajectory']
    """

    operator: LinearOperator
    field_map: Array = parameter()
    times: Array  # type: ignore[misc]  # a parameter has no default
    eps: float = 1e-6

    def __post_init__(self) -> None:
        """Check what is given."""
        super().__post_init__()
        call = "OffResonance(field_map, times)"
        xp = common_namespace(call, field_map=self.field_map, times=self.times)
        check_real(xp, "OffResonance(times)", "times", self.times)
        for name in ("field_map", "times"):
            check_traced(f"OffResonance({name})", getattr(self, name))
            check_finite(xp, f"OffResonance({name})", name, getattr(self, name))
        check_precision(xp, call, field_map=self.field_map, times=self.times)
        samples = self.samples
        if not broadcasts(tuple(self.times.shape), samples):
            msg = (
                f"OffResonance(times): times has the shape {tuple(self.times.shape)}; want one "
                f"that broadcasts to that of the samples, {samples}"
            )
            raise ValueError(msg)
        kind, eps = "OffResonance", number("OffResonance", "eps", self.eps)
        least = FINEST["single" if is_single(xp, self.field_map) else "double"]
        if not least <= eps < 1:
            raise out_of_range(kind, "eps", eps, f"a number from {least:g} to below 1")
        object.__setattr__(self, "eps", eps)

    @cached_property
    def shapes(self) -> Exchanged:
        """From the image's axes to the transform's."""
        return Exchanged(tuple(self.field_map.shape), self.samples)

    @cached_property
    def samples(self) -> Shape:
        """The axes that the transform makes of an image."""
        image, F = tuple(self.field_map.shape), self.operator
        instance("OffResonance", "operator", F, LinearOperator, "a LinearOperator")
        try:
            return tuple(F.outline(blank(self.field_map, image, complex=True)).shape)
        except ValueError as misfit:
            msg = (
                f"OffResonance(operator, field_map): field_map has the shape {image}; want that of "
                f"an image of the operator ({misfit})"
            )
            raise ValueError(msg) from None

    @property
    def terms(self) -> int:
        """Number of transforms that ``A`` costs."""
        return int(self.expansion.of_rates.shape[1])

    @cached_property
    def expansion(self) -> Expansion:
        """The products that make up the exponentials."""
        box = Box(*intervals(self.field_map, self.times))
        found = expand(box, self.eps)
        if found is None:
            msg = (
                f"OffResonance(field_map, times): decays of {box.decay[0]:g} to {box.decay[1]:g} "
                f"per second and frequencies of {box.frequency[0]:g} to {box.frequency[1]:g} Hz, "
                f"at times from {box.time[0]:g} to {box.time[1]:g} s, have no expansion to "
                f"eps={self.eps:g}; want hertz, seconds, and no larger range"
            )
            raise ValueError(msg)
        return found

    @cached_property
    def expanded(self) -> LinearOperator:
        """``sum_l B_l F C_l``; as coils do, the ``C_l x`` lie in front of the image's axes."""
        xp: Any = namespace(self.field_map)
        image, samples = self.field_map.shape, self.samples
        C = self.expansion.by_rate(xp.reshape(rates(self.field_map), (-1,)))
        B = self.expansion.by_time(as_complex(xp.reshape(self.times, (-1,))))
        lead = (1,) * (len(samples) - self.times.ndim)
        B = xp.reshape(B, (B.shape[0], *lead, *self.times.shape))
        B = xp.broadcast_to(B, (B.shape[0], *samples))
        C = xp.reshape(C, (C.shape[0], *image))
        return Constant(Sense(conj(B)).H) @ self.operator @ Constant(Sense(C))

    def _gives_complex(self, label: str, x: Array) -> bool:
        return True

    # sum_l B_l F (C_l x)
    def _apply(self, x: Array) -> Array:
        return self.expanded.apply(x)

    # sum_l conj(C_l) F^H (conj(B_l) y)
    def _adjoint(self, y: Array) -> Array:
        return self.expanded.adjoint(y)

    # dA[dz] x = -t A (dz x); that by a parameter of F has dF in the place of F
    def _derivative(self, name: str, dtheta: Array) -> LinearOperator:
        if name != "field_map":
            inner = self.operator.derivative(name, dtheta)
            along: LinearOperator = with_fields(
                self, lambda n, value: inner if n == "operator" else value
            )
            return along
        t, dz = as_complex(self.times), rates(dtheta)
        return -1.0 * Constant(Diagonal(t)) @ self @ Constant(Diagonal(dz))

    # B(x, y) = conj(x) A^H (-t y), and -2 pi i times that for a real map
    def _form(self, name: str, x: Array, y: Array) -> Array:
        if name != "field_map":
            return self.expanded.vjp(name, x, y)
        unit = 1.0 if is_complex(namespace(x), self.field_map) else -2j * math.pi
        return unit * conj(as_complex(x)) * self.expanded.adjoint(-self.times * y)

    def _as_map(self, name: str, x: Array) -> Map:
        """Expand the image once, where it is the transform that changes."""
        return super()._as_map(name, x) if name == "field_map" else self.expanded.as_map(name, x)


def as_complex(x: Array) -> Array:
    """Return a complex array."""
    xp = namespace(x)
    return xp.astype(x, complex_dtype(xp, x), copy=False)


def rates(field_map: Array) -> Array:
    """Return ``R2* + 2 pi i f``: a complex map itself."""
    complex_map = is_complex(namespace(field_map), field_map)
    return field_map if complex_map else 2j * math.pi * as_complex(field_map)


def intervals(field_map: Array, times: Array) -> tuple[tuple[float, float], ...]:
    """Return the least and the largest decay rate, frequency and time."""
    xp: Any = namespace(field_map)
    z = rates(field_map)
    parts = (xp.real(z), xp.imag(z) / (2 * math.pi), times)
    return tuple((float(xp.min(a)), float(xp.max(a))) for a in parts)
