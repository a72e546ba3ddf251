"""The methods of the calibration: their losses, solvers and steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, get_args

import optim
from nufftlib.core.arrays import (
    Array,
)

Method = Literal["projected-gradient", "adam", "adamw", "backtracking", "accelerated", "spectral"]


METHODS: tuple[Method, ...] = get_args(Method)
"""The names of the methods: those of the published page in its order, then the others."""


SIMPLEX = optim.projections.simplex()


class Recipe(NamedTuple):
    """How a method calibrates.

    Attributes
    ----------
    loss : {"squared", "absolute"}
        Half the squared error divided by the number of samples, or the mean absolute error.
    solve : callable
        ``solve(value_and_grad, start, **settings)``, on the simplex.
    steps : int
        Steps by default.
    """

    loss: Literal["squared", "absolute"]
    solve: Callable[..., optim.Result]
    steps: int


def stepping(optimizer: optim.Optimizer) -> Callable[..., optim.Result]:
    """Return what minimises by an optimiser with a projection after each step."""

    def solve(value_and_grad: Any, start: Array, **settings: Any) -> optim.Result:
        return optim.minimize(value_and_grad, start, optimizer, project=SIMPLEX, **settings)

    return solve


def backtracking(value_and_grad: Any, start: Array, **settings: Any) -> optim.Result:
    """Minimise by projected gradient steps of a length that is found on the way."""
    return optim.projected_gradient(value_and_grad, start, SIMPLEX, **settings)


def accelerated(value_and_grad: Any, start: Array, **settings: Any) -> optim.Result:
    """Minimise by accelerated projected gradient steps."""
    penalty = optim.proximal.indicator(SIMPLEX)
    return optim.accelerated_proximal_gradient(value_and_grad, start, penalty, **settings)


def spectral(value_and_grad: Any, start: Array, **settings: Any) -> optim.Result:
    """Minimise by the spectral projected gradient method."""
    return optim.spectral_projected_gradient(value_and_grad, start, SIMPLEX, **settings)


RECIPES: dict[Method, Recipe] = {
    "projected-gradient": Recipe("squared", stepping(optim.sgd(0.7)), 1000),
    "adam": Recipe("squared", stepping(optim.adam(0.1)), 200),
    "adamw": Recipe("absolute", stepping(optim.adamw(0.1, weight_decay=0.01)), 100),
    "backtracking": Recipe("squared", backtracking, 1000),
    "accelerated": Recipe("squared", accelerated, 200),
    "spectral": Recipe("squared", spectral, 200),
}


def checked(what: str, name: str, known: Any) -> Any:
    """Return what is known under a name, or refuse it."""
    if name not in known:
        msg = f"calibrate_psf({what}): {what} is {name!r}; want one of {', '.join(known)}"
        raise ValueError(msg)
    return known[name] if isinstance(known, dict) else name
