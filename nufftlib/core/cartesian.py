"""The Fourier transform of images on the Cartesian grid, centred as the NUFFT is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from nufftlib.core.arrays import Array, Namespace, namespace
from nufftlib.core.fourier import NORMS, fft, ifft, scale
from nufftlib.core.kinds import choice, sizes
from nufftlib.core.operator import LinearOperator
from nufftlib.core.shapes import Exchanged, Shape


@dataclass(frozen=True, eq=False, repr=False)
class FFT(LinearOperator):
    r"""Fourier transform on the Cartesian grid, in which voxel and frequency are centred.

    .. math:: (F x)_j = \sum_n x_n \, e^{-2\pi i \sum_a j_a n_a / N_a},

    with :math:`n_a` and :math:`j_a` from :math:`-\lfloor N_a/2 \rfloor` to
    :math:`N_a - \lfloor N_a/2 \rfloor - 1`: the `NUFFT` at the points :math:`j_a / N_a`. The
    centre of k-space is the entry ``N // 2`` of each axis.

    Parameters
    ----------
    shape : tuple of int
        Image shape, a size for each axis that is transformed.
    norm : {None, "ortho"}
        ``"ortho"`` divides by ``sqrt(prod(shape))``: the transform is then unitary.

    Raises
    ------
    TypeError
        If `shape` or `norm` is of the wrong kind.
    ValueError
        If `shape` is empty, a size less than 1, or `norm` unknown.

    Notes
    -----
    Images and data have the shape (\*batch, \*shape), and data are complex.

    Of a scan that samples a part of the grid, ``Diagonal(mask) @ FFT(shape)`` is the model: a mask
    of 0 and 1, or of any weights, of the data's real dtype, which broadcasts. Its data
    are those of the whole grid, 0 where nothing is sampled.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> F = nl.FFT((4, 4), norm="ortho")
    >>> abs(F(np.ones((4, 4)))).round(6)
    array([[0., 0., 0., 0.],
           [0., 0., 0., 0.],
           [0., 0., 4., 0.],
           [0., 0., 0., 0.]])

    Every other line of k-space:

    >>> A = nl.Diagonal(np.asarray([[0.0], [1.0], [0.0], [1.0]])) @ F
    >>> A(np.ones((8, 4, 4))).shape
    (8, 4, 4)
    """

    shape: tuple[int, ...]
    norm: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "shape", checked_shape("FFT", self.shape))
        choice("FFT", "norm", self.norm, NORMS)

    @cached_property
    def shapes(self) -> Exchanged:
        """The image's axes, unchanged."""
        return Exchanged(self.shape, self.shape)

    def _gives_complex(self, label: str, x: Array) -> bool:
        """Always."""
        return True

    # y = s shift(fft(shift^-1 x))
    def _apply(self, x: Array) -> Array:
        xp = namespace(x)
        y = fft(xp, rolled(xp, x, self.shape, -1), self.shape, real=False)
        return scale(self.norm, self.shape) * rolled(xp, y, self.shape, 1)

    # x = s prod(N) shift(ifft(shift^-1 y))
    def _adjoint(self, y: Array) -> Array:
        xp = namespace(y)
        x = ifft(xp, rolled(xp, y, self.shape, -1), self.shape, real=False)
        count = math.prod(self.shape)
        return scale(self.norm, self.shape) * count * rolled(xp, x, self.shape, 1)


def checked_shape(call: str, shape: tuple[int, ...]) -> Shape:
    """Return a shape of one axis or more."""
    shape = sizes(call, "shape", shape, "a size for each axis")
    if not shape:
        msg = f"{call}(shape): shape is (); want a size for each axis, one at least"
        raise ValueError(msg)
    return shape


def rolled(xp: Namespace, x: Array, shape: Shape, sign: int) -> Array:
    """Return `x` with index 0 moved to the centre ``N // 2`` of its last axes, or back."""
    axes = tuple(range(-len(shape), 0))
    return xp.roll(x, tuple(sign * (n // 2) for n in shape), axis=axes)
