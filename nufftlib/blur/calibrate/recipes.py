"""The methods of the calibration: their losses, solvers and steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import optim
from nufftlib.core.arrays import (
    Array,
)

Method = Literal["projected-gradient", "adam", "adamw", "backtracking", "accelerated", "spectral"]
Loss = Literal["squared", "absolute"]

SIMPLEX = optim.projections.simplex()


class Recipe(NamedTuple):
    """How a method calibrates.

    Attributes
    ----------
    title : str
        The method's name on figures.
    loss : {"squared", "absolute"}
        Half the squared error divided by the number of samples, or the mean absolute error.
    solve : callable
        ``solve(value_and_grad, start, steps=..., **settings)``, on the simplex.
    steps : int
        Number of steps by default, the start not included.
    """

    title: str
    loss: Loss
    solve: Callable[..., optim.Result]
    steps: int

    @property
    def loss_title(self) -> str:
        """The loss's name on figures."""
        return LOSSES[self.loss]


LOSSES: dict[Loss, str] = {
    "squared": "half squared error per sample",
    "absolute": "mean absolute error",
}
"""The names of the losses on figures."""


def stepping(optimizer: optim.Optimizer) -> Callable[..., optim.Result]:
    """Return a solver that steps by an optimiser and projects after each step."""

    def solve(value_and_grad: Any, start: Array, **settings: Any) -> optim.Result:
        return optim.minimize(value_and_grad, start, optimizer, project=SIMPLEX, **settings)

    return solve


def solving(solver: Callable[..., optim.Result], constraint: Any) -> Callable[..., optim.Result]:
    """Return a function that minimises by a solver, which counts the start as its first step."""

    def solve(value_and_grad: Any, start: Array, *, steps: int, **settings: Any) -> optim.Result:
        return solver(value_and_grad, start, constraint, steps=steps + 1, **settings)

    return solve


RECIPES: dict[Method, Recipe] = {
    "projected-gradient": Recipe("Projected gradient", "squared", stepping(optim.sgd(0.7)), 1000),
    "adam": Recipe("Adam", "squared", stepping(optim.adam(0.1)), 200),
    "adamw": Recipe("AdamW", "absolute", stepping(optim.adamw(0.1, weight_decay=0.01)), 100),
    "backtracking": Recipe(
        "Backtracking", "squared", solving(optim.projected_gradient, SIMPLEX), 1000
    ),
    "accelerated": Recipe(
        "Accelerated",
        "squared",
        solving(optim.accelerated_proximal_gradient, optim.proximal.indicator(SIMPLEX)),
        200,
    ),
    "spectral": Recipe(
        "Spectral gradient", "squared", solving(optim.spectral_projected_gradient, SIMPLEX), 200
    ),
}
"""Every method; its name is the key and one of `Method`."""

METHODS: tuple[Method, ...] = tuple(RECIPES)
"""The names of the methods: the published page's in its order, then the others."""
