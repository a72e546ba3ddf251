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
        ``solve(value_and_grad, start, steps=..., **settings)``, on the simplex.
    steps : int
        Number of steps by default, the start not included.
    """

    loss: Literal["squared", "absolute"]
    solve: Callable[..., optim.Result]
    steps: int


def stepping(optimizer: optim.Optimizer) -> Callable[..., optim.Result]:
    """Return a function that minimises by an optimiser and projects after each step."""

    def solve(value_and_grad: Any, start: Array, **settings: Any) -> optim.Result:
        return optim.minimize(value_and_grad, start, optimizer, project=SIMPLEX, **settings)

    return solve


def solving(solver: Callable[..., optim.Result], constraint: Any) -> Callable[..., optim.Result]:
    """Return a function that minimises by a solver, which counts the start as its first step."""

    def solve(value_and_grad: Any, start: Array, *, steps: int, **settings: Any) -> optim.Result:
        return solver(value_and_grad, start, constraint, steps=steps + 1, **settings)

    return solve


RECIPES: dict[Method, Recipe] = {
    "projected-gradient": Recipe("squared", stepping(optim.sgd(0.7)), 1000),
    "adam": Recipe("squared", stepping(optim.adam(0.1)), 200),
    "adamw": Recipe("absolute", stepping(optim.adamw(0.1, weight_decay=0.01)), 100),
    "backtracking": Recipe("squared", solving(optim.projected_gradient, SIMPLEX), 1000),
    "accelerated": Recipe(
        "squared",
        solving(optim.accelerated_proximal_gradient, optim.proximal.indicator(SIMPLEX)),
        200,
    ),
    "spectral": Recipe("squared", solving(optim.spectral_projected_gradient, SIMPLEX), 200),
}


def checked(what: str, name: str, known: Any) -> Any:
    """Return what is known under a name, or refuse it."""
    if name not in known:
        msg = f"calibrate_psf({what}): {what} is {name!r}; want one of {', '.join(known)}"
        raise ValueError(msg)
    return known[name] if isinstance(known, dict) else name
