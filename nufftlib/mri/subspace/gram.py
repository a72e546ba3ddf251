r"""The Gram of a subspace as convolutions between its coefficients.

For a NUFFT ``F`` behind an operator ``R`` of images, such as coil maps,

.. math::
    (A^H A\, x)_j = R^H \sum_k p_{jk} * (R\, x_k), \qquad
    p_{jk,l} = s^2 \sum_i \bar\Phi_{t_i j} \Phi_{t_i k} \, e^{+2\pi i\, k_i \cdot l} :

each pair of coefficients has the kernel of `NUFFT.gram` with weights, of which those of ``(k, j)``
are the conjugates. The spectrum of a real basis is real.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from nufftlib.core.arrays import Array, conjugate, flatten_batch, is_complex, item_bytes, namespace
from nufftlib.core.operator import Compose, LinearOperator, parameter
from nufftlib.core.shapes import Exchanged
from nufftlib.mri.sense import Sense
from nufftlib.mri.subspace.combinations import Contraction, beside
from nufftlib.nufft.coils import CoilNUFFT
from nufftlib.nufft.engines.base import Whole
from nufftlib.nufft.gram import (
    FILTERED,
    as_data,
    embedding,
    grid_bytes,
    lag_spectrum,
    on_lags,
    toeplitz_pays,
)
from nufftlib.nufft.operator import NUFFT
from nufftlib.nufft.padded import filtered


@dataclass(frozen=True, eq=False, repr=False)
class SubspaceGram(LinearOperator):
    """``A^H A`` of a `Subspace` by one zero-padded FFT of each coefficient and coil each way.

    Parameters
    ----------
    operator : LinearOperator
        A NUFFT, or a product that ends with one.
    basis : array, shape (frames, coefficients)
        ``Phi``.
    axis : int
        The axis of the frames in the samples of the NUFFT, counted from the last.
    """

    operator: LinearOperator
    basis: Array = parameter()
    axis: int = -2

    @property
    def H(self) -> LinearOperator:
        """The operator itself."""
        return self

    @cached_property
    def shapes(self) -> Exchanged:
        """The coefficients, unchanged."""
        rule = self.composed.shapes
        assert rule is not None
        source = tuple(n for n in rule.source if n is not None)
        ends = (self.basis.shape[1], *source)
        return Exchanged(ends, ends)

    @property
    def composed(self) -> LinearOperator:
        """``A^H A`` as a product, which has the derivatives."""
        rule = self.operator.shapes
        assert rule is not None
        source = tuple(n for n in rule.source if n is not None)
        A = Contraction(self.basis, rule.result(source), self.axis) @ self.operator
        return A.H @ A

    def _gives_complex(self, label: str, x: Array) -> bool:
        return True

    # R^H (p * R x)
    def _apply(self, x: Array) -> Array:
        _, R = factors(self.operator)
        batch = x.ndim - len(self.shapes.old)
        if R is None:
            return self._convolved(x, batch)
        return R.adjoint(self._convolved(R.apply(x), batch))

    def _adjoint(self, y: Array) -> Array:
        return self._apply(y)

    # those of the product
    def _derivative(self, name: str, dtheta: Array) -> LinearOperator:
        return self.composed.derivative(name, dtheta)

    def _form(self, name: str, x: Array, y: Array) -> Array:
        return self.composed.vjp(name, x, y)

    @cached_property
    def spectra(self) -> Array:
        """``P_jk`` of the pairs ``j <= k``, shape (pairs, *sizes), at the first use."""
        F, _ = factors(self.operator)
        assert F is not None
        xp, G = F.transform.xp, on_lags(F)
        rows = beside(self.basis, len(F.transform.samples), self.axis)
        whole = Whole(xp, len(pairs(self.basis.shape[1])))
        for i, (j, k) in enumerate(pairs(self.basis.shape[1])):
            w = conjugate(xp, rows[j, ...]) * rows[k, ...]
            P = self._spectrum(F, G, xp.real(w) if is_complex(xp, w) else w)
            if is_complex(xp, w):
                P = P + 1j * self._spectrum(F, G, xp.imag(w))
            whole.put(slice(i, i + 1), xp.expand_dims(P, axis=0))
        return whole.result

    def _spectrum(self, F: NUFFT, G: LinearOperator, w: Array) -> Array:
        xp = F.transform.xp
        return lag_spectrum(F, G.adjoint(as_data(F, xp.broadcast_to(w, F.transform.samples))))

    # z_j = sum_k p_jk * x_k
    def _convolved(self, x: Array, axis: int) -> Array:
        """Return images convolved, whose coefficients are along an axis."""
        F, _ = factors(self.operator)
        assert F is not None
        xp, d = F.transform.xp, len(F.shape)
        F.transform.check_complex("SubspaceGram.apply(x)", "x", x)
        moved = xp.moveaxis(x, axis, -d - 1)
        flat = flatten_batch(xp, moved, d + 1)
        whole, room = Whole(xp, flat.shape[0]), grid_bytes(F, FILTERED + 1)
        if flat.shape[0] == 0:
            return x
        for i in range(flat.shape[0]):
            z = filtered(xp, flat[i, ...], self.spectra, F.shape, room, combined)
            whole.put(slice(i, i + 1), xp.asarray(xp.expand_dims(z, axis=0), copy=True))
        return xp.moveaxis(xp.reshape(whole.result, moved.shape), -d - 1, axis)


# Z_j = sum_k P_jk X_k, with P_kj = conj(P_jk)
def combined(X: Array, P: Array) -> Array:
    """Return the coefficients' spectra, at each frequency multiplied by its matrix."""
    xp, count = namespace(X), X.shape[0]
    at = {pair: P[i, ...] for i, pair in enumerate(pairs(count))}
    upper = at | {(k, j): conjugate(xp, p) for (j, k), p in at.items() if j < k}
    rows = []
    for j in range(count):
        row = upper[j, 0] * X[0, ...]
        for k in range(1, count):
            row = row + upper[j, k] * X[k, ...]
        rows.append(row)
    return xp.stack(rows, axis=0)


def pairs(count: int) -> list[tuple[int, int]]:
    """Return the pairs ``j <= k``."""
    return [(j, k) for j in range(count) for k in range(j, count)]


def factors(A: LinearOperator) -> tuple[NUFFT | None, LinearOperator | None]:
    """Return the NUFFT with which a product ends, and what is in front of it."""
    before: LinearOperator | None = None
    while isinstance(A, Compose):
        before = A.right if before is None else A.right @ before
        A = A.left
    if isinstance(A, CoilNUFFT):
        coils = Sense(A.maps)
        return A.nufft, coils if before is None else coils @ before
    return (A if isinstance(A, NUFFT) else None), before


def convolution_pays(A: LinearOperator, count: int, axis: int) -> bool:
    """Return whether the Gram of so many coefficients is quicker as convolutions, and has room."""
    F, _ = factors(A)
    if F is None or axis < -len(F.transform.samples) or not toeplitz_pays(F):
        return False
    grid = math.prod(embedding(F.shape)) * item_bytes(F.transform.xp, F.trajectory) * 2
    return len(pairs(count)) * grid <= F.memory_limit
