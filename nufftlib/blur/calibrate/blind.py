r"""Blind calibration: image and PSF together, from one blurred image.

.. math:: \min_{x \ge 0,\; h \in \Delta} \tfrac12 \|A(h)\,x - y\|^2
          + \tfrac{w}{2} \sum_n \log\left(1 + |(D x)_n|^2 / e^2\right), \qquad
          \Delta = \{h \ge 0,\ \textstyle\sum h = 1\},

Each round takes a step in the image and one in the PSF. The rounds start on coarse pixels and
end on the given ones. ``(D x)_n`` is one complex number, made of the two differences at the
pixel. ``D`` is a blur, too, so that ``D A(h) x = A(h) D x``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from array_api_compat import array_namespace, device

import optim
from nufftlib.blur.boundaries import BOUNDARIES, part
from nufftlib.blur.calibrate.errors import check_psfs, in_units, psf_error
from nufftlib.blur.calibrate.objective import check_image
from nufftlib.blur.downsample import Downsample
from nufftlib.blur.normal_equations import normal_equations
from nufftlib.blur.operator import Blur, extended
from nufftlib.blur.psfs.made import pixels_2d
from nufftlib.core.arrays import Array, is_single
from nufftlib.core.kinds import integer, optional_function, positive
from nufftlib.core.losses import HalfSquaredError, Huber
from nufftlib.core.operator import Map
from nufftlib.core.run import Run

FIRST = 10.0  # times the weight, in the first round of a level
IMAGE_STEPS, PSF_STEPS, LAST_STEPS = 20, 30, 150
CORNER = 0.003  # where the total variation of the last image is round, in units of the image

SIMPLEX = optim.projections.simplex()
LIGHT = optim.proximal.indicator(optim.projections.nonnegative())


Level: TypeAlias = tuple[Array, tuple[int, int]]
"""The blurred image on the level's pixels, and the shape of the PSF."""


@dataclass(frozen=True, eq=False, repr=False)
class BlindCalibration(Run):
    """The result of `calibrate_blind`.

    Parameters
    ----------
    losses : list of float
        The objective before each round on the finest pixels, and after the last; the lowest
        belongs to `psf`.
    seconds : float
        Duration of everything.
    interrupted : bool
        Whether Ctrl-C ended it early.
    psf : array, shape (height, width)
        The PSF, its centre of gravity within half a pixel of the index ``size // 2``.
    image : array
        The restored image, larger than the blurred one by ``size - 1`` on each axis.
    """

    psf: Array
    image: Array


class Estimate(NamedTuple):
    """The PSF and the image after a round.

    Attributes
    ----------
    level : int
        0 on the finest pixels; the pixels of each further level are twice as wide.
    psf, image : array
        PSF and image, on the level's pixels.
    loss : float
        The objective at the two.
    """

    level: int
    psf: Array
    image: Array
    loss: float


def calibrate_blind(
    blurred: Array,
    *,
    size: int | tuple[int, int] = 15,
    weight: float = 3e-4,
    edge: float = 0.02,
    variation: float = 1e-3,
    rounds: int = 25,
    callback: Callable[[int, float, Array], object] | None = None,
) -> BlindCalibration:
    """Find image and PSF from one blurred image with sharp edges.

    The boundary of the blur is ``"valid"``: nothing is assumed beyond the blurred image. The
    restored image includes the margin that the blurred one saw. Image and PSF are determined
    up to opposite shifts; here the PSF is centred.

    Parameters
    ----------
    blurred : array, shape (..., height, width), real
        The blurred image, on a scale on which its values span about 1; all leading axes
        share the PSF.
    size : int or tuple of int
        Height and width of the PSF. Too large is better than too small.
    weight : float
        The weight of the logarithmic penalty, which finds the PSF.
    edge : float
        The difference of neighbours from which on the penalty counts it as an edge, in units
        of the image.
    variation : float
        The weight of the total variation in the final restoration of the image.
    rounds : int
        Rounds on each level; each updates the image and then the PSF.
    callback : callable, optional
        ``callback(round, loss, psf)`` before the first round of each level and after each
        round; PSF and loss are of the level's pixels. A true value ends the rounds.

    Returns
    -------
    BlindCalibration
        After Ctrl-C, the best estimate so far: the PSF is not centred, and the image is not
        restored.

    Raises
    ------
    TypeError
        If `blurred` is no array of float32 or float64, or a setting of the wrong kind.
    ValueError
        If it is smaller than twice the PSF or not finite, or a number is out of its range.

    Notes
    -----
    It can fail, and the objective does not show a failure: docs/blind-calibration.md has
    examples.

    References
    ----------
    D. Perrone, R. Diethelm and P. Favaro, "Blind deconvolution via lower-bounded
    logarithmic image priors", EMMCVPR (2015) 112-125: the penalty.

    D. Perrone and P. Favaro, "Total variation blind deconvolution: the devil is in the
    details", CVPR (2014) 2909-2916: from coarse to fine with a falling weight.

    S. Cho and S. Lee, "Fast motion deblurring", ACM Trans. Graph. 28 (2009) 145: the PSF
    from differences.

    Examples
    --------
    >>> import numpy as np
    >>> from nufftlib import workflows
    >>> sharp = np.zeros((48, 48))
    >>> sharp[10:30, 12:38], sharp[20:40, 5:20] = 1.0, 0.5
    >>> psf, blurred = workflows.simulate_blur(sharp, size=5, noise=0.002)
    >>> result = workflows.calibrate_blind(blurred, size=5)
    >>> workflows.shift_aligned_error(result.psf, psf) < 0.2
    True
    """
    clock, call = time.perf_counter(), "calibrate_blind"
    shape = pixels_2d(call, size)
    weight, edge = positive(call, "weight", weight), positive(call, "edge", edge)
    variation = positive(call, "variation", variation)
    rounds = integer(call, "rounds", rounds, least=1)
    optional_function(call, "callback", callback)
    check_blurred(blurred, shape)
    levels = pyramid(blurred, shape)
    start = initial_estimate(levels, weight, edge)
    estimates = alternation(start, levels, weight, edge, rounds)
    losses, best, interrupted = run_rounds(start, estimates, callback)
    if best.level > 0:
        best = upsample_to_finest(best, levels, weight, edge)
    psf, image = best.psf, best.image
    if not interrupted:
        psf = centred(psf)
        image, interrupted = restore_image(psf, blurred, variation)
    seconds = time.perf_counter() - clock
    return BlindCalibration(losses or [best.loss], seconds, interrupted, psf, image)


def shift_aligned_error(psf: Array, truth: Array) -> float:
    """Return the relative error of a PSF at the best of all shifts by whole pixels.

    ``min_s |S_s psf - truth| / |truth|`` judges a blind calibration, which finds image and PSF
    up to opposite shifts.

    Parameters
    ----------
    psf : array, shape (height, width), real
        A PSF.
    truth : array, shape (height, width), real
        The true one; the sizes may differ.

    Returns
    -------
    float
        The error, relative to the norm of the truth.

    Raises
    ------
    TypeError
        If one is no array of float32 or float64.
    ValueError
        If one is not of two axes, or the truth is zero everywhere.

    Examples
    --------
    >>> import numpy as np
    >>> from nufftlib import workflows
    >>> h = np.asarray([[0.0, 0.5, 0.5]])
    >>> workflows.shift_aligned_error(np.asarray([[0.5, 0.5, 0.0]]), h)
    0.0
    """
    xp = check_psfs("shift_aligned_error", psf=psf, truth=truth)
    if psf.ndim != 2 or truth.ndim != 2:
        msg = (
            f"shift_aligned_error(psf, truth): the shapes are {tuple(psf.shape)} and "
            f"{tuple(truth.shape)}; want (height, width)"
        )
        raise ValueError(msg)
    h, t = in_units(xp, *(xp.astype(a, xp.float64, copy=False) for a in (psf, truth)))
    (n0, n1), (t0, t1) = h.shape, t.shape
    # The frame holds the truth at every shift at which it meets the PSF.
    frame = (n0 + 2 * t0, n1 + 2 * t1)
    h = window(h, (-t0, -t1), frame)
    # The nearest shift has the largest product, and one correlation has them all.
    row, column = divmod(int(xp.argmax(Blur(xp.flip(t), "zero")(h))), frame[1])
    there = window(t, (t0 - 1 - t0 // 2 - row, t1 - 1 - t1 // 2 - column), frame)
    return psf_error(h, there)


def check_blurred(blurred: Array, shape: tuple[int, int]) -> None:
    """Refuse an image that is too small for the PSF, or none."""
    check_image("calibrate_blind", "blurred", blurred)
    n, (height, width) = tuple(blurred.shape), shape
    if n[-2] < 2 * height or n[-1] < 2 * width:
        msg = (
            f"calibrate_blind(blurred, size): blurred has the shape {n} and the PSF is "
            f"{height} x {width}; want (..., height, width), at least twice the PSF's"
        )
        raise ValueError(msg)


def pyramid(blurred: Array, shape: tuple[int, int]) -> list[Level]:
    """Return the levels from the finest to one whose PSF has at most 3 pixels on an axis.

    A PSF that reaches ``r`` pixels from its centre reaches ``ceil(r / 2)`` on the next level.
    """
    xp = array_namespace(blurred)
    smooth = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256
    kernel = xp.asarray(smooth, dtype=blurred.dtype, device=device(blurred))
    levels = [(blurred, shape)]
    while max(shape) > 3:
        height, width = (2 * -(-(n // 2) // 2) + 1 for n in shape)
        shape = (height, width)
        blurred = Downsample(kernel, 2, tuple(blurred.shape[-2:]))(blurred)
        levels.append((blurred, shape))
    return levels


def initial_estimate(levels: list[Level], weight: float, edge: float) -> Estimate:
    """Return the first estimate: a box on the coarsest pixels."""
    y, shape = levels[-1]
    xp = array_namespace(y)
    box = xp.full(shape, 1 / math.prod(shape), dtype=y.dtype, device=device(y))
    return start_level(len(levels) - 1, box, y, weight, edge)


def start_level(level: int, psf: Array, y: Array, weight: float, edge: float) -> Estimate:
    """Return the first estimate of a level: the image is the blurred one, continued outwards."""
    image = extended(array_namespace(y), Blur(psf, "replicate"), y)
    return Estimate(level, psf, image, objective(psf, image, y, weight, edge))


def run_rounds(
    start: Estimate,
    estimates: Iterator[Estimate],
    callback: Callable[[int, float, Array], object] | None,
) -> tuple[list[float], Estimate, bool]:
    """Run the rounds until their end, the callback's true value, or Ctrl-C.

    Return the losses on the finest pixels, the best estimate there, and whether Ctrl-C ended
    the rounds. Before the finest pixels are reached, the last estimate is the best.
    """
    losses: list[float] = []
    best = start
    try:
        for step, now in enumerate(estimates):
            if now.level < best.level or now.level > 0 or now.loss < best.loss:
                best = now
            if now.level == 0:
                losses.append(now.loss)
            if callback is not None and callback(step, now.loss, now.psf):
                break
    except KeyboardInterrupt:
        return losses, best, True
    return losses, best, False


def alternation(
    now: Estimate, levels: list[Level], weight: float, edge: float, rounds: int
) -> Iterator[Estimate]:
    """Yield the estimates, from the first of the coarsest level to the last of the finest."""
    while True:
        yield now
        y = levels[now.level][0]
        for n in range(rounds):
            w = weight * FIRST ** (1 - n / max(rounds - 1, 1))
            image = update_image(now.psf, now.image, y, w, edge)
            psf = update_psf(now.psf, image, y)
            now = Estimate(now.level, psf, image, objective(psf, image, y, weight, edge))
            yield now
        if now.level == 0:
            return
        below, shape = levels[now.level - 1]
        now = start_level(now.level - 1, upsample(now.psf, shape), below, weight, edge)


def upsample_to_finest(now: Estimate, levels: list[Level], weight: float, edge: float) -> Estimate:
    """Return a coarser estimate's PSF on the finest pixels, as the start of that level."""
    psf = now.psf
    for _, shape in reversed(levels[: now.level]):
        psf = upsample(psf, shape)
    return start_level(0, psf, levels[0][0], weight, edge)


def differences(x: Array) -> Blur:
    """Return ``(D x)[p] = x[p + (1, 0)] - x[p] + i (x[p + (0, 1)] - x[p])``."""
    xp = array_namespace(x)
    dtype = xp.complex64 if is_single(xp, x) else xp.complex128
    # The entry [1 - a, 1 - b] is the weight of x[p + (a, b)].
    return Blur(xp.asarray([[0, 1], [1j, -1 - 1j]], dtype=dtype, device=device(x)))


# 1/2 |A(h) x - y|^2 + w/2 sum log(1 + |D x|^2 / e^2)
def objective(psf: Array, x: Array, y: Array, w: float, edge: float) -> float:
    """Return the objective."""
    xp = array_namespace(x)
    penalty = xp.sum(xp.log1p((xp.abs(differences(x)(x)) / edge) ** 2))
    return float(HalfSquaredError(y)(Blur(psf)(x))) + 0.5 * w * float(penalty)


# log(1 + t / e^2) <= log(1 + s / e^2) + (t - s) / (s + e^2) at s = |D x|^2 now, t = |D x|^2 next
def update_image(psf: Array, x: Array, y: Array, w: float, edge: float) -> Array:
    """Return the image after a round: steps on a quadratic majorant of the objective."""
    xp, D = array_namespace(x), differences(x)
    Dx = D(x)
    weights = w / (xp.abs(Dx) ** 2 + edge**2)
    penalty = HalfSquaredError(xp.zeros_like(Dx), weights) @ D
    f = HalfSquaredError(y) @ Blur(psf) + penalty
    return unwrap(minimize_image(f, x, IMAGE_STEPS))


# 1/2 |A(h) D x - D y|^2: differences have no mean, and any PSF of sum one keeps the mean
def update_psf(psf: Array, x: Array, y: Array) -> Array:
    """Return the PSF after a round: steps on the squared error of the differences."""
    xp, D = array_namespace(x), differences(x)
    f = normal_equations(Blur(psf), D(x), D(y))
    start = xp.astype(psf, xp.float64, copy=False)
    result = optim.spectral_projected_gradient(f.value_and_grad, start, SIMPLEX, steps=PSF_STEPS)
    return xp.astype(unwrap(result), psf.dtype, copy=False)


def restore_image(psf: Array, y: Array, variation: float) -> tuple[Array, bool]:
    """Return the image of least total variation with a PSF, and whether Ctrl-C ended it."""
    xp = array_namespace(y)
    x = extended(xp, Blur(psf, "replicate"), y)
    D = differences(x)
    penalty = (variation / CORNER) * Huber(xp.zeros_like(D(x)), CORNER) @ D
    result = minimize_image(HalfSquaredError(y) @ Blur(psf) + penalty, x, LAST_STEPS)
    return result.params, result.interrupted


def minimize_image(f: Map, x: Array, steps: int) -> optim.Result:
    """Minimise over nonnegative images."""
    return optim.accelerated_proximal_gradient(f.value_and_grad, x, LIGHT, steps=steps)


def unwrap(result: optim.Result) -> Array:
    """Return the solver's parameters; re-raise the KeyboardInterrupt that it caught."""
    if result.interrupted:
        raise KeyboardInterrupt
    return result.params


def upsample(psf: Array, shape: tuple[int, int]) -> Array:
    """Centre a PSF, and interpolate it to pixels half as wide."""
    xp, psf = array_namespace(psf), centred(psf)
    height, width = (2 * n - 1 for n in psf.shape)
    tent = xp.asarray(np.outer([0.5, 1, 0.5], [0.5, 1, 0.5]), dtype=psf.dtype, device=device(psf))
    wide = Downsample(tent, 2, (height, width), "zero").adjoint(psf)
    corner = (height // 2 - shape[0] // 2, width // 2 - shape[1] // 2)
    cut = window(wide, corner, shape)
    return cut / xp.sum(cut)


def centred(psf: Array) -> Array:
    """Return a PSF shifted by whole pixels, its centre of gravity nearest to ``size // 2``."""
    xp = array_namespace(psf)
    corner = []
    for axis, n in enumerate(psf.shape):
        place = xp.arange(n, dtype=psf.dtype, device=device(psf))
        gravity = xp.sum(xp.sum(psf, axis=1 - axis) * place) / xp.sum(psf)
        corner.append(round(float(gravity)) - n // 2)
    cut = window(psf, (corner[0], corner[1]), tuple(psf.shape))
    return cut / xp.sum(cut)


def window(x: Array, corner: tuple[int, int], shape: tuple[int, int]) -> Array:
    """Return a part of a 2D array; beyond the array it is zero."""
    xp = array_namespace(x)
    for axis, first, size in zip((-2, -1), corner, shape, strict=True):
        before, after = max(0, -first), max(0, first + size - x.shape[axis])
        x = BOUNDARIES["zero"].extend(xp, x, axis, before, after)
        x = part(x, axis, first + before, first + before + size)
    return x
