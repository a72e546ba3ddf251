"""Linear systems with an operator that is self-adjoint and positive definite."""

from __future__ import annotations

import warnings
from typing import Any

from array_api_compat import size

import optim
from nufftlib.core.arrays import Array, complex_dtype, namespace
from nufftlib.core.kinds import instance, integer, positive
from nufftlib.core.operator import LinearOperator


class NotConvergedWarning(UserWarning):
    """A solve has come to its last step before its tolerance; its derivatives are not exact."""


def settle(call: str, solver: object) -> None:
    """Refuse settings of a solve that are none; keep the others as plain numbers."""
    kept: Any = solver
    tolerance = positive(call, "tolerance", kept.tolerance)
    steps = integer(call, "steps", kept.steps, least=1)
    object.__setattr__(solver, "tolerance", tolerance)
    object.__setattr__(solver, "steps", steps)


def optional_operator(call: str, name: str, value: object) -> None:
    """Refuse what is neither an operator nor None."""
    if value is not None:
        instance(call, name, value, LinearOperator, "a LinearOperator")


def item_axes(operator: LinearOperator) -> tuple[int, ...] | None:
    """Return the axes of one input of an operator, all if there is no rule; others are batch."""
    rule = operator.shapes
    return tuple(range(-len(rule.source), 0)) or None if rule else None


def solve(
    operator: LinearOperator,
    rhs: Array,
    guess: Array | None = None,
    *,
    tolerance: float,
    steps: int,
    preconditioner: LinearOperator | None,
) -> optim.Result:
    """Solve ``H x = b`` by conjugate gradients, each item of a batch with its own steps."""
    xp = namespace(rhs)
    if size(rhs) == 0:
        return optim.Result(rhs, [0.0], None, rhs, 0.0, 0, False, True)
    if guess is None and xp.isdtype(operator.outline(rhs).dtype, "complex floating"):
        rhs = xp.astype(rhs, complex_dtype(xp, rhs), copy=False)
    result = optim.conjugate_gradient(
        operator.apply,
        rhs,
        guess,
        steps=steps,
        tolerance=tolerance,
        axes=item_axes(operator),
        precondition=preconditioner and preconditioner.apply,
    )
    if result.interrupted:
        raise KeyboardInterrupt
    return result


def solution(call: str, result: optim.Result, tolerance: float) -> Array:
    """Return the solution, with a warning if the solve has not come to its tolerance."""
    if not result.converged:
        msg = (
            f"{call}: after {result.steps} steps the error is {result.history[-1]:.2g}; want "
            f"{tolerance:g}: more steps, more damping or a larger tolerance"
        )
        warnings.warn(msg, NotConvergedWarning, stacklevel=5)
    return result.params
