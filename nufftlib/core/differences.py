"""Differences between neighbours along every axis of an image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from nufftlib.core.arrays import Array, namespace
from nufftlib.core.kinds import sizes
from nufftlib.core.operator import LinearOperator
from nufftlib.core.shapes import Exchanged


@dataclass(frozen=True, eq=False, repr=False)
class FiniteDifferences(LinearOperator):
    r"""Forward differences along each axis, ``(D x)[a, n] = x[n + e_a] - x[n]``.

    They are 0 at the last entry of the axis, as of an image that goes on unchanged. The total
    variation of an image is the sum of their lengths.

    Parameters
    ----------
    shape : tuple of int
        Image shape, of length ``d``.

    Raises
    ------
    TypeError
        If `shape` is of the wrong kind.
    ValueError
        If it is empty, or a size less than 1.

    Notes
    -----
    Images have the shape (\*batch, \*shape), differences (\*batch, d, \*shape). The largest
    eigenvalue of ``D^H D`` is below ``4 d``.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> D = nl.FiniteDifferences((2, 3))
    >>> D(np.asarray([[1.0, 2.0, 4.0], [1.0, 1.0, 1.0]]))
    array([[[ 0., -1., -3.],
            [ 0.,  0.,  0.]],
    <BLANKLINE>
           [[ 1.,  2.,  0.],
            [ 0.,  0.,  0.]]])
    """

    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        shape = sizes("FiniteDifferences", "shape", self.shape, "a size for each axis")
        if not shape:
            msg = "FiniteDifferences(shape): shape is (); want a size for each axis, one at least"
            raise ValueError(msg)
        object.__setattr__(self, "shape", shape)

    @cached_property
    def shapes(self) -> Exchanged:
        """An axis of components comes in front of the image's."""
        return Exchanged(self.shape, (len(self.shape), *self.shape))

    @property
    def axes(self) -> range:
        """The axes of an image."""
        return range(-len(self.shape), 0)

    # (D x)[a, n] = x[n + e_a] - x[n], and 0 at the end
    def _apply(self, x: Array) -> Array:
        xp = namespace(x)
        components = []
        for a in self.axes:
            change = part(x, a, slice(1, None)) - part(x, a, slice(-1))
            components.append(xp.concat([change, nothing(x, a)], axis=a))
        return xp.stack(components, axis=-len(self.shape) - 1)

    # (D^H y)[n] = sum_a y[a, n - e_a] - y[a, n], without what is before the start or at the end
    def _adjoint(self, y: Array) -> Array:
        xp = namespace(y)
        terms = []
        for a in self.axes:
            component = part(y, -len(self.shape) - 1, a + len(self.shape))
            change, zero = part(component, a, slice(-1)), nothing(component, a)
            terms.append(xp.concat([zero, change], axis=a) - xp.concat([change, zero], axis=a))
        return sum(terms[1:], start=terms[0])


def part(x: Array, axis: int, which: int | slice) -> Array:
    """Return a part of `x` along an axis that is counted from the last."""
    return x[(..., which, *[slice(None)] * (-axis - 1))]


def nothing(x: Array, axis: int) -> Array:
    """Return zeros, one along `axis`."""
    return namespace(x).zeros_like(part(x, axis, slice(1)))
