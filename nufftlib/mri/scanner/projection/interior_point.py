r"""A primal-dual interior-point method for the nearest curve within limits.

.. math:: \min_x \tfrac12 \|x - c\|^2 \quad\text{subject to}\quad |v_i| \le 1,\; v = A x,

with the slacks :math:`s_i = \tfrac12 (1 - |v_i|^2)` and a multiplier :math:`\lambda_i > 0` for
each. All iterates lie strictly within the limits. A Newton step of

.. math:: x - c + A^T (\lambda v) = 0, \qquad \lambda_i s_i = \mu

has the matrix :math:`1 + A^T (\lambda + (\lambda / s)\,v v^T) A`, in which a sample meets the
next two alone. Each iteration predicts with :math:`\mu = 0`, and corrects by the terms of second
order that the prediction found, as far as it could be followed.

References
----------
S. Mehrotra, "On the implementation of a primal-dual interior point method", SIAM J. Optim. 2
(1992) 575-601; M. Colombo and J. Gondzio, "Further development of multiple centrality correctors
for interior point methods", Comput. Optim. Appl. 41 (2008) 277-305; S. Boyd and L. Vandenberghe,
"Convex Optimization", Cambridge 2004, section 11.7.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from nufftlib.core.arrays import Array, Namespace
from nufftlib.mri.scanner.projection.banded import factor
from nufftlib.mri.scanner.projection.limits import Rows, hessian

TO_BOUNDARY = 0.99  # of the way that a step may go towards a limit
CENTRED = 1e-3  # least product of multiplier and slack, of their mean
SHORTER = 0.8
FIRST_WEIGHT = 0.1  # first mean product, of that of the distance
REMEMBERED = 0.03  # relative gap of the iterate from which a next call starts
TAKEN_UP = 0.06  # largest relative gap at which that is better than a start from nothing
LEAST = 1e-6  # root mean square below which a distance counts as no more than this


class Iterate(NamedTuple):
    """A curve strictly within the limits, and multipliers for each kind of rows.

    Parameters
    ----------
    x : array, shape (d, shots, samples)
        The curve.
    multipliers : tuple of array
        Positive, shape (1 or d, shots, rows).
    """

    x: Array
    multipliers: tuple[Array, ...]


@dataclass(frozen=True)
class Solution:
    """What `nearest` found for each shot.

    Parameters
    ----------
    x : array, shape (d, shots, samples)
        A curve strictly within the limits.
    q : tuple of array
        Of each kind of rows a vector in the direction of ``v``, from which `duality_gap` follows.
    iterations : int
        Of the shot that took most.
    warm : Iterate
        From which to solve a problem like this one.
    """

    x: Array
    q: tuple[Array, ...]
    iterations: int
    warm: Iterate


@dataclass(frozen=True)
class Shots:
    """The state of the shots that are not done."""

    index: Array
    c: Array
    x: Array
    v: tuple[Array, ...]
    slacks: tuple[Array, ...]
    multipliers: tuple[Array, ...]
    warm: Iterate
    warmed: Array

    def pick(self, xp: Namespace, which: Array) -> Shots:
        """Return the state of the shots of which `which` is true."""
        if bool(xp.all(which)):
            return self
        index = xp.nonzero(which)[0]

        def taken(a: Any) -> Any:
            if isinstance(a, tuple):
                picked = [taken(b) for b in a]
                return type(a)(*picked) if hasattr(a, "_fields") else tuple(picked)
            return xp.take(a, index, axis=int(a.ndim > 1))

        return Shots(*(taken(getattr(self, name)) for name in self.__dataclass_fields__))


class Direction(NamedTuple):
    """A step of one kind of rows.

    Parameters
    ----------
    v, multiplier : array
        Steps of these.
    work, square : array
        ``v . dv`` and ``|dv|^2 / 2``: a step of length a takes ``a work + a^2 square`` from the
        slack.
    """

    v: Array
    multiplier: Array
    work: Array
    square: Array


class InteriorPoint:
    """The method for one set of limits.

    Parameters
    ----------
    xp : module
        Namespace of the arrays.
    limits : tuple of Rows
        The limits.
    free : array, shape (samples,), or None
        1, and 0 for samples that stay where they are.
    """

    def __init__(self, xp: Namespace, limits: tuple[Rows, ...], free: Array | None) -> None:
        self.xp, self.limits, self.free = xp, limits, free

    def nearest(
        self,
        c: Array,
        inside: Array,
        todo: Array,
        *,
        start: Iterate | None,
        tolerance: float,
        iterations: int,
    ) -> Solution:
        """Return the curves nearest to `c`.

        Parameters
        ----------
        c : array, shape (d, shots, samples)
            Where they should be.
        inside : array, shape (d, shots, samples)
            Curves strictly within the limits; those of fixed samples are kept.
        todo : array, shape (shots,), bool
            Which shots to move; the others stay inside.
        start : Iterate or None
            The `warm` iterate of a problem with the same limits.
        tolerance : float
            Largest gap of a shot, relative to its distance.
        iterations : int
            Largest number of iterations.
        """
        xp = self.xp
        shots = self._begin(c, inside, start)
        finished = [shots.pick(xp, ~todo)]
        shots = shots.pick(xp, todo)
        gap = self._gap(shots)
        for iteration in range(iterations + 1):
            distance = half_squared(xp, shots.x - shots.c)
            shots = self._remember(shots, gap <= REMEMBERED * distance)
            done = (gap <= tolerance * distance) | (iteration == iterations)
            if bool(xp.any(done)):
                finished.append(shots.pick(xp, done))
                shots = shots.pick(xp, ~done)
            if bool(xp.all(done)):
                break
            following = self._advance(shots)
            gap = self._gap(following)
            sound = xp.isfinite(gap)
            # Where rounding has ruined the step, the last iterate is the result.
            if not bool(xp.all(sound)):
                finished.append(shots.pick(xp, ~sound))
                following, gap = following.pick(xp, sound), xp.take(gap, xp.nonzero(sound)[0])
            shots = following
        return self._join(finished, iteration)

    def _begin(self, c: Array, inside: Array, start: Iterate | None) -> Shots:
        """Return the first state: of the shots to which `start` is close that, else `inside`."""
        xp = self.xp
        v, slacks = self._rows(inside)
        distance = self._total(0.5 * (inside - c) ** 2)
        mean = FIRST_WEIGHT * distance / self._count(slacks)
        multipliers = tuple(mean / s for s in slacks)
        cold = Iterate(inside, multipliers)
        index = xp.arange(c.shape[1])
        warmed = xp.zeros(c.shape[1], dtype=xp.bool)
        shots = Shots(index, c, inside, v, slacks, multipliers, cold, warmed)
        if start is None:
            return shots
        x = start.x if self.free is None else xp.where(self.free > 0, start.x, inside)
        v, slacks = self._rows(x)
        warm = Shots(index, c, x, v, slacks, start.multipliers, start, warmed)
        near = self._gap(warm) <= TAKEN_UP * half_squared(xp, x - c)
        for s in slacks:  # of other limits, it may lie outside
            near = near & xp.all(s > 0, axis=(0, 2))

        def chosen(a: Array, b: Array) -> Array:
            return xp.where(near[:, None], a, b)

        x = chosen(x, inside)
        multipliers = tuple(map(chosen, start.multipliers, multipliers))
        v, slacks = self._rows(x)
        return Shots(index, c, x, v, slacks, multipliers, Iterate(x, multipliers), warmed)

    def _remember(self, shots: Shots, close: Array) -> Shots:
        """Keep the first iterate of each shot that is close to the solution but not very."""
        xp = self.xp
        new = close & ~shots.warmed
        if not bool(xp.any(new)):
            return shots
        now = Iterate(shots.x, shots.multipliers)

        def kept(a: Array, b: Array) -> Array:
            return xp.where(new[:, None], a, b)

        pairs = zip(now.multipliers, shots.warm.multipliers, strict=True)
        warm = Iterate(kept(now.x, shots.warm.x), tuple(kept(a, b) for a, b in pairs))
        return replace(shots, warm=warm, warmed=shots.warmed | close)

    def _join(self, finished: list[Shots], iterations: int) -> Solution:
        """Return the shots in their order."""
        xp = self.xp
        order = xp.argsort(xp.concat([shots.index for shots in finished]))

        def joined(arrays: Any) -> Array:
            return xp.take(xp.concat(list(arrays), axis=1), order, axis=1)

        def each(tuples: Any) -> tuple[Array, ...]:
            return tuple(map(joined, zip(*tuples, strict=True)))

        return Solution(
            x=joined(shots.x for shots in finished),
            q=each(self._dual(shots) for shots in finished),
            iterations=iterations,
            warm=Iterate(
                joined(shots.warm.x for shots in finished),
                each(shots.warm.multipliers for shots in finished),
            ),
        )

    def _advance(self, shots: Shots) -> Shots:
        """Return the state after one iteration."""
        xp, c, x = self.xp, shots.c, shots.x
        v, slacks, multipliers = shots.v, shots.slacks, shots.multipliers
        ratios = tuple(m / s for m, s in zip(multipliers, slacks, strict=True))
        terms = list(zip(v, multipliers, ratios, strict=True))
        pairs = hessian(xp, self.limits, terms, self.free, 1.0)
        solve = factor(xp, pairs, x.shape[0])
        if solve is None:
            return replace(shots, x=x * xp.nan)
        count = self._count(slacks)
        mean = self._sum(m * s for m, s in zip(multipliers, slacks, strict=True)) / count

        # Predict: aim at products of zero.
        steps = self._directions(shots, solve(self._at_free(c - x)), (0.0,) * len(v))
        length = self._longest(shots, steps, 1.0)
        after = self._sum(m * s for m, s in self._moved(shots, steps, length)) / count
        kept = xp.clip(after / mean, 0.0, 1.0) ** 2

        # Correct: the step changes s by |A dx|^2 / 2 more than its linear part, the products by
        # that of both changes, and the gradient by A^T of the change of lambda times that of v.
        # A short prediction says little of this. What is kept of the products is kept of the
        # gradient, too: a step towards the middle of the slacks would else be as short.
        aims = tuple(
            kept * mean + length * (m * step.square + step.multiplier * step.work)
            for m, step in zip(multipliers, steps, strict=True)
        )
        gradient = sum(
            rows.adjoint(xp, w * (aim / s - kept * m) + length * step.multiplier * step.v)
            for rows, w, aim, s, m, step in zip(
                self.limits, v, aims, slacks, multipliers, steps, strict=True
            )
        )
        dx = solve(self._at_free((1 - kept) * (c - x) - gradient))
        steps = self._directions(shots, dx, aims)
        length = self._longest(shots, steps, TO_BOUNDARY)
        for _ in range(10):
            products = [m * s for m, s in self._moved(shots, steps, length)]
            least = xp.min(xp.stack([xp.min(p, axis=(0, 2)) for p in products]), axis=0)
            lopsided = least[:, None] < CENTRED * self._sum(products) / count
            if not bool(xp.any(lopsided)):
                break
            length = xp.where(lopsided, SHORTER * length, length)
        moved = self._moved(shots, steps, length)
        return replace(
            shots,
            x=x + length * dx,
            v=tuple(w + length * step.v for w, step in zip(v, steps, strict=True)),
            slacks=tuple(s for _, s in moved),
            multipliers=tuple(m for m, _ in moved),
        )

    def _directions(self, shots: Shots, dx: Array, aims: tuple[Any, ...]) -> list[Direction]:
        """Return the steps of the rows: ``(aim + lambda v . dv) / s - lambda`` of lambda."""
        steps = []
        for rows, v, s, m, aim in zip(
            self.limits, shots.v, shots.slacks, shots.multipliers, aims, strict=True
        ):
            dv = rows.forward(self.xp, dx)
            work = rows.inner(self.xp, v, dv)
            square = 0.5 * rows.inner(self.xp, dv, dv)
            steps.append(Direction(dv, (aim + m * work) / s - m, work, square))
        return steps

    def _longest(self, shots: Shots, steps: list[Direction], part: float) -> Array:
        """Return the longest steps, at most 1, that go `part` of the way to the boundary."""
        xp = self.xp
        inverse: Any = 1.0
        for s, m, step in zip(shots.slacks, shots.multipliers, steps, strict=True):
            root = step.work + xp.sqrt(step.work**2 + 4 * part * s * step.square)
            sooner = xp.maximum(-step.multiplier / m, root / (2 * s)) / part
            inverse = xp.maximum(xp.max(sooner, axis=(0, 2))[:, None], inverse)
        return 1 / inverse

    def _moved(
        self, shots: Shots, steps: list[Direction], length: Array
    ) -> list[tuple[Array, Array]]:
        """Return multipliers and slacks after a step: slacks by their change, which rounds less."""
        return [
            (m + length * step.multiplier, s - length * (step.work + length * step.square))
            for s, m, step in zip(shots.slacks, shots.multipliers, steps, strict=True)
        ]

    def _gap(self, shots: Shots) -> Array:
        """Return the duality gap of each shot."""
        q = self._dual(shots)
        return duality_gap(self.xp, self.limits, self.free, shots.x - shots.c, shots.v, q)

    def _dual(self, shots: Shots) -> tuple[Array, ...]:
        """Return ``q = lambda v``."""
        return tuple(m * v for m, v in zip(shots.multipliers, shots.v, strict=True))

    def _rows(self, x: Array) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        """Return ``v`` and the slacks of a curve."""
        xp = self.xp
        v = tuple(rows.forward(xp, x) for rows in self.limits)
        pairs = zip(self.limits, v, strict=True)
        return v, tuple(0.5 * (1 - rows.inner(xp, w, w)) for rows, w in pairs)

    def _at_free(self, x: Array) -> Array:
        return x if self.free is None else x * self.free

    def _total(self, x: Array) -> Array:
        """Return the sum of each shot, shape (shots, 1)."""
        return self.xp.sum(x, axis=(0, 2))[:, None]

    def _sum(self, arrays: Any) -> Array:
        return sum(map(self._total, arrays))

    def _count(self, arrays: tuple[Array, ...]) -> int:
        """Return the number of rows of one shot."""
        return sum(a.shape[0] * a.shape[2] for a in arrays)


def duality_gap(
    xp: Namespace,
    limits: tuple[Rows, ...],
    free: Array | None,
    moved: Array,
    v: tuple[Array, ...],
    q: tuple[Array, ...],
) -> Array:
    r"""Return by how much half the squared distance of each shot exceeds the least one at most.

    For any ``q``, the dual function is the minimum over x of
    :math:`\tfrac12 \|x - c\|^2 + \langle q, A x \rangle - \sum_i |q_i|`, so that the gap of a curve
    ``x = c + moved`` within the limits is
    :math:`\tfrac12 \|x - c + A^T q\|^2 + \sum_i (|q_i| - q_i \cdot v_i)`, with the first norm taken
    over the free samples.
    """
    residual = moved + sum(rows.adjoint(xp, a) for rows, a in zip(limits, q, strict=True))
    gap = half_squared(xp, residual if free is None else residual * free, least=0.0)
    for rows, w, a in zip(limits, v, q, strict=True):
        excess = xp.sqrt(rows.inner(xp, a, a)) - rows.inner(xp, a, w)
        gap = gap + xp.sum(excess, axis=(0, 2))
    return gap


def half_squared(xp: Namespace, x: Array, least: float = LEAST) -> Array:
    """Return half the squared length of each shot, with a root mean square of at least `least`."""
    total: Array = 0.5 * xp.sum(x**2, axis=(0, 2))
    return xp.clip(total, min=0.5 * least**2 * x.shape[-1])
