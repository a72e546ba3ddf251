"""Combinations of coils, whitening of their noise, and compression to fewer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from nufftlib.core.arrays import (
    Array,
    Namespace,
    check_finite,
    common_namespace,
    conj,
    is_complex,
    namespace,
)
from nufftlib.core.kinds import integer, sizes
from nufftlib.core.operator import LinearOperator, parameter
from nufftlib.core.shapes import Exchanged
from nufftlib.mri.coils.eigen import real_first
from nufftlib.mri.coils.normalize import root_of_largest


@dataclass(frozen=True, eq=False, repr=False)
class CoilMatrix(LinearOperator):
    """Combinations of coils, ``(M y)_v = sum_c m_vc y_c``.

    Parameters
    ----------
    matrix : array, shape (virtual coils, coils), real or complex
        The weights of each combination.
    samples : tuple of int
        Shape of the data, or of the image, of one coil. An input has the shape
        ``(..., coils, *samples)``.

    Notes
    -----
    Parameter ``matrix``: ``B(x, y)_vc = sum y_v conj(x_c)``, over samples and leading axes.

    It commutes with a transform of every coil: ``CoilMatrix(M, samples) @ F @ Sense(s)`` is
    ``F @ Sense(CoilMatrix(M, F.shape)(s))``.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> M = nl.mri.CoilMatrix(np.asarray([[1.0, 1.0], [1.0, -1.0]]), (3,))
    >>> M(np.asarray([[1.0, 2.0, 3.0], [0.0, 1.0, 0.0]]))
    array([[1., 3., 3.],
           [1., 1., 3.]])
    """

    matrix: Array = parameter(linear=True)
    samples: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is no matrix."""
        super().__post_init__()
        wish = "the shape of one coil's data"
        object.__setattr__(self, "samples", sizes("CoilMatrix", "samples", self.samples, wish))
        if self.matrix.ndim != 2 or 0 in self.matrix.shape:
            shape = tuple(self.matrix.shape)
            msg = f"CoilMatrix(matrix): matrix has the shape {shape}; want (virtual coils, coils)"
            raise ValueError(msg)

    @cached_property
    def shapes(self) -> Exchanged:
        """From (coils, *samples) to (virtual coils, *samples)."""
        virtual, coils = self.matrix.shape
        return Exchanged((coils, *self.samples), (virtual, *self.samples))

    # (M y)_v = sum_c m_vc y_c
    def _apply(self, x: Array) -> Array:
        return combined(self.matrix, x, len(self.samples))

    # (M^H y)_c = sum_v conj(m_vc) y_v
    def _adjoint(self, y: Array) -> Array:
        return combined(conj(self.matrix).T, y, len(self.samples))

    # B(x, y)_vc = sum y_v conj(x_c)
    def _form(self, name: str, x: Array, y: Array) -> Array:
        xp, axis = namespace(x), -1 - len(self.samples)
        x, y = (xp.moveaxis(a, axis, 0) for a in (conj(x), y))
        x, y = (xp.reshape(a, (a.shape[0], -1)) for a in (x, y))
        x, y = alike(xp, x, y)
        return y @ x.T


def combined(matrix: Array, x: Array, ndim: int) -> Array:
    """Multiply the axis in front of the last `ndim` by a matrix."""
    xp = namespace(x)
    moved = xp.moveaxis(x, -1 - ndim, 0)
    matrix, flat = alike(xp, matrix, xp.reshape(moved, (moved.shape[0], -1)))
    product = xp.reshape(matrix @ flat, (matrix.shape[0], *moved.shape[1:]))
    return xp.moveaxis(product, 0, -1 - ndim)


def alike(xp: Namespace, a: Array, b: Array) -> tuple[Array, Array]:
    """Return both as complex arrays if one of them is: not every library multiplies other ones."""
    kind = xp.result_type(a.dtype, b.dtype)
    return xp.astype(a, kind, copy=False), xp.astype(b, kind, copy=False)


def whiten(noise: Array, samples: tuple[int, ...]) -> CoilMatrix:
    r"""Return the operator that makes the noise of all coils white, of the variance one.

    From a scan of noise alone, :math:`n` with ``m`` samples of each coil,

    .. math:: C = \frac{1}{2 m} n\, n^H = L L^H, \qquad y \mapsto L^{-1} y .

    Then the real and the imaginary part of each coil's noise have the variance 1 and are
    independent, as a sum of squares takes them to be. Multiply the coil maps by it as well, or
    estimate them from whitened data.

    Parameters
    ----------
    noise : array, shape (coils, ...), complex
        Samples without signal, many times as many as coils.
    samples : tuple of int
        Shape of the data of one coil that the operator is for.

    Returns
    -------
    CoilMatrix
        :math:`L^{-1}`, a lower triangular matrix: its parameter ``matrix``.

    Raises
    ------
    TypeError
        If the noise is not complex.
    ValueError
        If it is not finite, has less samples than coils, or coils of one noise: dead ones, or
        the same one twice.

    References
    ----------
    K. P. Pruessmann et al., "Advances in sensitivity encoding with arbitrary k-space
    trajectories", Magn. Reson. Med. 46 (2001) 638-651, appendix B.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> rng = np.random.default_rng(0)
    >>> n = rng.standard_normal((2, 10000)) + 1j * rng.standard_normal((2, 10000))
    >>> n = np.asarray([[2.0, 0.0], [1.0, 0.5]]) @ n
    >>> W = nl.mri.whiten(n, (10000,))
    >>> np.round(np.cov(W(n).real), 1)
    array([[1., 0.],
           [0., 1.]])
    """
    call = "whiten"
    xp, n = coil_rows(call, "noise", noise)
    samples = sizes(call, "samples", samples, "the shape of one coil's data")
    coils, count = n.shape
    if count < coils:
        msg = f"{call}(noise): {count} samples of {coils} coils; want more samples than coils"
        raise ValueError(msg)
    # Of coils of like size, so that rounding is that of their correlation.
    root = root_of_largest(xp, n, 1)[:, None]
    unit = n / root / root
    size = xp.sqrt(0.5 * xp.mean(xp.real(unit) ** 2 + xp.imag(unit) ** 2, axis=1))
    dead = not bool(xp.all(size > 0))
    unit = unit / xp.where(size > 0, size, xp.ones_like(size))[:, None]
    covariance = unit @ conj(unit).T / (2 * count)
    least = xp.linalg.eigvalsh(covariance)[0]
    if dead or float(least) <= 10 * coils * float(xp.finfo(size.dtype).eps):
        msg = f"{call}(noise): a coil has no noise of its own; want coils that differ in it"
        raise ValueError(msg)
    L = xp.linalg.cholesky(covariance)
    inverse = xp.linalg.inv(L)
    return CoilMatrix(xp.tril(inverse) / size[None, :] / root.T / root.T, samples)


class CompressedCoils(NamedTuple):
    """Virtual coils that hold most of the signal.

    Attributes
    ----------
    operator : CoilMatrix
        From the data of all coils to those of the virtual ones; orthonormal rows.
    data : array, shape (virtual coils, ...), complex
        The data of the virtual coils, that of most energy first.
    kept : float
        Part of the energy that they have, at most 1.
    """

    operator: CoilMatrix
    data: Array
    kept: float


def compress_coils(data: Array, coils: int) -> CompressedCoils:
    r"""Combine many coils to few that hold most of the signal.

    The virtual coils are the left singular vectors of the data, a matrix of coils by samples, of
    the largest singular values: no other combinations of as many coils keep more energy.

    Parameters
    ----------
    data : array, shape (coils, ...), complex
        Data of all coils, in k-space or images. Let noise be white in them: see `whiten`.
    coils : int
        Number of virtual coils.

    Returns
    -------
    CompressedCoils
        Operator, data, and the part of the energy that is kept.

    Raises
    ------
    TypeError
        If the data are not complex, or `coils` is no integer.
    ValueError
        If the data are not finite or zero, or there are not as many coils.

    Notes
    -----
    A virtual coil has no phase of its own: the first of its weights of at least half the largest
    magnitude is real and positive. White noise stays white.

    References
    ----------
    M. Buehrer et al., "Array compression for MRI with large coil arrays", Magn. Reson. Med. 57
    (2007) 1131-1139.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> s = nl.mri.birdcage_maps(12, (16, 16))
    >>> found = nl.mri.compress_coils(s, 5)
    >>> found.data.shape, found.kept > 0.98
    ((5, 16, 16), True)
    """
    call = "compress_coils"
    xp, y = coil_rows(call, "data", data)
    coils = integer(call, "coils", coils, least=1, most=y.shape[0])
    if not bool(xp.any(y != 0)):
        msg = f"{call}(data): data is zero everywhere; want a signal"
        raise ValueError(msg)
    root = root_of_largest(xp, y, None)
    y = y / root / root
    energies, vectors = xp.linalg.eigh(y @ conj(y).T)
    kept = float(xp.sum(energies[-coils:]) / xp.sum(energies))
    v = real_first(xp, xp.flip(vectors, axis=-1)[:, :coils])
    operator = CoilMatrix(conj(v).T, tuple(data.shape[1:]))
    return CompressedCoils(operator, operator(data), min(kept, 1.0))


def coil_rows(call: str, name: str, x: Array) -> tuple[Namespace, Array]:
    """Return complex samples of all coils as the rows of a matrix, or refuse them."""
    caller = f"{call}({name})"
    xp = common_namespace(caller, **{name: x})
    if not is_complex(xp, x):
        msg = f"{caller}: {name} is {x.dtype}; want complex64 or complex128"
        raise TypeError(msg)
    if x.ndim < 2 or 0 in x.shape:
        msg = f"{caller}: {name} has the shape {tuple(x.shape)}; want (coils, ...)"
        raise ValueError(msg)
    check_finite(xp, caller, name, x)
    return xp, xp.reshape(x, (x.shape[0], -1))
