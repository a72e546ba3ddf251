r"""Headline job 2: calibrate the PSF of a blur from a sharp and a blurred image.

.. math:: \min_{h \in \Delta} \; \ell(A(h)\,x - y), \qquad
          \Delta = \{h \ge 0,\ \textstyle\sum h = 1\},

three ways. The blur is linear in the PSF, so the image is transformed once.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from array_api_compat import array_namespace, device

import optim
from nufftlib.blur.motion import motion_psf
from nufftlib.blur.noise import gaussian_noise
from nufftlib.blur.operator import Blur
from nufftlib.core.arrays import Array, common_namespace
from nufftlib.core.losses import HalfSquaredError, MeanAbsoluteError
from nufftlib.core.operator import Map
from nufftlib.workflows.run import Run

Method = Literal["projected-gradient", "adam", "adamw"]
METHODS: tuple[Method, ...] = get_args(Method)
"""The names of the methods, in the order of the published page."""


class Recipe(NamedTuple):
    """How a method calibrates.

    Attributes
    ----------
    loss : callable
        From the data to the loss.
    optimizer : optim.Optimizer
        Takes the steps; the simplex projection follows each.
    steps : int
        Steps by default.
    """

    loss: Callable[[Array], Map]
    optimizer: optim.Optimizer
    steps: int


def half_squared_per_sample(y: Array) -> Map:
    """Return the half squared error divided by the number of samples."""
    samples: int = math.prod(y.shape)
    return (1.0 / samples) * HalfSquaredError(y)


RECIPES: dict[Method, Recipe] = {
    "projected-gradient": Recipe(half_squared_per_sample, optim.sgd(0.7), 1000),
    "adam": Recipe(half_squared_per_sample, optim.adam(0.1), 200),
    "adamw": Recipe(MeanAbsoluteError, optim.adamw(0.1, weight_decay=0.01), 100),
}


@dataclass(frozen=True, eq=False, repr=False)
class CalibratedPSF(Run):
    """What `calibrate_psf` returns.

    Parameters
    ----------
    losses : list of float
        The loss before each step, and after the last; the lowest is that of `psf`.
    seconds : float
        Duration of the optimisation loop.
    interrupted : bool
        Whether Ctrl-C ended the loop early.
    psf, psf_start : array, shape (height, width)
        The best PSF seen, and the one before the first step. A constant rate keeps Adam
        restless near the minimum: its last PSF need not be its best.
    """

    psf: Array
    psf_start: Array


def calibrate_psf(
    sharp: Array,
    blurred: Array,
    *,
    method: Method = "adam",
    size: int | tuple[int, int] = 25,
    steps: int | None = None,
    boundary: str = "valid",
    callback: Callable[[int, float, Array], object] | None = None,
    progress: bool = False,
) -> CalibratedPSF:
    """Find the PSF that blurs one image into another.

    The PSF is nonnegative and sums to one. It starts as a box that leaves a margin of a
    fifth of the size on each side.

    Parameters
    ----------
    sharp : array, shape (..., height, width), real
        The sharp image; all leading axes share the PSF.
    blurred : array, real
        The blurred image, of the size that the boundary gives.
    method : {"adam", "projected-gradient", "adamw"}
        ``"projected-gradient"``, step 0.7, and ``"adam"``, rate 0.1, on the half squared
        error divided by the number of samples; ``"adamw"``, rate 0.1 and weight decay
        0.01, on the mean absolute error.
    size : int or tuple of int
        Height and width of the PSF.
    steps : int, optional
        Number of steps, by default 1000, 200 and 100.
    boundary : str
        Boundary of the blur, see `Blur`.
    callback : callable, optional
        ``callback(step, loss, psf)`` after each step, with the PSF before its update; a
        true value stops the loop.
    progress : bool
        Whether to show a progress bar with the loss.

    Returns
    -------
    CalibratedPSF
        After Ctrl-C, that of the steps done so far.

    Raises
    ------
    ValueError
        If the method is unknown or the shapes do not fit.

    References
    ----------
    J. Duchi et al., "Efficient projections onto the l1-ball for learning in high
    dimensions", Proc. ICML (2008) 272-279: the projection onto the simplex.

    Examples
    --------
    >>> from nufftlib import data, workflows
    >>> sharp = data.astronaut()[:, ::2, ::2]
    >>> psf, blurred = workflows.simulate_blur(sharp, size=9, noise=0.01, seed=0)
    >>> result = workflows.calibrate_psf(sharp, blurred, size=9, steps=50)
    >>> workflows.psf_error(result.psf, psf) < 0.3
    True
    """
    if method not in RECIPES:
        msg = f"calibrate_psf(method): method is {method!r}; want one of {', '.join(RECIPES)}"
        raise ValueError(msg)
    xp = common_namespace("calibrate_psf(sharp, blurred)", sharp=sharp, blurred=blurred)
    recipe = RECIPES[method]
    height, width = (size, size) if isinstance(size, int | np.integer) else size
    box = np.zeros((height, width))
    box[height // 5 : height - height // 5, width // 5 : width - width // 5] = 1.0
    start = xp.asarray(box / box.sum(), dtype=sharp.dtype, device=device(sharp))
    blur = Blur(start, boundary=boundary).as_map("psf", sharp)
    if blur(start).shape != blurred.shape:
        msg = (
            f"calibrate_psf(sharp, blurred): blurred has the shape {tuple(blurred.shape)}; "
            f"a PSF of {height} x {width} with boundary {boundary!r} makes "
            f"{tuple(blur(start).shape)} of the sharp image's {tuple(sharp.shape)}"
        )
        raise ValueError(msg)
    objective = recipe.loss(blurred) @ blur
    clock = time.perf_counter()
    result = optim.minimize(
        objective.value_and_grad,
        start,
        recipe.optimizer,
        steps=recipe.steps if steps is None else steps,
        project=optim.projections.simplex(),
        callback=callback,
        progress=progress,
    )
    seconds = time.perf_counter() - clock
    last = float(objective(result.params))
    return CalibratedPSF(
        psf=result.params if last <= result.best_value else result.best_params,
        psf_start=start,
        losses=[*result.history, last],
        seconds=seconds,
        interrupted=result.interrupted,
    )


def simulate_blur(
    sharp: Array, *, size: int | tuple[int, int] = 25, noise: float = 0.02, seed: int = 0
) -> tuple[Array, Array]:
    """Blur an image by a random motion and add noise.

    Parameters
    ----------
    sharp : array, shape (..., height, width), real
        The sharp image.
    size : int or tuple of int
        Height and width of the PSF.
    noise : float
        Standard deviation of the Gaussian noise.
    seed : int
        Seed of motion and noise.

    Returns
    -------
    psf : array, shape (height, width)
        The PSF, see `nufftlib.blur.motion_psf`.
    blurred : array
        The blurred image with noise, boundary ``"valid"``.

    Examples
    --------
    >>> from nufftlib import data, workflows
    >>> psf, blurred = workflows.simulate_blur(data.astronaut(), size=25)
    >>> psf.shape, blurred.shape
    ((25, 25), (3, 232, 232))
    """
    xp = array_namespace(sharp)
    psf = motion_psf(size, seed=seed, xp=xp, dtype=sharp.dtype, device=device(sharp))
    return psf, gaussian_noise(Blur(psf)(sharp), noise, seed=seed + 1)


def psf_error(psf: Array, truth: Array) -> float:
    """Return the relative l2 error of a PSF.

    Parameters
    ----------
    psf, truth : array
        The PSF found, and the true one.

    Returns
    -------
    float
        ``|psf - truth| / |truth|``.

    Examples
    --------
    >>> import numpy as np
    >>> psf_error(np.asarray([[1.1]]), np.asarray([[1.0]]))
    0.1000...
    """
    xp = common_namespace("psf_error(psf, truth)", psf=psf, truth=truth)
    if psf.shape != truth.shape:
        msg = f"psf_error: psf has the shape {tuple(psf.shape)} and truth {tuple(truth.shape)}"
        raise ValueError(msg)
    return float(xp.sqrt(xp.sum((psf - truth) ** 2) / xp.sum(truth**2)))
