"""Limited-memory BFGS for many problems at once, each with steps and pairs of its own.

The formulas are those of `lbfgs`, entry by entry for all problems. A trial of each problem is
evaluated at once; some problems then reach their next point, others go on with their search.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from array_api_compat import array_namespace

from optim._checkpoint import Checkpoint
from optim._evaluation import STEEP, STEP_SIZES, TRIALS, pair, projected, rounding
from optim._lbfgs_constants import (
    DECREASE,
    FLATTER,
    FLOOR,
    HIDDEN,
    INNER_ACCURACY,
    INNER_MEMORY,
    INNER_STEPS,
    KEPT,
    STEEPNESS,
    UNSEEN,
)
from optim._loop import NotFinite, Result, Step, run
from optim._stationarity import lost
from optim._tree import Array, Projection, apply_projection, check_alike, describe, is_array
from optim._vectors import products, ratio, scaled, squares, wide_real


class Points(NamedTuple):
    """A point of each problem, with its value and gradient; `value` has axes of length one."""

    params: Array
    value: Array
    gradient: Array


class Search(NamedTuple):
    """The search of each problem: along `direction`, between `low` and `high`, next at `factor`.

    At the factor 1 it is at `goal`, which lies in the set; rounding may put ``p + (q - p)``
    outside.

    `lower` is the point at `low`, and `lower_slope` the slope there.
    """

    goal: Array
    direction: Array
    slope: Array
    factor: Array
    low: Array
    high: Array
    lower: Points
    lower_slope: Array
    trials: Array


class BatchLBFGSState(NamedTuple):
    """State of `lbfgs` with `axes`: evaluations but the first ones, and fields of each problem.

    `s` and `y` are the pairs from old to new, along a first axis; where there is none yet they
    are zero. Problems at `rest` stay where they are, as they have `converged` or found no better
    point.
    """

    step: int
    point: Points | None
    s: Array
    y: Array
    step_size: Array
    squares: Array
    search: Search | None
    rest: Array
    converged: Array


def minimize_each(
    call: str,
    value_and_grad: Callable[[Array], Any],
    params: Array,
    projection: Projection | None,
    vector: tuple[int, ...],
    *,
    steps: int,
    memory: int,
    diagonal: bool,
    tolerance: float,
    callback: Callable[[int, float, Array], object] | None,
    progress: bool,
    checkpoint: Checkpoint | None,
    settings: Mapping[str, Any],
) -> Result:
    """Minimise the functions of the vectors along some axes."""
    xp = array_namespace(params)
    each = Problems(call, value_and_grad, projection, params, xp, vector, diagonal, tolerance)

    def start() -> Step:
        return reached(each.started(memory))

    def advance(result: Result) -> Step:
        state: BatchLBFGSState = result.state
        return reached(each.advanced(state)._replace(step=state.step + 1))

    def reached(state: Any) -> Step:
        over = bool(xp.all(state.rest))
        met = over and bool(xp.all(state.converged))
        loss = float(xp.sum(state.point.value))
        return Step(loss, state.point.params, state, last=over, converged=met)

    nothing = BatchLBFGSState(0, None, None, None, None, None, None, None, None)
    result = run(
        call, start, advance, params, nothing, steps, callback, progress, checkpoint, settings
    )
    # A problem may have improved by less than the last digit of the sum.
    return result._replace(best_params=result.params)


@dataclass(frozen=True)
class Problems:
    """The functions of the vectors along the axes `vector`, and what `lbfgs` does with them."""

    call: str
    value_and_grad: Callable[[Array], Any]
    projection: Projection | None
    like: Array
    xp: Any
    vector: tuple[int, ...]
    diagonal: bool
    tolerance: float

    def inner(self, a: Array, b: Array) -> Array:
        """Return ``Re sum conj(a) b`` of each problem."""
        return products(self.xp, a, b, self.vector)

    def square(self, a: Array) -> Array:
        """Return ``|a|^2`` of each problem."""
        return squares(self.xp, a, self.vector)

    def times(self, a: Array, v: Array) -> Array:
        """Return ``a v``, where `a` alone may be out of the range of single precision."""
        return scaled(self.xp, v, a)

    def largest(self, v: Array) -> Array:
        """Return the largest modulus of each problem, or 1 if that is zero."""
        top = wide_real(self.xp, self.xp.max(self.xp.abs(v), axis=self.vector, keepdims=True))
        return self.xp.where(top > 0, top, 1.0)

    def clipped(self, a: Array) -> Array:
        """Return step sizes, clipped to numbers that products can hold."""
        info = self.xp.finfo(a.dtype)
        least, most = float(info.smallest_normal), float(info.max)
        return self.xp.clip(a, max(STEP_SIZES[0], least), min(STEP_SIZES[1], most))

    def rounding(self) -> float:
        """Return the relative error that a sum in the precision of the parameters may have."""
        return rounding(self.like)

    def project(self, p: Array) -> Array:
        """Return the projection of `p`."""
        if self.projection is None:
            return p
        return projected(self.call, self.projection, p, self.like)

    def evaluated(self, p: Array, instead: Array) -> tuple[Points, Array]:
        """Return the points at `p` and where value and gradient are finite.

        A problem whose `p` is not finite is evaluated at another point, and counts as not finite.
        """
        xp = self.xp
        inside = self.all(xp.isfinite(p))
        p = xp.where(inside, p, instead)
        # A copy: the function may write into its argument; later it may fill its results again.
        value, gradient = pair(self.call, self.value_and_grad(xp.asarray(p, copy=True)))
        check_alike(self.call, "the gradient", gradient, self.like)
        value = as_values(self.call, value, self.like, self.vector)
        finite = inside & xp.isfinite(value) & self.all(xp.isfinite(gradient))
        gradient = xp.where(finite, gradient, xp.zeros_like(gradient))
        return Points(p, xp.where(finite, value, math.inf), gradient), finite

    def all(self, true: Array) -> Array:
        """Return for each problem whether all of its entries are true."""
        return self.xp.all(true, axis=self.vector, keepdims=True)

    # --- the first matrix

    def relative_squares(self, g: Array) -> Array:
        """Return ``|g_i|^2 / max_j |g_j|^2``."""
        return self.xp.abs(self.times(self.clipped(1 / self.largest(g)), g)) ** 2

    def weighted(self, squares: Array, v: Array, power: int = -1) -> Array:
        """Return ``D v``, or ``D^-1 v`` for the power 1."""
        if not self.diagonal:
            return v
        top = self.xp.max(squares, axis=self.vector, keepdims=True)
        roots = (squares / self.xp.where(top > 0, top, 1.0)) ** 0.5
        return v * (roots + FLOOR) ** (power * STEEPNESS)

    # --- the model

    def inverse_product(self, state: BatchLBFGSState, v: Array) -> Array:
        """Return ``H v`` by both loops; pairs are scaled to ``<s, y> = 1``."""
        parts = []
        pairs = [(state.s[i, ...], state.y[i, ...]) for i in range(*self.filled(state))]
        for s, y in reversed(pairs):
            parts.append(self.inner(s, v))
            v = v - self.times(parts[-1], y)
        v = self.times(state.step_size, self.weighted(state.squares, v))
        for s, y in pairs:
            v = v + self.times(parts.pop() - self.inner(y, v), s)
        return v

    def filled(self, state: BatchLBFGSState) -> tuple[int, int]:
        """Return the range of pairs that some problem may have by now."""
        memory = state.s.shape[0]
        return max(0, memory - state.step - 1), memory

    def hessian(self, state: BatchLBFGSState) -> Callable[[Array], Array]:
        """Return ``v -> B v``, where ``B = B0 + sum_i y_i y_i^H - b_i b_i^H``."""
        rows: list[tuple[Array, Array]] = []

        def applied(v: Array) -> Array:
            Bv = self.times(1 / state.step_size, self.weighted(state.squares, v, power=1))
            for y, b in rows:
                along = self.inner(y, v), self.inner(b, v)
                Bv = Bv + self.times(along[0], y) - self.times(along[1], b)
            return Bv

        for i in range(*self.filled(state)):
            s, y = state.s[i, ...], state.y[i, ...]
            Bs = applied(s)
            sBs = self.inner(s, Bs)
            rows.append((y, self.times(ratio(self.xp, self.xp.sqrt(abs(sBs)), sBs), Bs)))
        return applied

    def model_minimum(
        self, state: Any, B: Callable[[Array], Array], q: Array, within: Array
    ) -> Array:
        """Return the minima of the models on the set, from `q`; those `within` are there.

        Spectral projected gradients, as for one problem, but for a step that is rejected: on a
        quadratic the minimum of a segment is known.
        """
        xp = self.xp
        p, _, g = state.point
        d = q - p
        Bd = B(d)
        value = self.inner(g, d) + self.inner(d, Bd) / 2
        uphill = value > 0
        slope = g + xp.where(uphill, xp.zeros_like(Bd), Bd)
        q, value, a = xp.where(uphill, p, q), xp.where(uphill, 0.0, value), state.step_size
        lowest, best, last = value, q, [value]
        first = self.project(p - self.times(a, g)) - p
        unit, enough = a, INNER_ACCURACY * xp.sqrt(self.square(first)) / a
        for _ in range(INNER_STEPS):
            d = self.project(q - self.times(a, slope)) - q
            d2 = self.square(d)
            # At least the norm by the first step size: it rises with that, and less than in
            # proportion.
            moves = ~within & (xp.sqrt(d2) / xp.minimum(a, unit) > enough)
            if not bool(xp.any(moves)):
                break
            Bd = B(d)
            curvature = self.inner(d, Bd)
            # The projection implies the second; rounding of <slope, d> may hide it.
            descent = xp.maximum(-self.inner(slope, d), d2 / a)
            # Not above the highest of the last values; or else to the minimum of the segment.
            rise = xp.max(xp.stack(last[-INNER_MEMORY:]), axis=0) - value
            whole = curvature / 2 - descent <= rise - DECREASE * descent
            t = xp.where(whole, 1.0, ratio(xp, descent, curvature))
            t = xp.where(moves, xp.minimum(t, xp.ones_like(t)), 0.0)
            q, slope = q + self.times(t, d), slope + self.times(t, Bd)
            value = value - t * descent + t**2 * curvature / 2
            last.append(value)
            best = xp.where(value < lowest, q, best)
            lowest = xp.minimum(value, lowest)
            a = xp.where(moves & (curvature > 0), self.clipped(ratio(xp, d2, curvature)), a)
        return best

    # --- the search

    def started(self, memory: int) -> BatchLBFGSState:
        """Return the state at the projection of the start, with the first trial."""
        xp = self.xp
        p = xp.asarray(self.project(self.like), copy=True)
        point, finite = self.evaluated(p, p)
        if not bool(xp.all(finite)):
            bad = int(xp.count_nonzero(~finite))
            of = math.prod(finite.shape)
            fault = f"the loss or the gradient is not finite in {bad} of {of} problems"
            raise NotFinite(fault)
        squares = self.relative_squares(point.gradient)
        pairs = xp.stack([xp.zeros_like(p)] * memory)
        step_size = self.first_step_size(point, squares)
        rest = xp.zeros_like(finite)
        state = BatchLBFGSState(0, point, pairs, pairs, step_size, squares, None, rest, rest)
        return self.searching(self.rested(state), ~rest)

    def first_step_size(self, point: Points, squares: Array) -> Array:
        """Return the inverse of the curvature along the first step."""
        xp = self.xp
        p, f, g = point
        v = self.weighted(squares, g)
        t = self.clipped(self.largest(p) / self.largest(v))
        found = xp.zeros_like(f, dtype=xp.bool)
        size = t
        for _ in range(TRIALS):
            q = self.project(p - self.times(t, v))
            d = q - p
            new, finite = self.evaluated(q, p)
            y = new.gradient - g
            # On a parabola the value rises above the tangent by half of <d, y>.
            rise = new.value - f - self.inner(g, d)
            gentle = self.inner(d, y) <= STEEP * (rise + self.rounding() * xp.abs(f))
            good = ~found & finite & (gentle | (new.value <= f))
            ty = self.times(t, y)  # has the scale of d
            along = self.inner(d, ty)
            across = self.inner(ty, self.weighted(squares, ty))
            best = xp.where(along > 0, self.clipped(t * ratio(xp, along, across)), t)
            size, found = xp.where(good, best, size), found | good
            if bool(xp.all(found)):
                break
            t = xp.where(found, t, t / 10)
            size = xp.where(found, size, t)
        return size

    def advanced(self, state: Any) -> BatchLBFGSState:
        """Evaluate the trials, and go on with each search or begin the next."""
        xp = self.xp
        point: Points = state.point
        search: Search = state.search
        d, slope, t, low = search.direction, search.slope, search.factor, search.low
        active = ~state.rest
        at = xp.where(t == 1, search.goal, point.params + self.times(t, d))
        new, finite = self.evaluated(xp.where(active, at, point.params), point.params)
        change = self.inner(new.gradient - point.gradient, d)
        slope_t, width = slope + change, t - low
        small = self.rounding() * xp.abs(point.value)
        hidden = (new.value <= point.value + small) & (slope_t <= -HIDDEN * slope)
        falls = finite & (hidden | (new.value <= point.value + DECREASE * t * slope))
        longest = math.inf if self.projection is None else 1.0
        accepted = active & falls & ((slope_t >= FLATTER * slope) | (t >= longest))
        farther = falls & ~accepted
        # The root of the slope along the secant, clipped.
        high = search.high
        bend = ratio(xp, slope_t - search.lower_slope, width)
        ahead = xp.where(bend > 0, ratio(xp, -slope_t, bend), math.inf)
        open_ended, room = xp.isinf(high), high - t
        nearest = xp.where(open_ended, t, 0.1 * room)
        longer = t + xp.clip(ahead, nearest, xp.where(open_ended, 9 * t, 0.9 * room))
        # The minimum of the parabola through both values and the slope, clipped.
        bend = new.value - search.lower.value - search.lower_slope * width
        ahead = xp.where(bend > 0, ratio(xp, -search.lower_slope * width**2, 2 * bend), width)
        shorter = low + xp.clip(ahead, 0.1 * width, 0.5 * width)
        shorter = xp.where(finite, shorter, low + 0.1 * width)

        after = xp.where(farther, longer, shorter)
        low, high = xp.where(farther, t, low), xp.where(farther, high, t)
        still = self.square(self.times(after, d) + point.params - point.params) == 0
        unseen = (search.trials >= UNSEEN) & (-slope * after <= small)
        spent = (after == low) | (after == high) | still | unseen | (search.trials >= TRIALS)
        lower = chosen(xp, farther, new, search.lower)
        ended = active & ~accepted & spent
        taken = accepted | (ended & (low > 0))
        failed = ended & ~(low > 0)
        search = search._replace(
            factor=after,
            low=low,
            high=high,
            lower=lower,
            lower_slope=xp.where(farther, slope_t, search.lower_slope),
            trials=search.trials + 1,
        )
        state = state._replace(search=search)
        if bool(xp.any(taken)):
            found = chosen(xp, accepted, new, lower)
            state = self.rested(self.with_pair(state, found, taken))
        if bool(xp.any(failed)):
            state = self.without_pairs(state, failed)
        begins = (taken | failed) & ~state.rest
        return self.searching(state, begins) if bool(xp.any(begins)) else state

    def rested(self, state: BatchLBFGSState) -> BatchLBFGSState:
        """Let the problems rest that meet the tolerance."""
        if self.tolerance == 0 or state.point is None:
            return state
        p, _, g = state.point
        to = g
        if self.projection is not None:
            to = apply_projection(self.projection, p - g) - p
        most = self.tolerance**2
        met = (self.square(to) <= most) & (self.square(lost(p, g)) <= most)
        return state._replace(rest=state.rest | met, converged=state.converged | met)

    def without_pairs(self, state: BatchLBFGSState, where: Array) -> BatchLBFGSState:
        """Forget the pairs of some problems; let those rest that have none."""
        xp = self.xp
        nothing = xp.zeros_like(state.s)
        return state._replace(
            s=xp.where(where, nothing, state.s),
            y=xp.where(where, nothing, state.y),
            rest=state.rest | (where & ~self.paired(state)),
        )

    def paired(self, state: BatchLBFGSState) -> Array:
        """Return which problems have pairs."""
        return self.xp.any(state.s[-1, ...] != 0, axis=self.vector, keepdims=True)

    def searching(self, state: Any, begins: Array) -> BatchLBFGSState:
        """Begin a search in some problems, along the gradient if the model has no descent."""
        xp = self.xp
        goal, d, slope = self.direction(state)
        again = begins & ~(slope < 0)
        if bool(xp.any(again)):
            state = self.without_pairs(state, again)
            goal, d, slope = self.direction(state)
            state = state._replace(rest=state.rest | (again & ~(slope < 0)))
        zero = xp.zeros_like(slope)
        fresh = Search(
            goal, d, slope, zero + 1, zero, zero + math.inf, state.point, slope, zero + 1
        )
        search = fresh if state.search is None else chosen(xp, begins, fresh, state.search)
        searching: BatchLBFGSState = state._replace(search=search)
        return searching

    def direction(self, state: Any) -> tuple[Array, Array, Array]:
        """Return the minimum `q` of the model, ``d = q - p``, and the slope along it."""
        xp = self.xp
        p, _, g = state.point
        free = p - self.inverse_product(state, g)
        q = self.project(free)
        # A step that rounds to nothing, before there are pairs, is too short.
        v = self.weighted(state.squares, g)
        long = self.clipped(self.largest(p) / self.largest(v))
        short = (self.square(q - p) == 0) & ~self.paired(state)
        if bool(xp.any(short)):
            free = xp.where(short, p - self.times(long, v), free)
            q = xp.where(short, self.project(free), q)
        if self.projection is None:
            return q, q - p, self.inner(g, q - p)
        B = self.hessian(state)
        simple = short if self.diagonal else short | ~self.paired(state)
        within = simple | (self.square(q - free) == 0)
        if not bool(xp.all(within)):
            q = self.model_minimum(state, B, q, within)
        d = q - p
        # The minimum of the model implies the second; rounding of <g, d> may hide it.
        slope = self.inner(g, d)
        return q, d, xp.where(short, slope, xp.minimum(slope, -self.inner(d, B(d)) / 2))

    def with_pair(self, state: Any, found: Points, taken: Array) -> BatchLBFGSState:
        """Go to `found` where that is taken, with a pair and the first matrix from the step."""
        xp, a = self.xp, state.step_size
        before = state.point
        squares = state.squares
        if self.diagonal:
            more = KEPT * squares + self.relative_squares(found.gradient)
            squares = xp.where(taken, more, squares)
        s = found.params - before.params
        # a y instead of y: the square of y may underflow, while a y has the scale of p.
        ay = self.times(a, found.gradient - before.gradient)
        s_ay, s_s, ay_ay = self.inner(s, ay), self.square(s), self.square(ay)
        curved = taken & (s_ay > self.rounding() * xp.sqrt(s_s * ay_ay))
        root = ratio(xp, xp.sqrt(a), xp.sqrt(xp.maximum(s_ay, xp.zeros_like(s_ay))))
        next_s, next_y = self.times(root, s), self.times(root / a, ay)
        size = self.clipped(a * ratio(xp, s_ay, self.inner(ay, self.weighted(squares, ay))))
        # No curvature, or rounding: go farther.
        other = xp.where(taken & (s_ay <= 0), self.clipped(10 * a), a)
        after: BatchLBFGSState = state._replace(
            point=chosen(xp, taken, found, before),
            s=pushed(xp, curved, next_s, state.s),
            y=pushed(xp, curved, next_y, state.y),
            step_size=xp.where(curved, size, other),
            squares=squares,
        )
        return after


def as_values(call: str, value: Any, like: Array, vector: tuple[int, ...]) -> Array:
    """Return the losses with an axis of length one for each that makes a problem."""
    xp = array_namespace(like)
    others = tuple(n for axis, n in enumerate(like.shape) if axis not in vector)
    good = is_array(value) and array_namespace(value) is xp and value.shape == others
    if not good or not xp.isdtype(value.dtype, "real floating"):
        msg = (
            f"{call}: the loss is {describe(value)}; want real numbers of the shape {others}, "
            f"one for each problem, as arrays like {describe(like)}"
        )
        raise ValueError(msg)
    kept = tuple(1 if axis in vector else n for axis, n in enumerate(like.shape))
    return wide_real(xp, xp.reshape(value, kept))


def pushed(xp: Any, where: Array, v: Array, rows: Array) -> Array:
    """Return `rows` without the first and with `v` at the end, where that is so."""
    return xp.where(where, xp.concat([rows[1:, ...], v[None, ...]], axis=0), rows)


def chosen(xp: Any, where: Array, new: Any, old: Any) -> Any:
    """Return the arrays of `new` where that is so, and those of `old` elsewhere."""
    if isinstance(old, tuple):
        return type(old)(*(chosen(xp, where, n, o) for n, o in zip(new, old, strict=True)))
    return xp.where(where, new, old)
