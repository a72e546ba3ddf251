r"""Blind calibration: image and PSF together, from one blurred image.

Each round finds an image of few edges for the PSF (`image`), and then the PSF for that image
(`kernel`). The rounds start on coarse pixels and end on the given ones (`levels`). On each level
an edge first costs much, and then less: only the strongest ones decide first.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from array_api_compat import array_namespace, device

import optim
from nufftlib.blur.calibrate.blind.image import sharp_image
from nufftlib.blur.calibrate.blind.kernel import next_psf
from nufftlib.blur.calibrate.blind.levels import Level, pyramid, upsampled
from nufftlib.blur.calibrate.blind.shifts import centred
from nufftlib.blur.calibrate.objective import check_image
from nufftlib.blur.deblur.job import deblur
from nufftlib.blur.deblur.spectrum import estimate_noise
from nufftlib.blur.operator import Blur, extended
from nufftlib.blur.psfs.made import pixels_2d
from nufftlib.core.arrays import Array
from nufftlib.core.kinds import integer, optional_function, positive
from nufftlib.core.losses import HalfSquaredError
from nufftlib.core.notebook import picture
from nufftlib.core.run import Run
from nufftlib.inverse.resuming import begun, elapsed

FIRST = 8.0  # times the weight, in the first round of a level
LEAST, PER_VARIANCE = 5e-4, 5.0
"""The weight: not below the first, lest texture count as edges; and that of noise."""


@dataclass(frozen=True, eq=False, repr=False)
class BlindCalibration(Run):
    """The result of `calibrate_blind`.

    Parameters
    ----------
    losses : list of float
        Half the squared error of image and PSF on the finest pixels, before each round and
        after the last, to which `psf` belongs.
    seconds : float
        Duration of everything; of a run that went on from a checkpoint with the time before that.
    interrupted : bool
        Whether Ctrl-C ended it early.
    psf : array, shape (height, width)
        The PSF, its centre of gravity within half a pixel of the index ``size // 2``.
    image : array
        The restored image, larger than the blurred one by ``size - 1`` on each axis.
    weight : float
        The weight of an edge, given or chosen.
    """

    psf: Array
    image: Array
    weight: float

    thumbnails = (
        ("image", picture),
        ("psf", picture),
    )


class Estimate(NamedTuple):
    """The PSF and the image after a round.

    Attributes
    ----------
    level : int
        0 on the finest pixels; the pixels of each further level are wider by sqrt(2).
    psf, image : array
        PSF and image, on the level's pixels.
    loss : float
        Half the squared error of the two.
    """

    level: int
    psf: Array
    image: Array
    loss: float


class Place(NamedTuple):
    """Where the rounds are: what a checkpoint saves.

    Attributes
    ----------
    step : int
        Number of estimates so far, less one.
    rounds : int
        Rounds of the level that are done.
    last : Estimate
        The last estimate.
    losses : tuple of float
        The losses on the finest pixels.
    """

    step: int
    rounds: int
    last: Estimate
    losses: tuple[float, ...]


def calibrate_blind(
    blurred: Array,
    *,
    size: int | tuple[int, int] = 15,
    weight: float | None = None,
    rounds: int = 8,
    callback: Callable[[int, float, Array], object] | None = None,
    checkpoint: optim.Checkpoint | None = None,
) -> BlindCalibration:
    """Find image and PSF from one blurred image with edges.

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
    weight : float, optional
        The weight of an edge while the PSF is searched for: what an edge at a pixel must lower
        the squared error by, in units of the image's square. Each level starts from 8 times the
        weight. By default it is 5e-4, or 5 times the variance of the noise if that is larger; the
        noise is estimated, see `nufftlib.blur.estimate_noise`.
    rounds : int
        Rounds on each level; each updates the image and then the PSF.
    callback : callable, optional
        ``callback(round, loss, psf)`` before the first round of each level and after each
        round; PSF and loss are of the level's pixels. A true value ends the rounds.
    checkpoint : Checkpoint, optional
        The file that the whole state is saved to, and from which the run may go on, see
        `optim.Checkpoint`.

    Returns
    -------
    BlindCalibration
        Its image is that of `deblur` with the PSF. After Ctrl-C, the last estimate: the PSF is
        not centred, and the image is not restored.

    Raises
    ------
    TypeError
        If `blurred` is no array of float32 or float64, or a setting of the wrong kind.
    ValueError
        If it is smaller than twice the PSF or not finite, or a number is out of its range.

    Notes
    -----
    It can fail, and the loss does not show a failure: docs/blind-calibration.md has examples.

    References
    ----------
    L. Xu, S. Zheng and J. Jia, "Unnatural L0 sparse representation for natural image
    deblurring", CVPR (2013) 1107-1114: the image of few edges.

    D. Perrone and P. Favaro, "Total variation blind deconvolution: the devil is in the
    details", CVPR (2014) 2909-2916: the sum of the PSF is set to one after each step, and a
    falling weight.

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
    weight = weight if weight is None else positive(call, "weight", weight)
    rounds = integer(call, "rounds", rounds, least=1)
    optional_function(call, "callback", callback)
    check_blurred(blurred, shape)
    if weight is None:
        weight = max(LEAST, PER_VARIANCE * estimate_noise(blurred) ** 2)
    levels = pyramid(blurred, shape)
    start = initial_estimate(levels)
    settings = {"blurred": blurred, "size": shape, "weight": weight, "rounds": rounds}
    place: Place | None = begun(call, checkpoint, settings, blurred)
    estimates = alternation(start, levels, weight, rounds, place)
    losses, last, interrupted = run_rounds(start, estimates, callback, checkpoint, place)
    while last.level > 0:
        last = finer(last, levels)
    image = last.image
    if not interrupted:
        last = last._replace(psf=centred(last.psf))
        image, interrupted = restored(last, blurred)
    seconds = elapsed(checkpoint, clock)
    return BlindCalibration(losses or [last.loss], seconds, interrupted, last.psf, image, weight)


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


def initial_estimate(levels: list[Level]) -> Estimate:
    """Return the first estimate: a box on the coarsest pixels."""
    y, shape = levels[-1]
    xp = array_namespace(y)
    box = xp.full(shape, 1 / math.prod(shape), dtype=y.dtype, device=device(y))
    return start_level(len(levels) - 1, box, y)


def start_level(level: int, psf: Array, y: Array) -> Estimate:
    """Return the first estimate of a level: the image is the blurred one, continued outwards."""
    image = extended(array_namespace(y), Blur(psf, "replicate"), y)
    return Estimate(level, psf, image, squared_error(psf, image, y))


def squared_error(psf: Array, image: Array, y: Array) -> float:
    """Return ``|A(h) x - y|^2 / 2``."""
    return float(HalfSquaredError(y)(Blur(psf)(image)))


def alternation(
    now: Estimate, levels: list[Level], weight: float, rounds: int, place: Place | None
) -> Iterator[Estimate]:
    """Yield the estimates, from the first of the coarsest level to the last of the finest.

    With a place those after it.
    """
    done = 0
    if place is None:
        yield now
    else:
        now, done = place.last, place.rounds
    while True:
        y = levels[now.level][0]
        for n in range(done, rounds):
            w = weight * FIRST ** (1 - n / max(rounds - 1, 1))
            image = sharp_image(now.psf, y, w)
            psf = next_psf(now.psf, image, y)
            now = Estimate(now.level, psf, image, squared_error(psf, image, y))
            yield now
        if now.level == 0:
            return
        now, done = finer(now, levels), 0
        yield now


def finer(now: Estimate, levels: list[Level]) -> Estimate:
    """Return the first estimate of the next finer level."""
    y, shape = levels[now.level - 1]
    return start_level(now.level - 1, upsampled(now.psf, shape), y)


def run_rounds(
    last: Estimate,
    estimates: Iterator[Estimate],
    callback: Callable[[int, float, Array], object] | None,
    checkpoint: optim.Checkpoint | None,
    place: Place | None,
) -> tuple[list[float], Estimate, bool]:
    """Run the rounds until their end, the callback's true value, or Ctrl-C.

    Return the losses on the finest pixels, the last estimate, and whether Ctrl-C ended the
    rounds.
    """
    before = Place(-1, -1, last, ()) if place is None else place
    losses, last, done = [*before.losses], before.last, before.rounds
    try:
        for step, now in enumerate(estimates, before.step + 1):
            done, last = done + 1 if now.level == last.level else 0, now
            if now.level == 0:
                losses.append(now.loss)
            asked = callback is not None and callback(step, now.loss, now.psf)
            if checkpoint is not None:
                checkpoint.save(Place(step, done, now, (*losses,)))
            if asked:
                break
    except KeyboardInterrupt:
        return losses, last, True
    finally:
        if checkpoint is not None:
            checkpoint.flush()
    return losses, last, False


def restored(last: Estimate, blurred: Array) -> tuple[Array, bool]:
    """Return the image with the PSF of an estimate, and whether Ctrl-C ended its search."""
    try:
        found = deblur(blurred, last.psf)
    except KeyboardInterrupt:
        return last.image, True
    return found.with_margins, found.interrupted
