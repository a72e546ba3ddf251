r"""The circulant matrix that is nearest to the normal matrix of CG-SENSE.

Of all circulant matrices ``C`` the nearest one to a matrix ``H`` in the Frobenius norm has on each
cyclic diagonal the mean of the entries of ``H`` there, and the eigenvalues
:math:`e_k^H H e_k / N`, with the waves :math:`e_k`: it is positive where ``H`` is. For

.. math:: H_{nm} = \sum_c \bar s_{cn}\, p_{n-m}\, s_{cm} + \lambda\, \delta_{nm},

``p`` being the lags of :math:`F^H W F`, the mean at the lag ``l`` is that of
:math:`p_l \sum_c \sum_m \bar s_{c,m+l}\, s_{cm}`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from array_api_compat import device

from nufftlib.core.arrays import Array, Namespace, common_namespace, complex_dtype
from nufftlib.core.fourier import fft, ifft
from nufftlib.core.kinds import instance, positive
from nufftlib.core.operator import LinearOperator
from nufftlib.core.shapes import Exchanged
from nufftlib.nufft.gram import ToeplitzGram
from nufftlib.nufft.operator import NUFFT


def circulant_preconditioner(
    F: NUFFT, maps: Array | None = None, *, damping: float, weights: Array | None = None
) -> LinearOperator:
    r"""Return the inverse of the circulant matrix nearest to :math:`S^H F^H W F S + \lambda`.

    As `preconditioner` of ``LeastSquares(F @ Sense(maps), damping, weights)`` it saves steps: the
    parts of the image that no sample sees, where the matrix is the damping alone, are solved at
    once.

    Parameters
    ----------
    F : NUFFT
        ``F``.
    maps : array, shape (coils, *F.shape), complex, optional
        Coil sensitivities ``S``; by default one coil that is the same everywhere.
    damping : float
        ``lambda``, positive.
    weights : array, shape of the samples, real, optional
        ``W``; by default 1.

    Returns
    -------
    LinearOperator
        Self-adjoint and positive definite, of images of `F`; two FFTs of an image. It has no
        parameters: a solution does not depend on its preconditioner.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind, or the arrays do not go together.
    ValueError
        If the shapes do not fit, or `damping` is not positive.

    Notes
    -----
    Its set-up takes the spectrum of `NUFFT.gram`, which without weights is computed once for an
    operator, and an FFT of twice the image for each coil.

    References
    ----------
    T. F. Chan, "An optimal circulant preconditioner for Toeplitz systems", SIAM J. Sci. Stat.
    Comput. 9 (1988) 766-771.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> F = nl.NUFFT(nl.mri.trajectories.radial(16, 64), (32, 32), norm="ortho")
    >>> S = nl.mri.birdcage_maps(4, (32, 32))
    >>> M = nl.mri.circulant_preconditioner(F, S, damping=0.03)
    >>> reconstruct = nl.LeastSquares(F @ nl.Sense(S), 0.03, preconditioner=M)
    >>> reconstruct(np.ones((4, 16, 64), np.complex64)).shape
    (32, 32)
    """
    call = "circulant_preconditioner"
    instance(call, "F", F, NUFFT, "a NUFFT")
    damping = positive(call, "damping", damping)
    xp, shape = F.transform.xp, F.shape
    gram = F.gram(weights, "toeplitz")
    assert isinstance(gram, ToeplitzGram)
    spectrum = gram.convolution.spectrum
    sizes, dtype = tuple(spectrum.shape), complex_dtype(xp, spectrum)
    if maps is None:
        s = xp.ones((1, *shape), dtype=dtype, device=device(spectrum))
    else:
        s = checked_maps(call, F, maps)
    S = fft(xp, s, sizes, real=False)
    power = xp.sum(xp.real(S) ** 2 + xp.imag(S) ** 2, axis=0)
    p, r = (ifft(xp, xp.astype(a, dtype), sizes, real=False) for a in (spectrum, power))
    means = p * xp.conj(r) / math.prod(shape)
    for axis, n in enumerate(shape):
        means = wrapped(xp, means, axis, n)
    mean = xp.real(fft(xp, means, shape, real=False))
    return CirculantInverse(xp.maximum(mean, xp.zeros_like(mean)) + damping)


def checked_maps(call: str, F: NUFFT, maps: Array) -> Array:
    """Return coil maps as complex arrays; refuse those that are none of the images of `F`."""
    xp = common_namespace(f"{call}(maps)", maps=maps, trajectory=F.trajectory)
    if tuple(maps.shape[1:]) != F.shape or maps.ndim != len(F.shape) + 1:
        msg = (
            f"{call}(maps): maps have the shape {tuple(maps.shape)}; "
            f"want (coils, {', '.join(map(str, F.shape))})"
        )
        raise ValueError(msg)
    F.transform.check_complex(call, "maps", maps)
    return xp.asarray(maps)


def wrapped(xp: Namespace, p: Array, axis: int, n: int) -> Array:
    """Return the sums of cyclic lags of a larger circle that are equal modulo `n`."""
    lead, size = tuple(slice(None) for _ in range(axis)), p.shape[axis]
    zero, ahead, behind = (
        p[(*lead, part, ...)] for part in (slice(0, 1), slice(1, n), slice(size - n + 1, size))
    )
    return xp.concat([zero, ahead + behind], axis=axis)


@dataclass(frozen=True, eq=False, repr=False)
class CirculantInverse(LinearOperator):
    """The inverse of the circular convolution that has a positive spectrum."""

    spectrum: Array

    @property
    def H(self) -> LinearOperator:
        """The operator itself."""
        return self

    @cached_property
    def shapes(self) -> Exchanged:
        """The image's axes, unchanged."""
        return Exchanged(tuple(self.spectrum.shape), tuple(self.spectrum.shape))

    def _gives_complex(self, label: str, x: Array) -> bool:
        """Always."""
        return True

    # ifft(fft(x) / spectrum)
    def _apply(self, x: Array) -> Array:
        xp = common_namespace("CirculantInverse", x=x, spectrum=self.spectrum)
        sizes = tuple(self.spectrum.shape)
        return ifft(xp, fft(xp, x, sizes, real=False) / self.spectrum, sizes, real=False)

    def _adjoint(self, y: Array) -> Array:
        return self._apply(y)
