"""Gridding for density weights, and their iteration with its derivative."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from array_api_compat import array_namespace

from nufftlib.core.arrays import Array


class Gridding(ABC):
    r"""Gridding from points to a periodic grid, and interpolation there, for density weights.

    With the kernel :math:`\varphi` at the distances of point and cell,
    :math:`G_{jg} = \varphi(k_j - g)`, it is :math:`C = G G^T`. Its kernel is `density_kernel`,
    and its derivatives are those of the evaluated kernel. With the slopes at the points,
    :math:`(D w)_{ja} = \sum_g \partial_a \varphi(k_j - g)\, (G^T w)_g`,

    .. math::
        (\mathrm{d}C[\mathrm{d}k]\, w)_j = \sum_a \mathrm{d}k_{ja} (D w)_{ja}
        + (G\, \mathrm{d}G[\mathrm{d}k]^T w)_j, \qquad
        \nabla_{k_j} \langle v, C w \rangle = v_j (D w)_j + w_j (D v)_j .
    """

    @abstractmethod
    def apply(self, w: Array) -> Array:
        """Return ``C w`` of real weights (M,)."""

    @abstractmethod
    def slopes(self, w: Array) -> tuple[Array, Array]:
        """Return ``C w`` and ``D w``, shapes (M,) and (M, d), from one grid."""

    @abstractmethod
    def along(self, dk: Array, w: Array) -> Array:
        """Return ``G dG[dk]^T w``: spread by the derivative of the kernel along ``dk`` (M, d)."""

    def iterate(self, start: Array, steps: int) -> Array:
        """Return the weights after so many steps ``w <- w / |C w|`` from weights (M,)."""
        for last in iterates(self, start, steps):
            w = last
        return w

    def linearize(self, start: Array, steps: int) -> Iteration:
        """Return the same weights with their derivative by the points; `start` is constant."""
        return Recomputed(self, tuple(iterates(self, start, steps)))


class Iteration(Protocol):
    r"""The steps ``w <- w / |C w|``, with their derivative by the points.

    With :math:`z = C w` and :math:`w' = w / |z|` a step has the derivative

    .. math:: \mathrm{d}w' = (\mathrm{d}w - w'\, \mathrm{sign}(z)\, \mathrm{d}z) / |z|, \qquad
              \mathrm{d}z = C\, \mathrm{d}w + \mathrm{d}C[\mathrm{d}k]\, w .
    """

    @property
    def weights(self) -> Array:
        """The weights (M,) after the last step."""

    def tangent(self, dk: Array) -> Array:
        """Return their change (M,) along a direction (M, d) of the points."""

    def cotangent(self, bar: Array) -> Array:
        """Return the gradient (M, d) by the points, from that by the weights."""


# w <- w / |C w|
def iterates(C: Gridding, w: Array, steps: int) -> Iterator[Array]:
    """Yield the weights before each step, and after the last."""
    xp = array_namespace(w)
    yield w
    for _ in range(steps):
        w = w / xp.abs(C.apply(w))
        yield w


@dataclass(frozen=True, eq=False)
class Recomputed:
    """The iteration of which the weights are kept, and all else is computed again.

    Parameters
    ----------
    gridding : Gridding
        The gridding.
    iterates : tuple of array, each of shape (M,)
        The weights before each step, and after the last.
    """

    gridding: Gridding
    iterates: tuple[Array, ...]

    @property
    def weights(self) -> Array:
        """The weights after the last step."""
        return self.iterates[-1]

    # dw' = (dw - w' sign(z) dz) / |z|,  dz = C dw + dC[dk] w
    def tangent(self, dk: Array) -> Array:
        """Return their change along a direction of the points."""
        xp, C = array_namespace(dk), self.gridding
        dw = xp.zeros_like(self.weights)
        for w, after in pairwise(self.iterates):
            z, slopes = C.slopes(w)
            dz = C.apply(dw) + C.along(dk, w) + xp.sum(dk * slopes, axis=-1)
            dw = (dw - after * xp.sign(z) * dz) / xp.abs(z)
        return dw

    # q = bar' / |z|, p = -sign(z) w' q:  bar = q + C p,  k_bar += p D w + w D p
    def cotangent(self, bar: Array) -> Array:
        """Return the gradient by the points, from that by the weights."""
        xp, C = array_namespace(bar), self.gridding
        k_bar: Array = 0.0
        for w, after in reversed(list(pairwise(self.iterates))):
            z, slopes = C.slopes(w)
            q = bar / xp.abs(z)
            p = -xp.sign(z) * after * q
            Cp, slopes_p = C.slopes(p)
            k_bar = k_bar + p[:, None] * slopes + w[:, None] * slopes_p
            bar = q + Cp
        return k_bar
