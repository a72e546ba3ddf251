"""The fit of one PSF to pairs of pictures, and of what else differs between them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from nufftlib.blur.calibrate.pair.active_set import like, nonnegative_minimum, on_host, solution
from nufftlib.blur.calibrate.pair.between import smoothed
from nufftlib.blur.calibrate.pair.model import STILL, Pair
from nufftlib.blur.calibrate.pair.statistics import Centred, Sharp
from nufftlib.core.arrays import Array, namespace

GAINS, SAME = 20, 1e-9  # rounds of gains and PSF at most, and the relative change that ends them
HEAVY = 1e4  # of the largest entry of the matrix: the weight of a sum that is not one
LENGTHS = 6  # of a step of the alignment that are tried at most
GAMMAS, ACCURACY = (0.3, 4.0), 1e-3  # where the exponent is looked for, and of its logarithm


@dataclass(frozen=True)
class Fit:
    """The best PSF for some pairs, with its gains and offsets.

    Parameters
    ----------
    pairs : list of Pair
        The pairs.
    photometry : bool
        Whether gain and offset of each channel are free.
    guess : ndarray of bool or None
        Where the PSF may be positive.
    """

    pairs: Sequence[Pair]
    photometry: bool
    guess: Any = None

    @cached_property
    def sums(self) -> list[Centred]:
        """The sums of all pairs."""
        return [pair.sums(free=self.photometry) for pair in self.pairs]

    @cached_property
    def found(self) -> tuple[Array, Any]:
        """The PSF, of sum one, and its pixels that are free."""
        xp: Any = namespace(self.pairs[0].x)
        shape, free = self.pairs[0].blur.psf.shape, self.guess
        gains = [xp.ones_like(s.square) for s in self.sums]
        alone = self.photometry and sum(g.shape[0] for g in gains) == 1
        for _ in range(GAINS):
            G, b = self.normal(gains)
            found, free = nonnegative_minimum(on_host(G), on_host(b), free)
            h = like(gains[0], found)
            if not float(xp.sum(h)) > 0:
                msg = (
                    "calibrate_pair(sharp, blurred): no PSF makes the blurred picture brighter "
                    "where the sharp one is; want a pair that is not inverted"
                )
                raise ValueError(msg)
            h = xp.reshape(h / xp.sum(h), shape)
            after = [s.gain(h) for s in self.sums]
            change = max(float(xp.max(xp.abs(a - g))) for a, g in zip(after, gains, strict=True))
            gains = after
            if change < SAME or alone:  # a gain that all pixels share scales the PSF alone
                break
        return h, free

    def normal(self, gains: Sequence[Array]) -> tuple[Array, Array]:
        """Return matrix and right-hand side for the PSF, where gains are given."""
        xp: Any = namespace(self.pairs[0].x)
        G, b = 0.0, 0.0
        for g, s in zip(gains, self.sums, strict=True):
            G = G + xp.sum(g[:, None, None] ** 2 * s.gram, axis=0)
            b = b + xp.matmul(g, s.rhs)
        if not self.photometry:  # without a gain the sum has to be one
            weight = HEAVY * xp.max(xp.linalg.diagonal(G))
            G, b = G + weight, b + weight
        return G, b

    @property
    def psf(self) -> Array:
        """The PSF."""
        return self.found[0]

    @cached_property
    def pixels(self) -> float:
        """How many pixels count."""
        return sum(s.pixels for s in self.sums)

    @cached_property
    def misfit(self) -> float:
        """The mean square of what is compared."""
        return 2 * sum(float(s.value_and_grad(self.psf)[0]) for s in self.sums) / self.pixels

    @cached_property
    def photometric(self) -> list[tuple[Array, Array]]:
        """Gain and offset of each channel of each pair."""
        return [(s.gain(self.psf), s.offset(self.psf)) for s in self.sums]

    @cached_property
    def models(self) -> list[Array]:
        """The blurred pictures of the model, as they are stored, within the margin."""
        models = []
        for pair, found in zip(self.pairs, self.photometric, strict=True):
            g, o = (v[:, None, None] for v in found)
            models.append(pair.stored(pair.darkened(g * pair.whole.blurred(self.psf)) + o))
        return models

    @cached_property
    def residuals(self) -> list[Array]:
        """The stored pictures less those of the model, zero where pixels do not count."""
        return [
            pair.whole.counted(pair.inner(pair.y) - model)
            for pair, model in zip(self.pairs, self.models, strict=True)
        ]

    @cached_property
    def variance(self) -> float:
        """The mean square of the residuals."""
        xp: Any = namespace(self.pairs[0].x)
        counted = sum(float(xp.sum(xp.astype(p.whole.seen, p.x.dtype))) for p in self.pairs)
        return float(sum(xp.sum(r * r) for r in self.residuals)) / counted

    def with_pairs(self, pairs: Sequence[Pair]) -> Fit:
        """Return the fit to other pairs."""
        return Fit(pairs, self.photometry, self.found[1])

    def again(self) -> Fit:
        """Return the fit to the same pairs, whose sums are kept."""
        return self.with_pairs(self.pairs)

    def carried(self, pairs: Sequence[Pair]) -> Fit:
        """Return this PSF with its gains and offsets as if they were found on other pairs."""
        other = self.with_pairs(pairs)
        other.__dict__.update(found=self.found, photometric=self.photometric)
        return other


def with_exponent(fit: Fit) -> Fit:
    """Return the fit of the best exponent, which all pairs share."""
    import scipy.optimize  # on use: it takes longer than most of the rest

    def at(log: float) -> Fit:
        return fit.with_pairs([pair.with_gamma(math.exp(log)) for pair in fit.pairs])

    best = scipy.optimize.minimize_scalar(
        lambda log: at(log).variance,
        bounds=(math.log(GAMMAS[0]), math.log(GAMMAS[1])),
        method="bounded",
        options={"xatol": ACCURACY},
    )
    return at(float(best.x))


def without_detail(fit: Fit) -> Fit:
    """Return the fit to pictures without their finest detail, which no kernel moves rightly."""
    return fit.with_pairs([filled(pair, fit, i) for i, pair in enumerate(fit.pairs)])


def filled(pair: Pair, fit: Fit, i: int) -> Pair:
    """Return a pair without its finest detail, with pair `i` of a fit where it does not count."""
    xp: Any = namespace(pair.x)
    all_count = bool(xp.all(pair.seen))
    return replace(pair, filled=pair.y if all_count else pair.framed(fit.models[i]))


@dataclass(frozen=True)
class Information:
    """What the pixels say of PSF, motions and both, in the least-squares sense.

    Parameters
    ----------
    A : array, shape (P, P)
        Of the PSF, gains and offsets eliminated.
    C : array, shape (P, numbers)
        Of PSF and motions.
    S : array, shape (numbers, numbers)
        Of the motions, all else eliminated.
    slope : array, shape (numbers,)
        How the fit would like to move.
    """

    A: Array
    C: Array
    S: Array
    slope: Array


def information(fit: Fit, *, turned: bool) -> Information:
    """Return what the pixels say at a fit."""
    from scipy.linalg import block_diag  # on use: it takes longer than most of the rest

    xp: Any = namespace(fit.pairs[0].x)
    h, free = fit.found
    A: Any = psf_information(fit)
    across, within, slope = [], [], []
    for pair, s in zip(fit.pairs, fit.sums, strict=True):
        g = s.gain(h)
        p = pair.sharp.blurred(h)
        r = pair.light - g[:, None, None] * p - s.offset(h)[:, None, None]
        blurred = []
        for d in pair.slopes(turned=turned):
            d = d if pair.filled is None else smoothed(d)
            d = replace(pair.sharp, x=d).blurred(h)
            d = projected(pair.sharp, d, p) if fit.photometry else d
            blurred.append(g[:, None, None] * pair.sharp.counted(d))
        across += [xp.matmul(g, pair.sharp.columns(d)) for d in blurred]
        within.append(np.asarray([[float(xp.sum(a * b)) for a in blurred] for b in blurred]))
        slope += [xp.sum(d * r) for d in blurred]
    C = xp.stack(across, axis=1)
    D = xp.asarray(block_diag(*within), dtype=h.dtype, device=h.device)
    S = D - xp.matmul(xp.matrix_transpose(C), solution(A, C, free))
    return Information(A, C, S, xp.stack(slope))


def psf_information(fit: Fit) -> Array:
    """Return the matrix of the PSF; its columns lose what gains and offsets may do."""
    xp: Any = namespace(fit.pairs[0].x)
    v = xp.reshape(fit.psf, (-1,))
    A: Any = 0.0
    for s in fit.sums:
        g, part = s.gain(fit.psf), s.gram
        if fit.photometry:
            Gh = xp.matmul(part, v)
            hGh = xp.sum(Gh * v, axis=-1)
            part = part - Gh[:, :, None] * Gh[:, None, :] / hGh[:, None, None]
        A = A + xp.sum(g[:, None, None] ** 2 * part, axis=0)
    return A


def aligned(fit: Fit, *, turned: bool) -> Fit:
    """Return the fit after a step of the motions.

    Gauss and Newton's step for the motions together with the free pixels of the PSF, gains and
    offsets, of which all but the motions are eliminated. It is lengthened as long as that helps,
    since pixels that become free or bound make way for more.
    """
    xp: Any = namespace(fit.pairs[0].x)
    known = information(fit, turned=turned)
    step = xp.linalg.solve(known.S, known.slope[:, None])[:, 0]
    best, length, factor = fit, 1.0, 2.0
    for trial in range(LENGTHS):
        after = moved(fit, length * step)
        if all(pair.open for pair in after.pairs) and after.misfit < best.misfit:
            best = after
        elif trial == 0:
            factor = 0.5
        elif best is not fit:
            break
        length *= factor
    return best


def moved(fit: Fit, step: Array) -> Fit:
    """Return the fit at other motions."""
    count = step.shape[0] // len(fit.pairs)
    pairs = []
    for i, pair in enumerate(fit.pairs):
        own = [float(step[count * i + j]) for j in range(count)] + [0.0] * (len(STILL) - count)
        motion = tuple(m + t for m, t in zip(pair.motion, own, strict=True))
        pairs.append(replace(pair, motion=motion))
    return fit.with_pairs(pairs)


def projected(sharp: Sharp, d: Array, p: Array) -> Array:
    """Return `d` without what an offset and a multiple of `p` can make of it."""
    xp: Any = namespace(d)

    def mean(a: Array) -> Array:
        total = xp.sum(sharp.counted(a), axis=(-2, -1), keepdims=True)
        return total / sharp.sums[2][:, None, None]

    p, d = p - mean(p), d - mean(d)
    return d - p * (mean(p * d) / mean(p * p))
