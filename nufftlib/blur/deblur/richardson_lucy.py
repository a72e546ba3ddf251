r"""Richardson and Lucy's iteration: the likelihood of counts, with or without total variation.

.. math:: x \leftarrow x\, \frac{A^H \frac{y}{A x + b}}{A^H 1 + t}, \qquad
          t = w D^H \frac{D x}{|D x|}

The derivative of the negative log-likelihood is ``g = A^H 1 - A^H (y / (A x + b))``, and that of
the total variation ``t``. So it is a descent with steps of its own at each pixel,
``x - x (g + t) / (A^H 1 + t)``. Where ``t`` is negative, the step is by ``A^H 1 + |t|`` instead:
``A^H 1``, the light of a pixel that reaches the picture, is 1 inside and falls to 0 in the margins,
and the other divisor may vanish. What stays as it is is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from array_api_compat import array_namespace

import optim
from nufftlib.blur.deblur.model import Model
from nufftlib.core.arrays import Array
from nufftlib.core.differences import FiniteDifferences
from nufftlib.core.poisson import ROUNDING, PoissonLikelihood
from nufftlib.inverse.penalties import Charbonnier

CORNER = 1e-3
"""Where the total variation is round, in units of the picture's brightest pixel."""


def richardson_lucy(
    model: Model,
    weight: float,
    *,
    residual: float,
    background: float,
    steps: int,
    callback: Callable[[int, float, Array], object] | None = None,
    progress: bool = False,
    checkpoint: optim.Checkpoint | None = None,
) -> optim.Result:
    """Return the picture with the course of the iteration, from a picture of one brightness.

    Parameters
    ----------
    model : Model
        Picture and blur; values of the picture below zero count as zero.
    weight : float
        The weight of the total variation, 0 or more.
    residual : float
        The iteration ends where the residual's mean square is at most this; 0: after the last
        step.
    background : float
        Light of the detector beside the picture's.
    steps : int
        Number of steps at most.
    callback, progress, checkpoint : Any
        As for `optim.minimize`.
    """
    A, xp = model.map, array_namespace(model.blurred)
    y = xp.maximum(model.data, xp.zeros_like(model.data))
    loss = PoissonLikelihood(y, background=background)
    start = xp.full_like(model.start(), max(model.mean(y) - background, 0.0))
    n = A.adjoint(xp.ones_like(y))
    # A pixel that no light comes from keeps its value.
    dark = n <= ROUNDING * float(xp.finfo(n.dtype).eps) * xp.max(n)
    n = xp.where(dark, xp.ones_like(n), n)
    corner = CORNER * float(xp.max(y)) or CORNER
    variation = Charbonnier(weight, corner, FiniteDifferences(model.pixels), axis=-1 - model.ndim)
    misfit: list[float] = []

    def value_and_grad(x: Array) -> tuple[float, Array]:
        z = A.apply(x)
        misfit[:] = [model.mean((z + background - model.blurred) ** 2)]
        value, slope = loss.value_and_grad(z)
        total, g = float(value), A.adjoint(slope)
        if weight:
            more, t = variation.value_and_grad(x)
            total, g = total + float(more), g + t
        return total, g

    # x - x (n - a + t) / (n + |t|), with a = A^H (y / (A x + b)) >= 0, is not negative.
    def update(g: Array, state: tuple[()], x: Array) -> tuple[Array, tuple[()]]:
        scale = n
        if weight:
            scale = n + xp.abs(variation.gradient(x).value)
        new = xp.where(dark, x, x - x * g / scale)
        return xp.maximum(new, xp.zeros_like(x)), state

    def enough(_value: float, _x: Array) -> bool:
        return misfit[0] <= residual

    settings: dict[str, Any] = {
        "until": enough,
        "callback": callback,
        "progress": progress,
        "checkpoint": checkpoint,
    }
    steps_of_its_own = optim.Optimizer(lambda _: (), update)
    return optim.minimize(value_and_grad, start, steps_of_its_own, steps=steps, **settings)
