r"""The PSF between pictures as they really are: not equally exposed, clipped, encoded, moved.

.. math:: y_c \approx \left( g_c \, A(h) \, (M x)_c + o_c \right)^{1 / \gamma}
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from array_api_compat import array_namespace

import optim
from nufftlib.blur.calibrate.objective import as_pairs, first_psf, several
from nufftlib.blur.calibrate.pair.between import REACH, SMOOTHING
from nufftlib.blur.calibrate.pair.deviations import psf_deviations
from nufftlib.blur.calibrate.pair.findings import findings_of, louder
from nufftlib.blur.calibrate.pair.fit import Fit, Information, information
from nufftlib.blur.calibrate.pair.model import STILL, Pair
from nufftlib.blur.calibrate.pair.pixels import clipping_levels, unclipped
from nufftlib.blur.calibrate.pair.rounds import (
    ALWAYS,
    NUISANCES,
    TESTED,
    Nuisance,
    Rounds,
    deviation,
    too_few,
)
from nufftlib.blur.calibrate.pair.start import MIDDLE, SLACK
from nufftlib.blur.operator import Blur
from nufftlib.core.arrays import Array, summary
from nufftlib.core.kinds import choice, is_array, optional_function, positive
from nufftlib.core.notebook import picture
from nufftlib.core.run import Run
from nufftlib.inverse.resuming import begun, elapsed


@dataclass(frozen=True, eq=False, repr=False)
class CalibratedPair(Run):
    """The result of `calibrate_pair`.

    Parameters
    ----------
    losses : list of float
        The mean squared residual after each round, in units of the blurred picture.
    seconds : float
        Duration of everything; of a run that went on from a checkpoint with the time before that.
    interrupted : bool
        Whether Ctrl-C ended the rounds early.
    psf : array, shape (height, width)
        The PSF, nonnegative and of sum one.
    deviations : array, shape (height, width)
        The standard deviation of each pixel; of one that is zero, what it would have if it were
        not bound.
    covariance : array, shape (height * width, height * width)
        Of the pixels, row by row, as `measure_psf` takes it; zero at pixels that are bound.
    nuisances : tuple of str
        The differences that were fitted, or believed with ``"auto"``.
    gain, offset : list of array, shape (channels,)
        Of each pair.
    gamma : float
        The blurred pictures are the power ``1 / gamma`` of the light.
    motion : list of tuple of float
        Shift along both axes in pixels, rotation in radians and scale of the `Warp` that moves
        each sharp picture before the blur. What it shows moves the other way.
    motion_deviations : list of tuple of float
        Their standard deviations, as far as they were fitted.
    vignette : list of array or None
        Which part of the light each pixel of a blurred picture's valid part got, one in the
        middle; of pictures that are far apart, on what both show. None if it was not fitted.
    noise : float
        Standard deviation of the residuals, outliers apart.
    seen : list of array of bool
        Which pixels of the blurred pictures' valid parts counted.
    residuals : list of array
        Blurred pictures less the model, as they are stored, zero where pixels do not count; the
        edge that a motion spoils is left out.
    findings : list of str
        Sentences on what differs, and on what looks wrong.
    """

    psf: Array
    deviations: Array
    covariance: Array
    nuisances: tuple[Nuisance, ...]
    gain: list[Array]
    offset: list[Array]
    gamma: float
    motion: list[tuple[float, ...]]
    motion_deviations: list[tuple[float, ...]]
    vignette: list[Array | None]
    noise: float
    seen: list[Array]
    residuals: list[Array]
    findings: list[str]

    thumbnails = (("psf", picture),)


def calibrate_pair(
    sharp: Array | Sequence[Array],
    blurred: Array | Sequence[Array],
    *,
    size: int | tuple[int, int] = 25,
    nuisances: Literal["auto"] | Sequence[Nuisance] = "auto",
    seen: Array | Sequence[Array] | None = None,
    noise: float | None = None,
    callback: Callable[[int, float, Array], object] | None = None,
    checkpoint: optim.Checkpoint | None = None,
) -> CalibratedPair:
    r"""Find the PSF between pictures that differ by more than a blur.

    Each channel of a blurred picture is modelled as

    .. math:: y_c = \left( g_c \, A(h) \, (M x)_c + o_c \right)^{1 / \gamma} + \text{noise},

    with a gain and an offset, a sharp picture that is moved by `M`, and a power by which the
    blurred one is stored. The nonnegative PSF of least squares is found exactly, by its active
    set. Clipped pixels and outliers do not count.

    Parameters
    ----------
    sharp : array, shape (..., height, width), real, or sequence of such
        The sharp picture, linear in the light; leading axes are channels. Several pairs with one
        PSF are lists.
    blurred : array, real, or sequence of such
        The blurred picture, of the size of the sharp one or of its valid part.
    size : int or tuple of int
        Height and width of the PSF.
    nuisances : "auto" or sequence of str
        What else may differ:

        - ``"photometry"``: gain and offset of each channel;
        - ``"clipping"``: pixels at the largest or smallest value of a channel, where these make
          a plateau, and those that the model takes near it;
        - ``"outliers"``: hot and dead pixels, more than five standard deviations off;
        - ``"gamma"``: the power;
        - ``"shift"``: a shift of one picture against the other;
        - ``"rotation"``: a shift, a rotation and a scale;
        - ``"vignette"``: light that falls off over the field, as a polynomial of degree four for
          all channels; gain and offset come with it.

        ``"auto"`` takes the first three, and the power, the shift and the vignette where the
        squared error falls by a five-hundredth. Without a shift the PSF has it.
    seen : array of bool, or sequence of such, optional
        Which pixels of each blurred picture count, like the blurred picture.
    noise : float, optional
        Standard deviation of the blurred picture's noise, in its units, if it is known. Deviations
        and the limits of clipping and outliers follow it, in place of the residual's, and
        `findings` says if the residual is larger.
    callback : callable, optional
        ``callback(round, mean_square, psf)`` after each round; a true value stops.
    checkpoint : Checkpoint, optional
        The file that the whole state is saved to, and from which the run may go on, see
        `optim.Checkpoint`.

    Returns
    -------
    CalibratedPair
        After Ctrl-C, the result of the rounds done so far.

    Raises
    ------
    TypeError
        If a picture is no array of float32 or float64, or a setting of the wrong kind.
    ValueError
        If a name is unknown, shapes do not fit, a picture is not finite, or too few pixels count.
    KeyboardInterrupt
        If Ctrl-C comes before the first round is done.

    Notes
    -----
    With ``"shift"`` a whole number of pixels is told from the PSF by its centre of mass, which is
    brought to within half a pixel of its centre, ``size // 2``; the part of a pixel by the fit:
    only at one of them are the pixels of a PSF nonnegative.

    With a shift both pictures are compared without what is above 0.88 of the highest frequency:
    no filter of finite length moves it rightly, and pixels have mixed it with lower frequencies.

    Pictures that are more than three pixels apart are registered first. A quarter of a picture is
    found, and rotations up to 0.15 rad.

    Exponent and motion are found on the inner 512 x 512 pixels of larger pictures.

    References
    ----------
    M. Delbracio, P. Muse, A. Almansa and J.-M. Morel, "The non-parametric sub-pixel local point
    spread function estimation is a well posed problem", Int. J. Comput. Vis. 96 (2012) 175-194.

    G. Golub and V. Pereyra, "Separable nonlinear least squares: the variable projection method and
    its applications", Inverse Problems 19 (2003) R1-R26.

    Examples
    --------
    >>> from nufftlib import data, workflows
    >>> sharp = data.astronaut()[:, ::2, ::2]
    >>> psf, blurred = workflows.simulate_blur(sharp, size=9, noise=0.005, seed=0)
    >>> found = workflows.calibrate_pair(sharp, (0.8 * blurred + 0.1).clip(max=0.7), size=9)
    >>> workflows.psf_error(found.psf, psf) < 0.05
    True
    >>> print(found.findings[0])
    The blurred picture has the gain ...
    """
    call = "calibrate_pair"
    clock = time.perf_counter()
    optional_function(call, "callback", callback)
    noise = None if noise is None else positive(call, "noise", noise)
    names = checked_nuisances(call, nuisances)
    doubted = () if isinstance(nuisances, list | tuple) else TESTED
    start = first_psf(call, several(sharp), size)
    pairs, levels = prepared(Blur(start), sharp, blurred, seen, names)
    names = large_enough(call, names, pairs, doubted=bool(doubted))
    settings = {
        "sharp": sharp,
        "blurred": blurred,
        "size": tuple(start.shape),
        "nuisances": nuisances,
        "seen": seen,
        "noise": noise,
    }
    place, before = begun(call, checkpoint, settings, start) or (None, ())
    rounds, losses = Rounds(names, doubted, levels, noise), [*before]
    xp: Any = array_namespace(start)

    def result(fit: Fit, *, interrupted: bool) -> CalibratedPair:
        moved = [pair.motion != STILL for pair in fit.pairs]
        motion = information(fit, turned=fit.pairs[0].turned) if all(moved) else None
        left = deviation(fit)
        unit = 1.0 if noise is None else noise / left  # the deviations are by what is left
        deviations, covariance = psf_deviations(fit, motion)
        findings = findings_of(fit, levels, rounds.outliers, rounds.too_many)
        return CalibratedPair(
            losses=losses,
            seconds=elapsed(checkpoint, clock),
            interrupted=interrupted,
            psf=xp.astype(fit.psf, start.dtype, copy=False),
            deviations=xp.astype(unit * deviations, start.dtype, copy=False),
            covariance=xp.astype(unit**2 * covariance, start.dtype, copy=False),
            nuisances=rounds.names,
            gain=[s.gain(fit.psf) for s in fit.sums],
            offset=[s.offset(fit.psf) for s in fit.sums],
            gamma=fit.pairs[0].gamma,
            motion=[pair.given_motion for pair in fit.pairs],
            motion_deviations=deviations_of(motion, fit, unit),
            vignette=[pair.vignette for pair in fit.pairs],
            noise=left,
            seen=[in_place(pair, own) for pair, own in zip(pairs, fit.pairs, strict=True)],
            residuals=fit.residuals,
            findings=findings + louder(left, noise),
        )

    try:
        for after in rounds.run(pairs, place):
            asked: object = False
            if after.whole:
                assert rounds.fit is not None
                fit = rounds.fit
                losses.append(fit.variance)
                asked = callback is not None and callback(len(losses) - 1, fit.variance, fit.psf)
            if checkpoint is not None:
                checkpoint.save((after, (*losses,)))
            if asked:
                break
        assert rounds.fit is not None
        return result(rounds.fit, interrupted=False)
    except KeyboardInterrupt:
        if rounds.fit is None or not losses:
            raise
        return result(rounds.fit, interrupted=True)  # also where the result itself was cut short
    finally:
        if checkpoint is not None:
            checkpoint.flush()


def checked_nuisances(call: str, nuisances: Any) -> tuple[Nuisance, ...]:
    """Return the names of the differences to be fitted or tested."""
    if not isinstance(nuisances, list | tuple):
        choice(call, "nuisances", nuisances, ("auto",))
        return (*ALWAYS, *TESTED)
    return tuple(choice(call, "nuisances", name, NUISANCES) for name in nuisances)


def large_enough(
    call: str, names: tuple[Nuisance, ...], pairs: list[Pair], *, doubted: bool
) -> tuple[Nuisance, ...]:
    """Return the names without motions if a picture is too small for these, or refuse it."""
    least = 2 * (REACH + SLACK + SMOOTHING) + MIDDLE
    small = [tuple(p.y.shape[-2:]) for p in pairs if min(p.y.shape[-2:]) < least]
    motions = [name for name in names if name in ("shift", "rotation")]
    if not small or not motions:
        return names
    if not doubted:
        msg = (
            f"{call}(nuisances): nuisances has {motions[0]!r} and the valid part of a blurred "
            f"picture is {small[0][0]} x {small[0][1]}; want at least {least} x {least}"
        )
        raise ValueError(msg)
    return tuple(name for name in names if name not in motions)


def prepared(
    blur: Blur, sharp: Any, blurred: Any, seen: Any, names: tuple[Nuisance, ...]
) -> tuple[list[Pair], list[list[tuple[float, float]]]]:
    """Return the pairs in double precision, channels in front, and the clipping levels."""
    xp: Any = array_namespace(blur.psf)
    given = [None] * len(several(blurred)) if seen is None else several(seen)
    if len(given) != len(several(blurred)):
        msg = (
            f"calibrate_pair(seen): there are {len(given)} masks and {len(several(blurred))} "
            f"blurred pictures; want as many"
        )
        raise ValueError(msg)
    pairs, levels = [], []
    wide = replace(blur, psf=xp.astype(blur.psf, xp.float64, copy=False))
    for (x, y), mask, whole in zip(
        as_pairs(blur, sharp, blurred, "calibrate_pair"), given, several(blurred), strict=True
    ):
        x, y = (
            xp.astype(xp.reshape(a, (-1, *a.shape[-2:])), xp.float64, copy=False) for a in (x, y)
        )
        keep = xp.ones_like(y, dtype=xp.bool)
        if mask is not None:
            keep = checked_mask(blur, mask, whole, y)
        own = [(-math.inf, math.inf)] * y.shape[0]
        if "clipping" in names:
            own = clipping_levels(middle(wide, x), y, keep)
            keep = keep & unclipped(y, own)
        pair = Pair(wide, x, y, keep)
        check_pixels(pair)
        pairs.append(pair)
        levels.append(own)
    return pairs, levels


def middle(blur: Blur, x: Array) -> Array:
    """Return the sharp picture's pixels at those of the valid part."""
    (P, Q), (H, W) = blur.psf.shape, x.shape[-2:]
    return x[..., P - 1 - P // 2 : H - P // 2, Q - 1 - Q // 2 : W - Q // 2]


def check_pixels(pair: Pair) -> None:
    """Refuse pictures of which too little counts, or that are flat."""
    xp: Any = array_namespace(pair.x)
    for name, a in (("sharp", pair.x), ("blurred", pair.y)):
        for c in range(a.shape[0]):
            if float(xp.min(a[c, ...])) == float(xp.max(a[c, ...])):
                msg = f"calibrate_pair({name}): channel {c} is {float(a[c, 0, 0]):g} everywhere; "
                msg += "want a picture"
                raise ValueError(msg)
    if too_few(pair, pair.seen):
        counts = [int(xp.count_nonzero(pair.seen[c, ...])) for c in range(pair.seen.shape[0])]
        least = math.prod(pair.blur.psf.shape)
        msg = (
            f"calibrate_pair(blurred, seen): of a channel {min(counts)} pixels count, without "
            f"those at its clipping levels; want at least {least}, as many as the PSF has"
        )
        raise ValueError(msg)


def in_place(given: Pair, part: Pair) -> Array:
    """Return which pixels of a given pair count, of those of the part that was fitted."""
    if part.overlap is None:
        return part.seen
    xp: Any = array_namespace(part.seen)
    seen = part.seen
    for axis, first in zip((-2, -1), part.overlap.blurred, strict=True):
        sizes = [list(seen.shape) for _ in range(2)]
        sizes[0][axis] = first
        sizes[1][axis] = given.seen.shape[axis] - first - seen.shape[axis]
        ends = [xp.zeros(tuple(size), dtype=seen.dtype, device=seen.device) for size in sizes]
        seen = xp.concat([ends[0], seen, ends[1]], axis=axis)
    return seen


def checked_mask(blur: Blur, mask: Any, whole: Array, y: Array) -> Array:
    """Return a mask of the valid part, or refuse it."""
    xp: Any = array_namespace(y)
    good = is_array(mask) and array_namespace(mask) is xp and xp.isdtype(mask.dtype, "bool")
    if not good:
        msg = f"calibrate_pair(seen): seen is {summary(mask)}; want an array of bool"
        raise TypeError(msg)
    if mask.shape != whole.shape:
        msg = (
            f"calibrate_pair(seen): seen has the shape {tuple(mask.shape)}; want that of the "
            f"blurred picture, {tuple(whole.shape)}"
        )
        raise ValueError(msg)
    mask = xp.reshape(mask, (-1, *mask.shape[-2:]))
    if mask.shape != y.shape:
        (P, Q), (h, w) = blur.psf.shape, y.shape[-2:]
        r, c = P - 1 - P // 2, Q - 1 - Q // 2
        mask = mask[..., r : r + h, c : c + w]
    return mask


def deviations_of(motion: Information | None, fit: Fit, unit: float) -> list[tuple[float, ...]]:
    """Return the standard deviations of the motions of all pairs, in units of the misfit's."""
    if motion is None:
        return [() for _ in fit.pairs]
    xp: Any = array_namespace(fit.psf)
    size = motion.S.shape[0]
    inverse = xp.linalg.inv(motion.S)
    found = [unit * math.sqrt(fit.misfit * float(inverse[i, i])) for i in range(size)]
    each = size // len(fit.pairs)
    return [tuple(found[i : i + each]) for i in range(0, size, each)]
