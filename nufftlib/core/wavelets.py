"""Orthogonal wavelets on a period."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from array_api_compat import device

from nufftlib.core.arrays import Array, Namespace, namespace
from nufftlib.core.differences import part
from nufftlib.core.kinds import choice, integer, sizes
from nufftlib.core.operator import LinearOperator
from nufftlib.core.shapes import Exchanged
from nufftlib.core.wavelet_filters import FILTERS


@dataclass(frozen=True, eq=False, repr=False)
class Wavelet(LinearOperator):
    r"""Coefficients of an image in orthogonal wavelets, with periodic boundaries.

    On each of the `levels` every axis of the approximation is filtered and halved,

    .. math:: a_k = \sum_m h_m x_{2k+m+1-L/2}, \qquad d_k = \sum_m g_m x_{2k+m+1-L/2},

    with the filter ``h`` of length ``L`` and :math:`g_m = (-1)^m h_{L-1-m}`; the index runs around.

    Parameters
    ----------
    shape : tuple of int
        Image shape; each size is a multiple of ``2**levels``.
    wavelet : {"haar", "db2", ..., "db10", "sym4", ..., "sym10"}
        Daubechies' wavelets, or the least asymmetric ones ("symlets"), by the number of
        vanishing moments: half the length of the filter.
    levels : int
        How many times the approximation is halved.

    Raises
    ------
    TypeError
        If a setting is of the wrong kind.
    ValueError
        If the wavelet is unknown, `levels` is less than 1, or a size no multiple of
        ``2**levels``.

    Notes
    -----
    The operator is orthogonal: its adjoint is its inverse, and :math:`\lambda \|W x\|_1` has the
    proximal map ``x -> W.H(soft(W(x)))``.

    Coefficients have the image's shape. Along each axis of size ``N`` the first
    ``N / 2**levels`` belong to the approximation, and the next as many to the details of the
    coarsest level; the last half are the details of the finest. PyWavelets has the same numbers
    in ``coeffs_to_array(wavedecn(x, wavelet, "periodization", levels))``.

    References
    ----------
    I. Daubechies, "Orthonormal bases of compactly supported wavelets", Comm. Pure Appl. Math. 41
    (1988) 909-996.

    S. Mallat, "A wavelet tour of signal processing", 3rd edition, Academic Press (2009), sections
    7.3 and 7.5.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> W = nl.Wavelet((4,), "haar", levels=2)
    >>> W(np.asarray([1.0, 1.0, 3.0, 3.0])).round(6) + 0.0
    array([ 4., -2.,  0.,  0.])
    """

    shape: tuple[int, ...]
    wavelet: str = "db4"
    levels: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        call = "Wavelet"
        choice(call, "wavelet", self.wavelet, tuple(FILTERS))
        levels = integer(call, "levels", self.levels, least=1, most=30)
        shape = sizes(call, "shape", self.shape, "a size for each axis")
        if not shape or any(n % 2**levels for n in shape):
            msg = (
                f"{call}(shape): shape is {shape}; want a size for each axis, one at least, "
                f"that is a multiple of 2**levels, {2**levels}"
            )
            raise ValueError(msg)
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "levels", levels)

    @cached_property
    def shapes(self) -> Exchanged:
        """The image's axes, unchanged."""
        return Exchanged(self.shape, self.shape)

    @cached_property
    def filters(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """``h`` and ``g``, ``g_m = (-1)^m h_(L-1-m)``."""
        h = FILTERS[self.wavelet]
        return h, tuple((-1) ** m * h[-1 - m] for m in range(len(h)))

    # level by level: of the approximation, every axis
    def _apply(self, x: Array) -> Array:
        x = self._level(x, self._halved)
        return x if self.levels == 1 else self._in_corner(x, self._coarser.apply)

    # the other way round
    def _adjoint(self, y: Array) -> Array:
        if self.levels > 1:
            y = self._in_corner(y, self._coarser.adjoint)
        return self._level(y, self._doubled)

    @cached_property
    def _coarser(self) -> Wavelet:
        """The transform of the approximation."""
        return Wavelet(tuple(n // 2 for n in self.shape), self.wavelet, self.levels - 1)

    def _level(self, x: Array, filtered: Callable[[Namespace, Array, int], Array]) -> Array:
        """Filter every axis."""
        xp = namespace(x)
        for axis in range(-len(self.shape), 0):
            x = filtered(xp, x, axis)
        return x

    # a_k = sum_m h_m x_(2k + m + 1 - L/2), d_k = sum_m g_m x_(2k + m + 1 - L/2)
    def _halved(self, xp: Namespace, x: Array, axis: int) -> Array:
        """Return approximation and details, one behind the other."""
        h, g = self.filters
        n, length = x.shape[axis], len(h)
        x = around(xp, x, 1 - length // 2, n + length - 2, axis)
        taps = [part(x, axis, slice(m, m + n - 1, 2)) for m in range(length)]
        return xp.concat([combined(h, taps), combined(g, taps)], axis=axis)

    # x_i = sum_k h_(i - 2k - 1 + L/2) a_k + g_(i - 2k - 1 + L/2) d_k: with i - 1 + L/2 = 2q + r,
    #     = sum_j h_(2j + r) a_(q - j) + g_(2j + r) d_(q - j)
    def _doubled(self, xp: Namespace, y: Array, axis: int) -> Array:
        """Return what has this approximation and these details."""
        n, reach = y.shape[axis] // 2, len(self.filters[0]) // 2
        taps: list[Array] = []
        for half in (slice(n), slice(n, None)):
            u = around(xp, part(y, axis, half), 1 - reach, n + reach - 1, axis)
            taps += [part(u, axis, slice(reach - 1 - j, reach - 1 - j + n)) for j in range(reach)]
        phases = [combined([f for c in self.filters for f in c[r::2]], taps) for r in (0, 1)]
        x = xp.reshape(xp.stack(phases, axis=axis), y.shape)
        return xp.roll(x, 1 - reach, axis=axis)

    def _in_corner(self, x: Array, changed: Callable[[Array], Array]) -> Array:
        """Return `x` with its approximation changed."""
        xp, corner = namespace(x), [slice(n // 2) for n in self.shape]
        whole = changed(x[(..., *corner)])
        for axis in range(-1, -len(self.shape) - 1, -1):
            # Behind the corner along this axis, beside it along those before, all of the others
            beside, behind = corner[:axis], slice(self.shape[axis] // 2, None)
            details = x[(..., *beside, behind, *[slice(None)] * (-axis - 1))]
            whole = xp.concat([whole, details], axis=axis)
        return whole


def around(xp: Namespace, x: Array, start: int, count: int, axis: int) -> Array:
    """Return so many entries along an axis, from `start` on, which runs around."""
    where = xp.arange(start, start + count, dtype=xp.int32, device=device(x))
    return xp.take(x, xp.remainder(where, x.shape[axis]), axis=axis)


def combined(weights: list[float] | tuple[float, ...], taps: list[Array]) -> Array:
    """Return the sum of the taps by their weights."""
    total = weights[0] * taps[0]
    for weight, tap in zip(weights[1:], taps[1:], strict=True):
        total += weight * tap
    return total
