r"""Headline job 2: calibrate the PSF of a blur from sharp and blurred images.

.. math:: \min_{h \in \Delta} \; \ell(A(h)\,x - y), \qquad
          \Delta = \{h \ge 0,\ \textstyle\sum h = 1\}.

The blur is linear in the PSF. With a squared loss the objective is a quadratic function,
and its matrix is made once. With another loss the image is transformed once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from array_api_compat import array_namespace

import optim
from nufftlib.blur.boundaries import BOUNDARIES
from nufftlib.blur.calibrate.errors import check_psfs, psf_error
from nufftlib.blur.calibrate.objective import (
    Evaluation,
    as_pairs,
    first_psf,
    objective_of,
    several,
    taken_path,
)
from nufftlib.blur.calibrate.recipes import METHODS, RECIPES, Method
from nufftlib.blur.operator import Blur
from nufftlib.core.arrays import Array, common_namespace
from nufftlib.core.kinds import choice, flag, integer, not_negative, optional_function
from nufftlib.core.notebook import picture
from nufftlib.core.run import Run
from nufftlib.inverse.resuming import begun, elapsed


@dataclass(frozen=True, eq=False, repr=False)
class CalibratedPSF(Run):
    """The result of `calibrate_psf`.

    Parameters
    ----------
    losses : list of float
        The loss before each step, and after the last; `psf` has the lowest.
    seconds : float
        Duration of the optimisation loop; of one that went on from a checkpoint with the time
        before that.
    interrupted : bool
        Whether Ctrl-C ended the loop early.
    psf, psf_start : array, shape (height, width) or (depth, height, width)
        The best PSF seen, and the one before the first step. A constant rate keeps Adam
        restless near the minimum: its last PSF need not be its best.
    errors : list of float
        The relative error of the PSF at each of the losses, where the truth was given.
    converged : bool
        Whether the norm of the projected gradient came down to the tolerance.
    seconds_setup : float
        Duration of the preparations: the quadratic function's matrix, or the images'
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

    thumbnails = (("psf", picture),)


def calibrate_psf(
    sharp: Array | Sequence[Array],
    blurred: Array | Sequence[Array],
    *,
    method: Method = "spectral",
    size: int | tuple[int, ...] = 25,
    ndim: int = 2,
    steps: int | None = None,
    boundary: str = "valid",
    path: Evaluation = "auto",
    tolerance: float = 0.0,
    truth: Array | None = None,
    callback: Callable[[int, float, Array], object] | None = None,
    progress: bool = False,
    checkpoint: optim.Checkpoint | None = None,
) -> CalibratedPSF:
    """Find the PSF that blurs one image into another, or several images into others.

    The images are pictures or, with ``ndim=3``, stacks of planes. The PSF is nonnegative and sums
    to one. It starts as a box that leaves a margin of a fifth of the size on each side.

    Parameters
    ----------
    sharp : array, shape (..., height, width), real, or sequence of such
        The sharp image, with ``ndim=3`` (..., depth, height, width); all leading axes share the
        PSF. Images of several sizes, all blurred by one PSF, are a list.
    blurred : array, real, or sequence of such
        The blurred image, of the size that the boundary gives. With ``"valid"`` it may have
        the size of the sharp one; then only its valid part is used.
    method : {"spectral", "accelerated", "backtracking", "projected-gradient", "adam", "adamw"}
        On the half squared error divided by the number of samples: the spectral projected
        gradient method, accelerated projected gradients with restarts, projected gradients
        with backtracking, with the constant step 0.7, Adam of the rate 0.1. On the mean
        absolute error: ``"adamw"``, of the rate 0.1 and the weight decay 0.01.
    size : int or tuple of int
        Height and width of the PSF, with ``ndim=3`` (depth, height, width), each odd or even; one
        number is the size on all axes.
    ndim : {2, 3}
        Number of axes that are blurred, the last ones. Voxels may be of any shape: the PSF is
        found on the voxels of the images.
    steps : int, optional
        Number of steps, by default 1000 for ``"backtracking"`` and ``"projected-gradient"``,
        100 for ``"adamw"`` and 200 for the others.
    boundary : {"valid", "circular", "replicate", "reflect", "zero"}
        Boundary of the blur, see `Blur`.
    path : {"auto", "quadratic", "general"}
        ``"quadratic"`` evaluates a squared loss by the matrix of its quadratic function, in
        double precision and at a cost that does not depend on the images. ``"general"``
        evaluates any loss by the blur. ``"auto"`` takes the faster one. The matrix
        knows the loss to 1e-16 of the data's mean square: without noise, a PSF to about 1e-8.
    tolerance : float
        The loop ends when the norm of the projected gradient, ``|P(h - g) - h|`` with the
        projection ``P`` on the simplex, is at most this; 0: never.
    truth : array, of the PSF's shape, optional
        The true PSF. If it is given, the result has its distance at every step.
    callback : callable, optional
        ``callback(step, loss, psf)`` at the start, where `step` is 0, and after each step; a
        true value stops the loop.
    progress : bool
        Whether to show a progress bar with the loss.
    checkpoint : Checkpoint, optional
        The file that the whole state is saved to, and from which the run may go on, see
        `optim.Checkpoint`.

    Returns
    -------
    CalibratedPSF
        After Ctrl-C, the result of the steps done so far.

    Raises
    ------
    TypeError
        If an image or the truth is no array of float32 or float64, or a setting of the wrong kind.
    ValueError
        If a name is unknown, the shapes do not fit or an image is not finite.
    KeyboardInterrupt
        If Ctrl-C comes before the first loss is known.

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
    call = "calibrate_psf"
    recipe = RECIPES[choice(call, "method", method, METHODS)]
    steps = recipe.steps if steps is None else integer(call, "steps", steps, least=0)
    tolerance = not_negative(call, "tolerance", tolerance)
    ndim = integer(call, "ndim", ndim, least=2, most=3)
    optional_function(call, "callback", callback)
    progress = flag(call, "progress", progress)
    clock = time.perf_counter()
    start = first_psf(call, several(sharp), size, ndim)
    if truth is not None:
        check_truth(truth, start)
    blur = Blur(start, boundary=choice(call, "boundary", boundary, BOUNDARIES), ndim=ndim)
    pairs = as_pairs(blur, sharp, blurred)
    taken = taken_path(recipe, blur, pairs, path)
    objective = objective_of(recipe, blur, pairs, taken)
    xp = array_namespace(start)
    h = xp.astype(start, xp.float64, copy=False) if taken == "quadratic" else start
    kept: dict[str, list[float]] = {"errors": []}

    def evaluate(psf: Array) -> tuple[float, Array]:
        value, gradient = objective.value_and_grad(psf)
        return max(float(value), 0.0), gradient  # rounding of a quadratic may be negative

    def note_error(psf: Array) -> None:
        if truth is not None:
            kept["errors"].append(psf_error(psf, truth))

    def follow(step: int, loss: float, psf: Array) -> object:
        note_error(psf)
        return callback is not None and callback(step, loss, psf)

    settings = {
        "sharp": sharp,
        "blurred": blurred,
        "method": method,
        "size": tuple(start.shape),
        "boundary": boundary,
        "path": taken,
        "tolerance": tolerance,
        "truth": truth,
    }
    begun(call, checkpoint, settings, start)
    loop = time.perf_counter()
    result = recipe.solve(
        evaluate,
        h,
        steps=steps,
        tolerance=tolerance,
        callback=follow,
        progress=progress,
        checkpoint=checkpoint and checkpoint.part("loop", kept=kept),
    )
    seconds = elapsed(checkpoint, loop)
    if not result.history:  # Ctrl-C came before the first loss
        raise KeyboardInterrupt
    errors = kept["errors"]
    if len(errors) < len(result.history):
        note_error(result.params)  # an interrupt came between the last loss and its error
    return CalibratedPSF(
        psf=xp.astype(result.best_params, start.dtype, copy=False),
        psf_start=start,
        losses=result.history,
        seconds=seconds,
        interrupted=result.interrupted,
        errors=errors,
        converged=result.converged,
        seconds_setup=loop - clock,
        path=taken,
    )


def check_truth(truth: Array, start: Array) -> None:
    """Refuse a true PSF with which those of the calibration cannot be compared."""
    check_psfs("calibrate_psf", truth=truth)
    common_namespace("calibrate_psf(truth)", truth=truth, sharp=start)
    if truth.shape != start.shape:
        msg = (
            f"calibrate_psf(truth): truth has the shape {tuple(truth.shape)}; want that of `size`, "
            f"{tuple(start.shape)}"
        )
        raise ValueError(msg)
