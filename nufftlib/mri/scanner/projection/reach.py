r"""Whether fixed samples can be joined within limits, and by how much they cannot.

.. math:: \min_{x, t} t \quad\text{subject to}\quad \tfrac12 |v_i|^2 \le t,\; v = A x,

over the curves with the fixed samples: at :math:`t < 1/2` the curve lies strictly within the
limits. The method is that of `interior_point`, with ``t`` as one more unknown and without a
predictor: it stops as soon as there is a curve with room, and it is rarely needed.
"""

from __future__ import annotations

from typing import NamedTuple

from nufftlib.core.arrays import Array, Namespace
from nufftlib.mri.scanner.projection.banded import factor
from nufftlib.mri.scanner.projection.limits import Rows, hessian

ROOM = 0.98  # largest |v| of a curve that is good enough to start from
FALL = 0.1  # of the products of multiplier and slack, from one iteration to the next
TO_BOUNDARY = 0.95
CLOSE = 1e-4  # relative accuracy of the ratio that an error reports
ITERATIONS = 100


class Reach(NamedTuple):
    """The curve with the smallest ratio to the limits that was found.

    Parameters
    ----------
    x : array, shape (d, shots, samples)
        The curve.
    ratio : array, shape (shots,)
        Largest ``|v|`` of each shot.
    """

    x: Array
    ratio: Array


def straightest(xp: Namespace, limits: tuple[Rows, ...], free: Array, fixed: Array) -> Array:
    """Return the curves with the fixed samples whose rows are smallest in the mean square."""
    v = [rows.forward(xp, fixed) for rows in limits]
    ones = [xp.ones_like(rows.inner(xp, w, w)) for rows, w in zip(limits, v, strict=True)]
    terms = [(w, one, 0 * one) for w, one in zip(v, ones, strict=True)]
    solve = factor(xp, hessian(xp, limits, terms, free, 0.0), fixed.shape[0])
    assert solve is not None  # the band's rows alone make it definite
    pulled = sum(rows.adjoint(xp, w) for rows, w in zip(limits, v, strict=True))
    return fixed - solve(pulled * free)


def within_reach(xp: Namespace, limits: tuple[Rows, ...], free: Array, fixed: Array) -> Reach:
    """Return curves with the fixed samples that lie strictly within the limits, if there are any.

    Parameters
    ----------
    xp : module
        Namespace of the arrays.
    limits : tuple of Rows
        The limits.
    free : array, shape (samples,)
        1, and 0 at the fixed samples.
    fixed : array, shape (d, shots, samples)
        The fixed samples, and 0 elsewhere.
    """
    x = straightest(xp, limits, free, fixed)

    def total(a: Array) -> Array:
        return xp.sum(a, axis=(0, 2))[:, None]

    def squares(v: list[Array]) -> list[Array]:
        return [rows.inner(xp, w, w) for rows, w in zip(limits, v, strict=True)]

    def largest(v: list[Array]) -> Array:
        return xp.max(xp.stack([xp.max(a, axis=(0, 2)) for a in squares(v)]), axis=0)[:, None]

    v = [rows.forward(xp, x) for rows in limits]
    t = 0.6 * largest(v) + 1e-3
    slacks = [t - 0.5 * a for a in squares(v)]
    scale = sum(total(1 / s) for s in slacks)
    multipliers = [1 / (s * scale) for s in slacks]
    count = sum(s.shape[0] * s.shape[2] for s in slacks)
    for _ in range(ITERATIONS):
        mean = sum(total(m * s) for m, s in zip(multipliers, slacks, strict=True)) / count
        enough = (largest(v) < ROOM**2) | (mean * count < CLOSE * t)
        if bool(xp.all(enough)):
            break
        ratios = [m / s for m, s in zip(multipliers, slacks, strict=True)]
        pairs = hessian(xp, limits, list(zip(v, multipliers, ratios, strict=True)), free, 0.0)
        solve = factor(xp, pairs, x.shape[0])
        if solve is None:
            break
        aim = FALL * mean

        # H dx - A^T (v lambda / s) dt = -A^T (v aim / s), and the multipliers sum to 1.
        def back(weights: list[Array], v: list[Array] = v) -> Array:
            rows = zip(limits, weights, v, strict=True)
            return free * sum(r.adjoint(xp, w * a) for r, w, a in rows)

        pull = solve(-back([aim / s for s in slacks]))
        lift = solve(back(ratios))
        work = []
        for step in (pull, lift):
            dv = [rows.forward(xp, step) for rows in limits]
            work.append([r.inner(xp, a, b) for r, a, b in zip(limits, v, dv, strict=True)])
        known = sum(total(aim / s + q * w) for s, q, w in zip(slacks, ratios, work[0], strict=True))
        slope = sum(total(q * (1 - w)) for q, w in zip(ratios, work[1], strict=True))
        dt = (known - 1) / slope
        dx = pull + lift * dt

        dv = [rows.forward(xp, dx) for rows in limits]
        inner = [r.inner(xp, a, b) for r, a, b in zip(limits, v, dv, strict=True)]
        half = [0.5 * r.inner(xp, b, b) for r, b in zip(limits, dv, strict=True)]
        changes = [
            (aim - m * (dt - w)) / s - m for m, s, w in zip(multipliers, slacks, inner, strict=True)
        ]
        # The slack after a step of length a is s + a (dt - v.dv) - a^2 |dv|^2 / 2.
        inverse = 1.0 + 0 * t
        for m, s, w, h, dm in zip(multipliers, slacks, inner, half, changes, strict=True):
            falls = w - dt
            root = falls + xp.sqrt(falls**2 + 4 * s * h)
            sooner = xp.maximum(-dm / m, root / (2 * s)) / TO_BOUNDARY
            inverse = xp.maximum(inverse, xp.max(sooner, axis=(0, 2))[:, None])
        length = xp.where(enough, 0.0, 1 / inverse)
        x, t = x + length * dx, t + length * dt
        v = [rows.forward(xp, x) for rows in limits]
        slacks = [t - 0.5 * a for a in squares(v)]
        multipliers = [m + length * dm for m, dm in zip(multipliers, changes, strict=True)]
    return Reach(x, xp.sqrt(largest(v)[:, 0]))
