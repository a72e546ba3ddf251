"""Optimisers: pairs of pure functions, in the symbols of their papers."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from array_api_compat import array_namespace

from optim._settings import fraction, function, not_negative, number, positive
from optim._tree import Array, Params, check_alike, check_parameters, tree_map
from optim.schedules import Schedule, constant


class Optimizer:
    """An optimiser: how its state begins, and how one step changes parameters and state.

    Both functions are pure: they modify no array, and the state, a named tuple, is the only
    memory. Parameters are one real or complex floating-point array, or a mapping of name to
    array; gradients have the same names, shapes, dtypes and device. The gradient of a real
    loss `L` by a complex array is ``dL/dRe + i dL/dIm``.

    `update` returns the new parameters, not an increment to add to the old ones: a
    projected point plus a rounding error is no longer feasible, so that adding an
    increment after a projection would lose exactly the feasibility.

    The two functions need no checks of their own. The methods `init` and `update` check their
    arguments and call them; `unchecked_update` is the second function itself, for a loop that
    has checked the gradient already.

    Parameters
    ----------
    init : callable
        ``init(params) -> state``.
    update : callable
        ``update(gradient, state, params) -> (new_params, new_state)``.

    Notes
    -----
    Steps are ordinary array arithmetic. Torch records every step of tensors that require a
    gradient; detach them first.

    Examples
    --------
    Any pair of such functions is an optimiser. This one moves each entry by a fixed amount:

    >>> import numpy as np
    >>> import optim
    >>> sign_descent = optim.Optimizer(
    ...     init=lambda params: (),
    ...     update=lambda gradient, state, params: (params - 0.5 * np.sign(gradient), state),
    ... )
    >>> sign_descent.update(np.asarray([3.0, -0.1]), (), np.asarray([1.0, 1.0]))
    (array([0.5, 1.5]), ())
    """

    def __init__(
        self,
        init: Callable[[Params], Any],
        update: Callable[[Params, Any, Params], tuple[Params, Any]],
    ) -> None:
        function("Optimizer", "init", init)
        function("Optimizer", "update", update)
        self.unchecked_init = init
        self.unchecked_update = update

    def init(self, params: Params) -> Any:
        """Return the state before the first step; raise unless `params` are parameters."""
        check_parameters("Optimizer.init", params)
        return self.unchecked_init(params)

    def update(self, gradient: Params, state: Any, params: Params) -> tuple[Params, Any]:
        """Return the next parameters and state; raise unless `gradient` is like `params`."""
        check_alike("Optimizer.update", "the gradient", gradient, params)
        return self.unchecked_update(gradient, state, params)


class AdamState(NamedTuple):
    """State of `adam` and `adamw`: number of steps, and the two moments of the gradient.

    The second moment is kept as its root ``s = sqrt(v)``, which is in range where `g` is.
    """

    step: int
    m: Params
    s: Params


class SGDState(NamedTuple):
    """State of `sgd`: number of steps, and the decaying sum of the gradients."""

    step: int
    b: Params


def adam(
    learning_rate: float | Schedule, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8
) -> Optimizer:
    """Adam: steps scaled by running moments of the gradient.

    With the gradient `g` at the step ``t = 1, 2, ...`` and the learning rate `a`, ::

        m = b1 m + (1 - b1) g
        v = b2 v + (1 - b2) |g|^2
        p = p - a (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)

    Parameters
    ----------
    learning_rate : float or callable
        The learning rate `a`, or a schedule ``step -> a``, where the steps count from 0.
    b1, b2 : float
        Decay of the first and of the second moment, in [0, 1).
    eps : float
        Added to the root of the second moment, positive.

    Returns
    -------
    Optimizer
        The optimiser. Its state has the fields `step`, `m` and ``s = sqrt(v)``.

    Raises
    ------
    ValueError
        If a number is out of its range.

    Notes
    -----
    For a complex parameter `v` is real, so that a step does not depend on the origin of the
    phase. ``torch.optim.Adam`` scales the real and the imaginary part apart; for the same
    here, pass the two as real parameters.

    References
    ----------
    D. P. Kingma and J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015.

    Examples
    --------
    >>> import numpy as np
    >>> import optim
    >>> opt = optim.adam(0.1)
    >>> p = np.asarray([1.0, 1.0])
    >>> p, state = opt.update(np.asarray([5.0, -0.01]), opt.init(p), p)
    >>> p.round(6)
    array([0.9, 1.1])
    """
    return _adam("adam", learning_rate, b1, b2, eps)


def _adam(
    call: str, learning_rate: float | Schedule, b1: float, b2: float, eps: float
) -> Optimizer:
    rate = as_schedule(call, "learning_rate", learning_rate)
    b1, b2 = fraction(call, "b1", b1), fraction(call, "b2", b2)
    eps = positive(call, "eps", eps)  # with eps = 0, 0 / 0 where g = 0
    return Optimizer(_adam_init, partial(_adam_update, rate, b1, b2, eps))


def _adam_init(params: Params) -> AdamState:
    return AdamState(0, tree_map(_zeros, params), tree_map(_real_zeros, params))


def _adam_update(
    rate: Schedule,
    b1: float,
    b2: float,
    eps: float,
    gradient: Params,
    state: AdamState,
    params: Params,
) -> tuple[Params, AdamState]:
    t = state.step + 1
    m = tree_map(lambda m, g: b1 * m + (1 - b1) * g, state.m, gradient)
    s = tree_map(lambda s, g: _root_moment(b2, s, g), state.s, gradient)
    # The bias corrections are numbers: one joins the rate, one stands outside the root.
    step_size = rate(state.step) / (1 - b1**t)
    root = math.sqrt(1 - b2**t)
    new = tree_map(lambda p, m, s: p - step_size * m / (s / root + eps), params, m, s)
    return new, AdamState(t, m, s)


def adamw(
    learning_rate: float | Schedule,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.01,
) -> Optimizer:
    """AdamW: Adam with a decay of the parameters that its moments do not see.

    With the learning rate `a` of the step, the parameters become ``(1 - a weight_decay) p``.
    Adam takes its step from there.

    Parameters
    ----------
    learning_rate : float or callable
        The learning rate `a`, or a schedule ``step -> a``, where the steps count from 0.
    b1, b2, eps : float
        As in `adam`.
    weight_decay : float
        Rate of the decay, not negative.

    Returns
    -------
    Optimizer
        The optimiser. Its state has the fields `step`, `m` and ``s = sqrt(v)``.

    Raises
    ------
    ValueError
        If a number is out of its range.

    References
    ----------
    I. Loshchilov and F. Hutter, "Decoupled Weight Decay Regularization", ICLR 2019.

    Examples
    --------
    >>> import numpy as np
    >>> import optim
    >>> opt = optim.adamw(0.1, weight_decay=0.5)
    >>> p = np.asarray([1.0, 1.0])
    >>> p, state = opt.update(np.asarray([5.0, 0.0]), opt.init(p), p)
    >>> p.round(6)
    array([0.85, 0.95])
    """
    rate = as_schedule("adamw", "learning_rate", learning_rate)
    weight_decay = not_negative("adamw", "weight_decay", weight_decay)
    after_decay = _adam("adamw", rate, b1, b2, eps)

    update = partial(_adamw_update, rate, weight_decay, after_decay.unchecked_update)
    return Optimizer(after_decay.unchecked_init, update)


def _adamw_update(
    rate: Schedule,
    weight_decay: float,
    update: Callable[[Params, Any, Params], tuple[Params, Any]],
    gradient: Params,
    state: AdamState,
    params: Params,
) -> tuple[Params, AdamState]:
    keep = 1 - rate(state.step) * weight_decay
    return update(gradient, state, tree_map(lambda p: keep * p, params))


def sgd(learning_rate: float | Schedule, momentum: float = 0.0) -> Optimizer:
    """Gradient descent, with or without momentum.

    With the gradient `g` and the learning rate `a` of the step, from ``b = 0``, ::

        b = momentum b + g
        p = p - a b

    Parameters
    ----------
    learning_rate : float or callable
        The learning rate `a`, or a schedule ``step -> a``, where the steps count from 0.
    momentum : float
        The part of the last step's `b` that is kept, in [0, 1).

    Returns
    -------
    Optimizer
        The optimiser. Its state has the fields `step` and `b`.

    Raises
    ------
    ValueError
        If a number is out of its range.

    References
    ----------
    B. T. Polyak, "Some methods of speeding up the convergence of iteration methods",
    USSR Computational Mathematics and Mathematical Physics 4(5), 1964.

    Examples
    --------
    >>> import numpy as np
    >>> import optim
    >>> opt = optim.sgd(0.5)
    >>> p = np.asarray([1.0, 1.0])
    >>> p, state = opt.update(np.asarray([1.0, 2.0]), opt.init(p), p)
    >>> p
    array([0.5, 0. ])
    """
    rate = as_schedule("sgd", "learning_rate", learning_rate)
    momentum = fraction("sgd", "momentum", momentum)
    return Optimizer(_sgd_init, partial(_sgd_update, rate, momentum))


def _sgd_init(params: Params) -> SGDState:
    return SGDState(0, tree_map(_zeros, params))


def _sgd_update(
    rate: Schedule, momentum: float, gradient: Params, state: SGDState, params: Params
) -> tuple[Params, SGDState]:
    a = rate(state.step)
    b = tree_map(lambda b, g: momentum * b + g, state.b, gradient)
    return tree_map(lambda p, b: p - a * b, params, b), SGDState(state.step + 1, b)


def as_schedule(call: str, name: str, value: float | Schedule) -> Schedule:
    """Return a schedule of Python floats, none of which is negative."""
    if callable(value):
        return partial(_checked_rate, call, name, value)
    number(call, name, value, "a number or a schedule")
    return constant(not_negative(call, name, value))


def _checked_rate(call: str, name: str, schedule: Schedule, step: int) -> float:
    return not_negative(call, f"{name}({step})", schedule(step))


def _zeros(p: Array) -> Array:
    return array_namespace(p).zeros_like(p)


def _real_zeros(p: Array) -> Array:
    xp = array_namespace(p)
    return xp.zeros_like(xp.abs(p))


def _root_moment(b2: float, s: Array, g: Array) -> Array:
    """Return ``sqrt(b2 s^2 + (1 - b2) |g|^2)``, whose squares are never formed."""
    xp = array_namespace(g)
    a, b = math.sqrt(b2) * s, math.sqrt(1 - b2) * xp.abs(g)
    large = xp.maximum(a, b)
    part = xp.minimum(a, b) / xp.maximum(large, xp.finfo(large.dtype).smallest_normal)
    return large * xp.sqrt(1.0 + part * part)
