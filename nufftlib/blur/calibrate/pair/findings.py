"""What a calibration says of its pictures, in words."""

from __future__ import annotations

import math
from typing import Any

from nufftlib.blur.calibrate.centroid import centroid
from nufftlib.blur.calibrate.pair.fit import Fit
from nufftlib.blur.calibrate.pair.pixels import unclipped
from nufftlib.core.arrays import Array, namespace

LIGHTER = 0.01  # of gain, of offset in units of the picture's range, and of gamma: worth a word
ASIDE = 0.02  # pixels of a shift: worth a word
SOME = 1e-4  # of the pixels are outliers
BORDER = 0.02  # of the PSF in its outermost pixels
CORRELATED = 0.1  # of neighbouring residuals
LOUDER = 1.2  # times the noise that was given
OFF_CENTRE = 0.25  # of the PSF's size
ALONE = 0.9  # of the PSF in one pixel


def findings_of(
    fit: Fit,
    levels: list[list[tuple[float, float]]],
    outliers: list[float],
    too_many: list[bool],
) -> list[str]:
    """Return sentences on what differs between the pictures, and on what is left."""
    found = []
    several = len(fit.pairs) > 1
    for i, (pair, s) in enumerate(zip(fit.pairs, fit.sums, strict=True)):
        xp: Any = namespace(pair.x)
        name = f"Blurred picture {i + 1}" if several else "The blurred picture"
        span = float(xp.max(pair.y)) - float(xp.min(pair.y))
        g, o = s.gain(fit.psf), s.offset(fit.psf)
        if float(xp.max(xp.abs(g - 1))) > LIGHTER or float(xp.max(xp.abs(o))) > LIGHTER * span:
            found.append(f"{name} has the gain {listed(g)} and the offset {listed(o)}.")
        ends = sorted({v for level in levels[i] for v in level if math.isfinite(v)})
        if ends:
            at = " and ".join(f"{v:.4g}" for v in ends)
            there = xp.astype(~unclipped(pair.y, levels[i]), pair.x.dtype)
            found.append(f"{name} is clipped at {at}, {float(xp.mean(there)):.2%} of it.")
        if too_many[i]:
            found.append(
                f"{outliers[i]:.1%} of the pixels of {name.lower()} are far from the model, too "
                f"many to be outliers: none was left out. The model does not fit there; a mask can "
                f"leave them out."
            )
        elif outliers[i] > SOME:
            found.append(f"{outliers[i]:.3%} of the pixels of {name.lower()} are outliers.")
        if abs(math.log(pair.gamma)) > LIGHTER:
            found.append(
                f"{name} looks gamma-encoded: it is the power 1/{pair.gamma:.3g} of the light."
            )
        if max(map(abs, pair.given_motion[:2])) > ASIDE or pair.turned:
            down, right = (-t for t in pair.given_motion[:2])
            turn = ""
            if pair.turned:
                angle, scale = -math.degrees(pair.given_motion[2]), 1 / pair.given_motion[3]
                turn = f", turned by {angle:.3g} degrees and scaled by {scale:.5g}"
            found.append(
                f"{name} is shifted by {down:.3g} pixels down and {right:.3g} to the right{turn}."
            )
        if pair.vignette is not None:
            v = pair.vignette
            corners = sum(float(v[i, j]) for i in (0, -1) for j in (0, -1)) / 4
            found.append(
                f"{name} has a vignette: of the middle's light its corners got {corners:.1%}."
            )
    return found + faults_of(fit)


def faults_of(fit: Fit) -> list[str]:
    """Return sentences on what the model leaves over."""
    found = []
    h = fit.psf
    if float(namespace(h).max(h)) > ALONE:
        found.append(
            "The PSF is a single pixel: neither picture is more blurred, or they are swapped."
        )
    away = [c - n // 2 for c, n in zip(centroid(h), h.shape, strict=True)]
    if any(abs(a) > OFF_CENTRE * n for a, n in zip(away, h.shape, strict=True)):
        far = math.hypot(*away)
        found.append(
            f"The pictures are not aligned by {far:.3g} pixels, or the PSF is not centred."
        )
    inside = float(namespace(h).sum(h[1:-1, 1:-1]))
    if min(h.shape) > 2 and 1 - inside > BORDER:
        found.append(
            f"{1 - inside:.1%} of the PSF is in its outermost pixels: it may be larger than "
            f"{h.shape[0]} x {h.shape[1]}."
        )
    for pair, r in zip(fit.pairs, fit.residuals, strict=True):
        if (c := neighbours(r, pair.whole.seen)) > CORRELATED:
            found.append(
                f"What is left is no noise: neighbouring pixels of it correlate by {c:.2f}. The "
                f"deviations are of noise alone, and too small then."
            )
    return found


def louder(left: float, noise: float | None) -> list[str]:
    """Return a sentence on a residual that is larger than the noise."""
    if noise is None or left < LOUDER * noise:
        return []
    return [
        f"The residual's deviation is {left:.3g}, the noise was given as {noise:.3g}: the model "
        f"does not fit, or there is more noise."
    ]


def listed(values: Array) -> str:
    """Return numbers of channels, one if they are the same."""
    shown = [f"{float(values[c]):.4g}" for c in range(values.shape[0])]
    return shown[0] if len(set(shown)) == 1 else f"({', '.join(shown)})"


def neighbours(r: Array, seen: Array) -> float:
    """Return the larger correlation of residuals one pixel apart, along either axis."""
    xp: Any = namespace(r)
    found = []
    for a, b in (
        ((..., slice(1, None), slice(None)), (..., slice(-1), slice(None))),
        ((..., slice(1, None)), (..., slice(-1))),
    ):
        both = xp.astype(seen[a] & seen[b], r.dtype)
        square = float(xp.sum(both * r[a] ** 2)) * float(xp.sum(both * r[b] ** 2))
        found.append(float(xp.sum(both * r[a] * r[b])) / math.sqrt(square or 1.0))
    return max(found)
