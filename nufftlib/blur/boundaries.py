r"""Boundaries: extensions of an image beyond its edge.

Every boundary is an extension of the image, followed by the ``valid`` convolution. One
convolution, with one adjoint, thus serves all boundaries. An extension is linear, and
``fold`` is its adjoint. Both treat one axis of ``N`` entries, with a margin of any width
on either end. ``e[m]`` stands for the image at ``i = m - before``.
"""

from __future__ import annotations

from collections.abc import Callable
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

    def extend(self, xp: Namespace, x: Array, axis: int, before: int, after: int) -> Array:
        """Return `x`."""
        return x

    def fold(self, xp: Namespace, e: Array, axis: int, before: int, after: int) -> Array:
        """Return `e`."""
        return e


class Zero:
    """Nothing beyond the edge: ``e[m] = x[i]`` inside, else 0."""

    keeps_size = True

    def extend(self, xp: Namespace, x: Array, axis: int, before: int, after: int) -> Array:
        """Put zeros around `x`."""
        parts = [zeros_like(xp, x, axis, before), x, zeros_like(xp, x, axis, after)]
        return xp.concat(parts, axis=axis)

    def fold(self, xp: Namespace, e: Array, axis: int, before: int, after: int) -> Array:
        """Drop the margins."""
        return part(e, axis, before, e.shape[axis] - after)


class Circular:
    """Periodic images: ``e[m] = x[i mod N]``."""

    keeps_size = True

    def extend(self, xp: Namespace, x: Array, axis: int, before: int, after: int) -> Array:
        """Wrap `x` around, more than once where the margin is wider than the image."""
        size = x.shape[axis]
        return gather_margins(xp, x, axis, before, after, lambda i: xp.remainder(i, size))

    # x[n] = sum of e[m] over all m with (m - before) mod N = n
    def fold(self, xp: Namespace, e: Array, axis: int, before: int, after: int) -> Array:
        """Add up the periods of `e`."""
        return fold_period(xp, e, axis, before, e.shape[axis] - before - after)


class Replicate:
    """The outermost entry repeats: ``e[m] = x[min(max(i, 0), N - 1)]``."""

    keeps_size = True

    def extend(self, xp: Namespace, x: Array, axis: int, before: int, after: int) -> Array:
        """Repeat the first and the last entry of `x`."""
        last = x.shape[axis] - 1
        return gather_margins(
            xp, x, axis, before, after, lambda i: xp.where(i < 0, 0, xp.where(i > last, last, i))
        )

    # x[0] = sum of e at the first edge and its margin, x[N - 1] the same at the last
    def fold(self, xp: Namespace, e: Array, axis: int, before: int, after: int) -> Array:
        """Add the margins to the first and the last entry."""
        size, end = e.shape[axis] - before - after, e.shape[axis]
        if size == 1:
            return xp.sum(e, axis=axis, keepdims=True)
        first = xp.sum(part(e, axis, 0, before + 1), axis=axis, keepdims=True)
        last = xp.sum(part(e, axis, end - after - 1, end), axis=axis, keepdims=True)
        return xp.concat([first, part(e, axis, before + 1, end - after - 1), last], axis=axis)


class Reflect:
    """A mirror on the outermost entry, which is not repeated: ``e[m] = x[|i|]``, and so on.

    The extension has the period ``2 N - 2``; its second half mirrors the first. A single
    entry is repeated.
    """

    keeps_size = True

    def extend(self, xp: Namespace, x: Array, axis: int, before: int, after: int) -> Array:
        """Mirror `x` at its ends, more than once where the margin is wider than the image."""
        last = x.shape[axis] - 1
        period = max(2 * last, 1)
        return gather_margins(
            xp, x, axis, before, after, lambda i: last - xp.abs(xp.remainder(i, period) - last)
        )

    # x[n] = p[n] + p[2 N - 2 - n] of the folded period p, but x[0] = p[0], x[N - 1] = p[N - 1]
    def fold(self, xp: Namespace, e: Array, axis: int, before: int, after: int) -> Array:
        """Add up the periods of `e`, and their mirror images."""
        size = e.shape[axis] - before - after
        if size < 3:  # a period of 1 or 2 entries is no longer than the image
            return fold_period(xp, e, axis, before, size)
        p = fold_period(xp, e, axis, before, 2 * size - 2)
        mirrored = xp.flip(part(p, axis, size, 2 * size - 2), axis=axis)
        inner = part(p, axis, 1, size - 1) + mirrored
        return xp.concat([part(p, axis, 0, 1), inner, part(p, axis, size - 1, size)], axis=axis)


BOUNDARIES: dict[str, Boundary] = {
    "valid": Valid(),
    "circular": Circular(),
    "replicate": Replicate(),
    "reflect": Reflect(),
    "zero": Zero(),
}


def part(x: Array, axis: int, start: int, stop: int) -> Array:
    """Return ``x[start:stop]`` of a negative `axis`."""
    return x[(..., slice(start, stop), *(slice(None) for _ in range(-axis - 1)))]


def zeros_like(xp: Namespace, x: Array, axis: int, size: int) -> Array:
    """Return zeros like `x`, of another size along `axis`."""
    shape = list(x.shape)
    shape[axis] = size
    return xp.zeros(tuple(shape), dtype=x.dtype, device=array_api_compat.device(x))


def gather_margins(
    xp: Namespace,
    x: Array,
    axis: int,
    before: int,
    after: int,
    index: Callable[[Array], Array],
) -> Array:
    """Put ``x[index(i)]`` around `x`, for ``-before <= i < 0`` and ``N <= i < N + after``."""
    size, device = x.shape[axis], array_api_compat.device(x)
    margins = [
        xp.take(x, index(xp.arange(start, stop, device=device)), axis=axis)
        for start, stop in ((-before, 0), (size, size + after))
    ]
    return xp.concat([margins[0], x, margins[1]], axis=axis)


# p[n] = sum of e[m] over all m with (m - before) mod period = n
def fold_period(xp: Namespace, e: Array, axis: int, before: int, period: int) -> Array:
    """Add up the periods of `e`."""
    periods = -(-e.shape[axis] // period)
    e = xp.concat([e, zeros_like(xp, e, axis, periods * period - e.shape[axis])], axis=axis)
    split = e.ndim + axis
    shape = (*e.shape[:split], periods, period, *e.shape[split + 1 :])
    return xp.roll(xp.sum(xp.reshape(e, shape), axis=split), -before, axis=split)
