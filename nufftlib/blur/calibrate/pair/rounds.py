"""The rounds of a calibration: differences, alignment, and which pixels count."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from array_api_compat import array_namespace

from nufftlib.blur.calibrate.centroid import centroid
from nufftlib.blur.calibrate.pair.between import REACH
from nufftlib.blur.calibrate.pair.findings import LIGHTER
from nufftlib.blur.calibrate.pair.fit import (
    ACCURACY,
    Fit,
    aligned,
    filled,
    with_exponent,
    without_detail,
)
from nufftlib.blur.calibrate.pair.model import STILL, Pair
from nufftlib.blur.calibrate.pair.pixels import FAR, spread, unclipped
from nufftlib.blur.calibrate.pair.start import SLACK, near
from nufftlib.blur.calibrate.pair.vignette import shaded, with_vignette
from nufftlib.core.arrays import Array

Nuisance = Literal["photometry", "clipping", "outliers", "gamma", "shift", "rotation", "vignette"]
NUISANCES: tuple[Nuisance, ...] = get_args(Nuisance)
ALWAYS: tuple[Nuisance, ...] = ("photometry", "clipping", "outliers")
TESTED: tuple[Nuisance, ...] = ("gamma", "shift", "vignette")

ROUNDS = 6
ALIGNMENTS = 8  # steps of the alignment in a round at most
CLOSE = 0.002  # pixels of a step, that end them
BETTER = 0.002  # part by which the squared error has to fall for a difference to be believed
EVEN = 1e-3  # of a vignette that may still change
SETTLED = 1e-4  # part of the pixels that may still change sides
MOST_OUTLIERS = 0.02  # of the pixels; more are of a model that does not fit
CROP = 512  # pixels of a side on which exponent and motion are looked for


class Differences(NamedTuple):
    """What rounds change of a `Pair`, by its names."""

    seen: Array
    motion: tuple[float, ...]
    gamma: float
    edge: int
    filled: Array | None
    vignette: Array | None
    black: Array | None


class Place(NamedTuple):
    """Where the rounds are: all that the next one needs, and what a checkpoint saves.

    Attributes
    ----------
    whole : bool
        Whether they are those of the whole pictures, which may follow those of a part.
    round : int
        The number of the last one.
    settled : bool
        Whether it changed next to nothing.
    found : tuple of Differences
        Of each pair.
    guess : ndarray of bool
        That of the fit.
    names, doubted : tuple of str
        The differences that are fitted, and those in doubt.
    outliers, too_many : tuple
        Of each pair.
    """

    whole: bool
    round: int
    settled: bool
    found: tuple[Differences, ...]
    guess: Any
    names: tuple[Nuisance, ...]
    doubted: tuple[Nuisance, ...]
    outliers: tuple[float, ...]
    too_many: tuple[bool, ...]


class Rounds:
    """The rounds of a calibration: differences, alignment, and which pixels count.

    Parameters
    ----------
    names : tuple of str
        The differences that are fitted.
    doubted : tuple of str
        Those of them that are kept only if they are believed.
    levels : list of list of tuple
        The clipping levels of each channel of each pair.
    given : float or None
        The noise that was given.

    Attributes
    ----------
    fit : Fit or None
        That of the last round.
    """

    def __init__(
        self,
        names: tuple[Nuisance, ...],
        doubted: tuple[Nuisance, ...],
        levels: list[list[tuple[float, float]]],
        given: float | None,
    ) -> None:
        self.names, self.doubted, self.levels, self.given = names, doubted, levels, given
        self.tested = doubted
        self.outliers = [0.0] * len(levels)
        self.too_many = [False] * len(levels)
        self.fit: Fit | None = None

    def run(self, pairs: list[Pair], place: Place | None) -> Iterator[Place]:
        """Yield the place after each round, until the fit settles; after a place those that follow.

        Of large pictures a part settles first, and with its exponent and motion then the whole.
        """
        fit = Fit(pairs, "photometry" in self.names or "vignette" in self.names)
        if motions := [name for name in self.names if name in ("shift", "rotation")]:
            pairs = [near(pair, turned="rotation" in motions) for pair in pairs]
            if any(pair.motion != STILL for pair in pairs):  # that is no matter of doubt
                self.doubted = tuple(name for name in self.doubted if name not in motions)
            fit = Fit(pairs, fit.photometry)
        given = [pair.seen for pair in pairs]
        parts = [pair.cropped(CROP + 2 * pair.margin) for pair in pairs]
        whole = all(a is b for a, b in zip(parts, pairs, strict=True)) or any(map(blank, parts))
        if not whole and (place is None or not place.whole):
            names, doubted, seen = self.names, self.doubted, [part.seen for part in parts]
            small = Fit(parts, fit.photometry)
            yield from self.settling(small, seen, self.differing, place, whole=False)
            assert self.fit is not None
            small, place = self.fit, None
            pairs = [pair.as_in(part) for pair, part in zip(pairs, small.pairs, strict=True)]
            fit = small.carried(pairs)
            if "vignette" in names:  # a part says little of the whole
                self.names = (*(n for n in self.names if n != "vignette"), "vignette")
                self.doubted = tuple(n for n in doubted if n == "vignette")
        change = self.differing if whole else self.vignetted
        yield from self.settling(fit, given, change, place, whole=True)

    def settling(
        self,
        fit: Fit,
        given: list[Array],
        change: Callable[[Fit], Fit],
        place: Place | None,
        *,
        whole: bool,
    ) -> Iterator[Place]:
        """Yield the place after each round of changes and of sorting the pixels out."""
        if place is None:
            self.fit = self.sorted_out(fit, given).again()
            place = self.placed(self.fit, 0, whole=whole, done=False)
            yield place
        else:
            self.fit = self.restored(fit.pairs, fit.photometry, place)
        while place.round < ROUNDS and not place.settled:
            before = self.fit
            self.fit = self.sorted_out(change(before), given)
            done = settled(before, self.fit)
            place = self.placed(self.fit, place.round + 1, whole=whole, done=done)
            yield place

    def placed(self, fit: Fit, number: int, *, whole: bool, done: bool) -> Place:
        """Return the place after a round."""
        names = Differences._fields
        found = tuple(Differences(*(getattr(pair, n) for n in names)) for pair in fit.pairs)
        pixels = tuple(self.outliers), tuple(self.too_many)
        return Place(whole, number, done, found, fit.guess, self.names, self.doubted, *pixels)

    def restored(self, pairs: Sequence[Pair], photometry: bool, place: Place) -> Fit:
        """Return the fit at a place, of the pairs as they were before the first round."""
        self.names, self.doubted = place.names, place.doubted
        self.outliers, self.too_many = [*place.outliers], [*place.too_many]
        found = [
            replace(pair, **its._asdict()) for pair, its in zip(pairs, place.found, strict=True)
        ]
        return Fit(found, photometry, place.guess)

    def differing(self, fit: Fit) -> Fit:
        """Return the fit after a search for exponent and motion."""
        if "gamma" in self.names:
            fit = self.judged("gamma", fit, with_exponent(fit), lambda fit: fit.variance)
            if "gamma" in self.tested and abs(math.log(fit.pairs[0].gamma)) < LIGHTER:
                self.forget("gamma")  # it was a vignette
                fit = fit.with_pairs([pair.with_gamma(1.0) for pair in fit.pairs])
        fit = self.vignetted(fit)
        for name, turned in (("shift", False), ("rotation", True)):
            if name in self.names:
                still = with_edge(without_detail(fit))
                after = alignment(still, turned=turned)
                fit = self.judged(name, fit, after, lambda fit: fit.misfit, still)
        return fit

    def vignetted(self, fit: Fit) -> Fit:
        """Return the fit after a search for a vignette."""
        if "vignette" not in self.names:
            return fit
        after = with_vignette(fit)
        if "vignette" in self.tested and not shaded(after):  # as of a shift, before it is known
            gone = [replace(pair, vignette=None, black=None) for pair in fit.pairs]
            self.forget("vignette")
            none = all(pair.vignette is None for pair in fit.pairs)
            return fit if none else fit.with_pairs(gone)
        return self.judged("vignette", fit, after, lambda fit: fit.variance)

    def forget(self, name: Nuisance) -> None:
        """Fit a difference no longer."""
        self.names = tuple(n for n in self.names if n != name)
        self.doubted = tuple(n for n in self.doubted if n != name)

    def judged(
        self,
        name: Nuisance,
        before: Fit,
        after: Fit,
        error: Callable[[Fit], float],
        compared: Fit | None = None,
    ) -> Fit:
        """Return the fit with a difference if it is believed; forget that if it is not."""
        if name not in self.doubted:
            return after
        self.doubted = tuple(n for n in self.doubted if n != name)
        if error(after) < (1 - BETTER) * error(compared or before):
            return after
        self.forget(name)
        return before

    def sorted_out(self, fit: Fit, given: list[Array]) -> Fit:
        """Return the fit to the pixels that count by the model."""
        xp: Any = array_namespace(fit.psf)
        noise = deviation(fit) if self.given is None else self.given
        pairs = []
        for i, (pair, model) in enumerate(zip(fit.pairs, fit.models, strict=True)):
            y, seen = pair.inner(pair.y), given[i]
            inside = pair.inner(seen)
            if "clipping" in self.names:
                inside = inside & unclipped(model, self.levels[i], noise)
            if "outliers" in self.names:
                far = inside & (xp.abs(y - model) > FAR * noise)
                if pair.gamma != 1:  # a power is steep in the dark, and its model far off
                    off = xp.abs(pair.decoded(y) - pair.decoded(model))
                    far = far & (off > FAR * spread(off, inside))
                self.outliers[i] = float(xp.mean(xp.astype(far, y.dtype)))
                self.too_many[i] = self.outliers[i] > MOST_OUTLIERS
                if not self.too_many[i]:
                    inside = inside & ~far
            if too_few(pair, inside):  # by a model that does not fit
                inside = pair.inner(seen)
            seen = pair.within(seen, inside)
            if bool(xp.any(seen ^ pair.seen)):
                own = replace(pair, seen=seen)
                pair = own if pair.filled is None else filled(own, fit, i)
            pairs.append(pair)
        return fit if pairs == list(fit.pairs) else fit.with_pairs(pairs)


def deviation(fit: Fit) -> float:
    """Return the standard deviation of the residuals, outliers apart."""
    xp: Any = array_namespace(fit.psf)
    residuals = [xp.reshape(r, (-1,)) for r in fit.residuals]
    seen = [xp.reshape(pair.whole.seen, (-1,)) for pair in fit.pairs]
    return spread(xp.concat(residuals), xp.concat(seen))


def blank(pair: Pair) -> bool:
    """Return whether a part of a pair shows too little to be fitted alone."""
    xp: Any = array_namespace(pair.x)
    flat = any(
        float(xp.min(a[c, ...])) == float(xp.max(a[c, ...]))
        for a in (pair.x, pair.y)
        for c in range(a.shape[0])
    )
    return flat or too_few(pair, pair.seen)


def too_few(pair: Pair, seen: Array) -> bool:
    """Return whether fewer pixels of a channel count than the PSF has."""
    xp: Any = array_namespace(pair.x)
    counts = [int(xp.count_nonzero(seen[c, ...])) for c in range(seen.shape[0])]
    least: int = math.prod(pair.blur.psf.shape)
    return min(counts) < least


def alignment(fit: Fit, *, turned: bool) -> Fit:
    """Return the fit after steps of the motions, until they are small; the PSF is centred."""
    for _ in range(ALIGNMENTS):
        after = aligned(fit, turned=turned)
        done = apart(fit, after) < CLOSE
        fit = after
        if done:
            break
    return centred_psf(fit)


def apart(a: Fit, b: Fit) -> float:
    """Return the largest change of a motion, in pixels at the edge of a picture."""
    far = max(int(n) for pair in a.pairs for n in pair.x.shape[-2:]) / 2
    units = (1.0, 1.0, far, far)
    return max(
        abs(m - n) * unit
        for p, q in zip(a.pairs, b.pairs, strict=True)
        for m, n, unit in zip(p.motion, q.motion, units, strict=True)
    )


def centred_psf(fit: Fit) -> Fit:
    """Return the fit whose PSF has its centre of mass within half a pixel of its centre."""
    away = [round(c - n // 2) for c, n in zip(centroid(fit.psf), fit.psf.shape, strict=True)]
    if not any(away):
        return fit
    pairs = []
    for pair in fit.pairs:
        motion = tuple(t - k for t, k in zip(pair.motion[:2], away, strict=True))
        pairs.append(replace(pair, motion=(*motion, *pair.motion[2:])))
    free = np.roll(fit.found[1].reshape(fit.psf.shape), [-k for k in away], axis=(0, 1))
    return Fit(pairs, fit.photometry, free.ravel())


def with_edge(fit: Fit) -> Fit:
    """Return the fit without the edge that a shift spoils."""
    pairs = []
    for pair in fit.pairs:
        pairs.append(replace(pair, edge=max(pair.edge, REACH + SLACK, pair.margin + SLACK)))
    return fit.with_pairs(pairs)


def settled(before: Fit, after: Fit) -> bool:
    """Return whether a round changed next to nothing."""
    xp: Any = array_namespace(after.psf)
    changed = sum(
        float(xp.mean(xp.astype(p.seen ^ q.seen, p.x.dtype)))
        for p, q in zip(before.pairs, after.pairs, strict=True)
    )
    changes = [
        float(xp.max(xp.abs(p.vignette - q.vignette)))
        for p, q in zip(before.pairs, after.pairs, strict=True)
        if p.vignette is not None and q.vignette is not None
    ]
    found = any(p.vignette is None for p in before.pairs) and after.pairs[0].vignette is not None
    if found or max(changes, default=0.0) > EVEN:
        return False
    gammas = [fit.pairs[0].gamma for fit in (before, after)]
    same = abs(math.log(gammas[0] / gammas[1])) < 2 * ACCURACY
    return changed < SETTLED and same and apart(before, after) < CLOSE
