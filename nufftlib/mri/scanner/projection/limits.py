r"""The limits of a curve as rows :math:`|v_i| \le 1` of vectors that are linear in it.

A curve ``x`` has the shape (d, shots, samples), so that its differences run along memory. Its
rows are scaled points (the band), first differences (the gradient) or second differences (the
slew), and

.. math:: v = A x, \qquad s_i = \tfrac12 (1 - |v_i|^2) \ge 0,

with the slack ``s``. The norm is taken over the ``d`` coordinates, or each coordinate is a row
of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from array_api_compat import device

from nufftlib.core.arrays import Array, Namespace


@dataclass(frozen=True)
class Rows:
    """The rows of one limit.

    Parameters
    ----------
    name : str
        What is limited.
    order : int
        Of the differences: 0, 1 or 2.
    scale : array, shape (d, 1, 1)
        Inverse of the limit, for each coordinate.
    per_axis : bool
        Whether each coordinate is a row of its own.
    rest : tuple of bool
        Whether a first difference of zero comes before the first, and after the last.
    in_force : array, shape (rows,)
        1, and 0 for rows that fixed samples alone decide.
    """

    name: str
    order: int
    scale: Array
    per_axis: bool
    rest: tuple[bool, bool]
    in_force: Array

    def forward(self, xp: Namespace, x: Array) -> Array:
        """Return ``v = A x``, shape (d, shots, rows)."""
        return self.scale * self.in_force * self.differences(xp, x)

    def adjoint(self, xp: Namespace, v: Array) -> Array:
        """Return ``A^T v``."""
        v = self.scale * self.in_force * v
        if self.order == 2:
            before, after = self.rest
            v = -difference(padded(xp, v, 1, 1))
            v = v[..., int(before) : v.shape[-1] - int(after)]
        return v if self.order == 0 else -difference(padded(xp, v, 1, 1))

    def differences(self, xp: Namespace, x: Array) -> Array:
        """Return what is limited, without the scale."""
        if self.order == 0:
            return x
        first = difference(x)
        return first if self.order == 1 else difference(padded(xp, first, *self.rest))

    def inner(self, xp: Namespace, u: Array, v: Array) -> Array:
        """Return ``u_i . v_i`` of each row, shape (1 or d, shots, rows)."""
        return u * v if self.per_axis else xp.sum(u * v, axis=0, keepdims=True)

    def weight(self, multiplier: Array, ratio: Array, v: Array, a: int, b: int) -> Array | None:
        """Return the entry (a, b) of ``multiplier 1 + ratio v v^T`` of each row, or None for 0."""
        scale = self.scale[a, 0, 0] * self.scale[b, 0, 0] * self.in_force
        if self.per_axis:
            if a != b:
                return None
            return scale * (multiplier[a, ...] + ratio[a, ...] * v[a, ...] ** 2)
        entry = ratio[0, ...] * v[a, ...] * v[b, ...]
        return scale * (multiplier[0, ...] + entry if a == b else entry)


def hessian(
    xp: Namespace, limits: tuple[Rows, ...], terms: list[Any], free: Array | None, unit: float
) -> dict[tuple[int, int], tuple[Array, Array, Array]]:
    r"""Return ``unit 1 + sum A^T (multiplier 1 + ratio v v^T) A`` by coordinates.

    Sums over rows that are differences of differences couple samples at most two apart: for each
    pair of coordinates, the weights ``D`` of a sample with itself, ``E`` with the next and ``F``
    with the next but one.

    The second differences are differences of the first, ``E_r = y_r - y_(r-1)``, so they weigh
    the first differences by a tridiagonal matrix with the diagonal ``w_r + w_(r+1)``, beside it
    ``-w_(r+1)``; both together weigh the samples.
    """
    d = limits[0].scale.shape[0]
    pairs = {}
    for a in range(d):
        for b in range(a + 1):
            sums: list[Any] = [None, None, None]
            for rows, (v, multiplier, ratio) in zip(limits, terms, strict=True):
                w = rows.weight(multiplier, ratio, v, a, b)
                if w is not None:
                    if rows.order == 2:  # a row at each sample, where there is no rest of 0
                        w = padded(xp, w, *(not r for r in rows.rest))
                    sums[rows.order] = w if sums[rows.order] is None else sums[rows.order] + w
            if all(w is None for w in sums):
                continue
            points, speeds, bends = sums
            inner = speeds + bends[..., :-1] + bends[..., 1:]
            outer = padded(xp, -bends[..., 1:-1], 1, 1)
            both = padded(xp, inner, 1, 1)
            D = both[..., :-1] + both[..., 1:] - 2 * outer
            D = D if points is None else D + points
            D = D + unit if a == b else D
            E = outer[..., :-1] - inner + outer[..., 1:]
            F = -outer[..., 1:-1]
            if free is not None:
                D = D * free + (1 - free) * float(a == b)
                E = E * free[1:] * free[:-1]
                F = F * free[2:] * free[:-2]
            pairs[a, b] = D, E, F
    return pairs


def difference(x: Array) -> Array:
    """Return ``x[t + 1] - x[t]`` along the last axis."""
    return x[..., 1:] - x[..., :-1]


def padded(xp: Namespace, x: Array, before: int, after: int) -> Array:
    """Return `x` with zeros before and after it along the last axis."""
    zero = xp.zeros((*x.shape[:-1], 1), dtype=x.dtype, device=device(x))
    return xp.concat([zero] * int(before) + [x] + [zero] * int(after), axis=-1)
