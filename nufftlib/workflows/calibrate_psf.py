r"""Headline job 2: calibrate the PSF of a blur from sharp and blurred images.

.. math:: \min_{h \in \Delta} \; \ell(A(h)\,x - y), \qquad
          \Delta = \{h \ge 0,\ \textstyle\sum h = 1\}.

The blur is linear in the PSF. With a squared loss the objective is a quadratic function,
whose matrix is made once; else the image is transformed once.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from array_api_compat import array_namespace, device

import optim
from nufftlib.blur.mixture import Kind, random_psf
from nufftlib.blur.motion import motion_psf
from nufftlib.blur.normal_equations import normal_equations
from nufftlib.blur.operator import Blur
from nufftlib.blur.psf import pixels_2d
from nufftlib.core.arrays import (
    Array,
    check_precision,
    common_namespace,
    is_complex,
    is_floating,
    item_bytes,
)
from nufftlib.core.losses import HalfSquaredError, MeanAbsoluteError
from nufftlib.core.noise import gaussian_noise
from nufftlib.core.operator import Map
from nufftlib.workflows.run import Run

Method = Literal["projected-gradient", "adam", "adamw", "backtracking", "accelerated", "spectral"]
METHODS: tuple[Method, ...] = get_args(Method)
"""The names of the methods: those of the published page in its order, then the others."""

Evaluation = Literal["auto", "quadratic", "general"]
PATHS: tuple[Evaluation, ...] = get_args(Evaluation)

LARGEST_MATRIX = 2**30
"""Bytes of the quadratic function's matrix from which on ``path="auto"`` does without."""
WORTH = 64
"""How many bytes of matrix a byte of image is worth: measured, see docs/job-2-calibrate-psf.md."""

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
    errors : list of float
        The relative error of the PSF at each of the losses, where the truth was given.
    converged : bool
        Whether the norm of the projected gradient came down to the tolerance.
    seconds_setup : float
        Duration of what precedes the loop: the quadratic function's matrix, or the images'
        transforms.
    path : {"quadratic", "general"}
        How the objective was evaluated.
    """

    psf: Array
    psf_start: Array
    errors: list[float]
    converged: bool
    seconds_setup: float
    path: str


def calibrate_psf(
    sharp: Array | Sequence[Array],
    blurred: Array | Sequence[Array],
    *,
    method: Method = "spectral",
    size: int | tuple[int, int] = 25,
    steps: int | None = None,
    boundary: str = "valid",
    path: Evaluation = "auto",
    tolerance: float = 0.0,
    truth: Array | None = None,
    callback: Callable[[int, float, Array], object] | None = None,
    progress: bool = False,
) -> CalibratedPSF:
    """Find the PSF that blurs one image into another, or several into several.

    The PSF is nonnegative and sums to one. It starts as a box that leaves a margin of a
    fifth of the size on each side.

    Parameters
    ----------
    sharp : array, shape (..., height, width), real, or sequence of such
        The sharp image; all leading axes share the PSF. Images of several sizes, all blurred
        by one PSF, are a list.
    blurred : array, real, or sequence of such
        The blurred image, of the size that the boundary gives; with ``"valid"`` it may have
        the size of the sharp one, and its part that sees image alone is used.
    method : {"spectral", "accelerated", "backtracking", "projected-gradient", "adam", "adamw"}
        On the half squared error divided by the number of samples: the spectral projected
        gradient method, accelerated projected gradients with restarts, projected gradients
        with backtracking, with the constant step 0.7, Adam of the rate 0.1. On the mean
        absolute error: ``"adamw"``, of the rate 0.1 and the weight decay 0.01.
    size : int or tuple of int
        Height and width of the PSF.
    steps : int, optional
        Number of steps, by default 200, 200, 1000, 1000, 200 and 100.
    boundary : {"valid", "circular", "replicate", "reflect", "zero"}
        Boundary of the blur, see `Blur`.
    path : {"auto", "quadratic", "general"}
        Evaluate a squared loss by the matrix of the quadratic function that it is, in double
        precision and at a cost that does not depend on the images; or by the blur.
        ``"auto"`` takes what is faster; of the absolute error that is the blur. The matrix
        knows the loss to 1e-16 of the data's mean square: without noise, a PSF to about 1e-8.
    tolerance : float
        The loop ends when the norm of the projected gradient, ``|P(h - g) - h|`` with the
        projection ``P`` on the simplex, is at most this; 0: never.
    truth : array, shape (height, width), optional
        The true PSF, of which the result then has the distance at every step.
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
        If a name is unknown or the shapes do not fit.

    References
    ----------
    J. Duchi et al., "Efficient projections onto the l1-ball for learning in high
    dimensions", Proc. ICML (2008) 272-279: the projection onto the simplex.

    E. G. Birgin, J. M. Martinez and M. Raydan, "Nonmonotone spectral projected gradient
    methods on convex sets", SIAM J. Optim. 10 (2000) 1196-1211.

    Examples
    --------
    >>> from nufftlib import data, workflows
    >>> sharp = data.astronaut()[:, ::2, ::2]
    >>> psf, blurred = workflows.simulate_blur(sharp, size=9, noise=0.01, seed=0)
    >>> result = workflows.calibrate_psf(sharp, blurred, size=9, steps=50)
    >>> workflows.psf_error(result.psf, psf) < 0.1
    True
    """
    recipe: Recipe = checked("method", method, RECIPES)
    clock = time.perf_counter()
    start = first_psf(sharp[0] if isinstance(sharp, list | tuple) and sharp else sharp, size)
    blur = Blur(start, boundary=boundary)
    pairs = as_pairs(blur, sharp, blurred)
    taken = taken_path(recipe, blur, pairs, path)
    objective = objective_of(recipe, blur, pairs, taken)
    xp = array_namespace(start)
    h = xp.astype(start, xp.float64, copy=False) if taken == "quadratic" else start
    errors: list[float] = []

    def evaluate(psf: Array) -> tuple[float, Array]:
        value, gradient = objective.value_and_grad(psf)
        return max(float(value), 0.0), gradient  # rounding of a quadratic may be negative

    def follow(step: int, loss: float, psf: Array) -> object:
        if truth is not None:
            errors.append(psf_error(xp.astype(psf, truth.dtype, copy=False), truth))
        return callback is not None and callback(step, loss, psf)

    loop = time.perf_counter()
    result = recipe.solve(
        evaluate,
        h,
        steps=recipe.steps if steps is None else steps,
        tolerance=tolerance,
        callback=follow,
        progress=progress,
    )
    seconds = time.perf_counter() - loop
    last, _ = evaluate(result.params)
    best = result.params if last <= result.best_value else result.best_params
    history = result.history
    if truth is not None:
        history = history[: len(errors)]  # an interrupt may have come before the last error
        errors = errors[: len(history)]
        errors.append(psf_error(xp.astype(result.params, truth.dtype, copy=False), truth))
    return CalibratedPSF(
        psf=xp.astype(best, start.dtype, copy=False),
        psf_start=start,
        losses=[*history, last],
        seconds=seconds,
        interrupted=result.interrupted,
        errors=errors,
        converged=result.converged,
        seconds_setup=loop - clock,
        path=taken,
    )


def first_psf(sharp: Array, size: int | tuple[int, int]) -> Array:
    """Return the box that a calibration starts from."""
    xp = common_namespace("calibrate_psf(sharp)", sharp=sharp)
    if not is_floating(xp, sharp) or is_complex(xp, sharp) or sharp.ndim < 2:
        msg = (
            f"calibrate_psf(sharp): sharp has the shape {tuple(sharp.shape)} and dtype "
            f"{sharp.dtype}; want (..., height, width), real floating point"
        )
        raise TypeError(msg)
    height, width = pixels_2d("calibrate_psf(size)", size)
    box = np.zeros((height, width))
    box[height // 5 : height - height // 5, width // 5 : width - width // 5] = 1.0
    return xp.asarray(box / box.sum(), dtype=sharp.dtype, device=device(sharp))


def as_pairs(
    blur: Blur, sharp: Array | Sequence[Array], blurred: Array | Sequence[Array]
) -> list[tuple[Array, Array]]:
    """Return the pairs of images, the blurred ones of the size that the boundary gives."""
    images = sharp if isinstance(sharp, list | tuple) else [sharp]
    data = blurred if isinstance(blurred, list | tuple) else [blurred]
    if len(images) != len(data) or not images:
        msg = (
            f"calibrate_psf(sharp, blurred): got {len(images)} sharp and {len(data)} blurred "
            f"images; want as many, and one at least"
        )
        raise ValueError(msg)
    return [(x, fitting(blur, x, y)) for x, y in zip(images, data, strict=True)]


def fitting(blur: Blur, x: Array, y: Array) -> Array:
    """Return the blurred image of the size that the boundary gives, or refuse it."""
    call = "calibrate_psf(sharp, blurred)"
    xp = common_namespace(call, sharp=x, blurred=y, psf=blur.psf)
    check_precision(xp, call, sharp=x, blurred=y, psf=blur.psf)
    if is_complex(xp, x) or is_complex(xp, y):
        msg = f"{call}: sharp is {x.dtype} and blurred {y.dtype}; want both real"
        raise TypeError(msg)
    (p0, p1), (n0, n1) = blur.psf.shape, x.shape[-2:]
    if blur.boundary == "valid" and y.shape == x.shape:
        y = y[..., p0 - 1 - p0 // 2 : n0 - p0 // 2, p1 - 1 - p1 // 2 : n1 - p1 // 2]
    made = x.shape
    if blur.boundary == "valid":
        made = (*x.shape[:-2], n0 - p0 + 1, n1 - p1 + 1)
    if tuple(y.shape) != tuple(made) or min(made) < 1:
        msg = (
            f"{call}: blurred has the shape {tuple(y.shape)}; a PSF of {p0} x {p1} with "
            f"boundary {blur.boundary!r} makes {tuple(made)} of the sharp image's "
            f"{tuple(x.shape)}"
        )
        raise ValueError(msg)
    return y


def taken_path(
    recipe: Recipe, blur: Blur, pairs: Sequence[tuple[Array, Array]], path: Evaluation
) -> Literal["quadratic", "general"]:
    """Return how the objective is evaluated."""
    checked("path", path, PATHS)
    if path == "quadratic" and recipe.loss != "squared":
        msg = "calibrate_psf(path): path is 'quadratic'; the absolute error wants 'general'"
        raise ValueError(msg)
    if path != "auto":
        return path
    xp = array_namespace(blur.psf)
    matrix = 8 * math.prod(blur.psf.shape) ** 2
    images = sum(math.prod(x.shape) * item_bytes(xp, x) for x, _ in pairs)
    pays = recipe.loss == "squared" and matrix <= min(LARGEST_MATRIX, WORTH * images)
    return "quadratic" if pays else "general"


def objective_of(
    recipe: Recipe, blur: Blur, pairs: Sequence[tuple[Array, Array]], path: str
) -> Map:
    """Return the mean loss over all samples of all pairs, as a function of the PSF."""
    samples = sum(math.prod(y.shape) for _, y in pairs)
    terms: list[Map] = []
    for x, y in pairs:
        if path == "quadratic":
            terms.append((1 / samples) * normal_equations(blur, x, y))
        elif recipe.loss == "squared":
            terms.append((1 / samples) * HalfSquaredError(y) @ blur.as_map("psf", x))
        else:
            part = math.prod(y.shape) / samples
            terms.append(part * MeanAbsoluteError(y) @ blur.as_map("psf", x))
    return sum(terms[1:], start=terms[0])


def loss_at(
    psf: Array,
    sharp: Array | Sequence[Array],
    blurred: Array | Sequence[Array],
    method: Method,
    boundary: str,
) -> float:
    """Return the loss of a method at a PSF."""
    blur = Blur(psf, boundary=boundary)
    return float(
        objective_of(RECIPES[method], blur, as_pairs(blur, sharp, blurred), "general")(psf)
    )


def checked(what: str, name: str, known: Any) -> Any:
    """Return what is known under a name, or refuse it."""
    if name not in known:
        msg = f"calibrate_psf({what}): {what} is {name!r}; want one of {', '.join(known)}"
        raise ValueError(msg)
    return known[name] if isinstance(known, dict) else name


def simulate_blur(
    sharp: Array,
    *,
    psf: Kind | Array = "motion",
    size: int | tuple[int, int] = 25,
    boundary: str = "valid",
    noise: float = 0.02,
    seed: int = 0,
) -> tuple[Array, Array]:
    """Blur an image at random and add noise.

    Parameters
    ----------
    sharp : array, shape (..., height, width), real
        The sharp image.
    psf : {"motion", "gaussian", "defocus", "diffraction"} or array
        The kind of the random PSF: see `nufftlib.blur.motion_psf`, and for the others
        `nufftlib.blur.random_psf`; or a PSF of your own, of the image's dtype.
    size : int or tuple of int
        Height and width of a random PSF.
    boundary : {"valid", "circular", "replicate", "reflect", "zero"}
        Boundary of the blur, see `Blur`.
    noise : float
        Standard deviation of the Gaussian noise.
    seed : int
        Seed of PSF and noise.

    Returns
    -------
    psf : array, shape (height, width)
        The PSF.
    blurred : array
        The blurred image with noise.

    Examples
    --------
    >>> from nufftlib import data, workflows
    >>> psf, blurred = workflows.simulate_blur(data.astronaut(), size=25)
    >>> psf.shape, blurred.shape
    ((25, 25), (3, 232, 232))
    """
    xp = array_namespace(sharp)
    like = {"xp": xp, "dtype": sharp.dtype, "device": device(sharp)}
    h: Any = psf
    if isinstance(psf, str) and psf == "motion":
        h = motion_psf(size, seed=seed, **like)
    elif isinstance(psf, str):
        kind: Any = psf
        h = random_psf(size, kind=kind, seed=seed, **like)
    return h, gaussian_noise(Blur(h, boundary)(sharp), noise, seed=seed + 1)


class Identifiability(NamedTuple):
    """What the data tell of a PSF, and what not.

    Attributes
    ----------
    deviations : array, shape (size,)
        Standard deviation of the least-squares PSF along each component, as the noise makes
        it; from the best known component to the worst, infinite where nothing is known.
    components : array, shape (size, height, width)
        The components, PSFs of norm one.
    """

    deviations: Array
    components: Array


def identifiability(
    sharp: Array | Sequence[Array],
    noise: float,
    *,
    size: int | tuple[int, int] = 25,
    boundary: str = "valid",
) -> Identifiability:
    r"""Return how well each component of a PSF can be told from blurred images.

    The squared error of sharp images ``x`` has the Hessian ``G``, summed over them, and white
    noise of standard deviation ``s`` moves its minimiser along an eigenvector of the
    eigenvalue ``v`` by ``s / sqrt(v)``. Images without fine detail leave small eigenvalues:
    of such components the loss hardly depends, and no method finds them in the data. The
    simplex, which is not looked at here, can only help.

    Parameters
    ----------
    sharp : array, shape (..., height, width), real, or sequence of such
        The sharp images, as for `calibrate_psf`.
    noise : float
        Standard deviation of the noise in the blurred images.
    size : int or tuple of int
        Height and width of the PSF.
    boundary : {"valid", "circular", "replicate", "reflect", "zero"}
        Boundary of the blur.

    Returns
    -------
    Identifiability
        Its fields are `deviations` and `components`.

    Notes
    -----
    The time of the eigenvalues grows with the third power of the PSF's pixels: 625 take 0.2 s
    on two cores, 2000 some seconds.

    Examples
    --------
    >>> from nufftlib import data, workflows
    >>> found = workflows.identifiability(data.astronaut(), 0.02, size=9)
    >>> found.deviations.shape, bool(found.deviations[0] < 1e-4 < found.deviations[-1])
    ((81,), True)
    """
    images = list(sharp) if isinstance(sharp, list | tuple) else [sharp]
    if not images or not 0 <= noise < math.inf:
        msg = (
            f"identifiability(sharp, noise): got {len(images)} images and the noise {noise}; "
            f"want one image at least, and a standard deviation"
        )
        raise ValueError(msg)
    blur = Blur(first_psf(images[0], size), boundary=boundary)
    xp = array_namespace(blur.psf)
    # The matrix does not depend on the data.
    terms = [normal_equations(blur, x, blur(x)) for x in images]
    total: Any = sum(terms[1:], start=terms[0])
    values, components = total.spectrum()
    seen = values > values.shape[0] * 2e-16 * xp.max(values)  # below that it is rounding
    deviations = xp.where(seen, noise / xp.sqrt(xp.where(seen, values, 1.0)), xp.inf)
    return Identifiability(deviations, components)


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
