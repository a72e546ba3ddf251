"""The partitions of a volume: the Fourier transform along the axis of a stack."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from array_api_compat import device

from nufftlib.core.arrays import Array, Namespace, complex_dtype, namespace
from nufftlib.core.cartesian import checked_shape
from nufftlib.core.fourier import NORMS, crop_ifft, pad_fft, scale
from nufftlib.core.kinds import choice, integers, out_of_range
from nufftlib.core.operator import LinearOperator
from nufftlib.core.shapes import Exchanged


@dataclass(frozen=True, eq=False, repr=False)
class PartitionFFT(LinearOperator):
    r"""Fourier transform of volumes along their first axis, from slices to partitions.

    .. math:: (P x)_{p, m} = \sum_n x_{n, m} \, e^{-2\pi i\, p n / N},

    with the slice :math:`n = -\lfloor N/2 \rfloor \ldots N - \lfloor N/2 \rfloor - 1`. A
    transform in the plane behind it makes a stack: ``NUFFT(k, plane) @ PartitionFFT(volume)`` is
    the 3D NUFFT at the points :math:`(p/N, k_j)`, of stars or spirals.

    Parameters
    ----------
    shape : tuple of int
        Shape of a volume, its slices along the first axis.
    partitions : tuple of int, optional
        The partitions that are sampled, each once, in the order of the data; 0 is the centre of
        k-space. By default all, from ``-(N // 2)`` on.
    norm : {None, "ortho"}
        ``"ortho"`` divides by ``sqrt(N)``.

    Raises
    ------
    TypeError
        If a setting is of the wrong kind.
    ValueError
        If a size is less than 1, a partition out of range or named twice, or `norm` unknown.

    Notes
    -----
    Volumes of the shape (\*batch, \*shape) become partitions (\*batch, partitions, \*plane).

    Coils come before it and a NUFFT behind it: ``F @ PartitionFFT(shape) @ Sense(maps)``. Where
    each partition has a trajectory of its own, as in a stack whose angles turn,
    ``Paired(F, {"trajectory": k}) @ PartitionFFT(shape)`` takes an item of k for each.

    Examples
    --------
    Half of the partitions of a stack of stars:

    >>> import numpy as np
    >>> import nufftlib as nl
    >>> k = nl.mri.trajectories.radial(8, 32)
    >>> A = nl.NUFFT(k, (16, 16)) @ nl.PartitionFFT((8, 16, 16), (-4, -2, 0, 2))
    >>> A(np.ones((8, 16, 16), np.complex64)).shape, list(A.parameters)
    ((4, 8, 32), ['trajectory'])
    """

    shape: tuple[int, ...]
    partitions: tuple[int, ...] | None = None
    norm: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        call = "PartitionFFT"
        shape = checked_shape(call, self.shape)
        object.__setattr__(self, "shape", shape)
        choice(call, "norm", self.norm, NORMS)
        if self.partitions is None:
            return
        wish = f"distinct integers from {self.all[0]} to {self.all[-1]}"
        chosen = integers(call, "partitions", self.partitions, wish)
        if not chosen or len(set(chosen)) < len(chosen) or not set(chosen) <= set(self.all):
            raise out_of_range(call, "partitions", chosen, wish)
        object.__setattr__(self, "partitions", chosen)

    @property
    def all(self) -> range:
        """All partitions."""
        n = self.shape[0]
        return range(-(n // 2), n - n // 2)

    @property
    def sampled(self) -> tuple[int, ...]:
        """Those that are sampled."""
        return tuple(self.all) if self.partitions is None else self.partitions

    @cached_property
    def shapes(self) -> Exchanged:
        """From slices to partitions."""
        return Exchanged(self.shape, (len(self.sampled), *self.shape[1:]))

    def _gives_complex(self, label: str, x: Array) -> bool:
        """Always."""
        return True

    # y_p = s X_(p mod N), X = fft(shift^-1 x)
    def _apply(self, x: Array) -> Array:
        xp, (n, *plane) = namespace(x), self.shape
        x = self._rolled(xp, xp.astype(x, complex_dtype(xp, x), copy=False), -1)
        X = pad_fft(xp, x, n, -len(plane) - 1)
        return scale(self.norm, (n,)) * self._taken(xp, X, [p % n for p in self.sampled])

    # x = s N shift(ifft(Y)), with Y_(p mod N) = y_p, and 0 where no partition is
    def _adjoint(self, y: Array) -> Array:
        xp, (n, *plane), count = namespace(y), self.shape, len(self.sampled)
        y = xp.astype(y, complex_dtype(xp, y), copy=False)
        if count < n:
            nothing = (*y.shape[: y.ndim - len(self.shape)], 1, *plane)
            zeros = xp.zeros(nothing, dtype=y.dtype, device=device(y))
            y = xp.concat([y, zeros], axis=-len(plane) - 1)
        where = {p % n: i for i, p in enumerate(self.sampled)}
        Y = self._taken(xp, y, [where.get(bin, count) for bin in range(n)])
        x = crop_ifft(xp, Y, n, -len(plane) - 1)
        return scale(self.norm, (n,)) * n * self._rolled(xp, x, 1)

    def _taken(self, xp: Namespace, x: Array, indices: list[int]) -> Array:
        """Return entries along the axis of the partitions."""
        where = xp.asarray(indices, dtype=xp.int32, device=device(x))
        return xp.take(x, where, axis=-len(self.shape))

    def _rolled(self, xp: Namespace, x: Array, sign: int) -> Array:
        """Return `x` with slice 0 moved to the centre, or back."""
        return xp.roll(x, sign * (self.shape[0] // 2), axis=-len(self.shape))
