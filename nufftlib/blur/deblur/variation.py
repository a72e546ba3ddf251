r"""Least squares with the total variation.

.. math:: \min_{x \ge 0} \tfrac12 \|A x - y\|^2 + w \sum_n |(D x)_n|

by the primal-dual method: the differences have a dual variable of their own, so that no inner
iteration is needed, as the total variation's proximal map would be.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import optim
from nufftlib.blur.deblur.model import Model
from nufftlib.core.arrays import Array
from nufftlib.core.differences import FiniteDifferences
from nufftlib.core.inner import inner
from nufftlib.core.losses import HalfSquaredError

STEP = 1.5  # times the inverse curvature; 2 is the limit, and the dual steps vanish there
TOLERANCE = 0.1  # of the length that the dual variable has at most
EVEN = 2.0  # root mean squares of the differences at which both penalties are equally curved
FREE = optim.proximal.soft_threshold(0.0)
LIGHT = optim.proximal.indicator(optim.projections.nonnegative())


# A length v |u| has the curvature v / |u|, of the square that touches it from above, and a square
# w |u|^2 / 2 has w. They are equal at |u| = v / w. Measured, see docs/derivations/deblur.md.
def variation_weight(weight: float, x: Array, ndim: int) -> float:
    """Return the weight of lengths that is like a weight of squares, for a picture `x`."""
    u = FiniteDifferences(tuple(x.shape[-ndim:])).apply(x)
    return EVEN * weight * math.sqrt(float(inner(u, u)) / math.prod(x.shape))


def deblur_by_variation(
    model: Model,
    weight: float,
    start: Array,
    *,
    nonnegative: bool,
    steps: int,
    callback: Callable[[int, float, Array], object] | None = None,
    progress: bool = False,
    checkpoint: optim.Checkpoint | None = None,
) -> optim.Result:
    """Return the picture of least total variation with its course.

    Parameters
    ----------
    model : Model
        Picture and blur.
    weight : float
        The weight ``w``, 0 or more.
    start : array
        Where to start.
    nonnegative : bool
        Whether the picture is nonnegative.
    steps : int
        Number of steps at most, the start not included.
    callback, progress, checkpoint : Any
        As for `optim.primal_dual`.
    """
    D = FiniteDifferences(model.pixels)
    f = HalfSquaredError(model.data) @ model.map
    L = optim.lipschitz(f.value_and_grad, start)
    settings: dict[str, Any] = {
        "callback": callback,
        "progress": progress,
        "checkpoint": checkpoint,
    }
    return optim.primal_dual(
        f.value_and_grad,
        start,
        LIGHT if nonnegative else FREE,
        D.apply,
        D.adjoint,
        optim.proximal.group_soft_threshold(weight, axes=-1 - model.ndim),
        curvature=L,
        norm_of_map=math.sqrt(4 * model.ndim),
        step_size=STEP / L,
        tolerance=TOLERANCE * weight * math.sqrt(math.prod(start.shape)),
        steps=steps + 1,
        **settings,
    )
