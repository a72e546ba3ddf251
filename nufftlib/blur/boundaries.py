r"""What lies beyond the edge of an image.

Every boundary is an extension of the image followed by the ``valid`` convolution,
so that one convolution, with one adjoint, serves them all. An extension is linear;
``fold`` is its adjoint.
"""

from __future__ import annotations

from typing import Protocol

import array_api_compat

from nufftlib.core.arrays import Array, Namespace


class Boundary(Protocol):
    """An extension of one axis, from ``size`` to ``size + before + after`` entries."""

    keeps_size: bool
    """Whether the blurred image is as large as the image; else it is smaller."""

    def extend(self, xp: Namespace, x: Array, axis: int, before: int, after: int) -> Array:
        """Extend `x` along `axis`."""

    def fold(self, xp: Namespace, e: Array, axis: int, before: int, after: int) -> Array:
        """Apply the adjoint of `extend` to an extended array."""


class Valid:
    """No extension: the blurred image ends where the PSF would leave the image."""

    keeps_size = False

    def extend(self, xp: Namespace, x: Array, axis: int, before: int, after: int) -> Array:  # noqa: ARG002  # one signature for all boundaries
        """Return `x`."""
        return x

    def fold(self, xp: Namespace, e: Array, axis: int, before: int, after: int) -> Array:  # noqa: ARG002  # as above
        """Return `e`."""
        return e


class Circular:
    """Periodic images: ``e[m] = x[(m - before) mod N]``."""

    keeps_size = True

    def extend(self, xp: Namespace, x: Array, axis: int, before: int, after: int) -> Array:
        """Wrap `x` around, more than once where the margin is wider than the image."""
        size = x.shape[axis]
        m = xp.arange(size + before + after, device=array_api_compat.device(x))
        return xp.take(x, xp.remainder(m - before, size), axis=axis)

    # x[n] = sum of e[m] over all m with (m - before) mod N = n
    def fold(self, xp: Namespace, e: Array, axis: int, before: int, after: int) -> Array:
        """Add up the periods of `e`."""
        size = e.shape[axis] - before - after
        periods = -(-e.shape[axis] // size)
        padding = list(e.shape)
        padding[axis] = periods * size - e.shape[axis]
        zeros = xp.zeros(tuple(padding), dtype=e.dtype, device=array_api_compat.device(e))
        e = xp.concat([e, zeros], axis=axis)
        split = e.ndim + axis if axis < 0 else axis
        shape = (*e.shape[:split], periods, size, *e.shape[split + 1 :])
        return xp.roll(xp.sum(xp.reshape(e, shape), axis=split), -before, axis=split)


BOUNDARIES: dict[str, Boundary] = {"valid": Valid(), "circular": Circular()}
