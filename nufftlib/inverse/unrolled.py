r"""Some steps of an iteration as a map, with the exact derivative of what they compute.

A step takes a state, such as two images, to the next one. Its author writes the change of the
new state by a change of the old one and of the parameters, and the gradients the other way.
`Unrolled` chains the steps: forward with nothing kept, and backward from checkpoints. It keeps the
state before each stretch of about :math:`\sqrt K` steps, and goes through a stretch once more when
its gradients are wanted: :math:`2 \sqrt K` states in all, for one run of the iteration more.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import final

from nufftlib.core.arrays import Array, namespace, project_like
from nufftlib.core.inner import inner
from nufftlib.core.kinds import flag, instance, integer, positive
from nufftlib.core.operator import LinearOperator, added, parameter
from nufftlib.core.tree import is_array
from nufftlib.inverse.differential import (
    Differentiable,
    Differential,
    Direction,
    Gradients,
    changes,
    forms,
    gather,
    number_or_parameter,
    owns,
)
from nufftlib.inverse.penalized import PenalizedLeastSquares, beginning
from nufftlib.inverse.penalties import products
from nufftlib.inverse.problem import Slope

State = tuple[Array, ...]
"""The arrays that an iteration goes on with; the first is its result."""


class Step:
    """A new state, with its derivative by the old one and by the parameters.

    Of the first step the data take the place of the old state.
    """

    state: State

    @abstractmethod
    def tangent(self, change: State, direction: Direction) -> State:
        """Return the change of the new state."""

    @abstractmethod
    def cotangents(self, z: State, names: Collection[str]) -> tuple[State, Gradients]:
        """Return the gradients of ``<z, new state>`` by the old state and by the parameters."""


class Unrolled(Differentiable):
    """So many steps of an iteration towards a solution, as a map of the data."""

    problem: PenalizedLeastSquares
    steps: int

    @abstractmethod
    def begin(self, y: Array) -> Step:
        """Return the first state."""

    @abstractmethod
    def advance(self, k: int, state: State) -> Step:
        """Return the state after step `k`, from 0."""

    @final
    def outline(self, x: Array) -> Array:
        """Like the solution."""
        return self.problem.outline(x)

    def _checked(self, x: Array) -> None:
        self.problem.outline(x)

    @final
    def __call__(self, x: Array) -> Array:
        """Return the result of the last step."""
        self._checked(x)
        state = self.begin(x).state
        for k in range(self.steps):
            state = self.advance(k, state).state
        return state[0]

    @final
    def differential(self, x: Array) -> Differential:
        """Return the result of the last step with its derivative."""
        state = self.begin(x).state
        checkpoints: list[State] = []
        for k in range(self.steps):
            if k % self.stretch == 0:
                checkpoints.append(state)
            state = self.advance(k, state).state
        return UnrolledDifferential(self, x, tuple(checkpoints), state[0])

    @property
    def stretch(self) -> int:
        """The number of steps between two checkpoints, about the root of all."""
        return math.isqrt(self.steps - 1) + 1

    def settle(self) -> None:
        """Refuse a problem or a number of steps that is none."""
        call = type(self).__name__
        wish = "a PenalizedLeastSquares"
        instance(call, "problem", self.problem, PenalizedLeastSquares, wish)
        object.__setattr__(self, "steps", integer(call, "steps", self.steps, least=1))
        self._parameters  # noqa: B018  # merges the names


@dataclass(frozen=True, eq=False, repr=False)
class UnrolledDifferential(Differential):
    """The result of an unrolled iteration, with the states from which its stretches start."""

    unrolled: Unrolled
    y: Array
    checkpoints: tuple[State, ...]
    result: Array

    @property
    def value(self) -> Array:
        """The result."""
        return self.result

    def tangent(self, direction: Direction) -> Array:
        """Return the change of the result; the iteration runs once more, with its change."""
        f, dy = self.unrolled, direction.get(None)
        step = f.begin(self.y)
        change = step.tangent(
            (namespace(self.y).zeros_like(self.y) if dy is None else dy,), direction
        )
        for k in range(f.steps):
            step = f.advance(k, step.state)
            change = step.tangent(change, direction)
        return change[0]

    def cotangents(self, z: Array, names: Collection[str | None]) -> Gradients:
        """Return the gradients; stretch by stretch from the last, each run once more."""
        f = self.unrolled
        found: Gradients = {}
        own = [name for name in names if name is not None]
        back: State = ()
        for i in reversed(range(len(self.checkpoints))):
            state = self.checkpoints[i]
            stretch: list[Step] = []
            back = back or (z, *(namespace(a).zeros_like(a) for a in state[1:]))
            first = i * f.stretch
            for k in range(first, min(first + f.stretch, f.steps)):
                stretch.append(f.advance(k, state))
                state = stretch[-1].state
            while stretch:
                back, gradients = stretch.pop().cotangents(back, own)
                gather(found, gradients)
        (by_data,), gradients = f.begin(self.y).cotangents(back, own)
        gather(found, gradients)
        found[None] = project_like(namespace(by_data), by_data, self.y)
        return {name: found[name] for name in names}


# --- proximal gradient ----------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class UnrolledProximalGradient(Unrolled):
    r"""Some steps of proximal gradient descent, as a map of the data.

    With ``g`` the gradient of a problem, the step size ``a``, and ``t`` from 1, ::

        u  = x + t (z - x)
        z+ = soft(z - (a / t) g(u), (a / t) threshold)
        x+ = x + t (z+ - x)
        t+ = 2 / (1 + sqrt(1 + 4 / t^2))

    the method of `optim.accelerated_proximal_gradient` without its restarts; ``soft`` shortens
    entries by a threshold, for a penalty ``threshold |x|_1``. The derivatives are those of the
    result of the last step, not of the solution, and exact: by the data and by every parameter.

    Parameters
    ----------
    problem : PenalizedLeastSquares
        What is minimised. Its guess, or zero, is the start; its settings of an iteration are not
        used.
    steps : int
        Number of steps ``K``.
    step_size : float or array of zero dimensions
        ``a``, constant: at most the inverse of the largest eigenvalue of the Hessian. An array is a
        parameter, named ``step_size``; a number is not.
    threshold : float or array of zero dimensions
        Weight of the l1 norm, 0 or more. An array is a parameter, named ``threshold``.
    accelerated : bool
        If not, ``t`` stays 1: gradient descent, or with a threshold ISTA.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If a number is out of its range, or two parameters have one name.

    Notes
    -----
    A gradient runs the iteration twice, and back once, a directional derivative twice. Memory:
    ``2 sqrt(K)`` states of three images for a gradient, and one for a directional derivative.

    References
    ----------
    A. Griewank and A. Walther, "Evaluating derivatives", 2nd edition, SIAM, 2008, chapter 12
    (checkpoints).

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> A = nl.Diagonal(np.asarray([1.0, 0.5]))
    >>> f = nl.UnrolledProximalGradient(nl.PenalizedLeastSquares(A), steps=3, step_size=1.0)
    >>> x, J = f.linearize(np.asarray([1.0, 1.0]))
    >>> x.round(3), J.adjoint(np.ones(2)).round(3)
    (array([1.   , 1.235]), array([1.   , 1.235]))
    """

    problem: PenalizedLeastSquares
    steps: int
    step_size: Array | float = parameter()
    threshold: Array | float = parameter(default=0.0)
    accelerated: bool = True

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        call = "UnrolledProximalGradient"
        self.settle()
        number_or_parameter(self, "step_size")
        if not is_array(self.step_size):
            positive(call, "step_size", self.step_size)
        number_or_parameter(self, "threshold")
        object.__setattr__(self, "accelerated", flag(call, "accelerated", self.accelerated))

    @cached_property
    def momentum(self) -> list[float]:
        """The numbers ``t``."""
        found = [1.0]
        for _ in range(self.steps - 1):
            root = math.sqrt(1 + 4 / found[-1] ** 2)
            found.append(2 / (1 + root) if self.accelerated else 1.0)
        return found

    def begin(self, y: Array) -> Step:
        """Return ``x = z``, the start, and ``A^H W y``, which the steps need of the data."""
        return ProximalGradientStart(self.problem, y)

    def advance(self, k: int, state: State) -> Step:
        """Return the next ``x`` and ``z``."""
        return ProximalGradientStep(self, self.momentum[k], state)


class ProximalGradientStart(Step):
    """The state ``(x, z, b)`` of the start ``x = z``, with ``b = A^H W y``."""

    def __init__(self, problem: PenalizedLeastSquares, y: Array) -> None:
        self.backward, self.y, x = problem.backward, y, beginning(problem, y)
        self.state = (x, x, self.backward.apply(y))

    # db = A^H W dy + d(A^H W) y
    def tangent(self, change: State, direction: Direction) -> State:
        """Return the change of ``b``; the start does not change."""
        zero = namespace(self.y).zeros_like(self.state[0])
        return zero, zero, changed(self.backward, self.y, change[0], direction)

    def cotangents(self, z: State, names: Collection[str]) -> tuple[State, Gradients]:
        """Return the gradients by the data and by the parameters."""
        return (self.backward.adjoint(z[2]),), forms(self.backward, self.y, z[2], names)


class ProximalGradientStep(Step):
    """A step of `UnrolledProximalGradient` from the state ``(x, z, b)``.

    With the length ``l = a / t`` and the threshold ``s = l threshold`` of the step.
    """

    def __init__(self, method: UnrolledProximalGradient, t: float, state: State) -> None:
        self.method, self.t = method, t
        x, z, b = state
        self.slope = Slope(method.problem.normal, method.problem.penalty, x + t * (z - x))
        self.g = self.slope.value - b
        self.length = method.step_size / t
        self.soft = Shrinkage(z - self.length * self.g, self.length * method.threshold)
        new = self.soft.value
        self.state = (x + t * (new - x), new, b)

    # dz+ = soft'(dz - l dg - dl g) - ds p
    def tangent(self, change: State, direction: Direction) -> State:
        """Return the change of ``x``, ``z`` and ``b``."""
        t, method, (dx, dz, db) = self.t, self.method, change
        da, dthreshold = (
            direction.get(name, 0.0) if owns(method, name) else 0.0
            for name in ("step_size", "threshold")
        )
        dg = self.slope.tangent({**direction, None: dx + t * (dz - dx)}) - db
        dl, ds = da / t, (da / t) * method.threshold + self.length * dthreshold
        new = self.soft.along(dz - self.length * dg - dl * self.g) - ds * self.soft.phase
        return dx + t * (new - dx), new, db

    # The same, read from the other side.
    def cotangents(self, z: State, names: Collection[str]) -> tuple[State, Gradients]:
        """Return the gradients by ``x``, ``z``, ``b`` and the parameters."""
        t, method, (by_x, by_z, by_b) = self.t, self.method, z
        by_new = by_z + t * by_x
        by_s = -inner(by_new, self.soft.phase)
        by_z = self.soft.along(by_new)  # it is its own adjoint
        by_l = by_s * method.threshold - inner(by_z, self.g)
        by_g = -self.length * by_z
        found = self.slope.cotangents(by_g, (None, *names))
        by_u = found.pop(None)
        own = {"step_size": by_l / t, "threshold": by_s * self.length}
        gather(found, {name: own[name] for name in names if name in own and owns(method, name)})
        return ((1 - t) * (by_x + by_u), by_z + t * by_u, by_b - by_g), found


class Shrinkage:
    """Soft thresholding ``v -> v - s p`` with the phase ``p = v / |v|``, zero where ``|v| <= s``.

    Its derivative is ``dv - (s / |v|) (dv - p Re(conj(p) dv))``, which is self-adjoint, and
    ``-p ds``. At ``|v| = s > 0`` there is none, and zero is used; with ``s = 0`` it is ``dv``.
    """

    def __init__(self, v: Array, s: Array | float) -> None:
        xp = namespace(v)
        magnitude = xp.abs(v)
        kept = magnitude > s
        safe = xp.where(kept, magnitude, xp.ones_like(magnitude))
        self.phase = xp.where(kept, v / safe, xp.zeros_like(v))
        self.value = xp.where(kept, v - s * self.phase, xp.zeros_like(v))
        self.moving, self.part = kept | (s == 0), s / safe

    def along(self, dv: Array) -> Array:
        """Return the derivative along ``dv``."""
        across = dv - self.phase * products(self.phase, dv, None)
        return namespace(dv).where(self.moving, dv - self.part * across, 0.0 * dv)


# --- conjugate gradients --------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class UnrolledConjugateGradient(Unrolled):
    """Some steps of conjugate gradients for a problem without a penalty, as a map of the data.

    Such as the few steps of an iterative SENSE reconstruction, which regularise by being few. The
    result is not linear in the data: step sizes depend on them. The derivatives are those of the
    result of the last step, and exact: by the data and by every parameter.

    Parameters
    ----------
    problem : PenalizedLeastSquares
        What is minimised, without a penalty. Its guess, or zero, is the start; its settings of an
        iteration are not used.
    steps : int
        Number of steps ``K``.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If the problem has a penalty, or `steps` is less than 1.

    Notes
    -----
    Each item of a batch has step sizes of its own. One whose squared residual is
    too small to be divided by stays where it is, and its derivative is that of the steps before:
    data that are zero, or solved before the last step, have another one. `LeastSquares` has the
    derivative of the solution. Memory is as for `UnrolledProximalGradient`.

    Examples
    --------
    >>> import numpy as np
    >>> import nufftlib as nl
    >>> A = nl.Diagonal(np.asarray([1.0, 0.5]))
    >>> f = nl.UnrolledConjugateGradient(nl.PenalizedLeastSquares(A), steps=1)
    >>> x, J = f.linearize(np.asarray([1.0, 1.0]))
    >>> x.round(3), J.adjoint(np.ones(2)).round(3)
    (array([1.176, 0.588]), array([0.678, 1.087]))
    """

    problem: PenalizedLeastSquares
    steps: int

    def __post_init__(self) -> None:
        """Refuse a problem with a penalty."""
        self.settle()
        if self.problem.penalty is not None:
            msg = (
                "UnrolledConjugateGradient(problem): it has a penalty, whose gradient is not "
                "linear; want none, or UnrolledProximalGradient"
            )
            raise ValueError(msg)

    def begin(self, y: Array) -> Step:
        """Return the start, its residual and the direction."""
        return ConjugateGradientStart(self.problem, y)

    def advance(self, k: int, state: State) -> Step:
        """Return the next ``x``, ``r`` and ``p``."""
        return ConjugateGradientStep(self.problem, state)


class ConjugateGradientStart(Step):
    """The state ``(x, r, p)`` of the start ``x``, with ``p = r = A^H W y - N x``."""

    def __init__(self, problem: PenalizedLeastSquares, y: Array) -> None:
        self.backward, self.y, self.x = problem.backward, y, beginning(problem, y)
        self.normal = None if problem.guess is None else problem.normal
        r = self.backward.apply(y)
        r = r if self.normal is None else r - self.normal.apply(self.x)
        self.state = (self.x, r, r)

    # dr = A^H W dy + d(A^H W) y - dN x
    def tangent(self, change: State, direction: Direction) -> State:
        """Return the change of ``r = p``; the start does not change."""
        zero = namespace(self.y).zeros_like(self.x)
        dr = changed(self.backward, self.y, change[0], direction)
        if self.normal is not None:
            dr = dr - changed(self.normal, self.x, zero, direction)
        return zero, dr, dr

    def cotangents(self, z: State, names: Collection[str]) -> tuple[State, Gradients]:
        """Return the gradients by the data and by the parameters."""
        q = z[1] + z[2]
        found = forms(self.backward, self.y, q, names)
        if self.normal is not None:
            gather(found, forms(self.normal, self.x, -q, names))
        return (self.backward.adjoint(q),), found


class ConjugateGradientStep(Step):
    """A step from ``(x, r, p)``, with ``h = N p`` and ``a = |r|^2 / <p, h>``.

    ``x+ = x + a p``, ``r+ = r - a h``, ``c = |r+|^2 / |r|^2``, ``p+ = r+ + c p``.
    """

    def __init__(self, problem: PenalizedLeastSquares, state: State) -> None:
        self.normal, self.axes = problem.normal, problem.axes
        x, self.r, self.p = state
        xp = namespace(x)
        self.h = self.normal.apply(self.p)
        rr, ph = self.dot(self.r, self.r), self.dot(self.p, self.h)
        least = xp.finfo(rr.dtype).smallest_normal  # what can be divided by
        moves = (rr >= least) & (ph >= least)
        # 1 / |r|^2 and 1 / <p, h>, zero in an item that has come to its end.
        self.per_rr, self.per_ph = (
            xp.where(moves, 1.0 / xp.where(moves, d, xp.ones_like(d)), xp.zeros_like(d))
            for d in (rr, ph)
        )
        self.a = rr * self.per_ph
        self.s = self.r - self.a * self.h
        self.c = self.dot(self.s, self.s) * self.per_rr
        self.state = (x + self.a * self.p, self.s, self.s + self.c * self.p)

    def dot(self, a: Array, b: Array) -> Array:
        """Return ``<a, b>`` of each item."""
        return products(a, b, self.axes or tuple(range(a.ndim)))

    def tangent(self, change: State, direction: Direction) -> State:
        """Return the change of ``x``, ``r`` and ``p``."""
        dx, dr, dp = change
        dh = changed(self.normal, self.p, dp, direction)
        drr, dph = 2 * self.dot(self.r, dr), self.dot(dp, self.h) + self.dot(self.p, dh)
        da = (drr - self.a * dph) * self.per_ph
        ds = dr - da * self.h - self.a * dh
        dc = (2 * self.dot(self.s, ds) - self.c * drr) * self.per_rr
        return dx + da * self.p + self.a * dp, ds, ds + dc * self.p + self.c * dp

    # The same, from the last line to the first.
    def cotangents(self, z: State, names: Collection[str]) -> tuple[State, Gradients]:
        """Return the gradients by ``x``, ``r``, ``p`` and the parameters."""
        by_x, by_s, by_p = z
        by_c = self.dot(by_p, self.p) * self.per_rr
        by_s = by_s + by_p + (2 * by_c) * self.s
        by_a = (self.dot(by_x, self.p) - self.dot(by_s, self.h)) * self.per_ph
        by_h = -self.a * (by_s + by_a * self.p)
        by_rr = by_a - self.c * by_c
        by_r = by_s + (2 * by_rr) * self.r
        by_p = self.c * by_p + self.a * (by_x - by_a * self.h) + self.normal.apply(by_h)
        return (by_x, by_r, by_p), forms(self.normal, self.p, by_h, names)


def changed(A: LinearOperator, x: Array, dx: Array, direction: Direction) -> Array:
    """Return the change of ``A x``."""
    return added("f + g", [A.apply(dx), *changes(A, x, direction)])
